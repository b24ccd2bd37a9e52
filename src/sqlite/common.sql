-- In the files of counts and of alerts alike: how far their reader is in the stream.
CREATE TABLE IF NOT EXISTS checkpoints (
    shard TEXT PRIMARY KEY, sequence_number TEXT, arrival TEXT NOT NULL, newest_event TEXT,
    ended INTEGER NOT NULL
) WITHOUT ROWID;
-- Of which stream, and counted how.
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
-- Which records of another stream were counted here: see src/origin.rs.
CREATE TABLE IF NOT EXISTS open_origins (
    shard TEXT NOT NULL, origin TEXT NOT NULL, after TEXT, PRIMARY KEY (shard, origin)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS open_origin_numbers (
    shard TEXT NOT NULL, origin TEXT NOT NULL, number TEXT NOT NULL, PRIMARY KEY (shard, origin, number)
) WITHOUT ROWID;

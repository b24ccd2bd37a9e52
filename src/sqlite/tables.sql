-- For readers: times are ISO-8601 text in UTC.
CREATE TABLE windows (
    start TEXT NOT NULL, "end" TEXT NOT NULL, key TEXT NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (start, "end", key)
) WITHOUT ROWID;
CREATE TABLE late (
    start TEXT NOT NULL, "end" TEXT NOT NULL, key TEXT NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (start, "end", key)
) WITHOUT ROWID;
CREATE TABLE overflow (
    start TEXT NOT NULL, "end" TEXT NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (start, "end")
) WITHOUT ROWID;
CREATE TABLE checkpoints (
    shard TEXT PRIMARY KEY, sequence_number TEXT, arrival TEXT NOT NULL, newest_event TEXT,
    ended INTEGER NOT NULL
) WITHOUT ROWID;
-- For the counter that goes on from here: times are microseconds since 1970.
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE open_progress (
    one INTEGER PRIMARY KEY CHECK (one = 0), watermark INTEGER NOT NULL,
    late INTEGER NOT NULL, refused INTEGER NOT NULL, duplicates INTEGER NOT NULL, unparsed INTEGER NOT NULL
);
CREATE TABLE open_counts (
    pane INTEGER NOT NULL, key TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (pane, key)
) WITHOUT ROWID;
CREATE TABLE open_overflow (pane INTEGER PRIMARY KEY, count INTEGER NOT NULL);
CREATE TABLE open_ids (pane INTEGER NOT NULL, id BLOB NOT NULL, PRIMARY KEY (pane, id)) WITHOUT ROWID;

-- For readers: times are ISO-8601 text in UTC.
CREATE TABLE IF NOT EXISTS windows (
    start TEXT NOT NULL, "end" TEXT NOT NULL, key TEXT NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (start, "end", key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS late (
    start TEXT NOT NULL, "end" TEXT NOT NULL, key TEXT NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (start, "end", key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS overflow (
    start TEXT NOT NULL, "end" TEXT NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (start, "end")
) WITHOUT ROWID;
-- Numbers that would take as long as the table is: `pairs`, the rows of windows. And `unplaced`, the events
-- that are in no window at all.
CREATE TABLE IF NOT EXISTS totals (name TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
-- Of a file from before there was this table; else the one row is there, and nothing is counted.
INSERT OR IGNORE INTO totals SELECT 'pairs', count(*) FROM windows
    WHERE NOT EXISTS (SELECT 1 FROM totals WHERE name = 'pairs');
-- For the counter that goes on from here: times are microseconds since 1970.
CREATE TABLE IF NOT EXISTS open_progress (
    one INTEGER PRIMARY KEY CHECK (one = 0), watermark INTEGER NOT NULL,
    late INTEGER NOT NULL, refused INTEGER NOT NULL, duplicates INTEGER NOT NULL, unparsed INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS open_counts (
    pane INTEGER NOT NULL, key TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (pane, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS open_overflow (pane INTEGER PRIMARY KEY, count INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS open_ids (pane INTEGER NOT NULL, id BLOB NOT NULL, PRIMARY KEY (pane, id)) WITHOUT ROWID;

-- For readers: times are ISO-8601 text in UTC.
CREATE TABLE IF NOT EXISTS alerts (
    id TEXT PRIMARY KEY, time TEXT NOT NULL, playbook TEXT NOT NULL, key TEXT NOT NULL, ip TEXT,
    start TEXT NOT NULL, "end" TEXT NOT NULL, count INTEGER NOT NULL, threshold INTEGER NOT NULL,
    response TEXT NOT NULL, until TEXT, evidence TEXT NOT NULL, delivered INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS alerts_by_time ON alerts (time);
-- For the detection that goes on from here: times are microseconds since 1970.
CREATE TABLE IF NOT EXISTS definitions (playbook TEXT PRIMARY KEY, definition TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS open_progress (
    one INTEGER PRIMARY KEY CHECK (one = 0), watermark INTEGER NOT NULL, alerts INTEGER NOT NULL,
    late INTEGER NOT NULL, refused INTEGER NOT NULL, duplicates INTEGER NOT NULL, unparsed INTEGER NOT NULL,
    overflow INTEGER NOT NULL
);
-- Of the whole of its life: `undeliverable`, `callback_panics`; and of each playbook, the events that had no room.
CREATE TABLE IF NOT EXISTS totals (name TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS beyond_memory (playbook TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS alerts_undelivered ON alerts (time, id) WHERE delivered = 0;
CREATE TABLE IF NOT EXISTS open_tallies (
    playbook TEXT NOT NULL, pane INTEGER NOT NULL, key TEXT NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (playbook, pane, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS open_items (
    playbook TEXT NOT NULL, pane INTEGER NOT NULL, key TEXT NOT NULL, item INTEGER NOT NULL,
    PRIMARY KEY (playbook, pane, key, item)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS open_ids (minute INTEGER NOT NULL, id BLOB NOT NULL, PRIMARY KEY (minute, id)) WITHOUT ROWID;

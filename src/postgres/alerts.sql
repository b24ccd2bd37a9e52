-- The tables of a detection, as one process writes them, and as many can: layout 1. Beside those of a counter, in one
-- schema; who may write is as there (counts.sql). Under the shard '' are the sums of one process that reads them all.
CREATE TABLE alert_progress (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    stream text NOT NULL, created timestamptz NOT NULL,
    watermark timestamptz NOT NULL,
    owner text NOT NULL, epoch bigint NOT NULL,
    commits bigint NOT NULL DEFAULT 0, committed timestamptz
) WITH (fillfactor = 50);
CREATE TABLE alert_shards (
    shard text COLLATE "C" PRIMARY KEY, parents text[] NOT NULL DEFAULT '{}',
    epoch bigint NOT NULL DEFAULT 0, owner text,
    sequence text, sub_sequence bigint, arrival timestamptz, newest_event timestamptz,
    idle boolean NOT NULL DEFAULT false, reported timestamptz, ended boolean NOT NULL DEFAULT false
) WITH (fillfactor = 50);
-- For readers. Each once: the id says which events it is about, whoever finds it.
CREATE TABLE alerts (
    id text COLLATE "C" PRIMARY KEY, time timestamptz NOT NULL, playbook text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL, ip text, start timestamptz NOT NULL, "end" timestamptz NOT NULL,
    count bigint NOT NULL, threshold bigint NOT NULL, response text NOT NULL, until timestamptz,
    evidence text NOT NULL, delivered boolean NOT NULL
);
CREATE INDEX alerts_by_time ON alerts (time, id);
CREATE INDEX alerts_undelivered ON alerts (time, id) WHERE NOT delivered;
CREATE INDEX alerts_by_key ON alerts (playbook, key, time);
-- What the playbooks count: of one that counts something else now, nothing is gone on from.
CREATE TABLE alert_definitions (playbook text COLLATE "C" PRIMARY KEY, definition text NOT NULL);
-- alerts, late, refused, duplicates, unparsed, overflow, undeliverable, callback_panics.
CREATE TABLE alert_totals (
    shard text COLLATE "C" NOT NULL, name text COLLATE "C" NOT NULL, count bigint NOT NULL, PRIMARY KEY (shard, name)
) WITH (fillfactor = 50);
-- Of each playbook, the events that had no room.
CREATE TABLE beyond_memory (
    shard text COLLATE "C" NOT NULL, playbook text COLLATE "C" NOT NULL, count bigint NOT NULL,
    PRIMARY KEY (shard, playbook)
);
-- What the open windows consist of: counts of keys, and the hashes of what is counted once.
CREATE TABLE open_tallies (
    playbook text COLLATE "C" NOT NULL, pane timestamptz NOT NULL, key text COLLATE "C" NOT NULL,
    shard text COLLATE "C" NOT NULL, count bigint NOT NULL, PRIMARY KEY (playbook, pane, key, shard)
) WITH (fillfactor = 80);
CREATE TABLE open_items (
    playbook text COLLATE "C" NOT NULL, pane timestamptz NOT NULL, key text COLLATE "C" NOT NULL, item bigint NOT NULL,
    PRIMARY KEY (playbook, pane, key, item)
);
CREATE TABLE alert_ids (
    minute timestamptz NOT NULL, shard text COLLATE "C" NOT NULL, id bytea NOT NULL, PRIMARY KEY (minute, shard, id)
);
CREATE TABLE alert_origins (
    shard text COLLATE "C" NOT NULL, origin text COLLATE "C" NOT NULL, rest text, after text,
    PRIMARY KEY (shard, origin)
);
CREATE TABLE alert_origin_numbers (
    shard text COLLATE "C" NOT NULL, origin text COLLATE "C" NOT NULL, number text COLLATE "C" NOT NULL,
    PRIMARY KEY (shard, origin, number)
);

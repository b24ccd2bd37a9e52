-- The tables of a counter, as one process writes them, and as many can: layout 1.
--
-- What is added up lies here by shard, so that no two workers touch one row. One process that reads all shards
-- writes its sums under the shard '', which is nobody's name; whoever reads adds up over all of them.
--
-- Who may write: one process, whose name is progress.owner; or, of a shard, the worker whose name is shards.owner
-- and whose number is shards.epoch. Whoever takes over writes its own name there, a process into progress and into
-- every shard, a worker into its shard and progress, each with a number that is one larger. Whoever finds another
-- name than its own has been replaced, and writes nothing more.
CREATE TABLE progress (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    -- Of what these are the counts. A fleet says its lateness here, which is then everybody's.
    stream text NOT NULL, created timestamptz NOT NULL,
    size interval NOT NULL, slide interval NOT NULL, lateness interval, key text NOT NULL,
    -- All windows that end by then are complete, and nothing is added to them.
    watermark timestamptz NOT NULL,
    owner text NOT NULL, epoch bigint NOT NULL,
    -- How often one process has committed: whether a commit that was not answered is in here.
    commits bigint NOT NULL DEFAULT 0, committed timestamptz, completed_by text
) WITH (fillfactor = 50);
CREATE TABLE shards (
    shard text COLLATE "C" PRIMARY KEY, parents text[] NOT NULL DEFAULT '{}',
    epoch bigint NOT NULL DEFAULT 0, owner text,
    -- The last record that is counted. Digits of any number; those of an aggregate have a place in it, too.
    sequence text, sub_sequence bigint, arrival timestamptz, newest_event timestamptz,
    idle boolean NOT NULL DEFAULT false, reported timestamptz, ended boolean NOT NULL DEFAULT false
) WITH (fillfactor = 50);
-- What the open windows consist of. A key that is too long for an index is whole in rest, and in key its beginning
-- and its hash.
CREATE TABLE open_counts (
    pane timestamptz NOT NULL, shard text COLLATE "C" NOT NULL, key text COLLATE "C" NOT NULL, rest text,
    count bigint NOT NULL, PRIMARY KEY (pane, shard, key)
) WITH (fillfactor = 80);
CREATE TABLE open_overflow (
    pane timestamptz NOT NULL, shard text COLLATE "C" NOT NULL, count bigint NOT NULL, PRIMARY KEY (pane, shard)
);
CREATE TABLE open_ids (
    pane timestamptz NOT NULL, shard text COLLATE "C" NOT NULL, id bytea NOT NULL, PRIMARY KEY (pane, shard, id)
);
-- Which records of another stream were counted: see src/event/origin.rs.
CREATE TABLE open_origins (
    shard text COLLATE "C" NOT NULL, origin text COLLATE "C" NOT NULL, rest text, after text,
    PRIMARY KEY (shard, origin)
);
CREATE TABLE open_origin_numbers (
    shard text COLLATE "C" NOT NULL, origin text COLLATE "C" NOT NULL, number text COLLATE "C" NOT NULL,
    PRIMARY KEY (shard, origin, number)
);
-- For readers. Each window comes once, in the transaction that moves the watermark over its end.
CREATE TABLE windows (
    start timestamptz NOT NULL, "end" timestamptz NOT NULL, key text COLLATE "C" NOT NULL, count bigint NOT NULL
);
CREATE INDEX windows_by_start ON windows (start);
CREATE TABLE overflow (
    start timestamptz NOT NULL, "end" timestamptz NOT NULL, count bigint NOT NULL, PRIMARY KEY (start, "end")
);
CREATE TABLE shard_late (
    start timestamptz NOT NULL, "end" timestamptz NOT NULL, key text COLLATE "C" NOT NULL, rest text,
    shard text COLLATE "C" NOT NULL, count bigint NOT NULL, PRIMARY KEY (start, "end", key, shard)
);
-- late, refused, duplicates, unparsed, unplaced; and pairs, the rows of windows.
CREATE TABLE shard_totals (
    shard text COLLATE "C" NOT NULL, name text COLLATE "C" NOT NULL, count bigint NOT NULL, PRIMARY KEY (shard, name)
) WITH (fillfactor = 50);
CREATE VIEW late AS
    SELECT start, "end", coalesce(rest, key) AS key, sum(count)::bigint AS count FROM shard_late GROUP BY 1, 2, 3;
CREATE VIEW totals AS SELECT name, sum(count)::bigint AS count FROM shard_totals GROUP BY name;
CREATE VIEW checkpoints AS
    SELECT shard, sequence AS sequence_number, arrival, newest_event, ended FROM shards;

//! How far the fleet is, as the database has it: whichever worker is asked, and also when none is left.

use kinesis_lab::Alerts;
use kinesis_lab::prelude::*;

use crate::common::say::product;

/// The lag is of event time; a shard that nobody reads is silent. The machine is that of the connection that writes:
/// none where it is gone, or is another role's, which the server does not show.
const SHARDS: &str = "\
    SELECT s.shard, CASE WHEN ended THEN 'at its end' WHEN epoch = 0 THEN 'not read yet' WHEN idle THEN 'at its tip' \
    ELSE 'read' END AS state, epoch, owner, c.machine, newest_event, \
    round(extract(epoch FROM clock_timestamp() - newest_event)) AS lag_s, \
    CASE WHEN NOT ended THEN round(extract(epoch FROM clock_timestamp() - reported)) END AS silent_s \
    FROM shards s LEFT JOIN (SELECT application_name, \
    max(CASE WHEN client_addr IS NULL THEN 'local' ELSE host(client_addr) END) AS machine \
    FROM pg_stat_activity WHERE datname = current_database() GROUP BY 1) AS c ON c.application_name = s.owner \
    WHERE s.shard <> '' ORDER BY s.shard";

/// What holds all windows is a shard that is behind, or that nobody reads.
const PROGRESS: &str = "\
    SELECT stream, watermark, round(extract(epoch FROM clock_timestamp() - watermark)) AS behind_s, \
    extract(epoch FROM size)::float8 AS window_s, extract(epoch FROM lateness)::float8 AS lateness_s, \
    (SELECT count(DISTINCT pane) FROM open_counts) AS open_panes, (SELECT count(*) FROM open_counts) AS open_rows, \
    (SELECT count(DISTINCT start) FROM windows) AS complete_windows FROM progress";

/// Shards, windows, and what is in none: one look after the other, while the workers go on.
pub(crate) fn show(database: &str) -> Result<(), Error> {
    let counts = Counts::open(database)?;
    let (shards, progress, totals) = (counts.sql(SHARDS)?, counts.sql(PROGRESS)?, counts.totals()?);
    let (rows, megabytes) = (counts.pairs()?, counts.bytes()? as f64 / 1e6);
    product(|out| {
        writeln!(out, "{shards}\n\n{progress}\n")?;
        writeln!(
            out,
            "{rows} rows of complete windows, {megabytes:.1} MB in all; {} events late, {} from the future, {} unparsed, \
             {} duplicates",
            totals.late, totals.refused, totals.unparsed, totals.duplicates,
        )
    })
}

/// How many of the newest alerts are shown.
const NEWEST: usize = 10;

/// Of a detection: how far its shards are, and what it has set off.
pub(crate) fn show_alerts(database: &str) -> Result<(), Error> {
    let alerts = Alerts::open(database)?;
    let (positions, count, newest) = (alerts.positions()?, alerts.count()?, alerts.recent(NEWEST)?);
    product(|out| {
        for place in &positions {
            let end = if place.ended { ", to its end" } else { "" };
            writeln!(out, "{}: watched up to what arrived at {}{end}", place.shard_id, place.arrival)?;
        }
        writeln!(out, "{count} alerts; the newest first:")?;
        newest.iter().try_for_each(|alert| writeln!(out, "{alert}"))
    })
}

//! `cargo xtask scale`: a fleet of thousands of shards on paper, with what PostgreSQL did where it was measured.

mod database;
mod limits;
mod measured;
mod model;

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::Place;
use measured::Measured;
use model::Fleet;

/// How large a fleet, and what is changed of it.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// Open shards of the stream
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub shards: u64,
    /// Workers: daemons of the Kinesis Client Library
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub workers: u64,
    /// Records a second of each shard
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub records: u32,
    /// Different keys of each shard in a minute; each key has one shard
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub keys: u32,
    /// Databases, each with a range of the hashes
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub databases: u64,
    /// How many times as fast a database is as the one that was measured
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub faster: u32,
    /// Another seed, other moments of the same fleet
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// The same numbers with each remedy, and with all
    #[arg(long)]
    pub remedies: bool,
    /// Measure PostgreSQL on this machine (a minute), and keep the result in xtask/scale/measured.json
    #[arg(long)]
    pub measure: bool,
}

/// Minutes that are simulated: the first quarter is not looked at.
const MINUTES: f64 = 4.0;

/// Prints what such a fleet asks for, and where it breaks first.
pub fn run(place: &Place, options: &Options) -> Result<bool> {
    let file = place.checkout.join(measured::FILE);
    if options.measure {
        let mut command = Command::new("bash");
        command.arg("xtask/scale/measure").arg("src/postgres/counts.sql").current_dir(&place.checkout);
        let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("no bash")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            bail!("PostgreSQL could not be measured; see above");
        }
        Measured::read(&text)?;
        fs::write(&file, &text).with_context(|| file.display().to_string())?;
        print!("{text}");
    }
    let measured = Measured::read(&fs::read_to_string(&file).with_context(|| file.display().to_string())?)?;
    let fleet = Fleet {
        shards: options.shards,
        workers: options.workers,
        records: options.records.into(),
        keys: options.keys.into(),
        databases: options.databases.min(options.shards),
        faster: options.faster.into(),
        ..Fleet::default()
    };
    print_one(&fleet, &measured, options.seed);
    if options.remedies {
        print_remedies(&fleet, &measured, options.seed);
    }
    Ok(true)
}

fn print_one(fleet: &Fleet, measured: &Measured, seed: u64) {
    println!(
        "{} shards, {} workers, {} records/s a shard, {} keys a shard and minute, {} database(s), {} × as fast as",
        fleet.shards, fleet.workers, fleet.records, fleet.keys, fleet.databases, fleet.faster
    );
    println!("measured: {}", measured.where_and_when);
    println!(
        "from the KCL 3.1.3: a lease is renewed every 3.3 s (failoverTimeMillis 10000), shards are read every"
    );
    println!("1.5 s, checkpoints come every 5 s (Child); assumed: 500 bytes a lease, all keys as frequent\n");
    let row = |name: &str, number: f64, unit: &str| println!("{name:<48} {:>14}  {unit}", thousands(number));
    row("DynamoDB, writes", fleet.dynamodb_writes(), "a second");
    row("DynamoDB, read units", fleet.dynamodb_reads(), "a second");
    row("Kinesis, GetRecords", fleet.reads_a_shard(), "a second and shard (AWS: 5)");
    let calls = fleet.list_shards_at_start() as f64;
    row("Kinesis, ListShards when all start", calls, "calls, a page each");
    row("  at the 1,000 a second that AWS allows", calls / 1_000.0, "s");
    row("PostgreSQL, batches wanted", fleet.transactions(), "a second and database");
    row("PostgreSQL, rows of open counts", fleet.open_rows(), "a database");
    row("PostgreSQL, rows of windows", fleet.rows_a_day(), "a day, all databases");
    row("  in bytes", fleet.rows_a_day() * measured.bytes_a_row / 1e9, "GB a day");
    row("PostgreSQL, one window is completed in", fleet.completion_seconds(measured), "s");
    let seen = database::simulate(fleet, measured, MINUTES, seed);
    println!("\nsimulated, {MINUTES} minutes, seed {seed}:");
    row("  batches written", seen.transactions_a_second, "a second and database");
    row("  a batch waits, median", seen.wait_median, "s");
    row("  a batch waits, all but 1 %", seen.wait_99, "s");
    row("  a shard is read every", seen.cycle_seconds, "s");
    row("  the database is busy", seen.busy * 100.0, "%");

    println!("\nwhere it breaks, by the number of shards:");
    let mut limits: Vec<_> =
        limits::LIMITS.iter().map(|limit| (limit.breaks_at(fleet, measured), limit)).collect();
    limits.sort_by_key(|(shards, _)| shards.unwrap_or(u64::MAX));
    for (shards, limit) in limits {
        let shards = shards.map_or("never".to_owned(), |shards| thousands(shards as f64));
        let asked = (limit.asked)(fleet, measured);
        println!(
            "{shards:>9}  {}: {} of {}\n           {}",
            limit.name,
            thousands(asked),
            thousands(limit.allowed),
            limit.source
        );
    }
}

fn print_remedies(fleet: &Fleet, measured: &Measured, seed: u64) {
    println!("\nremedies                  DynamoDB    batches  completion  a shard is   breaks first at");
    println!("                          writes/s   /s and DB           s  read every   (shards)");
    for (name, fleet) in limits::remedies(fleet) {
        let seen = database::simulate(&fleet, measured, MINUTES, seed);
        let (limit, shards) = limits::first(&fleet, measured).unwrap_or(("", 0));
        println!(
            "{name:<24} {:>9} {:>11} {:>11} {:>9} s   {} ({})",
            thousands(fleet.dynamodb_writes()),
            thousands(seen.transactions_a_second),
            thousands(fleet.completion_seconds(measured)),
            thousands(seen.cycle_seconds),
            thousands(shards as f64),
            limit.split(',').next().unwrap_or_default(),
        );
    }
}

/// `12,345`, `12.3`, `0.004`.
fn thousands(number: f64) -> String {
    let digits = match number.abs() {
        0.0 => 0,
        ..0.1 => 4,
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    let text = format!("{number:.digits$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 && grouped != "-" {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_at_a_glance() {
        let shown = [0.0, 0.004, 0.25, 12.34, 123.4, 1_234.5, 1_234_567.0].map(thousands);
        assert_eq!(shown, ["0", "0.0040", "0.25", "12.3", "123", "1,234", "1,234,567"]);
    }

    #[test]
    fn what_was_measured_is_kept_with_its_day_and_machine() {
        let measured = Measured::read(include_str!("../scale/measured.json")).unwrap();
        assert!(measured.where_and_when.contains("20") && measured.where_and_when.contains("cores"));
    }
}

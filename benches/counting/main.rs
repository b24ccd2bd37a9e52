//! Counting alone, in memory, on one core: the public `Counter` beside the loop that one would write over the same
//! bytes, for each form in which events come.
//!
//! `cargo bench --bench counting`; `cargo xtask bench` puts the ratios into BENCHMARKS.md. Where valgrind is there,
//! the instructions a record stand beside them: they are the same on a busy machine.

use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

use kinesis_lab::prelude::*;
use rows::{ROWS, Row};

mod by_hand;
mod records;
mod rows;
mod shards;

const RECORDS: usize = 1_000_000;
/// Under valgrind, which is fifty times slower.
const RECORDS_COUNTED: usize = 100_000;
const BATCH: usize = 10_000;
const ROUNDS: usize = 9;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, flag, subject, row] = &arguments[..]
        && flag == "--once"
    {
        let row = ROWS.iter().find(|known| known.name == row).expect("a row's name");
        let batches = (row.records)(RECORDS_COUNTED);
        // The allocator puts in order, once, what making the records has left: not counted.
        black_box((row.by_hand)(&batches[..1]));
        measured(row, &batches, subject == "counter");
        return;
    }
    // `cargo test --benches` runs this too; a hundredth is enough to see that it works.
    let whole = arguments.iter().any(|argument| argument == "--bench");
    let records = if whole { RECORDS } else { RECORDS / 100 };
    let valgrind = whole && Command::new("valgrind").arg("--version").output().is_ok();
    println!("{:32}  {:>9}  {:>9}  {:>5}  instructions a record", "", "counter", "by hand", "ratio");
    for row in &ROWS {
        compare(row, records, valgrind);
    }
    flat(records);
    shards::print(if whole { 1_000 } else { 50 });
}

fn compare(row: &Row, records: usize, valgrind: bool) {
    let batches = (row.records)(records);
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        // Interleaved, so that a slow moment of the machine hits both.
        let a = rate(records, || measured(row, &batches, true));
        let b = rate(records, || measured(row, &batches, false));
        ratios.push(a / b);
        ours.push(a);
        theirs.push(b);
    }
    let million = |rates: &mut [f64]| format!("{:.2} M/s", median(rates) / 1e6);
    let instructions = match valgrind {
        true => format!("{} and {}", counted(row, "counter"), counted(row, "hand")),
        false => "not counted".to_owned(),
    };
    println!(
        "{:32}  {:>9}  {:>9}  {:5.2}  {instructions}",
        row.name,
        million(&mut ours),
        million(&mut theirs),
        median(&mut ratios)
    );
}

/// A week of windows with as many (window, key) pairs in all as an hour: the rate should not care.
fn flat(records: usize) {
    let (hour, week) = (records::bare(records, 1), records::over_a_week(records));
    let count = |batches: &[Batch]| rows::count(Counter::per_minute(), 1, 1, batches);
    let mut ratios: Vec<f64> =
        (0..ROUNDS).map(|_| rate(records, || count(&week)) / rate(records, || count(&hour))).collect();
    println!("{:32}  {:>9}  {:>9}  {:5.2}", "10,080 windows to 60", "", "", median(&mut ratios));
}

/// By its name, valgrind knows where to begin to count.
#[inline(never)]
fn measured(row: &Row, batches: &[Batch], counter: bool) -> u64 {
    black_box(if counter { (row.counter)(batches) } else { (row.by_hand)(batches) })
}

/// Instructions a record, as valgrind counts them.
fn counted(row: &Row, subject: &str) -> String {
    let this = std::env::current_exe().expect("the path of this program");
    let out = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*measured*"])
        .arg(this)
        .args(["--once", subject, row.name])
        .output();
    let text = out.map(|out| String::from_utf8_lossy(&out.stderr).into_owned()).unwrap_or_default();
    let all = text
        .lines()
        .find_map(|line| line.split_once("Collected : "))
        .and_then(|(_, n)| n.trim().parse::<f64>().ok());
    all.map_or("?".to_owned(), |all| format!("{:.0}", all / RECORDS_COUNTED as f64))
}

fn rate(records: usize, work: impl Fn() -> u64) -> f64 {
    let begun = Instant::now();
    assert_eq!(work(), records as u64);
    records as f64 / begun.elapsed().max(Duration::from_nanos(1)).as_secs_f64()
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

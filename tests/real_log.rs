//! A real access log through the program `count`, in several orders, against a count made without it.

#![cfg(feature = "full")]

mod count_program;

use std::io::Write as _;
use std::path::Path;

use count_program::{Counts, counts, finish, scratch};
use fastrand::Rng;
use kinesis_lab::prelude::*;

/// A line, with its client and its second of the epoch found by cutting at fixed characters.
#[derive(Clone)]
struct Line {
    client: String,
    minute: String,
    second: i64,
    text: String,
}

fn lines(log: &str) -> Vec<Line> {
    let cut = |text: &str| {
        let (client, rest) = text.split_once(" - ").unwrap();
        let time = rest.split_once('[').unwrap().1; // 17/May/2015:10:05:03 +0000
        let number = |at: usize| time[at..at + 2].parse::<i64>().unwrap();
        assert_eq!((&time[3..11], &time[20..26]), ("May/2015", " +0000"), "this log is of one month");
        Line {
            client: client.to_owned(),
            minute: format!("2015-05-{}T{}:00Z", &time[..2], &time[12..17]),
            second: ((number(0) * 24 + number(12)) * 60 + number(15)) * 60 + number(18),
            text: text.to_owned(),
        }
    };
    log.lines().map(cut).collect()
}

/// In an order in which no line is more than a minute before the newest one so far.
fn displaced(sorted: &[Line], by: impl Fn(usize, &Line) -> i64) -> Vec<Line> {
    let mut order: Vec<(i64, usize)> =
        sorted.iter().enumerate().map(|(n, line)| (line.second + by(n, line), n)).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, n)| sorted[n].clone()).collect()
}

#[test]
fn any_order_within_the_lateness_gives_the_same_table() {
    let log = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/apache_access.log");
    let Ok(log) = std::fs::read_to_string(&log) else {
        let _ = writeln!(std::io::stderr(), "SKIPPED: {} is not there", log.display());
        return;
    };
    let as_it_is = lines(&log);
    let mut expected = Counts::new();
    for line in &as_it_is {
        *expected.entry((line.minute.clone(), line.client.clone())).or_default() += 1;
    }
    let mut sorted = as_it_is.clone();
    sorted.sort_by_key(|line| line.second);
    // Reversed within each minute, and shuffled by up to a minute.
    let reversed = displaced(&sorted, |_, line| 2 * (30 - line.second.rem_euclid(60)));
    let shuffled = displaced(&sorted, |n, _| Rng::with_seed(n as u64).i64(0..60));

    let kinesis = Kinesis::local().unwrap();
    for (name, lines) in
        [("as", as_it_is), ("sorted", sorted), ("reversed", reversed), ("shuffled", shuffled)]
    {
        // One shard, so that the order of the log is the order of arrival.
        let stream = kinesis.create_stream("crash", 1).unwrap();
        let entries: Vec<Entry> = lines.into_iter().map(|line| Entry::new("log", line.text)).collect();
        assert_eq!(stream.put_many(entries).send().unwrap().sent, 10_000);
        let database = scratch(&format!("real log {name}"));
        let said = finish(kinesis.endpoint_url().unwrap(), &database, &["--lateness", "60s"]);
        assert!(
            said.contains("10000 records read and committed") && said.contains(" 0 late"),
            "{name}: {said}"
        );
        assert!(counts(&database) == expected, "{name}: another table");
        stream.delete().unwrap();
    }
}

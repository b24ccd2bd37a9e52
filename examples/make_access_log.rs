//! Writes the access log that the tutorial reads, `data/access.log`: made up, but shaped like a real one.
//!
//! ```sh
//! cargo run --example make_access_log > data/access.log      # what `cargo xtask data` does
//! cargo run --example make_access_log -- --seed 2 --lines 100
//! ```
//!
//! The same seed gives the same bytes on every system: all choices are made with whole numbers.

use std::process::ExitCode;
use std::time::Duration;

use kinesis_lab::Timestamp;

mod common;

use common::say::{ended, product, say};

const USAGE: &str = "\
Usage: make_access_log [--seed N] [--lines N]

Writes an access log (combined format) to standard output.

  --seed N    another log of the same kind (default: 1)
  --lines N   how many lines (default: 1500)
  --help      this text";

const DEFAULT_SEED: u64 = 1;
const DEFAULT_LINES: u32 = 1_500;

/// Twelve minutes that begin with the windows of the tutorial.
const START_SECS: i64 = 1_536_221_040; // 2018-09-06T08:04:00Z
const SPAN_SECS: u32 = 12 * 60;

/// Clients and their weights: two busy ones, as in the tutorial, some regular ones, and a long tail
/// (see `client`). All from the ranges that RFC 5737 sets aside for documentation.
const CLIENTS: [(&str, u32); 9] = [
    ("192.0.2.10", 22),
    ("192.0.2.20", 12),
    ("198.51.100.7", 9),
    ("203.0.113.5", 7),
    ("198.51.100.23", 6),
    ("192.0.2.77", 5),
    ("203.0.113.80", 4),
    ("198.51.100.140", 3),
    ("203.0.113.201", 2),
];
const TAIL_WEIGHT: u32 = 20;
/// It tries passwords for two minutes: something for a detector to find.
const ATTACKER: &str = "203.0.113.66";
const ATTACK_SECS: std::ops::Range<u32> = 300..420;

const PATHS: [(&str, u32); 8] = [
    ("/", 30),
    ("/blog/stream-processing", 18),
    ("/static/site.css", 16),
    ("/static/logo.png", 14),
    ("/blog/feed.xml", 8),
    ("/search?q=kinesis+shards", 6),
    ("/about", 5),
    ("/favicon.ico", 3),
];
const MISSING: [&str; 4] = ["/wp-login.php", "/.env", "/robots.txt", "/blog/old-post"];
const AGENTS: [&str; 4] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:61.0) Gecko/20100101 Firefox/61.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/68.0.3440.106 Safari/537.36",
    "Mozilla/5.0 (compatible; ExampleBot/2.1; +http://www.example.com/bot.html)",
    "curl/7.61.0",
];

/// Lines that no parser takes, as they occur in practice: cut off by a full disk, from another
/// program, and with a time that is none.
const MALFORMED: [&str; 3] = [
    "192.0.2.20 - - [06/Sep/2018:08:06:41 +0000] \"GET /blog/stream-pro",
    "[Thu Sep 06 08:09:12.500000 2018] [core:notice] AH00094: Command line: '/usr/sbin/apache2'",
    "198.51.100.7 - - [06/Sep/2018:08:61:00 +0000] \"GET / HTTP/1.1\" 200 4523 \"-\" \"curl/7.61.0\"",
];

fn main() -> ExitCode {
    let (mut seed, mut lines) = (DEFAULT_SEED, DEFAULT_LINES);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number = || args.next().and_then(|text| text.parse::<u32>().ok());
        match (arg.as_str(), number()) {
            ("--help" | "-h", _) => {
                return ended(product(|out| writeln!(out, "{USAGE}")));
            }
            ("--seed", Some(n)) => seed = n.into(),
            ("--lines", Some(n)) => lines = n,
            _ => {
                say(format_args!("make_access_log: cannot make sense of {arg:?}\n\n{USAGE}"));
                return ExitCode::from(2);
            }
        }
    }
    ended(product(|out| out.write_all(access_log(seed, lines).as_bytes())))
}

/// The log: `lines` lines, over which the malformed ones are spread, and a line break after each.
fn access_log(seed: u64, lines: u32) -> String {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut out = String::new();
    let mut malformed = MALFORMED.iter();
    for i in 0..lines {
        if i % (lines / 4).max(1) == lines / 5
            && let Some(line) = malformed.next()
        {
            out.push_str(line);
        } else {
            out.push_str(&line(&mut rng, i, lines));
        }
        out.push('\n');
    }
    out
}

fn line(rng: &mut fastrand::Rng, i: u32, lines: u32) -> String {
    // Servers log a request when it ends, with the time at which it began: hence the disorder. Most
    // are quick; a download now and then takes up to half a minute.
    let ended = (u64::from(i) * u64::from(SPAN_SECS) / u64::from(lines.max(1))) as u32;
    let took = if rng.u32(..10) == 0 { rng.u32(2..30) } else { rng.u32(..2) };
    let began = ended.saturating_sub(took);

    let attack = ATTACK_SECS.contains(&began) && rng.u32(..10) < 4;
    let (client, method, path, status) = match rng.u32(..100) {
        _ if attack => (ATTACKER.to_owned(), "POST", "/login", 401),
        0..4 => (client(rng), "GET", MISSING[rng.usize(..MISSING.len())], 404),
        4..6 => (client(rng), "POST", "/login", if rng.bool() { 302 } else { 401 }),
        6..8 => (client(rng), "GET", "/static/site.css", 304),
        8 => (client(rng), "GET", "/search?q=%22", 500),
        _ => (client(rng), "GET", pick(rng, &PATHS), 200),
    };
    // The same path, the same size.
    let size = 180 + path.bytes().map(u32::from).sum::<u32>() * 31 % 48_000;
    let bytes = if status == 304 { "-".to_owned() } else { size.to_string() };
    let referer = if rng.u32(..3) == 0 { "https://www.example.com/" } else { "-" };
    // The same client, the same browser.
    let agent = AGENTS[client.bytes().map(usize::from).sum::<usize>() % AGENTS.len()];
    let time = clock(Timestamp::from_secs(START_SECS) + Duration::from_secs(began.into()));
    format!(
        "{client} - - [{time} +0000] \"{method} {path} HTTP/1.1\" {status} {bytes} \"{referer}\" \"{agent}\""
    )
}

fn client(rng: &mut fastrand::Rng) -> String {
    let known: u32 = CLIENTS.iter().map(|(_, weight)| weight).sum();
    if rng.u32(..known + TAIL_WEIGHT) < known {
        return pick(rng, &CLIENTS).to_owned();
    }
    let net = ["192.0.2", "198.51.100", "203.0.113"][rng.usize(..3)];
    format!("{net}.{}", rng.u32(100..150))
}

/// One of the choices, each as often as its weight says.
fn pick<'a>(rng: &mut fastrand::Rng, choices: &[(&'a str, u32)]) -> &'a str {
    let total: u32 = choices.iter().map(|(_, weight)| weight).sum();
    let mut at = rng.u32(..total);
    for (choice, weight) in choices {
        if at < *weight {
            return choice;
        }
        at -= weight;
    }
    unreachable!("`at` is less than the sum of the weights")
}

/// `06/Sep/2018:08:04:00`; the log lies within one month.
fn clock(time: Timestamp) -> String {
    let plain = time.plain(0);
    format!("{}/Sep/{}:{}", &plain[8..10], &plain[..4], &plain[11..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use kinesis_lab::{AccessLog, LogLine, LogRecord};
    use std::collections::{BTreeMap, HashSet};

    #[test]
    fn the_file_in_data_is_what_this_program_writes() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/access.log");
        let file = std::fs::read_to_string(path).unwrap();
        let same = file == access_log(DEFAULT_SEED, DEFAULT_LINES);
        assert!(same, "data/access.log is not what its generator writes; run cargo xtask data");
    }

    #[test]
    fn it_is_what_its_readme_says() {
        let mut log =
            AccessLog::from_reader(std::io::Cursor::new(access_log(DEFAULT_SEED, DEFAULT_LINES))).quiet();
        let records: Vec<LogRecord> = log.by_ref().map(|record| record.unwrap()).collect();
        let times: Vec<Timestamp> = records.iter().map(|r| r.time).collect();
        let mut latest = Timestamp::MIN;
        let (mut disorder, mut earlier) = (Duration::ZERO, 0);
        for time in &times {
            disorder = disorder.max(latest.since(*time));
            earlier += u32::from(*time < latest);
            latest = latest.max(*time);
        }
        let clients: HashSet<&str> = records.iter().map(|r| r.client.raw()).collect();
        let count = |client: &str| records.iter().filter(|r| r.client == client).count();
        let rare = clients.iter().filter(|client| count(client) < 10).count();
        let mut minutes = BTreeMap::<Timestamp, u32>::new();
        let mut statuses = BTreeMap::<u16, u32>::new();
        for record in &records {
            *minutes.entry(record.time.truncate(Duration::from_secs(60))).or_default() += 1;
            *statuses.entry(LogLine::parse(&record.line).unwrap().status).or_default() += 1;
        }
        let (fewest, most) = (minutes.values().min().unwrap(), minutes.values().max().unwrap());
        let readme = include_str!("../data/README.md");
        for fact in [
            format!("1,{}, of which {} do not parse", log.lines() - 1_000, log.unparsed()),
            format!("{} minutes of {fewest} to {most} requests", minutes.len()),
            format!("{earlier} lines are earlier than one before them, by up to {} s", disorder.as_secs()),
            format!("{}; 192.0.2.10 with {} requests", clients.len(), count("192.0.2.10")),
            format!("192.0.2.20 with {} are the busiest, {rare} come", count("192.0.2.20")),
            format!("{ATTACKER} tries {} passwords", count(ATTACKER)),
        ]
        .into_iter()
        .chain(statuses.iter().map(|(status, count)| match count {
            1_000.. => format!("1,{:03} × {status}", count - 1_000),
            _ => format!("{count} × {status}"),
        })) {
            assert!(readme.contains(&fact), "data/README.md does not say: {fact}");
        }
        let documentation = ["192.0.2.", "198.51.100.", "203.0.113."];
        assert!(clients.iter().all(|c| documentation.iter().any(|net| c.starts_with(net))));
    }

    #[test]
    fn any_number_of_lines() {
        for lines in [0, 1, 2, 3, 10, 5_000] {
            assert_eq!(access_log(3, lines).lines().count(), lines as usize);
        }
        assert_ne!(access_log(1, 10), access_log(2, 10));
    }
}

//! Replays an access log through a local stream and counts requests per minute and client.
//!
//! Prints `minute<TAB>client<TAB>count`, sorted, and nothing else on stdout; progress and lines that
//! do not parse go to stderr.

use std::collections::BTreeMap;
use std::io;
use std::process::ExitCode;

use kinesis_lab::prelude::*;
use kinesis_lab::{LinePrefix, LogFormat};

mod common;

use common::say::{ended, product, say};

const USAGE: &str = "\
Counts the requests per minute and client of an access log, through a local Kinesis stream.

Usage: count_access_log FILE [--shards N] [--log-format PATTERN] [--behind WHAT] [--trusted-proxy NETWORK]…

  FILE                     a web server's log, packed by gzip or not; - reads standard input
  --shards N               shards of the stream [default: 1]
  --log-format PATTERN     the server's own: a pattern of nginx ($…) or Apache (%…), or combined, vhost_combined,
                           alb, elb, caddy, traefik, nginx_json, w3c [default: combined, which reads common, too]
  --behind WHAT            what stands before each line: syslog, docker, compose, cri
  --trusted-proxy NETWORK  whose X-Forwarded-For names the client; may be repeated
  -h, --help               this text

Ends with status 0 when lines were counted, 1 when none could be or something failed, 2 when it was called
in another way than this.

Example:
  cargo run --release --features full --example count_access_log -- data/access.log --shards 4
";

fn main() -> ExitCode {
    let arguments = match arguments(std::env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            return ended(product(|out| out.write_all(USAGE.as_bytes())));
        }
        Err(error) => {
            say(format_args!("{error}\n\n{USAGE}"));
            return ExitCode::from(2);
        }
    };
    ended(count(&arguments))
}

struct Arguments {
    file: String,
    shards: u32,
    format: LogFormat,
}

fn arguments(mut arguments: impl Iterator<Item = String>) -> Result<Option<Arguments>, String> {
    let (mut file, mut shards) = (None, 1);
    let (mut format, mut proxies) = (LogFormat::combined(), Vec::new());
    let mut prefix: Option<LinePrefix> = None;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "-h" | "--help" => return Ok(None),
            "--shards" => {
                let number = arguments.next().unwrap_or_default();
                shards = number.parse().ok().filter(|n| (1..=10_000).contains(n)).ok_or_else(|| {
                    format!(
                        "error: --shards takes a number from 1 to 10,000, not `{}`",
                        number.escape_debug()
                    )
                })?;
            }
            "--log-format" => {
                let pattern = arguments.next().unwrap_or_default();
                format = pattern.parse().map_err(|error| format!("error: --log-format: {error}"))?;
            }
            "--behind" => {
                let name = arguments.next().unwrap_or_default();
                prefix = Some(name.parse().map_err(|error| format!("error: --behind: {error}"))?);
            }
            "--trusted-proxy" => proxies.push(arguments.next().unwrap_or_default()),
            flag if flag.starts_with("--") => {
                return Err(format!("error: there is no option `{}`", flag.escape_debug()));
            }
            _ if file.is_some() => return Err("error: one FILE at a time".into()),
            path => file = Some(path.to_owned()),
        }
    }
    if let Some(prefix) = prefix {
        format = format.behind(prefix);
    }
    if !proxies.is_empty() {
        let proxies: Vec<&str> = proxies.iter().map(String::as_str).collect();
        format =
            format.trusted_proxies(&proxies).map_err(|error| format!("error: --trusted-proxy: {error}"))?;
    }
    file.map(|file| Some(Arguments { file, shards, format })).ok_or_else(|| "error: which FILE?".into())
}

fn count(arguments: &Arguments) -> Result<(), Error> {
    let Arguments { file, shards, format } = arguments;
    let log = match file.as_str() {
        "-" => AccessLog::from_reader(io::BufReader::new(io::stdin())),
        path => AccessLog::open(path)?,
    };
    let stream = Kinesis::local()?.create_stream("access-log", *shards)?;

    let report = stream.replay(log.format(format.clone())).start().join();
    if let Some(error) = report.last_error {
        return Err(error);
    }
    // Lines that no stream takes, of which the producer has named the first, are no reason to stop; but
    if report.sent == 0 {
        // Why, a sentence of the log has said; unless it has no line at all.
        let nothing = "nothing was counted: no line is one of a log in the format that was told";
        return Err(Error::new(ErrorKind::InvalidInput, nothing));
    }
    let mut counter = Counter::per_minute().reading(format.clone());
    let read = stream.consumer().trim_horizon().run_until_caught_up(&mut counter)?;
    say(format_args!("{} records put, {} read from {shards} shards", report.sent, read.records));
    if let Some(first) = counter.unparsed_samples().first() {
        say(format_args!("{} records did not parse as events; the first: {first}", counter.unparsed()));
    }

    product(|out| {
        table(&counter)
            .into_iter()
            .try_for_each(|((minute, client), count)| writeln!(out, "{minute}\t{client}\t{count}"))
    })
}

/// Sorted by minute and client.
fn table(counter: &Counter) -> BTreeMap<(String, Text), u64> {
    let windows = counter.windows().into_iter();
    windows
        .flat_map(|window| {
            let minute = window.start.to_string()[..16].to_owned();
            window.counts.into_iter().map(move |(client, count)| ((minute.clone(), client), count))
        })
        .collect()
}

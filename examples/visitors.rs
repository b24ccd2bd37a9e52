//! A seeded load for the example `website`, over real HTTP: people who look around, and some who attack.

mod common;
#[path = "visitors/plan.rs"]
mod plan;
#[path = "visitors/send.rs"]
mod send;

use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Parser;
use common::say::{product, say};
use plan::{Kind, Plan};
use send::{Answer, Progress};

/// A seeded load for the example `website`: people who look around, and some who attack.
///
/// Each client has an address of its own in X-Forwarded-For, of the networks that documents use
/// (192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24, 2001:db8::/32): start the website with
/// --trust-proxy 127.0.0.1. The same options and seed ask for the same pages at the same times.
#[derive(Parser)]
#[command(
    name = "visitors",
    after_help = "\
Examples:
  cargo run --release --example visitors -- http://127.0.0.1:8080
  cargo run --release --example visitors -- http://127.0.0.1:8080 --clients 50 --requests 3000 --seconds 30

The attackers, in turn: a crawler (one path after the other, most not there), a login-guesser, a burst (one
page, hammered for a short time), a scraper (one page at even intervals). At the end, a line for people and
one for each attacker, with their answers and the time of the first 403."
)]
struct Arguments {
    /// The website; on this machine alone
    #[arg(value_name = "URL")]
    site: String,
    /// How many clients there are, attackers among them
    #[arg(long, value_name = "N", default_value_t = 500)]
    clients: usize,
    /// How many of them attack
    #[arg(long, value_name = "N", default_value_t = 5)]
    attackers: usize,
    /// How many requests all of them make together
    #[arg(long, value_name = "N", default_value_t = 50_000)]
    requests: usize,
    /// How many of those, in percent, are the attackers'
    #[arg(long, value_name = "PERCENT", default_value_t = 20)]
    attacks: usize,
    /// Requests a second, all clients together
    #[arg(long, value_name = "N", default_value_t = 1_000.0, conflicts_with = "seconds")]
    rate: f64,
    /// From the first request to the last; 0: as fast as the website answers
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<f64>,
    /// Another seed, another load
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// A client who is refused with a 403 gives up; without this, it goes on
    #[arg(long)]
    give_up: bool,
}

fn main() -> ExitCode {
    match visit(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn visit(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let site = loopback(&arguments.site)?;
    let seconds = arguments.seconds.unwrap_or(arguments.requests as f64 / arguments.rate);
    let options = plan::Options {
        clients: arguments.clients,
        attackers: arguments.attackers,
        requests: arguments.requests,
        attacks_percent: arguments.attacks,
        time: Duration::try_from_secs_f64(seconds)
            .map_err(|_| "--rate and --seconds are positive numbers")?,
        seed: arguments.seed,
    };
    if options.clients == 0 {
        return Err("--clients 0: nobody would come".into());
    }
    let plan = Arc::new(plan::plan(&options));
    let answers = tokio::runtime::Runtime::new()?.block_on(async {
        let progress = Arc::<Progress>::default();
        let sending = send::send(plan.clone(), site, arguments.give_up, progress.clone());
        tokio::select! {
            answers = sending => answers,
            () = watch(&progress) => Vec::new(), // never: it watches for ever
        }
    });
    product(|out| out.write_all(table(&plan, &answers).as_bytes()))?;
    match answers.iter().filter(|answer| answer.status.is_none()).count() {
        0 => Ok(()),
        none if none == answers.len() => {
            Err(format!("nothing answers at {}: start the example `website` first", arguments.site).into())
        }
        some => {
            Err(format!("{some} of {} requests had no answer; was the website ended?", answers.len()).into())
        }
    }
}

/// Attacks are for one's own website.
fn loopback(url: &str) -> Result<SocketAddr, String> {
    let host = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
    let mut found = host.to_socket_addrs().map_err(|_| {
        format!("`{url}` is no address of a website; write http://127.0.0.1:PORT, as `website` says it")
    })?;
    found
        .find(|address| address.ip().is_loopback())
        .ok_or_else(|| format!("{url} is not on this machine: this load is for the example `website` alone"))
}

/// A line a second on stderr.
async fn watch(progress: &Progress) {
    let mut second = tokio::time::interval(Duration::from_secs(1));
    second.tick().await;
    let mut before = 0;
    loop {
        second.tick().await;
        let count = |counted: &std::sync::atomic::AtomicU64| counted.load(Ordering::Relaxed);
        let (answered, refused, unanswered) =
            (count(&progress.answered), count(&progress.refused), count(&progress.unanswered));
        let all = answered + refused + unanswered;
        let rate = all - before;
        let without = format!("{unanswered} without an answer");
        say(format_args!("{rate} requests/s, {all} in all, {refused} refused, {without}"));
        before = all;
    }
}

/// A line for the people together, and one for each attacker.
fn table(plan: &Plan, answers: &[Answer]) -> String {
    let mut rows: BTreeMap<(Kind, Option<usize>), Row> = BTreeMap::new();
    for (n, client) in plan.clients.iter().enumerate() {
        let row = rows.entry((client.kind, Some(n).filter(|_| client.kind != Kind::Normal))).or_default();
        row.clients += 1;
    }
    for answer in answers {
        let kind = plan.clients[answer.client].kind;
        if let Some(row) = rows.get_mut(&(kind, Some(answer.client).filter(|_| kind != Kind::Normal))) {
            row.add(answer);
        }
    }
    let mut text = format!("{:<34} {:>8}  answers\n", "client", "requests");
    for ((kind, client), row) in rows {
        let name = match client {
            Some(n) => format!("{} {}", name(kind), plan.clients[n].address),
            None => format!("{} {}", row.clients, name(kind)),
        };
        text += &format!("{name:<34} {:>8}  {}\n", row.requests, row.told());
    }
    let mut times: Vec<Duration> = answers.iter().filter(|a| a.status.is_some()).map(|a| a.time).collect();
    times.sort_unstable();
    if let (Some(median), Some(p99)) = (times.get(times.len() / 2), times.get(times.len() * 99 / 100)) {
        text += &format!("an answer takes {median:.1?} (median), {p99:.1?} (99 of 100 less)\n");
    }
    text
}

#[derive(Default)]
struct Row {
    clients: usize,
    requests: usize,
    statuses: BTreeMap<Option<u16>, usize>,
    /// How many were answered otherwise before it, and when it came.
    first_refused: Option<(usize, Duration)>,
}

impl Row {
    fn add(&mut self, answer: &Answer) {
        if answer.status == Some(403) && self.first_refused.is_none() {
            self.first_refused = Some((self.requests, answer.offset));
        }
        self.requests += 1;
        *self.statuses.entry(answer.status).or_default() += 1;
    }

    fn told(&self) -> String {
        let status = |status: &Option<u16>| status.map_or("none".to_owned(), |status| status.to_string());
        let mut told: Vec<String> =
            self.statuses.iter().map(|(code, n)| format!("{}: {n}", status(code))).collect();
        if let Some((before, when)) = self.first_refused {
            told.push(format!("first 403 after {before} requests, at {:.2} s", when.as_secs_f64()));
        }
        told.join(", ")
    }
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Normal => "people",
        Kind::Crawler => "crawler",
        Kind::Guesser => "login-guesser",
        Kind::Burst => "burst",
        Kind::Scraper => "scraper",
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn others_websites_are_left_alone() {
        assert!(super::loopback("http://127.0.0.1:8080/").is_ok());
        assert!(super::loopback("[::1]:8080").is_ok());
        assert!(super::loopback("http://192.0.2.1:80").unwrap_err().contains("not on this machine"));
        assert!(super::loopback("http://127.0.0.1").unwrap_err().contains("127.0.0.1:PORT"));
    }
}

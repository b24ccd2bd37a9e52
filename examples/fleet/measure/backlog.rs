//! Records a second: workers that read what is there already, beside the same counter in one process.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use kinesis_lab::prelude::*;

use super::commits::Commits;
use super::load;
use super::notes::{self, Note, Sum};
use crate::Arguments;
use crate::common::say::{say, tell};
use crate::dynamodb::Dynamodb;
use crate::postgres::Postgres;
use crate::worker::{Fleet, Worker};

/// For a first start, and until shards are shared out.
const START: Duration = Duration::from_secs(180);
/// For the backlog itself.
const PATIENCE: Duration = Duration::from_secs(300);

struct Case {
    name: &'static str,
    workers: usize,
    shards: u32,
    records: u64,
    counts: bool,
}

const fn case(name: &'static str, workers: usize, shards: u32, records: u64, counts: bool) -> Case {
    Case { name, workers, shards, records, counts }
}

/// Each so often, in turns.
const ROUNDS: usize = 2;

/// The first is what the others are compared with. In one process: no worker.
const CASES: [Case; 6] = [
    case("the protocol alone: 1 worker, 1 shard", 1, 1, 300_000, false),
    case("counted: 1 worker, 1 shard", 1, 1, 300_000, true),
    case("counted: in one process, 1 shard", 0, 1, 300_000, true),
    case("counted: 1 worker, 4 shards", 1, 4, 500_000, true),
    case("counted: 3 workers, 4 shards", 3, 4, 500_000, true),
    case("counted: in one process, 4 shards", 0, 4, 500_000, true),
];

/// Of one round, or of more together.
#[derive(Default)]
struct Outcome {
    records: u64,
    seconds: f64,
    /// Records a second of each round.
    rates: Vec<f64>,
    /// Of workers.
    batches: usize,
    /// Transactions that wrote.
    commits: i64,
    /// How many shards each worker had.
    shares: Vec<String>,
    /// Records that came more than once: a shard has gone to another worker meanwhile.
    again: u64,
    /// Of a daemon and of its largest child, in MiB.
    resident: Option<(u64, u64)>,
}

impl Outcome {
    /// Of so many records, each counted once however often it came.
    fn of(records: u64, sum: &Sum, commits: i64) -> Outcome {
        let (seconds, again) = (sum.seconds(), sum.records.saturating_sub(records));
        let rates = vec![records as f64 / seconds];
        Outcome { records, seconds, rates, batches: sum.batches, commits, again, ..Outcome::default() }
    }

    fn add(&mut self, other: Outcome) {
        self.records += other.records;
        self.seconds += other.seconds;
        self.rates.extend(other.rates);
        self.batches += other.batches;
        self.commits += other.commits;
        self.shares.extend(other.shares);
        self.again += other.again;
        self.resident = self.resident.max(other.resident);
    }

    fn rate(&self) -> f64 {
        self.records as f64 / self.seconds.max(0.001)
    }
}

/// A line for each; and what was counted wrongly.
pub(crate) fn run(arguments: &Arguments, folder: &Path) -> Result<Vec<String>, Error> {
    let postgres = Postgres::start("127.0.0.1", &[])?;
    let mut wrong = Vec::new();
    let mut streams: Vec<(u32, Kinesis, Stream)> = Vec::new();
    for case in &CASES {
        if streams.iter().all(|(shards, ..)| *shards != case.shards) {
            let kinesis = Local::new().port(0).open()?;
            let stream = kinesis.create_stream("fleet", case.shards)?;
            load::backlog(&stream, case.records)?;
            streams.push((case.shards, kinesis, stream));
        }
    }
    let mut outcomes: Vec<Outcome> = CASES.iter().map(|_| Outcome::default()).collect();
    for round in 1..=ROUNDS {
        for (case, (number, all)) in CASES.iter().zip(outcomes.iter_mut().enumerate()) {
            let Some((_, kinesis, stream)) = streams.iter().find(|(shards, ..)| *shards == case.shards)
            else {
                continue;
            };
            say(format_args!("{}, {round} of {ROUNDS} …", case.name));
            let name = format!("backlog-{}-{round}", number + 1);
            postgres.create(&name)?;
            let outcome = match case.workers {
                0 => in_one_process(&postgres, &name, stream)?,
                _ => by_workers(case, arguments, &folder.join(&name), kinesis, &postgres, &name)?,
            };
            let counted = if case.counts { load::counted(&address(&postgres, &name))? } else { case.records };
            if counted != case.records {
                wrong.push(format!("{name}: of {} records {counted} are in the counts", case.records));
            }
            all.add(outcome);
        }
    }
    tell(format_args!(
        "{:37} {:>9} {:>6} {:>8} {:>9} {:>9} {:>7} {:>6}  {}",
        "", "records/s", "ratio", "batches", "commits/s", "per batch", "daemon", "child", "rounds"
    ));
    for (case, outcome) in CASES.iter().zip(&outcomes) {
        tell(line(case, outcome, outcomes[0].rate()));
    }
    Ok(wrong)
}

fn line(case: &Case, outcome: &Outcome, whole: f64) -> String {
    let Outcome { seconds, rates, batches, commits, shares, again, resident, .. } = outcome;
    let where_it = |is: bool, text: String| if is { text } else { "–".to_owned() };
    let (has_workers, commits) = (case.workers > 0, *commits as f64);
    let memory = |which: fn((u64, u64)) -> u64| {
        where_it(has_workers, format!("{} MiB", resident.map(which).unwrap_or_default()))
    };
    let rates: Vec<String> = rates.iter().map(|rate| format!("{rate:.0}")).collect();
    format!(
        "{:37} {:9.0} {:6.2} {:>8} {:>9} {:>9} {:>7} {:>6}  {}{}{}",
        case.name,
        outcome.rate(),
        outcome.rate() / whole,
        where_it(has_workers, (batches / ROUNDS).to_string()),
        where_it(case.counts, format!("{:.1}", commits / seconds)),
        where_it(case.counts && has_workers, format!("{:.1}", commits / *batches as f64)),
        memory(|both| both.0),
        memory(|both| both.1),
        rates.join(", "),
        if case.workers > 1 { format!("; shards {}", shares.join(", ")) } else { String::new() },
        if *again > 0 { format!("; {again} records came again") } else { String::new() }
    )
}

pub(super) fn address(postgres: &Postgres, database: &str) -> String {
    let own = postgres.own_url();
    own.rsplit_once('/').map_or(own.clone(), |(server, _)| format!("{server}/{database}"))
}

/// Where the workers' children are processes of their own, this one has the service, too.
fn in_one_process(postgres: &Postgres, database: &str, stream: &Stream) -> Result<Outcome, Error> {
    let mut counter = load::counter().stored_in(address(postgres, database))?;
    let (before, began) = (Commits::now(postgres, database)?, Instant::now());
    let report = stream.consumer().trim_horizon().run_until_caught_up(&mut counter)?;
    let took = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
    let commits = Commits::now(postgres, database)?.wrote_since(&before);
    let sum = Sum { records: report.records, batches: 0, began: 0, ended: took };
    Ok(Outcome::of(report.records, &sum, commits))
}

fn by_workers(
    case: &Case,
    arguments: &Arguments,
    folder: &Path,
    kinesis: &Kinesis,
    postgres: &Postgres,
    database: &str,
) -> Result<Outcome, Error> {
    let journals = folder.join("journals");
    std::fs::create_dir_all(&journals)?;
    let dynamodb = Dynamodb::start(&arguments.dynamodb, folder, "127.0.0.1")?;
    let url = case.counts.then(|| address(postgres, database));
    let endpoint = kinesis.endpoint_url().unwrap_or_default();
    let gate = folder.join("gate");
    let fleet = Fleet {
        arguments,
        folder,
        kinesis: endpoint,
        dynamodb: &dynamodb.endpoint,
        postgres: url.as_deref(),
        lines: &[],
        hosts: false,
        gate: Some(&gate),
    };
    let mut workers =
        (1..=case.workers).map(|number| Worker::start(&fleet, number)).collect::<Result<Vec<_>, _>>()?;
    let is_shared_out = |notes: &[Note]| {
        let holders = notes::holders(notes);
        let busy: BTreeSet<&&str> = holders.values().collect();
        holders.len() == case.shards as usize && busy.len() == case.workers
    };
    let shared_out = wait(&journals, &mut workers, START, is_shared_out)?;
    let shares = shares(&shared_out, case.workers);
    let before = Commits::now(postgres, database)?;
    std::fs::write(&gate, "")?;
    // Some may have come again, and others be missing yet: who counts knows that.
    let is_counted =
        || url.as_deref().is_none_or(|url| load::counted(url).is_ok_and(|counted| counted >= case.records));
    let is_read =
        |notes: &[Note]| Sum::of(notes).is_some_and(|sum| sum.records >= case.records) && is_counted();
    let all = wait(&journals, &mut workers, PATIENCE, is_read)?;
    let after = case.counts.then(|| Commits::now(postgres, database)).transpose()?;
    let resident = workers.iter().find_map(Worker::resident);
    workers.iter_mut().for_each(Worker::terminate);
    for worker in &mut workers {
        worker.wait().map_err(|sentence| Error::new(ErrorKind::Timeout, sentence))?;
    }
    let sum = Sum::of(&all).ok_or_else(|| Error::new(ErrorKind::Timeout, "no record was read"))?;
    let commits = after.map_or(0, |after| after.wrote_since(&before));
    Ok(Outcome { shares: vec![shares], resident, ..Outcome::of(case.records, &sum, commits) })
}

/// `2+1+1`
fn shares(notes: &[Note], workers: usize) -> String {
    let holders = notes::holders(notes);
    let each = (1..=workers).map(|number| {
        let name = format!("worker-{number}");
        holders.values().filter(|holder| **holder == name).count().to_string()
    });
    each.collect::<Vec<String>>().join("+")
}

/// What is noted, once it is as it is to be.
fn wait(
    journals: &Path,
    workers: &mut [Worker],
    patience: Duration,
    is_done: impl Fn(&[Note]) -> bool,
) -> Result<Vec<Note>, Error> {
    let began = Instant::now();
    loop {
        let notes = notes::read(journals)?;
        if is_done(&notes) {
            return Ok(notes);
        }
        if let Some(worker) = workers.iter_mut().find_map(|worker| worker.ended().map(|_| &worker.name)) {
            return Err(Error::new(ErrorKind::Io, format!("{worker} has ended by itself; its log says why")));
        }
        if began.elapsed() > patience {
            let seconds = patience.as_secs();
            return Err(Error::new(
                ErrorKind::Timeout,
                format!("not done within {seconds} s: {}", journals.display()),
            ));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

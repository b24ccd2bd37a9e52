//! The fleet from its start to its end.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use kinesis_lab::prelude::*;

use crate::Arguments;
use crate::alerts::{self, Found};
use crate::common::ending::asked_to_end;
use crate::common::say::{say, tell};
use crate::control::{self, Asked, Request};
use crate::counting;
use crate::dynamodb::Dynamodb;
use crate::journal;
use crate::postgres::Postgres;
use crate::processed::{Processed, counted};
use crate::traffic::{self, PUT};
use crate::worker::{Fleet, Worker};

/// How long the workers may take for what was put, from the last change on: a first start takes 17 to 40 s, on a busy
/// machine more; the lock of a leader that was killed is free after 120 s.
const PATIENCE: Duration = Duration::from_secs(300);

pub(crate) struct Scene<'a> {
    fleet: &'a Fleet<'a>,
    stream: Stream,
    alerts: Stream,
    workers: Vec<Worker>,
    put: u64,
    processed: Processed,
    /// Shards that are to be processed to their ends.
    closed: BTreeSet<String>,
    wrong: Vec<String>,
}

/// What was not as it must be.
pub(crate) fn play(arguments: &Arguments) -> Result<Vec<String>, Error> {
    let folder = std::path::absolute(&arguments.folder)?;
    if control::is_up(&folder) {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            "a fleet is up here already: end it by `cargo xtask fleet down`",
        ));
    }
    clear(&folder);
    std::fs::create_dir_all(folder.join("journals"))?;
    let asked = control::listen(&folder)?;
    let kinesis = Local::new().port(0).open()?;
    let dynamodb = Dynamodb::start(&arguments.dynamodb, &folder, "127.0.0.1")?;
    let own_postgres = match arguments.postgres.as_deref() {
        Some("") => Some(Postgres::start("127.0.0.1", &[])?),
        _ => None,
    };
    let postgres = own_postgres.as_ref().map(Postgres::own_url).or_else(|| arguments.postgres.clone());
    let stream = kinesis.create_stream("fleet", arguments.shards)?;
    let alerts = kinesis.create_stream(alerts::STREAM, 1)?;
    traffic::put_backlog(&stream, arguments.backlog)?;
    // An application begins on a stream that was resharded before, too.
    if arguments.backlog == 0 {
        traffic::reshard(&stream)?;
    }
    let endpoint = kinesis.endpoint_url().unwrap_or_default();
    let (dynamodb, postgres) = (&*dynamodb.endpoint, postgres.as_deref());
    let fleet = Fleet {
        arguments,
        folder: &folder,
        kinesis: endpoint,
        dynamodb,
        postgres,
        lines: &[],
        hosts: false,
        gate: None,
    };
    let mut scene = Scene {
        fleet: &fleet,
        stream,
        alerts,
        workers: Vec::new(),
        put: arguments.backlog,
        processed: Processed::timing(arguments.backlog),
        closed: BTreeSet::new(),
        wrong: Vec::new(),
    };
    for _ in 0..arguments.workers {
        scene.add()?;
    }
    say(format_args!("{} workers; logs and journals: {}", scene.workers.len(), folder.display()));
    let farewells = scene.run(&asked)?;
    scene.end()?;
    let verdict =
        if scene.wrong.is_empty() { "passed".into() } else { format!("FAILED: {}", scene.wrong.join("; ")) };
    farewells.into_iter().for_each(|asker| asker.answer(&format!("{}\nfleet: {verdict}", scene.sum())));
    Ok(scene.wrong)
}

/// What is there of an earlier run; but not of services that are up.
pub(crate) fn clear(folder: &std::path::Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("services") {
            continue;
        }
        let _ = std::fs::remove_dir_all(entry.path()).or_else(|_| std::fs::remove_file(entry.path()));
    }
}

impl Scene<'_> {
    fn journals(&self) -> PathBuf {
        self.fleet.folder.join("journals")
    }

    /// Until it is asked to end, or its time is over, and all that was put is processed.
    fn run(&mut self, asked: &std::sync::mpsc::Receiver<Asked>) -> Result<Vec<Asked>, Error> {
        let seconds = self.fleet.arguments.seconds.map(Duration::from_secs);
        let (signal, began) = (asked_to_end(), Instant::now());
        // Since the first record was processed, and since the last one was put.
        let (mut going, mut ending): (Option<Instant>, Option<Instant>) = (None, None);
        let (mut shown, mut steps, mut farewells) = (Instant::now(), 0, Vec::new());
        loop {
            if ending.is_none() {
                let (played, whole) = (going.map(|since| since.elapsed()), seconds.unwrap_or_default());
                if signal.load(Ordering::Relaxed)
                    || seconds.is_some() && played.is_some_and(|played| played >= whole)
                {
                    ending = Some(Instant::now());
                } else {
                    traffic::put_some(&self.stream, self.put)?;
                    self.put += PUT;
                    if seconds.is_some() && played.is_some_and(|played| played > whole * (steps + 1) / 4) {
                        steps += 1;
                        self.step(steps)?;
                    }
                }
            }
            for asker in asked.try_iter() {
                if asker.request == Request::Down {
                    ending.get_or_insert_with(Instant::now);
                    farewells.push(asker);
                } else {
                    let answer = self.act(&asker.request)?;
                    asker.answer(&answer);
                }
            }
            self.look_after_workers();
            if self.workers.iter().all(|worker| worker.gone.is_some()) && ending.is_some() {
                self.wrong.push("no worker is left".into());
                break;
            }
            if shown.elapsed() > Duration::from_secs(1) {
                self.look()?;
                shown = Instant::now();
                if going.is_none() && !self.processed.records.is_empty() {
                    going = Some(shown);
                    tell(format_args!(
                        "the first record was processed after {:.0} s",
                        began.elapsed().as_secs_f64()
                    ));
                }
                let seconds = began.elapsed().as_secs();
                if seconds % 5 == 0 {
                    tell(format_args!("{seconds:4} s  {}", self.sum()));
                }
            }
            if ending.is_some_and(|since| since.elapsed() > PATIENCE || self.is_done()) {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(farewells)
    }

    /// A play has three.
    fn step(&mut self, step: u32) -> Result<(), Error> {
        match step {
            // What is read is measured, without anything else going on.
            _ if self.fleet.arguments.backlog > 0 => {}
            1 | 3 => {
                traffic::reshard(&self.stream)?;
                tell("shards were split and merged");
            }
            2 if self.workers.len() > 1 => {
                self.look()?;
                let with_shards = |worker: &&Worker| !self.processed.shards_of(&worker.name).is_empty();
                let number =
                    self.workers.iter().rposition(|worker| with_shards(&worker)).unwrap_or_default() + 1;
                tell(self.act(&Request::Kill(number))?);
            }
            _ => {}
        }
        Ok(())
    }

    fn act(&mut self, request: &Request) -> Result<String, Error> {
        self.look()?;
        Ok(match request {
            Request::Status | Request::Down => self.status(),
            Request::Add => format!("{} starts", self.add()?),
            Request::Split => format!("{} was split", traffic::split(&self.stream)?),
            Request::Kill(number) => self.part_with(*number, "killed", Worker::kill),
            Request::Stop(number) => self.part_with(*number, "asked to end", Worker::terminate),
            Request::Pause(number, seconds) => {
                self.part_with(*number, "paused", |worker| worker.pause(*seconds))
            }
        })
    }

    fn add(&mut self) -> Result<String, Error> {
        let worker = Worker::start(self.fleet, self.workers.len() + 1)?;
        let name = worker.name.clone();
        self.workers.push(worker);
        Ok(name)
    }

    fn part_with(&mut self, number: usize, how: &'static str, end: impl FnOnce(&mut Worker)) -> String {
        let worker = number.checked_sub(1).and_then(|index| self.workers.get_mut(index));
        let Some(worker) = worker.filter(|worker| worker.gone.is_none()) else {
            return format!("error: no worker {number} is at work; `cargo xtask fleet status` names them");
        };
        let shards = self.processed.shards_of(&worker.name).len();
        self.processed.lost(&worker.name, how, journal::now());
        end(worker);
        format!("{} was {how}; it had {}", worker.name, counted(shards))
    }

    /// One that ends by itself is a fault, of the KCL or of a child.
    fn look_after_workers(&mut self) {
        for worker in &mut self.workers {
            worker.go_on();
            if let Some(status) = worker.ended() {
                worker.gone = Some("ended by itself");
                self.processed.lost(&worker.name, "ended by itself", journal::now());
                self.wrong.push(format!("{0} has ended by itself, {status}: {0}.log says why", worker.name));
            }
        }
    }

    fn look(&mut self) -> Result<(), Error> {
        self.processed.read(&self.journals())?;
        self.closed = traffic::closed(&self.stream)?;
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.processed.records.len() as u64 >= self.put && self.closed.is_subset(&self.processed.ended)
    }

    fn end(&mut self) -> Result<(), Error> {
        let resident = self.workers.iter().find_map(Worker::resident);
        if self.fleet.postgres.is_some() && self.is_done() {
            alerts::wait_until_delivered(&self.alerts, self.put)?;
        }
        let mut ends = Vec::new();
        self.workers.iter_mut().filter(|worker| worker.gone.is_none()).for_each(Worker::terminate);
        for worker in &mut self.workers {
            match worker.wait() {
                Ok(time) => ends.push(time),
                Err(sentence) => self.wrong.push(sentence),
            }
        }
        self.look()?;
        self.wrong.extend(self.processed.faults(self.put, &self.closed));
        tell(self.sum());
        if let Some(database) = self.fleet.postgres {
            let (sentence, faults) = counting::compare(database, self.put, self.fleet.arguments.keys)?;
            tell(sentence);
            self.wrong.extend(faults);
            let (sentence, faults) = Found::read(database, &self.alerts)?.compare(self.put);
            tell(sentence);
            self.wrong.extend(faults);
        }
        for loss in &self.processed.losses {
            tell(format_args!("{} {}; {loss}", loss.worker, loss.how));
        }
        if let Some((first, last)) = self.processed.timed {
            let (backlog, millis) = (self.processed.timed_below, (last - first).max(1));
            tell(format_args!(
                "the {backlog} records that were there before the workers: {:.1} s from the first to the last, {:.0} a second",
                millis as f64 / 1e3,
                backlog as f64 * 1e3 / millis as f64
            ));
        }
        if let Some((daemon, child)) = resident {
            tell(format_args!("resident memory: a daemon {daemon} MiB, a child {child} MiB"));
        }
        let slowest = ends.iter().max().copied().unwrap_or_default().as_secs_f64();
        tell(format_args!("the workers have ended {slowest:.1} s after SIGTERM, at most"));
        Ok(())
    }

    /// In a line.
    fn sum(&self) -> String {
        let Processed { records, packed, ended, .. } = &self.processed;
        format!(
            "put {}  processed {}, {packed} out of aggregates, {} again  children {}  shards at their end {} of {}",
            self.put,
            records.len(),
            self.processed.again(),
            self.processed.children(),
            ended.len(),
            self.closed.len()
        )
    }

    fn status(&self) -> String {
        let workers = self.workers.iter().map(|worker| {
            let shards = self.processed.shards_of(&worker.name);
            let loss = self.processed.losses.iter().rfind(|loss| loss.worker == worker.name);
            match (worker.gone, loss) {
                (Some(how), Some(loss)) => format!("\n{:9} {how}; {loss}", worker.name),
                (Some(how), None) => format!("\n{:9} {how}", worker.name),
                (None, _) if shards.is_empty() => format!("\n{:9} no shard yet", worker.name),
                (None, _) => {
                    let shards: Vec<&str> = shards.iter().map(|shard| shard.as_str()).collect();
                    format!("\n{:9} {}", worker.name, shards.join(" "))
                }
            }
        });
        format!("{}{}", self.sum(), workers.collect::<String>())
    }
}

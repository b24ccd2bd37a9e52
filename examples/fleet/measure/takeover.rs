//! How long shards are nobody's when a worker goes: two fleets read one stream, and lose their workers at the same time.
//! The children of one do nothing, so its times are the KCL's own; those of the other count into PostgreSQL.

use std::path::Path;
use std::time::{Duration, Instant};

use kinesis_lab::prelude::*;

use super::commits::Commits;
use super::load;
use super::losses::{Fault, Losses};
use super::notes::{self, Note, Sum};
use crate::Arguments;
use crate::common::say::{say, tell};
use crate::dynamodb::Dynamodb;
use crate::journal::now;
use crate::postgres::Postgres;
use crate::storm::leader;
use crate::worker::{Fleet, Worker};

const WORKERS: usize = 3;
const SHARDS: u32 = 4;
/// Records in a put, ten puts a second.
const PUT: u64 = 20;
const START: Duration = Duration::from_secs(180);
/// Between two faults: whoever takes the place of the lost worker is up by then.
const CALM: Duration = Duration::from_secs(15);
/// How long the other workers may take: the lock of a leader that was killed is free after 120 s.
const PATIENCE: Duration = Duration::from_secs(200);
/// The leader first, while each worker has its share.
const FAULTS: [Fault; 7] = {
    use Fault::{Kill, KillLeader, Pause, Terminate};
    [KillLeader, Kill, Terminate, Pause, Kill, Terminate, Pause]
};

/// One of the two fleets.
struct Side<'a> {
    fleet: Fleet<'a>,
    workers: Vec<Worker>,
    /// As many as were ever started.
    started: usize,
    losses: Losses,
}

struct Takeover<'a> {
    stream: &'a Stream,
    put: u64,
    sides: [Side<'a>; 2],
}

/// A line for each fault; and what was not as it must be.
pub(crate) fn run(arguments: &Arguments, folder: &Path) -> Result<Vec<String>, Error> {
    let kinesis = Local::new().port(0).open()?;
    let stream = kinesis.create_stream("fleet", SHARDS)?;
    let postgres = Postgres::start("127.0.0.1", &[])?;
    let database = postgres.own_url();
    let (alone, counting) = (folder.join("alone"), folder.join("counting"));
    let leases = |of: &Path| {
        std::fs::create_dir_all(of.join("journals"))?;
        Dynamodb::start(&arguments.dynamodb, of, "127.0.0.1")
    };
    let (leases_alone, leases_counting) = (leases(&alone)?, leases(&counting)?);
    // Nobody waits for the others here.
    let gate = folder.join("gate");
    std::fs::write(&gate, "")?;
    let kinesis = kinesis.endpoint_url().unwrap_or_default();
    let common = Fleet {
        arguments,
        folder: &alone,
        kinesis,
        dynamodb: &leases_alone.endpoint,
        postgres: None,
        lines: &[],
        hosts: false,
        gate: Some(&gate),
    };
    let counting =
        Fleet { folder: &counting, dynamodb: &leases_counting.endpoint, postgres: Some(&database), ..common };
    let sides = [common, counting].map(|fleet| Side {
        fleet,
        workers: Vec::new(),
        started: 0,
        losses: Losses::default(),
    });
    Takeover { stream: &stream, put: 0, sides }.measure(&postgres, &database)
}

impl Takeover<'_> {
    fn measure(&mut self, postgres: &Postgres, database: &str) -> Result<Vec<String>, Error> {
        say("three workers each, and what happens when one goes …");
        for side in &mut self.sides {
            (0..WORKERS).try_for_each(|_| side.start())?;
        }
        let is_up = self.until(START, |side, notes| side.is_shared_out(notes))?;
        if !is_up {
            say("not every worker has a shard: they are what they are");
        }
        self.until(CALM, |_, _| false)?;
        self.tell_of_calm(postgres)?;
        for fault in FAULTS {
            for side in &mut self.sides {
                side.suffer(fault)?;
            }
            self.until(PATIENCE, |side, notes| side.losses.are_over(notes))?;
            // Who was stopped goes on, and whoever has ended has a successor.
            self.until(fault.length(), |_, _| false)?;
            for side in &mut self.sides {
                side.make_up()?;
            }
            self.until(CALM, |_, _| false)?;
        }
        let [alone, counting] = &self.sides;
        for line in alone.losses.beside(&counting.losses) {
            tell(line);
        }
        self.end(database)
    }

    /// What it takes to count a stream that is not full: many small batches.
    fn tell_of_calm(&mut self, postgres: &Postgres) -> Result<(), Error> {
        let from = now();
        let before = Commits::now(postgres, "fleet")?;
        self.until(CALM, |_, _| false)?;
        let (wrote, all) = Commits::now(postgres, "fleet")?.a_second_since(&before);
        let notes = notes::read(&self.sides[1].journals())?;
        let meanwhile: Vec<Note> = notes.into_iter().filter(|note| note.ended >= from).collect();
        let Some(sum) = Sum::of(&meanwhile) else { return Ok(()) };
        tell(format_args!(
            "{:.0} records a second over {SHARDS} shards: {:.1} batches a second, {wrote:.1} commits that wrote, {all:.1} in \
             all",
            sum.records as f64 / sum.seconds(),
            sum.batches as f64 / sum.seconds()
        ));
        Ok(())
    }

    /// Puts records and reads notes; true once it is so for both, false when the time is over.
    fn until(
        &mut self,
        time: Duration,
        is_so: impl Fn(&mut Side<'_>, &[Note]) -> bool,
    ) -> Result<bool, Error> {
        let began = Instant::now();
        while began.elapsed() < time {
            load::put(self.stream, self.put..self.put + PUT, Duration::from_millis(5))?;
            self.put += PUT;
            let mut are_so = 0;
            for side in &mut self.sides {
                side.workers.iter_mut().for_each(Worker::go_on);
                let notes = notes::read(&side.journals())?;
                are_so += usize::from(is_so(side, &notes));
            }
            if are_so == self.sides.len() {
                return Ok(true);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(false)
    }

    /// What was put is counted, once.
    fn end(&mut self, database: &str) -> Result<Vec<String>, Error> {
        let (put, began) = (self.put, Instant::now());
        let mut counted = load::counted(database)?;
        while counted < put && began.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(500));
            counted = load::counted(database)?;
        }
        for side in &mut self.sides {
            side.workers.iter_mut().for_each(Worker::terminate);
        }
        let all = self.sides.iter_mut().flat_map(|side| &mut side.workers);
        let mut wrong: Vec<String> = all.filter_map(|worker| worker.wait().err()).collect();
        if counted != put {
            wrong.push(format!("{counted} of {put} records are in the counts"));
        }
        tell(format_args!("through all of this: put {put}, counted {counted}"));
        Ok(wrong)
    }
}

impl Side<'_> {
    fn journals(&self) -> std::path::PathBuf {
        self.fleet.folder.join("journals")
    }

    fn start(&mut self) -> Result<(), Error> {
        self.started += 1;
        self.workers.push(Worker::start(&self.fleet, self.started)?);
        Ok(())
    }

    fn is_shared_out(&mut self, notes: &[Note]) -> bool {
        let holders = notes::holders(notes);
        let has_one = |worker: &Worker| holders.values().any(|holder| *holder == worker.name);
        holders.len() == SHARDS as usize && self.workers.iter().all(has_one)
    }

    /// Who leads is known to the table of leases alone. Of the others, it is the one with the most shards.
    fn suffer(&mut self, fault: Fault) -> Result<(), Error> {
        let notes = notes::read(&self.journals())?;
        let leader = leader(self.fleet.dynamodb).unwrap_or_default();
        let shards = |worker: &Worker| notes::shards_of(&notes, &worker.name);
        let is_asked_for = |worker: &&mut Worker| (worker.name == leader) == (fault == Fault::KillLeader);
        let whom = self.workers.iter_mut().filter(is_asked_for).max_by_key(|worker| shards(worker).len());
        let Some(worker) = whom else {
            say(format_args!("{}: there is none", fault.name()));
            return Ok(());
        };
        let shards = shards(worker);
        say(format_args!("{}: {} has {}", fault.name(), worker.name, shards.len()));
        self.losses.add(fault, &worker.name, now(), shards);
        match fault {
            Fault::KillLeader | Fault::Kill => worker.kill(),
            Fault::Terminate => worker.terminate(),
            Fault::Pause => worker.pause(fault.length().as_secs()),
        }
        Ok(())
    }

    /// Three are at work again.
    fn make_up(&mut self) -> Result<(), Error> {
        self.workers.retain_mut(|worker| !worker.has_ended());
        while self.workers.len() < WORKERS {
            self.start()?;
        }
        Ok(())
    }
}

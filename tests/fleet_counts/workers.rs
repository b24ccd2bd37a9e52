//! Workers of a fleet without the KCL: who has which lease, and what each is given, is drawn.

use std::collections::{BTreeMap, BTreeSet};

use kinesis_lab::ShardProgress;
use kinesis_lab::prelude::*;

use super::server::{connect, execute};

/// All records of a stream, by their shards.
#[derive(Default)]
pub(crate) struct Collected(pub(crate) BTreeMap<String, Vec<Record>>);

impl RecordProcessor for Collected {
    fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
        self.0.entry(batch.shard_id.to_string()).or_default().extend(batch.records.iter().cloned());
        Ok(())
    }
}

pub(crate) const LATENESS: u64 = 30;

/// A visit every three seconds.
pub(crate) fn stream_with_reshards() -> Stream {
    resharded(|minute, n| {
        let time = Timestamp::from_secs(1_536_220_800 + minute * 60 + n * 3);
        vec![(format!("192.0.2.{}", n % 7), time.to_string())]
    })
}

/// Two shards, one of which is split, and two of which are merged, with events in between: ten minutes.
pub(crate) fn resharded(records: impl Fn(i64, i64) -> Vec<(String, String)>) -> Stream {
    let stream = Kinesis::local().unwrap().create_stream("visits", 2).unwrap();
    for minute in 0..10 {
        for n in 0..20 {
            for (key, data) in records(minute, n) {
                stream.put(key, data).unwrap();
            }
        }
        let mut open: Vec<Shard> = stream.shards().unwrap().into_iter().filter(Shard::is_open).collect();
        open.sort_by_key(|shard| shard.hash_range);
        match minute {
            2 | 6 => stream.split_shard(&open[0].id).unwrap(),
            4 => stream.merge_shards(&open[1].id, &open[2].id).unwrap(),
            _ => {}
        }
    }
    stream
}

#[derive(Default)]
struct Lease {
    owner: Option<usize>,
    /// How many records are processed, as the lease table has it.
    checkpoint: usize,
    ended: bool,
}

struct Child {
    processor: Box<dyn RecordProcessor>,
    next: usize,
}

/// What each worker runs for a shard.
type Make = Box<dyn Fn() -> Box<dyn RecordProcessor>>;

pub(crate) struct Fleet {
    url: String,
    shards: Vec<Shard>,
    records: BTreeMap<String, Vec<Record>>,
    leases: Vec<Lease>,
    children: BTreeMap<(usize, usize), Child>,
    make: Make,
    random: fastrand::Rng,
    now: Timestamp,
    /// How often a worker was refused.
    pub(crate) fenced: u32,
    /// By shard: what was written, each once, in the order in which it was.
    pub(crate) written: Vec<(String, Record)>,
    known: BTreeSet<(String, String)>,
}

impl Fleet {
    /// Of counters.
    pub(crate) fn new(url: &str, stream: &Stream, seed: u64) -> Fleet {
        let (database, of) = (url.to_owned(), stream.clone());
        let counter =
            move || Counter::per_minute().lateness(secs(LATENESS)).shared_in(&database, &of).unwrap();
        Fleet::running(url, stream, seed, Box::new(move || Box::new(counter())))
    }

    pub(crate) fn running(url: &str, stream: &Stream, seed: u64, make: Make) -> Fleet {
        let mut all = Collected::default();
        stream.consumer().trim_horizon().run_until_caught_up(&mut all).unwrap();
        let shards = stream.shards().unwrap();
        Fleet {
            url: url.to_owned(),
            leases: shards.iter().map(|_| Lease::default()).collect(),
            shards,
            records: all.0,
            children: BTreeMap::new(),
            make,
            random: fastrand::Rng::with_seed(seed),
            now: Timestamp::from_secs(1_800_000_000),
            fenced: 0,
            written: Vec::new(),
            known: BTreeSet::new(),
        }
    }

    fn records(&self, shard: usize) -> &[Record] {
        self.records.get(&self.shards[shard].id).map_or(&[], Vec::as_slice)
    }

    fn can_be_taken(&self, shard: usize) -> bool {
        let of = |id: &Option<String>| {
            id.as_ref().is_none_or(|id| {
                self.shards.iter().zip(&self.leases).all(|(shard, lease)| shard.id != *id || lease.ended)
            })
        };
        !self.leases[shard].ended && of(&self.shards[shard].parent) && of(&self.shards[shard].adjacent_parent)
    }

    pub(crate) fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            let (worker, shard) = (self.random.usize(0..3), self.random.usize(0..self.shards.len()));
            if self.random.u8(0..30) == 0 {
                let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE \
                    'kinesis-lab worker %' AND datname = current_database() ORDER BY random() LIMIT 1";
                execute(&connect(&self.url), cut);
            }
            match self.children.contains_key(&(worker, shard)) {
                true => self.go_on(worker, shard),
                false if self.can_be_taken(shard) => self.take(worker, shard),
                false => {}
            }
        }
    }

    fn take(&mut self, worker: usize, shard: usize) {
        let mut processor = (self.make)();
        let id = self.shards[shard].id.clone();
        self.patiently(|now| processor.shard_taken(&id, &mut Context::at(now))).unwrap();
        self.leases[shard].owner = Some(worker);
        self.children.insert((worker, shard), Child { processor, next: self.leases[shard].checkpoint });
    }

    /// A few records more; or, at the end, that.
    fn go_on(&mut self, worker: usize, shard: usize) {
        let mut child = self.children.remove(&(worker, shard)).unwrap();
        let id = self.shards[shard].id.clone();
        let end = self.records(shard).len().min(child.next + self.random.usize(1..15));
        let records = self.records(shard)[child.next..end].to_vec();
        let (is_open, at_end) = (self.shards[shard].is_open(), records.is_empty());
        if at_end && !is_open {
            let outcome = self.patiently(|now| child.processor.shard_ended(&id, &mut Context::at(now)));
            match outcome {
                Ok(()) => self.leases[shard].ended |= self.leases[shard].owner == Some(worker),
                Err(error) => self.refused(worker, shard, &error),
            }
            return;
        }
        if !at_end {
            let batch = Batch::new("visits", &id, records.clone());
            let outcome = self.patiently(|now| child.processor.process(&batch, &mut Context::at(now)));
            if let Err(error) = outcome {
                return self.refused(worker, shard, &error);
            }
        }
        let progress = ShardProgress::reading(&id, &[]);
        let progress = if at_end { progress.idle() } else { progress };
        let outcome = self.patiently(|now| {
            child.processor.tick(&mut Context::at(now).with_shards(std::slice::from_ref(&progress)))
        });
        if let Err(error) = outcome {
            return self.refused(worker, shard, &error);
        }
        for record in records {
            if self.known.insert((id.clone(), record.sequence_number.clone())) {
                self.written.push((id.clone(), record));
            }
        }
        child.next = end;
        let lease = &mut self.leases[shard];
        if self.random.bool() {
            if lease.owner != Some(worker) {
                return; // DynamoDB refuses the checkpoint, and the daemon ends the child
            }
            lease.checkpoint = end;
        }
        self.children.insert((worker, shard), child);
    }

    fn refused(&mut self, worker: usize, shard: usize, error: &ProcessError) {
        assert!(format!("{error:?}").starts_with("LeaseLost"), "{error:?}");
        assert_ne!(self.leases[shard].owner, Some(worker), "whoever has the lease is not refused");
        self.fenced += 1;
    }

    /// As a driver does: what is to wait is called again.
    fn patiently(
        &mut self,
        mut call: impl FnMut(Timestamp) -> Result<(), ProcessError>,
    ) -> Result<(), ProcessError> {
        for _ in 0..200 {
            self.now = self.now + secs(1);
            match call(self.now) {
                Err(error) if format!("{error:?}").starts_with("Wait") => std::thread::sleep(millis(5)),
                outcome => return outcome,
            }
        }
        panic!("it waits for ever");
    }

    /// One worker does what is left.
    pub(crate) fn finish(&mut self) {
        self.children.clear();
        for shard in 0..self.shards.len() {
            if self.leases[shard].ended {
                continue;
            }
            assert!(self.can_be_taken(shard), "parents come before their children");
            self.take(3, shard);
            for _ in 0..500 {
                let Some(child) = self.children.get(&(3, shard)) else { break };
                if child.next == self.records(shard).len() && self.shards[shard].is_open() {
                    break;
                }
                self.go_on(3, shard);
            }
        }
        // All that are left say that nothing comes.
        let left: Vec<(usize, usize)> = self.children.keys().copied().collect();
        for (worker, shard) in [&left[..], &left[..]].concat() {
            self.go_on(worker, shard);
        }
    }

    pub(crate) fn check(&self) {
        let mut oracle = Windows::tumbling(secs(60));
        let mut newest = Timestamp::MIN;
        for record in self.records.values().flatten() {
            let time: Timestamp = str::from_utf8(&record.data).unwrap().parse().unwrap();
            oracle.add(record.partition_key.raw(), time, 1);
            newest = newest.max(time);
        }
        let counts = Counts::open(&self.url).unwrap();
        let expected: Vec<String> =
            oracle.complete(newest - secs(LATENESS)).iter().map(Window::to_string).collect();
        let found: Vec<String> = counts.windows().unwrap().iter().map(Window::to_string).collect();
        assert_eq!(found, expected);
        let open = |windows: Vec<Window>| windows.iter().map(Window::to_string).collect::<Vec<String>>();
        assert_eq!(open(counts.early().unwrap()), open(oracle.iter().collect()));
        assert_eq!(counts.late().unwrap(), [], "none was late");
        let pairs: u64 = counts.windows().unwrap().iter().map(|window| window.counts.len() as u64).sum();
        assert_eq!(counts.pairs().unwrap(), pairs);
    }
}

//! [`Producer`]: emits records with one partition key, in the background.

use std::time::Duration;

use fastrand::Rng;

use super::emitter::launch;
use super::pace::Pace;
use super::plan::Plan;
use super::producer_handle::ProducerHandle;
use super::queue::PutOptions;
use crate::error::Result;
use crate::into_duration::IntoDuration;
use crate::record::{Entry, check_key};
use crate::stream::Stream;
use crate::timestamp::Timestamp;

/// Where simulated time begins unless [`Producer::starting_at`] says otherwise:
/// 2018-09-06T08:00:00Z. Fixed, so that a run gives the same records whenever it is made.
const SIMULATED_START: Timestamp = timestamp_from_secs(1_536_220_800);

const fn timestamp_from_secs(secs: i64) -> Timestamp {
    Timestamp::new_unchecked(secs * 1_000_000)
}

/// Puts one record every interval, with one partition key; made by [`Stream::producer`].
///
/// Live (the default), the data is the time of emission as ISO-8601 text in UTC with microseconds,
/// `2018-09-06T08:04:56.468067Z`. With [`speed`](Producer::speed), [`at_once`](Producer::at_once) or
/// [`starting_at`](Producer::starting_at), time is simulated: it begins at a fixed instant in the
/// past and the interval is counted in it, so the same program emits the same records every time.
///
/// ```
/// # use kinesis_lab::prelude::*;
/// let stream = Kinesis::local()?.create_stream("clicks", 1)?;
/// // Ten minutes of events, two seconds apart, at a minute a tenth of a second:
/// let producer = stream.producer("192.0.2.10").interval(secs(2)).speed(600.0).limit(300).start();
/// assert_eq!(producer.join().sent, 300);
///
/// // The same instants each time, irregular as those of independent visitors are, from a day of one's choice:
/// let start: Timestamp = "2026-01-02T00:00:00Z".parse()?;
/// let visitors = stream.producer("192.0.2.20").seed(7).starting_at(start).at_once().limit(50).ordered().start();
/// assert_eq!(visitors.join().sent, 50);
/// # Ok::<(), Error>(())
/// ```
#[must_use = "nothing is emitted before .start()"]
pub struct Producer {
    stream: Stream,
    key: String,
    interval: Duration,
    seed: Option<u64>,
    start: Option<Timestamp>,
    limit: u64,
    pace: Pace,
    payload: Payload,
    options: PutOptions,
}

/// Makes the data of the n-th record (from 0) out of its event time.
type Payload = Box<dyn FnMut(u64, Timestamp) -> Vec<u8> + Send>;

impl Stream {
    /// A producer with one partition key, to be configured and started; see [`Producer`] for an example.
    pub fn producer(&self, partition_key: impl AsRef<str>) -> Producer {
        Producer::new(self.clone(), partition_key.as_ref())
    }
}

impl Producer {
    fn new(stream: Stream, key: &str) -> Producer {
        Producer {
            stream,
            key: key.to_owned(),
            interval: Duration::from_secs(1),
            seed: None,
            start: None,
            limit: u64::MAX,
            pace: Pace::REAL_TIME,
            payload: Box::new(|_, time| time.to_string().into_bytes()),
            options: PutOptions::default(),
        }
    }

    /// The time between two records. Default: 1 second.
    pub fn interval(mut self, interval: impl IntoDuration) -> Producer {
        self.interval = interval.into_duration();
        self
    }

    /// Irregular times between records, as independent visitors make them (a Poisson process whose
    /// mean is the interval), drawn from this seed. Default: each is the interval.
    pub fn seed(mut self, seed: u64) -> Producer {
        self.seed = Some(seed);
        self
    }

    /// The event time of the first record; time is simulated from there on.
    /// Default: now, or 2018-09-06T08:00:00Z when time is simulated.
    pub fn starting_at(mut self, start: Timestamp) -> Producer {
        self.start = Some(start);
        self
    }

    /// How fast simulated time goes: 60.0 is a minute a second. Default: 1.0.
    ///
    /// Anything that is no positive number means [`at_once`](Self::at_once).
    pub fn speed(mut self, factor: f64) -> Producer {
        self.pace = Pace::times(factor);
        self.start.get_or_insert(SIMULATED_START);
        self
    }

    /// Emits in simulated time as fast as it goes, in batches; give it a [`limit`](Self::limit).
    pub fn at_once(mut self) -> Producer {
        self.pace = Pace::AtOnce;
        self.start.get_or_insert(SIMULATED_START);
        self
    }

    /// How many records to emit before it ends. Default: no limit.
    pub fn limit(mut self, records: u64) -> Producer {
        self.limit = records;
        self
    }

    /// Any bytes for data: a function of the record's number (from 0) and its event time.
    /// Default: the time as ISO-8601 text.
    ///
    /// It is called on a thread of the producer's own, so it may block, and may call this crate. A record that is
    /// larger than 1 MiB is left out, see [`ProducerReport`](crate::ProducerReport::left_out); a panic ends the
    /// producer, with a sentence in [`last_error`](crate::ProducerReport::last_error).
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// let stream = Kinesis::local()?.create_stream("clicks", 1)?;
    /// let json = |n: u64, time: Timestamp| format!(r#"{{"id":"{n}","time":"{time}","path":"/"}}"#);
    /// assert_eq!(stream.producer("192.0.2.10").at_once().limit(3).payload(json).start().join().sent, 3);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn payload<D: Into<Vec<u8>>>(
        mut self,
        mut make: impl FnMut(u64, Timestamp) -> D + Send + 'static,
    ) -> Producer {
        self.payload = Box::new(move |number, time| make(number, time).into());
        self
    }

    /// Keeps the order also when a record is retried, by having one under way at a time.
    pub fn ordered(mut self) -> Producer {
        self.options.ordered = true;
        self
    }

    /// Begins to emit, in the background.
    ///
    /// A partition key that the service would refuse ends it at once, with the error in the report.
    pub fn start(self) -> ProducerHandle {
        let endless = self.limit == u64::MAX;
        let rng = self.seed.map(Rng::with_seed);
        let plan = OneKey {
            key: self.key,
            interval: self.interval,
            rng,
            start: self.start,
            left: self.limit,
            emitted: 0,
            offset: Duration::ZERO,
            payload: self.payload,
        };
        launch(self.stream, Box::new(plan), self.pace, self.options, endless)
    }
}

/// The records of one key, one after the other.
struct OneKey {
    key: String,
    interval: Duration,
    rng: Option<Rng>,
    start: Option<Timestamp>,
    left: u64,
    emitted: u64,
    /// Event time of the next record, since the first.
    offset: Duration,
    payload: Payload,
}

impl Plan for OneKey {
    fn next_offset(&mut self) -> Result<Option<Duration>> {
        if self.emitted == 0 {
            // One for all: none of its records could be put.
            check_key(&self.key)?;
        }
        Ok((self.left > 0).then_some(self.offset))
    }

    fn emit(&mut self, now: Timestamp) -> Entry {
        let time = self.start.map_or(now, |start| start + self.offset);
        self.emitted += 1;
        let data = (self.payload)(self.emitted - 1, time);
        self.offset += match &mut self.rng {
            // Exponentially distributed gaps; 1 − u, because the logarithm of 0 is infinite.
            Some(rng) => self.interval.mul_f64(-(1.0 - rng.f64()).ln()),
            None => self.interval,
        };
        self.left -= 1;
        Entry::new(self.key.clone(), data)
    }

    fn place(&self) -> (&'static str, u64) {
        ("record", self.emitted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(seed: Option<u64>) -> OneKey {
        OneKey {
            key: "k".into(),
            interval: Duration::from_secs(2),
            rng: seed.map(Rng::with_seed),
            start: Some(SIMULATED_START),
            left: 1_000,
            emitted: 0,
            offset: Duration::ZERO,
            payload: Box::new(|_, time| time.to_string().into_bytes()),
        }
    }

    fn run(mut plan: OneKey) -> Vec<String> {
        let mut all = Vec::new();
        while plan.next_offset().unwrap().is_some() {
            all.push(String::from_utf8(plan.emit(Timestamp::MIN).data).unwrap());
        }
        all
    }

    #[test]
    fn simulated_time_is_the_same_from_run_to_run() {
        let times = run(plan(None));
        assert_eq!(times[..2], ["2018-09-06T08:00:00.000000Z", "2018-09-06T08:00:02.000000Z"]);
        assert_eq!(times.len(), 1_000);
        assert_eq!(run(plan(Some(7))), run(plan(Some(7))));
        assert_ne!(run(plan(Some(7))), run(plan(Some(8))));
    }

    #[test]
    fn seeded_gaps_have_the_interval_as_their_mean() {
        let times = run(plan(Some(7)));
        let last: Timestamp = times[999].parse().unwrap();
        let mean = last.since(SIMULATED_START).as_secs_f64() / 999.0;
        // The standard error of the mean of 999 exponential gaps is 2 s / √999 = 0.063 s.
        assert!((mean - 2.0).abs() < 0.2, "{mean}");
    }

    #[test]
    fn live_records_carry_the_time_at_which_they_are_emitted() {
        let mut live = plan(None);
        live.start = None;
        let now: Timestamp = "2026-01-02T03:04:05.000006Z".parse().unwrap();
        assert_eq!(live.emit(now).data, b"2026-01-02T03:04:05.000006Z");
    }
}

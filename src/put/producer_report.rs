//! [`ProducerReport`]: what a producer has done so far.

use super::left_out::LeftOut;
use super::report::FailedEntry;
use crate::error::Error;

/// How many records that were given up are kept …
const MAX_KEPT: usize = 1_000;
/// … and how many bytes of them, keys included.
const MAX_KEPT_BYTES: usize = 8 << 20;

/// What a producer has done so far.
///
/// ```
/// # use kinesis_lab::prelude::*;
/// let stream = Kinesis::local()?.create_stream("clicks", 1)?;
/// // The third record is larger than a stream takes: it is left out, and the others go on.
/// let size = |n: u64| if n == 2 { MAX_RECORD_BYTES } else { 10 };
/// let producer = stream.producer("k").at_once().limit(5).payload(move |n, _| vec![0u8; size(n)]);
/// let report = producer.start().join(); // on stderr: 1 record was left out; it is record 3: …
/// assert_eq!((report.sent, report.left_out, report.given_up), (4, 1, 0));
/// assert_eq!(report.first_left_out.unwrap().number, 3);
/// # use kinesis_lab::MAX_RECORD_BYTES;
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ProducerReport {
    /// Records that the service acknowledged.
    pub sent: u64,
    /// Attempts that were made again after a failure.
    pub retried: u64,
    /// Attempts whose answer never came: their records may be in the stream, even twice. The stream
    /// holds at most `sent + ambiguous` of this producer's records.
    pub ambiguous: u64,
    /// Records that were given up.
    pub given_up: u64,
    /// The first 1,000 of them, and no more than 8 MiB, each with its error.
    pub failed: Vec<FailedEntry>,
    /// Records that were left out, because no stream takes such a key or so much data.
    pub left_out: u64,
    /// The first of those.
    pub first_left_out: Option<LeftOut>,
    /// What went wrong last, if anything did; a record that was left out is nothing that did.
    pub last_error: Option<Error>,
    kept_bytes: usize,
}

impl ProducerReport {
    /// Counts what was given up, and keeps it while there is room.
    pub(super) fn give_up(&mut self, failed: impl IntoIterator<Item = FailedEntry>) {
        for entry in failed {
            self.given_up += 1;
            self.last_error = Some(entry.error.clone());
            let bytes = self.kept_bytes + entry.entry.size();
            // The first ones, not those that happen to be small enough: whoever sends them again knows where to
            // go on.
            if self.given_up == self.failed.len() as u64 + 1
                && self.failed.len() < MAX_KEPT
                && bytes <= MAX_KEPT_BYTES
            {
                self.kept_bytes = bytes;
                self.failed.push(entry);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::record::Entry;

    fn failed(n: usize, bytes: usize) -> FailedEntry {
        FailedEntry {
            entry: Entry::new(n.to_string(), vec![0; bytes]),
            error: Error::new(ErrorKind::Timeout, "no"),
        }
    }

    #[test]
    fn memory_has_an_end_and_the_count_has_none() {
        let mut report = ProducerReport::default();
        report.give_up((0..5_000).map(|n| failed(n, 1)));
        assert_eq!((report.given_up, report.failed.len()), (5_000, MAX_KEPT));
        let mut report = ProducerReport::default();
        // The ninth MiB has no room; the small ones behind it don't slip in.
        report.give_up((0..9).map(|n| failed(n, 1_000_000)).chain((0..20).map(|n| failed(n, 1))));
        assert_eq!((report.given_up, report.failed.len()), (29, 8));
    }
}

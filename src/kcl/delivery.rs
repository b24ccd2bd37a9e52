//! How a child's processor is called, and what is told of it.

use crate::notice::tell;
use crate::read::{Context, Delivering, SharedReport, StreamId};
use crate::stop::Stop;

/// For the calls of the child's processor, which waits as long as it takes.
pub(super) fn delivering<'a>(
    stream: &'a StreamId,
    report: &'a SharedReport,
    stop: &'a Stop,
    context: &'a dyn Fn() -> Context,
) -> Delivering<'a> {
    Delivering { stream: &stream.name, report, stop, until: None, impatient: false, context }
}

/// Nobody looks into the report of a child, so it is told at once.
pub(super) fn tell_skipped(report: &SharedReport, shard_id: &str, before: u64) {
    let report = report.lock();
    let skipped = report.skipped_records - before;
    if skipped > 0 {
        let message = report.skipped.back().map_or("", |(_, message)| message.as_str());
        tell!(
            WARN,
            [shard = shard_id, records = skipped],
            "skipped {skipped} of the records of {shard_id}: {message}"
        );
    }
}

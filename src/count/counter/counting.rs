//! What a [`Counter`] does with the events of a batch.

use std::borrow::Cow;

use super::super::clocks_ahead::is_ahead;
use super::Counter;
use crate::event::{is_from_the_future, time_bound};
use crate::format::Brief;
use crate::read::{Context, ProcessError, RecordProcessor};
use crate::record::{Batch, Record};
use crate::timestamp::Timestamp;

impl Counter {
    /// Gives how far event time has advanced, going by this event.
    fn count(&mut self, shard_id: &str, record: &Record, event: &Brief<'_>) -> Option<Timestamp> {
        if let Some(origin) = &event.origin
            && self.copies.is_copy(shard_id, origin, record.arrival)
        {
            self.duplicates += 1;
            return None;
        }
        self.is_ahead |= is_ahead(event.time, record.arrival);
        let key = match self.network {
            Some(network) => network.name_of(&event.key),
            None => Cow::Borrowed(&*event.key),
        };
        let has_watermark = self.watermark.is_some();
        if has_watermark && is_from_the_future(event.time, record.arrival) {
            self.refused.add(&key, event.time, record.arrival);
            return None;
        }
        let added = self.windows.add_with_id(&key, event.time, 1, event.id.as_deref());
        self.duplicates += u64::from(added.duplicate);
        if !added.late.is_empty() {
            self.late.add(&key, event.time, &added.late);
        }
        has_watermark.then(|| time_bound(event.time, event.origin.as_deref(), record.arrival)).flatten()
    }
}

impl RecordProcessor for Counter {
    fn process(&mut self, batch: &Batch, ctx: &mut Context) -> Result<(), ProcessError> {
        self.copies.follow(&ctx.shards);
        let format = self.format.clone();
        let mut furthest = None;
        for record in &batch.records {
            format.brief(record, |found| match found {
                Ok(event) => furthest = self.count(&batch.shard_id, record, &event).max(furthest),
                Err(error) => self.unparsed.add(&batch.shard_id, record, error.to_string()),
            });
            // Whose clock it is, the event's fields say.
            if std::mem::take(&mut self.is_ahead) {
                format.read_record(record, &mut |found| {
                    if let Ok(event) = found {
                        self.clocks_ahead.observe(&batch.shard_id, record, &event);
                    }
                });
            }
        }
        // Once a batch: how far all shards are is asked at the end of a poll.
        if let (Some(watermark), Some(furthest)) = (&mut self.watermark, furthest) {
            watermark.observe(&batch.shard_id, furthest);
        }
        self.clocks_ahead.pass(batch);
        Ok(())
    }

    fn tick(&mut self, ctx: &mut Context) -> Result<(), ProcessError> {
        if let Some(watermark) = &mut self.watermark {
            let now = watermark.advance(&ctx.shards);
            self.completed.extend(self.windows.complete(now));
        }
        Ok(())
    }
}

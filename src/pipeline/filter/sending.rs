//! What a [`Filter`] does with a batch: it reads its events, and puts those that it is to keep.

use tokio::sync::watch;

use super::super::forwarded::{KeptEvents, Outgoing, with_origin};
use super::{Filter, RECORDS_OF_A_CALL};
use crate::error::ErrorKind;
use crate::event::Origin;
use crate::packed::is_gzip;
use crate::read::{Context, ProcessError};
use crate::record::{Batch, Entry, Record};
use crate::timestamp::Timestamp;

impl Filter {
    /// The events that are kept, as records for the second stream but for their origin; all are observed by the
    /// watermark.
    pub(in super::super) fn select<'a>(
        &mut self,
        shard_id: &str,
        records: &'a [Record],
    ) -> Vec<Outgoing<'a>> {
        let (mut selected, format) = (Vec::new(), self.format.clone());
        for record in records {
            let mut kept = KeptEvents::of(record, format.is_known() && !is_gzip(&record.data));
            let mut found = 0;
            format.read_record(record, &mut |event| {
                let place = found;
                found += 1;
                match event {
                    Ok(event) => {
                        self.clocks_ahead.observe(shard_id, record, &event);
                        self.watermark.observe_event(shard_id, &event, record.arrival);
                        match (self.keep)(&event) {
                            true => kept.push(place, event),
                            false => self.dropped += 1,
                        }
                    }
                    Err(error) => self.unparsed.add(shard_id, record, error.to_string()),
                }
            });
            selected.extend(kept.finish(found));
        }
        selected
    }

    /// Sends a batch on, so that no record claims more progress in event time than what is still to come of the
    /// batch allows. Records of one call that fail are put again, behind others of the call: they bear the watermark
    /// that was before the call, and the next call waits until all of this one is acknowledged. The last record
    /// goes alone, with the watermark behind it: so event time stands still in the second stream for no longer
    /// than in the first.
    pub(super) fn forward(&mut self, batch: &Batch, ctx: &Context) -> Result<(), ProcessError> {
        let origin = self.origin(batch);
        let mut calls = batch.records.chunks(RECORDS_OF_A_CALL).peekable();
        while let Some(records) = calls.next() {
            let before = self.watermark.advance(&ctx.shards);
            let mut selected = self.select(&batch.shard_id, records);
            let last = if calls.peek().is_none() { selected.pop() } else { None };
            self.put(selected, &Origin { watermark: before, ..origin.clone() }, &ctx.stop())?;
            let after = self.watermark.advance(&ctx.shards);
            self.put(
                last.into_iter().collect(),
                &Origin { watermark: after, ..origin.clone() },
                &ctx.stop(),
            )?;
        }
        Ok(())
    }

    /// Where the records of a batch come from, but for their own numbers.
    pub(in super::super) fn origin(&self, batch: &Batch) -> Origin {
        let stream = match &self.name {
            Some(name) => format!("{}:{name}", batch.stream),
            None => batch.stream.to_string(),
        };
        let checkpoint = self.checkpoints.get(&batch.shard_id);
        Origin {
            stream: stream.into(),
            shard_id: (&*batch.shard_id).into(),
            sequence_number: String::new(),
            sub_sequence_number: None,
            place: None,
            after: checkpoint.and_then(|checkpoint| checkpoint.sequence_number.clone()),
            watermark: Timestamp::MIN,
        }
    }

    /// Puts records, and waits until each is acknowledged. One that the second stream can never take is counted
    /// among those that did not parse: it must not stop all others.
    pub(in super::super) fn put(
        &mut self,
        outgoing: Vec<Outgoing<'_>>,
        origin: &Origin,
        stop: &watch::Receiver<bool>,
    ) -> Result<(), ProcessError> {
        let mut sources: Vec<(&Record, u64)> = Vec::with_capacity(outgoing.len());
        let mut entries: Vec<Entry> = Vec::with_capacity(outgoing.len());
        for Outgoing { record, entry, events } in outgoing {
            let origin = Origin {
                sequence_number: record.sequence_number.clone(),
                sub_sequence_number: record.sub_sequence_number,
                ..origin.clone()
            };
            sources.push((record, events));
            entries.push(with_origin(entry, &origin));
        }
        if entries.is_empty() {
            return Ok(());
        }
        let data: Vec<Vec<u8>> = entries.iter().map(|entry| entry.data.clone()).collect();
        let sent: u64 = sources.iter().map(|(_, events)| events).sum();
        let Err(failure) = self.to.put_many(entries).stopped_by(stop.clone()).send() else {
            self.kept += sent;
            return Ok(());
        };
        let (never, others): (Vec<_>, Vec<_>) =
            failure.failed.into_iter().partition(|failed| failed.error.kind() == ErrorKind::InvalidInput);
        if let Some(other) = others.into_iter().next() {
            let error = other.error;
            return Err(match error.is_transient() {
                true => ProcessError::retry(error.to_string()),
                false => error.into(),
            });
        }
        self.kept += sent;
        // A record's data has its own number, and its events their places: no two are the same.
        for failed in never {
            if let Some(at) = data.iter().position(|data| *data == failed.entry.data) {
                let (record, events) = sources[at];
                self.kept -= events;
                self.unparsed.add(origin.shard_id.raw(), record, failed.error.to_string());
            }
        }
        Ok(())
    }
}

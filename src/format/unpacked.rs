//! Records that gzip has packed, as those that are in them. Pure.

use std::borrow::Cow;

use super::format::{AnyFormat, Brief};
use crate::event::{Event, EventError, EventHead};
use crate::packed::{GUNZIPPED, Subscription, gunzip, is_gzip, packer, subscription};
use crate::record::Record;

impl AnyFormat {
    /// Each event of a record, whether it is packed or not. What is in gzip is read as if it had come without, and
    /// what a subscription of CloudWatch Logs sends, message by message: an event that has no id of its own has the
    /// message's, which is the same when it is delivered again.
    pub(crate) fn read_record(&self, record: &Record, each: &mut dyn FnMut(Result<Event, EventError>)) {
        if !is_gzip(&record.data) {
            // What it says of bytes that are packed in another way tells nobody anything.
            return self
                .format()
                .read(record, &mut |found| each(found.map_err(|error| named(record, error))));
        }
        let data = match gunzip(&record.data, GUNZIPPED) {
            Ok(data) => data,
            Err(reason) => return each(Err(EventError::new(&reason))),
        };
        match subscription(&data) {
            Some(Subscription::Control) => {}
            Some(Subscription::Data(entries)) => {
                for entry in entries {
                    let mut place = 0;
                    self.format().read(&with_data(record, entry.message.into_bytes()), &mut |found| {
                        each(found.map(|mut event| {
                            if event.id.is_none() {
                                let id = if place == 0 {
                                    Cow::Borrowed(&*entry.id)
                                } else {
                                    format!("{}#{place}", entry.id).into()
                                };
                                event.id = Some(id.into());
                            }
                            event
                        }));
                        place += 1;
                    });
                }
            }
            None => self.format().read(&with_data(record, data), each),
        }
    }

    /// The same of what a counter looks at.
    #[inline]
    pub(crate) fn brief(&self, record: &Record, mut each: impl FnMut(Result<Brief<'_>, EventError>)) {
        // Nearly all records, without a call by pointer and a copy of what it gives. What is packed has no head.
        if self.is_known()
            && let Some(head) = EventHead::parse(record)
        {
            return each(Ok(Brief::from(head)));
        }
        self.brief_of_any(record, &mut each);
    }

    fn brief_of_any(&self, record: &Record, each: &mut dyn FnMut(Result<Brief<'_>, EventError>)) {
        if !is_gzip(&record.data) {
            return self
                .format()
                .brief(record, &mut |found| each(found.map_err(|error| named(record, error))));
        }
        self.read_record(record, &mut |found| match &found {
            Ok(event) => each(Ok(Brief::of(event))),
            Err(error) => each(Err(error.clone())),
        });
    }
}

/// The record as it would have come alone.
fn with_data(record: &Record, data: Vec<u8>) -> Record {
    Record { data: data.into(), ..record.clone() }
}

fn named(record: &Record, error: EventError) -> EventError {
    match packer(&record.data) {
        Some(packer) => EventError::new(&format!("packed by {packer}")),
        None => error,
    }
}

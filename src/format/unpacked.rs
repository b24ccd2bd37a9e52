//! Records that gzip has packed, as those that are in them. Pure.

use std::borrow::Cow;

use super::format::{AnyFormat, Brief};
use super::parts::Each;
use crate::event::{EventError, EventHead};
use crate::packed::{GUNZIPPED, Subscription, gunzip, is_gzip, packing, subscription};
use crate::record::Record;

impl AnyFormat {
    /// Each event of a record, whether it is packed or not. What is in gzip is read as if it had come without, and
    /// what a subscription of CloudWatch Logs sends, message by message: an event that has no id of its own has the
    /// message's, which is the same when it is delivered again.
    pub(crate) fn read_record(&self, record: &Record, each: &mut Each<'_>) {
        if !is_gzip(&record.data) {
            return self.read_plain(record, each);
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
                    self.read_plain(&with_data(record, entry.message.into_bytes()), &mut |found| {
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
            None => self.read_plain(&with_data(record, data), each),
        }
    }

    /// What a format says of bytes that are packed in another way tells nobody anything.
    fn read_plain(&self, record: &Record, each: &mut Each<'_>) {
        self.format().read(record, &mut |found| each(found.map_err(|error| named(record, error))));
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

/// The record as it would have come alone. Without a copy of what it came in: there may be a hundred thousand.
fn with_data(record: &Record, data: Vec<u8>) -> Record {
    let Record { partition_key, data: _, sequence_number, sub_sequence_number, arrival } = record;
    Record {
        partition_key: partition_key.clone(),
        data: data.into(),
        sequence_number: sequence_number.clone(),
        sub_sequence_number: *sub_sequence_number,
        arrival: *arrival,
    }
}

fn named(record: &Record, error: EventError) -> EventError {
    packing(&record.data).map_or(error, |packing| EventError::new(&packing))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::format::JsonFormat;
    use crate::timestamp::Timestamp;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn record(data: Vec<u8>) -> Record {
        Record::new("any", data, "1", Timestamp::MIN)
    }

    /// What the default reads in it, too, is another format's to say.
    #[test]
    fn a_format_is_asked_what_it_reads() {
        let data = br#"{"time":"2024-03-01T10:15:00Z","ip":"192.0.2.1","path":"/a"}"#.to_vec();
        for (format, key) in
            [(AnyFormat::default(), "192.0.2.1"), (JsonFormat::new().key(&["path"]).into(), "/a")]
        {
            let mut keys = Vec::new();
            format.brief(&record(data.clone()), |found| keys.push(found.unwrap().key.into_owned()));
            assert_eq!(keys, [key]);
        }
    }

    #[test]
    fn what_packed_it_is_named_by_any_format() {
        let json = AnyFormat::from(JsonFormat::new());
        for (data, reason) in [
            (b"\x28\xb5\x2f\xfd{".to_vec(), "packed by zstd"),
            (gzip(b"\x28\xb5\x2f\xfd{"), "packed by zstd"),
            (gzip(&gzip(b"{\"time\":1709288100}")), "packed by gzip"),
            (b"\xff\xfe{\0}\0".to_vec(), "UTF-16"),
        ] {
            for format in [&json, &AnyFormat::default()] {
                let found = format.events(&record(data.clone()));
                let [Err(error)] = &found[..] else { panic!("{found:?}") };
                assert!(error.to_string().starts_with(reason), "{error}");
            }
        }
    }
}

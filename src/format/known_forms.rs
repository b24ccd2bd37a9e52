//! [`KnownForms`]: what everything reads that was told nothing else.

use super::format::{AnyFormat, Format};
use super::forwarded;
use super::json_values::each_value;
use crate::event::{Event, EventError};
use crate::record::Record;

/// A timestamp, JSON or a line of an access log, told apart by the data itself: the default of everything that
/// reads events. [`Event::parse`] has the table of what is read of each.
///
/// Of JSON, each object is an event: of those one behind the other (a line each, or not), and of an array.
/// Otherwise each line is one, where there are several. A byte order mark before them is passed over.
///
/// ```
/// use kinesis_lab::prelude::*;
///
/// let stream = Kinesis::local()?.create_stream("lines", 1)?;
/// let data = "\
/// {\"time\": \"2024-03-01T10:15:00Z\", \"ip\": \"192.0.2.10\"}
/// {\"time\": \"2024-03-01T10:15:01Z\", \"ip\": \"192.0.2.10\"}
/// ";
/// stream.put("any", data)?;
/// let mut counter = Counter::per_minute();
/// stream.consumer().trim_horizon().run_until_caught_up(&mut counter)?;
/// assert_eq!(counter.to_string(), "2024-03-01 10:15:00 : [('192.0.2.10', 2)]\n");
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KnownForms;

impl Format for KnownForms {
    fn read(&self, record: &Record, each: &mut dyn FnMut(Result<Event, EventError>)) {
        let data = record.data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&record.data).trim_ascii();
        if forwarded::read(data, each).is_some() {
            return;
        }
        match data.first() {
            // Nearly always one object, and then read once.
            Some(b'{') => match Event::parse_part(record, data) {
                Err(error) if error.is_broken_json() => objects(record, data, each),
                found => each(found),
            },
            Some(b'[') => objects(record, data, each),
            _ if data.contains(&b'\n') => {
                let lines = data.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
                lines.filter(|line| !line.is_empty()).for_each(|line| each(Event::parse_part(record, line)));
            }
            _ => each(Event::parse_part(record, data)),
        }
    }

    fn is_known(&self) -> bool {
        true
    }
}

/// [`KnownForms`].
impl Default for AnyFormat {
    fn default() -> AnyFormat {
        AnyFormat::from(KnownForms)
    }
}

fn objects(record: &Record, data: &[u8], each: &mut dyn FnMut(Result<Event, EventError>)) {
    each_value(data, &mut |value| {
        each(match value {
            Ok(value) if value.get().starts_with('{') => Event::parse_part(record, value.get().as_bytes()),
            Ok(_) => Err(EventError::new("what stands among the objects is none")),
            Err(error) => Err(EventError::new(&format!("broken JSON: {error}"))),
        });
    });
}

//! [`EventError`]: why a record is no event. Pure.

use std::fmt;

use crate::text::printable;

/// Why a record could not be read as an event: a sentence, [`printable`](crate::printable).
///
/// ```
/// use kinesis_lab::{Event, Record, Timestamp};
///
/// let error = Event::parse(&Record::new("key", "{}", "1", Timestamp::now())).unwrap_err();
/// assert_eq!(error.to_string(), "JSON without a \"time\"");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct EventError {
    reason: String,
    kind: EventErrorKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum EventErrorKind {
    /// It is no JSON at all, or more of it than one object.
    BrokenJson,
    Other,
}

impl EventError {
    /// A reason of a [`Format`](crate::Format) of your own; what it shows of the data need not be printable.
    ///
    /// ```
    /// use kinesis_lab::EventError;
    ///
    /// assert_eq!(EventError::new("no time in \u{1b}[2J").to_string(), r"no time in \x1b[2J");
    /// ```
    pub fn new(reason: &str) -> EventError {
        EventError::of(reason.to_owned())
    }

    pub(super) fn of(reason: String) -> EventError {
        EventError { reason, kind: EventErrorKind::Other }
    }

    pub(crate) fn broken_json(error: serde_json::Error) -> EventError {
        EventError { reason: format!("broken JSON: {error}"), kind: EventErrorKind::BrokenJson }
    }

    /// Whether it is no JSON at all, or more of it than one object.
    pub(crate) fn is_broken_json(&self) -> bool {
        self.kind == EventErrorKind::BrokenJson
    }
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(self.reason.as_bytes()))
    }
}

impl fmt::Debug for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for EventError {}

//! [`Meaning`]: what a value of a line tells of an event. Pure.

use crate::epoch::EpochUnit;

/// What a value of a line tells of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The client, or the proxy that stands before the server.
    Client,
    /// The same, with a port behind a colon.
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
    Ident,
    Time(TimeText),
    /// `GET /path HTTP/1.1`.
    Request,
    /// What follows the path's `?`, with it or without.
    Query,
    Field(Box<str>),
}

/// How a time is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TimeText {
    /// `17/May/2015:10:05:03 +0000`, 26 bytes.
    Server,
    /// In any of a [`Timestamp`](crate::Timestamp)'s forms.
    Any,
    Epoch(EpochUnit),
    /// As chrono's `strftime` knows it.
    Format(Box<str>),
    /// The day alone; the clock comes in another value.
    Date,
    Clock,
}

impl Meaning {
    pub(super) fn field(name: &str) -> Meaning {
        Meaning::Field(name.into())
    }
}

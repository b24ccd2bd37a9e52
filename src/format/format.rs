//! [`Format`]: how the data of a record is read as events. Pure.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::event::{Event, EventError, EventHead, Origin};
use crate::record::Record;
use crate::text::Quoted;
use crate::timestamp::Timestamp;

/// What is counted where nothing else is said.
pub(super) const CLIENT: &str = "client";

/// How the data of a record is read: none, one or many events.
///
/// The default of everything that reads events is [`KnownForms`](crate::KnownForms). [`JsonFormat`](crate::JsonFormat) reads other
/// JSON, [`LogFormat`](crate::LogFormat) the lines of any web server, and your own reads what you have:
///
/// ```
/// use kinesis_lab::{Event, EventError, Format, Record, prelude::*};
///
/// /// `1709288100;192.0.2.10;/cart`, several to a record.
/// #[derive(Debug)]
/// struct Semicolons;
///
/// impl Format for Semicolons {
///     fn read(&self, record: &Record, each: &mut dyn FnMut(Result<Event, EventError>)) {
///         for line in String::from_utf8_lossy(&record.data).lines() {
///             let mut parts = line.split(';');
///             let time = parts.next().unwrap_or_default().parse();
///             each(match (time, parts.next()) {
///                 (Ok(time), Some(client)) => Ok(Event::new(client, time)),
///                 _ => Err(EventError::new("a line is no time;client")),
///             });
///         }
///     }
/// }
///
/// let stream = Kinesis::local()?.create_stream("semicolons", 1)?;
/// stream.put("any", "1709288100;192.0.2.10;/cart\n1709288101;192.0.2.10;/pay\n?")?;
/// let mut counter = Counter::per_minute().reading(Semicolons);
/// stream.consumer().trim_horizon().run_until_caught_up(&mut counter)?;
/// assert_eq!((counter.total(), counter.unparsed()), (2, 1));
/// # Ok::<(), Error>(())
/// ```
///
/// What is no event is handed over as such, and counted (`unparsed`). Of the formats here, a record of several parts
/// (lines, JSON objects) that has an event counts each other part as one; a record in which nothing is an event is
/// one, however many lines it has. A JSON object that is broken is one part: behind it, reading goes on with the next
/// line that begins with `{` or `[` and is not indented further.
///
/// What it is given comes from strangers: it must not panic, and must not take more memory than a small
/// multiple of the data. The same record gives the same events in the same order, whenever it is read: the
/// record's sequence number and the place of an event in it are the event's identity.
pub trait Format: fmt::Debug + Send + Sync {
    /// Hands over each event of a record, in order; or, in its place, why a part of the record is none.
    fn read(&self, record: &Record, each: &mut dyn FnMut(Result<Event, EventError>));

    /// The same events without their fields: all that a counter looks at. By default it reads all and takes
    /// what it needs; a format for which that is dear does less here.
    ///
    /// ```
    /// use kinesis_lab::{Format, KnownForms, Record, Timestamp};
    ///
    /// let record = Record::new("192.0.2.10", "2024-03-01T10:15:00Z", "1", Timestamp::now());
    /// KnownForms.brief(&record, &mut |found| assert_eq!(found.unwrap().key, "192.0.2.10"));
    /// ```
    fn brief(&self, record: &Record, each: &mut dyn FnMut(Result<Brief<'_>, EventError>)) {
        self.read(record, &mut |found| match &found {
            Ok(event) => each(Ok(Brief::of(event))),
            Err(error) => each(Err(error.clone())),
        });
    }

    /// What the keys of its events are: a database that holds counts of others is refused
    /// ([`Fingerprint::key`](crate::Fingerprint::key)). Default: `client`.
    ///
    /// ```
    /// use kinesis_lab::{Format, JsonFormat, LogFormat};
    ///
    /// assert_eq!(JsonFormat::new().key(&["/http/path", "status"]).key_name(), "http.path status");
    /// assert_eq!(LogFormat::combined().key_name(), "client");
    /// ```
    fn key_name(&self) -> String {
        CLIENT.to_owned()
    }

    /// Whether [`KnownForms`](crate::KnownForms) reads the same from the same data, so that a [`Filter`](crate::Filter) may send it
    /// on as it came. Default: no.
    fn is_known(&self) -> bool {
        false
    }
}

/// An event without its fields.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Brief<'a> {
    /// What is counted.
    pub key: Cow<'a, str>,
    /// When it happened.
    pub time: Timestamp,
    /// The event's identity, where the data gives one.
    pub id: Option<Cow<'a, str>>,
    /// Which record of another stream this is a copy of.
    pub origin: Option<Cow<'a, Origin>>,
}

impl<'a> Brief<'a> {
    /// What a counter needs of an event.
    ///
    /// ```
    /// use kinesis_lab::{Brief, Event, Timestamp};
    ///
    /// let event = Event::new("192.0.2.10", Timestamp::from_secs(1_709_288_100));
    /// assert_eq!(Brief::of(&event).key, "192.0.2.10");
    /// ```
    pub fn of(event: &'a Event) -> Brief<'a> {
        Brief {
            key: Cow::Borrowed(event.key.raw()),
            time: event.time,
            id: event.id.as_ref().map(|id| Cow::Borrowed(id.raw())),
            origin: event.origin.as_ref().map(Cow::Borrowed),
        }
    }
}

impl<'a> From<EventHead<'a>> for Brief<'a> {
    fn from(head: EventHead<'a>) -> Brief<'a> {
        let EventHead { key, time, id, origin } = head;
        Brief { key, time, id, origin: origin.map(|origin| Cow::Owned(*origin)) }
    }
}

impl fmt::Debug for Brief<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.id.as_deref().map(Quoted);
        let mut brief = f.debug_struct("Brief");
        brief.field("key", &Quoted(&self.key)).field("time", &self.time).field("id", &id);
        brief.field("origin", &self.origin).finish()
    }
}

/// Any [`Format`]: what a counter, a filter or a detection was told to read, or a file says. Clones are the same.
///
/// What gzip has packed is read as if it had come without, up to 16 MiB; and what a subscription of CloudWatch Logs
/// sends, message by message. An event that has no id of its own then has the message's.
///
/// ```
/// use kinesis_lab::{AnyFormat, JsonFormat, Record, Timestamp};
///
/// let format = AnyFormat::from(JsonFormat::new().key(&["path"]).time("at"));
/// let data = "{\"at\": 1709288100, \"path\": \"/cart\"}\n{\"at\": 1709288101, \"path\": \"/pay\"}\n{}\n";
/// let found = format.events(&Record::new("any", data, "1", Timestamp::now()));
/// assert_eq!(found[1].as_ref().unwrap().key, "/pay");
/// assert_eq!(found[2].as_ref().unwrap_err().to_string(), "no `at` in this JSON");
/// ```
#[derive(Clone)]
pub struct AnyFormat(Arc<dyn Format>);

impl AnyFormat {
    /// What it reads in a record: to try a format on a line that you have.
    pub fn events(&self, record: &Record) -> Vec<Result<Event, EventError>> {
        let mut events = Vec::new();
        self.read_record(record, &mut |found| events.push(found));
        events
    }

    pub(super) fn format(&self) -> &dyn Format {
        &*self.0
    }

    pub(crate) fn is_known(&self) -> bool {
        self.0.is_known()
    }

    pub(crate) fn key_name(&self) -> String {
        self.0.key_name()
    }
}

impl<F: Format + 'static> From<F> for AnyFormat {
    fn from(format: F) -> AnyFormat {
        AnyFormat(Arc::new(format))
    }
}

impl fmt::Debug for AnyFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

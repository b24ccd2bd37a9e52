//! [`LineValues`]: what the values of a line come to as an event. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::log_pattern::formatted;
use super::meaning::{Meaning, TimeText};
use crate::event::{
    Event, EventError, ForwardedHeader, client_address, client_behind, client_of_line, is_shifted,
    parse_request,
};
use crate::harmless::Text;
use crate::key_parts::push_part;
use crate::timestamp::Timestamp;

/// What is counted of a line, and what makes it one.
#[derive(Debug, Clone, Default)]
pub(super) struct Counted {
    /// Fields; none is the client.
    pub(super) key: Vec<Text>,
    pub(super) id: Option<Text>,
    /// The proxies that are believed, where clients are behind them.
    pub(super) trusted: Option<Vec<IpNet>>,
}

/// Values of a line, as they come.
#[derive(Default)]
pub(super) struct LineValues<'a> {
    client: Option<Cow<'a, str>>,
    /// Whether the log has the header at all, and what it says in this line.
    has_x_forwarded_for: bool,
    x_forwarded_for: Option<Cow<'a, str>>,
    forwarded: Option<Cow<'a, str>>,
    ident: Option<Cow<'a, str>>,
    time: Option<Timestamp>,
    date: Option<Cow<'a, str>>,
    clock: Option<Cow<'a, str>>,
    query: Option<Cow<'a, str>>,
    fields: BTreeMap<Text, Text>,
}

impl<'a> LineValues<'a> {
    /// Takes a value; the first one of a field stands.
    pub(super) fn add(&mut self, meaning: &Meaning, bytes: &'a [u8]) -> Result<(), EventError> {
        self.add_text(meaning, String::from_utf8_lossy(bytes))
    }

    pub(super) fn add_text(&mut self, meaning: &Meaning, value: Cow<'a, str>) -> Result<(), EventError> {
        self.has(meaning);
        match meaning {
            Meaning::Client => drop(self.client.get_or_insert(value)),
            Meaning::Ident => self.ident = Some(value),
            Meaning::Time(form) => self.add_time(form, value)?,
            // What servers write for nothing; and for nobody, above.
            _ if value.is_empty() || value == "-" => {}
            Meaning::XForwardedFor => self.x_forwarded_for = Some(value),
            Meaning::Forwarded => self.forwarded = Some(value),
            Meaning::Query => self.query = Some(value),
            Meaning::Request => {
                let (method, path, _) = parse_request(value.as_bytes());
                let (method, path) = (method.map(Text::from), path.map(Text::from));
                for (name, value) in [("method", method), ("path", path)] {
                    if let Some(value) = value {
                        self.fields.insert(name.into(), value);
                    }
                }
            }
            Meaning::Field(name) => {
                self.fields.entry(Text::from(&**name)).or_insert_with(|| value.into());
            }
        }
        Ok(())
    }

    /// The log has such a value, if not in this line.
    pub(super) fn has(&mut self, meaning: &Meaning) {
        self.has_x_forwarded_for |= *meaning == Meaning::XForwardedFor;
    }

    fn add_time(&mut self, form: &TimeText, value: Cow<'a, str>) -> Result<(), EventError> {
        let time = match form {
            TimeText::Date => {
                self.date = Some(value);
                return Ok(());
            }
            TimeText::Clock => {
                self.clock = Some(value);
                return Ok(());
            }
            TimeText::Epoch(unit) => unit.parse(&value),
            TimeText::Server | TimeText::Any => value.parse(),
            TimeText::Format(format) => match formatted(&value, format) {
                Some((time, length)) if length == value.len() => Ok(time),
                _ => value.parse(),
            },
        };
        let time = time.map_err(|error| EventError::new(&format!("its time is {error}")))?;
        self.time.get_or_insert(time);
        Ok(())
    }

    pub(super) fn event(mut self, counted: &Counted) -> Result<Event, EventError> {
        let time = match (self.time, &self.date, &self.clock) {
            (Some(time), ..) => time,
            (None, Some(date), Some(clock)) => {
                let time = format!("{date}T{clock}Z").parse();
                time.map_err(|error| EventError::new(&format!("its date and time are {error}")))?
            }
            _ => return Err(EventError::new("it has no time")),
        };
        if let Some(query) = self.query.take()
            && let Some(path) = self.fields.get_mut("path")
            && !path.contains("?")
        {
            *path = format!("{}?{}", path.raw(), query.trim_start_matches('?')).into();
        }
        let key = self.key(counted)?;
        let mut event = Event::new(key, time);
        event.id = counted.id.as_ref().and_then(|id| self.fields.get(id)).cloned();
        // Whom playbooks count and block is the client still.
        if !counted.key.is_empty()
            && let Ok(client) = self.client(counted.trusted.as_deref())
        {
            self.fields.entry("ip".into()).or_insert(client);
        }
        event.fields = self.fields;
        Ok(event)
    }

    fn key(&self, counted: &Counted) -> Result<Text, EventError> {
        if counted.key.is_empty() {
            return self.client(counted.trusted.as_deref());
        }
        let mut key = String::new();
        for (n, field) in counted.key.iter().enumerate() {
            let mut push = |part: &str| push_part(&mut key, n, counted.key.len(), part);
            if *field == "ip" {
                push(self.client(counted.trusted.as_deref())?.raw());
                continue;
            }
            let value = self.fields.get(field).map(Text::raw);
            push(value.ok_or_else(|| EventError::new(&format!("it has no `{}`", field.raw())))?);
        }
        Ok(key.into())
    }

    /// Behind proxies that are trusted, whom they name; else the client of the line, if it is one.
    fn client(&self, trusted: Option<&[IpNet]>) -> Result<Text, EventError> {
        let client = self.client.as_deref();
        if let Some(trusted) = trusted {
            return self.client_behind(client, trusted);
        }
        let Some(client) = client else {
            return Err(EventError::new(
                "its client is written by whoever asks, in a header: say which proxies are trusted",
            ));
        };
        if let Some(ident) = self.ident.as_deref().or(Some("-"))
            && is_shifted(client, ident, self.fields.get("user").map_or("-", Text::raw).as_bytes())
        {
            return Err(EventError::new("other words stand before the client's address"));
        }
        match client_of_line(client) {
            Some(client) => Ok(client.into()),
            None => Err(EventError::new("what should be the client is no one address or host name")),
        }
    }

    fn client_behind(&self, client: Option<&str>, trusted: &[IpNet]) -> Result<Text, EventError> {
        let peer = client.map(|client| client_address(client).ok_or(client)).transpose();
        let peer: Option<IpAddr> = match peer {
            Ok(peer) => peer,
            // A host name that the server looked up is no proxy's address: it is the client.
            Err(name) => {
                let name = client_of_line(name).map(Text::from);
                return name.ok_or_else(|| EventError::new("what should be the client is no address"));
            }
        };
        // A proxy that writes the one sends the other on as it came, from whoever asks.
        let (header, list) = match self.has_x_forwarded_for {
            true => (ForwardedHeader::XForwardedFor, &self.x_forwarded_for),
            false => (ForwardedHeader::Forwarded, &self.forwarded),
        };
        let list = list.as_deref().map(str::as_bytes);
        match client_behind(peer, list.into_iter(), header, trusted) {
            Some(address) => Ok(address.to_string().into()),
            None => Err(EventError::new("no proxy says for whom it asks")),
        }
    }
}

//! [`JsonFormat`]: events in anybody's JSON.

use serde_json::value::RawValue;

use super::format::{CLIENT, Format};
use super::json_path::{JsonPath, Members};
use super::json_values::each_value;
use super::line_prefix::LinePrefix;
use super::parts::{Each, each_part};
use crate::epoch::EpochUnit;
use crate::event::{
    Event, EventError, canonical_client, client_address, is_absent, not_one_client, partition_key_of,
    tells_apart, text_of,
};
use crate::harmless::Text;
use crate::json_text::json_text;
use crate::key_parts::push_part;
use crate::record::Record;
use crate::text::{shorten, without_byte_order_mark};
use crate::timestamp::Timestamp;

/// How many characters of an odd value an error shows.
const SHOWN: usize = 40;

/// Reads JSON whose members have other names than ours. Each object is an event: of objects one behind the other
/// (a line each, or not), of an array, or one alone. A byte order mark before them is passed over.
///
/// ```
/// use kinesis_lab::{JsonFormat, prelude::*};
///
/// let format = JsonFormat::new()
///     .key(&["client.addr"])
///     .time("@timestamp")
///     .id("requestId")
///     .field("status", "http.response.status");
/// let stream = Kinesis::local()?.create_stream("shop", 1)?;
/// let data = r#"{"@timestamp":1709288100123,"client":{"addr":"192.0.2.10"},"requestId":"a1"}"#;
/// stream.put("any", data)?;
/// stream.put("any", data)?; // the same event: a put that was made again
/// let mut counter = Counter::per_minute().reading(format);
/// stream.consumer().trim_horizon().run_until_caught_up(&mut counter)?;
/// assert_eq!(counter.to_string(), "2024-03-01 10:15:00 : [('192.0.2.10', 1)]\n");
/// assert_eq!(counter.duplicates(), 1);
/// # Ok::<(), Error>(())
/// ```
///
/// A path is dotted (`client.addr`, which also finds a member of just this name), or a JSON Pointer
/// (`/client/addr`). What is null, empty or a logger's word for nothing (`"null"`, `"undefined"`, …) is not there.
///
/// Defaults: the key is the record's partition key, the time is at `time`, an event has no id, and its fields are
/// the other members of the object, as with [`KnownForms`](crate::KnownForms).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonFormat {
    key: Vec<JsonPath>,
    time: JsonPath,
    epoch: Option<EpochUnit>,
    id: Option<JsonPath>,
    fields: Vec<(Text, JsonPath)>,
    prefix: Option<LinePrefix>,
}

impl Default for JsonFormat {
    fn default() -> JsonFormat {
        JsonFormat::new()
    }
}

impl JsonFormat {
    /// JSON with its time at `time`, counted by the partition key.
    pub fn new() -> JsonFormat {
        let time = JsonPath::new("time");
        JsonFormat { key: Vec::new(), time, epoch: None, id: None, fields: Vec::new(), prefix: None }
    }

    /// What is counted: where the key is, anything that is text, a number, true or false. An address is a key in the
    /// one form of all its spellings. Several paths make a key of their values with a space between; a space in one of
    /// them is `\x20` then, a backslash `\\`. An event that does not have all of them is refused.
    ///
    /// Where a playbook names the client (`ip`), that is the field `ip`, if the event has one, else the key. A member
    /// `ip` becomes that field by itself only where what is named here is no address.
    ///
    /// ```
    /// # use kinesis_lab::{AnyFormat, JsonFormat, Record, Timestamp};
    /// let format = AnyFormat::from(JsonFormat::new().key(&["path", "status"]));
    /// let data = r#"{"time": "2024-03-01T10:15:00Z", "path": "/cart", "status": 404}"#;
    /// let event = format.events(&Record::new("any", data, "1", Timestamp::now())).remove(0)?;
    /// assert_eq!(event.key, "/cart 404");
    /// # Ok::<(), kinesis_lab::EventError>(())
    /// ```
    pub fn key(mut self, paths: &[&str]) -> JsonFormat {
        self.key = paths.iter().map(|path| JsonPath::new(path)).collect();
        self
    }

    /// Where the time is: text in any form of a [`Timestamp`], or an epoch number. Default: `time`.
    pub fn time(mut self, path: &str) -> JsonFormat {
        self.time = JsonPath::new(path);
        self
    }

    /// The time is a number of these. Default: told by its size, as [`EpochUnit`] says.
    ///
    /// ```
    /// # use kinesis_lab::{AnyFormat, EpochUnit, JsonFormat, Record, Timestamp};
    /// let format = AnyFormat::from(JsonFormat::new().time("uptime").epoch(EpochUnit::Millis));
    /// let event = format.events(&Record::new("any", r#"{"uptime": 1500}"#, "1", Timestamp::now())).remove(0)?;
    /// assert_eq!(event.time.to_string(), "1970-01-01T00:00:01.500000Z");
    /// # Ok::<(), kinesis_lab::EventError>(())
    /// ```
    pub fn epoch(mut self, unit: EpochUnit) -> JsonFormat {
        self.epoch = Some(unit);
        self
    }

    /// Where the event's identity is: one that was counted before is not counted again. Default: it has none.
    pub fn id(mut self, path: &str) -> JsonFormat {
        self.id = Some(JsonPath::new(path));
        self
    }

    /// A field of the event, by which playbooks and filters go, and where it is. The first one said takes the
    /// place of the default, which is all members of the object that are not the key, the time or the id.
    pub fn field(mut self, name: &str, path: &str) -> JsonFormat {
        self.fields.push((name.into(), JsonPath::new(path)));
        self
    }

    /// What carried the log has put this before each line; an object is on one line then. A line that has it not is
    /// read as it is.
    ///
    /// ```
    /// # use kinesis_lab::{AnyFormat, JsonFormat, LinePrefix, Record, Timestamp};
    /// let format = AnyFormat::from(JsonFormat::new().key(&["path"]).behind(LinePrefix::Cri));
    /// let line = r#"2024-03-01T10:15:00.1Z stdout F {"time": 1709288100, "path": "/cart"}"#;
    /// let event = format.events(&Record::new("any", line, "1", Timestamp::now())).remove(0)?;
    /// assert_eq!(event.key, "/cart");
    /// # Ok::<(), kinesis_lab::EventError>(())
    /// ```
    pub fn behind(mut self, prefix: LinePrefix) -> JsonFormat {
        self.prefix = Some(prefix);
        self
    }

    fn event(&self, record: &Record, value: &RawValue) -> Result<Event, EventError> {
        let members = match Members::of(value) {
            Some(members @ Members::Object(_)) => members,
            _ => {
                let value = shorten(value.get(), SHOWN).into_owned();
                return Err(EventError::new(&format!("{value} is no JSON object")));
            }
        };
        let time = self.time_of(&members)?;
        let mut event = Event::new(self.key_of(record, &members)?, time);
        let id = self.id.as_ref().and_then(|path| path.find(&members)).filter(|id| tells_apart(id));
        event.id = id.map(text_of).transpose().map_err(EventError::broken_json)?.map(Text::from);
        for (name, path) in &self.fields {
            if let Some(value) = path.find(&members) {
                event.fields.insert(name.clone(), text_of(value).map_err(EventError::broken_json)?.into());
            }
        }
        if self.fields.is_empty()
            && let Members::Object(all) = members
        {
            let paths = self.key.iter().chain([&self.time]).chain(&self.id);
            let own: Vec<&str> =
                paths.map(JsonPath::as_str).map(|path| path.trim_start_matches('/')).collect();
            // A server writes its own address, too; who is blocked is whom the key names.
            let is_client = self.key.len() == 1 && client_address(event.key.raw()).is_some();
            for (name, value) in all {
                let is_other_client = is_client && name == "ip";
                if value.get() != "null" && !own.contains(&name.as_str()) && !is_other_client {
                    event.fields.insert(name.into(), text_of(value).map_err(EventError::broken_json)?.into());
                }
            }
        }
        Ok(event)
    }

    fn time_of(&self, members: &Members<'_>) -> Result<Timestamp, EventError> {
        let path = self.time.as_str();
        let value = self.time.find(members);
        let value = value.ok_or_else(|| EventError::new(&format!("no `{path}` in this JSON")))?;
        let text = text_of(value).map_err(EventError::broken_json)?;
        let time = match self.epoch {
            Some(unit) => unit.parse(text.trim()),
            None => text.trim().parse(),
        };
        time.map_err(|error| EventError::new(&format!("`{path}` is {error}")))
    }

    fn key_of(&self, record: &Record, members: &Members<'_>) -> Result<Text, EventError> {
        if self.key.is_empty() {
            return partition_key_of(record);
        }
        let mut key = String::new();
        for (n, path) in self.key.iter().enumerate() {
            let name = path.as_str();
            let value = path.find(members);
            if value.is_some_and(|value| value.get().starts_with(['{', '['])) {
                return Err(EventError::new(&format!(
                    "`{name}` is an object or a list, and no key: name what is in it, such as `{name}.addr` or `{name}.0`"
                )));
            }
            let value = value.map(text_of).transpose().map_err(EventError::broken_json)?;
            let value = value.filter(|value| !is_absent(value) || value == "-");
            let value = value.ok_or_else(|| EventError::new(&format!("no `{name}` in this JSON")))?;
            if let Some(what) = not_one_client(&value) {
                return Err(EventError::new(&format!(
                    "`{name}` is {what}: name the member that has the client's alone"
                )));
            }
            push_part(&mut key, n, self.key.len(), &canonical_client(&value));
        }
        Ok(key.into())
    }
}

impl Format for JsonFormat {
    fn read(&self, record: &Record, each: &mut dyn FnMut(Result<Event, EventError>)) {
        let data = without_byte_order_mark(&record.data);
        if data.trim_ascii().is_empty() {
            return each(Err(EventError::new("the data is empty")));
        }
        let event = |value: Result<&RawValue, serde_json::Error>| {
            value.map_err(EventError::broken_json).and_then(|value| self.event(record, value))
        };
        if let Some(prefix) = self.prefix {
            let lines = data.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
            let values = |each: &mut Each<'_>| {
                for line in lines.clone() {
                    let line = prefix.strip(line).unwrap_or(line.into());
                    each_value(&json_text(&line), &mut |value| each(event(value)));
                }
            };
            return each_part(&values, each);
        }
        let data = json_text(data);
        each_part(&|each| each_value(&data, &mut |value| each(event(value))), each);
    }

    fn key_name(&self) -> String {
        let names: Vec<String> =
            self.key.iter().map(|path| path.as_str().trim_start_matches('/').replace('/', ".")).collect();
        if names.is_empty() { CLIENT.to_owned() } else { names.join(" ") }
    }
}

#[cfg(test)]
mod tests;

//! [`Alert`]: what a playbook found, and what is to be done about it.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use super::key::bounded_key;
use crate::event::{Event, EventError};
use crate::harmless::Text;
use crate::record::{Entry, Record};
use crate::text::{Quoted, shorten, shown};
use crate::timestamp::Timestamp;

/// A playbook fired: in some window, somebody did something more often than it allows.
///
/// The [`id`](Alert::id) is the MD5 hash of the playbook's name, the key and the time of the event that was
/// one too many, so that the same records give the same alerts with the same ids, whenever they are read
/// and however often. It may be delivered twice; whoever acts on it can tell. All its texts are bounded: the
/// key has at most 256 bytes, the evidence 300 characters, the name of a playbook 200.
///
/// ```
/// # use kinesis_lab::prelude::*;
/// # use kinesis_lab::{Alert, Detection, Playbook, Playbooks, Response};
/// let playbooks = Playbooks::new(vec![Playbook::new("busy", 3).block_for(secs(600))])?;
/// let mut detection = Detection::new(&playbooks);
/// let request = |n: u32| {
///     Record::new("192.0.2.66", format!("2018-09-06T08:04:5{n}Z"), n.to_string(), Timestamp::now())
/// };
/// let batch = Batch::new("log", "shardId-000000000000", (0..3).map(request).collect());
/// detection.process(&batch, &mut Context::at(Timestamp::now())).unwrap();
/// detection.tick(&mut Context::at(Timestamp::now())).unwrap();
///
/// let alert = &detection.alerts()[0];
/// assert_eq!((alert.ip.clone(), alert.response), (Some("192.0.2.66".into()), Response::Block(secs(600))));
/// assert_eq!(alert.blocked_until().unwrap().plain(0), "2018-09-06 08:14:52");
/// // Into a stream, and out of it:
/// let entry = alert.entry();
/// let record = Record::new(entry.partition_key, entry.data, "1", Timestamp::now());
/// assert_eq!(&Alert::parse(&record).unwrap(), alert);
/// # Ok::<(), Error>(())
/// ```
///
/// Its texts come from strangers, hence [`Text`].
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Alert {
    /// The same for each delivery of this alert, and for no other.
    pub id: Text,
    /// The name of the playbook.
    pub playbook: Text,
    /// Whom it is about: the value of the playbook's key. Of several, all of them with a space between; a space in
    /// one is `\x20` then, a backslash `\\`. Of a key with more than 256 bytes the first 221, `…`, and the MD5 hash
    /// of the whole.
    pub key: Text,
    /// The client's address, when the playbook's key has it, or its network (`2001:db8:1:2::/64`). What is blocked.
    pub ip: Option<Text>,
    /// The time of the event that was one too many.
    pub time: Timestamp,
    /// The first instant of the window.
    pub start: Timestamp,
    /// The first instant after it.
    pub end: Timestamp,
    /// What was counted in it, at that event.
    pub count: u64,
    /// How much it takes.
    pub threshold: u64,
    /// What is to be done.
    pub response: Response,
    /// The event that was one too many, in a line: `GET /wp-login.php 404 (curl/8.0)`.
    pub evidence: Text,
}

/// What an alert asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Response {
    /// Nothing: it is written down, in the database alone. For a playbook that is on trial.
    Monitor,
    /// Tell somebody.
    Notify,
    /// Tell somebody, and refuse the requests of this address for so long after [`Alert::time`].
    Block(Duration),
}

impl Alert {
    /// Until when its address is to be refused.
    pub fn blocked_until(&self) -> Option<Timestamp> {
        match self.response {
            Response::Block(time) => Some(self.time + time),
            _ => None,
        }
    }

    /// The alert as a record for a stream: JSON, with its key as partition key.
    pub fn entry(&self) -> Entry {
        // A key may be what no partition key can be: empty, or, of an alert that somebody else wrote, too long.
        let partition_key = match bounded_key(self.key.raw()) {
            key if key.is_empty() => "-".to_owned(),
            key => key.into_owned(),
        };
        Entry::new(partition_key, self.to_json().to_string())
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut value = json!({
            "v": 1,
            "id": self.id.raw(),
            "playbook": self.playbook.raw(),
            "key": self.key.raw(),
            "time": self.time.to_string(),
            "start": self.start.to_string(),
            "end": self.end.to_string(),
            "count": self.count,
            "threshold": self.threshold,
            "response": self.response.to_string(),
            "evidence": self.evidence.raw(),
        });
        if let Some(ip) = &self.ip {
            value["ip"] = ip.raw().into();
        }
        if let Some(until) = self.blocked_until() {
            value["until"] = until.to_string().into();
        }
        value
    }

    /// Reads an alert back from a record that [`entry`](Alert::entry) made.
    ///
    /// ```
    /// # use kinesis_lab::{Alert, Batch, Record, Timestamp};
    /// # let record = Record::new("k", b"{}".to_vec(), "1", Timestamp::MIN);
    /// assert!(Alert::parse(&record).unwrap_err().to_string().contains("time"));
    /// ```
    ///
    /// # Errors
    /// [`EventError`], with the reason, when it is none.
    pub fn parse(record: &Record) -> Result<Alert, EventError> {
        let event = Event::parse(record)?;
        let field = |name: &str| {
            event.fields.get(name).ok_or_else(|| EventError::new(&format!("an alert without a \"{name}\"")))
        };
        let time = |name: &str| {
            let parsed = field(name)?.parse::<Timestamp>();
            parsed.map_err(|error| EventError::new(&format!("\"{name}\" is {error}")))
        };
        let number = |name: &str| {
            field(name)?.parse::<u64>().map_err(|_| EventError::new(&format!("\"{name}\" is no number")))
        };
        let response = match field("response")?.raw() {
            "monitor" => Response::Monitor,
            "notify" => Response::Notify,
            "block" => Response::Block(time("until")?.since(event.time)),
            _ => return Err(EventError::new("\"response\" is not monitor, notify or block")),
        };
        Ok(Alert {
            id: event.id.clone().ok_or_else(|| EventError::new("an alert without an \"id\""))?,
            playbook: field("playbook")?.clone(),
            key: field("key")?.clone(),
            // `Event::parse` takes the partition key where there is no address.
            ip: has_ip(&record.data).then(|| event.key.clone()),
            time: event.time,
            start: time("start")?,
            end: time("end")?,
            count: number("count")?,
            threshold: number("threshold")?,
            response,
            evidence: field("evidence")?.clone(),
        })
    }
}

fn has_ip(data: &[u8]) -> bool {
    serde_json::from_slice::<Value>(data).is_ok_and(|value| value.get("ip").is_some())
}

/// Characters that are shown of what anybody may have written into the stream of alerts; ours have no more.
const PLAYBOOK_CHARS: usize = 200;
const KEY_CHARS: usize = 256;
pub(super) const EVIDENCE_CHARS: usize = 300;

/// `monitor`, `notify` or `block`.
impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Response::Monitor => "monitor",
            Response::Notify => "notify",
            Response::Block(_) => "block",
        })
    }
}

/// `2018-09-06 08:04:56 login guesser: 192.0.2.66 (10 of 10 between 08:04:10 and 08:05:10), block: POST /login 401`
impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clock = |time: Timestamp| time.plain(0)[11..].to_owned();
        write!(
            f,
            "{} {}: {} ({} of {} between {} and {}), {}: {}",
            self.time.plain(0),
            shown(self.playbook.raw(), PLAYBOOK_CHARS),
            shown(self.key.raw(), KEY_CHARS),
            self.count,
            self.threshold,
            clock(self.start),
            clock(self.end),
            self.response,
            shown(self.evidence.raw(), EVIDENCE_CHARS),
        )
    }
}

impl fmt::Debug for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alert")
            .field("id", &Quoted(&shorten(self.id.raw(), KEY_CHARS)))
            .field("playbook", &Quoted(&shorten(self.playbook.raw(), PLAYBOOK_CHARS)))
            .field("key", &Quoted(&shorten(self.key.raw(), KEY_CHARS)))
            .field("ip", &self.ip.as_ref().map(|ip| shorten(ip.raw(), KEY_CHARS)).as_deref().map(Quoted))
            .field("time", &self.time)
            .field("start", &self.start)
            .field("end", &self.end)
            .field("count", &self.count)
            .field("threshold", &self.threshold)
            .field("response", &self.response)
            .field("evidence", &Quoted(&shorten(self.evidence.raw(), EVIDENCE_CHARS)))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(ip: Option<&str>, response: Response) -> Alert {
        let time = Timestamp::from_secs(1_536_220_800);
        Alert {
            id: "a1".into(),
            playbook: "many \u{1b}".into(),
            key: "192.0.2.7".into(),
            ip: ip.map(Into::into),
            time,
            start: time,
            end: time + Duration::from_secs(60),
            count: 10,
            threshold: 10,
            response,
            evidence: "GET /EVCXR_BEGIN_CONTENT 404".into(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for response in [Response::Monitor, Response::Notify, Response::Block(Duration::from_secs(600))] {
            for ip in [Some("192.0.2.7"), None] {
                let alert = alert(ip, response);
                let entry = alert.entry();
                let record = Record::new(entry.partition_key, entry.data, "1", Timestamp::MIN);
                assert_eq!(Alert::parse(&record).unwrap(), alert);
            }
        }
    }

    /// Whoever may write to the stream of alerts writes no screen full.
    #[test]
    fn shown_it_is_a_line() {
        let long = "x".repeat(100_000);
        let mut alert = alert(Some(&long), Response::Notify);
        for text in [&mut alert.id, &mut alert.playbook, &mut alert.key, &mut alert.evidence] {
            *text = long.as_str().into();
        }
        assert!(alert.to_string().chars().count() < 900, "{}", alert.to_string().len());
        assert!(format!("{alert:?}").chars().count() < 1_700, "{}", format!("{alert:?}").len());
    }

    #[test]
    fn shown_it_commands_nobody() {
        let alert = alert(None, Response::Notify);
        for text in [format!("{alert}"), format!("{alert:#?}")] {
            assert!(!text.contains("EVCXR_") && !text.contains('\u{1b}'), "{text}");
        }
    }
}

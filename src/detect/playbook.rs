//! [`Playbook`]: what is too much, of what, and what is done about it.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use super::alert::Response;
use super::block_list::LARGEST_BLOCK;
use super::fields::{Condition, condition, value};
use super::key::bounded_key;
use super::pattern::Pattern;
use crate::event::{ClientNetwork, Event};
use crate::key_parts::push_part;

pub(super) const WINDOW: Duration = Duration::from_secs(60);
const SLIDE: Duration = Duration::from_secs(10);
const COOL_DOWN: Duration = Duration::from_secs(300);
/// Every alert bears it.
const LONGEST_NAME: usize = 200;
/// More than this would make each event dear, and no window needs to begin so often.
const MAX_SLIDES: u128 = 600;
/// One rule: when somebody does something more often than this in a window, do that.
///
/// ```
/// use kinesis_lab::prelude::*;
/// use kinesis_lab::Playbook;
///
/// let guesser = Playbook::new("password guesser", 10)
///     .when("page", &["/login"])
///     .when("status", &["401", "403"])
///     .block_for(secs(600));
/// assert_eq!(
///     guesser.to_string(),
///     "password guesser: 10 events of one ip in 60 s, every 10 s, where page is /login and status is 401 or 403: block"
/// );
/// ```
///
/// Different values in place of events, in windows of another length, of others than a monitor:
///
/// ```
/// # use kinesis_lab::prelude::*;
/// # use kinesis_lab::Playbook;
/// let crawler = Playbook::new("crawler", 100)
///     .distinct("page")
///     .key(&["ip", "tenant"])
///     .unless("user_agent", &["monitor*"])
///     .window(secs(300))
///     .slide(secs(30))
///     .cool_down(secs(3_600))
///     .monitor(); // on trial; later .notify()
/// assert_eq!(
///     crawler.to_string(),
///     "crawler: 100 different values of page of one ip and tenant in 300 s, every 30 s, \
///      where user_agent is not monitor*: monitor"
/// );
/// assert!(crawler.notify().to_string().ends_with(": notify"));
/// ```
///
/// Defaults: counted by `ip`, in windows of 60 s, one every 10 s; the response is to notify, at most once in
/// 5 minutes for the same key.
///
/// Fields are those of the event: `ip` is its key, the others as [`Event::fields`] has them; `page` is the
/// path without what follows a `?`. In patterns, `*` stands for anything: `/wp-*`, `4*`. A client and a page
/// are compared, and counted, in one form, however they are written: `::ffff:192.0.2.66` is `192.0.2.66`, and
/// `//a/../%77p-login.php` is `/wp-login.php`.
///
/// A key is at most 256 bytes long. Of a longer one, the first 221 stay, and the MD5 hash of the whole
/// stands for the rest.
#[derive(Debug, Clone, PartialEq)]
pub struct Playbook {
    pub(crate) name: String,
    pub(super) when: Vec<Condition>,
    pub(super) unless: Vec<Condition>,
    pub(super) key: Vec<String>,
    pub(crate) distinct: Option<String>,
    pub(crate) threshold: u64,
    pub(crate) window: Duration,
    pub(crate) slide: Duration,
    pub(crate) response: Response,
    pub(crate) cool_down: Duration,
}

impl Playbook {
    /// A playbook that fires at the `threshold`-th event of a key in a window. Its name is what alerts say.
    pub fn new(name: &str, threshold: u64) -> Playbook {
        Playbook {
            name: name.to_owned(),
            when: Vec::new(),
            unless: Vec::new(),
            key: vec!["ip".to_owned()],
            distinct: None,
            threshold,
            window: WINDOW,
            slide: SLIDE,
            response: Response::Notify,
            cool_down: COOL_DOWN,
        }
    }

    /// Only events of which the field matches one of the patterns. Said several times, all must hold.
    pub fn when(mut self, field: &str, patterns: &[&str]) -> Playbook {
        self.when.push(condition(field, patterns));
        self
    }

    /// Not events of which the field matches one of the patterns.
    pub fn unless(mut self, field: &str, patterns: &[&str]) -> Playbook {
        self.unless.push(condition(field, patterns));
        self
    }

    /// Whose events are counted together: those that agree in all of these fields. Default: `ip`.
    ///
    /// `ip/64` is the network of 64 bits in which a client of IPv6 is, and a client of IPv4 itself; `ip/24` is the
    /// other way round (up to 32), and `ip/24/64` says both. A block that follows is of the network.
    ///
    /// ```
    /// # use kinesis_lab::Playbook;
    /// let guesser = Playbook::new("password guesser", 10).when("status", &["401"]).key(&["ip/64"]);
    /// assert!(guesser.to_string().contains("10 events of one ip/64 in 60 s"));
    /// ```
    pub fn key(mut self, fields: &[&str]) -> Playbook {
        self.key = fields.iter().map(|field| field.to_string()).collect();
        self
    }

    /// Counts how many different values a field has, in place of events.
    pub fn distinct(mut self, field: &str) -> Playbook {
        self.distinct = Some(field.to_owned());
        self
    }

    /// How long a window is. Default: 60 s.
    pub fn window(mut self, size: Duration) -> Playbook {
        self.window = size;
        self
    }

    /// From the start of a window to the start of the next one; the window is a whole number of them.
    /// Default: 10 s.
    pub fn slide(mut self, slide: Duration) -> Playbook {
        self.slide = slide;
        self
    }

    /// Tell somebody: the default.
    pub fn notify(mut self) -> Playbook {
        self.response = Response::Notify;
        self
    }

    /// Tell somebody, and refuse the requests of the address for so long. The key must have `ip`.
    pub fn block_for(mut self, time: Duration) -> Playbook {
        self.response = Response::Block(time);
        self
    }

    /// Write it down, and do nothing: for a playbook on trial.
    pub fn monitor(mut self) -> Playbook {
        self.response = Response::Monitor;
        self
    }

    /// After an alert, say nothing more of the same key for so long, in event time. Default: 5 minutes.
    pub fn cool_down(mut self, time: Duration) -> Playbook {
        self.cool_down = time;
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key of an event, when it is one that counts; at most 256 bytes long.
    pub(crate) fn key_of(&self, event: &Event) -> Option<String> {
        let holds = |(field, patterns): &Condition| {
            value(event, field).is_some_and(|value| patterns.iter().any(|pattern| pattern.matches(&value)))
        };
        if !self.when.iter().all(holds) || self.unless.iter().any(holds) {
            return None;
        }
        let mut key = String::new();
        for (n, field) in self.key.iter().enumerate() {
            push_part(&mut key, n, self.key.len(), &value(event, field)?);
        }
        match bounded_key(&key) {
            Cow::Borrowed(_) => Some(key),
            Cow::Owned(bounded) => Some(bounded),
        }
    }

    /// Whether what it counts is of one address or network, which can be blocked.
    pub(crate) fn has_ip(&self) -> bool {
        self.key.iter().any(|field| field == "ip" || ClientNetwork::of_field(field).is_some())
    }

    /// Who is to be blocked: the address, where the key has it, else the network.
    pub(super) fn client_of(&self, event: &Event) -> Option<String> {
        let network = self.key.iter().find(|field| ClientNetwork::of_field(field).is_some());
        let field = if self.key.iter().any(|field| field == "ip") { "ip" } else { network? };
        Some(bounded_key(&value(event, field)?).into_owned())
    }

    /// Whether a key is a client, and nothing else.
    pub(super) fn is_of_clients(&self) -> bool {
        self.key == ["ip"]
    }

    /// What is wrong with it, and what to write.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        let problem = |field: &'static str, sentence: String| Err(Problem { field, sentence });
        if self.name.trim().is_empty() {
            return problem("name", "a playbook has a name: write name = \"too many requests\"".into());
        }
        if self.name.chars().count() > LONGEST_NAME {
            return problem("name", format!("the name is longer than {LONGEST_NAME} characters; shorten it"));
        }
        if self.threshold == 0 {
            return problem("threshold", "the threshold is 0; write how many are too many, 1 or more".into());
        }
        if self.window.is_zero() {
            return problem("window", "the window is 0; write how long it is, such as \"60s\"".into());
        }
        if self.slide.is_zero() {
            return problem("slide", "the slide is 0; write a part of the window, such as \"10s\"".into());
        }
        if self.slide > self.window || !self.window.as_nanos().is_multiple_of(self.slide.as_nanos()) {
            return problem(
                "slide",
                format!(
                    "the window ({}) is not a whole number of slides ({}); write a slide that divides it",
                    short(self.window),
                    short(self.slide)
                ),
            );
        }
        if self.window.as_nanos() / self.slide.as_nanos() > MAX_SLIDES {
            return problem(
                "slide",
                format!("the window has more than {MAX_SLIDES} slides; write a longer slide"),
            );
        }
        if self.key.is_empty() {
            return problem("key", "the key is empty; write at least one field, such as \"ip\"".into());
        }
        for field in &self.key {
            let network = ClientNetwork::of_field(field);
            if field.starts_with("ip/") && network.is_none() {
                return problem("key", format!("`{field}` is no network; write ip/64, ip/24 or ip/24/64"));
            }
            let (v4, v6) = network.map_or((32, 128), ClientNetwork::lengths);
            if matches!(self.response, Response::Block(_)) && (v4 < LARGEST_BLOCK.0 || v6 < LARGEST_BLOCK.1) {
                let (v4, v6) = LARGEST_BLOCK;
                let sentence = format!(
                    "a network as large as `{field}` is not blocked; write /{v4} or more of IPv4, /{v6} or more of IPv6"
                );
                return problem("key", sentence);
            }
        }
        match self.response {
            Response::Block(_) if !self.has_ip() => problem(
                "key",
                "only an address can be blocked, and the key has no \"ip\"; add it (or \"ip/64\"), or write response = \"notify\""
                    .into(),
            ),
            Response::Block(time) if time.is_zero() => {
                problem("block_for", "it blocks for no time; write how long, such as \"10m\"".into())
            }
            _ => Ok(()),
        }
    }

    /// What its open counts are counts of: those of another definition are of no use to it.
    #[cfg_attr(not(any(feature = "postgres", feature = "sqlite")), allow(dead_code, reason = "for a store"))]
    pub(crate) fn definition(&self) -> String {
        let (when, unless) = (&self.when, &self.unless);
        // No more different values are kept than it takes.
        let kept = self.distinct.as_ref().map(|_| format!(" {}", self.threshold)).unwrap_or_default();
        format!(
            "{when:?} {unless:?} {:?} {:?} {:?} {:?}{kept}",
            self.key, self.distinct, self.window, self.slide
        )
    }
}

/// What is wrong with a playbook.
pub(crate) struct Problem {
    /// In which of its fields.
    #[cfg_attr(not(feature = "playbooks"), allow(dead_code, reason = "for files"))]
    pub(crate) field: &'static str,
    pub(crate) sentence: String,
}

impl fmt::Display for Playbook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match &self.distinct {
            Some(field) => format!("different values of {field}"),
            None => "events".to_owned(),
        };
        let key = self.key.join(" and ");
        write!(f, "{}: {} {what} of one {key} in {}", self.name, self.threshold, short(self.window))?;
        if self.slide < self.window {
            write!(f, ", every {}", short(self.slide))?;
        }
        let conditions = [(&self.when, "is"), (&self.unless, "is not")];
        let said = conditions.iter().flat_map(|(list, is)| {
            list.iter().map(move |(field, patterns)| {
                let patterns: Vec<&str> = patterns.iter().map(Pattern::as_str).collect();
                format!("{field} {is} {}", patterns.join(" or "))
            })
        });
        let said: Vec<String> = said.collect();
        if !said.is_empty() {
            write!(f, ", where {}", said.join(" and "))?;
        }
        write!(f, ": {}", self.response)
    }
}

/// `60 s`, `500 ms`: exact, for those who compare it with what they wrote.
fn short(time: Duration) -> String {
    match time.subsec_nanos() {
        0 => format!("{} s", time.as_secs()),
        _ => format!("{} ms", time.as_millis()),
    }
}

#[cfg(test)]
mod tests;

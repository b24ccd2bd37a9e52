//! [`Playbook`]: what is too much, of what, and what is done about it.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use super::alert::Response;
use crate::error::{Error, Result};
use crate::event::Event;

mod pattern;
#[cfg(feature = "playbooks")]
mod read;

pub(crate) use pattern::Pattern;

const WINDOW: Duration = Duration::from_secs(60);
const SLIDE: Duration = Duration::from_secs(10);
const COOL_DOWN: Duration = Duration::from_secs(300);
/// More than this would make each event dear, and no window needs to begin so often.
const MAX_SLIDES: u128 = 600;
/// Fields that the events of agents and access logs have; others must be declared in a file of playbooks.
#[cfg_attr(not(feature = "playbooks"), allow(dead_code, reason = "for files"))]
pub(crate) const FIELDS: [&str; 10] =
    ["ip", "page", "path", "method", "status", "user_agent", "user", "referer", "bytes", "blocked"];

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
/// Defaults: counted by `ip`, in windows of 60 s, one every 10 s; the response is to notify, at most once in
/// 5 minutes for the same key.
///
/// Fields are those of the event: `ip` is its key, the others as [`Event::fields`] has them; `page` is the
/// path without what follows a `?`. In patterns, `*` stands for anything: `/wp-*`, `4*`.
#[derive(Debug, Clone, PartialEq)]
pub struct Playbook {
    pub(crate) name: String,
    when: Vec<(String, Vec<Pattern>)>,
    unless: Vec<(String, Vec<Pattern>)>,
    key: Vec<String>,
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

    /// The key of an event, when it is one that counts.
    pub(crate) fn key_of(&self, event: &Event<'_>) -> Option<String> {
        let holds = |(field, patterns): &(String, Vec<Pattern>)| {
            value(event, field).is_some_and(|value| patterns.iter().any(|pattern| pattern.matches(value)))
        };
        if !self.when.iter().all(holds) || self.unless.iter().any(holds) {
            return None;
        }
        let mut key = String::new();
        for field in &self.key {
            if !key.is_empty() {
                key.push(' ');
            }
            key.push_str(value(event, field)?);
        }
        Some(key)
    }

    /// Whether what it counts is of one address, which can be blocked.
    pub(crate) fn has_ip(&self) -> bool {
        self.key.iter().any(|field| field == "ip")
    }

    /// What is wrong with it, and what to write.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        let problem = |field: &'static str, says: String| Err(Problem { field, says });
        if self.name.trim().is_empty() {
            return problem("name", "a playbook has a name: write name = \"too many requests\"".into());
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
        match self.response {
            Response::Block(_) if !self.has_ip() => problem(
                "key",
                "only an address can be blocked, and the key has no \"ip\"; add it, or write response = \"notify\""
                    .into(),
            ),
            Response::Block(time) if time.is_zero() => {
                problem("block_for", "it blocks for no time; write how long, such as \"10m\"".into())
            }
            _ => Ok(()),
        }
    }

    /// What its open counts are counts of: those of another definition are of no use to it.
    #[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "for a store"))]
    pub(crate) fn definition(&self) -> String {
        let (when, unless) = (&self.when, &self.unless);
        format!("{when:?} {unless:?} {:?} {:?} {:?} {:?}", self.key, self.distinct, self.window, self.slide)
    }
}

/// What is wrong with a playbook.
pub(crate) struct Problem {
    /// In which of its fields.
    #[cfg_attr(not(feature = "playbooks"), allow(dead_code, reason = "for files"))]
    pub(crate) field: &'static str,
    pub(crate) says: String,
}

fn condition(field: &str, patterns: &[&str]) -> (String, Vec<Pattern>) {
    (field.to_owned(), patterns.iter().map(|pattern| Pattern::new(pattern)).collect())
}

/// The value of a field of an event.
pub(crate) fn value<'a>(event: &'a Event<'_>, field: &str) -> Option<&'a str> {
    match field {
        "ip" => Some(&event.key),
        "page" => Some(event.fields.get("path")?.split('?').next().unwrap_or_default()),
        field => event.fields.get(field).map(String::as_str),
    }
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

/// Several playbooks, each of a name of its own.
///
/// ```
/// use kinesis_lab::{Playbook, Playbooks};
///
/// let mine = Playbooks::new(vec![Playbook::new("too many requests", 300)])?;
/// assert_eq!(mine.iter().count(), 1);
/// # Ok::<(), kinesis_lab::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Playbooks(Vec<Playbook>);

impl Playbooks {
    /// Playbooks built in code.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for a window of 0, a slide that does not
    /// divide it, a threshold of 0, a block without an `ip`, two of one name: a sentence that says what to
    /// write.
    pub fn new(playbooks: Vec<Playbook>) -> Result<Playbooks> {
        let mut names = BTreeSet::new();
        for playbook in &playbooks {
            let says = |what: &str| Error::invalid(format!("playbook `{}`: {what}", playbook.name));
            playbook.check().map_err(|problem| says(&problem.says))?;
            if !names.insert(playbook.name.as_str()) {
                return Err(says("there are two of this name; give each its own"));
            }
        }
        Ok(Playbooks(playbooks))
    }

    /// Reads playbooks from a TOML file; [`Playbooks::shipped`] is one to begin with.
    ///
    /// # Errors
    /// A sentence that names the file, the line and what to write there.
    #[cfg(feature = "playbooks")]
    pub fn read(path: impl AsRef<std::path::Path>) -> Result<Playbooks> {
        read::file(path.as_ref())
    }

    /// Reads playbooks from TOML text; `name` stands for the file in errors.
    ///
    /// ```
    /// # use kinesis_lab::Playbooks;
    /// let error = Playbooks::parse("mine.toml", "[[playbook]]\nname = \"a\"\nthreshold = -5\n").unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "mine.toml, line 3: `threshold` is -5; write a whole number, 1 or more: threshold = 100"
    /// );
    /// ```
    ///
    /// # Errors
    /// As [`read`](Playbooks::read).
    #[cfg(feature = "playbooks")]
    pub fn parse(name: &str, text: &str) -> Result<Playbooks> {
        read::text(name, text)
    }

    /// The playbooks that come along, `data/playbooks.toml`: too many requests, one page too often, guessed
    /// passwords, missing pages, too many different pages.
    ///
    /// # Panics
    /// Never: a test reads them.
    #[cfg(feature = "playbooks")]
    pub fn shipped() -> Playbooks {
        read::text("data/playbooks.toml", include_str!("../../data/playbooks.toml"))
            .expect("a test of this crate reads them")
    }

    /// Each of them, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Playbook> {
        self.0.iter()
    }

    /// The longest window.
    pub(crate) fn longest_window(&self) -> Duration {
        self.iter().map(|playbook| playbook.window).max().unwrap_or(WINDOW)
    }
}

/// A line a playbook.
impl fmt::Display for Playbooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, playbook) in self.iter().enumerate() {
            let line = if n == 0 { "" } else { "\n" };
            write!(f, "{line}{playbook}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::timestamp::Timestamp;

    fn event(fields: &[(&str, &str)]) -> Event<'static> {
        Event {
            key: "192.0.2.7".into(),
            time: Timestamp::from_secs(0),
            id: None,
            origin: None,
            fields: fields
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect::<BTreeMap<_, _>>(),
        }
    }

    #[test]
    fn what_counts_and_for_whom() {
        let playbook = Playbook::new("a", 1)
            .when("status", &["401", "404"])
            .when("page", &["/wp-*"])
            .unless("user", &["alice"])
            .key(&["ip", "page"]);
        let key = |fields: &[(&str, &str)]| playbook.key_of(&event(fields));
        assert_eq!(
            key(&[("status", "404"), ("path", "/wp-login?x=1")]).as_deref(),
            Some("192.0.2.7 /wp-login")
        );
        assert_eq!(key(&[("status", "200"), ("path", "/wp-login")]), None);
        assert_eq!(key(&[("status", "404"), ("path", "/")]), None);
        assert_eq!(key(&[("status", "404"), ("path", "/wp-a"), ("user", "alice")]), None);
        assert_eq!(key(&[("status", "404")]), None, "no page, no match");
    }

    #[test]
    fn in_code_too_a_mistake_is_a_sentence() {
        let says = |playbook: Playbook| Playbooks::new(vec![playbook]).unwrap_err().to_string();
        let (zero, seconds) = (Duration::ZERO, Duration::from_secs);
        for (playbook, word) in [
            (Playbook::new(" ", 1), "has a name"),
            (Playbook::new("a", 0), "threshold is 0"),
            (Playbook::new("a", 1).window(zero), "window is 0"),
            (Playbook::new("a", 1).slide(zero), "slide is 0"),
            (Playbook::new("a", 1).slide(seconds(7)), "(60 s) is not a whole number of slides (7 s)"),
            (Playbook::new("a", 1).slide(seconds(120)), "not a whole number"),
            (Playbook::new("a", 1).window(seconds(3_600)).slide(seconds(1)), "more than 600 slides"),
            (Playbook::new("a", 1).key(&[]), "key is empty"),
            (Playbook::new("a", 1).key(&["page"]).block_for(seconds(1)), "no \"ip\""),
            (Playbook::new("a", 1).block_for(zero), "for no time"),
        ] {
            assert!(says(playbook.clone()).contains(word), "{}", says(playbook));
        }
        let two = Playbooks::new(vec![Playbook::new("a", 1), Playbook::new("a", 2)]);
        assert!(two.unwrap_err().to_string().contains("two of this name"));
    }
}

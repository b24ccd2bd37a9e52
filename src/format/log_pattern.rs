//! [`LogPattern`]: a server's own pattern of its lines, and the values of a line that is like it. Pure.
//!
//! A value ends where the text that follows it in the pattern begins, and what it may be says where that is: a
//! word has no spaces, a time is a time, what stands in quotes has none but escaped ones. Only of what may be
//! anything several ends are tried, the first one that lets the rest of the line be like the rest of the pattern.
//! All of a line's trials together have a budget that grows with the line alone.

use std::cell::Cell;
use std::ops::Range;

use chrono::{DateTime, NaiveDateTime};

use super::meaning::{Meaning, TimeText};
use crate::time_forms::clf;
use crate::timestamp::Timestamp;

/// How often each byte of a line may be looked at; lines as servers write them need two or three.
const LOOKS: usize = 64;
/// The same for lines of a few bytes.
const LOOKS_AT_LEAST: usize = 4_096;
/// A pattern that is no attack has a few dozen; each is a level of recursion.
pub(super) const MOST_VALUES: usize = 200;

/// What a value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Without spaces.
    Word,
    /// The same; what follows it may be in it too: the colon of `2001:db8::1:443`.
    Address,
    /// Digits, a point, a sign; or `-`.
    Number,
    /// Words with `, ` or ` : ` between them: of each server that was asked, and of each group of them.
    List,
    /// Anything.
    Any,
}

#[derive(Debug, Clone)]
pub(super) struct PatternValue {
    /// As the pattern has it: `$status`, `%>s`.
    pub(super) directive: Box<str>,
    pub(super) meaning: Meaning,
    pub(super) shape: Shape,
    /// Between quotes, where quotes are escaped.
    quoted: bool,
    /// What follows it in the pattern.
    until: Box<[u8]>,
}

/// A piece of a pattern, before it is put together.
pub(super) enum PatternPiece {
    Literal(String),
    Value { directive: String, meaning: Meaning, shape: Shape },
}

#[derive(Debug, Clone)]
pub(super) struct LogPattern {
    start: Box<[u8]>,
    values: Vec<PatternValue>,
    open_ended: bool,
}

impl LogPattern {
    /// Values that stand side by side (`$uri$is_args$args`, `%U%q`) are one, what the first of them is.
    pub(super) fn new(pieces: Vec<PatternPiece>) -> LogPattern {
        let (mut start, mut values) = (String::new(), Vec::<PatternValue>::new());
        let mut until = String::new();
        for piece in pieces {
            match piece {
                PatternPiece::Literal(text) => until.push_str(&text),
                PatternPiece::Value { directive, meaning, shape } => {
                    match values.last_mut() {
                        None => start = std::mem::take(&mut until),
                        Some(last) if until.is_empty() => {
                            last.directive = format!("{}{directive}", last.directive).into();
                            last.shape = Shape::Any;
                            continue;
                        }
                        Some(last) => last.until = std::mem::take(&mut until).into_bytes().into(),
                    }
                    values.push(PatternValue {
                        directive: directive.into(),
                        meaning,
                        shape,
                        quoted: false,
                        until: Box::default(),
                    });
                }
            }
        }
        match values.last_mut() {
            None => start = until,
            Some(last) => last.until = until.into_bytes().into(),
        }
        let mut quote = start.ends_with('"');
        for value in &mut values {
            value.quoted = quote && value.until.first() == Some(&b'"');
            quote = value.until.last() == Some(&b'"');
        }
        LogPattern { start: start.into_bytes().into(), values, open_ended: false }
    }

    /// What follows the pattern and a space is passed over: AWS adds columns every year.
    pub(super) fn open_ended(mut self) -> LogPattern {
        self.open_ended = true;
        self
    }

    /// What the line is from the request's quote on.
    pub(super) fn request_on<'a>(&self, line: &'a [u8], found: &[Range<usize>]) -> Option<&'a [u8]> {
        let at = self.values.iter().position(|value| value.meaning == Meaning::Request && value.quoted)?;
        line.get(found[at].start.checked_sub(1)?..)
    }

    pub(super) fn values(&self) -> &[PatternValue] {
        &self.values
    }

    /// Whether it is one value and nothing else.
    pub(super) fn is_bare(&self) -> bool {
        matches!(&self.values[..], [one] if self.start.is_empty() && one.until.is_empty())
    }

    /// Where each value is in a line, or the sentence that says which one is not where it should be.
    pub(super) fn find(&self, line: &[u8]) -> Result<Vec<Range<usize>>, String> {
        let search = Search {
            pattern: self,
            line,
            looks: Cell::new((LOOKS * line.len()).max(LOOKS_AT_LEAST)),
            furthest: Cell::new(0),
        };
        let mut found = Vec::with_capacity(self.values.len());
        if line.starts_with(&self.start) && search.from(0, self.start.len(), &mut found) {
            found.reverse();
            return Ok(found);
        }
        if search.looks.get() == 0 {
            return Err("it can be read in too many ways".to_owned());
        }
        let furthest = search.furthest.get();
        let missing = self.values.get(furthest).map_or("the end", |value| &*value.directive);
        let before = furthest.checked_sub(1).map(|before| &*self.values[before].directive);
        Err(match before {
            Some(before) => format!("`{missing}` is not where the pattern has it, behind `{before}`"),
            None => format!("`{missing}` is not where the pattern has it, at the beginning"),
        })
    }
}

struct Search<'a> {
    pattern: &'a LogPattern,
    line: &'a [u8],
    looks: Cell<usize>,
    furthest: Cell<usize>,
}

impl Search<'_> {
    /// Whether the line is like the pattern from this value on; the values' places come from the last to the first.
    fn from(&self, number: usize, at: usize, found: &mut Vec<Range<usize>>) -> bool {
        self.furthest.set(self.furthest.get().max(number));
        let Some(value) = self.pattern.values.get(number) else {
            let rest = &self.line[at..];
            return rest.is_empty() || (self.pattern.open_ended && rest[0] == b' ');
        };
        let mut tried = |end: usize| {
            if !self.line[end..].starts_with(&value.until) || !self.may_be(value, at, end) {
                return false;
            }
            let is_it = self.from(number + 1, end + value.until.len(), found);
            if is_it {
                found.push(at..end);
            }
            is_it
        };
        let is_last = number + 1 == self.pattern.values.len();
        match &value.meaning {
            Meaning::Time(TimeText::Server) => at + 26 <= self.line.len() && self.look(26) && tried(at + 26),
            Meaning::Time(TimeText::Format(format)) => {
                let end = self.line.len().min(at + 128);
                // What follows the time may be no text, or cut off within a character.
                let text = self.line[at..end].utf8_chunks().next().map_or("", |chunk| chunk.valid());
                let read = formatted(text, format);
                read.is_some_and(|(_, length)| self.look(128) && tried(at + length))
            }
            _ if is_last && value.until.is_empty() && self.pattern.open_ended => {
                let rest = &self.line[at..];
                tried(at + rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len()))
            }
            _ if is_last && value.until.is_empty() => tried(self.line.len()),
            _ => match value.shape {
                Shape::Address => self.ends(value, at).into_iter().rev().any(tried),
                _ => self.first_end(value, at, &mut tried),
            },
        }
    }

    fn look(&self, bytes: usize) -> bool {
        let left = self.looks.get().saturating_sub(bytes.max(1));
        self.looks.set(left);
        left > 0
    }

    /// Tries the ends of a value from left to right.
    fn first_end(&self, value: &PatternValue, at: usize, tried: &mut dyn FnMut(usize) -> bool) -> bool {
        let mut end = at;
        while end <= self.line.len() && self.look(1) {
            match self.line.get(end) {
                Some(b'\\') if value.quoted => {
                    end += 2;
                    continue;
                }
                next if next.copied() == value.until.first().copied() && tried(end) => return true,
                _ => {}
            }
            let is_over = self.line.get(end).is_none_or(|byte| matches!(byte, b' ' | b'\t'));
            if is_over && !matches!(value.shape, Shape::Any | Shape::List) && !value.quoted {
                return false;
            }
            end += 1;
        }
        false
    }

    /// All ends of a word.
    fn ends(&self, value: &PatternValue, at: usize) -> Vec<usize> {
        let mut ends = Vec::new();
        self.first_end(value, at, &mut |end| {
            ends.push(end);
            false
        });
        ends
    }

    fn may_be(&self, value: &PatternValue, at: usize, end: usize) -> bool {
        let text = &self.line[at..end];
        let fits = match value.shape {
            _ if value.quoted => true,
            Shape::Any => true,
            Shape::List => is_list(text),
            Shape::Address if text.is_empty() => false,
            Shape::Word | Shape::Address => !text.iter().any(|byte| matches!(byte, b' ' | b'\t')),
            Shape::Number => {
                !text.is_empty() && text.iter().all(|b| b.is_ascii_digit() || b"+-.".contains(b))
            }
        };
        fits && match &value.meaning {
            Meaning::Time(TimeText::Server) => clf(text).is_some(),
            _ => true,
        }
    }
}

/// Whether it may be a whole list: words, each but the last with a comma behind it or a colon alone.
fn is_list(text: &[u8]) -> bool {
    let mut words = text.split(|byte| *byte == b' ').peekable();
    let mut is_word_next = true;
    while let Some(word) = words.next() {
        let is_last = words.peek().is_none();
        is_word_next = match word {
            b"" => return false,
            b":" if is_word_next || is_last => return false,
            b":" => true,
            _ if !is_word_next => return false,
            [.., b','] if is_last => return false,
            [.., b','] => true,
            _ => false,
        };
    }
    true
}

/// The time at the beginning of a text in a format of `strftime`, and how long it is there. Without an offset it
/// is of UTC.
pub(super) fn formatted(text: &str, format: &str) -> Option<(Timestamp, usize)> {
    let (micros, rest) = match DateTime::parse_and_remainder(text, format) {
        Ok((time, rest)) => (time.timestamp_micros(), rest),
        Err(_) => {
            let (time, rest) = NaiveDateTime::parse_and_remainder(text, format).ok()?;
            (time.and_utc().timestamp_micros(), rest)
        }
    };
    let range = Timestamp::MIN.as_micros()..=Timestamp::MAX.as_micros();
    range.contains(&micros).then(|| (Timestamp::from_micros(micros), text.len() - rest.len()))
}

#[cfg(test)]
mod tests;

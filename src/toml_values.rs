//! Values of a TOML file, with the line in every error.

use std::fmt::Display;
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use crate::error::{Error, Result};

pub(crate) type TomlValue<'a> = Spanned<DeValue<'a>>;

/// The text, to find the lines in.
pub(crate) struct TomlFile<'a> {
    pub(crate) name: &'a str,
    pub(crate) text: &'a str,
}

impl TomlFile<'_> {
    pub(crate) fn error(&self, at: Range<usize>, sentence: impl Display) -> Error {
        let line =
            1 + self.text.as_bytes()[..at.start.min(self.text.len())].iter().filter(|b| **b == b'\n').count();
        Error::invalid(format!("{}, line {line}: {sentence}", self.name))
    }

    pub(crate) fn threshold(&self, value: &TomlValue<'_>) -> Result<u64> {
        let digits = match value.get_ref() {
            DeValue::Integer(number) => number.to_string(),
            other => shown(other),
        };
        digits.replace('_', "").parse::<u64>().ok().filter(|number| *number > 0).ok_or_else(|| {
            let sentence =
                format!("`threshold` is {digits}; write a whole number, 1 or more: threshold = 100");
            self.error(value.span(), sentence)
        })
    }

    /// `"500ms"`, `"60s"`, `"5m"`, `"1h"`.
    pub(crate) fn duration(&self, name: &str, value: &TomlValue<'_>) -> Result<Duration> {
        let said = shown(value.get_ref());
        let parsed = value.get_ref().as_str().and_then(|text| {
            let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
            let millis = match unit.trim() {
                "ms" => 1,
                "s" => 1_000,
                "m" => 60_000,
                "h" => 3_600_000,
                _ => return None,
            };
            // A year is more than any window, and keeps sums of times within bounds.
            let millis = number.parse::<u64>().ok()?.checked_mul(millis)?;
            (1..=31_536_000_000).contains(&millis).then(|| Duration::from_millis(millis))
        });
        parsed.ok_or_else(|| {
            let sentence = format!(
                "`{name}` is {said}; write a time longer than 0 in quotes, a number and ms, s, m or h: {name} = \"60s\""
            );
            self.error(value.span(), sentence)
        })
    }

    pub(crate) fn text(&self, name: &str, value: &TomlValue<'_>) -> Result<String> {
        let text = value.get_ref().as_str().map(str::to_owned);
        text.ok_or_else(|| {
            let sentence =
                format!("`{name}` is {}; write a text in quotes: {name} = \"…\"", shown(value.get_ref()));
            self.error(value.span(), sentence)
        })
    }

    /// One or a list; numbers are taken as they are written, so that a status needs no quotes.
    pub(crate) fn texts(&self, name: &str, value: &TomlValue<'_>) -> Result<Vec<String>> {
        let one = |value: &TomlValue<'_>| match value.get_ref() {
            DeValue::Integer(number) => Ok(number.to_string()),
            _ => self.text(name, value),
        };
        match value.get_ref().as_array() {
            Some(all) => all.iter().map(one).collect(),
            None => Ok(vec![one(value)?]),
        }
    }
}

/// What was written, as far as it is short.
fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("\"{text}\""),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(yes) => yes.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

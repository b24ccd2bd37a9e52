//! [`ExtendedFields`]: the `#Fields` of a log in W3C's extended format, as IIS and CloudFront write it. Pure.

use super::line_values::LineValues;
use super::meaning::{Meaning, TimeText};
use crate::event::EventError;

/// What each column of a line is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ExtendedFields(Vec<Meaning>);

impl ExtendedFields {
    /// From a line `#Fields: date time c-ip …`, or what stands behind its colon.
    pub(super) fn read(line: &str) -> Option<ExtendedFields> {
        let names = fields_of(line).unwrap_or(line);
        let meanings: Vec<Meaning> = names.split_ascii_whitespace().take(200).map(meaning).collect();
        (!meanings.is_empty()).then_some(ExtendedFields(meanings))
    }

    pub(super) fn meanings(&self) -> impl Iterator<Item = &Meaning> {
        self.0.iter()
    }

    /// Tabs part the columns where there is one (CloudFront), else spaces (IIS).
    pub(super) fn values<'a>(&self, line: &'a [u8]) -> Result<LineValues<'a>, EventError> {
        let separator = if line.contains(&b'\t') { b'\t' } else { b' ' };
        let columns: Vec<&[u8]> = line.split(|byte| *byte == separator).collect();
        if columns.len() != self.0.len() {
            let (has, names) = (columns.len(), self.0.len());
            return Err(EventError::new(&format!("it has {has} columns, and #Fields names {names}")));
        }
        let mut values = LineValues::default();
        for (meaning, column) in self.0.iter().zip(columns) {
            let column = unquoted(column);
            match meaning {
                Meaning::XForwardedFor | Meaning::Forwarded => {
                    values.add_text(meaning, unescaped(column).into())?;
                }
                _ => values.add(meaning, column)?,
            }
        }
        Ok(values)
    }
}

/// What a directive `#Fields:` says.
pub(super) fn fields_of(line: &str) -> Option<&str> {
    let (directive, names) = line.split_once(':')?;
    directive.trim().eq_ignore_ascii_case("#fields").then_some(names)
}

/// The spaces between a list's addresses are `%20` (CloudFront) or `+` (IIS), and no address has either.
fn unescaped(column: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(column.len());
    let mut rest = column.iter();
    while let Some(byte) = rest.next() {
        let digits = rest.as_slice().get(..2).and_then(|digits| str::from_utf8(digits).ok());
        match digits.filter(|_| *byte == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(escaped) => {
                bytes.push(escaped);
                rest.nth(1);
            }
            None => bytes.push(if *byte == b'+' { b' ' } else { *byte }),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn unquoted(column: &[u8]) -> &[u8] {
    column.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(column)
}

fn meaning(name: &str) -> Meaning {
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        "c-ip" => Meaning::Client,
        "x-forwarded-for" | "cs(x-forwarded-for)" => Meaning::XForwardedFor,
        "forwarded" | "cs(forwarded)" => Meaning::Forwarded,
        "date" => Meaning::Time(TimeText::Date),
        "time" => Meaning::Time(TimeText::Clock),
        // CloudFront's logs in real time.
        "timestamp" => Meaning::Time(TimeText::Any),
        "cs-method" => Meaning::field("method"),
        "cs-uri-stem" | "cs-uri" => Meaning::field("path"),
        "cs-uri-query" => Meaning::Query,
        "sc-status" => Meaning::field("status"),
        "sc-bytes" => Meaning::field("bytes"),
        "cs-username" => Meaning::field("user"),
        "cs(user-agent)" | "cs-user-agent" => Meaning::field("user_agent"),
        "cs(referer)" | "cs-referer" => Meaning::field("referer"),
        "cs-host" | "cs(host)" => Meaning::field("host"),
        other => {
            let named = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
            Meaning::Field(other.chars().map(named).collect::<String>().trim_matches('_').into())
        }
    }
}

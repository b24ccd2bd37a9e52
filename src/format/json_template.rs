//! [`JsonTemplate`]: a line that is JSON, and what its members mean. Pure.

use std::borrow::Cow;

use serde_json::Value;
use serde_json::value::RawValue;

use super::json_path::{JsonPath, Members};
use super::line_values::LineValues;
use super::log_pattern::LogPattern;
use super::meaning::{Meaning, TimeText};
use super::nginx_pattern;
use crate::error::{Error, Result};
use crate::event::{EventError, is_absent, text_of};
use crate::json_elements::JsonElements;
use crate::json_text::json_text;

/// Where each value is, the first place that has it.
#[derive(Debug, Clone)]
pub(super) struct JsonTemplate {
    members: Vec<(Vec<JsonPath>, JsonValue)>,
}

#[derive(Debug, Clone)]
enum JsonValue {
    One(Meaning),
    /// Several variables in one text: `"$scheme://$host"`.
    Pattern(LogPattern),
}

impl JsonTemplate {
    /// Each member's dotted paths, of which the first that is there counts, and what it means.
    pub(super) fn of(members: &[(&[&str], Meaning)]) -> JsonTemplate {
        let one = |(paths, meaning): &(&[&str], Meaning)| {
            (paths.iter().map(|path| JsonPath::new(path)).collect(), JsonValue::One(meaning.clone()))
        };
        JsonTemplate { members: members.iter().map(one).collect() }
    }

    /// nginx' own: a pattern that is a JSON object with variables for values.
    pub(super) fn of_nginx(pattern: &str, own: &[&str]) -> Result<JsonTemplate> {
        let template: Value = serde_json::from_str(&quoted(pattern)).map_err(|error| {
            Error::invalid(format!("the pattern begins with {{ as JSON does, and is none: {error}"))
        })?;
        let mut members = Vec::new();
        collect(&template, String::new(), pattern, own, &mut members)?;
        Ok(JsonTemplate { members })
    }

    pub(super) fn meanings(&self) -> impl Iterator<Item = &Meaning> {
        self.members.iter().flat_map(|(_, value)| match value {
            JsonValue::One(meaning) => vec![meaning],
            JsonValue::Pattern(pattern) => pattern.values().iter().map(|value| &value.meaning).collect(),
        })
    }

    pub(super) fn read(&self, line: &[u8]) -> std::result::Result<LineValues<'static>, EventError> {
        let text = json_text(line);
        let escaped: String;
        let line: &RawValue = match serde_json::from_str(&text) {
            Ok(line) => line,
            Err(error) => {
                escaped = with_json_escapes(&text).ok_or_else(|| EventError::broken_json(error))?;
                serde_json::from_str(&escaped).map_err(EventError::broken_json)?
            }
        };
        let line = Members::of(line).ok_or_else(|| EventError::new("the line is no JSON object"))?;
        let mut values = LineValues::default();
        for (paths, value) in &self.members {
            match value {
                JsonValue::One(meaning) => values.has(meaning),
                JsonValue::Pattern(pattern) => {
                    pattern.values().iter().for_each(|value| values.has(&value.meaning));
                }
            }
            let texts = paths.iter().filter_map(|path| path.find(&line)).filter_map(|found| match value {
                JsonValue::One(Meaning::XForwardedFor | Meaning::Forwarded) => header_lines(found),
                _ => text_of(found).ok(),
            });
            let Some(text) = texts.into_iter().find(|text| !is_absent(text)) else { continue };
            match value {
                JsonValue::One(meaning) => values.add_text(meaning, Cow::Owned(text))?,
                JsonValue::Pattern(pattern) => {
                    let found = pattern.find(text.as_bytes()).map_err(|error| EventError::new(&error))?;
                    for (value, range) in pattern.values().iter().zip(found) {
                        let text = String::from_utf8_lossy(&text.as_bytes()[range]).into_owned();
                        values.add_text(&value.meaning, Cow::Owned(text))?;
                    }
                }
            }
        }
        Ok(values)
    }
}

/// A header's lines as one, which is what they mean (RFC 9110 § 5.3): some servers log a list of them. The first alone
/// would be whatever the client wrote, the last what the proxy did.
fn header_lines(value: &RawValue) -> Option<String> {
    if !value.get().starts_with('[') {
        return text_of(value).ok();
    }
    let lines = JsonElements::of(value).map(|line| text_of(line).ok()).collect::<Option<Vec<_>>>()?;
    Some(lines.join(", "))
}

/// A line of nginx without `escape=json`, which escapes quotes and other bytes as `\x22`: JSON has no such escape, and
/// who sends a quote would make his line unreadable. They stay, as they do in other logs' texts. `None` when there
/// are none.
fn with_json_escapes(line: &str) -> Option<String> {
    let (mut out, mut rest, mut is_any) = (String::with_capacity(line.len() + 32), line, false);
    while let Some(backslash) = rest.find('\\') {
        out.push_str(&rest[..backslash]);
        let escape = &rest[backslash..];
        let length = 1 + escape[1..].chars().next().map_or(0, char::len_utf8);
        if escape.starts_with("\\x") {
            out.push('\\');
            is_any = true;
        }
        out.push_str(&escape[..length]);
        rest = &escape[length..];
    }
    is_any.then(|| out + rest)
}

fn collect(
    template: &Value,
    at: String,
    pattern: &str,
    own: &[&str],
    members: &mut Vec<(Vec<JsonPath>, JsonValue)>,
) -> Result<()> {
    match template {
        Value::Object(all) => all.iter().try_for_each(|(name, value)| {
            let name = name.replace('~', "~0").replace('/', "~1");
            collect(value, format!("{at}/{name}"), pattern, own, members)
        }),
        Value::Array(all) => all
            .iter()
            .enumerate()
            .try_for_each(|(n, value)| collect(value, format!("{at}/{n}"), pattern, own, members)),
        Value::String(text) if text.contains('$') => {
            // Named with the place in the whole pattern, where a mistake is looked for.
            let pieces = nginx_pattern::pieces(text, own)
                .or_else(|error| nginx_pattern::pieces(pattern, own).and(Err(error)))?;
            let found = LogPattern::new(pieces);
            let value = match found.values() {
                [one] if found.is_bare() => JsonValue::One(one_meaning(&one.meaning)),
                _ => JsonValue::Pattern(found),
            };
            members.push((vec![JsonPath::new(&at)], value));
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Alone in a text, a time may be in any form.
fn one_meaning(meaning: &Meaning) -> Meaning {
    match meaning {
        Meaning::Time(TimeText::Server) => Meaning::Time(TimeText::Any),
        other => other.clone(),
    }
}

/// The pattern with quotes around the variables that have none: `"status": $status`.
fn quoted(pattern: &str) -> String {
    let (mut out, mut in_text, mut escaped) = (String::with_capacity(pattern.len() + 32), false, false);
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '$' && !in_text {
            let braced = chars.next_if_eq(&'{').is_some();
            out.push_str("\"$");
            while let Some(c) = chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
                out.push(c);
            }
            if braced {
                chars.next_if_eq(&'}');
            }
            out.push('"');
            continue;
        }
        in_text ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        out.push(c);
    }
    out
}

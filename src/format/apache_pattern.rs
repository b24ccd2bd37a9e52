//! Apache's `LogFormat` as the pieces of a pattern. Pure.

use chrono::format::{Item, StrftimeItems};

use super::log_pattern::{MOST_VALUES, PatternPiece, Shape};
use super::meaning::{Meaning, TimeText};
use crate::epoch::EpochUnit;
use crate::error::{Error, Result};

/// The pattern within the directive of a configuration (`LogFormat "…" combined`), if it is one; else the text
/// itself. Quotes are escaped within the directive, and may be without.
pub(super) fn pattern_of(text: &str) -> Result<String> {
    let text = text.trim_matches(['\r', '\n']);
    let directives = ["LogFormat", "CustomLog", "TransferLog"];
    let trimmed = text.trim_start();
    let directive = directives
        .iter()
        .find_map(|name| trimmed.strip_prefix(name).filter(|rest| rest.starts_with([' ', '\t'])));
    let mut pattern = text;
    if let Some(rest) = directive {
        // Of CustomLog, the file's name or a program comes first, in quotes or not.
        let names = usize::from(trimmed.starts_with("CustomLog"));
        pattern = argument(rest, names)?
            .ok_or_else(|| Error::invalid("the directive has no pattern in quotes; write it whole"))?;
    }
    Ok(pattern.replace("\\\"", "\"").replace("\\t", "\t").replace("\\\\", "\\"))
}

/// The argument in quotes that stands behind so many others.
fn argument(text: &str, others: usize) -> Result<Option<&str>> {
    let mut rest = text.trim_start();
    let mut before = 0;
    while let Some(quote) = rest.chars().next() {
        let behind = if matches!(quote, '"' | '\'') {
            let inside = &rest[1..];
            let bytes = inside.as_bytes();
            let mut end = 0;
            while bytes.get(end).is_some_and(|byte| *byte != quote as u8) {
                end += if bytes[end] == b'\\' { 2 } else { 1 };
            }
            let found = inside
                .get(..end)
                .filter(|_| end < inside.len())
                .ok_or_else(|| Error::invalid("the directive ends within quotes; write it whole"))?;
            if before >= others {
                return Ok(Some(found));
            }
            &inside[end + 1..]
        } else {
            &rest[rest.find(char::is_whitespace).unwrap_or(rest.len())..]
        };
        before += 1;
        rest = behind.trim_start();
    }
    Ok(None)
}

/// The pieces of a pattern.
pub(super) fn pieces(pattern: &str) -> Result<Vec<PatternPiece>> {
    let mut pieces = Vec::new();
    let mut rest = pattern;
    while let Some(percent) = rest.find('%') {
        if percent > 0 {
            pieces.push(PatternPiece::Literal(rest[..percent].to_owned()));
        }
        let at = pattern.len() - rest.len() + percent;
        let place = 1 + pattern[..at].chars().count();
        let (piece, behind) = directive(&rest[percent..], place)?;
        // Its brackets are part of %t.
        let bracketed =
            matches!(&piece, PatternPiece::Value { meaning: Meaning::Time(TimeText::Server), .. });
        if bracketed {
            pieces.push(PatternPiece::Literal("[".to_owned()));
        }
        pieces.push(piece);
        if bracketed {
            pieces.push(PatternPiece::Literal("]".to_owned()));
        }
        rest = behind;
        if pieces.len() > 2 * MOST_VALUES {
            return Err(Error::invalid(format!("the pattern has more than {MOST_VALUES} directives")));
        }
    }
    if !rest.is_empty() {
        pieces.push(PatternPiece::Literal(rest.to_owned()));
    }
    join_times(pieces)
}

/// `%{…}t.%{msec_frac}t %{%z}t` is one time in three pieces.
fn join_times(pieces: Vec<PatternPiece>) -> Result<Vec<PatternPiece>> {
    let mut joined: Vec<PatternPiece> = Vec::new();
    let as_format = |piece: &PatternPiece| match piece {
        PatternPiece::Value { meaning: Meaning::Time(TimeText::Format(format)), .. } => {
            Some(format.to_string())
        }
        _ => None,
    };
    for piece in pieces {
        let between = match &joined[..] {
            [.., _, PatternPiece::Literal(text)] => Some(text.replace('%', "%%")),
            [.., _] => Some(String::new()),
            [] => None,
        };
        let before = joined.iter().rev().find(|piece| !matches!(piece, PatternPiece::Literal(_)));
        if let (Some(first), Some(second), Some(between)) =
            (before.and_then(as_format), as_format(&piece), between)
        {
            if matches!(joined.last(), Some(PatternPiece::Literal(_))) {
                joined.pop();
            }
            let Some(PatternPiece::Value { directive, meaning, .. }) = joined.last_mut() else { continue };
            *meaning = Meaning::Time(TimeText::Format(format!("{first}{between}{second}").into()));
            directive.push('…');
            continue;
        }
        joined.push(piece);
    }
    for piece in &joined {
        if let PatternPiece::Value { directive, meaning: Meaning::Time(TimeText::Format(format)), .. } = piece
        {
            check_format(directive, format)?;
        }
    }
    Ok(joined)
}

/// A zone's name says nothing for sure, and half a time nothing at all.
fn check_format(directive: &str, format: &str) -> Result<()> {
    let items: Vec<Item<'_>> = StrftimeItems::new(format).collect();
    if items.contains(&Item::Error) {
        return Err(Error::invalid(format!(
            "`{directive}` has a time in a form that is not known; write %t"
        )));
    }
    // What it writes, it must read.
    let now =
        chrono::DateTime::from_timestamp_micros(1_709_288_100_000_000).unwrap_or_default().fixed_offset();
    let written = now.format_with_items(items.iter()).to_string();
    match super::log_pattern::formatted(&written, format) {
        Some(_) => Ok(()),
        None => Err(Error::invalid(format!(
            "`{directive}` is not a whole time: it needs a date, hours and minutes, and best %z; or write %t"
        ))),
    }
}

/// One directive at the beginning of a text, and what is behind it.
fn directive(text: &str, place: usize) -> Result<(PatternPiece, &str)> {
    let mut rest = &text[1..];
    if let Some(behind) = rest.strip_prefix('%') {
        return Ok((PatternPiece::Literal("%".to_owned()), behind));
    }
    let mut argument = None;
    // Modifiers come in any order: on which statuses, of the first or the last request, an argument.
    loop {
        if let Some(braced) = rest.strip_prefix('{') {
            let end = braced.find('}').ok_or_else(|| {
                Error::invalid(format!(
                    "there is no `}}` behind the `{{` at character {place} of the pattern"
                ))
            })?;
            argument = Some(&braced[..end]);
            rest = &braced[end + 1..];
            continue;
        }
        match rest.bytes().next() {
            Some(b'!' | b'<' | b'>' | b',' | b'0'..=b'9') => rest = &rest[1..],
            _ => break,
        }
    }
    // `%{X}^ti`: of a trailer.
    let trailer = rest.strip_prefix("^t");
    let letters = trailer.unwrap_or(rest);
    let letter = letters.chars().next();
    let behind = &letters[letter.map_or(0, char::len_utf8)..];
    let whole = &text[..text.len() - behind.len()];
    let known = letter.and_then(|letter| match trailer {
        Some(_) if matches!(letter, 'i' | 'o') => {
            let name = format!("trailer_{}", named(argument?));
            Some((Meaning::Field(name.into()), Shape::Any))
        }
        Some(_) => None,
        None => meaning(letter, argument),
    });
    match known {
        Some((meaning, shape)) => {
            Ok((PatternPiece::Value { directive: whole.to_owned(), meaning, shape }, behind))
        }
        None => Err(Error::invalid(format!(
            "Apache has no directive `{whole}` (character {place} of the pattern), or it can't be read; the client is \
             %h or %a, the time %t, the request %r, the status %>s, a header %{{Name}}i"
        ))),
    }
}

fn meaning(letter: char, argument: Option<&str>) -> Option<(Meaning, Shape)> {
    let field = |name: &str, shape| Some((Meaning::field(name), shape));
    match (letter, argument) {
        ('h', _) => Some((Meaning::Client, Shape::Address)),
        ('a', None) => Some((Meaning::Client, Shape::Address)),
        // The peer's own address, where %a is whom mod_remoteip believes.
        ('a', Some(_)) => field("peer", Shape::Address),
        ('A', _) => field("server_addr", Shape::Address),
        ('l', _) => Some((Meaning::Ident, Shape::Word)),
        ('u', _) => field("user", Shape::Any),
        ('t', None) => Some((Meaning::Time(TimeText::Server), Shape::Any)),
        ('t', Some(format)) => time(format),
        ('r', _) => Some((Meaning::Request, Shape::Any)),
        ('s', _) => field("status", Shape::Number),
        ('b' | 'B' | 'O', _) => field("bytes", Shape::Number),
        ('I', _) => field("bytes_received", Shape::Number),
        ('S', _) => field("bytes_total", Shape::Number),
        ('m', _) => field("method", Shape::Word),
        ('U', _) => field("path", Shape::Any),
        ('q', _) => Some((Meaning::Query, Shape::Any)),
        ('H', _) => field("protocol", Shape::Word),
        ('v' | 'V', _) => field("host", Shape::Word),
        ('p', _) => field("port", Shape::Number),
        ('D', _) => field("duration_us", Shape::Number),
        ('T', None | Some("s")) => field("duration_s", Shape::Number),
        ('T', Some("ms")) => field("duration_ms", Shape::Number),
        ('T', Some("us")) => field("duration_us", Shape::Number),
        ('f', None) => field("file", Shape::Any),
        ('k', None) => field("keepalives", Shape::Number),
        ('L', _) => field("log_id", Shape::Word),
        ('P', _) => field("pid", Shape::Number),
        ('R', _) => field("handler", Shape::Any),
        ('X', _) => field("connection", Shape::Word),
        ('i', Some(header)) => Some((header_meaning(header), Shape::Any)),
        ('o', Some(header)) => field(&format!("sent_http_{}", named(header)), Shape::Any),
        ('C', Some(cookie)) => field(&format!("cookie_{}", named(cookie)), Shape::Any),
        ('e', Some(name)) => field(&format!("env_{}", named(name)), Shape::Any),
        ('n', Some(name)) => field(&format!("note_{}", named(name)), Shape::Any),
        ('c', Some(name)) => field(&format!("ssl_{}", named(name)), Shape::Any),
        ('x', Some(name)) => field(&named(name), Shape::Any),
        _ => None,
    }
}

fn header_meaning(header: &str) -> Meaning {
    match named(header).as_str() {
        "referer" => Meaning::field("referer"),
        "user_agent" => Meaning::field("user_agent"),
        "host" => Meaning::field("host"),
        "x_forwarded_for" => Meaning::XForwardedFor,
        "forwarded" => Meaning::Forwarded,
        // Whoever asks chooses the header: no name of ours.
        other => Meaning::Field(format!("http_{other}").into()),
    }
}

fn time(format: &str) -> Option<(Meaning, Shape)> {
    let format = format.strip_prefix("begin:").or_else(|| format.strip_prefix("end:")).unwrap_or(format);
    let time = match format {
        "" => TimeText::Server,
        "sec" => TimeText::Epoch(EpochUnit::Seconds),
        "msec" => TimeText::Epoch(EpochUnit::Millis),
        "usec" => TimeText::Epoch(EpochUnit::Micros),
        "msec_frac" => TimeText::Format("%3f".into()),
        "usec_frac" => TimeText::Format("%6f".into()),
        format => TimeText::Format(format.into()),
    };
    let shape = if matches!(time, TimeText::Epoch(_)) { Shape::Number } else { Shape::Any };
    Some((Meaning::Time(time), shape))
}

fn named(header: &str) -> String {
    header.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}

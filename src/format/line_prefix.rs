//! [`LinePrefix`]: what others have put before a server's line. Pure.

use std::borrow::Cow;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::json_text::json_text;
use crate::text::{printable, without_byte_order_mark};
use crate::timestamp::Timestamp;

/// What stands before each line of a log, from whoever carried it.
///
/// ```
/// use kinesis_lab::{AnyFormat, LinePrefix, LogFormat, Record, Timestamp};
///
/// let format = AnyFormat::from(LogFormat::combined().behind(LinePrefix::Syslog));
/// let line = "Sep 15 16:13:40 web1 nginx[2869]: 192.0.2.10 - - [15/Sep/2021:16:13:40 +0000] \
///             \"GET / HTTP/1.1\" 200 5 \"-\" \"curl/8\"";
/// let event = format.events(&Record::new("any", line, "1", Timestamp::now())).remove(0)?;
/// assert_eq!(event.key, "192.0.2.10");
/// # Ok::<(), kinesis_lab::EventError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LinePrefix {
    /// `Sep 15 16:13:40 web1 nginx[2869]: `, with a priority (`<190>`) or without, with an ISO-8601 time, or as
    /// RFC 5424 has it.
    Syslog,
    /// Docker's JSON: `{"log":"…\n","stream":"stdout","time":"…"}`.
    Docker,
    /// docker compose's: `web-1  | `.
    Compose,
    /// Kubernetes' (containerd, CRI-O): `2024-03-01T10:15:00.1Z stdout F `.
    Cri,
}

/// No tag of syslog is longer (RFC 3164), but hosts' names are.
const LONGEST: usize = 512;

impl LinePrefix {
    /// All, in the order in which one that is not told is looked for.
    pub(super) const ALL: [LinePrefix; 4] =
        [LinePrefix::Syslog, LinePrefix::Docker, LinePrefix::Compose, LinePrefix::Cri];

    /// By which it is named in a file and on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            LinePrefix::Syslog => "syslog",
            LinePrefix::Docker => "docker",
            LinePrefix::Compose => "compose",
            LinePrefix::Cri => "cri",
        }
    }

    /// The line without it; `None` when it has none of this kind.
    pub(super) fn strip(self, line: &[u8]) -> Option<Cow<'_, [u8]>> {
        match self {
            LinePrefix::Syslog => syslog(line).map(Cow::Borrowed),
            LinePrefix::Docker => docker(line).map(Cow::Owned),
            LinePrefix::Compose => compose(line).map(Cow::Borrowed),
            LinePrefix::Cri => cri(line).map(Cow::Borrowed),
        }
    }
}

/// `syslog`, `docker`, `compose` or `cri`.
impl FromStr for LinePrefix {
    type Err = Error;

    fn from_str(name: &str) -> Result<LinePrefix> {
        LinePrefix::ALL.into_iter().find(|prefix| prefix.name() == name).ok_or_else(|| {
            let (name, names) =
                (printable(name.as_bytes()), LinePrefix::ALL.map(LinePrefix::name).join(", "));
            Error::invalid(format!("nothing called `{name}` stands before lines; write one of {names}"))
        })
    }
}

fn syslog(line: &[u8]) -> Option<&[u8]> {
    let rest = match line.strip_prefix(b"<") {
        Some(rest) => {
            let end = rest.iter().take(4).position(|byte| *byte == b'>')?;
            rest[..end].iter().all(u8::is_ascii_digit).then_some(&rest[end + 1..])?
        }
        None => line,
    };
    if let Some(rest) = rest.strip_prefix(b"1 ") {
        return rfc_5424(rest);
    }
    let rest = match (rest.get(..16), word(rest)) {
        (Some(stamp), _) if is_syslog_time(stamp) => &rest[16..],
        (_, Some((time, rest))) if Timestamp::parse_bytes(time).is_ok() => rest,
        _ => return None,
    };
    // The host and the program's tag, or the tag alone: `web1 nginx[2869]: `.
    let colon = rest.windows(2).take(LONGEST).position(|pair| pair == b": ")?;
    let words = rest[..colon].split(|byte| *byte == b' ').count();
    (words <= 2).then_some(&rest[colon + 2..])
}

/// `Sep 15 16:13:40 `.
fn is_syslog_time(stamp: &[u8]) -> bool {
    const MONTHS: [&[u8]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    let day = stamp[4..6].trim_ascii_start();
    MONTHS.contains(&&stamp[..3])
        && !day.is_empty()
        && day.iter().chain([7, 8, 10, 11, 13, 14].map(|at| &stamp[at])).all(u8::is_ascii_digit)
        && [3, 6, 9, 12, 15].map(|at| stamp[at]) == *b"  :: "
}

/// `TIME HOST APP PROCID MSGID [data] message`, with a byte order mark before the message or without.
fn rfc_5424(rest: &[u8]) -> Option<&[u8]> {
    let mut rest = rest;
    for _ in 0..5 {
        rest = word(rest)?.1;
    }
    let mut message = match rest.strip_prefix(b"-") {
        Some(rest) => rest,
        None => {
            // Elements side by side, in whose quoted values `]` is escaped.
            let (mut at, mut quoted) = (0, false);
            rest.first().filter(|byte| **byte == b'[')?;
            loop {
                match rest.get(at)? {
                    b'\\' if quoted => at += 1,
                    b'"' => quoted ^= true,
                    b']' if !quoted && rest.get(at + 1) != Some(&b'[') => break,
                    _ => {}
                }
                at += 1;
            }
            &rest[at + 1..]
        }
    };
    message = message.strip_prefix(b" ")?;
    Some(without_byte_order_mark(message))
}

fn docker(line: &[u8]) -> Option<Vec<u8>> {
    let value: serde_json::Value = serde_json::from_str(&json_text(line)).ok()?;
    Some(value.get("log")?.as_str()?.trim_end_matches(['\r', '\n']).as_bytes().to_vec())
}

fn compose(line: &[u8]) -> Option<&[u8]> {
    // In a terminal the names have colours.
    let line = match line.strip_prefix(b"\x1b[") {
        Some(rest) => &rest[rest.iter().take(16).position(|byte| *byte == b'm')? + 1..],
        None => line,
    };
    let bar = line.iter().take(LONGEST).position(|byte| *byte == b'|')?;
    let name = line[..bar].trim_ascii_end();
    let is_name = name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte));
    let mut rest = line[bar + 1..].strip_prefix(b"\x1b[0m").unwrap_or(&line[bar + 1..]);
    rest = rest.strip_prefix(b" ").unwrap_or(rest);
    (is_name && !name.is_empty() && name.len() < bar).then_some(rest)
}

/// `F` is a full line; of a part (`P`) nothing can be read.
fn cri(line: &[u8]) -> Option<&[u8]> {
    let (time, rest) = word(line)?;
    let (stream, rest) = word(rest)?;
    let (tag, rest) = word(rest)?;
    let is_cri = Timestamp::parse_bytes(time).is_ok() && matches!(stream, b"stdout" | b"stderr");
    (is_cri && tag.split(|byte| *byte == b':').next() == Some(b"F")).then_some(rest)
}

fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().take(LONGEST).position(|byte| *byte == b' ')?;
    (end > 0).then(|| (&text[..end], &text[end + 1..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_line_is_what_is_behind() {
        for (prefix, lines) in [
            (
                LinePrefix::Syslog,
                &[
                    "Sep 15 16:13:40 web1 nginx[2869]: LINE",
                    "Sep  5 16:13:40 web1 nginx: LINE",
                    "<190>Sep 15 16:13:40 web1 nginx: LINE",
                    "<190>Sep 15 16:13:40 nginx: LINE",
                    "2021-09-15T16:13:40.123456+02:00 web1 nginx[2869]: LINE",
                    "<165>1 2021-09-15T16:13:40.003Z web1 nginx 2869 access - LINE",
                    "<165>1 2021-09-15T16:13:40.003Z web1 nginx - - [a@1 b=\"x\\]\"][c@1] LINE",
                    "<165>1 2021-09-15T16:13:40.003Z web1 nginx - - - \u{feff}LINE",
                ][..],
            ),
            (LinePrefix::Docker, &[r#"{"log":"LINE\n","stream":"stdout","time":"2021-09-15T16:13:40Z"}"#]),
            (
                LinePrefix::Compose,
                &["web-1  | LINE", "shop_web_1   | LINE", "\u{1b}[36mweb-1  |\u{1b}[0m LINE", "web-1 |LINE"],
            ),
            (
                LinePrefix::Cri,
                &[
                    "2016-10-06T00:17:09.669794202Z stdout F LINE",
                    "2016-10-06T00:17:09.669794202+02:00 stderr F:tag LINE",
                ],
            ),
        ] {
            for line in lines {
                assert_eq!(prefix.strip(line.as_bytes()).as_deref(), Some(&b"LINE"[..]), "{line}");
            }
            for other in ["", "LINE", "192.0.2.10 - - [", "1: 2: 3: 4", "Sep 15 16:13:40 a b c: LINE", "{}"] {
                assert_eq!(prefix.strip(other.as_bytes()), None, "{other}");
            }
        }
        assert_eq!(LinePrefix::Cri.strip(b"2016-10-06T00:17:09Z stdout P LI"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_have_one_or_not(bytes in prop::collection::vec(any::<u8>(), 0..60), start in prop::sample::select(vec![
            "", "<1>1 ", "Sep 15 16:13:40 ", "{\"log\":\"", "\u{1b}[", "2016-10-06T00:17:09Z stdout ", "<190>1 a b c d e [",
        ])) {
            let line = [start.as_bytes(), &bytes].concat();
            for prefix in LinePrefix::ALL {
                if let Some(rest) = prefix.strip(&line) {
                    prop_assert!(rest.len() < line.len());
                }
            }
        }
    }
}

//! [`LogLine`]: one line of a web server's access log.

use std::borrow::Cow;

use memchr::{memchr_iter, memchr2};

use super::client::{client_of_line, is_client_address};
use crate::harmless::Text;
use crate::time_forms::clf;
use crate::timestamp::Timestamp;

mod error;

pub use error::LogLineError;

/// A line in Apache's *common* or *combined* format, which nginx writes too.
///
/// ```
/// use kinesis_lab::LogLine;
///
/// let line = LogLine::parse(br#"192.0.2.10 - ann [17/May/2015:12:05:03 +0200] "GET /a HTTP/1.1" 200 512"#)?;
/// assert!(line.client == "192.0.2.10" && line.user == Some("ann".into()));
/// assert_eq!(line.time.to_string(), "2015-05-17T10:05:03.000000Z");
/// assert_eq!((line.method, line.path, line.status), (Some("GET".into()), Some("/a".into()), 200));
/// # Ok::<(), kinesis_lab::LogLineError>(())
/// ```
///
/// Texts are as the server wrote them, with its escapes (`\"`, `\x16`), and the client chose them: hence
/// [`Text`]. Bytes that are not UTF-8 become `U+FFFD`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogLine {
    /// The client's address (a port may follow it), or its host name when the server looks it up; `-` is
    /// nobody. As it is written: an [`Event`](crate::Event) has it in the one form of all its spellings.
    pub client: Text,
    /// The user's name according to the client's identd; hardly ever there.
    pub ident: Option<Text>,
    /// The name with which the user logged in.
    pub user: Option<Text>,
    /// When the request came, or ended: that depends on the server. Its offset has been applied.
    pub time: Timestamp,
    /// `GET`, `POST`, …; `None` when what the client sent is no HTTP request.
    pub method: Option<Text>,
    /// With the query; `None` as above.
    pub path: Option<Text>,
    /// `HTTP/1.1`; `None` as above and for HTTP/0.9.
    pub protocol: Option<Text>,
    /// The status code of the response.
    pub status: u16,
    /// The size of the response in bytes; `None` for `-`.
    pub bytes: Option<u64>,
    /// The page that led here; `None` for `-` and in the common format.
    pub referer: Option<Text>,
    /// What the client calls itself; `None` for `-` and in the common format.
    pub user_agent: Option<Text>,
}

impl LogLine {
    /// Reads one line, with or without its line ending.
    ///
    /// A request that is none (`-`, a TLS handshake sent to the plain port) is no error: such
    /// requests are what a detector wants to count. Fields after the user agent are ignored.
    ///
    /// # Errors
    /// Names the first part that is missing or malformed.
    pub fn parse(line: &[u8]) -> Result<LogLine, LogLineError> {
        let parts = LogParts::parse(line)?;
        Ok(LogLine {
            client: parts.client.into(),
            ident: parts.ident.map(Text::from),
            user: parts.user.map(Text::from),
            time: parts.time,
            method: parts.method.map(Text::from),
            path: parts.path.map(Text::from),
            protocol: parts.protocol.map(Text::from),
            status: parts.status,
            bytes: parts.bytes,
            referer: parts.referer.map(Text::from),
            user_agent: parts.user_agent.map(Text::from),
        })
    }
}

/// The same, borrowed from the line: what counts millions of them makes no text that nobody looks at.
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(super) struct LogParts<'a> {
    pub(super) client: &'a str,
    pub(super) ident: Option<&'a str>,
    pub(super) user: Option<Cow<'a, str>>,
    pub(super) time: Timestamp,
    pub(super) method: Option<&'a str>,
    pub(super) path: Option<Cow<'a, str>>,
    pub(super) protocol: Option<&'a str>,
    pub(super) status: u16,
    pub(super) bytes: Option<u64>,
    pub(super) referer: Option<Cow<'a, str>>,
    pub(super) user_agent: Option<Cow<'a, str>>,
}

impl<'a> LogParts<'a> {
    pub(super) fn parse(line: &'a [u8]) -> Result<LogParts<'a>, LogLineError> {
        let head = LogHead::parse(line)?;
        let (referer, rest) = quoted(head.rest).unwrap_or((b"-", b""));
        let (user_agent, _) = quoted(rest).unwrap_or((b"-", b""));
        let (method, path, protocol) = parse_request(head.request);
        Ok(LogParts {
            client: head.client,
            ident: Some(head.ident).filter(|ident| *ident != "-"),
            user: text(head.user),
            time: head.time,
            method,
            path,
            protocol,
            status: head.status,
            bytes: head.bytes,
            referer: text(referer),
            user_agent: text(user_agent),
        })
    }
}

/// What must be right in a line, and of the rest where it is: a counter needs no more.
pub(super) struct LogHead<'a> {
    pub(super) client: &'a str,
    ident: &'a str,
    user: &'a [u8],
    pub(super) time: Timestamp,
    request: &'a [u8],
    status: u16,
    bytes: Option<u64>,
    /// What follows the size: the referer's quote, in the combined format.
    rest: &'a [u8],
}

impl<'a> LogHead<'a> {
    pub(super) fn parse(line: &'a [u8]) -> Result<LogHead<'a>, LogLineError> {
        let line = line.trim_ascii_end();
        let (client, rest) = word(line).ok_or(LogLineError::Client)?;
        let client = str::from_utf8(client).map_err(|_| LogLineError::Client)?;
        // Before all else: a word of another layout would be counted in its place.
        if client_of_line(client).is_none() {
            return Err(LogLineError::Client);
        }
        let (ident, rest) = word(rest).ok_or_else(|| match is_padded(rest) {
            true => LogLineError::Shifted,
            false => LogLineError::User,
        })?;
        let ident = str::from_utf8(ident).map_err(|_| LogLineError::User)?;
        let (user, time, rest) = split_at_time(rest)?;
        if is_shifted(client, ident, user) {
            return Err(LogLineError::Shifted);
        }
        if is_joined(rest) {
            return Err(LogLineError::Joined);
        }
        let (request, rest) = quoted(rest).ok_or(LogLineError::Request)?;
        let (status, rest) = word(rest).ok_or(LogLineError::Status)?;
        let status = number(status).filter(|n| *n <= 999).ok_or(LogLineError::Status)? as u16;
        let (bytes, rest) = word(rest).ok_or(LogLineError::Bytes)?;
        let bytes = match bytes {
            b"-" => None,
            digits => Some(number(digits).ok_or(LogLineError::Bytes)?),
        };
        Ok(LogHead { client, ident, user, time, request, status, bytes, rest })
    }
}

/// The part up to the next space, never empty, and what follows the space.
fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|b| *b == b' ').unwrap_or(text.len());
    (end > 0).then(|| (&text[..end], text.get(end + 1..).unwrap_or_default()))
}

/// What stands before the time, the time, and what follows it and a space: the request's quote.
///
/// A user's name may hold spaces and brackets, even a time; a quote it may not, because servers escape it.
/// So the time is the first one that the request's quote follows.
fn split_at_time(text: &[u8]) -> Result<(&[u8], Timestamp, &[u8]), LogLineError> {
    let mut missing = LogLineError::Time;
    for end in brackets(text) {
        let (user, rest) = (&text[..end], &text[end + 1..]);
        let Some((time, rest)) = rest.split_at_checked(28) else { break };
        let Some(time) = parse_time(time) else { continue };
        match rest.strip_prefix(b" ") {
            Some(request) if request.first() == Some(&b'"') => return Ok((user, time, request)),
            _ => missing = LogLineError::Request,
        }
    }
    Err(missing)
}

/// Whether the line begins with words of its own, so that the client's address is not where it should be:
/// with the virtual host's name (`shop.example 192.0.2.10 - - […`), or with what syslog or a container's
/// runtime puts before each line (`Sep 15 16:13:40 web1 nginx[7]: 192.0.2.10 - - […`).
///
/// Then the field for identd, which is `-` wherever nobody asks one, is the address, or the user seems to be
/// several words. A user's name may have several (the client chooses it, and must not be able to make its
/// line unreadable); identd and such a name at once are not met with. Behind a host's name or `-`, an address, a
/// hyphen and a user are a layout too (`$host - $remote_addr - $remote_user [`, which nginx' users write).
pub(crate) fn is_shifted(client: &str, ident: &str, user: &[u8]) -> bool {
    if ident != "-" {
        return is_client_address(ident) || user.contains(&b' ');
    }
    !is_client_address(client)
        && word(user).is_some_and(|(first, rest)| is_address(first) && rest.starts_with(b"- "))
}

/// Whether several spaces stand before the client's address, as `web-1  | ` has them.
fn is_padded(rest: &[u8]) -> bool {
    let before = rest.windows(2).position(|pair| pair == b" [").unwrap_or(0);
    rest[..before].split(|b| *b == b' ').any(is_address)
}

fn is_address(word: &[u8]) -> bool {
    str::from_utf8(word).is_ok_and(is_client_address)
}

/// Whether another line's time, request, status and size follow in the same one: a line ending is missing.
/// Nothing that a client chooses can look like that, because servers escape its quotes.
pub(crate) fn is_joined(text: &[u8]) -> bool {
    brackets(text).map(|at| &text[at + 1..]).any(|rest| {
        let Some((time, rest)) = rest.split_at_checked(28) else { return false };
        // A quote before a space closes a text, which ends with what looks like a time.
        let request = rest.strip_prefix(b" ").filter(|rest| rest.get(1) != Some(&b' '));
        let Some(request) = request.filter(|_| parse_time(time).is_some()) else {
            return false;
        };
        let size = quoted(request).and_then(|(_, rest)| word(rest)).and_then(|(status, rest)| {
            number(status)?;
            word(rest)
        });
        size.is_some_and(|(size, _)| size.first().is_some_and(|b| b.is_ascii_digit() || *b == b'-'))
    })
}

/// What stands between quotes, and what follows them and a space.
///
/// Both servers escape a quote inside (`\"`, `\x22`); older ones did not, so that a quote counts
/// as the closing one only before a space or the end.
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let inner = text.strip_prefix(b"\"")?;
    let mut i = 0;
    loop {
        i += memchr2(b'"', b'\\', inner.get(i..)?)?;
        match (inner[i], inner.get(i + 1)) {
            (b'\\', _) => i += 2,
            (_, None) => return Some((&inner[..i], b"")),
            (_, Some(b' ')) => return Some((&inner[..i], &inner[i + 2..])),
            _ => i += 1,
        }
    }
}

/// Where a space stands before an opening bracket, as before each time.
fn brackets(text: &[u8]) -> impl Iterator<Item = usize> {
    memchr_iter(b'[', text).filter_map(|at| at.checked_sub(1)).filter(|at| text[*at] == b' ')
}

/// `[17/May/2015:10:05:03 +0000]`.
fn parse_time(text: &[u8]) -> Option<Timestamp> {
    let inside = text.strip_prefix(b"[")?.strip_suffix(b"]")?;
    clf(inside)
}

/// `GET /path HTTP/1.1`; a path with spaces in it is still one.
pub(crate) fn parse_request(request: &[u8]) -> (Option<&str>, Option<Cow<'_, str>>, Option<&str>) {
    let Some((method, rest)) = word(request) else { return (None, None, None) };
    // Tokens of RFC 9110 are wider; real methods are not, and TLS bytes must not pass for one.
    let is_method = method.len() <= 20 && method.iter().all(|b| b.is_ascii_uppercase() || *b == b'-');
    let (path, protocol) = match rest.iter().rposition(|b| *b == b' ') {
        // What is not ASCII is no protocol: it belongs to the path, or it would be lost.
        Some(space) if is_protocol(&rest[space + 1..]) => {
            (&rest[..space], str::from_utf8(&rest[space + 1..]).ok())
        }
        _ => (rest, None),
    };
    if !is_method || path.is_empty() || method == b"-" {
        return (None, None, None);
    }
    (str::from_utf8(method).ok(), Some(String::from_utf8_lossy(path)), protocol)
}

fn is_protocol(word: &[u8]) -> bool {
    word.starts_with(b"HTTP/") && word.iter().all(u8::is_ascii_graphic)
}

fn text(field: &[u8]) -> Option<Cow<'_, str>> {
    (field != b"-").then(|| String::from_utf8_lossy(field))
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |n, b| {
        n.checked_mul(10)?.checked_add(b.is_ascii_digit().then(|| u64::from(b - b'0'))?)
    })
}

#[cfg(test)]
mod tests;

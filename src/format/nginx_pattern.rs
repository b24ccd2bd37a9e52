//! nginx' `log_format` as a [`LogPattern`], or as a template of JSON. Pure.

use super::log_pattern::{MOST_VALUES, PatternPiece, Shape};
use super::meaning::{Meaning, TimeText};
use crate::epoch::EpochUnit;
use crate::error::{Error, Result};
use crate::text::near;

/// Variables that can be told apart from a mistyped one, with what they may be. Those of families (`$http_…`) are
/// not here.
const VARIABLES: [(&str, Shape); 97] = [
    ("ancient_browser", Shape::Any),
    ("args", Shape::Any),
    ("binary_remote_addr", Shape::Any),
    ("body_bytes_sent", Shape::Number),
    ("bytes_received", Shape::Number),
    ("bytes_sent", Shape::Number),
    ("connection", Shape::Number),
    ("connection_requests", Shape::Number),
    ("connection_time", Shape::Number),
    ("connections_active", Shape::Number),
    ("connections_reading", Shape::Number),
    ("connections_waiting", Shape::Number),
    ("connections_writing", Shape::Number),
    ("content_length", Shape::Number),
    ("content_type", Shape::Any),
    ("date_gmt", Shape::Any),
    ("date_local", Shape::Any),
    ("document_root", Shape::Any),
    ("document_uri", Shape::Any),
    ("fastcgi_path_info", Shape::Any),
    ("fastcgi_script_name", Shape::Any),
    ("gzip_ratio", Shape::Number),
    ("host", Shape::Word),
    ("hostname", Shape::Word),
    ("http2", Shape::Word),
    ("http3", Shape::Word),
    ("https", Shape::Word),
    ("invalid_referer", Shape::Word),
    ("is_args", Shape::Word),
    ("is_request_port", Shape::Word),
    ("limit_conn_status", Shape::Word),
    ("limit_rate", Shape::Number),
    ("limit_req_status", Shape::Word),
    ("memcached_key", Shape::Any),
    ("modern_browser", Shape::Any),
    ("msec", Shape::Number),
    ("msie", Shape::Word),
    ("nginx_version", Shape::Word),
    ("pid", Shape::Number),
    ("pipe", Shape::Word),
    ("protocol", Shape::Word),
    ("proxy_add_x_forwarded_for", Shape::Any),
    ("proxy_host", Shape::Word),
    ("proxy_port", Shape::Number),
    ("query_string", Shape::Any),
    ("realip_remote_addr", Shape::Address),
    ("realip_remote_port", Shape::Number),
    ("realpath_root", Shape::Any),
    ("remote_addr", Shape::Address),
    ("remote_port", Shape::Number),
    ("remote_user", Shape::Any),
    ("request", Shape::Any),
    ("request_body", Shape::Any),
    ("request_body_file", Shape::Any),
    ("request_completion", Shape::Word),
    ("request_filename", Shape::Any),
    ("request_id", Shape::Word),
    ("request_length", Shape::Number),
    ("request_method", Shape::Word),
    ("request_port", Shape::Number),
    ("request_time", Shape::Number),
    ("request_uri", Shape::Any),
    ("scheme", Shape::Word),
    ("secure_link", Shape::Any),
    ("secure_link_expires", Shape::Any),
    ("server_addr", Shape::Address),
    ("server_name", Shape::Word),
    ("server_port", Shape::Number),
    ("server_protocol", Shape::Word),
    ("session_log_id", Shape::Word),
    ("session_time", Shape::Number),
    ("slice_range", Shape::Word),
    ("ssi_first", Shape::Any),
    ("status", Shape::Number),
    ("tcpinfo_rcv_space", Shape::Number),
    ("tcpinfo_rtt", Shape::Number),
    ("tcpinfo_rttvar", Shape::Number),
    ("tcpinfo_snd_cwnd", Shape::Number),
    ("time_iso8601", Shape::Word),
    ("time_local", Shape::Any),
    ("traceparent", Shape::Any),
    ("uid_got", Shape::Any),
    ("uid_reset", Shape::Any),
    ("uid_set", Shape::Any),
    ("uri", Shape::Any),
    ("upstream_addr", Shape::List),
    ("upstream_bytes_received", Shape::List),
    ("upstream_bytes_sent", Shape::List),
    ("upstream_cache_age", Shape::Any),
    ("upstream_cache_status", Shape::Word),
    ("upstream_connect_time", Shape::List),
    ("upstream_header_time", Shape::List),
    ("upstream_last_addr", Shape::Any),
    ("upstream_queue_time", Shape::List),
    ("upstream_response_length", Shape::List),
    ("upstream_response_time", Shape::List),
    ("upstream_status", Shape::List),
];
/// Families whose names go on with a header's, a cookie's, a capture's.
const FAMILIES: [&str; 19] = [
    "arg_",
    "cookie_",
    "geoip_",
    "geoip2_",
    "http_",
    "jwt_",
    "otel_",
    "proxy_protocol_",
    "secure_link_",
    "sent_http_",
    "sent_trailer_",
    "spdy_",
    "ssl_",
    "ssi_",
    "tcpinfo_",
    "upstream_cookie_",
    "upstream_http_",
    "upstream_trailer_",
    "connections_",
];

/// The pattern within the directive of a configuration (`log_format main '…' '…';`), if it is one; else the text
/// itself.
pub(super) fn pattern_of(text: &str) -> Result<String> {
    let text = text.trim_matches(['\r', '\n']);
    let Some(rest) =
        text.trim_start().strip_prefix("log_format").filter(|rest| rest.starts_with([' ', '\t']))
    else {
        return Ok(text.to_owned());
    };
    let rest = rest.trim_start();
    let name_end = rest.find(char::is_whitespace).unwrap_or(rest.len());
    let mut rest = rest[name_end..].trim_start();
    let mut pattern = String::new();
    loop {
        let Some(quote) = rest.chars().next().filter(|c| *c != ';') else { return Ok(pattern) };
        let mut chars = rest.char_indices().skip(usize::from(matches!(quote, '\'' | '"')));
        let mut piece = String::new();
        let mut end = rest.len();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some((_, escaped @ ('\'' | '"' | '\\'))) => piece.push(escaped),
                    Some((_, 't')) => piece.push('\t'),
                    Some((_, other)) => piece.extend(['\\', other]),
                    None => piece.push('\\'),
                },
                c if c == quote && matches!(quote, '\'' | '"') => {
                    end = at + 1;
                    break;
                }
                c if !matches!(quote, '\'' | '"') && (c.is_whitespace() || c == ';') => {
                    end = at;
                    break;
                }
                c => piece.push(c),
            }
        }
        if matches!(quote, '\'' | '"') && (end == rest.len() && !rest[1..].ends_with(quote)) {
            return Err(Error::invalid("the directive log_format ends within quotes; write it whole"));
        }
        // `escape=json` says how values are escaped, which the values show themselves.
        if !piece.starts_with("escape=") || matches!(quote, '\'' | '"') {
            pattern.push_str(&piece);
        }
        rest = rest[end..].trim_start();
    }
}

/// The pieces of a pattern. `own` are variables that the configuration makes itself (`set`, `map`).
pub(super) fn pieces(pattern: &str, own: &[&str]) -> Result<Vec<PatternPiece>> {
    let mut pieces = Vec::new();
    let mut rest = pattern;
    while let Some(dollar) = rest.find('$') {
        if dollar > 0 {
            pieces.push(PatternPiece::Literal(rest[..dollar].to_owned()));
        }
        let at = pattern.len() - rest.len() + dollar;
        let place = 1 + pattern[..at].chars().count();
        rest = &rest[dollar + 1..];
        let braced = rest.strip_prefix('{');
        let named = braced.unwrap_or(rest);
        let end = named.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(named.len());
        let name = &named[..end];
        rest = &named[end..];
        if let Some(behind) = rest.strip_prefix('}').filter(|_| braced.is_some()) {
            rest = behind;
        } else if braced.is_some() || name.is_empty() {
            return Err(Error::invalid(format!(
                "there is a `$` without a variable's name at character {place} of the pattern"
            )));
        }
        pieces.push(variable(name, own).ok_or_else(|| unknown(name, place))?);
        if pieces.len() > 2 * MOST_VALUES {
            return Err(Error::invalid(format!("the pattern has more than {MOST_VALUES} variables")));
        }
    }
    if !rest.is_empty() {
        pieces.push(PatternPiece::Literal(rest.to_owned()));
    }
    Ok(pieces)
}

fn unknown(name: &str, place: usize) -> Error {
    let names = VARIABLES.map(|(name, _)| format!("${name}"));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Error::invalid(format!(
        "nginx has no variable `${name}`{}, at character {place} of the pattern; one that your configuration makes \
         (set, map) is named: LogFormat::nginx_with(…, &[\"{name}\"])",
        near(&format!("${name}"), &names)
    ))
}

fn variable(name: &str, own: &[&str]) -> Option<PatternPiece> {
    let known = VARIABLES.iter().find(|(known, _)| *known == name).map(|(_, shape)| *shape);
    let shape = known.or_else(|| {
        let of_family = FAMILIES.iter().any(|family| name.len() > family.len() && name.starts_with(family));
        // `$1` is a capture of a regular expression.
        let is_capture = name.bytes().all(|b| b.is_ascii_digit());
        (of_family || is_capture || own.contains(&name)).then_some(Shape::Any)
    })?;
    let meaning = match name {
        "remote_addr" => Meaning::Client,
        "http_x_forwarded_for" | "proxy_add_x_forwarded_for" => Meaning::XForwardedFor,
        "http_forwarded" => Meaning::Forwarded,
        "time_local" => Meaning::Time(TimeText::Server),
        "time_iso8601" => Meaning::Time(TimeText::Any),
        "msec" => Meaning::Time(TimeText::Epoch(EpochUnit::Seconds)),
        "request" => Meaning::Request,
        "request_method" => Meaning::field("method"),
        "request_uri" | "uri" | "document_uri" => Meaning::field("path"),
        "args" | "query_string" => Meaning::Query,
        "body_bytes_sent" | "bytes_sent" => Meaning::field("bytes"),
        "remote_user" => Meaning::field("user"),
        "http_referer" => Meaning::field("referer"),
        "http_user_agent" => Meaning::field("user_agent"),
        "host" | "http_host" | "server_name" => Meaning::field("host"),
        other => Meaning::field(other),
    };
    Some(PatternPiece::Value { directive: format!("${name}"), meaning, shape })
}

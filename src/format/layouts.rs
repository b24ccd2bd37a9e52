//! The layouts of logs that many servers write, by name, and which of them lines are in.

use std::str::FromStr;
use std::sync::Arc;

use super::extended_fields::{ExtendedFields, fields_of};
use super::json_template::JsonTemplate;
use super::line_prefix::LinePrefix;
use super::line_reader::LineReader;
use super::log_format::{Layout, LogFormat};
use super::log_pattern::LogPattern;
use super::meaning::{Meaning, TimeText};
use super::nginx_pattern;
use crate::error::{Error, Result};
use crate::text::printable;

/// All that have a name, in the order in which the one of unknown lines is looked for.
pub(super) const NAMES: [&str; 9] =
    ["combined", "common", "vhost_combined", "alb", "elb", "caddy", "traefik", "nginx_json", "w3c"];

impl LogFormat {
    /// `192.0.2.10 - ann [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 512`, and what may follow.
    ///
    /// ```
    /// # use kinesis_lab::LogFormat;
    /// assert_eq!(LogFormat::common().to_string(), "common");
    /// ```
    pub fn common() -> LogFormat {
        LogFormat::of("common", Layout::Plain)
    }

    /// The same with the referer and the user agent in quotes: what nginx and Apache write if nothing else was
    /// set, and what the default of everything reads, too.
    ///
    /// ```
    /// # use kinesis_lab::LogFormat;
    /// let mine = LogFormat::combined().key(&["user_agent"]);
    /// assert_eq!(mine.to_string(), "combined");
    /// ```
    pub fn combined() -> LogFormat {
        LogFormat::of("combined", Layout::Plain)
    }

    /// Apache's `vhost_combined`: the virtual host's name, with its port or without, before the rest.
    ///
    /// ```
    /// # use kinesis_lab::{AnyFormat, LogFormat, Record, Timestamp};
    /// let line = r#"shop.example:443 192.0.2.10 - - [17/May/2015:10:05:00 +0000] "GET /0 HTTP/1.1" 200 512"#;
    /// let format = AnyFormat::from(LogFormat::vhost_combined());
    /// let event = format.events(&Record::new("any", line, "1", Timestamp::now())).remove(0)?;
    /// assert_eq!((event.key.raw(), event.fields["host"].raw()), ("192.0.2.10", "shop.example"));
    /// # Ok::<(), kinesis_lab::EventError>(())
    /// ```
    pub fn vhost_combined() -> LogFormat {
        LogFormat::of("vhost_combined", Layout::VirtualHost)
    }

    /// An Application Load Balancer's of AWS (its user guide, *Access log entries*).
    ///
    /// ```
    /// # use kinesis_lab::{AnyFormat, LogFormat, Record, Timestamp};
    /// let line = "https 2024-03-12T15:22:28.463821Z app/lb/490d 192.0.2.10:44740 10.0.0.1:80 0.000 0.001 0.000 \
    ///             200 200 34 366 \"GET https://www.example.com:443/ HTTP/1.1\" \"curl/8\" ECDHE TLSv1.2 arn:x";
    /// let format = AnyFormat::from(LogFormat::alb());
    /// let event = format.events(&Record::new("any", line, "1", Timestamp::now())).remove(0)?;
    /// assert_eq!((event.key.raw(), event.fields["bytes"].raw()), ("192.0.2.10", "366"));
    /// # Ok::<(), kinesis_lab::EventError>(())
    /// ```
    pub fn alb() -> LogFormat {
        balancer("alb", true)
    }

    /// A Classic Load Balancer's of AWS.
    ///
    /// ```
    /// # use kinesis_lab::{AnyFormat, LogFormat, Record, Timestamp};
    /// let line = "2015-05-13T23:39:43.945958Z my-lb 192.0.2.10:2817 10.0.0.1:80 0.000073 0.001 0.000057 200 200 0 \
    ///             29 \"GET http://www.example.com:80/ HTTP/1.1\" \"curl/7.38.0\" - -";
    /// let format = AnyFormat::from(LogFormat::elb());
    /// let event = format.events(&Record::new("any", line, "1", Timestamp::now())).remove(0)?;
    /// assert_eq!((event.key.raw(), event.fields["status"].raw()), ("192.0.2.10", "200"));
    /// # Ok::<(), kinesis_lab::EventError>(())
    /// ```
    pub fn elb() -> LogFormat {
        balancer("elb", false)
    }

    /// Caddy's JSON. Its `client_ip` is whom Caddy's own `trusted_proxies` believe; before 2.7 there is only the
    /// peer, `remote_ip`.
    ///
    /// ```
    /// # use kinesis_lab::{AnyFormat, LogFormat, Record, Timestamp};
    /// let line = r#"{"ts":1710256948.5,"request":{"client_ip":"192.0.2.10","method":"GET","uri":"/a"},"status":200}"#;
    /// let format = AnyFormat::from(LogFormat::caddy());
    /// let event = format.events(&Record::new("any", line, "1", Timestamp::now())).remove(0)?;
    /// assert_eq!((event.key.raw(), event.fields["path"].raw()), ("192.0.2.10", "/a"));
    /// # Ok::<(), kinesis_lab::EventError>(())
    /// ```
    pub fn caddy() -> LogFormat {
        json(
            "caddy",
            &[
                (&["request.client_ip", "request.remote_ip", "request.remote_addr"], Meaning::Client),
                (&["ts", "time"], Meaning::Time(TimeText::Any)),
                (&["request.method"], Meaning::field("method")),
                (&["request.uri"], Meaning::field("path")),
                (&["status"], Meaning::field("status")),
                (&["size"], Meaning::field("bytes")),
                (&["request.headers.User-Agent.0"], Meaning::field("user_agent")),
                (&["request.headers.Referer.0"], Meaning::field("referer")),
                (&["request.headers.X-Forwarded-For"], Meaning::XForwardedFor),
                (&["user_id"], Meaning::field("user")),
                (&["request.host"], Meaning::field("host")),
                (&["duration"], Meaning::field("duration")),
            ],
        )
    }

    /// Traefik's JSON (`accessLog.format: json`).
    ///
    /// ```
    /// # use kinesis_lab::{AnyFormat, LogFormat, Record, Timestamp};
    /// let line = r#"{"ClientHost":"192.0.2.10","StartUTC":"2024-03-01T10:15:00.123Z","RequestMethod":"GET",
    ///     "RequestPath":"/a","DownstreamStatus":404,"DownstreamContentSize":19}"#.replace('\n', "");
    /// let format = AnyFormat::from(LogFormat::traefik());
    /// let event = format.events(&Record::new("any", line, "1", Timestamp::now())).remove(0)?;
    /// assert_eq!((event.key.raw(), event.fields["status"].raw()), ("192.0.2.10", "404"));
    /// # Ok::<(), kinesis_lab::EventError>(())
    /// ```
    pub fn traefik() -> LogFormat {
        json(
            "traefik",
            &[
                (&["ClientHost", "ClientAddr"], Meaning::Client),
                (&["StartUTC", "StartLocal", "time"], Meaning::Time(TimeText::Any)),
                (&["RequestMethod"], Meaning::field("method")),
                (&["RequestPath"], Meaning::field("path")),
                (&["DownstreamStatus", "OriginStatus"], Meaning::field("status")),
                (&["DownstreamContentSize", "OriginContentSize"], Meaning::field("bytes")),
                (&["request_User-Agent"], Meaning::field("user_agent")),
                (&["request_Referer"], Meaning::field("referer")),
                (&["request_X-Forwarded-For"], Meaning::XForwardedFor),
                (&["ClientUsername"], Meaning::field("user")),
                (&["RequestHost", "RequestAddr"], Meaning::field("host")),
                (&["Duration"], Meaning::field("duration_ns")),
            ],
        )
    }

    /// JSON of nginx, whose members bear the names of its variables, or those that most configurations give
    /// them. For others, [`LogFormat::nginx`] reads your own `log_format … escape=json '{…}'`.
    ///
    /// ```
    /// # use kinesis_lab::{AnyFormat, LogFormat, Record, Timestamp};
    /// let line = r#"{"time_iso8601":"2024-03-01T10:15:00+00:00","remote_addr":"192.0.2.10","status":"404"}"#;
    /// let format = AnyFormat::from(LogFormat::nginx_json());
    /// let event = format.events(&Record::new("any", line, "1", Timestamp::now())).remove(0)?;
    /// assert_eq!((event.key.raw(), event.fields["status"].raw()), ("192.0.2.10", "404"));
    /// # Ok::<(), kinesis_lab::EventError>(())
    /// ```
    pub fn nginx_json() -> LogFormat {
        json(
            "nginx_json",
            &[
                (&["remote_addr", "remote_ip", "client_ip", "clientip", "client"], Meaning::Client),
                (
                    &["time_iso8601", "@timestamp", "timestamp", "time_local", "time", "msec", "ts"],
                    Meaning::Time(TimeText::Any),
                ),
                (&["request"], Meaning::Request),
                (&["request_method", "method"], Meaning::field("method")),
                (&["request_uri", "uri", "path"], Meaning::field("path")),
                (&["args", "query_string"], Meaning::Query),
                (&["status"], Meaning::field("status")),
                (&["body_bytes_sent", "bytes_sent", "bytes", "size"], Meaning::field("bytes")),
                (&["http_user_agent", "user_agent", "agent"], Meaning::field("user_agent")),
                (&["http_referer", "http_referrer", "referer", "referrer"], Meaning::field("referer")),
                (&["http_x_forwarded_for", "x_forwarded_for"], Meaning::XForwardedFor),
                (&["remote_user", "user"], Meaning::field("user")),
                (&["http_host", "host", "server_name"], Meaning::field("host")),
                (&["request_id"], Meaning::field("request_id")),
                (&["request_time"], Meaning::field("request_time")),
            ],
        )
    }

    /// W3C's extended format, which IIS and CloudFront write: a line `#Fields: date time c-ip …` says what the
    /// columns of those behind it are, in a file or in a record. From a file, [`AccessLog`](crate::AccessLog) puts
    /// it before each line, so that each is a record that can be read.
    ///
    /// ```
    /// # use kinesis_lab::{AnyFormat, LogFormat, Record, Timestamp};
    /// let data = "#Version: 1.0\n#Fields: date time c-ip cs-method cs-uri-stem sc-status\n\
    ///             2024-03-01 10:15:00 192.0.2.10 GET /a 404\n";
    /// let events = AnyFormat::from(LogFormat::w3c()).events(&Record::new("any", data, "1", Timestamp::now()));
    /// assert_eq!(events.len(), 1);
    /// assert_eq!(events[0].as_ref().unwrap().fields["path"], "/a");
    /// ```
    pub fn w3c() -> LogFormat {
        LogFormat::of("w3c", Layout::Extended(None))
    }

    /// The same for lines that come without it.
    ///
    /// ```
    /// # use kinesis_lab::{AnyFormat, LogFormat, Record, Timestamp};
    /// let format = AnyFormat::from(LogFormat::w3c_with("#Fields: date time c-ip cs-method")?);
    /// let record = Record::new("any", "2024-03-01\t10:15:00\t192.0.2.10\tGET", "1", Timestamp::now());
    /// assert_eq!(format.events(&record).remove(0)?.key, "192.0.2.10");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when it names no fields.
    pub fn w3c_with(fields: &str) -> Result<LogFormat> {
        let read = ExtendedFields::read(fields).ok_or_else(|| {
            Error::invalid("there are no fields; write the log's line #Fields: date time c-ip …")
        })?;
        Ok(LogFormat::of(fields, Layout::Extended(Some(Arc::new(read)))))
    }
}

/// A name ([`LogFormat::combined`] and others: `combined`, `common`, `vhost_combined`, `alb`, `elb`, `caddy`,
/// `traefik`, `nginx_json`, `w3c`), or a pattern: one with a `$` is nginx', one with a `%` Apache's, one that
/// begins with `#Fields:` W3C's.
impl FromStr for LogFormat {
    type Err = Error;

    fn from_str(text: &str) -> Result<LogFormat> {
        if let Some(format) = named(text.trim()) {
            return Ok(format);
        }
        if fields_of(text).is_some() {
            return LogFormat::w3c_with(text);
        }
        match (text.contains('$'), text.contains('%')) {
            (true, _) => LogFormat::nginx(text),
            (_, true) => LogFormat::apache(text),
            _ => Err(Error::invalid(format!(
                "there is no log format `{}`; it is one of {}, or a pattern of nginx or Apache",
                printable(text.as_bytes()),
                NAMES.join(", ")
            ))),
        }
    }
}

/// By its name.
pub(super) fn named(name: &str) -> Option<LogFormat> {
    Some(match name {
        "common" => LogFormat::common(),
        "combined" => LogFormat::combined(),
        "vhost_combined" => LogFormat::vhost_combined(),
        "alb" => LogFormat::alb(),
        "elb" => LogFormat::elb(),
        "caddy" => LogFormat::caddy(),
        "traefik" => LogFormat::traefik(),
        "nginx_json" => LogFormat::nginx_json(),
        "w3c" => LogFormat::w3c(),
        _ => return None,
    })
}

/// Which known layout these lines are all in, as a sentence that says what to write.
pub(super) fn fitting(lines: &[Vec<u8>]) -> Option<String> {
    let fits = |format: &LogFormat| {
        let mut reader = LineReader::of(format);
        let read: Vec<bool> =
            lines.iter().filter_map(|line| reader.read(line)).map(|found| found.is_ok()).collect();
        !read.is_empty() && read.iter().all(|is_ok| *is_ok)
    };
    for name in NAMES {
        if named(name).is_some_and(|format| fits(&format)) {
            return Some(format!(
                "its first lines are in the layout `{name}`: LogFormat::{name}(), --log-format {name}"
            ));
        }
    }
    for prefix in LinePrefix::ALL {
        // A line that does not have the prefix was tried above.
        let is_behind = lines.iter().all(|line| prefix.strip(line).is_some());
        for name in NAMES.iter().filter(|_| is_behind) {
            if named(name).is_some_and(|format| fits(&format.behind(prefix))) {
                let word = prefix.name();
                return Some(format!(
                    "its first lines are in the layout `{name}` behind what {word} puts before them: \
                     LogFormat::{name}().behind(LinePrefix::{prefix:?}), --log-format {name} --behind {word}"
                ));
            }
        }
    }
    forwarded(lines)
}

/// A log of which `X-Forwarded-For` stands where the client should.
fn forwarded(lines: &[Vec<u8>]) -> Option<String> {
    let pattern = r#"$http_x_forwarded_for - $remote_user [$time_local] "$request" $status $body_bytes_sent"#;
    let pieces = nginx_pattern::pieces(pattern, &[]).ok()?;
    let format = LogFormat::of(pattern, Layout::Pattern(Arc::new(LogPattern::new(pieces).open_ended())));
    let format = format.trusted_proxies(&["0.0.0.0/0", "::/0"]).ok()?;
    let mut reader = LineReader::of(&format);
    let is_list = lines
        .iter()
        .any(|line| line.split(|byte| *byte == b'[').next().is_some_and(|start| start.contains(&b',')));
    let all = lines.iter().filter_map(|line| reader.read(line)).all(|found| found.is_ok());
    (all && is_list).then(|| {
        "its first lines begin with the addresses of X-Forwarded-For: say which proxies are trusted, \
         LogFormat::nginx(\"$http_x_forwarded_for - $remote_user [$time_local] …\")?.trusted_proxies(&[\"10.0.0.0/8\"])"
            .to_owned()
    })
}

fn json(name: &str, members: &[(&[&str], Meaning)]) -> LogFormat {
    LogFormat::of(name, Layout::Json(Arc::new(JsonTemplate::of(members))))
}

fn balancer(name: &str, typed: bool) -> LogFormat {
    const OWN: [&str; 6] = ["type", "elb", "target", "target_time", "response_time", "target_status"];
    let pattern = format!(
        "{}$time_iso8601 $elb $remote_addr:$remote_port $target $request_time $target_time $response_time $status \
         $target_status $bytes_received $bytes_sent \"$request\" \"$http_user_agent\"",
        if typed { "$type " } else { "" }
    );
    // Never wrong: a test reads a line of each.
    let pieces = nginx_pattern::pieces(&pattern, &OWN).unwrap_or_default();
    LogFormat::of(name, Layout::Pattern(Arc::new(LogPattern::new(pieces).open_ended())))
}

//! [`LogFormat`]: the lines of any web server's log as events.

use std::fmt;
use std::sync::Arc;

use super::apache_pattern;
use super::extended_fields::ExtendedFields;
use super::json_template::JsonTemplate;
use super::line_prefix::LinePrefix;
use super::line_values::{Counted, LineValues};
use super::log_pattern::LogPattern;
use super::meaning::Meaning;
use super::nginx_pattern;
use crate::error::{Error, Result};
use crate::event::{Event, EventError, client_of_line, is_joined, line_event, trusted_network};
use crate::harmless::Text;
use crate::key_parts::push_part;

/// Reads the lines of a web server's log by the server's own pattern: the line from its configuration is the
/// format. Each line of a record is an event.
///
/// ```
/// use kinesis_lab::{LogFormat, prelude::*};
///
/// let format = LogFormat::nginx(
///     r#"$remote_addr $host [$time_iso8601] "$request" $status $body_bytes_sent $request_time"#,
/// )?;
/// let stream = Kinesis::local()?.create_stream("log", 1)?;
/// stream.put("any", r#"192.0.2.10 shop.example [2024-03-01T10:15:00+00:00] "GET / HTTP/1.1" 200 512 0.004"#)?;
/// let mut counter = Counter::per_minute().reading(format);
/// stream.consumer().trim_horizon().run_until_caught_up(&mut counter)?;
/// assert_eq!(counter.to_string(), "2024-03-01 10:15:00 : [('192.0.2.10', 1)]\n");
/// # Ok::<(), Error>(())
/// ```
///
/// An event's key is the client, its fields have the names that playbooks know, whatever the server calls them:
/// `method`, `path`, `status`, `bytes`, `user`, `referer`, `user_agent`, `host`; others have the server's own
/// (`request_time`, `http_x_tenant`). Texts are as the server wrote them, with its escapes.
///
/// Who asks writes `X-Forwarded-For`: it names the client only where
/// [`trusted_proxies`](LogFormat::trusted_proxies) says whose word is taken.
///
/// A name or a pattern in one text, as on a command line: `"alb".parse::<LogFormat>()`.
#[derive(Clone)]
pub struct LogFormat {
    pub(super) layout: Layout,
    pub(super) counted: Counted,
    pub(super) prefix: Option<LinePrefix>,
    /// As one would write it again.
    name: Arc<str>,
}

#[derive(Clone)]
pub(super) enum Layout {
    /// Common and combined, as the default reads them.
    Plain,
    /// The same, behind the virtual host's name.
    VirtualHost,
    Pattern(Arc<LogPattern>),
    Json(Arc<JsonTemplate>),
    /// With the fields that were told.
    Extended(Option<Arc<ExtendedFields>>),
}

impl LogFormat {
    pub(super) fn of(name: &str, layout: Layout) -> LogFormat {
        LogFormat { layout, counted: Counted::default(), prefix: None, name: name.into() }
    }

    /// nginx' `log_format`: the pattern, or the whole directive (`log_format main '…';`), with any `escape`. One
    /// that is a JSON object is read as JSON.
    ///
    /// ```
    /// # use kinesis_lab::LogFormat;
    /// let error = LogFormat::nginx("$remote_adr - $remote_user [$time_local]").unwrap_err();
    /// let sentence = "nginx has no variable `$remote_adr` (did you mean `$remote_addr`?), at character 1 of the pattern";
    /// assert!(error.to_string().contains(sentence), "{error}");
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for a variable that nginx does not have, with its
    /// place; for a pattern without a time.
    pub fn nginx(pattern: &str) -> Result<LogFormat> {
        LogFormat::nginx_with(pattern, &[])
    }

    /// The same, with variables that the configuration makes itself (`set`, `map`).
    ///
    /// ```
    /// # use kinesis_lab::{AnyFormat, LogFormat, Record, Timestamp};
    /// let format = LogFormat::nginx_with("$remote_addr $tenant [$time_local]", &["tenant"])?;
    /// let format = AnyFormat::from(format.key(&["tenant"]));
    /// let line = "192.0.2.10 acme [01/Mar/2024:10:15:00 +0000]";
    /// let event = format.events(&Record::new("any", line, "1", Timestamp::now())).remove(0)?;
    /// assert_eq!((event.key.raw(), event.fields["tenant"].raw()), ("acme", "acme"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`nginx`](LogFormat::nginx).
    pub fn nginx_with(pattern: &str, own: &[&str]) -> Result<LogFormat> {
        let text = nginx_pattern::pattern_of(pattern)?;
        if text.trim_start().starts_with('{') {
            let template = JsonTemplate::of_nginx(&text, own)?;
            has_time(template.meanings(), "$time_iso8601")?;
            return Ok(LogFormat::of(pattern, Layout::Json(Arc::new(template))));
        }
        let found = LogPattern::new(nginx_pattern::pieces(&text, own)?);
        has_time(found.values().iter().map(|value| &value.meaning), "[$time_local]")?;
        Ok(LogFormat::of(pattern, Layout::Pattern(Arc::new(found))))
    }

    /// Apache's `LogFormat`: the pattern, or the whole directive (`LogFormat "…" name`).
    ///
    /// ```
    /// use kinesis_lab::{AnyFormat, LogFormat, Record, Timestamp};
    ///
    /// let format = AnyFormat::from(LogFormat::apache(r#"%h %l %u %t "%r" %>s %b %D "%{X-Tenant}i""#)?);
    /// let line = r#"192.0.2.10 - ann [01/Mar/2024:11:15:00 +0100] "GET / HTTP/1.1" 200 512 4120 "acme""#;
    /// let event = format.events(&Record::new("any", line, "1", Timestamp::now())).remove(0)?;
    /// assert_eq!(event.time.plain(0), "2024-03-01 10:15:00");
    /// assert_eq!((event.fields["user"].raw(), event.fields["http_x_tenant"].raw()), ("ann", "acme"));
    ///
    /// let error = LogFormat::apache("%h %l %Z").unwrap_err().to_string();
    /// assert!(error.contains("no directive `%Z` (character 7 of the pattern)"), "{error}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for a directive that Apache does not have, with
    /// its place; for a pattern without a time.
    pub fn apache(pattern: &str) -> Result<LogFormat> {
        let found = LogPattern::new(apache_pattern::pieces(&apache_pattern::pattern_of(pattern)?)?);
        has_time(found.values().iter().map(|value| &value.meaning), "%t")?;
        Ok(LogFormat::of(pattern, Layout::Pattern(Arc::new(found))))
    }

    /// What carried the log has put this before each line. A line that has it not is read as it is.
    ///
    /// ```
    /// # use kinesis_lab::{AnyFormat, LinePrefix, LogFormat, Record, Timestamp};
    /// let format = AnyFormat::from(LogFormat::common().behind(LinePrefix::Compose));
    /// let line = r#"web-1  | 192.0.2.10 - - [01/Mar/2024:10:15:00 +0000] "GET / HTTP/1.1" 200 512"#;
    /// let event = format.events(&Record::new("any", line, "1", Timestamp::now())).remove(0)?;
    /// assert_eq!(event.key, "192.0.2.10");
    /// # Ok::<(), kinesis_lab::EventError>(())
    /// ```
    pub fn behind(mut self, prefix: LinePrefix) -> LogFormat {
        self.prefix = Some(prefix);
        self
    }

    /// The client is behind these proxies, addresses or networks: the log's client is the first of them, and
    /// where it is one, the client is whom its `X-Forwarded-For` names last; where that is
    /// another one of them, the one before; and so on. As the [`Agent`](crate::Agent) does it. `Forwarded` counts where
    /// the log has no `X-Forwarded-For`: who asks can write the one that the proxy does not. Where the line has
    /// no client but the header, its last address is taken for what one's own server wrote.
    ///
    /// ```
    /// use kinesis_lab::{AnyFormat, LogFormat, Record, Timestamp};
    ///
    /// let pattern = r#"$remote_addr [$time_local] "$http_x_forwarded_for""#;
    /// let format = AnyFormat::from(LogFormat::nginx(pattern)?.trusted_proxies(&["10.0.0.0/8"])?);
    /// let key = |line: &str| {
    ///     format.events(&Record::new("any", line, "1", Timestamp::now())).remove(0).map(|event| event.key.into())
    /// };
    /// let proxied: String = key(r#"10.0.0.1 [01/Mar/2024:10:15:00 +0000] "203.0.113.9, 192.0.2.10, 10.0.0.2""#)?;
    /// let direct: String = key(r#"198.51.100.7 [01/Mar/2024:10:15:00 +0000] "203.0.113.9""#)?;
    /// assert_eq!((proxied.as_str(), direct.as_str()), ("192.0.2.10", "198.51.100.7"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for what is no network, and for a pattern
    /// without such a header.
    pub fn trusted_proxies(mut self, proxies: &[&str]) -> Result<LogFormat> {
        if !self.has_forwarded() {
            return Err(Error::invalid(format!(
                "the format `{self}` has no X-Forwarded-For, in which a proxy could name the client; log it: \
                 $http_x_forwarded_for, %{{X-Forwarded-For}}i"
            )));
        }
        let networks = proxies.iter().map(|proxy| trusted_network(proxy)).collect::<Result<_>>()?;
        self.counted.trusted = Some(networks);
        Ok(self)
    }

    /// What is counted in place of the client: the values of these fields, with a space between; `ip` is the
    /// client. Of several, a space in one is `\x20`, a backslash `\\`. A line that does not have all of them is
    /// refused. The client is the event's field `ip` then, by which playbooks go.
    ///
    /// ```
    /// # use kinesis_lab::{AnyFormat, LogFormat, Record, Timestamp};
    /// let format = AnyFormat::from(LogFormat::combined().key(&["path", "status"]));
    /// let line = r#"192.0.2.10 - - [01/Mar/2024:10:15:00 +0000] "GET /cart HTTP/1.1" 404 512"#;
    /// let event = format.events(&Record::new("any", line, "1", Timestamp::now())).remove(0)?;
    /// assert_eq!((event.key.raw(), event.fields["ip"].raw()), ("/cart 404", "192.0.2.10"));
    /// # Ok::<(), kinesis_lab::EventError>(())
    /// ```
    pub fn key(mut self, fields: &[&str]) -> LogFormat {
        self.counted.key = fields.iter().map(|field| Text::from(*field)).collect();
        self
    }

    /// The field that is the event's identity: one that was counted before is not counted again. Default: an
    /// event has none. Only one that your server makes (`request_id`, `log_id`): who asks chooses a header.
    ///
    /// ```
    /// # use kinesis_lab::{AnyFormat, LogFormat, Record, Timestamp};
    /// let format = AnyFormat::from(LogFormat::nginx("$remote_addr $msec $request_id")?.id("request_id"));
    /// let record = Record::new("any", "192.0.2.10 1709288100.250 5f3a", "1", Timestamp::now());
    /// assert_eq!(format.events(&record).remove(0)?.id.unwrap(), "5f3a");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn id(mut self, field: &str) -> LogFormat {
        self.counted.id = Some(field.into());
        self
    }

    fn has_forwarded(&self) -> bool {
        let is = |meaning: &Meaning| matches!(meaning, Meaning::XForwardedFor | Meaning::Forwarded);
        match &self.layout {
            Layout::Plain | Layout::VirtualHost => false,
            Layout::Pattern(pattern) => pattern.values().iter().any(|value| is(&value.meaning)),
            Layout::Json(template) => template.meanings().any(is),
            // What is not known yet may have it.
            Layout::Extended(fields) => fields.as_ref().is_none_or(|fields| fields.meanings().any(is)),
        }
    }

    pub(super) fn line(&self, line: &[u8], fields: Option<&ExtendedFields>) -> Result<Event, EventError> {
        let not_like = |error: String| EventError::new(&error);
        let values = match &self.layout {
            Layout::Plain => return self.counted_of(line_event(line)?),
            Layout::VirtualHost => {
                let space = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
                let (host, rest) = line.split_at(space);
                let host = String::from_utf8_lossy(host);
                let name = host.rsplit_once(':').map_or(&*host, |(name, _)| name);
                // Anything else before the client is no host's name: a list of addresses, syslog's words.
                let name = client_of_line(name).or_else(|| client_of_line(&host));
                let name =
                    name.ok_or_else(|| EventError::new("it does not begin with a virtual host's name"))?;
                let mut event = line_event(rest.trim_ascii_start())?;
                event.fields.insert("host".into(), name.into());
                return self.counted_of(event);
            }
            Layout::Pattern(pattern) => {
                let found = pattern.find(line).map_err(not_like)?;
                if pattern.request_on(line, &found).is_some_and(is_joined) {
                    return Err(EventError::new("two lines in one: the line feed between them is missing"));
                }
                let mut values = LineValues::default();
                for (value, range) in pattern.values().iter().zip(found) {
                    values.add(&value.meaning, &line[range])?;
                }
                values
            }
            Layout::Json(template) => template.read(line)?,
            Layout::Extended(_) => match fields {
                Some(fields) => fields.values(line)?,
                None => return Err(EventError::new("no line #Fields: has said what its columns are")),
            },
        };
        values.event(&self.counted)
    }

    /// Of an event whose key is the client: what is counted, and its id.
    fn counted_of(&self, mut event: Event) -> Result<Event, EventError> {
        let mut key = String::new();
        for (n, field) in self.counted.key.iter().enumerate() {
            let value = if *field == "ip" { Some(&event.key) } else { event.fields.get(field) };
            let value = value.ok_or_else(|| EventError::new(&format!("it has no `{}`", field.raw())))?;
            push_part(&mut key, n, self.counted.key.len(), value.raw());
        }
        event.id = self.counted.id.as_ref().and_then(|id| event.fields.get(id)).cloned();
        if !self.counted.key.is_empty() {
            let client = std::mem::replace(&mut event.key, key.into());
            event.fields.entry("ip".into()).or_insert(client);
        }
        Ok(event)
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::text::printable(self.name.as_bytes()))
    }
}

impl fmt::Debug for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn has_time<'a>(mut meanings: impl Iterator<Item = &'a Meaning>, write: &str) -> Result<()> {
    match meanings.any(|meaning| matches!(meaning, Meaning::Time(_))) {
        true => Ok(()),
        false => {
            Err(Error::invalid(format!("the pattern has no time, and an event needs one; log it: {write}")))
        }
    }
}

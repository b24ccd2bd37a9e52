//! [`PostgresUrl`]: where a database is, and who asks. Its password is shown to nobody.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::error::{Error, Result};

/// How long a server may take to answer at first.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection on which nothing is said is asked after this, and again and again, whether anybody is there.
const KEEPALIVE: Duration = Duration::from_secs(10);
const KEEPALIVE_RETRIES: u32 = 3;
/// How long what was sent may stay without a receipt: a line that was cut is given up then.
const SENT: Duration = Duration::from_secs(20);

/// An address as `postgres://user:password@host:port/database?sslmode=verify-full`.
#[derive(Clone)]
pub(crate) struct PostgresUrl {
    pub(super) config: Config,
    pub(super) check: Check,
    /// In place of those that the system trusts.
    pub(super) roots: Option<PathBuf>,
}

/// What is asked of the server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    Nothing,
    /// That one of the roots has signed it …
    Authority,
    /// … and that it is of the host that the address names.
    AuthorityAndHost,
}

impl PostgresUrl {
    /// Reads an address; environment variables say what it does not.
    pub(crate) fn parse(text: &str) -> Result<PostgresUrl> {
        let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        PostgresUrl::parse_with(text, &environment)
    }

    fn parse_with(text: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<PostgresUrl> {
        let (plain, options) = take_options(text)?;
        // Not the driver's own words, nor as a source: what it quotes may be a part of the password.
        let config: Result<Config, _> = plain.parse();
        let mut config = config.map_err(|_| {
            refused("it does not read as one (in a user's name or a password, write : / ? # @ % as %3A %2F %3F %23 %40 %25)")
        })?;
        let at = |host: &Host| matches!(host, Host::Tcp(name) if name.contains('@'));
        if config.get_hosts().iter().any(at) {
            return Err(refused("it has two @: write the one in the password as %40"));
        }
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            match environment("PGHOST") {
                Some(host) => config.host(host),
                None => return Err(refused("it names no host")),
            };
        }
        if config.get_user().is_none()
            && let Some(user) = environment("PGUSER")
        {
            config.user(user);
        }
        if config.get_password().is_none()
            && let Some(password) = environment("PGPASSWORD")
        {
            config.password(password);
        }
        let here =
            config.get_hosts().iter().all(is_here) && config.get_hostaddrs().iter().all(IpAddr::is_loopback);
        let roots = options.roots.or_else(|| environment("PGSSLROOTCERT")).map(PathBuf::from);
        let mode = options.mode.or_else(|| environment("PGSSLMODE"));
        let (ssl, check) = match mode.as_deref() {
            Some("disable") => (SslMode::Disable, Check::Nothing),
            Some("prefer") => (SslMode::Prefer, Check::Nothing),
            // As PostgreSQL's own library has it: who gives roots wants them asked.
            Some("require") if roots.is_some() => (SslMode::Require, Check::Authority),
            Some("require") => (SslMode::Require, Check::Nothing),
            Some("verify-ca") => (SslMode::Require, Check::Authority),
            Some("verify-full") => (SslMode::Require, Check::AuthorityAndHost),
            None if here => (SslMode::Prefer, Check::Nothing),
            None => (SslMode::Require, Check::AuthorityAndHost),
            Some(_) => {
                return Err(refused(
                    "its sslmode is none of disable, prefer, require, verify-ca and verify-full",
                ));
            }
        };
        config.ssl_mode(ssl);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if !options.keepalives {
            config
                .keepalives_idle(KEEPALIVE)
                .keepalives_interval(KEEPALIVE)
                .keepalives_retries(KEEPALIVE_RETRIES);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(SENT);
        }
        Ok(PostgresUrl { config, check, roots })
    }
}

/// What the driver does not know, or can't tell whether it was said.
#[derive(Default)]
struct Options {
    mode: Option<String>,
    roots: Option<String>,
    keepalives: bool,
}

/// The address without these.
fn take_options(text: &str) -> Result<(String, Options)> {
    // A password may have a question mark in it.
    let host = text.find('@').unwrap_or(0);
    let Some(at) = text[host..].find('?').map(|at| host + at) else {
        return Ok((text.to_owned(), Options::default()));
    };
    let (mut options, mut others) = (Options::default(), Vec::new());
    for pair in text[at + 1..].split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            "sslmode" => options.mode = Some(value.to_owned()),
            "sslrootcert" => options.roots = Some(percent_decoded(value)?),
            name => {
                options.keepalives |= name.starts_with("keepalives");
                others.push(pair);
            }
        }
    }
    let others = if others.is_empty() { String::new() } else { format!("?{}", others.join("&")) };
    Ok((format!("{}{others}", &text[..at]), options))
}

fn percent_decoded(value: &str) -> Result<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match (*first, after) {
            (b'%', [high, low, after @ ..]) => {
                let digit =
                    |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                let byte = digit(*high).zip(digit(*low)).map(|(high, low)| high << 4 | low);
                bytes.push(byte.ok_or_else(|| refused("its sslrootcert has a % that is no %25"))?);
                rest = after;
            }
            (byte, _) => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).map_err(|_| refused("its sslrootcert is no UTF-8"))
}

fn is_here(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

fn refused(why: &str) -> Error {
    Error::invalid(format!(
        "the address of the PostgreSQL database can't be used: {why}; write it as postgres://user@host:5432/database, \
         and the password, if you don't want it there, into the environment variable PGPASSWORD"
    ))
}

/// Without its password: `postgres://user@host:5432/database`.
impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")?;
        if let Some(user) = self.config.get_user() {
            write!(f, "{user}@")?;
        }
        let (mut sockets, ports) = (Vec::new(), self.config.get_ports());
        for (at, host) in self.config.get_hosts().iter().enumerate() {
            let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
            match host {
                Host::Tcp(name) if name.contains(':') => write!(f, "{}[{name}]:{port}", comma(at))?,
                Host::Tcp(name) => write!(f, "{}{name}:{port}", comma(at))?,
                #[cfg(unix)]
                Host::Unix(path) => sockets.push(path.display().to_string()),
            }
        }
        if self.config.get_hosts().is_empty() {
            for (at, address) in self.config.get_hostaddrs().iter().enumerate() {
                write!(f, "{}{address}", comma(at))?;
            }
        }
        write!(f, "/{}", self.config.get_dbname().or(self.config.get_user()).unwrap_or_default())?;
        match sockets.as_slice() {
            [] => Ok(()),
            sockets => write!(f, "?host={}", sockets.join(",")),
        }
    }
}

fn comma(at: usize) -> &'static str {
    if at == 0 { "" } else { "," }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<PostgresUrl> {
        PostgresUrl::parse_with(text, &|_| None)
    }

    #[test]
    fn a_password_is_read_and_not_shown() {
        for (text, shown) in [
            ("postgres://ann:s3cret@db.example:6432/shop", "postgres://ann@db.example:6432/shop"),
            (
                "postgresql://ann:s3cret@db.example/shop?sslmode=require",
                "postgres://ann@db.example:5432/shop",
            ),
            ("postgres://ann@127.0.0.1/shop?password=s3cret", "postgres://ann@127.0.0.1:5432/shop"),
            ("postgres://ann:s3cret@[::1]:6432/shop", "postgres://ann@[::1]:6432/shop"),
            ("postgres://ann:s3cret@%2Frun%2Fpg/shop", "postgres://ann@/shop?host=/run/pg"),
            ("postgres://ann:s3cret@a,b:6432/", "postgres://ann@a:5432,b:6432/ann"),
        ] {
            let url = parse(text).unwrap();
            assert_eq!(url.config.get_password(), Some(&b"s3cret"[..]), "{text}");
            assert_eq!((url.to_string().as_str(), format!("{url:?}").as_str()), (shown, shown));
        }
        let from_outside = |name: &str| (name == "PGPASSWORD").then(|| "s3cret".to_owned());
        let url = PostgresUrl::parse_with("postgres://ann@localhost/shop", &from_outside).unwrap();
        assert_eq!(url.config.get_password(), Some(&b"s3cret"[..]));
    }

    #[test]
    fn what_does_not_read_is_refused_without_being_quoted() {
        for text in [
            "postgres://ann:s3cret@db:port/shop",
            "postgres://ann:x@s3cret@db/shop",
            "postgres://ann:x@y@s3cret/shop",
            "postgres://ann:s3cret%zz@db:x/shop",
            "postgres://ann:s3cret@db/shop?sslmode=s3cret",
            "postgres://ann:s3cret@db/shop?s3cret=s3cret",
            "postgres://ann:s3cret@db/shop?sslrootcert=%s3cret",
            "postgres://ann:s3cret@/shop",
            "postgres://ann:s3cret",
        ] {
            let error = parse(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{text}: {error}");
            let mut source = std::error::Error::source(&error);
            while let Some(error) = source {
                assert!(!format!("{error} {error:?}").contains("s3cret"), "{text}: {error:?}");
                source = error.source();
            }
        }
    }

    #[test]
    fn a_server_elsewhere_has_to_show_who_it_is() {
        for (text, ssl, check) in [
            ("postgres://a@localhost/d", SslMode::Prefer, Check::Nothing),
            ("postgres://a@127.0.0.1/d", SslMode::Prefer, Check::Nothing),
            ("postgres://a@%2Frun/d", SslMode::Prefer, Check::Nothing),
            ("postgres://a@db.example/d", SslMode::Require, Check::AuthorityAndHost),
            ("postgres://a@127.0.0.1,db.example/d", SslMode::Require, Check::AuthorityAndHost),
            ("postgres://a@localhost.example/d", SslMode::Require, Check::AuthorityAndHost),
            ("postgres://a@db.example/d?sslmode=disable", SslMode::Disable, Check::Nothing),
            ("postgres://a@db.example/d?sslmode=require", SslMode::Require, Check::Nothing),
            (
                "postgres://a@db.example/d?sslmode=require&sslrootcert=r.pem",
                SslMode::Require,
                Check::Authority,
            ),
            ("postgres://a@db.example/d?sslmode=verify-ca", SslMode::Require, Check::Authority),
            ("postgres://a@127.0.0.1/d?sslmode=verify-full", SslMode::Require, Check::AuthorityAndHost),
        ] {
            let url = parse(text).unwrap();
            assert_eq!((url.config.get_ssl_mode(), url.check), (ssl, check), "{text}");
        }
        let url = parse("postgres://a:x?y@db.example/d?sslrootcert=%2Fa%20b.pem&connect_timeout=9").unwrap();
        assert_eq!(url.roots, Some(PathBuf::from("/a b.pem")));
        assert_eq!(url.config.get_connect_timeout(), Some(&Duration::from_secs(9)));
        assert_eq!(url.config.get_password(), Some(&b"x?y"[..]));
    }
}

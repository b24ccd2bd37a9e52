//! [`DatabaseFault`]: what went wrong with the database, as a sentence, and whether it goes by.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use tokio_postgres::error::SqlState;

use super::url::PostgresUrl;
use crate::error::{Error, ErrorKind};

/// Why something was not done.
#[derive(Debug)]
pub(super) enum DatabaseFault {
    /// The driver's error, or, through it, the server's.
    Driver(tokio_postgres::Error),
    /// No answer for so long.
    Silence(Duration),
    /// A sentence already.
    Said(Error),
}

impl From<tokio_postgres::Error> for DatabaseFault {
    fn from(error: tokio_postgres::Error) -> DatabaseFault {
        DatabaseFault::Driver(error)
    }
}

impl From<Error> for DatabaseFault {
    fn from(error: Error) -> DatabaseFault {
        DatabaseFault::Said(error)
    }
}

impl DatabaseFault {
    /// Whether the connection is of no more use: it broke, nobody knows where it is, or it leads to a server that
    /// is a copy since another took over.
    pub(super) fn breaks_connection(&self) -> bool {
        match self {
            DatabaseFault::Driver(error) => match error.code() {
                None => true,
                Some(code) => ends_session(code) || *code == SqlState::READ_ONLY_SQL_TRANSACTION,
            },
            DatabaseFault::Silence(_) => true,
            DatabaseFault::Said(_) => false,
        }
    }

    /// A sentence that says what to do; of what goes by without anybody changing the program, with
    /// [`ErrorKind::StoreUnavailable`].
    pub(super) fn explain(self, url: &PostgresUrl) -> Error {
        let error = match self {
            DatabaseFault::Said(error) => return error,
            DatabaseFault::Silence(time) => {
                let message = format!(
                    "{url} does not answer for {} s: look at the server and the network; nothing that was committed \
                     is lost",
                    time.as_secs()
                );
                return Error::new(ErrorKind::StoreUnavailable, message);
            }
            DatabaseFault::Driver(error) => error,
        };
        let (kind, sentence) = match error.code() {
            Some(code) => of_server(url, code),
            None => of_driver(url, &error),
        };
        // The server's own words without their detail, in which a row's values stand.
        let words = match error.as_db_error() {
            Some(server) => server.message().to_owned(),
            None => StdError::source(&error).map_or_else(|| error.to_string(), ToString::to_string),
        };
        Error::new(kind, format!("{sentence} ({words})"))
    }
}

/// The server says this and hangs up.
fn ends_session(code: &SqlState) -> bool {
    let code = code.code();
    code.starts_with("08") || code.starts_with("57P") || code == "25P03"
}

fn of_server(url: &PostgresUrl, code: &SqlState) -> (ErrorKind, String) {
    let (waits, stops) = (ErrorKind::StoreUnavailable, ErrorKind::Store);
    let nothing_lost = "nothing that was committed is lost";
    match code.code() {
        "28P01" | "28000" => {
            (stops, format!("{url} refuses this user or password: look at PGPASSWORD and pg_hba.conf"))
        }
        "3D000" => (stops, format!("{url} is not there: make it by CREATE DATABASE")),
        "42501" => {
            (stops, format!("this user may not do that in {url}: GRANT it, or connect as the tables' owner"))
        }
        "42P01" | "42703" | "3F000" => (
            stops,
            format!("{url} has lost a table or a column of ours: restore it, or use another database"),
        ),
        "25006" => (waits, format!("{url} takes no writes: it is a copy, or another server has taken over")),
        "55P03" | "40P01" => {
            (waits, format!("another program holds a lock in {url}: end its transaction; {nothing_lost}"))
        }
        "25P03" => (waits, format!("{url} has ended a transaction that stood still; {nothing_lost}")),
        "53100" => (waits, format!("no room on the disk of {url}: make some; {nothing_lost}")),
        "53300" => {
            (waits, format!("{url} has as many connections as it takes: end some, or raise max_connections"))
        }
        code if code.starts_with("53") || code.starts_with("58") => {
            (waits, format!("{url} lacks memory or a disk: look at its log; {nothing_lost}"))
        }
        code if code.starts_with("57") || code.starts_with("08") => {
            (waits, format!("{url} is being stopped or started: it is waited for; {nothing_lost}"))
        }
        code if code.starts_with("40") => {
            (waits, format!("{url} has rolled a transaction back; {nothing_lost}"))
        }
        code => (stops, format!("{url}: the database failed with {code}")),
    }
}

fn of_driver(url: &PostgresUrl, error: &tokio_postgres::Error) -> (ErrorKind, String) {
    let waits = ErrorKind::StoreUnavailable;
    let mut cause = StdError::source(error);
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            // rustls puts its own errors into io's.
            if io.get_ref().is_some_and(|inner| inner.is::<tokio_rustls::rustls::Error>()) {
                let sentence = format!(
                    "{url} and this program do not agree on TLS: look at sslmode and sslrootcert in the address, and at \
                     the server's certificate"
                );
                return (ErrorKind::Store, sentence);
            }
            let sentence = match io.kind() {
                io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => {
                    format!("nobody answers at {url}: is the server running?")
                }
                io::ErrorKind::TimedOut => {
                    format!("{url} does not answer: look at the network, and for a firewall")
                }
                _ => format!("no connection to {url}: look at its name, the server and the network"),
            };
            return (waits, sentence);
        }
        cause = inner.source();
    }
    if error.is_closed() {
        return (
            waits,
            format!("the connection to {url} broke: it is made again; nothing that was committed is lost"),
        );
    }
    (ErrorKind::Store, format!("{url}: the database can't be used so"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_by_and_what_does_not() {
        let url = PostgresUrl::parse("postgres://ann:s3cret@localhost/shop").unwrap();
        let kind = |code: &str| of_server(&url, &SqlState::from_code(code)).0;
        for code in [
            "40001", "40P01", "55P03", "53100", "53200", "53300", "57P01", "57P02", "57P03", "08006",
            "58030", "25006", "25P03",
        ] {
            assert_eq!(kind(code), ErrorKind::StoreUnavailable, "{code}");
        }
        for code in ["28P01", "28000", "3D000", "42501", "42P01", "23505", "22021", "XX001"] {
            assert_eq!(kind(code), ErrorKind::Store, "{code}");
        }
        let silent = DatabaseFault::Silence(Duration::from_secs(60)).explain(&url);
        assert!(silent.is_transient() && !silent.to_string().contains("s3cret"));
    }
}

//! [`LogLineError`]: what is wrong with a line.

use std::fmt;

/// The part of an access log's line that could not be read, the first from the left.
///
/// ```
/// use kinesis_lab::{LogLine, LogLineError};
///
/// let line = br#"shop.example 192.0.2.10 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5"#;
/// assert_eq!(LogLine::parse(line), Err(LogLineError::Shifted));
/// assert!(LogLineError::Shifted.to_string().starts_with("other words stand before the client's address"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LogLineError {
    /// The line does not begin with an address, a host name or `-`, and a space.
    Client,
    /// The fields for identd and the user are missing.
    User,
    /// Other words stand before the client: a virtual host's name, syslog's or a container's prefix.
    Shifted,
    /// Two lines in one: the line ending between them is missing, or is that of an old Mac.
    Joined,
    /// No time in brackets, or an impossible one.
    Time,
    /// The request is not there in quotes.
    Request,
    /// The status code is not a number of at most three digits.
    Status,
    /// The size is neither a number nor `-`.
    Bytes,
}

impl fmt::Display for LogLineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LogLineError::Client => "it does not begin with one client's address or host name",
            LogLineError::Shifted => {
                "other words stand before the client's address (a virtual host's name, or what syslog or a \
                 container writes): cut them off"
            }
            LogLineError::Joined => {
                "two lines in one: the line feed between them is missing (or is a lone carriage return: \
                 tr '\\r' '\\n' makes it one)"
            }
            LogLineError::User => "the two fields after the client (identd, user) are missing",
            LogLineError::Time => "no time such as [17/May/2015:10:05:03 +0000] after the user",
            LogLineError::Request => "no request in quotes after the time",
            LogLineError::Status => "no status code such as 200 after the request",
            LogLineError::Bytes => "no size in bytes, or -, after the status code",
        })
    }
}

impl std::error::Error for LogLineError {}

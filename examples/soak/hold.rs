//! A fault that lasts, until it is dropped.

use std::io::Write as _;
use std::net::TcpStream;

use kinesis_lab::{Error, ErrorKind};
use rusqlite::Connection;

use crate::disk::Disk;

/// What lasts.
pub(crate) enum Hold {
    Locked(Connection),
    FullDisk,
    HalfRequest(TcpStream),
}

impl Hold {
    /// Nobody else can write the database meanwhile.
    pub(crate) fn lock(disk: &Disk, file: &str) -> Result<Hold, Error> {
        let lock = || -> rusqlite::Result<Connection> {
            let database = Connection::open(disk.folder.join(file))?;
            database.busy_timeout(std::time::Duration::from_secs(5))?;
            database.execute_batch("BEGIN EXCLUSIVE")?;
            Ok(database)
        };
        lock().map(Hold::Locked).map_err(|error| Error::new(ErrorKind::Store, format!("{file}: {error}")))
    }

    pub(crate) fn fill(disk: &Disk) -> Result<Hold, Error> {
        disk.fill()?;
        Ok(Hold::FullDisk)
    }

    /// Announces more than it sends.
    pub(crate) fn half_request(endpoint: &str) -> Result<Hold, Error> {
        let host = endpoint.trim_start_matches("http://").trim_end_matches('/');
        let mut line = TcpStream::connect(host)?;
        write!(
            line,
            "POST / HTTP/1.1\r\nhost: {host}\r\nx-amz-target: Kinesis_20131202.PutRecords\r\n\
             content-type: application/x-amz-json-1.1\r\ncontent-length: 5000\r\n\r\n{{\"StreamName\":"
        )?;
        Ok(Hold::HalfRequest(line))
    }

    pub(crate) fn end(self, disk: &Disk) -> Result<(), Error> {
        match self {
            Hold::Locked(database) => {
                let end = database.execute_batch("ROLLBACK");
                end.map_err(|error| Error::new(ErrorKind::Store, error.to_string()))
            }
            Hold::FullDisk => Ok(disk.make_room()?),
            Hold::HalfRequest(line) => {
                drop(line);
                Ok(())
            }
        }
    }

    /// Whether a program that starts meanwhile may be unable to.
    pub(crate) fn hinders_a_start(&self) -> bool {
        !matches!(self, Hold::HalfRequest(_))
    }
}

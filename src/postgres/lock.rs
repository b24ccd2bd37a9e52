//! One writer a database: a lock that the server frees when its holder's connection ends.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::explain::DatabaseFault;
use super::layout::TableSet;
use super::link::{Link, Session, answered};
use crate::error::{Error, ErrorKind};
use crate::notice::notice;

/// Waiting for oneself would be for ever: the writers of this process, by their names.
static OPEN_HERE: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
/// How often it is asked whether the other one has ended.
const ASK: Duration = Duration::from_millis(200);

/// A writer's name, which no other has: the server shows it as `application_name`.
#[derive(Debug)]
pub(super) struct WriterName(String);

impl WriterName {
    pub(super) fn new(kind: &TableSet) -> WriterName {
        let name = format!("kinesis-lab {} {} {:016x}", kind.what, std::process::id(), fastrand::u64(..));
        OPEN_HERE.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone());
        WriterName(name)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Drop for WriterName {
    fn drop(&mut self) {
        OPEN_HERE.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

/// Takes the lock, on this connection. Not what makes counts exact, which is the name in the tables: without it, a
/// second process would replace the first instead of waiting for its end.
pub(super) async fn try_lock(session: &mut Session, kind: &TableSet) -> Result<bool, DatabaseFault> {
    if session.locked {
        return Ok(true);
    }
    let sql = "SELECT pg_try_advisory_lock($1, current_schema()::regnamespace::oid::int4)";
    let row = answered(session.client().query_one(sql, &[&kind.lock])).await?;
    session.locked = row.try_get(0)?;
    Ok(session.locked)
}

/// Waits while another process has the lock, and says so. A server that is restarted meanwhile is waited for, too.
pub(super) async fn lock(link: &mut Link, kind: &TableSet) -> Result<(), DatabaseFault> {
    let mut waited = false;
    loop {
        let locked = async {
            let session = link.session().await?;
            if try_lock(session, kind).await? {
                return Ok(true);
            }
            match holder(session, kind).await? {
                Some(name) if is_here(&name) => Err(DatabaseFault::Said(Error::new(
                    ErrorKind::Store,
                    format!("{} is open in this program already: use that one, or drop it first", link.url),
                ))),
                _ => Ok(false),
            }
        };
        match locked.await {
            Ok(true) => {
                if waited {
                    notice(&format!("it has ended: going on with {}", link.url));
                }
                return Ok(());
            }
            Ok(false) if waited => {}
            Ok(false) => {
                notice(&format!("another process counts into {}; waiting for its end", link.url));
                waited = true;
            }
            // The next turn connects again.
            Err(failure) if waited && failure.breaks_connection() => {}
            Err(failure) => return Err(failure),
        }
        tokio::time::sleep(ASK).await;
    }
}

/// Who has it; nobody, where it was freed meanwhile.
async fn holder(session: &Session, kind: &TableSet) -> Result<Option<String>, DatabaseFault> {
    let sql = "SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid) \
        WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
        AND classid::int8 = $1 AND objid = current_schema()::regnamespace::oid AND objsubid = 2";
    let row = answered(session.client().query_opt(sql, &[&i64::from(kind.lock)])).await?;
    Ok(row.map(|row| row.try_get::<_, Option<String>>(0)).transpose()?.flatten())
}

fn is_here(name: &str) -> bool {
    OPEN_HERE.lock().unwrap_or_else(PoisonError::into_inner).contains(name)
}

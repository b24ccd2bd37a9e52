//! One writer a database: a lock that the server frees when its holder's connection ends.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::explain::DatabaseFault;
use super::layout::TableSet;
use super::link::{Link, Session, answered};
use super::url::PostgresUrl;
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
                Some((name, _)) if is_here(&name) => Err(DatabaseFault::Said(Error::new(
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
                notice(&format!("another process {} {}; waiting for its end", kind.does, link.url));
                waited = true;
            }
            // The next turn connects again.
            Err(failure) if waited && failure.breaks_connection() => {}
            Err(failure) => return Err(failure),
        }
        tokio::time::sleep(ASK).await;
    }
}

/// The connection with the lock; one that broke is made again.
pub(super) async fn connected<'a>(
    link: &'a mut Link,
    kind: &TableSet,
    may_wait: bool,
) -> Result<&'a mut Session, DatabaseFault> {
    let url = link.url.clone();
    let session = link.session().await?;
    if !try_lock(session, kind).await? && !end_own(session, kind, &url).await? {
        let sentence = format!("another process {} {url}", kind.does);
        match may_wait {
            true => return Err(DatabaseFault::Said(Error::new(ErrorKind::StoreUnavailable, sentence))),
            // Who has it may only be waiting to load; until it does, what is counted here is right.
            false if session.told => {}
            false => {
                notice(&format!("{sentence}: it waits for this one's end, or takes over"));
                session.told = true;
            }
        }
    }
    Ok(session)
}

/// Where it is this writer's own former connection that has it, of which the server does not know that it broke: ends
/// that one, and says whether the lock was free then.
async fn end_own(session: &mut Session, kind: &TableSet, url: &PostgresUrl) -> Result<bool, DatabaseFault> {
    let Some((name, pid)) = holder(session, kind).await? else { return try_lock(session, kind).await };
    if Some(name.as_str()) != url.config.get_application_name() {
        return Ok(false);
    }
    answered(session.client().execute("SELECT pg_terminate_backend($1)", &[&pid])).await?;
    for _ in 0..10 {
        if try_lock(session, kind).await? {
            return Ok(true);
        }
        tokio::time::sleep(ASK / 4).await;
    }
    Ok(false)
}

/// Who has it (of the workers of a fleet, who have it together, one), and by which of the server's processes; nobody, where it was freed meanwhile.
async fn holder(session: &Session, kind: &TableSet) -> Result<Option<(String, i32)>, DatabaseFault> {
    let sql = "SELECT application_name, pid FROM pg_locks JOIN pg_stat_activity USING (pid) \
        WHERE locktype = 'advisory' AND granted AND application_name IS NOT NULL \
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
        AND classid::int8 = $1 AND objid = current_schema()::regnamespace::oid AND objsubid = 2 LIMIT 1";
    let row = answered(session.client().query_opt(sql, &[&i64::from(kind.lock)])).await?;
    row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
}

fn is_here(name: &str) -> bool {
    OPEN_HERE.lock().unwrap_or_else(PoisonError::into_inner).contains(name)
}

//! [`WindowTerms`] and [`AlertTerms`]: what all workers of a fleet have in common, of counts and of alerts.

use std::sync::Arc;
use std::time::Duration;

use md5::{Digest as _, Md5};
use tokio_postgres::Transaction;

use super::explain::DatabaseFault;
use super::layout::TableSet;
use super::link::answered;
use super::sql_types::Length;
use super::url::PostgresUrl;
use crate::detect::Playbooks;
use crate::error::{Error, ErrorKind};
use crate::fleet::WindowSpan;

/// How the windows are that are counted.
#[derive(Clone, Copy)]
pub(super) struct WindowTerms {
    pub(super) size: Duration,
    pub(super) lateness: Duration,
    pub(super) keep: Option<Duration>,
    pub(super) span: WindowSpan,
}

/// By what events are watched.
#[derive(Clone)]
pub(super) struct AlertTerms {
    pub(super) lateness: Duration,
    /// A hash of all that the playbooks say, in whatever order they come.
    pub(super) playbooks: Arc<str>,
    /// Some playbook counts different values.
    pub(super) distinct: bool,
}

impl AlertTerms {
    pub(super) fn new(playbooks: &Playbooks, lateness: Duration) -> AlertTerms {
        let mut all: Vec<String> = playbooks.iter().map(|playbook| format!("{playbook:?}")).collect();
        all.sort_unstable();
        let hash = u128::from_be_bytes(Md5::digest(all.join("\n").as_bytes()).into());
        let distinct = playbooks.iter().any(|playbook| playbook.distinct.is_some());
        AlertTerms { lateness, playbooks: format!("{hash:032x}").into(), distinct }
    }
}

/// The first worker says how long late events are waited for; another that waits longer or shorter is refused.
pub(super) async fn check_lateness(
    transaction: &Transaction<'_>,
    url: &PostgresUrl,
    kind: &TableSet,
    ours: Duration,
) -> Result<(), DatabaseFault> {
    let table = kind.first_table;
    let set = format!("UPDATE {table} SET lateness = $1 WHERE lateness IS NULL");
    answered(transaction.execute(&set, &[&Length(ours)])).await?;
    let sql = format!("SELECT lateness FROM {table}");
    let theirs: Length = answered(transaction.query_one(&sql, &[])).await?.try_get(0)?;
    if theirs.0 == ours {
        return Ok(());
    }
    let (theirs, ours) = (theirs.0.as_secs_f64(), ours.as_secs_f64());
    let sentence = format!(
        "the workers that share {url} wait {theirs} s for late events, and this one {ours} s: all of a fleet have the \
         same lateness"
    );
    Err(DatabaseFault::Said(Error::new(ErrorKind::Store, sentence)))
}

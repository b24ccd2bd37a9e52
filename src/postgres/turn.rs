//! [`Turn`]: who writes, and which commit is the next; a transaction begins and ends with it.

use tokio_postgres::Transaction;

use super::explain::DatabaseFault;
use super::link::{Prepared, answered};
use super::lock::WriterName;
use super::url::PostgresUrl;
use crate::error::{Error, ErrorKind};

/// The shard under which one process that reads all of them writes its sums.
pub(super) const ALL_SHARDS: &str = "";

/// Of this writer, as it last read or wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    /// Which of the processes that have written: each that loads is one more.
    pub(super) epoch: i64,
    /// How often somebody has committed.
    pub(super) commits: i64,
    /// The next commit was sent, and not answered.
    pub(super) in_doubt: bool,
}

impl Turn {
    /// Whether the next commit is there already; an error where somebody else has written. `sql` selects owner,
    /// epoch and commits `FOR UPDATE`: where a commit of ours that was not answered is still going on, that waits for
    /// its end, which has the same lock.
    pub(super) async fn is_written(
        &mut self,
        transaction: &Transaction<'_>,
        prepared: Prepared<'_>,
        sql: &str,
        url: &PostgresUrl,
        owner: &WriterName,
    ) -> Result<bool, DatabaseFault> {
        let said = |sentence: String| Err(DatabaseFault::Said(Error::new(ErrorKind::Store, sentence)));
        let Some(row) = answered(transaction.query_opt(prepared.get(sql)?, &[])).await? else {
            return said(format!("the tables in {url} were emptied while this program ran: start it again"));
        };
        let (theirs, epoch, commits): (String, i64, i64) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let ours = theirs == owner.as_str();
        if !ours && epoch > self.epoch {
            return said(format!(
                "another program has taken {url} over, and goes on from what this one committed: this one ends"
            ));
        }
        match commits - self.commits {
            0 if ours => Ok(false),
            1 if ours && self.in_doubt => {
                (self.commits, self.in_doubt) = (self.next(), false);
                Ok(true)
            }
            _ => said(format!(
                "{url} is not as this program left it: was it restored from an older state? Start again, and it \
                 goes on from what is there"
            )),
        }
    }

    /// The number of the next commit.
    pub(super) fn next(&self) -> i64 {
        self.commits + 1
    }

    /// Commits; where the answer is lost, it is in doubt.
    pub(super) async fn commit(&mut self, transaction: Transaction<'_>) -> Result<(), DatabaseFault> {
        self.in_doubt = true;
        let outcome = answered(transaction.commit()).await;
        match &outcome {
            Ok(()) => (self.commits, self.in_doubt) = (self.next(), false),
            // An answer that it failed: nothing of it is there.
            Err(fault) => self.in_doubt = fault.breaks_connection(),
        }
        outcome
    }
}

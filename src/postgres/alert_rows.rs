//! Alerts as rows.

use tokio_postgres::{Client, Row};

use super::explain::DatabaseFault;
use super::link::answered;
use super::sql_types::unsigned;
use super::texts;
use crate::detect::{Alert, Response};
use crate::harmless::Text;
use crate::timestamp::Timestamp;

/// In the order in which [`alert`] reads them.
pub(super) const COLUMNS: &str =
    "id, time, playbook, key, ip, start, \"end\", count, threshold, response, until, evidence";

/// The index `alerts_undelivered` has them in this order.
const UNDELIVERED: &str = "WHERE NOT delivered ORDER BY time, id LIMIT $1";

pub(super) fn alert(row: &Row) -> Result<Alert, DatabaseFault> {
    let text = |at: usize| Ok::<_, DatabaseFault>(Text::from(texts::read(row.try_get(at)?)));
    let happened: Timestamp = row.try_get(1)?;
    let until: Option<Timestamp> = row.try_get(10)?;
    let ip: Option<String> = row.try_get(4)?;
    Ok(Alert {
        id: text(0)?,
        time: happened,
        playbook: text(2)?,
        key: text(3)?,
        ip: ip.map(|ip| texts::read(ip).into()),
        start: row.try_get(5)?,
        end: row.try_get(6)?,
        count: unsigned(row.try_get(7)?),
        threshold: unsigned(row.try_get(8)?),
        response: match (row.try_get(9)?, until) {
            ("block", Some(until)) => Response::Block(until.since(happened)),
            ("monitor", _) => Response::Monitor,
            _ => Response::Notify,
        },
        evidence: text(11)?,
    })
}

/// The oldest of those that are to be delivered.
pub(super) async fn undelivered(client: &Client, limit: usize) -> Result<Vec<Alert>, DatabaseFault> {
    let sql = format!("SELECT {COLUMNS} FROM alerts {UNDELIVERED}");
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = answered(client.query(&sql, &[&limit])).await?;
    rows.iter().map(alert).collect()
}

//! The tables in memory, for tests: each call whole, and failing on demand before or after it is written.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::claim::Claim;
use super::completion::{WindowSpan, next_watermark};
use super::frontier::ShardRow;
use super::position::CountedPosition;
use super::store::{FleetStore, ShardChange, ShardLineage, TakenShard, Taking, ancestors};
use crate::count::{SavedPane, SavedState};
use crate::error::{Error, ErrorKind, Result};
use crate::harmless::Text;
use crate::timestamp::Timestamp;

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Row {
    pub(super) parents: Vec<String>,
    pub(super) epoch: i64,
    pub(super) sequence: Option<(String, Option<u64>)>,
    arrival: Option<Timestamp>,
    newest: Option<Timestamp>,
    pub(super) idle: bool,
    pub(super) ended: bool,
}

/// By a window's start and a key.
pub(super) type Counted = BTreeMap<(Timestamp, String), u64>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Tables {
    pub(super) watermark: Timestamp,
    moved: Timestamp,
    pub(super) shards: BTreeMap<String, Row>,
    /// By pane, shard, key.
    pub(super) open: BTreeMap<(Timestamp, String, String), u64>,
    ids: BTreeMap<(Timestamp, String), Vec<u128>>,
    pub(super) windows: Counted,
    pub(super) late: Counted,
    pub(super) duplicates: BTreeMap<String, u64>,
}

/// What goes wrong at the next write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is not written, and the worker hears that.
    Refused,
    /// It is written, and the worker does not hear it.
    AnswerLost,
}

pub(super) struct Shared {
    pub(super) tables: Tables,
    pub(super) fault: Option<Fault>,
    /// Whether an old epoch is refused; without, a test must find the difference.
    pub(super) fence: bool,
    span: WindowSpan,
    size: Duration,
    lateness: Duration,
}

#[derive(Clone)]
pub(super) struct ModelStore(Arc<Mutex<Shared>>);

impl ModelStore {
    pub(super) fn new(size: Duration, slide: Duration, lateness: Duration) -> ModelStore {
        let tables = Tables {
            watermark: Timestamp::MIN,
            moved: Timestamp::MIN,
            shards: BTreeMap::new(),
            open: BTreeMap::new(),
            ids: BTreeMap::new(),
            windows: BTreeMap::new(),
            late: BTreeMap::new(),
            duplicates: BTreeMap::new(),
        };
        let span = WindowSpan::new(size, slide);
        ModelStore(Arc::new(Mutex::new(Shared { tables, fault: None, fence: true, span, size, lateness })))
    }

    pub(super) fn now(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap()
    }
}

impl Shared {
    fn register(&mut self, lineage: &[ShardLineage]) {
        for shard in lineage {
            let row = Row { parents: shard.parents.clone(), ..Row::default() };
            self.tables.shards.entry(shard.shard_id.clone()).or_insert(row);
        }
    }

    fn load(&self, shard_id: &str, lineage: &[ShardLineage]) -> TakenShard<SavedState> {
        let row = &self.tables.shards[shard_id];
        let mut panes: BTreeMap<Timestamp, SavedPane> = BTreeMap::new();
        for ((pane, shard, key), count) in &self.tables.open {
            if shard == shard_id {
                panes.entry(*pane).or_default().counts.push((Text::from(key.clone()), *count));
            }
        }
        let mut known = ancestors(shard_id, lineage);
        known.insert(shard_id.to_owned());
        for ((pane, shard), ids) in &self.tables.ids {
            if known.contains(shard) {
                panes.entry(*pane).or_default().ids.extend(ids);
            }
        }
        let mut saved = SavedState {
            watermark: self.tables.watermark,
            panes: panes.into_iter().collect(),
            shard_times: row.newest.map(|time| (shard_id.to_owned(), time)).into_iter().collect(),
            ..SavedState::default()
        };
        saved.totals.duplicates = self.tables.duplicates.get(shard_id).copied().unwrap_or_default();
        let position = row.sequence.clone();
        let position = position.map(|(sequence_number, sub_sequence_number)| CountedPosition {
            sequence_number,
            sub_sequence_number,
        });
        TakenShard { epoch: row.epoch, position, arrival: row.arrival, ended: row.ended, saved }
    }

    fn check(&self, claim: &Claim, with_position: bool) -> Result<()> {
        let row = self.load(&claim.shard_id, &[]);
        match (self.fence, with_position) {
            (true, true) => claim.check(row.epoch, row.position.as_ref(), "the model"),
            (true, false) => claim.check_epoch(row.epoch, "the model"),
            (false, _) => Ok(()),
        }
    }
}

fn lost() -> Error {
    Error::new(ErrorKind::StoreUnavailable, "no answer")
}

impl FleetStore for ModelStore {
    fn take(&mut self, taking: &Taking<'_>) -> Result<TakenShard<SavedState>> {
        let mut shared = self.now();
        shared.register(taking.lineage);
        let row = shared.tables.shards.get_mut(taking.shard_id).unwrap();
        (row.epoch, row.idle) = (row.epoch + 1, false);
        Ok(shared.load(taking.shard_id, taking.lineage))
    }

    fn reload(&mut self, claim: &Claim, lineage: &[ShardLineage]) -> Result<TakenShard<SavedState>> {
        let shared = self.now();
        shared.check(claim, false)?;
        Ok(shared.load(&claim.shard_id, lineage))
    }

    fn write(&mut self, claim: &Claim, count: &mut dyn FnMut(Timestamp) -> ShardChange) -> Result<()> {
        let mut shared = self.now();
        let fault = shared.fault.take();
        shared.check(claim, true)?;
        let written = count(shared.tables.watermark);
        if fault == Some(Fault::Refused) {
            return Err(lost());
        }
        let (id, change) = (&claim.shard_id, written.change);
        for (pane, saved) in change.panes {
            for (key, n) in saved.counts {
                shared.tables.open.insert((pane, id.clone(), key.raw().to_owned()), n);
            }
            shared.tables.ids.entry((pane, id.clone())).or_default().extend(saved.ids);
        }
        for ((start, key), n) in change.late {
            *shared.tables.late.entry((start, key.raw().to_owned())).or_default() += n;
        }
        shared.tables.duplicates.insert(id.clone(), change.totals.duplicates);
        let row = shared.tables.shards.get_mut(id).unwrap();
        row.sequence = written.position.map(|at| (at.sequence_number, at.sub_sequence_number));
        (row.arrival, row.idle) = (written.arrival, written.tip.reached);
        row.newest = row.newest.max(written.newest_event);
        if fault.is_some() { Err(lost()) } else { Ok(()) }
    }

    fn end(&mut self, claim: &Claim, lineage: &[ShardLineage]) -> Result<()> {
        let mut shared = self.now();
        shared.check(claim, false)?;
        shared.register(lineage);
        let row = shared.tables.shards.get_mut(&claim.shard_id).unwrap();
        (row.ended, row.idle) = (true, false);
        Ok(())
    }

    fn advance(&mut self) -> Result<()> {
        let mut shared = self.now();
        let rows: Vec<ShardRow> = shared
            .tables
            .shards
            .iter()
            .map(|(id, row)| ShardRow {
                id: id.clone(),
                parents: row.parents.clone(),
                opened: row.epoch > 0,
                newest_event: row.newest,
                idle: row.idle,
                ended: row.ended,
            })
            .collect();
        let next = next_watermark(&rows, shared.lateness, shared.span, shared.tables.watermark);
        if let Some(next) = next {
            shared.tables.watermark = next;
        }
        let overlaps = shared.span.overlaps();
        drop(shared);
        if overlaps { self.move_windows() } else { Ok(()) }
    }

    fn move_windows(&mut self) -> Result<()> {
        let mut shared = self.now();
        let (from, until, span, size) =
            (shared.tables.moved, shared.tables.watermark, shared.span, shared.size);
        let panes: Vec<Timestamp> = shared.tables.open.keys().map(|(pane, ..)| *pane).collect();
        for start in span.between(panes, from, until) {
            let mut sums: BTreeMap<String, u64> = BTreeMap::new();
            for ((pane, _, key), n) in &shared.tables.open {
                if start <= *pane && *pane < start + size {
                    *sums.entry(key.clone()).or_default() += n;
                }
            }
            for (key, n) in sums {
                let before = shared.tables.windows.insert((start, key), n);
                assert_eq!(before, None, "a window comes once");
            }
        }
        if until > Timestamp::MIN {
            let oldest = span.oldest_needed(until);
            shared.tables.open.retain(|(pane, ..), _| *pane >= oldest);
            shared.tables.ids.retain(|(pane, _), _| *pane >= oldest);
        }
        shared.tables.moved = until;
        Ok(())
    }

    fn place(&self) -> String {
        "the model".into()
    }
}

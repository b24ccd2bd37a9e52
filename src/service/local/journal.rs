//! [`Journal`]: keeps what the embedded service does in a [`Log`], before anybody hears that it was done.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use std::{io, mem};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use ferrokinesis::sequence::{resolve_shard_id, shard_ix_to_hex};
use ferrokinesis::store::Store;
use ferrokinesis::types::StoredRecord;
use serde_json::Value;

use super::call::Call;
use super::front::{MAX_BODY, answer};
use super::log::{Log, Replacement};
use super::state::{KeptLine, Restoring, Underway, export, parse, records_line};
use crate::error::Result;
use crate::runtime;

/// A log is written anew when it is twice as long as it then was, and this much more.
const COMPACTION_STEP: u64 = 16 << 20;
/// How many records a line of a new log has.
const LINE: usize = 500;
/// Between two looks at a change that takes its time.
const LOOK: Duration = Duration::from_millis(20);

/// The effects of these come after their answer.
const LATER: [&str; 6] = [
    "CreateStream",
    "SplitShard",
    "MergeShards",
    "UpdateShardCount",
    "StartStreamEncryption",
    "StopStreamEncryption",
];

pub(crate) struct Journal {
    store: Store,
    /// `None` once the service has ended. Std's, as nothing awaits while it is held: whoever drops the service takes it.
    log: Mutex<Option<Log>>,
    /// Held from a look at the service's state until that is in the log: states are written in their order.
    order: tokio::sync::Mutex<Unsaved>,
}

struct Unsaved {
    pending: Underway,
    /// The last state in the log is not, or not yet, that of the service.
    state: bool,
    /// A task looks for the end of a change.
    watched: bool,
    compact_at: u64,
}

impl Journal {
    /// Puts what a folder holds into the service, which is empty, and goes on there.
    pub(crate) async fn open(folder: &Path, store: &Store) -> Result<Arc<Journal>> {
        let (lines, mut received) = tokio::sync::mpsc::channel::<KeptLine>(4);
        let folder = folder.to_owned();
        let opening = tokio::task::spawn_blocking(move || {
            Log::open(&folder, |line| {
                // Its receiver is below, to the end.
                let _ = lines.blocking_send(parse(line)?);
                Ok(())
            })
        });
        let mut restoring = Restoring::into(store);
        while let Some(line) = received.recv().await {
            restoring.line(line).await;
        }
        let log = match opening.await {
            Ok(log) => log?,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        };
        restoring.finish().await;
        let live = store.metrics().retained_bytes() + 100 * store.metrics().retained_records();
        let unsaved = Unsaved {
            pending: Underway::new(),
            state: true,
            watched: false,
            compact_at: 2 * live + COMPACTION_STEP,
        };
        Ok(Arc::new(Journal {
            store: store.clone(),
            log: Mutex::new(Some(log)),
            order: tokio::sync::Mutex::new(unsaved),
        }))
    }

    /// Nothing more is written, and another may open the folder.
    pub(crate) fn close(&self) {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn with_log<T>(&self, work: impl FnOnce(&mut Log) -> io::Result<T>) -> io::Result<T> {
        runtime::blocking(|| match &mut *self.log.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(log) => work(log),
            None => Err(io::Error::other("the service has ended")),
        })
    }

    /// The state, where the log has another, then records; both or neither.
    async fn write(&self, unsaved: &mut Unsaved, records: Vec<u8>) -> io::Result<()> {
        let (mut lines, mut settled) = (Vec::new(), true);
        if mem::replace(&mut unsaved.state, true) {
            let (state, is_settled) = export(&self.store, &mut unsaved.pending).await;
            lines = state.to_string().into_bytes();
            lines.push(b'\n');
            settled = is_settled;
        }
        lines.extend(records);
        let length = self.with_log(|log| log.append(&lines).map(|()| log.length()))?;
        unsaved.state = !settled;
        if length > unsaved.compact_at {
            unsaved.compact_at = match self.compact(unsaved).await {
                Ok(length) => 2 * length + COMPACTION_STEP,
                // The old one is whole. No room for two, most likely: later.
                Err(_) => length + COMPACTION_STEP,
            };
        }
        Ok(())
    }

    /// A new log, of what there is now.
    async fn compact(&self, unsaved: &mut Unsaved) -> io::Result<u64> {
        let mut new = self.with_log(|log| log.replacement())?;
        let (state, settled) = export(&self.store, &mut unsaved.pending).await;
        new.append(format!("{state}\n").as_bytes())?;
        for name in self.store.list_stream_names().await {
            let shards = self.store.get_stream(&name).await.map_or(0, |stream| stream.shards.len());
            for shard in 0..shards {
                self.copy(&name, shard as i64, &mut new).await?;
            }
        }
        unsaved.state = !settled;
        self.with_log(|log| log.replace(new).map(|()| log.length()))
    }

    async fn copy(&self, stream: &str, shard: i64, new: &mut Replacement) -> io::Result<()> {
        let (mut from, end) = (format!("{}/", shard_ix_to_hex(shard)), shard_ix_to_hex(shard + 1));
        loop {
            let records = self.store.get_records_range_limited(stream, &from, &end, LINE).await;
            let Some((last, _)) = records.last() else { return Ok(()) };
            from = format!("{last}~"); // behind that key, before any other
            let line = records_line(stream, &records);
            runtime::blocking(|| new.append(&line))?;
        }
    }

    /// Writes down what a put has stored; where that fails, it is not stored.
    async fn keep_records(&self, stream: &str, answer: &Value) -> io::Result<()> {
        let mut records: Vec<(String, StoredRecord)> = Vec::new();
        let single = std::slice::from_ref(answer);
        for stored in answer["Records"].as_array().map_or(single, Vec::as_slice) {
            let (Some(number), Some(shard)) = (stored["SequenceNumber"].as_str(), stored["ShardId"].as_str())
            else {
                continue; // throttled
            };
            let Ok((_, shard)) = resolve_shard_id(shard) else { continue };
            let key = format!("{}/{number}", shard_ix_to_hex(shard));
            records.extend(self.store.get_records_range_limited(stream, &key, &format!("{key}~"), 1).await);
        }
        let mut unsaved = self.order.lock().await;
        let written = self.write(&mut unsaved, records_line(stream, &records)).await;
        drop(unsaved);
        if written.is_err() {
            // Reads wait meanwhile: nobody has seen them.
            let keys: Vec<String> = records.into_iter().map(|(key, _)| key).collect();
            self.store.delete_record_keys(stream, &keys).await;
        }
        written
    }

    /// Looks until no change is under way, and writes down what has come of it.
    async fn watch(journal: Weak<Journal>) {
        loop {
            tokio::time::sleep(LOOK).await;
            let Some(journal) = journal.upgrade() else { return };
            let mut unsaved = journal.order.lock().await;
            let (_, settled) = export(&journal.store, &mut unsaved.pending).await;
            if settled {
                unsaved.watched = false;
                // Where there is no room now, the next that is written brings it.
                let _ = journal.write(&mut unsaved, Vec::new()).await;
                return;
            }
        }
    }
}

pub(crate) async fn keep(State(journal): State<Arc<Journal>>, request: Request, next: Next) -> Response {
    let Some(call) = Call::of(&request) else { return next.run(request).await };
    let reads = ["Get", "Describe", "List", "Subscribe"].iter().any(|verb| call.operation.starts_with(verb));
    match &*call.operation {
        "PutRecord" | "PutRecords" => {
            let answered = next.run(request).await;
            let Some(stream) = call.stream.filter(|_| answered.status().is_success()) else {
                return answered;
            };
            let (parts, body) = answered.into_parts();
            let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
            let said = serde_json::from_slice(&body).unwrap_or_default();
            match journal.keep_records(&stream, &said).await {
                Ok(()) => Response::from_parts(parts, Body::from(body)),
                Err(error) => not_kept(&error),
            }
        }
        _ if reads => next.run(request).await,
        _ => change(&journal, &call, request, next).await,
    }
}

async fn change(journal: &Arc<Journal>, call: &Call, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let body: Bytes = to_bytes(body, MAX_BODY).await.unwrap_or_default();
    let mut unsaved = journal.order.lock().await;
    // Whether there is room: once it is done, it can't be undone.
    unsaved.state = true;
    if let Err(error) = journal.write(&mut unsaved, Vec::new()).await {
        return not_kept(&error);
    }
    let answered = next.run(Request::from_parts(parts, Body::from(body.clone()))).await;
    if !answered.status().is_success() {
        return answered;
    }
    if let Some(stream) = call.stream.as_deref().filter(|_| LATER.contains(&&*call.operation))
        && let Ok(body) = serde_json::from_slice(&body)
    {
        unsaved.pending.insert(stream.to_owned(), (call.operation.to_string(), body));
    }
    unsaved.state = true;
    let written = journal.write(&mut unsaved, Vec::new()).await;
    if unsaved.state && !mem::replace(&mut unsaved.watched, true) {
        tokio::spawn(Journal::watch(Arc::downgrade(journal)));
    }
    match written {
        Ok(()) => answered,
        Err(error) => not_kept(&error),
    }
}

/// In the way of the service itself, so that whoever called tries again.
fn not_kept(error: &io::Error) -> Response {
    let sentence = format!(
        "the local Kinesis cannot write to its folder ({error}): make room on that disk; it goes on by itself, and \
         nothing that it acknowledged is lost"
    );
    answer(StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure", &sentence)
}

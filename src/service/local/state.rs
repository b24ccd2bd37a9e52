//! What the embedded service holds beside records, as JSON, and all of it back from lines of a [`Log`](super::log).

use std::collections::{BTreeMap, BTreeSet};

use ferrokinesis::actions::{Operation, dispatch};
use ferrokinesis::persistence::PersistentStream;
use ferrokinesis::sequence::parse_sequence;
use ferrokinesis::store::Store;
use ferrokinesis::types::{
    Consumer, ConsumerStatus, HashKeyRange, Shard, StoredRecord, Stream, StreamBuilder, StreamStatus,
};
use serde_json::{Value, json};

use super::{creation, scaling};
use crate::error::{Error, Result};

/// Calls whose effect comes some time after their answer, by their stream; it has one at a time.
pub(crate) type Underway = BTreeMap<String, (String, Value)>;

/// Everything but records, and whether no change of it is under way. Of `pending`, what is done by now goes.
pub(crate) async fn export(store: &Store, pending: &mut Underway) -> (Value, bool) {
    let (mut streams, mut consumers, mut tags, mut policies) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut settled, mut changing) = (true, BTreeSet::new());
    for name in store.list_stream_names().await {
        let Ok(stream) = store.get_stream(&name).await else { continue };
        if stream.stream_status != StreamStatus::Active {
            settled = false;
            changing.insert(name.clone());
        }
        let mut arns = vec![stream.stream_arn.clone()];
        for consumer in store.list_consumers_for_stream(&stream.stream_arn).await {
            settled &= consumer.consumer_status == ConsumerStatus::Active;
            arns.push(consumer.consumer_arn.clone());
            consumers.push(json!(consumer));
        }
        for arn in arns {
            let of_arn = store.get_resource_tags(&arn).await;
            if !of_arn.is_empty() {
                tags.push(json!([arn, of_arn]));
            }
            if let Some(policy) = store.get_policy(&arn).await {
                policies.push(json!([arn, policy]));
            }
        }
        let mut counters = Vec::with_capacity(stream.shards.len());
        for shard in 0..stream.shards.len() {
            counters.push(store.current_shard_seq(&name, shard as i64).await);
        }
        streams.push(json!(PersistentStream::from_stream(name, &stream, counters)));
    }
    pending.retain(|name, _| changing.contains(name));
    let state = json!({ "state": {
        "streams": streams, "consumers": consumers, "tags": tags, "policies": policies,
        "settings": store.get_account_settings().await, "pending": pending,
    }});
    (state, settled)
}

/// A line of records of one stream: `key` is what ferrokinesis keeps a record under.
pub(crate) fn records_line(stream: &str, records: &[(String, StoredRecord)]) -> Vec<u8> {
    let rows: Vec<Value> = records
        .iter()
        .map(|(key, record)| {
            json!([key, record.partition_key, record.data, record.approximate_arrival_timestamp])
        })
        .collect();
    let mut line = json!({ "stream": stream, "records": rows }).to_string().into_bytes();
    line.push(b'\n');
    line
}

/// A line that was read.
pub(crate) enum KeptLine {
    State(Box<KeptState>),
    Records(String, Vec<(String, StoredRecord)>),
}

pub(crate) struct KeptState {
    streams: Vec<PersistentStream>,
    consumers: Vec<Consumer>,
    tags: Vec<(String, BTreeMap<String, String>)>,
    policies: Vec<(String, String)>,
    settings: Value,
    pending: Underway,
}

pub(crate) fn parse(line: &[u8]) -> Result<KeptLine> {
    let odd = |error: serde_json::Error| Error::invalid(error.to_string());
    let mut line: Value = serde_json::from_slice(line).map_err(odd)?;
    let state = line["state"].take();
    if state.is_null() {
        let (stream, rows) = (line["stream"].take(), line["records"].take());
        let rows: Vec<(String, String, String, f64)> = serde_json::from_value(rows).map_err(odd)?;
        let record = |(key, partition_key, data, approximate_arrival_timestamp)| {
            (key, StoredRecord { partition_key, data, approximate_arrival_timestamp })
        };
        let stream = serde_json::from_value(stream).map_err(odd)?;
        return Ok(KeptLine::Records(stream, rows.into_iter().map(record).collect()));
    }
    let mut state = state;
    let mut take = |name: &str| state[name].take();
    Ok(KeptLine::State(Box::new(KeptState {
        streams: serde_json::from_value(take("streams")).map_err(odd)?,
        consumers: serde_json::from_value(take("consumers")).map_err(odd)?,
        tags: serde_json::from_value(take("tags")).map_err(odd)?,
        policies: serde_json::from_value(take("policies")).map_err(odd)?,
        settings: take("settings"),
        pending: serde_json::from_value(take("pending")).map_err(odd)?,
    })))
}

/// Puts lines into an empty service, in their order.
pub(crate) struct Restoring<'a> {
    store: &'a Store,
    state: Option<KeptState>,
    /// The last key of each stream's shards: a record may be newer than the counters of the last state.
    last: BTreeMap<(String, String), String>,
}

impl Restoring<'_> {
    pub(crate) fn into(store: &Store) -> Restoring<'_> {
        Restoring { store, state: None, last: BTreeMap::new() }
    }

    pub(crate) async fn line(&mut self, line: KeptLine) {
        match line {
            KeptLine::State(state) => {
                let id = |stream: &PersistentStream| {
                    (stream.name.clone(), stream.stream_creation_timestamp.0.to_bits())
                };
                let now: BTreeSet<_> = state.streams.iter().map(id).collect();
                let before = self.state.replace(*state);
                for stream in before.iter().flat_map(|state| state.streams.iter().map(id)) {
                    if !now.contains(&stream) {
                        self.forget(&stream.0).await;
                    }
                }
            }
            KeptLine::Records(stream, records) => {
                for (key, _) in &records {
                    let shard = key.split('/').next().unwrap_or_default().to_owned();
                    let last = self.last.entry((stream.clone(), shard)).or_default();
                    if key > last {
                        last.clone_from(key);
                    }
                }
                // Of a service in memory alone: it has no reason to refuse.
                let _ = self.store.put_records_batch(&stream, &records).await;
            }
        }
    }

    async fn forget(&mut self, stream: &str) {
        let _ = self.store.delete_stream(stream).await;
        self.last.retain(|(name, _), _| name != stream);
    }

    pub(crate) async fn finish(mut self) {
        let Some(state) = self.state.take() else { return };
        let (mut gone, mut pending) = (Vec::new(), state.pending);
        for stream in state.streams {
            let (name, mut stream, counters) = stream.into_parts();
            match stream.stream_status {
                StreamStatus::Deleting => {
                    gone.push(stream.stream_arn.clone());
                    pending.remove(&name);
                    self.forget(&name).await;
                    continue;
                }
                // It is created again below.
                StreamStatus::Creating => continue,
                _ => stream.stream_status = StreamStatus::Active,
            }
            self.advance(&name, &stream, &counters).await;
            let _ = self.store.put_stream(&name, stream).await;
        }
        for mut consumer in state.consumers {
            let of_gone = gone.iter().any(|arn| consumer.consumer_arn.starts_with(&format!("{arn}/")));
            if consumer.consumer_status != ConsumerStatus::Deleting && !of_gone {
                consumer.consumer_status = ConsumerStatus::Active;
                let _ = self.store.put_consumer(&consumer.consumer_arn.clone(), consumer).await;
            }
        }
        for (arn, tags) in state.tags {
            let _ = self.store.put_resource_tags(&arn, &tags).await;
        }
        for (arn, policy) in state.policies {
            let _ = self.store.put_policy(&arn, &policy).await;
        }
        let _ = self.store.put_account_settings(&state.settings).await;
        for (operation, body) in pending.into_values() {
            if operation == "UpdateShardCount" {
                let _ = scaling::begin(self.store, &body).await;
                continue;
            }
            if let Ok(known) = operation.parse::<Operation>()
                && dispatch(self.store, known, body.clone()).await.is_ok()
            {
                creation::complete(self.store, &operation, &body).await;
            }
        }
    }

    /// Sequence numbers go on where they were. A counter can only be counted up, through a stand-in whose shards
    /// are all open, with one hash key each.
    async fn advance(&self, name: &str, stream: &Stream, counters: &[u64]) {
        let shard = |(n, shard): (usize, &Shard)| {
            let mut shard = shard.clone();
            shard.hash_key_range = HashKeyRange::new(n.to_string(), n.to_string());
            shard.sequence_number_range.ending_sequence_number = None;
            shard
        };
        let stand_in = StreamBuilder::new(
            name.to_owned(),
            stream.stream_arn.clone(),
            StreamStatus::Active,
            stream.stream_creation_timestamp,
            stream.shards.iter().enumerate().map(shard).collect(),
        );
        let _ = self.store.put_stream(name, stand_in.build()).await;
        for n in 0..stream.shards.len() {
            let hex = ferrokinesis::sequence::shard_ix_to_hex(n as i64);
            let last = self.last.get(&(name.to_owned(), hex)).and_then(|key| key.split('/').nth(1));
            let last = last.and_then(|number| parse_sequence(number).ok()?.seq_ix);
            let next = counters.get(n).copied().unwrap_or(1).max(last.map_or(0, |last| last + 1));
            let mut missing = next.saturating_sub(self.store.current_shard_seq(name, n as i64).await);
            while missing > 0 {
                let some = missing.min(10_000);
                let _ = self.store.allocate_sequences_batch(name, &vec![n as u128; some as usize]).await;
                missing -= some;
            }
        }
    }
}

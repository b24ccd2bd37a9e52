//! A putter that packs: for which shards, and what to do when another one took an aggregate.

use std::collections::VecDeque;
use std::time::Duration;

use super::super::aggregation::Aggregation;
use super::super::cutoff::Cutoff;
use super::super::parcel::Parcel;
use super::super::report::PutReceipt;
use super::super::shard_map::ShardMap;
use super::Putter;
use crate::error::{ErrorKind, Result};
use crate::notice::tell;
use crate::record::Entry;
use crate::stream::Stream;

/// How often the shards are listed before records are put one by one; and before a shard that has answered a put is
/// given up that ListShards does not know yet.
const ATTEMPTS: u32 = 20;
/// Between two of them. ListShards may be asked a thousand times a second, and lags behind a reshard by some
/// seconds.
const PAUSE: Duration = Duration::from_millis(500);
/// So often in a row, aggregates went elsewhere than they were sent: this is no reshard but a service that goes by
/// the partition key alone.
const STRAYED: u32 = 10;

/// So many bytes of records are packed before the calls are looked after again: some milliseconds' work.
const CHUNK: usize = 1 << 20;

/// What is not packed yet, and for which shards.
pub(super) struct Packing {
    max_bytes: usize,
    loose: VecDeque<Entry>,
    /// Of what was loose before: what is in no full aggregate, while there is more to come.
    aggregation: Aggregation,
    map: Option<ShardMap>,
    /// In so many calls in a row, an aggregate strayed.
    strayed: u32,
    told: bool,
}

impl Packing {
    pub(super) fn new(max_bytes: usize) -> Packing {
        let (loose, aggregation) = (VecDeque::new(), Aggregation::default());
        Packing { max_bytes, loose, aggregation, map: None, strayed: 0, told: false }
    }

    pub(super) fn push(&mut self, entry: Entry) {
        self.loose.push_back(entry);
    }

    pub(super) fn len(&self) -> usize {
        self.aggregation.len() + self.loose.len()
    }

    /// All of it, in the order of each shard.
    pub(super) fn take(&mut self) -> Vec<Entry> {
        let packed = self.aggregation.close().flat_map(Parcel::into_entries);
        packed.chain(self.loose.drain(..)).collect()
    }

    /// A chunk of it is packed; where it is not known for which shards, all goes as it is.
    fn pack(&mut self) -> Vec<Parcel> {
        let Some(map) = &self.map else { return self.take().into_iter().map(Parcel::from).collect() };
        let (mut parcels, mut bytes) = (Vec::new(), 0);
        while bytes < CHUNK
            && let Some(entry) = self.loose.pop_front()
        {
            bytes += entry.size();
            self.aggregation.add(entry, map, self.max_bytes, &mut parcels);
        }
        if self.loose.is_empty() {
            parcels.extend(self.aggregation.close());
        }
        parcels
    }
}

impl Putter {
    /// Packs of what has come since this was called last, so much that the calls that are under way don't wait.
    pub(super) async fn pack(&mut self, cutoff: &mut Cutoff) {
        if self.packing.as_ref().is_none_or(|packing| packing.len() == 0) {
            return;
        }
        let unknown = self.packing.as_ref().is_some_and(|packing| packing.map.is_none());
        let listed = match unknown && !cutoff.is_asked() {
            true => Some(shard_map(&self.stream, None, cutoff).await),
            false => None,
        };
        let Some(packing) = &mut self.packing else { return };
        match listed {
            Some(Ok(map)) => packing.map = Some(map),
            Some(Err(error)) if !packing.told => {
                packing.told = true;
                let name = self.stream.name();
                tell!(
                    WARN,
                    [stream = name],
                    "records are put one by one: the shards of {name} can't be listed: {error}"
                );
            }
            _ => {}
        }
        packing.pack().into_iter().for_each(|parcel| self.queue.push(parcel));
    }

    /// What becomes of aggregates that another shard took than the one they were packed for. Who reads that shard
    /// leaves out what does not belong there ([`Consumer::aggregated`](crate::Consumer::aggregated); the KCL), so it
    /// is put again. What waits was packed for the same shards: it is packed anew, behind it.
    pub(super) async fn repack(&mut self, strayed: Vec<(Parcel, PutReceipt)>, cutoff: &mut Cutoff) {
        let Some(packing) = &mut self.packing else { return };
        if strayed.is_empty() {
            packing.strayed = 0;
            return;
        }
        packing.strayed += 1;
        let gone_astray = packing.strayed;
        let shards: Vec<&str> = strayed.iter().map(|(_, receipt)| receipt.shard_id.as_str()).collect();
        let map = shard_map(&self.stream, Some(&shards), cutoff).await.ok();
        let mut again = Vec::new();
        for (parcel, receipt) in strayed {
            let range = map.as_ref().and_then(|map| map.range_of(&receipt.shard_id));
            for entry in parcel.into_entries() {
                match range {
                    Some((first, last)) if (first..=last).contains(&entry.hash()) => self.report.sent += 1,
                    Some(_) => again.push(entry),
                    // It is in the stream, and perhaps in its place.
                    None => {
                        self.report.ambiguous += 1;
                        again.push(entry);
                    }
                }
            }
        }
        self.report.retried += again.len() as u64;
        again.extend(self.queue.drain());
        if gone_astray >= STRAYED {
            let name = self.stream.name();
            tell!(
                WARN,
                [stream = name],
                "records are put one by one: {name} puts aggregates into other shards than told"
            );
            again.extend(self.packing.take().map(|mut packing| packing.take()).unwrap_or_default());
            again.into_iter().for_each(|entry| self.queue.push(entry));
        } else if let Some(packing) = &mut self.packing {
            packing.map = map;
            again.extend(packing.take());
            packing.loose = again.into();
        }
    }
}

/// The shards as they are; with all of these among them, if ListShards comes to know them.
async fn shard_map(stream: &Stream, known: Option<&[&str]>, cutoff: &mut Cutoff) -> Result<ShardMap> {
    let mut attempt = 1;
    loop {
        let listed = tokio::select! {
            listed = stream.list_shards() => listed,
            () = cutoff.reached() => return Err(super::stopped()),
        };
        let again = match &listed {
            Ok(shards) => {
                let listed = |id: &&str| shards.iter().any(|shard| shard.id == **id);
                !known.unwrap_or_default().iter().all(listed)
            }
            Err(error) => error.is_transient() || error.kind() == ErrorKind::LimitExceeded,
        };
        if !again || attempt >= ATTEMPTS {
            return listed.map(|shards| ShardMap::new(&shards));
        }
        attempt += 1;
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = cutoff.reached() => return Err(super::stopped()),
        }
    }
}

#[cfg(all(test, feature = "local"))]
mod tests;

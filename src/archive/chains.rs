//! [`Chains`]: the objects of a stream's shards, and what is to become one.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::extent::Extent;
use super::names::{ENDED, SHARD, SequenceKey, check_shard, stream_folder};
use super::objects::Objects;
use super::shards::ArchivedShard;
use crate::error::{Error, ErrorKind, Result};
use crate::read::{Checkpoint, Context, StreamId};
use crate::record::Batch;
use crate::timestamp::Timestamp;

/// When an object is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct ObjectLimits {
    /// So many bytes of lines are one.
    pub(super) bytes: usize,
    /// A record waits no longer for its own to become full.
    pub(super) every: Duration,
}

/// What was written.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Written {
    pub(super) objects: u64,
    pub(super) records: u64,
}

/// A stream's shards, each a chain of objects: mod.rs says why a record is in one of them, and once.
#[derive(Debug)]
pub(super) struct Chains {
    objects: Objects,
    folder: String,
    shards: BTreeMap<String, ArchivedShard>,
}

/// What a listing says of a shard.
#[derive(Default)]
struct ListedShard {
    is_known: bool,
    has_ended: bool,
    last: Option<SequenceKey>,
}

impl Chains {
    /// As they are stored.
    ///
    /// # Errors
    /// When they can't be read, or the last object of a shard is damaged.
    pub(super) fn load(objects: Objects, stream: &StreamId) -> Result<Chains> {
        let folder = stream_folder(stream);
        let listed = objects.fold(&folder, BTreeMap::<String, ListedShard>::new(), |shards, path| {
            let Some((shard_id, name)) = path.split_once('/') else { return };
            match name {
                SHARD => shards.entry(shard_id.to_owned()).or_default().is_known = true,
                ENDED => shards.entry(shard_id.to_owned()).or_default().has_ended = true,
                name => {
                    if let Some(key) = SequenceKey::of_object(name) {
                        let shard = shards.entry(shard_id.to_owned()).or_default();
                        shard.last = shard.last.take().max(Some(key));
                    }
                }
            }
        })?;
        let mut chains = Chains { objects, folder, shards: BTreeMap::new() };
        for (shard_id, listed) in listed {
            let shard = chains.read(&shard_id, listed)?;
            chains.shards.insert(shard_id, shard);
        }
        Ok(chains)
    }

    fn read(&self, shard_id: &str, listed: ListedShard) -> Result<ArchivedShard> {
        let ListedShard { is_known, has_ended, last } = listed;
        let mut shard = ArchivedShard { is_known, has_ended, ..ArchivedShard::default() };
        match last {
            Some(first) => shard.reach(&self.extent(&self.path(shard_id, &first.object()), &first)?),
            None if is_known => shard.since = self.shard_file(shard_id)?.0,
            None => {}
        }
        Ok(shard)
    }

    pub(super) fn checkpoints(&self) -> impl Iterator<Item = Checkpoint> {
        self.shards.iter().map(|(shard_id, shard)| shard.checkpoint(shard_id))
    }

    /// Records that are in no object yet.
    pub(super) fn unwritten(&self) -> u64 {
        self.shards.values().filter_map(|shard| shard.buffer.extent()).map(|extent| extent.records).sum()
    }

    /// Writes down from when on shards are read of which nothing is known: what arrives from then on is to be
    /// archived, also when this ends before it has written the first of it.
    pub(super) fn begin(&mut self, ctx: &Context) -> Result<()> {
        for progress in ctx.shards.iter() {
            let shard_id = &*progress.shard_id;
            if self.shards.get(shard_id).is_some_and(|shard| shard.is_known) {
                continue;
            }
            check_shard(shard_id)?;
            let since = progress.since;
            let file = json!({ "parents": progress.parents, "since": since.to_string() });
            let made = self.objects.create(&self.path(shard_id, SHARD), file.to_string().into_bytes())?;
            // Another process came first: the moment is its.
            let since = if made { since } else { self.shard_file(shard_id)?.0 };
            let shard = self.shards.entry(shard_id.to_owned()).or_default();
            (shard.is_known, shard.since) = (true, since);
        }
        Ok(())
    }

    /// Takes the records of a batch that were not taken before, and writes what is full.
    pub(super) fn take(
        &mut self,
        batch: &Batch,
        now: Timestamp,
        bytes: usize,
        written: &mut Written,
    ) -> Result<()> {
        let shard_id = &*batch.shard_id;
        check_shard(shard_id)?;
        for records in batch.records.chunk_by(|a, b| a.sequence_number == b.sequence_number) {
            self.write_if(shard_id, written, |shard| shard.buffer.len() >= bytes)?;
            let key = SequenceKey::of(&records[0].sequence_number)?;
            let shard = self.shards.entry(shard_id.to_owned()).or_default();
            if shard.taken.as_ref().is_some_and(|taken| key <= *taken) {
                continue;
            }
            shard.buffer.push(key.clone(), records, now);
            shard.taken = Some(key);
        }
        self.write_if(shard_id, written, |shard| shard.buffer.len() >= bytes)
    }

    /// Writes of all shards what has come before this time, or all.
    pub(super) fn write_since(&mut self, time: Option<Timestamp>, written: &mut Written) -> Result<()> {
        let shard_ids: Vec<String> = self.shards.keys().cloned().collect();
        for shard_id in shard_ids {
            self.write_if(&shard_id, written, |shard| {
                shard.buffer.since().is_some_and(|since| time.is_none_or(|time| since <= time))
            })?;
        }
        Ok(())
    }

    /// Writes what is left of a shard, and that there is no more.
    pub(super) fn end(&mut self, shard_id: &str, written: &mut Written) -> Result<()> {
        check_shard(shard_id)?;
        self.write_if(shard_id, written, |_| true)?;
        self.objects.create(&self.path(shard_id, ENDED), b"{}".to_vec())?;
        self.shards.entry(shard_id.to_owned()).or_default().has_ended = true;
        Ok(())
    }

    fn write_if(
        &mut self,
        shard_id: &str,
        written: &mut Written,
        is_due: impl FnOnce(&ArchivedShard) -> bool,
    ) -> Result<()> {
        if !self.shards.get(shard_id).is_some_and(is_due) {
            return Ok(());
        }
        while let Some(shard) = self.shards.get(shard_id)
            && let Some(ours) = shard.buffer.extent().cloned()
        {
            let path = self.path(shard_id, &ours.first.object());
            let is_new = self.objects.create(&path, shard.buffer.gzipped()?)?;
            let stored = match is_new {
                true => ours.clone(),
                // Of another process, or ours, and its answer was lost.
                false => self.extent(&path, &ours.first)?,
            };
            let is_ours =
                is_new || (stored == ours && self.objects.read(&path)? == Some(shard.buffer.gzipped()?));
            if let Some(shard) = self.shards.get_mut(shard_id) {
                match stored == ours {
                    true => shard.buffer.clear(),
                    false => shard.buffer.forget_through(&stored.last),
                }
                shard.reach(&stored);
            }
            if is_ours {
                written.objects += 1;
                written.records += stored.records;
            }
        }
        Ok(())
    }

    /// From where to where an object goes whose name says that it begins so.
    fn extent(&self, path: &str, first: &SequenceKey) -> Result<Extent> {
        let shown = self.objects.shown(path);
        let Some(object) = self.objects.read(path)? else {
            // It was refused because there is one, or will be: an answer of S3 to two writers at once.
            let sentence = format!("{shown} is being written by another process: it is looked at again");
            return Err(Error::new(ErrorKind::StoreUnavailable, sentence));
        };
        let wrong = |what: &str| {
            Error::new(
                ErrorKind::Store,
                format!(
                    "{shown} is damaged: {what}. Restore it, or delete it, if it is the last of its shard, and run \
                     again: its records are read from the stream once more, as long as that keeps them"
                ),
            )
        };
        match Extent::of(&object) {
            Ok(extent) if extent.first == *first => Ok(extent),
            Ok(extent) => Err(wrong(&format!("it begins with record {}", extent.first.number()))),
            Err(what) => Err(wrong(&what)),
        }
    }

    fn shard_file(&self, shard_id: &str) -> Result<(Timestamp, Vec<String>)> {
        read_shard_file(&self.objects, &self.path(shard_id, SHARD))
    }

    fn path(&self, shard_id: &str, name: &str) -> String {
        format!("{}/{shard_id}/{name}", self.folder)
    }
}

/// From when on a shard is read, and what its parents are.
pub(super) fn read_shard_file(objects: &Objects, path: &str) -> Result<(Timestamp, Vec<String>)> {
    let shown = objects.shown(path);
    let Some(file) = objects.read(path)? else {
        let sentence =
            format!("{shown} is being written by another process, or was deleted: it is looked at again");
        return Err(Error::new(ErrorKind::StoreUnavailable, sentence));
    };
    let read = || {
        let value: Value = serde_json::from_slice(&file).ok()?;
        let since = value.get("since")?.as_str()?.parse().ok()?;
        let parents = value.get("parents")?.as_array()?.iter();
        let parents: Option<Vec<String>> = parents.map(|parent| Some(parent.as_str()?.to_owned())).collect();
        Some((since, parents?))
    };
    read().ok_or_else(|| {
        let sentence =
            format!("{shown} is damaged: restore it, or delete it and run again from where you began");
        Error::new(ErrorKind::Store, sentence)
    })
}

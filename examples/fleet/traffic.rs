//! What is put, and how the shards change meanwhile.

use std::collections::BTreeSet;

use kinesis_lab::prelude::*;

/// Records in a put, ten puts a second.
pub(crate) const PUT: u64 = 20;

/// Each record is its own number; half of them in aggregates.
pub(crate) fn put_some(stream: &Stream, from: u64) -> Result<(), Error> {
    let (alone, packed) = (from..from + PUT / 2, from + PUT / 2..from + PUT);
    put(stream, alone, false)?;
    put(stream, packed, true)
}

/// As many as there are before any worker is.
pub(crate) fn put_backlog(stream: &Stream, count: u64) -> Result<(), Error> {
    for from in (0..count).step_by(10_000) {
        put(stream, from..count.min(from + 10_000), false)?;
    }
    Ok(())
}

fn put(stream: &Stream, numbers: std::ops::Range<u64>, pack: bool) -> Result<(), Error> {
    let entries: Vec<Entry> =
        numbers.map(|n| Entry::new(format!("192.0.2.{}", n % 251), n.to_string())).collect();
    let many = stream.put_many(entries);
    let many = if pack { many.aggregated() } else { many };
    many.send().map_err(|failure| Error::new(ErrorKind::Service, failure.to_string()))?;
    Ok(())
}

/// A split and a merge: as many shards as before.
pub(crate) fn reshard(stream: &Stream) -> Result<(), Error> {
    split(stream)?;
    merge(stream)
}

/// The last two of them.
pub(crate) fn merge(stream: &Stream) -> Result<(), Error> {
    let shards = open(stream)?;
    if let [.., one, other] = &shards[..] {
        stream.merge_shards(&one.id, &other.id)?;
    }
    Ok(())
}

/// The first of them.
pub(crate) fn split(stream: &Stream) -> Result<String, Error> {
    let shard = open(stream)?.swap_remove(0).id;
    stream.split_shard(&shard)?;
    Ok(shard)
}

fn open(stream: &Stream) -> Result<Vec<Shard>, Error> {
    let mut open: Vec<Shard> = stream.shards()?.into_iter().filter(Shard::is_open).collect();
    open.sort_by_key(|shard| shard.hash_range);
    Ok(open)
}

/// Those that are to be processed to their ends.
pub(crate) fn closed(stream: &Stream) -> Result<BTreeSet<String>, Error> {
    Ok(stream.shards()?.into_iter().filter(|shard| !shard.is_open()).map(|shard| shard.id).collect())
}

//! What is archived, put back into a stream.

use std::collections::{BTreeMap, VecDeque};

use super::archive::Archive;
use super::chains::read_shard_file;
use super::extent::ObjectLines;
use super::merge::{Merge, RecordSource};
use super::names::{SHARD, SequenceKey, stream_name};
use super::objects::{Objects, nothing_there};
use crate::error::{Error, ErrorKind, Result};
use crate::put::PutReport;
use crate::record::{Entry, Record};
use crate::stream::Stream;
use crate::text::shown;

/// So many records, or bytes of them, are put together: what is held in memory.
const PUT_TOGETHER: usize = 5_000;
const BYTES_TOGETHER: usize = 8 << 20;

impl Archive {
    pub(super) fn replay_from(&self, name: Option<&str>, to: &Stream) -> Result<PutReport> {
        let (objects, folders) = self.folders_of(name)?;
        let mut report = PutReport::default();
        for folder in folders {
            put_all(&objects, &folder, to, &mut report)?;
        }
        Ok(report)
    }

    /// The folders of a stream's incarnations, by the time of their creation; of the only one, where none is named.
    pub(super) fn folders_of(&self, name: Option<&str>) -> Result<(Objects, Vec<String>)> {
        let objects = Objects::open(&self.target, &self.aws, false)?;
        // Sorted, and so by that time.
        let mut folders = objects.folders("")?;
        let is_of = |folder: &String| {
            stream_name(folder).is_some_and(|stream| name.is_none_or(|name| name == stream))
        };
        folders.retain(is_of);
        let mut streams: Vec<&str> = folders.iter().filter_map(|folder| stream_name(folder)).collect();
        streams.sort_unstable();
        streams.dedup();
        match (&streams[..], name) {
            ([_], _) => Ok((objects, folders)),
            ([], None) => Err(nothing_there(&self.target)),
            ([], Some(name)) => Err(Error::new(
                ErrorKind::Store,
                format!("nothing of a stream {} is archived in {}", shown(name, 128), self.target),
            )),
            ([first, ..], _) => Err(Error::invalid(format!(
                "{} holds more than one stream ({}): name one, by .replay_of(\"{first}\", …)",
                self.target,
                streams.join(", ")
            ))),
        }
    }
}

fn put_all(objects: &Objects, folder: &str, to: &Stream, report: &mut PutReport) -> Result<()> {
    let mut shards = BTreeMap::new();
    for shard_id in objects.folders(folder)? {
        let below = format!("{folder}/{shard_id}");
        let (names, is_known) = objects.fold(&below, (Vec::new(), false), |(names, is_known), name| {
            *is_known |= name == SHARD;
            names.extend(SequenceKey::of_object(name));
        })?;
        let mut names: Vec<SequenceKey> = names;
        names.sort();
        let parents = match is_known {
            true => read_shard_file(objects, &format!("{below}/{SHARD}"))?.1,
            false => Vec::new(),
        };
        shards.insert(shard_id, (parents, ArchivedRecords::new(objects.clone(), below, names)));
    }
    let mut merge = Merge::new(shards);
    let (mut entries, mut bytes) = (Vec::new(), 0);
    let told = |error: Error, report: &PutReport| {
        let sentence = format!("{error}; {} records were put before", report.sent);
        Error::with_source(error.kind(), sentence, error)
    };
    loop {
        let next = merge.next().map_err(|error| told(error, report))?;
        if let Some(record) = &next {
            bytes += record.partition_key.len() + record.data.len();
            entries.push(Entry::new(&record.partition_key, &record.data));
        }
        if next.is_none() || entries.len() >= PUT_TOGETHER || bytes >= BYTES_TOGETHER {
            bytes = 0;
            let outcome = to.put_many(std::mem::take(&mut entries)).ordered().send();
            let (more, failure) = match outcome {
                Ok(more) => (more, None),
                Err(failure) => (failure.report.clone(), Some(failure)),
            };
            report.sent += more.sent;
            report.kinesis_records += more.kinesis_records;
            report.retried += more.retried;
            report.ambiguous += more.ambiguous;
            if let Some(failure) = failure {
                return Err(told(failure.into(), report));
            }
        }
        if next.is_none() {
            return Ok(());
        }
    }
}

/// The records of a shard, object by object.
struct ArchivedRecords {
    objects: Objects,
    folder: String,
    names: VecDeque<SequenceKey>,
    /// The one that is being read, and its name.
    open: Option<(ObjectLines, String)>,
    /// The last record of those before it.
    behind: Option<SequenceKey>,
    last: Option<SequenceKey>,
}

impl ArchivedRecords {
    fn new(objects: Objects, folder: String, names: Vec<SequenceKey>) -> ArchivedRecords {
        ArchivedRecords { objects, folder, names: names.into(), open: None, behind: None, last: None }
    }
}

impl RecordSource for ArchivedRecords {
    type Failure = Error;

    fn next_record(&mut self) -> Result<Option<Record>> {
        loop {
            let Some((lines, path)) = &mut self.open else {
                let Some(name) = self.names.pop_front() else { return Ok(None) };
                let path = format!("{}/{}", self.folder, name.object());
                let object = self.objects.read(&path)?.ok_or_else(|| {
                    let sentence = format!("{} was deleted meanwhile", self.objects.shown(&path));
                    Error::new(ErrorKind::Store, sentence)
                })?;
                self.open = Some((ObjectLines::new(object), path));
                self.behind.clone_from(&self.last);
                continue;
            };
            let next = lines.next().map_err(|what| {
                let sentence = format!("{} is damaged: {what}; restore it", self.objects.shown(path));
                Error::new(ErrorKind::Store, sentence)
            })?;
            let Some((key, record)) = next else {
                self.open = None;
                continue;
            };
            // Two writers of which one began where the stream no longer kept what the other had: their objects may
            // overlap, and what is in both is one record.
            if self.behind.as_ref().is_some_and(|behind| key <= *behind) {
                continue;
            }
            self.last = Some(key);
            return Ok(Some(record));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::buffer::Buffer;
    use super::super::target::Target;
    use super::*;
    use crate::service::Kinesis;
    use crate::timestamp::Timestamp;

    /// One of two writers began where the stream no longer kept what the other had: what both have comes once.
    #[test]
    fn what_is_in_two_objects_is_one_record() {
        let folder = crate::folder::temporary_folder("archive-overlap").unwrap();
        let objects = Objects::open(&Target::Folder(folder.clone()), &Kinesis::aws(), true).unwrap();
        let mut names = Vec::new();
        for range in [1..=5, 3..=4, 4..=8, 9..=9] {
            let mut buffer = Buffer::default();
            for number in range {
                let record = Record::new("k", "d", number.to_string(), Timestamp::from_secs(number));
                let both = [record.clone().in_aggregate(0), record.in_aggregate(1)];
                buffer.push(SequenceKey::of(&number.to_string()).unwrap(), &both, Timestamp::MIN);
            }
            let name = buffer.extent().unwrap().first.clone();
            objects.create(&format!("a/{}", name.object()), buffer.gzipped().unwrap()).unwrap();
            names.push(name);
        }
        let mut records = ArchivedRecords::new(objects, "a".to_owned(), names);
        let mut numbers = Vec::new();
        while let Some(record) = records.next_record().unwrap() {
            numbers.push(record.place());
        }
        let want: Vec<String> = (1..=9).flat_map(|n| [format!("{n}/0"), format!("{n}/1")]).collect();
        assert_eq!(numbers, want);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

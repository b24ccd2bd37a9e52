//! [`Parts`]: what [`Entry::split`](crate::Entry::split) split, joined again. Pure.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use super::split::{PartHead, digest};
use crate::error::{Error, Result};
use crate::harmless::{Data, Text};
use crate::record::Record;
use crate::text::{grouped, in_quotes};

/// What is held of documents that are not whole: 64 MiB.
const HELD: usize = 64 << 20;
/// What a part takes beside its piece.
const PART_COST: usize = 96;
/// Of so many documents that are whole it is remembered that they were: parts of theirs may come again.
const REMEMBERED: usize = 1_000;
/// So many of those that were given up are named.
const NAMED: usize = 100;

/// Joins the parts into which [`Entry::split`](crate::Entry::split) has split what is too large for a record.
///
/// In any order, and also when some come twice, as after a connection that broke: a document is given once, when its
/// last part is there, and only whole (its length and its MD5 are in each part). What is no part is given as it is.
///
/// What is held of unfinished documents is 64 MiB at the most, in all: for a document that needs more, the oldest
/// others are given up, and named ([`abandoned`](Parts::abandoned)); a larger document is an error.
///
/// It is in memory alone. A consumer that goes on from a checkpoint between two parts reads the rest of a document, and
/// [`finish`](Parts::finish) says which part is missing: begin it where the first one is.
///
/// ```
/// use kinesis_lab::{Entry, Parts, Record, Timestamp};
///
/// let records: Vec<Record> = Entry::new("192.0.2.10", vec![7; 2_500_000])
///     .split()
///     .into_iter()
///     .map(|part| Record::new(part.partition_key, part.data, "1", Timestamp::now()))
///     .collect();
///
/// let mut parts = Parts::default();
/// assert_eq!(parts.join(&records[2])?, None);
/// assert_eq!(parts.join(&records[0])?, None);
/// let missing = parts.finish().unwrap_err().to_string();
/// assert!(missing.starts_with("part 2 of 3 of the document"), "{missing}");
/// let whole = parts.join(&records[1])?.expect("all are there");
/// assert_eq!(whole.data.len(), 2_500_000);
/// parts.finish()?;
/// # Ok::<(), kinesis_lab::Error>(())
/// ```
#[derive(Default)]
pub struct Parts {
    open: BTreeMap<DocumentKey, OpenDocument>,
    /// Bytes of them all.
    held: usize,
    /// How many were opened: the oldest has the lowest number.
    opened: u64,
    whole: VecDeque<DocumentKey>,
    abandoned: Vec<String>,
    abandoned_count: u64,
}

/// A partition key and an id: whoever has another key can't add a part.
type DocumentKey = (Text, u64);

struct OpenDocument {
    head: PartHead,
    pieces: BTreeMap<u32, Vec<u8>>,
    bytes: usize,
    number: u64,
}

impl OpenDocument {
    fn cost(&self) -> usize {
        self.bytes + self.pieces.len() * PART_COST
    }

    /// The first part that is not there, counted from 1.
    fn missing(&self, (key, id): &DocumentKey) -> String {
        let missing =
            (0..self.head.count).find(|number| !self.pieces.contains_key(number)).unwrap_or_default();
        format!("{} is missing", named(key, *id, missing, self.head.count))
    }
}

fn named(key: &Text, id: u64, number: u32, count: u32) -> String {
    let key = in_quotes(key.raw(), 64);
    format!("part {} of {count} of the document {id:016x} of key {key}", u64::from(number) + 1)
}

impl Parts {
    /// The document whose last part this is, with the part's sequence number and arrival; the record itself when it is
    /// no part; `None` while parts are missing, and for one that was there already.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for a part that is broken, does not fit to the others
    /// of its document, or is of one of more than 64 MiB: it is named. All others are as they were.
    pub fn join(&mut self, record: &Record) -> Result<Option<Record>> {
        let (head, piece) = match PartHead::read(&record.data) {
            None => return Ok(Some(record.clone())),
            Some(Ok(read)) => read,
            Some(Err(what)) => {
                let key = in_quotes(record.partition_key.raw(), 64);
                let place = crate::text::shown(&record.place(), 80);
                return Err(Error::invalid(format!("record {place} of key {key} is a broken part: {what}")));
            }
        };
        let document = (record.partition_key.clone(), head.id);
        if self.whole.contains(&document) {
            return Ok(None);
        }
        let wrong = |what: &str| {
            let part = named(&record.partition_key, head.id, head.number, head.count);
            Err(Error::invalid(format!("{part} is no part of it: {what}")))
        };
        if head.length > HELD as u64 || head.length as usize + head.count as usize * PART_COST > HELD {
            return wrong(&format!(
                "a document is at most {} bytes, and this has {}",
                grouped(HELD),
                grouped(head.length)
            ));
        }
        if let Some(open) = self.open.get(&document) {
            if (PartHead { number: head.number, ..open.head }) != head {
                return wrong(
                    "the others say something else of how many there are, of its length or its MD5",
                );
            }
            match open.pieces.get(&head.number) {
                Some(before) if before == piece => return Ok(None),
                Some(_) => return wrong("there is another of this number"),
                None => {}
            }
        }
        let before = self.open.get(&document).map_or(0, |open| open.bytes);
        if (before + piece.len()) as u64 > head.length {
            return wrong("there is more in it than the document is long");
        }
        self.make_room(piece.len() + PART_COST, &document);
        self.opened += 1;
        let number = self.opened;
        let open = self.open.entry(document.clone()).or_insert_with(|| OpenDocument {
            head,
            pieces: BTreeMap::new(),
            bytes: 0,
            number,
        });
        open.pieces.insert(head.number, piece.to_vec());
        open.bytes += piece.len();
        self.held += piece.len() + PART_COST;
        if open.pieces.len() < head.count as usize {
            return Ok(None);
        }
        let data = self.close(&document).map(|open| open.pieces.into_values().collect::<Vec<_>>().concat());
        let data = data.unwrap_or_default();
        if data.len() as u64 != head.length || digest(&data) != head.digest {
            return wrong("all are there, and together they are not the document that they say");
        }
        self.whole.push_back(document);
        if self.whole.len() > REMEMBERED {
            self.whole.pop_front();
        }
        Ok(Some(Record { data: Data::from(data), ..record.clone() }))
    }

    /// At the end: whether each document of which there was a part was whole.
    ///
    /// # Errors
    /// Names the first part that is missing, of a document that was given up or is not whole yet.
    pub fn finish(&self) -> Result<()> {
        let unfinished = self.open.iter().min_by_key(|(_, open)| open.number);
        let first =
            self.abandoned.first().cloned().or(unfinished.map(|(document, open)| open.missing(document)));
        match first {
            None => Ok(()),
            Some(first) => match self.open.len() as u64 + self.abandoned_count - 1 {
                0 => Err(Error::invalid(first)),
                more => Err(Error::invalid(format!("{first}, and {more} more documents are not whole"))),
            },
        }
    }

    /// How many documents are not whole yet.
    pub fn unfinished(&self) -> usize {
        self.open.len()
    }

    /// The first 100 documents that were given up for want of room, each with the part that was missing.
    pub fn abandoned(&self) -> &[String] {
        &self.abandoned
    }

    /// Gives up the oldest documents, until there is room for one more piece of this.
    fn make_room(&mut self, bytes: usize, wanted: &DocumentKey) {
        while self.held + bytes > HELD {
            let others = self.open.iter().filter(|(document, _)| *document != wanted);
            let Some(oldest) =
                others.min_by_key(|(_, open)| open.number).map(|(document, _)| document.clone())
            else {
                return;
            };
            if let Some(open) = self.close(&oldest) {
                self.abandoned_count += 1;
                if self.abandoned.len() < NAMED {
                    self.abandoned.push(open.missing(&oldest));
                }
            }
        }
    }

    fn close(&mut self, document: &DocumentKey) -> Option<OpenDocument> {
        let open = self.open.remove(document)?;
        self.held -= open.cost();
        Some(open)
    }
}

// Without what is in them, which comes from strangers.
impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, given_up) = (self.open.len(), self.abandoned_count);
        write!(
            f,
            "{open} documents are not whole yet, {} bytes of them; {given_up} were given up",
            grouped(self.held)
        )
    }
}

#[cfg(test)]
mod tests;

//! What is too large for a record, in several. Pure, but for the id that [`Entry::split`] draws.

use md5::{Digest as _, Md5};

use crate::record::{Entry, MAX_RECORD_BYTES};

/// How a part begins: no text does, nor an aggregate, nor gzip.
const MAGIC: [u8; 8] = *b"\xffKL-PART";
/// Behind that: the document's id, the part's number and how many there are, the document's length and its MD5.
pub(super) const HEAD: usize = MAGIC.len() + 8 + 4 + 4 + 8 + 16;

/// The head of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PartHead {
    /// Of the document, drawn anew for each.
    pub(super) id: u64,
    /// From 0 on.
    pub(super) number: u32,
    pub(super) count: u32,
    /// The document's length in bytes, and its MD5.
    pub(super) length: u64,
    pub(super) digest: [u8; 16],
}

impl PartHead {
    /// The head and the piece behind it. `None` for what is no part; an error for what begins as one.
    pub(super) fn read(data: &[u8]) -> Option<Result<(PartHead, &[u8]), &'static str>> {
        let mut rest = data.strip_prefix(&MAGIC)?;
        let mut head = || {
            Some(PartHead {
                id: u64::from_be_bytes(taken(&mut rest)?),
                number: u32::from_be_bytes(taken(&mut rest)?),
                count: u32::from_be_bytes(taken(&mut rest)?),
                length: u64::from_be_bytes(taken(&mut rest)?),
                digest: taken(&mut rest)?,
            })
        };
        Some(match head() {
            None => Err("its head is cut short"),
            Some(head) if head.number >= head.count => Err("its number is not below how many there are"),
            // Each has something of it, but for the only one of nothing.
            Some(head) if rest.is_empty() && head.count > 1 => Err("there is nothing in it"),
            Some(head) if u64::from(head.count) > head.length.max(1) => {
                Err("there are more parts than bytes")
            }
            Some(head) => Ok((head, rest)),
        })
    }

    fn write(&self, piece: &[u8]) -> Vec<u8> {
        let PartHead { id, number, count, length, digest } = self;
        let mut part = Vec::with_capacity(HEAD + piece.len());
        part.extend_from_slice(&MAGIC);
        part.extend_from_slice(&id.to_be_bytes());
        part.extend_from_slice(&number.to_be_bytes());
        part.extend_from_slice(&count.to_be_bytes());
        part.extend_from_slice(&length.to_be_bytes());
        part.extend_from_slice(digest);
        part.extend_from_slice(piece);
        part
    }
}

fn taken<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*first)
}

pub(super) fn digest(document: &[u8]) -> [u8; 16] {
    Md5::digest(document).into()
}

impl Entry {
    /// What is too large for a record as several, which [`Parts`](crate::Parts) joins again; one that is not, as it is.
    /// Put them [`ordered`](crate::PutMany::ordered), with the partition key of the whole, which all of them have.
    ///
    /// A part is as large as a record may be, 1,048,576 bytes with its key; 48 of them say which part of which document
    /// it is. Larger than some tens of megabytes is better stored elsewhere, with a reference in the stream: a shard
    /// takes 1 MB a second. (A stream can be raised to records of 10 MiB, "Handle large records" of the developer
    /// guide; its readers must be able to take them then.)
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// use kinesis_lab::Parts;
    ///
    /// let stream = Kinesis::local()?.create_stream("documents", 1)?;
    /// let document = "3 MB. ".repeat(500_000);
    /// let parts = Entry::new("192.0.2.10", document.clone()).split();
    /// assert_eq!(parts.len(), 3);
    /// stream.put_many(parts).ordered().send()?;
    ///
    /// #[derive(Default)]
    /// struct Documents(Parts, Vec<Record>);
    ///
    /// impl RecordProcessor for Documents {
    ///     fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
    ///         for record in &batch.records {
    ///             self.1.extend(self.0.join(record)?);
    ///         }
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let mut documents = Documents::default();
    /// stream.consumer().trim_horizon().run_until_caught_up(&mut documents)?;
    /// assert!(documents.1.len() == 1 && documents.1[0].data == document);
    /// documents.0.finish()?; // an error that names the part, had one been missing
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn split(self) -> Vec<Entry> {
        self.split_up_to(MAX_RECORD_BYTES, fastrand::u64(..))
    }

    /// The same, in records of at most `limit` bytes, their key among them; all bear this id.
    pub(super) fn split_up_to(self, limit: usize, id: u64) -> Vec<Entry> {
        // What looks like a part would be taken for one.
        if self.size() <= limit && !self.data.starts_with(&MAGIC) {
            return vec![self];
        }
        let Entry { partition_key, data, explicit_hash_key } = self;
        let room = limit.saturating_sub(partition_key.len() + HEAD).max(1);
        let (length, digest) = (data.len() as u64, digest(&data));
        // A piece of a byte each, of 4 GiB: there is no more room for numbers.
        let count = u32::try_from(data.len().div_ceil(room).max(1)).unwrap_or(u32::MAX);
        let part = |(number, piece): (u32, &[u8])| Entry {
            partition_key: partition_key.clone(),
            data: PartHead { id, number, count, length, digest }.write(piece),
            explicit_hash_key,
        };
        (0..).zip(data.chunks(room)).map(part).collect()
    }
}

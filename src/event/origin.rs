//! [`Origin`]: where a forwarded record came from. Pure.
//!
//! A program that reads one stream and writes another cannot do both at once: when it crashes between
//! writing and remembering that it did, it writes again. Kinesis has no transaction over two streams, so
//! the copies are recognised by whoever reads the second stream. Each record says which record of the
//! first stream it is, and up to where its sender will never go back.

use std::fmt;

use serde_json::{Value, json};

use crate::harmless::Text;
use crate::timestamp::Timestamp;

/// Where a forwarded record came from; a [`Filter`](crate::Filter) writes it into the record's data, as
/// the member `origin`.
///
/// A reader of the second stream remembers the sequence numbers of each shard of the first one that are
/// after `after`, and no others: memory is what the sender may send again, not the whole past. It holds
/// whatever the order, as long as the sender puts nothing of the next batch before all of the last one is
/// acknowledged.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Origin {
    /// The stream's name, and after a colon the filter's, if it has one.
    pub stream: Text,
    /// The shard in which the record was.
    pub shard_id: Text,
    /// Its place there.
    pub sequence_number: String,
    /// Its place in the aggregate that it came in, if it did.
    pub sub_sequence_number: Option<u64>,
    /// Which of the events of its record it is, counted from 0, where a filter sent on one of several; told with
    /// each event, not here.
    pub place: Option<u64>,
    /// The sender's checkpoint in that shard when it sent: nothing up to here is sent again, and of an aggregate all
    /// or nothing. `None` before its first one.
    pub after: Option<String>,
    /// How far event time had advanced in *all* shards of the first stream, before the call in which this record was
    /// sent: nothing that the sender still has to send is from before it, but for what was late in the first
    /// stream. The newest event of a record's own shard says nothing of the others, nor of a record beside it
    /// that is put again. [`Timestamp::MIN`] while that is not known.
    pub watermark: Timestamp,
}

impl Origin {
    pub(crate) fn to_json(&self) -> Value {
        let mut value = json!({
            "stream": self.stream.raw(),
            "shard": self.shard_id.raw(),
            "sequence_number": self.sequence_number,
        });
        if let Some(sub) = self.sub_sequence_number {
            value["sub_sequence_number"] = sub.into();
        }
        if let Some(after) = &self.after {
            value["after"] = after.as_str().into();
        }
        if self.watermark > Timestamp::MIN {
            value["watermark"] = self.watermark.to_string().into();
        }
        value
    }

    /// `None` for what no filter wrote: it is a member like any other then.
    pub(crate) fn from_json(value: &Value) -> Option<Origin> {
        let text = |name: &str| Some(value.get(name)?.as_str()?.to_owned());
        let number = |name: &str| text(name).filter(|text| is_number(text));
        Some(Origin {
            stream: text("stream")?.into(),
            shard_id: text("shard")?.into(),
            sequence_number: number("sequence_number")?,
            sub_sequence_number: value.get("sub_sequence_number").and_then(Value::as_u64),
            place: None,
            after: number("after"),
            watermark: text("watermark").and_then(|time| time.parse().ok()).unwrap_or(Timestamp::MIN),
        })
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.stream, self.shard_id, self.sequence_number)?;
        self.sub_sequence_number.map_or(Ok(()), |sub| write!(f, "/{sub}"))?;
        self.place.map_or(Ok(()), |place| write!(f, "#{place}"))
    }
}

/// Up to 128 digits (API reference, `SequenceNumber`); nothing longer is remembered for a stranger.
fn is_number(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(number: u64, after: Option<u64>) -> Origin {
        Origin {
            stream: "events".into(),
            shard_id: "s".into(),
            sequence_number: format!("{number}"),
            sub_sequence_number: None,
            place: None,
            after: after.map(|number| number.to_string()),
            watermark: Timestamp::MIN,
        }
    }

    #[test]
    fn json_and_back() {
        let mut all = origin(5, Some(3));
        all.watermark = Timestamp::from_secs(1_536_220_800);
        all.sub_sequence_number = Some(0);
        assert_eq!(format!("{all:?}"), "events/s/5/0");
        assert_eq!(Origin::from_json(&all.to_json()), Some(all));
        assert_eq!(Origin::from_json(&origin(5, None).to_json()), Some(origin(5, None)));
        for odd in [json!("x"), json!({ "stream": "a", "shard": "b", "sequence_number": "1e9" })] {
            assert_eq!(Origin::from_json(&odd), None);
        }
    }
}

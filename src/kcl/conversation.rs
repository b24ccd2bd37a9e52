//! [`Conversation`]: whose turn it is, and what may be said. Pure.
//!
//! Strictly request and response: the daemon asks, the child answers with a status, and between the two it may ask for
//! checkpoints, one after the other. (Package `software.amazon.kinesis.multilang`, *High Level Description Of
//! Protocol*.)

use super::message::{ChildMessage, DaemonMessage};
use super::place::ExtendedSequenceNumber;
use crate::error::{Error, ErrorKind, Result};

#[derive(Debug, Clone, PartialEq)]
enum WhoseTurn {
    /// Nothing was said yet.
    New,
    /// The daemon's turn.
    Answered,
    /// It waits for a status that answers this.
    Asked(&'static str),
    /// It waits for the same, and has been asked for a checkpoint.
    Checkpointing(&'static str, Option<ExtendedSequenceNumber>),
    /// The shard is somebody else's, or at its end: nothing more is to be said.
    Over,
}

/// One child's, from its first line to its last.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Conversation {
    turn: WhoseTurn,
}

impl Conversation {
    pub(crate) fn new() -> Conversation {
        Conversation { turn: WhoseTurn::New }
    }

    /// The daemon has sent this.
    ///
    /// # Errors
    /// When it is not what it may send now.
    pub(crate) fn received(&mut self, message: &DaemonMessage) -> Result<()> {
        let action = message.action();
        self.turn = match (&self.turn, message) {
            (WhoseTurn::New, DaemonMessage::Initialize { .. }) => WhoseTurn::Asked(action),
            (WhoseTurn::Checkpointing(asked, place), DaemonMessage::Checkpoint { place: answered, .. })
                if place == answered =>
            {
                WhoseTurn::Asked(asked)
            }
            (
                WhoseTurn::Answered,
                DaemonMessage::ProcessRecords { .. }
                | DaemonMessage::ShardEnded
                | DaemonMessage::ShutdownRequested
                | DaemonMessage::LeaseLost,
            ) => WhoseTurn::Asked(action),
            (turn, _) => {
                return Err(Error::new(
                    ErrorKind::InvalidInput,
                    format!(
                        "the KCL's daemon has sent `{action}` where {}: nothing of it was processed",
                        turn.expected()
                    ),
                ));
            }
        };
        Ok(())
    }

    /// Asks for a checkpoint; `None` for all of the shard.
    ///
    /// # Errors
    /// Where the daemon would refuse it: without a lease, or not yet, or not now.
    pub(crate) fn checkpoint(&mut self, place: Option<ExtendedSequenceNumber>) -> Result<ChildMessage> {
        match self.turn {
            WhoseTurn::Asked(asked @ ("processRecords" | "shardEnded" | "shutdownRequested"))
                if place.as_ref().is_none_or(ExtendedSequenceNumber::is_a_record) =>
            {
                self.turn = WhoseTurn::Checkpointing(asked, place.clone());
                Ok(ChildMessage::Checkpoint(place))
            }
            _ => Err(self.out_of_turn("a checkpoint")),
        }
    }

    /// What was asked is done.
    ///
    /// # Errors
    /// When nothing was asked.
    pub(crate) fn answer(&mut self) -> Result<ChildMessage> {
        let WhoseTurn::Asked(asked) = self.turn else { return Err(self.out_of_turn("a status")) };
        self.turn = match asked {
            "shardEnded" | "leaseLost" => WhoseTurn::Over,
            _ => WhoseTurn::Answered,
        };
        Ok(ChildMessage::Status { response_for: asked })
    }

    /// A fault of this crate: the daemon would wait for ever.
    fn out_of_turn(&self, what: &str) -> Error {
        let expected = self.turn.expected();
        Error::new(
            ErrorKind::Processor,
            format!("{what} was to be sent to the KCL's daemon where {expected}"),
        )
    }
}

impl WhoseTurn {
    fn expected(&self) -> String {
        match self {
            WhoseTurn::New => "`initialize` comes first".into(),
            WhoseTurn::Answered => "records or an end come next".into(),
            WhoseTurn::Asked(asked) => format!("it waits for the answer to `{asked}`"),
            WhoseTurn::Checkpointing(_, Some(place)) => {
                format!("the answer to a checkpoint at {} comes next", place.sequence_number)
            }
            WhoseTurn::Checkpointing(_, None) => {
                "the answer to a checkpoint at the shard's end comes next".into()
            }
            WhoseTurn::Over => "the shard is over for this child".into(),
        }
    }
}

#[cfg(test)]
mod tests;

use proptest::prelude::*;

use super::super::message::LeasePosition;
use super::super::records::DaemonRecords;
use super::*;

fn place() -> ExtendedSequenceNumber {
    ExtendedSequenceNumber { sequence_number: "4959".into(), sub_sequence_number: 0 }
}

fn initialize() -> DaemonMessage {
    DaemonMessage::Initialize { shard_id: "s".into(), position: LeasePosition::Beginning }
}

fn process() -> DaemonMessage {
    DaemonMessage::ProcessRecords { records: DaemonRecords::default(), millis_behind_latest: None }
}

fn checkpointed(place: Option<ExtendedSequenceNumber>) -> DaemonMessage {
    DaemonMessage::Checkpoint { place, error: None }
}

/// What either side may try, in any order.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Move {
    Initialize,
    Process,
    ShardEnded,
    Shutdown,
    LeaseLost,
    /// The child asks for a checkpoint, and the daemon answers one.
    Ask,
    Checkpointed,
    Answer,
}

const MOVES: [Move; 8] = [
    Move::Initialize,
    Move::Process,
    Move::ShardEnded,
    Move::Shutdown,
    Move::LeaseLost,
    Move::Ask,
    Move::Checkpointed,
    Move::Answer,
];

/// The protocol once more, as a table: which move is in order after those before it.
fn in_order(before: &[Move], next: Move) -> bool {
    use Move::*;
    let request =
        before.iter().rev().find(|it| matches!(it, Initialize | Process | ShardEnded | Shutdown | LeaseLost));
    let over = before.contains(&Answer)
        && matches!(request, Some(ShardEnded | LeaseLost))
        && before.last() == Some(&Answer);
    match (before.last(), next) {
        (None, next) => next == Initialize,
        (Some(Ask), next) => next == Checkpointed,
        (Some(Answer), next) => !over && matches!(next, Process | ShardEnded | Shutdown | LeaseLost),
        (Some(_), Answer) => true,
        (Some(_), Ask) => matches!(request, Some(Process | ShardEnded | Shutdown)),
        _ => false,
    }
}

fn try_move(conversation: &mut Conversation, step: Move) -> Result<()> {
    match step {
        Move::Initialize => conversation.received(&initialize()),
        Move::Process => conversation.received(&process()),
        Move::ShardEnded => conversation.received(&DaemonMessage::ShardEnded),
        Move::Shutdown => conversation.received(&DaemonMessage::ShutdownRequested),
        Move::LeaseLost => conversation.received(&DaemonMessage::LeaseLost),
        Move::Checkpointed => conversation.received(&checkpointed(Some(place()))),
        Move::Ask => conversation.checkpoint(Some(place())).map(drop),
        Move::Answer => conversation.answer().map(drop),
    }
}

/// All of them up to fourteen moves: what is in order is let through, what is not is refused and
/// changes nothing.
#[test]
fn every_order_of_moves_is_the_protocols_or_refused() {
    let mut tried = 0;
    let mut reached = vec![(Vec::new(), Conversation::new())];
    for _ in 0..14 {
        let mut next = Vec::new();
        for (before, conversation) in &reached {
            for step in MOVES {
                let mut after = conversation.clone();
                let outcome = try_move(&mut after, step);
                assert_eq!(outcome.is_ok(), in_order(before, step), "{before:?}, then {step:?}: {outcome:?}");
                tried += 1;
                match outcome {
                    Ok(()) => next.push(([&before[..], &[step]].concat(), after)),
                    Err(_) => assert_eq!(after, *conversation),
                }
            }
        }
        reached = next;
    }
    assert!(tried > 10_000 && !reached.is_empty(), "{tried}");
}

proptest! {
    #[test]
    fn so_are_long_ones(steps in prop::collection::vec(prop::sample::select(MOVES.to_vec()), 0..200)) {
        let (mut conversation, mut before) = (Conversation::new(), Vec::new());
        for step in steps {
            let ok = try_move(&mut conversation, step).is_ok();
            prop_assert_eq!(ok, in_order(&before, step));
            if ok {
                before.push(step);
            }
        }
    }
}

#[test]
fn a_refusal_says_what_was_expected() {
    let mut conversation = Conversation::new();
    let error = conversation.received(&process()).unwrap_err().to_string();
    assert!(error.contains("`processRecords` where `initialize` comes first"), "{error}");
    conversation.received(&initialize()).unwrap();
    let error = conversation.received(&process()).unwrap_err().to_string();
    assert!(error.contains("it waits for the answer to `initialize`"), "{error}");
    assert_eq!(conversation.answer().unwrap(), ChildMessage::Status { response_for: "initialize" });
    conversation.received(&process()).unwrap();
    conversation.checkpoint(Some(place())).unwrap();
    // Another one's answer.
    let other = ExtendedSequenceNumber { sub_sequence_number: 1, ..place() };
    for answer in [checkpointed(None), checkpointed(Some(other))] {
        let error = conversation.received(&answer).unwrap_err().to_string();
        assert!(error.contains("the answer to a checkpoint at 4959 comes next"), "{error}");
    }
    conversation.received(&checkpointed(Some(place()))).unwrap();
    // No word of the lease table's is a place, and nothing else can be put into the line.
    for word in ["TRIM_HORIZON", "4959\",\"x\":\""] {
        let odd = ExtendedSequenceNumber { sequence_number: word.into(), sub_sequence_number: 0 };
        assert!(conversation.checkpoint(Some(odd)).is_err());
    }
    assert_eq!(conversation.answer().unwrap(), ChildMessage::Status { response_for: "processRecords" });
    conversation.received(&DaemonMessage::LeaseLost).unwrap();
    conversation.answer().unwrap();
    let error = conversation.received(&process()).unwrap_err().to_string();
    assert!(error.contains("the shard is over"), "{error}");
}

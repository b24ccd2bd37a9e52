//! A daemon that says what the real one may, in virtual time.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use serde_json::{Value, json};

use super::*;
use crate::read::{Checkpoint, ProcessError};

/// Asks one thing after the other, each when the one before was answered; `errors` are those of the checkpoints.
#[derive(Default)]
struct Scripted {
    requests: VecDeque<Value>,
    errors: VecDeque<Option<&'static str>>,
    checkpoint: Option<String>,
    /// The action that was asked, until it is answered.
    asked: Option<String>,
    said: Rc<RefCell<Vec<String>>>,
    /// After so many of the child's lines it is not there any more.
    gone_after: Option<usize>,
}

impl Daemon for Scripted {
    async fn line(&mut self) -> Result<Option<Vec<u8>>> {
        if let Some(answer) = self.checkpoint.take() {
            return Ok(Some(answer.into_bytes()));
        }
        let Some(request) = self.requests.pop_front() else { return Ok(None) };
        if let Some(seconds) = request["after"].as_u64() {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
        }
        if request["action"] == "silence" {
            return std::future::pending().await;
        }
        assert_eq!(self.asked, None, "it waits for an answer");
        self.asked = request["action"].as_str().map(str::to_owned);
        Ok(Some(request.to_string().into_bytes()))
    }

    fn send(&mut self, line: &str) -> Result<bool> {
        let mut said = self.said.borrow_mut();
        if self.gone_after.is_some_and(|lines| said.len() >= lines) {
            return Ok(false);
        }
        // As strict as the real one.
        let message: Value = serde_json::from_str(line).unwrap();
        let fields: Vec<&str> = message.as_object().unwrap().keys().map(String::as_str).collect();
        match message["action"].as_str().unwrap() {
            "status" => {
                assert_eq!(fields, ["action", "responseFor"]);
                assert_eq!(message["responseFor"].as_str(), self.asked.take().as_deref());
                said.push(message["responseFor"].as_str().unwrap().to_owned());
            }
            "checkpoint" => {
                assert_eq!(fields, ["action", "sequenceNumber", "subSequenceNumber"]);
                let place = |value: &Value| value.to_string().replace('"', "");
                said.push(format!(
                    "@{}/{}",
                    place(&message["sequenceNumber"]),
                    place(&message["subSequenceNumber"])
                ));
                let mut answer = message.clone();
                answer["error"] = json!(self.errors.pop_front().flatten());
                self.checkpoint = Some(answer.to_string());
            }
            other => panic!("{other}"),
        }
        Ok(true)
    }
}

fn initialize(at: &str) -> Value {
    json!({ "action": "initialize", "shardId": "shardId-7", "sequenceNumber": at, "subSequenceNumber": 0 })
}

fn records(numbers: &[u64]) -> Value {
    let records: Vec<Value> = numbers
        .iter()
        .map(|number| json!({ "data": "", "partitionKey": "k", "sequenceNumber": number.to_string(), "subSequenceNumber": 0 }))
        .collect();
    json!({ "action": "processRecords", "records": records, "millisBehindLatest": 0 })
}

fn action(action: &str) -> Value {
    json!({ "action": action })
}

/// Writes down what it is given; its verdicts come one after the other.
#[derive(Default)]
struct Notes {
    calls: Vec<String>,
    verdicts: VecDeque<ProcessError>,
    remembers: Vec<Checkpoint>,
    idle: Vec<bool>,
    taken: Vec<String>,
}

impl RecordProcessor for Notes {
    fn shard_taken(&mut self, shard_id: &str, _: &mut Context) -> Result<(), ProcessError> {
        self.taken.push(format!("{shard_id}, before {} calls", self.calls.len()));
        Ok(())
    }

    fn checkpoints(&mut self, stream: &StreamId) -> Result<Vec<Checkpoint>, ProcessError> {
        self.calls.push(format!("checkpoints of {}", stream.name));
        Ok(self.remembers.clone())
    }

    fn process(&mut self, batch: &Batch, ctx: &mut Context) -> Result<(), ProcessError> {
        let numbers: Vec<&str> = batch.records.iter().map(|record| &*record.sequence_number).collect();
        self.calls.push(format!("{} of {}", numbers.join(" "), batch.shard_id));
        assert_eq!((&*batch.stream, ctx.millis_behind_latest), ("visits", Some(0)));
        self.verdicts.pop_front().map_or(Ok(()), Err)
    }

    fn tick(&mut self, ctx: &mut Context) -> Result<(), ProcessError> {
        self.calls.push("tick".into());
        assert_eq!(&*ctx.shards[0].shard_id, "shardId-7");
        self.idle.push(ctx.shards[0].idle);
        Ok(())
    }

    fn shard_ended(&mut self, shard_id: &str, _: &mut Context) -> Result<(), ProcessError> {
        self.calls.push(format!("end of {shard_id}"));
        Ok(())
    }
}

async fn drive(
    mut daemon: Scripted,
    requests: &[Value],
    every: u64,
    notes: &mut Notes,
) -> (Result<ConsumerReport>, Vec<String>) {
    daemon.requests = requests.iter().cloned().collect();
    let said = daemon.said.clone();
    let (stream, stop) = (StreamId::new("visits", Timestamp::MIN), Stop::default());
    let outcome = Driver::new(daemon, &stream, Duration::from_secs(every), notes, &stop).run().await;
    (outcome, said.take())
}

#[tokio::test(start_paused = true)]
async fn a_shard_from_its_beginning_to_its_end() {
    let requests =
        [initialize("TRIM_HORIZON"), records(&[1, 2]), records(&[]), records(&[3]), action("shardEnded")];
    let mut notes = Notes::default();
    let (outcome, said) = drive(Scripted::default(), &requests, 0, &mut notes).await;
    let report = outcome.unwrap();
    assert_eq!((report.ended, report.records), (Some(Ended::ShardsEnded), 3));
    assert_eq!(
        said,
        [
            "initialize",
            "@2/0",
            "processRecords",
            "processRecords",
            "@3/0",
            "processRecords",
            "@null/null",
            "shardEnded"
        ]
    );
    assert_eq!(
        notes.calls,
        [
            "checkpoints of visits",
            "1 2 of shardId-7",
            "tick",
            "tick",
            "3 of shardId-7",
            "tick",
            "end of shardId-7",
            "tick"
        ]
    );
    assert_eq!(notes.idle, [false, true, false, false]);
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_comes_after_its_time_and_before_the_worker_ends() {
    let requests =
        [initialize("5"), records(&[6]), records(&[7]), action("shutdownRequested"), action("leaseLost")];
    let mut notes = Notes::default();
    let (outcome, said) = drive(Scripted::default(), &requests, 5, &mut notes).await;
    assert_eq!(outcome.unwrap().ended, Some(Ended::Stopped));
    assert_eq!(
        said,
        ["initialize", "processRecords", "processRecords", "@7/0", "shutdownRequested", "leaseLost"]
    );
    // Without anything new, there is nothing to write down.
    let requests = [initialize("5"), action("shutdownRequested")];
    let (outcome, said) = drive(Scripted::default(), &requests, 5, &mut Notes::default()).await;
    assert_eq!(outcome.unwrap().ended, Some(Ended::Stopped));
    assert_eq!(said, ["initialize", "shutdownRequested"]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_is_no_checkpoint_and_no_call() {
    let requests = [initialize("5"), records(&[6]), action("leaseLost")];
    let mut notes = Notes::default();
    let (outcome, said) = drive(Scripted::default(), &requests, 5, &mut notes).await;
    assert_eq!(outcome.unwrap().ended, Some(Ended::LeaseLost));
    assert_eq!(said, ["initialize", "processRecords", "leaseLost"]);
    assert_eq!(notes.calls, ["checkpoints of visits", "6 of shardId-7", "tick"]);
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_is_gone_ends_the_child_wherever_it_is() {
    let requests = [initialize("5"), records(&[6]), action("shardEnded")];
    // At the answers, and at checkpoints; after the last line, it is an end of the shard.
    for lines in 0..5 {
        let daemon = Scripted { gone_after: Some(lines), ..Scripted::default() };
        let (outcome, said) = drive(daemon, &requests, 0, &mut Notes::default()).await;
        assert_eq!((outcome.unwrap().ended, said.len()), (Some(Ended::DaemonGone), lines), "{lines}");
    }
    let (outcome, _) = drive(Scripted::default(), &requests[..2], 0, &mut Notes::default()).await;
    assert_eq!(outcome.unwrap().ended, Some(Ended::DaemonGone));
}

fn with(errors: &[Option<&'static str>]) -> Scripted {
    Scripted { errors: errors.iter().copied().collect(), ..Scripted::default() }
}

#[tokio::test(start_paused = true)]
async fn each_failed_checkpoint_has_its_consequence() {
    let requests = [initialize("5"), records(&[6]), records(&[7]), records(&[8]), action("shardEnded")];

    // Busy or out of reach: later, and at the end at once again.
    let errors = [Some("ThrottlingException"), Some("RuntimeException"), None, Some("ThrottlingException")];
    let (outcome, said) = drive(with(&errors), &requests, 0, &mut Notes::default()).await;
    assert_eq!(outcome.unwrap().ended, Some(Ended::ShardsEnded));
    let checkpoints: Vec<&String> = said.iter().filter(|line| line.starts_with('@')).collect();
    assert_eq!(checkpoints, ["@6/0", "@7/0", "@8/0", "@null/null", "@null/null"]);
    // But not for ever, where there is no later: its children would never begin, and nobody would know.
    let always: Vec<_> = [None, None, None].into_iter().chain([Some("RuntimeException"); 20]).collect();
    let (outcome, said) = drive(with(&always), &requests, 0, &mut Notes::default()).await;
    let error = outcome.unwrap_err();
    assert!(error.to_string().contains("its children can't begin"), "{error}");
    assert_eq!(said.iter().filter(|line| *line == "@null/null").count(), 10);

    // For good.
    for class in ["InvalidStateException", "IllegalArgumentException"] {
        let (outcome, _) = drive(with(&[Some(class)]), &requests, 0, &mut Notes::default()).await;
        let error = outcome.unwrap_err();
        assert!(error.kind() == ErrorKind::Service && error.to_string().contains(class), "{error}");
    }
    // Before the worker ends, three times; then the daemon is answered all the same.
    let requests = [initialize("5"), records(&[6]), action("shutdownRequested")];
    let (outcome, said) =
        drive(with(&[Some("ThrottlingException"); 9]), &requests, 5, &mut Notes::default()).await;
    assert_eq!(outcome.unwrap().ended, Some(Ended::Stopped));
    assert_eq!(said[2..], ["@6/0", "@6/0", "@6/0", "shutdownRequested"]);
}

/// A shard is not said to be at its end by who has lost it; and an answer without that would have the daemon ask
/// again and again, where nobody is.
#[tokio::test(start_paused = true)]
async fn whose_lease_is_lost_ends_with_an_error_at_the_shards_end() {
    const LOST: Option<&str> = Some("ShutdownException");
    let requests = [initialize("5"), records(&[6]), records(&[7]), records(&[8]), action("shardEnded")];

    // Lost with a batch: nothing more is processed.
    let mut notes = Notes::default();
    let (outcome, said) = drive(with(&[None, LOST]), &requests, 0, &mut notes).await;
    let error = outcome.unwrap_err();
    assert!(
        error.kind() == ErrorKind::Service && error.to_string().contains("its children can't begin"),
        "{error}"
    );
    assert_eq!(notes.calls, ["checkpoints of visits", "6 of shardId-7", "tick", "7 of shardId-7", "tick"]);
    assert_eq!(said[3..], ["@7/0", "processRecords", "processRecords"]);

    // Lost when its end is written down.
    let (outcome, said) = drive(with(&[None, None, None, LOST]), &requests, 0, &mut Notes::default()).await;
    assert!(outcome.unwrap_err().to_string().contains("its children can't begin"));
    assert_eq!(said.last().unwrap(), "@null/null");
}

/// The processor's store knows before the daemon does. What was processed is not written, so no checkpoint passes it.
#[tokio::test(start_paused = true)]
async fn who_is_refused_by_its_own_store_answers_and_does_nothing_more() {
    let fenced = || Notes {
        verdicts: [ProcessError::skip("odd"), ProcessError::lease_lost("another worker has taken it")].into(),
        ..Notes::default()
    };
    let requests = [initialize("5"), records(&[6]), records(&[7]), records(&[8]), action("leaseLost")];
    let mut notes = fenced();
    let (outcome, said) = drive(Scripted::default(), &requests, 0, &mut notes).await;
    assert_eq!(outcome.unwrap().ended, Some(Ended::LeaseLost));
    assert_eq!(
        said,
        ["initialize", "@6/0", "processRecords", "processRecords", "processRecords", "leaseLost"]
    );
    assert_eq!(notes.calls[1..], ["6 of shardId-7", "tick", "7 of shardId-7"]);

    // Nor is there one when the worker ends; and an end of the shard is an error, so that another writes it.
    for (last, ended) in [("shutdownRequested", Some(Ended::Stopped)), ("shardEnded", None)] {
        let requests = [initialize("5"), records(&[6]), records(&[7]), action(last)];
        let (outcome, said) = drive(Scripted::default(), &requests, 0, &mut fenced()).await;
        assert_eq!(outcome.ok().and_then(|report| report.ended), ended);
        assert_eq!(said.iter().filter(|line| line.starts_with('@')).count(), 1, "{last}");
    }
    // One that says nothing more loses its child.
    let requests = [initialize("5"), records(&[6]), records(&[7]), action("silence")];
    let (outcome, _) = drive(Scripted::default(), &requests, 0, &mut fenced()).await;
    assert!(outcome.unwrap_err().to_string().contains("does not let go of it"));
}

/// It is told which shard it has before it is asked where it is.
#[tokio::test(start_paused = true)]
async fn a_shard_is_taken_first() {
    let mut notes = Notes::default();
    let (outcome, _) =
        drive(Scripted::default(), &[initialize("5"), action("leaseLost")], 0, &mut notes).await;
    outcome.unwrap();
    assert_eq!(
        (notes.taken, notes.calls),
        (vec!["shardId-7, before 0 calls".to_owned()], vec!["checkpoints of visits".to_owned()])
    );
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_keeps_a_lost_lease_for_a_minute_loses_its_child() {
    let lost = || with(&[Some("ShutdownException")]);
    // Told so in time, the child ends well.
    let requests = [initialize("5"), records(&[6]), records(&[7]), action("leaseLost")];
    let (outcome, said) = drive(lost(), &requests, 0, &mut Notes::default()).await;
    let report = outcome.unwrap();
    assert_eq!((report.records, report.ended), (1, Some(Ended::LeaseLost)));
    assert_eq!(said, ["initialize", "@6/0", "processRecords", "processRecords", "leaseLost"]);

    let later = |seconds: u64| {
        let mut records = records(&[9]);
        records["after"] = json!(seconds);
        records
    };
    let requests = [initialize("5"), records(&[6]), later(59), later(2)];
    let (outcome, said) = drive(lost(), &requests, 0, &mut Notes::default()).await;
    let error = outcome.unwrap_err();
    assert!(
        error.kind() == ErrorKind::Service && error.to_string().contains("does not let go of it"),
        "{error}"
    );
    assert_eq!(said, ["initialize", "@6/0", "processRecords", "processRecords"]);

    // Nor is one waited for that has nothing to say, as on a quiet stream.
    let (began, mut notes) = (Instant::now(), Notes::default());
    let requests = [initialize("5"), records(&[6]), action("silence")];
    let outcome = tokio::time::timeout(Duration::from_secs(600), drive(lost(), &requests, 0, &mut notes));
    let error = outcome.await.expect("it waits for ever").0.unwrap_err();
    assert!(error.to_string().contains("does not let go of it"), "{error}");
    assert_eq!(began.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_processors_errors_mean_what_they_mean_in_a_run() {
    let requests = [initialize("5"), records(&[6]), records(&[7]), action("leaseLost")];
    let with = |verdicts: Vec<ProcessError>| Notes { verdicts: verdicts.into(), ..Notes::default() };
    let calls_of_6 = |notes: &Notes| notes.calls.iter().filter(|call| call.starts_with('6')).count();

    let mut notes =
        with(vec![ProcessError::retry("busy"), ProcessError::wait("locked"), ProcessError::wait("locked")]);
    let (outcome, said) = drive(Scripted::default(), &requests, 0, &mut notes).await;
    assert_eq!((outcome.unwrap().waits, calls_of_6(&notes)), (2, 4));
    assert_eq!(said[1], "@6/0");

    let mut notes = with(vec![ProcessError::skip("not mine")]);
    let (outcome, said) = drive(Scripted::default(), &requests, 0, &mut notes).await;
    let report = outcome.unwrap();
    assert_eq!((report.skipped_records, report.records, said[1].as_str()), (1, 1, "@6/0"));

    for (verdicts, calls) in [
        (vec![ProcessError::stop("enough")], 1),
        ((0..11).map(|_| ProcessError::retry("busy")).collect(), 11),
    ] {
        let mut notes = with(verdicts);
        let (outcome, said) = drive(Scripted::default(), &requests, 0, &mut notes).await;
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Processor);
        assert_eq!((calls_of_6(&notes), said), (calls, vec!["initialize".to_owned()])); // no checkpoint, no answer
    }
}

/// A wait is over when the daemon is: its processor's store may never come back.
#[tokio::test(start_paused = true)]
async fn who_waits_hears_that_the_daemon_is_gone() {
    struct Waits(Stop, u32);
    impl RecordProcessor for Waits {
        fn process(&mut self, _: &Batch, ctx: &mut Context) -> Result<(), ProcessError> {
            self.1 += 1;
            if self.1 == 3 {
                assert!(!ctx.stopping());
                self.0.ask(); // as the thread does that reads stdin
                assert!(ctx.stopping());
            }
            Err(ProcessError::wait("the store is away"))
        }
    }
    let (stream, stop) = (StreamId::new("visits", Timestamp::MIN), Stop::default());
    let mut waits = Waits(stop.clone(), 0);
    let daemon = Scripted { requests: [initialize("5"), records(&[6])].into(), ..Scripted::default() };
    let said = daemon.said.clone();
    let report = Driver::new(daemon, &stream, Duration::ZERO, &mut waits, &stop).run().await.unwrap();
    assert_eq!((report.ended, waits.1), (Some(Ended::DaemonGone), 3));
    assert!(report.unfinished.is_some() && *said.borrow() == ["initialize"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_processor_remembers_it_is_not_given_again() {
    let remembers = |number: Option<&str>, ended: bool| {
        let checkpoint = Checkpoint::new("shardId-7", number, Timestamp::MIN);
        let checkpoint = if ended { checkpoint.ended() } else { checkpoint };
        let another = Checkpoint::new("shardId-8", Some("99"), Timestamp::MIN);
        Notes { remembers: vec![another, checkpoint], ..Notes::default() }
    };
    // A crash between the store's commit and the lease table's.
    let requests = [initialize("5"), records(&[6, 9, 10, 11]), records(&[12]), action("shardEnded")];
    let mut notes = remembers(Some("10"), false);
    let (outcome, said) = drive(Scripted::default(), &requests, 0, &mut notes).await;
    assert_eq!(outcome.unwrap().records, 2);
    assert_eq!(notes.calls[1..3], ["11 of shardId-7", "tick"]);
    assert_eq!(said[1], "@11/0");
    // All of it, also that it has ended.
    let mut notes = remembers(Some("12"), true);
    let (outcome, said) = drive(Scripted::default(), &requests, 0, &mut notes).await;
    assert_eq!((outcome.unwrap().records, said.last().unwrap().as_str()), (0, "shardEnded"));
    assert!(!notes.calls.iter().any(|call| call.contains("shardId-7")), "{:?}", notes.calls);
    // The lease table is ahead: the store is an older one, and what is between would be missing.
    for remembered in [Some("9"), None] {
        let requests = [initialize("10"), records(&[11])];
        let mut notes = remembers(remembered, false);
        let (outcome, said) = drive(Scripted::default(), &requests, 0, &mut notes).await;
        let error = outcome.unwrap_err();
        assert!(error.kind() == ErrorKind::Store && error.to_string().contains("older state"), "{error}");
        assert_eq!((said.len(), notes.calls.len()), (0, 1));
    }
    // A processor that remembers other shards alone has nothing to say of this one.
    let mut notes = Notes {
        remembers: vec![Checkpoint::new("shardId-8", Some("9"), Timestamp::MIN)],
        ..Notes::default()
    };
    assert!(drive(Scripted::default(), &[initialize("10"), records(&[11])], 0, &mut notes).await.0.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_is_no_message_ends_it_before_anything_is_done() {
    for (odd, says) in [
        (json!({ "action": "shutdown", "reason": "ZOMBIE" }), "`shutdown`"),
        (json!([]), "no JSON object"),
        (initialize("5"), "records or an end come next"),
        (
            json!({ "action": "checkpoint", "sequenceNumber": "5", "subSequenceNumber": 0 }),
            "records or an end",
        ),
    ] {
        let mut notes = Notes::default();
        let (outcome, said) = drive(Scripted::default(), &[initialize("5"), odd], 0, &mut notes).await;
        let error = outcome.unwrap_err();
        assert!(error.kind() == ErrorKind::InvalidInput && error.to_string().contains(says), "{error}");
        assert_eq!((said.len(), notes.calls.len()), (1, 1));
    }
}

//! Enhanced fan-out on a bad day: broken subscriptions, limits, reshards, a registration that is refused or taken
//! back. In virtual time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::options::ReadOptions;
use super::processor::{Checkpoint, RecordProcessor};
use super::registration::FanOut;
use super::report::{ConsumerReport, Ended};
use super::scripted::{Answer, consumer, event, flow_of, iterator, listed, one_shard, page, stream};
use super::tests::{QUICK, Seen, oldest, run, secs};
use crate::error::{ErrorKind, Result};
use crate::stream::Stream;
use crate::timestamp::Timestamp;

const ARN: &str = "arn:aws:kinesis:eu-west-1:1:stream/s/consumer/c:1";
const OTHER: &str = "arn:aws:kinesis:eu-west-1:1:stream/s/consumer/c:2";

fn fan_out(options: ReadOptions) -> ReadOptions {
    ReadOptions { fan_out: Some(FanOut::new("c")), ..options }
}

/// What was asked, and when.
#[derive(Clone, Default)]
struct Asked(Arc<Mutex<Vec<(String, Value, Instant)>>>);

impl Asked {
    fn of(&self, call: &str) -> Vec<(Value, Instant)> {
        let asked = self.0.lock().unwrap();
        asked.iter().filter(|asked| asked.0 == call).map(|asked| (asked.1.clone(), asked.2)).collect()
    }

    fn count(&self, call: &str) -> usize {
        self.of(call).len()
    }
}

/// A stream of one shard, with a consumer that is there. The script answers what it wants to answer otherwise.
fn service(
    mut script: impl FnMut(&str, &Value) -> Option<Option<Answer>> + Send + 'static,
) -> (Stream, Asked) {
    let asked = Asked::default();
    let heard = asked.clone();
    let stream = stream(QUICK, move |call, body| {
        heard.0.lock().unwrap().push((call.to_owned(), body.clone(), Instant::now()));
        if let Some(answer) = script(call, body) {
            return answer;
        }
        match call {
            "ListShards" => one_shard(),
            "DescribeStreamConsumer" => consumer(ARN, "ACTIVE"),
            "GetShardIterator" => iterator(body),
            "GetRecords" => Some(Ok(page(&[], body["ShardIterator"].as_str(), 0))),
            _ => Some(Err("UnknownOperationException")),
        }
    });
    (stream, asked)
}

/// Answers one subscription after the other; the last one again and again.
fn subscriptions(answers: Vec<Option<Answer>>) -> impl FnMut(&str) -> Option<Option<Answer>> + Send {
    let mut answers = answers.into_iter().collect::<std::collections::VecDeque<_>>();
    move |call| {
        (call == "SubscribeToShard").then(|| match answers.len() {
            1 => answers[0].clone(),
            _ => answers.pop_front().unwrap(),
        })
    }
}

fn quiet() -> Option<Answer> {
    flow_of(&vec![event(&[], 99, 0); 400], "silence")
}

fn numbers(numbers: &[u64]) -> Vec<String> {
    numbers.iter().map(u64::to_string).collect()
}

async fn for_secs(
    options: &ReadOptions,
    time: u64,
    seen: &mut dyn RecordProcessor,
) -> Result<ConsumerReport> {
    tokio::time::timeout(secs(3_600), run(options, Some(secs(time)), seen))
        .await
        .expect("it ends within an hour")
}

#[tokio::test(start_paused = true)]
async fn after_a_break_it_goes_on_from_the_continuation_and_what_comes_twice_is_left_out() {
    for then in ["breaks", "closes"] {
        let mut subscribe = subscriptions(vec![
            // AWS gives the number of the last record: the same comes again.
            flow_of(&[event(&[1, 2], 2, 0), event(&[3], 3, 0)], then),
            flow_of(&[event(&[3, 4], 4, 0), event(&[], 7, 0)], then),
            // Progress without records.
            flow_of(&[event(&[8, 9], 9, 0)], "silence"),
        ]);
        let (stream, asked) = service(move |call, _| subscribe(call));
        let mut seen = Seen::default();
        let report = for_secs(&fan_out(oldest(&stream)), 25, &mut seen).await.unwrap();
        assert_eq!(seen.numbers, numbers(&[1, 2, 3, 4, 8, 9]));
        assert_eq!((report.retries, report.records, report.polls_because), (2, 6, None));
        let subscribed = asked.of("SubscribeToShard");
        let positions: Vec<_> = subscribed.iter().map(|(body, _)| body["StartingPosition"].clone()).collect();
        let at = |number: &str| json!({ "Type": "AT_SEQUENCE_NUMBER", "SequenceNumber": number });
        assert_eq!(positions, [json!({ "Type": "TRIM_HORIZON" }), at("3"), at("7")]);
        assert_eq!(subscribed[0].0["ConsumerARN"], ARN);
        for (one, other) in subscribed.iter().zip(&subscribed[1..]) {
            let apart = other.1 - one.1;
            assert!(
                (secs(5)..secs(6)).contains(&apart),
                "{apart:?}: not within five seconds, nor much later"
            );
        }
        assert_eq!(
            asked.count("GetRecords") + asked.count("GetShardIterator"),
            0,
            "nothing is taken from others"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscription_is_renewed_before_its_five_minutes_are_over() {
    let mut subscribe = subscriptions(vec![quiet()]);
    let (stream, asked) = service(move |call, _| subscribe(call));
    let report = for_secs(&fan_out(oldest(&stream)), 900, &mut Seen::default()).await.unwrap();
    let subscribed = asked.of("SubscribeToShard");
    let apart: Vec<u64> =
        subscribed.iter().zip(&subscribed[1..]).map(|(one, other)| (other.1 - one.1).as_secs()).collect();
    assert!(apart.len() == 3 && apart.iter().all(|apart| (285..300).contains(apart)), "{apart:?}");
    assert_eq!((report.retries, report.ended), (0, Some(Ended::Time)), "that is no failure");
    assert_eq!(subscribed[1].0["StartingPosition"]["SequenceNumber"], "99");
}

#[tokio::test(start_paused = true)]
async fn a_line_without_events_is_dead() {
    let mut subscribe = subscriptions(vec![
        flow_of(&[event(&[1], 1, 0)], "silence"),
        None, // no answer at all
        flow_of(&[event(&[2], 2, 0)], "silence"),
    ]);
    let (stream, asked) = service(move |call, _| subscribe(call));
    let mut seen = Seen::default();
    let report = for_secs(&fan_out(oldest(&stream)), 70, &mut seen).await.unwrap();
    assert_eq!((seen.numbers, report.retries), (numbers(&[1, 2]), 2));
    assert_eq!(asked.count("SubscribeToShard"), 3);
}

#[tokio::test(start_paused = true)]
async fn limits_and_throttles_are_waited_out() {
    let mut subscribe = subscriptions(vec![
        Some(Err("LimitExceededException")),
        Some(Err("ResourceInUseException")),
        Some(Err("ThrottlingException")),
        flow_of(&[event(&[1], 1, 0)], "breaks"),
        Some(Err("ResourceInUseException")),
        Some(Err("KMSThrottlingException")),
        flow_of(&[event(&[2], 2, 0)], "silence"),
    ]);
    let (stream, _) = service(move |call, _| subscribe(call));
    let mut seen = Seen::default();
    let report = for_secs(&fan_out(oldest(&stream)), 30, &mut seen).await.unwrap();
    assert_eq!((seen.numbers, report.retries, report.polls_because), (numbers(&[1, 2]), 6, None));
}

#[tokio::test(start_paused = true)]
async fn another_run_of_its_name_takes_turns_with_it() {
    let taken = json!({ "Events": [
        { "After": 10, "Event": event(&[1], 1, 0) }, { "After": 10, "Exception": "ResourceInUseException" },
    ]});
    let mut subscribe = subscriptions(vec![Some(Ok(taken)), flow_of(&[event(&[2], 2, 0)], "silence")]);
    let (stream, _) = service(move |call, _| subscribe(call));
    let mut seen = Seen::default();
    let report = for_secs(&fan_out(oldest(&stream)), 10, &mut seen).await.unwrap();
    assert_eq!((seen.numbers, report.retries, report.polls_because), (numbers(&[1, 2]), 1, None));
}

fn child(id: &str, parents: &[&str]) -> Value {
    json!({ "ShardId": id, "ParentShards": parents,
        "HashKeyRange": { "StartingHashKey": "0", "EndingHashKey": "1" } })
}

/// `a` is split into `b` and `c`, which are merged into `d`. An end as AWS says it, and as ferrokinesis does.
#[tokio::test(start_paused = true)]
async fn children_are_subscribed_to_after_their_parents() {
    for as_aws in [true, false] {
        let ends = move |records: &[u64], continuation: u64, children: Vec<Value>| {
            let mut last = event(records, continuation, 0);
            last["ChildShards"] = json!(children);
            match as_aws {
                true => {
                    last.as_object_mut().unwrap().remove("ContinuationSequenceNumber");
                    vec![last]
                }
                false => {
                    let mut end = event(&[], continuation + 1, 0);
                    end["ChildShards"] = json!(children);
                    vec![last, end]
                }
            }
        };
        let (stream, asked) = service(move |call, body| match (call, body["ShardId"].as_str()) {
            ("ListShards", _) => Some(Some(Ok(json!({ "Shards": [
                listed("a", &[], (0, 1), true), listed("b", &["a"], (0, 2), true),
                listed("c", &["a"], (1, 2), true), listed("d", &["b", "c"], (0, 1), false),
            ]})))),
            ("SubscribeToShard", Some("a")) => {
                Some(flow_of(&ends(&[1], 1, vec![child("b", &["a"]), child("c", &["a"])]), "closes"))
            }
            ("SubscribeToShard", Some("b")) => {
                Some(flow_of(&ends(&[2], 2, vec![child("d", &["b", "c"])]), "closes"))
            }
            ("SubscribeToShard", Some("c")) => {
                // Broken in the middle.
                let mut events = vec![event(&[3], 3, 0)];
                events.extend(ends(&[4], 4, vec![child("d", &["b", "c"])]));
                match body["StartingPosition"]["SequenceNumber"].as_str() {
                    Some(_) => Some(flow_of(&events, "closes")),
                    None => Some(flow_of(&events[..1], "breaks")),
                }
            }
            ("SubscribeToShard", _) => {
                let mut events = vec![event(&[5], 5, 0)];
                events.extend(vec![event(&[], 6, 0); 100]);
                Some(flow_of(&events, "silence"))
            }
            _ => None,
        });
        let options = ReadOptions { until_caught_up: true, ..fan_out(oldest(&stream)) };
        let mut seen = Seen::default();
        let report = for_secs(&options, 100, &mut seen).await.unwrap();
        let mut ended = seen.ended.clone();
        ended.sort();
        assert_eq!(
            (report.ended, report.retries, ended),
            (Some(Ended::CaughtUp), 1, vec!["a".into(), "b".into(), "c".into()])
        );
        assert_eq!(
            (&seen.numbers[0], &seen.numbers[4]),
            (&"1".to_owned(), &"5".to_owned()),
            "{:?}",
            seen.numbers
        );
        let mut all = seen.numbers;
        all.sort();
        assert_eq!(all, numbers(&[1, 2, 3, 4, 5]));
        assert_eq!(asked.count("GetRecords"), 0);
    }
}

/// A shard whose subscription ends with no children named, and that ListShards calls open, has not ended.
#[tokio::test(start_paused = true)]
async fn an_end_that_nothing_bears_out_is_subscribed_to_again() {
    let mut no_number = event(&[1], 1, 0);
    no_number.as_object_mut().unwrap().remove("ContinuationSequenceNumber");
    let mut subscribe =
        subscriptions(vec![flow_of(&[no_number], "closes"), flow_of(&[event(&[1, 2], 2, 0)], "silence")]);
    let (stream, _) = service(move |call, _| subscribe(call));
    let mut seen = Seen::default();
    let report = for_secs(&fan_out(oldest(&stream)), 10, &mut seen).await.unwrap();
    assert_eq!((seen.numbers, &seen.ended[..], report.retries), (numbers(&[1, 2]), &[][..], 1));
}

#[tokio::test(start_paused = true)]
async fn it_registers_once_and_waits_until_it_is_active() {
    let mut described = 0;
    let mut subscribe = subscriptions(vec![flow_of(&[event(&[1], 1, 0)], "silence")]);
    let (stream, asked) = service(move |call, _| match call {
        "RegisterStreamConsumer" => Some(consumer(ARN, "CREATING")),
        "DescribeStreamConsumer" => {
            described += 1;
            Some(match described {
                1 => Some(Err("ResourceNotFoundException")),
                2 | 3 => consumer(ARN, "CREATING"),
                _ => consumer(ARN, "ACTIVE"),
            })
        }
        _ => subscribe(call),
    });
    let mut seen = Seen::default();
    for_secs(&fan_out(oldest(&stream)), 10, &mut seen).await.unwrap();
    assert_eq!((seen.numbers, asked.count("RegisterStreamConsumer")), (numbers(&[1]), 1));
    assert_eq!(asked.count("DescribeStreamConsumer"), 4, "until it is ACTIVE");
    let registered = &asked.of("RegisterStreamConsumer")[0].0;
    assert_eq!(registered["StreamARN"], "arn:aws:kinesis:eu-west-1:1:stream/s");
    assert_eq!(registered["ConsumerName"], "c");
}

/// Records by polling, for a service that does not fan out.
fn polled(numbers: &'static [u64]) -> impl FnMut(&str) -> Option<Option<Answer>> + Send {
    let mut given = false;
    move |call| {
        (call == "GetRecords").then(|| {
            let records = if std::mem::replace(&mut given, true) { &[] } else { numbers };
            Some(Ok(page(records, Some("a"), 0)))
        })
    }
}

#[tokio::test(start_paused = true)]
async fn where_it_may_not_register_it_polls_and_says_why() {
    for (refused, code, word) in [
        ("DescribeStreamConsumer", "AccessDeniedException", "permission"),
        ("DescribeStreamConsumer", "UnknownOperationException", "UnknownOperationException"),
        ("RegisterStreamConsumer", "AccessDeniedException", "permission"),
        ("RegisterStreamConsumer", "LimitExceededException", "(20)"),
        ("SubscribeToShard", "AccessDeniedException", "permission"),
        ("SubscribeToShard", "UnknownOperationException", "UnknownOperationException"),
        ("SubscribeToShard", "InvalidArgumentException", "scripted"),
    ] {
        let mut poll = polled(&[1, 2]);
        let (stream, asked) = service(move |call, _| match call {
            _ if call == refused => Some(Some(Err(code))),
            "DescribeStreamConsumer" if refused == "RegisterStreamConsumer" => {
                Some(Some(Err("ResourceNotFoundException")))
            }
            _ => poll(call),
        });
        let mut seen = Seen::default();
        let report = for_secs(&fan_out(oldest(&stream)), 20, &mut seen).await.unwrap();
        let why = report.polls_because.unwrap_or_default();
        assert!(why.contains(word), "{refused} {code}: {why:?}");
        assert_eq!((seen.numbers, report.retries), (numbers(&[1, 2]), 0), "{refused} {code}");
        assert!(asked.count("SubscribeToShard") <= 1);
        assert_eq!(asked.of("GetShardIterator")[0].0["ShardIteratorType"], "TRIM_HORIZON");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_refusal_of_fan_out_is_an_error() {
    let (stream, _) =
        service(|call, _| (call == "DescribeStreamConsumer").then_some(Some(Err("ExpiredTokenException"))));
    let error = for_secs(&fan_out(oldest(&stream)), 20, &mut Seen::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ExpiredCredentials);
    let (stream, asked) = service(|_, _| None);
    let odd = ReadOptions { fan_out: Some(FanOut::new("my consumer")), ..oldest(&stream) };
    let error = for_secs(&odd, 20, &mut Seen::default()).await.unwrap_err();
    assert!(error.kind() == ErrorKind::InvalidInput && error.to_string().contains("1 to 128"), "{error}");
    assert_eq!(asked.count("DescribeStreamConsumer"), 0);
}

/// Somebody takes the registration back while records come.
#[tokio::test(start_paused = true)]
async fn a_consumer_deregistered_from_outside_polls_on_where_it_was() {
    // In the middle of a subscription, or between two.
    for code in [Some("ResourceNotFoundException"), None] {
        let last = match code {
            Some(code) => json!({ "After": 10, "Exception": code }),
            None => json!({ "After": 10, "Event": event(&[], 2, 0) }),
        };
        let flow =
            json!({ "Events": [{ "After": 10, "Event": event(&[1, 2], 2, 0) }, last], "Then": "breaks" });
        let mut subscribe = subscriptions(vec![Some(Ok(flow)), Some(Err("ResourceNotFoundException"))]);
        let (mut poll, mut described) = (polled(&[3, 4]), 0);
        let (stream, asked) = service(move |call, _| match call {
            "DescribeStreamConsumer" => {
                described += 1;
                (described > 1).then_some(Some(Err("ResourceNotFoundException")))
            }
            _ => subscribe(call).or_else(|| poll(call)),
        });
        let mut seen = Seen::default();
        let report = for_secs(&fan_out(oldest(&stream)), 20, &mut seen).await.unwrap();
        assert_eq!(seen.numbers, numbers(&[1, 2, 3, 4]));
        assert!(report.polls_because.unwrap().contains("was taken back"));
        let began = &asked.of("GetShardIterator")[0].0;
        assert_eq!(
            (&began["ShardIteratorType"], &began["StartingSequenceNumber"]),
            (&json!("AFTER_SEQUENCE_NUMBER"), &json!("2"))
        );
        assert_eq!(asked.count("RegisterStreamConsumer"), 0, "who took it back wants it so");
    }
}

/// Terraform takes it back and makes another.
#[tokio::test(start_paused = true)]
async fn another_registration_of_its_name_is_taken() {
    let mut subscribe = subscriptions(vec![
        flow_of(&[event(&[1, 2], 2, 0)], "breaks"),
        Some(Err("ResourceNotFoundException")),
        flow_of(&[event(&[3], 3, 0)], "silence"),
    ]);
    let mut described = 0;
    let (stream, asked) = service(move |call, _| match call {
        "DescribeStreamConsumer" => {
            described += 1;
            Some(match described {
                1 => consumer(ARN, "ACTIVE"),
                2 => consumer(OTHER, "CREATING"),
                _ => consumer(OTHER, "ACTIVE"),
            })
        }
        _ => subscribe(call),
    });
    let mut seen = Seen::default();
    let report = for_secs(&fan_out(oldest(&stream)), 20, &mut seen).await.unwrap();
    assert_eq!((seen.numbers, report.polls_because), (numbers(&[1, 2, 3]), None));
    assert_eq!(asked.of("SubscribeToShard").last().unwrap().0["ConsumerARN"], OTHER);
}

/// A shard that is gone is told by polls, and the others go on as they were.
#[tokio::test(start_paused = true)]
async fn a_shard_that_is_not_found_is_not_the_consumer() {
    let mut subscribe = subscriptions(vec![Some(Err("ResourceNotFoundException"))]);
    let mut poll = polled(&[1]);
    let (stream, _) = service(move |call, _| subscribe(call).or_else(|| poll(call)));
    let mut seen = Seen::default();
    let report = for_secs(&fan_out(oldest(&stream)), 30, &mut seen).await.unwrap();
    assert_eq!((seen.numbers, report.polls_because, report.retries), (numbers(&[1]), None, 2));
}

#[tokio::test(start_paused = true)]
async fn what_lets_no_event_pass_is_polled_after_a_minute() {
    let mut subscribe = subscriptions(vec![flow_of(&[], "silence")]);
    let mut poll = polled(&[1]);
    let (stream, _) = service(move |call, _| subscribe(call).or_else(|| poll(call)));
    let (mut seen, began) = (Seen::default(), Instant::now());
    let report = for_secs(&fan_out(oldest(&stream)), 120, &mut seen).await.unwrap();
    assert!(report.polls_because.unwrap().contains("for a minute"), "{:?}", began.elapsed());
    assert_eq!(seen.numbers, numbers(&[1]));
}

#[tokio::test(start_paused = true)]
async fn a_slow_processor_has_few_events_waiting() {
    let events: Vec<Value> = (0..200).map(|n| json!({ "Event": event(&[n + 1], n + 1, 60_000) })).collect();
    let mut subscribe = subscriptions(vec![Some(Ok(json!({ "Events": events, "Then": "silence" })))]);
    let (stream, asked) = service(move |call, _| subscribe(call));
    let mut batches = super::Batches::new(&fan_out(oldest(&stream)));
    for n in 1..=50 {
        let next = batches.next().await.unwrap().unwrap();
        assert_eq!(next.batch.records[0].sequence_number, n.to_string());
        assert_eq!(next.checkpoint.sequence_number, Some(n.to_string()));
        tokio::time::sleep(secs(1)).await;
        let ahead = asked.count("Taken") as u64 - n;
        assert!(ahead <= 6, "{ahead} events were taken from the service ahead of the one at work");
    }
}

#[tokio::test(start_paused = true)]
async fn latest_is_the_moment_at_which_it_subscribed() {
    let mut subscribe =
        subscriptions(vec![flow_of(&[event(&[], 5, 0)], "breaks"), flow_of(&[event(&[6], 6, 0)], "silence")]);
    let (stream, asked) = service(move |call, _| subscribe(call));
    let mut seen = Seen::default();
    for_secs(&fan_out(ReadOptions::new(stream.clone())), 10, &mut seen).await.unwrap();
    assert_eq!(seen.numbers, numbers(&[6]));
    let subscribed = asked.of("SubscribeToShard");
    assert_eq!(subscribed[0].0["StartingPosition"], json!({ "Type": "LATEST" }));
    assert_eq!(subscribed[1].0["StartingPosition"]["SequenceNumber"], "5", "not a moment later");

    // Throttled at first: the moment stands.
    let mut subscribe =
        subscriptions(vec![Some(Err("LimitExceededException")), flow_of(&[event(&[6], 6, 0)], "silence")]);
    let (stream, asked) = service(move |call, _| subscribe(call));
    for_secs(&fan_out(ReadOptions::new(stream)), 10, &mut Seen::default()).await.unwrap();
    assert_eq!(asked.of("SubscribeToShard")[1].0["StartingPosition"]["Type"], "AT_TIMESTAMP");
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_is_gone_on_from_and_what_outlived_the_retention_is_told() {
    for (first, lost) in [(7, 0), (9, 1)] {
        let mut subscribe = subscriptions(vec![flow_of(&[event(&[first, 10], 10, 0)], "silence")]);
        let (stream, asked) = service(move |call, _| subscribe(call));
        let remembered = vec![Checkpoint::new("a", Some("7"), Timestamp::from_secs(1))];
        let mut seen = Seen { remembered, ..Seen::default() };
        let report = for_secs(&fan_out(oldest(&stream)), 10, &mut seen).await.unwrap();
        assert_eq!(report.lost.len(), lost);
        let expected = if lost == 0 { numbers(&[10]) } else { numbers(&[9, 10]) };
        assert_eq!(seen.numbers, expected);
        let began = json!({ "Type": "AT_SEQUENCE_NUMBER", "SequenceNumber": "7" });
        assert_eq!(asked.of("SubscribeToShard")[0].0["StartingPosition"], began);
        assert_eq!(seen.places.get("a").unwrap().sequence_number.as_deref(), Some("10"));
    }
}

/// Events come as fast as records do; ticks, once a poll.
#[tokio::test(start_paused = true)]
async fn ticks_come_once_a_poll_however_many_events_there_are() {
    let events: Vec<Value> = (1..=100).map(|n| json!({ "After": 50, "Event": event(&[n], n, 0) })).collect();
    let mut subscribe = subscriptions(vec![Some(Ok(json!({ "Events": events, "Then": "silence" })))]);
    let (stream, _) = service(move |call, _| subscribe(call));
    let mut seen = Seen::default();
    let report = for_secs(&fan_out(oldest(&stream)), 5, &mut seen).await.unwrap();
    assert!(report.records > 90);
    assert!((8..=12).contains(&seen.ticks.len()), "{} ticks in five seconds", seen.ticks.len());
}

/// A shard is idle when an event says so that has not waited itself: behind one that has, there may be records.
#[tokio::test(start_paused = true)]
async fn an_event_that_has_waited_for_its_reader_says_nothing_of_the_present() {
    for (pause, idle) in [(0, false), (500, true)] {
        let events = json!({ "Events": [
            { "After": 10, "Event": event(&[1], 1, 0) }, { "After": pause, "Event": event(&[], 2, 0) },
        ], "Then": "silence" });
        let mut subscribe = subscriptions(vec![Some(Ok(events))]);
        let (stream, _) = service(move |call, _| subscribe(call));
        let mut seen = Seen::default();
        for_secs(&fan_out(oldest(&stream)), 5, &mut seen).await.unwrap();
        assert_eq!(seen.ticks.last().unwrap()[0].idle, idle, "after {pause} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn only_what_it_made_is_taken_back() {
    let registered = Arc::new(Mutex::new(false));
    let there = registered.clone();
    let (stream, asked) = service(move |call, _| {
        let mut there = there.lock().unwrap();
        match call {
            "DescribeStreamConsumer" if *there => Some(consumer(ARN, "ACTIVE")),
            "DescribeStreamConsumer" => Some(Some(Err("ResourceNotFoundException"))),
            "RegisterStreamConsumer" => {
                *there = true;
                Some(consumer(ARN, "CREATING"))
            }
            "DeregisterStreamConsumer" => {
                *there = false;
                Some(Some(Ok(json!({}))))
            }
            "SubscribeToShard" => Some(quiet()),
            _ => None,
        }
    });
    let (first, second) = (FanOut::new("c"), FanOut::new("c"));
    for fan_out in [&first, &second] {
        let options = ReadOptions { fan_out: Some(fan_out.clone()), ..oldest(&stream) };
        for_secs(&options, 1, &mut Seen::default()).await.unwrap();
    }
    assert!(!second.deregister(&stream).await.unwrap(), "it was there");
    assert_eq!(asked.count("DeregisterStreamConsumer"), 0);
    assert!(first.deregister(&stream).await.unwrap() && !first.deregister(&stream).await.unwrap());
    assert_eq!(asked.of("DeregisterStreamConsumer")[0].0["ConsumerARN"], ARN);
    // Told so, whoever made it.
    let options = ReadOptions { fan_out: Some(second), ..oldest(&stream) };
    for_secs(&options, 1, &mut Seen::default()).await.unwrap();
    assert!(stream.deregister_consumer_async("c").await.unwrap());
    assert!(!stream.deregister_consumer_async("c").await.unwrap());
    assert!(stream.consumer().deregister_async().await.unwrap_err().to_string().contains(".fan_out"));
}

/// An hour of half a minute each: silence is not confused with the age of a subscription.
#[tokio::test(start_paused = true)]
async fn events_that_are_far_apart_are_enough() {
    let steps: Vec<Value> = (0..20).map(|n| json!({ "After": 20_000, "Event": event(&[], n, 0) })).collect();
    let mut subscribe = subscriptions(vec![Some(Ok(json!({ "Events": steps, "Then": "silence" })))]);
    let (stream, _) = service(move |call, _| subscribe(call));
    let report = for_secs(&fan_out(oldest(&stream)), 280, &mut Seen::default()).await.unwrap();
    assert_eq!((report.retries, report.polls_because), (0, None));
    assert!(Duration::from_millis(report.millis_behind_latest.unwrap()) < secs(21));
}

use ferrokinesis::types::{EpochSeconds, StreamBuilder};
use proptest::prelude::*;

use super::super::scaling::{fresh, rescale};
use super::*;

/// Created at 10 s with two shards, resharded then and then.
fn stream(changes: &[(u64, u32)]) -> Stream {
    let mut shards = fresh(2, 9_000);
    for (second, target) in changes {
        rescale(&mut shards, *target, second * 1_000);
    }
    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/s".to_owned();
    StreamBuilder::new("s".into(), arn, ferrokinesis::types::StreamStatus::Active, EpochSeconds(10.0), shards)
        .build()
}

fn ids(shards: &[&Shard]) -> Vec<u64> {
    shards.iter().map(|shard| shard.shard_id[8..].parse().unwrap()).collect()
}

fn listed(stream: &Stream, kind: &str, of: Value, now: u64) -> Vec<u64> {
    ids(&selected(stream, &ShardFilter::from_parts(kind, &of, &of).unwrap(), now))
}

const DAY: u64 = 86_400;

#[test]
fn each_filter_chooses_its_shards() {
    // 0 and 1 until 101 s; 2 and 3 of 0, 4 and 5 of 1; at 200 s, 2 and 3 become 6, 4 and 5 become 7.
    let stream = stream(&[(100, 4), (200, 2)]);
    let listed = |kind, of, now| listed(&stream, kind, of, now);
    let all: Vec<u64> = (0..8).collect();
    assert_eq!(listed("FROM_TRIM_HORIZON", Value::Null, 300), all);
    assert_eq!(listed("AT_TRIM_HORIZON", Value::Null, 300), [0, 1]);
    assert_eq!(listed("AT_LATEST", Value::Null, 300), [6, 7]);
    assert_eq!(listed("AFTER_SHARD_ID", json!("shardId-000000000004"), 300), [5, 6, 7]);
    assert_eq!(listed("AT_TIMESTAMP", json!(100.9), 300), [0, 1]);
    assert_eq!(listed("AT_TIMESTAMP", json!(101), 300), [2, 3, 4, 5]);
    assert_eq!(listed("AT_TIMESTAMP", json!(5), 300), [0, 1], "before the oldest record there is");
    assert_eq!(listed("FROM_TIMESTAMP", json!(150), 300), [2, 3, 4, 5, 6, 7]);
    assert_eq!(listed("FROM_TIMESTAMP", json!(250), 300), [6, 7]);
    // A day later, the first are gone; the horizon is where the next were open.
    assert_eq!(listed("FROM_TRIM_HORIZON", Value::Null, 150 + DAY), [2, 3, 4, 5, 6, 7]);
    assert_eq!(listed("AT_TRIM_HORIZON", Value::Null, 150 + DAY), [2, 3, 4, 5]);
    assert_eq!(listed("AT_LATEST", Value::Null, 1_000 + DAY), [6, 7]);
}

#[test]
fn pages_follow_each_other_to_the_end_and_tokens_grow_old() {
    let stream = stream(&[(100, 4), (200, 2)]);
    let mut call = json!({ "StreamName": "s", "ExclusiveStartShardId": "shardId-000000000000" });
    let (mut seen, mut now) = (Vec::new(), 300);
    loop {
        let asked = ShardQuery::of(call.as_object_mut().unwrap(), now).unwrap().unwrap();
        let page = page(&stream, &asked, 3, now);
        let shards = page["Shards"].as_array().unwrap();
        seen.push(shards.len());
        let Some(token) = page["NextToken"].as_str() else { break };
        (call, now) = (json!({ "NextToken": token }), now + 1);
        assert_eq!(
            ShardQuery::of(call.clone().as_object_mut().unwrap(), now + 300).unwrap_err().0,
            "ExpiredNextTokenException"
        );
    }
    assert_eq!(seen, [3, 3, 1]);
    assert_eq!(call, json!({ "StreamName": "s" }), "what ferrokinesis is asked");
}

#[test]
fn what_is_no_question_is_refused() {
    let refused = |call: Value| ShardQuery::of(call.clone().as_object_mut().unwrap(), 0).unwrap_err();
    let token =
        ShardQuery { stream: "s".into(), created: None, filter: ShardFilter::AtLatest, after: None }.token(0);
    for call in [
        json!({ "NextToken": token, "StreamName": "s" }),
        json!({ "NextToken": token, "ExclusiveStartShardId": "shardId-000000000000" }),
        json!({ "NextToken": token, "StreamCreationTimestamp": 1 }),
        json!({ "NextToken": "shardId-000000000000" }),
        json!({ "NextToken": "" }),
        json!({ "NextToken": 1 }),
        json!({ "StreamName": "s", "ShardFilter": {} }),
        json!({ "StreamName": "s", "ShardFilter": { "Type": "AFTER_SHARD_ID" } }),
        json!({ "StreamName": "s", "ShardFilter": { "Type": "AT_TIMESTAMP" } }),
        json!({ "StreamName": "s", "ShardFilter": { "Type": "FROM_TIMESTAMP", "Timestamp": -1 } }),
    ] {
        assert_eq!(refused(call.clone()).0, "InvalidArgumentException", "{call}");
    }
    let odd = json!({ "StreamName": "s", "ShardFilter": { "Type": "at_latest" } });
    assert_eq!(refused(odd).0, "ValidationException");
}

#[test]
fn a_token_holds_what_was_asked() {
    for filter in [
        ShardFilter::AfterShardId("shardId-000000000001".into()),
        ShardFilter::AtTrimHorizon,
        ShardFilter::FromTrimHorizon,
        ShardFilter::AtLatest,
        ShardFilter::AtTimestamp(7),
        ShardFilter::FromTimestamp(8),
    ] {
        let asked = ShardQuery { stream: "s".into(), created: Some(10), filter, after: Some("a".into()) };
        assert_eq!(ShardQuery::from_token(&asked.token(0), 0), Some(Ok(asked)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Few cases, of many moments each.
    #[test]
    fn at_each_moment_the_open_shards_take_each_hash_once(
        changes in prop::collection::vec((1_u64..4, 1_u32..7), 0..5),
        now in 30_u64..60,
    ) {
        let mut second = 20;
        let changes: Vec<(u64, u32)> = changes.into_iter().map(|(later, target)| {
            second += later;
            (second, target)
        }).collect();
        let stream = stream(&changes);
        for time in 0..now {
            for filter in [ShardFilter::AtTimestamp(time), ShardFilter::AtTrimHorizon, ShardFilter::AtLatest] {
                let mut ranges: Vec<(u128, u128)> = selected(&stream, &filter, now)
                    .iter().map(|shard| (shard.hash_key_range.start_u128(), shard.hash_key_range.end_u128())).collect();
                ranges.sort_unstable();
                prop_assert_eq!(ranges.first().unwrap().0, 0);
                prop_assert_eq!(ranges.last().unwrap().1, u128::MAX);
                prop_assert!(ranges.windows(2).all(|pair| pair[0].1.checked_add(1) == Some(pair[1].0)), "{:?} {:?}", filter, ranges);
            }
        }
    }
}

//! UpdateShardCount, by splits and merges as on AWS.
//!
//! ferrokinesis closes all shards and opens others beside them, whose parents nobody knows: a Kinesis Client Library
//! (KCL) that reads the stream never gets over it. Here shards are split where a new range begins, and merged
//! until each range has one; what lies between is closed at once. (AWS: "this operation may generate short-lived
//! shards", API reference, UpdateShardCount.) A shard whose range stays the same stays open.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ferrokinesis::actions::Operation;
use ferrokinesis::error::KinesisErrorResponse;
use ferrokinesis::sequence::{MAX_SEQ_IX, SeqObj, parse_sequence, shard_id_name, stringify_sequence};
use ferrokinesis::store::Store;
use ferrokinesis::types::{HashKeyRange, SequenceNumberRange, Shard, StreamStatus};
use ferrokinesis::validation::{FieldDef, check_types, check_validations};
use serde_json::{Value, json};

use super::call::Call;
use super::front::{MAX_BODY, answer};

pub(crate) async fn scale(State(store): State<Store>, request: Request, next: Next) -> Response {
    if Call::of(&request).is_none_or(|call| &*call.operation != "UpdateShardCount") {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY).await.unwrap_or_default();
    let Ok(asked @ Value::Object(_)) = serde_json::from_slice::<Value>(&body) else {
        return next.run(Request::from_parts(parts, Body::from(body))).await; // to be refused
    };
    match begin(&store, &asked).await {
        Ok(done) => {
            let kind = (axum::http::header::CONTENT_TYPE, "application/x-amz-json-1.1");
            ([kind], done.to_string()).into_response()
        }
        Err(error) => answer(
            StatusCode::from_u16(error.status_code).unwrap_or(StatusCode::BAD_REQUEST),
            &error.body.error_type,
            error.body.message.as_deref().unwrap_or_default(),
        ),
    }
}

/// Answers at once; the shards change after the service's transition.
pub(crate) async fn begin(store: &Store, asked: &Value) -> Result<Value, KinesisErrorResponse> {
    let rules = Operation::UpdateShardCount.validation_rules();
    let rules: Vec<(&str, &FieldDef)> = rules.iter().map(|(name, rule)| (*name, rule)).collect();
    let asked = check_types(asked, &rules)?;
    check_validations(&asked, &rules, None)?;
    let name = asked["StreamName"].as_str().unwrap_or_default().to_owned();
    let target = asked["TargetShardCount"].as_u64().unwrap_or_default();
    let (elsewhere, limit) = (u64::from(store.sum_open_shards().await), u64::from(store.options.shard_limit));
    let (current, arn, created) = store
        .update_stream(&name, |stream| {
            let refused = |code: &str, why: String| Err(KinesisErrorResponse::client_error(code, Some(&why)));
            if stream.stream_status != StreamStatus::Active {
                let why = format!("Stream {name} is not ACTIVE, instead in state {}", stream.stream_status);
                return refused("ResourceInUseException", why);
            }
            let current = stream.shards.iter().filter(|shard| is_open(shard)).count() as u64;
            if target == current {
                let why =
                    format!("stream {name} has {current} shards: TargetShardCount is to be another number");
                return refused("InvalidArgumentException", why);
            }
            if target > current && elsewhere + target - current > limit {
                let why = format!(
                    "a local Kinesis has at most {limit} open shards, and {elsewhere} are open: fewer"
                );
                return refused("LimitExceededException", why);
            }
            stream.stream_status = StreamStatus::Updating;
            Ok((current, stream.stream_arn.clone(), stream.stream_creation_timestamp))
        })
        .await?;
    let done = json!({
        "StreamName": name, "StreamARN": arn, "CurrentShardCount": current, "TargetShardCount": target,
    });
    let (store, time) = (store.clone(), Duration::from_millis(store.options.update_stream_ms));
    tokio::spawn(async move {
        tokio::time::sleep(time).await;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
        // Deleted meanwhile: there is nothing to change.
        let _ = store
            .update_stream(&name, |stream| {
                if stream.stream_status == StreamStatus::Updating
                    && stream.stream_creation_timestamp == created
                {
                    rescale(&mut stream.shards, target as u32, now);
                    stream.stream_status = StreamStatus::Active;
                }
                Ok(())
            })
            .await;
    });
    Ok(done)
}

/// So many open shards, of equal ranges.
pub(crate) fn rescale(shards: &mut Vec<Shard>, target: u32, now: u64) {
    let starts: Vec<u128> = starts(target.max(1));
    let mut open: Vec<usize> = (0..shards.len()).filter(|&n| is_open(&shards[n])).collect();
    open.sort_by_key(|&n| shards[n].hash_key_range.start_u128());
    let mut pieces = Vec::new();
    for shard in open {
        let (first, last) = range(&shards[shard]);
        let cuts: Vec<u128> = starts.iter().copied().filter(|cut| first < *cut && *cut <= last).collect();
        split(shards, shard, &cuts, now, &mut pieces);
    }
    // Each piece lies in one of the new ranges.
    let of =
        |shard: usize, shards: &[Shard]| starts.partition_point(|start| *start <= range(&shards[shard]).0);
    let mut rest = &pieces[..];
    while let Some(first) = rest.first() {
        let whose = of(*first, shards);
        let here = rest.iter().take_while(|piece| of(**piece, shards) == whose).count();
        merge(shards, &rest[..here], now);
        rest = &rest[here..];
    }
}

/// Where each of so many equal ranges begins; the last is larger by the remainder.
fn starts(count: u32) -> Vec<u128> {
    let count = u128::from(count);
    // Of 2¹²⁸, which is one too many for the type; all of it is the width of one.
    let width = (u128::MAX / count).wrapping_add(u128::from(u128::MAX % count == count - 1));
    (0..count).map(|n| n * width).collect()
}

/// In halves of halves, so that few generations lie between.
fn split(shards: &mut Vec<Shard>, shard: usize, cuts: &[u128], now: u64, pieces: &mut Vec<usize>) {
    let Some(cut) = cuts.get(cuts.len() / 2) else { return pieces.push(shard) };
    let (first, last) = range(&shards[shard]);
    close(&mut shards[shard], now);
    let parents = [Some(shards[shard].shard_id.clone()), None];
    let lower = open(shards, (first, cut - 1), parents.clone(), now);
    let upper = open(shards, (*cut, last), parents, now);
    let (before, after) = cuts.split_at(cuts.len() / 2);
    split(shards, lower, before, now, pieces);
    split(shards, upper, &after[1..], now, pieces);
}

fn merge(shards: &mut Vec<Shard>, pieces: &[usize], now: u64) -> usize {
    if let [piece] = pieces {
        return *piece;
    }
    let (left, right) = pieces.split_at(pieces.len() / 2);
    let (left, right) = (merge(shards, left, now), merge(shards, right, now));
    for half in [left, right] {
        close(&mut shards[half], now);
    }
    let parents = [left, right].map(|half| Some(shards[half].shard_id.clone()));
    open(shards, (range(&shards[left]).0, range(&shards[right]).1), parents, now)
}

fn open(shards: &mut Vec<Shard>, range: (u128, u128), parents: [Option<String>; 2], now: u64) -> usize {
    let n = shards.len();
    let [parent_shard_id, adjacent_parent_shard_id] = parents;
    let starting_sequence_number = stringify_sequence(&SeqObj {
        shard_create_time: now + 1_000, // after its parents' last number, as ferrokinesis has it
        shard_ix: n as i64,
        seq_ix: None,
        seq_time: None,
        byte1: None,
        seq_rand: None,
        version: 2,
    });
    shards.push(Shard {
        shard_id: shard_id_name(n as i64),
        parent_shard_id,
        adjacent_parent_shard_id,
        hash_key_range: HashKeyRange::new(range.0.to_string(), range.1.to_string()),
        sequence_number_range: SequenceNumberRange { starting_sequence_number, ending_sequence_number: None },
    });
    n
}

fn close(shard: &mut Shard, now: u64) {
    let numbers = &mut shard.sequence_number_range;
    // Of this service's own making.
    let Ok(first) = parse_sequence(&numbers.starting_sequence_number) else { return };
    numbers.ending_sequence_number = Some(stringify_sequence(&SeqObj {
        seq_ix: Some(MAX_SEQ_IX),
        seq_time: Some(now.max(first.shard_create_time)),
        byte1: None,
        seq_rand: None,
        version: 2,
        ..first
    }));
}

fn is_open(shard: &Shard) -> bool {
    shard.sequence_number_range.ending_sequence_number.is_none()
}

fn range(shard: &Shard) -> (u128, u128) {
    (shard.hash_key_range.start_u128(), shard.hash_key_range.end_u128())
}

/// So many, none of which has parents.
#[cfg(test)]
pub(crate) fn fresh(count: u32, now: u64) -> Vec<Shard> {
    let (mut shards, starts) = (Vec::new(), starts(count));
    for (n, first) in starts.iter().enumerate() {
        let last = starts.get(n + 1).map_or(u128::MAX, |next| next - 1);
        open(&mut shards, (*first, last), [None, None], now);
    }
    shards
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::kinship::{has_parent, parents};
    use super::*;

    fn open_ranges(shards: &[Shard]) -> Vec<(u128, u128)> {
        let mut ranges: Vec<_> = shards.iter().filter(|shard| is_open(shard)).map(range).collect();
        ranges.sort_unstable();
        ranges
    }

    #[test]
    fn ranges_are_ferrokinesiss_own() {
        assert_eq!(starts(1), [0]);
        assert_eq!(starts(2), [0, 1 << 127]);
        assert_eq!(starts(4)[3], 3 << 126);
        assert_eq!(starts(3), [0, u128::MAX / 3, u128::MAX / 3 * 2]);
    }

    #[test]
    fn two_become_three_by_a_split_of_each_and_a_merge_between() {
        let mut shards = fresh(2, 0);
        rescale(&mut shards, 3, 5_000);
        let kin: Vec<(&str, Vec<&str>)> = shards
            .iter()
            .map(|shard| (&shard.shard_id[18..], parents(shard).map(|id| &id[18..]).collect()))
            .collect();
        let expected: Vec<(&str, Vec<&str>)> = vec![
            ("00", vec![]),
            ("01", vec![]),
            ("02", vec!["00"]),
            ("03", vec!["00"]),
            ("04", vec!["01"]),
            ("05", vec!["01"]),
            ("06", vec!["03", "04"]),
        ];
        assert_eq!(kin, expected);
        assert_eq!(open_ranges(&shards).len(), 3);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// One case covers all of a chain of changes; the ranges come from few counts.
        #[test]
        fn what_is_closed_has_children_that_take_its_range_and_the_open_take_all(
            first in 1_u32..9,
            changes in prop::collection::vec(1_u32..20, 1..5),
        ) {
            let (mut shards, mut now) = (fresh(first, 0), 0);
            for target in changes {
                now += 10_000;
                let before: Vec<String> = shards.iter().filter(|shard| !is_open(shard)).map(|s| s.shard_id.clone()).collect();
                rescale(&mut shards, target, now);
                let ranges = open_ranges(&shards);
                prop_assert_eq!(ranges.iter().map(|(first, _)| *first).collect::<Vec<_>>(), starts(target));
                prop_assert!(ranges.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0));
                prop_assert_eq!(ranges.last().unwrap().1, u128::MAX);
                for shard in shards.iter().filter(|shard| !is_open(shard) && !before.contains(&shard.shard_id)) {
                    let children: Vec<&Shard> = shards.iter().filter(|child| has_parent(child, &shard.shard_id)).collect();
                    let (low, high) = (children.iter().map(|c| range(c).0).min().unwrap(), children.iter().map(|c| range(c).1).max().unwrap());
                    prop_assert!(low <= range(shard).0 && range(shard).1 <= high);
                    // One child, and it has another parent; or two, which share its range.
                    match &children[..] {
                        [child] => prop_assert_eq!(parents(child).count(), 2),
                        [one, two] => {
                            prop_assert_eq!((low, high), range(shard));
                            prop_assert_eq!(range(one).1 + 1, range(two).0);
                        }
                        more => prop_assert!(false, "{} children", more.len()),
                    }
                }
            }
        }
    }
}

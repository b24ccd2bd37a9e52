//! A stream as it will have been: its shards, how they came from each other, and what is put.

use crate::record::Record;
use crate::stream::Shard;
use crate::timestamp::Timestamp;

/// What a stream will have been.
#[derive(Debug, Clone)]
pub(super) struct StreamPlan {
    pub(super) shards: Vec<PlannedShard>,
}

#[derive(Debug, Clone)]
pub(super) struct PlannedShard {
    pub(super) id: String,
    pub(super) parents: Vec<usize>,
    /// Event times, in seconds.
    pub(super) records: Vec<i64>,
    /// Of these and of those before.
    newest: i64,
    hash_range: (u128, u128),
    pub(super) closed: bool,
}

impl StreamPlan {
    /// Roots, then reshards: a split, or a merge of two neighbours. Of each record, how much later than the one before it
    /// is, and how much it is late.
    pub(super) fn grown(roots: usize, reshards: &[(bool, usize)], records: &[Vec<(i64, i64)>]) -> StreamPlan {
        let mut shards: Vec<PlannedShard> = Vec::new();
        let add = |shards: &mut Vec<PlannedShard>, parents: &[usize], hash_range| {
            let at = shards.len();
            // Children are put after their parents: time goes on where these ended.
            let mut newest = parents.iter().map(|at: &usize| shards[*at].newest).max().unwrap_or_default();
            let records = records.get(at).into_iter().flatten().map(|(step, behind)| {
                newest += step;
                newest - behind
            });
            let records: Vec<i64> = records.collect();
            let id = format!("shardId-{at:012}");
            shards.push(PlannedShard {
                id,
                parents: parents.to_vec(),
                records,
                newest,
                hash_range,
                closed: false,
            });
        };
        let width = u128::MAX / roots as u128;
        for n in 0..roots as u128 {
            let last = if n + 1 == roots as u128 { u128::MAX } else { (n + 1) * width - 1 };
            add(&mut shards, &[], (n * width, last));
        }
        for (split, choice) in reshards {
            let mut open: Vec<usize> = (0..shards.len()).filter(|at| !shards[*at].closed).collect();
            open.sort_unstable_by_key(|at| shards[*at].hash_range);
            let at = open[choice % open.len()];
            let (first, last) = shards[at].hash_range;
            if *split {
                shards[at].closed = true;
                let middle = first + (last - first) / 2;
                add(&mut shards, &[at], (first, middle));
                add(&mut shards, &[at], (middle + 1, last));
            } else if let Some(&next) = open.get(choice % open.len() + 1) {
                (shards[at].closed, shards[next].closed) = (true, true);
                let last = shards[next].hash_range.1;
                add(&mut shards, &[at, next], (first, last));
            }
        }
        StreamPlan { shards }
    }

    pub(super) fn list(&self) -> Vec<Shard> {
        let parent =
            |shard: &PlannedShard, n: usize| shard.parents.get(n).map(|at| self.shards[*at].id.clone());
        self.shards
            .iter()
            .map(|shard| Shard {
                id: shard.id.clone(),
                parent: parent(shard, 0),
                adjacent_parent: parent(shard, 1),
                hash_range: shard.hash_range,
                starting_sequence_number: "1".into(),
                ending_sequence_number: shard.closed.then(|| "9".into()),
            })
            .collect()
    }

    pub(super) fn record(&self, shard: usize, n: usize) -> Record {
        let time = Timestamp::from_secs(1_000 + self.shards[shard].records[n]);
        Record::new(key(shard, n), time.to_string(), (n + 1).to_string(), time)
    }
}

/// Of each record another: where it is counted can be seen.
pub(super) fn key(shard: usize, n: usize) -> String {
    format!("{shard}/{n}")
}

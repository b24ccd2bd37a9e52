//! Consumers that read while others write miss nothing.

#![cfg(feature = "full")]

use std::collections::HashSet;
use std::time::Instant;

use kinesis_lab::prelude::*;

const WRITERS: usize = 8;
const CONSUMERS: usize = 6;

#[derive(Default)]
struct Seen {
    data: HashSet<Data>,
    doubled: u64,
}

impl RecordProcessor for Seen {
    fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
        for record in &batch.records {
            self.doubled += u64::from(!self.data.insert(record.data.clone()));
        }
        Ok(())
    }
}

/// Without the gate in `local/gate.rs`, about one consumer in fifteen misses a record.
#[test]
fn consumers_beside_writers_miss_nothing() {
    let rounds = if std::env::var_os("KINESIS_LAB_FULL").is_some() { 30 } else { 2 };
    for round in 0..rounds {
        let stream = Kinesis::local().unwrap().create_stream("busy", 1).unwrap();
        let consumer = stream.consumer().trim_horizon().poll_every(millis(200));
        let consumers: Vec<_> = (0..CONSUMERS).map(|_| consumer.start(Seen::default()).unwrap()).collect();
        std::thread::scope(|scope| {
            for writer in 0..WRITERS {
                let stream = &stream;
                scope.spawn(move || {
                    for n in 0..200 {
                        stream.put(format!("{writer}"), format!("{writer} {n}")).unwrap();
                    }
                });
            }
        });
        let all = (WRITERS * 200) as u64;
        let begun = Instant::now();
        // A consumer that missed one will wait for it in vain.
        while consumers.iter().any(|consumer| consumer.report().records < all) && begun.elapsed() < secs(30) {
            std::thread::sleep(millis(10));
        }
        for consumer in consumers {
            let (seen, outcome) = consumer.stop();
            outcome.unwrap();
            assert_eq!((seen.data.len(), seen.doubled), (WRITERS * 200, 0), "round {round}");
        }
    }
}

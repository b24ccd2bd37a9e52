//! From a put to its processing: polled, and by enhanced fan-out.
//!
//! `cargo bench --features full --bench latency`. The local Kinesis is in the same process. Records are put one at a
//! time, at random moments; each says when it was.

use std::time::{Duration, Instant};

use fastrand::Rng;
use kinesis_lab::prelude::*;

struct Latencies {
    begun: Instant,
    times: Vec<Duration>,
}

impl RecordProcessor for Latencies {
    fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
        let now = self.begun.elapsed();
        for record in &batch.records {
            let put: u64 = String::from_utf8_lossy(&record.data).parse()?;
            self.times.push(now - Duration::from_micros(put));
        }
        Ok(())
    }
}

fn main() {
    let full = std::env::args().any(|argument| argument == "--bench");
    let puts = if full { 600 } else { 10 };
    let kinesis = Kinesis::local().unwrap();
    println!("{:<28} {:>8} {:>8} {:>8}   milliseconds", "read by", "p50", "p99", "most");
    type Told = fn(Consumer) -> Consumer;
    let ways: [(&str, Told); 3] = [
        ("polls, every 500 ms", |consumer| consumer),
        ("polls, every 200 ms", |consumer| consumer.poll_every(millis(200))),
        ("enhanced fan-out", |consumer| consumer.fan_out("bench")),
    ];
    for (n, (name, told)) in ways.into_iter().enumerate() {
        let stream = kinesis.create_stream(&format!("latency-{n}"), 2).unwrap();
        let (begun, mut rng) = (Instant::now(), Rng::with_seed(7));
        let latencies = Latencies { begun, times: Vec::new() };
        let consumer = told(stream.consumer()).start(latencies).unwrap();
        for n in 0..puts {
            std::thread::sleep(Duration::from_micros(rng.u64(5_000..95_000)));
            let now = begun.elapsed().as_micros();
            stream.put(format!("{n}"), now.to_string()).unwrap();
        }
        while consumer.report().records < puts {
            std::thread::sleep(millis(10));
        }
        let (latencies, outcome) = consumer.stop();
        let report = outcome.unwrap();
        assert_eq!(report.polls_because, None);
        let mut times = latencies.times;
        times.sort_unstable();
        let of = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
        println!("{name:<28} {:>8.1} {:>8.1} {:>8.1}", of(0.5), of(0.99), of(1.0));
    }
}

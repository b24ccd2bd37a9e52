//! From a put to its processing: polled, adaptively polled, and by enhanced fan-out.
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
    let kinesis = Kinesis::local().unwrap();
    println!("{:<40} {:>8} {:>8} {:>8}   milliseconds", "read by", "p50", "p99", "most");
    type Told = fn(Consumer) -> Consumer;
    let ways: [(&str, Told); 4] = [
        ("polls, every 500 ms (default)", |consumer| consumer),
        ("polls, adaptive", Consumer::adaptive_polling),
        ("polls, every 200 ms", |consumer| consumer.poll_every(millis(200))),
        ("enhanced fan-out", |consumer| consumer.fan_out("bench")),
    ];
    // Each at a stream of its own, so that none takes another's reads.
    for (name, told) in ways {
        let (puts, apart) = if full { (600, 50) } else { (10, 50) };
        measure(&kinesis, name, told, puts, apart);
    }
    // Side by side: they wait more than they compute.
    std::thread::scope(|scope| {
        for (name, told) in ways {
            let kinesis = &kinesis;
            let (puts, apart) = if full { (30, 2_000) } else { (2, 100) };
            scope.spawn(move || measure(kinesis, &format!("now and then: {name}"), told, puts, apart));
        }
    });
}

/// So many puts, so many milliseconds apart on average.
fn measure(kinesis: &Kinesis, name: &str, told: fn(Consumer) -> Consumer, puts: u64, apart: u64) {
    let stream = kinesis.create_stream(&name.replace(|c: char| !c.is_ascii_alphanumeric(), "-"), 2).unwrap();
    let (begun, mut rng) = (Instant::now(), Rng::with_seed(7));
    let latencies = Latencies { begun, times: Vec::new() };
    let consumer = told(stream.consumer()).start(latencies).unwrap();
    for n in 0..puts {
        std::thread::sleep(Duration::from_micros(rng.u64(apart * 100..apart * 1_900)));
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
    println!("{name:<40} {:>8.1} {:>8.1} {:>8.1}", of(0.5), of(0.99), of(1.0));
}

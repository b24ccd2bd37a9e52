//! A second server of the same shop, whose clock steps: its events are put by hand, without an agent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use kinesis_lab::prelude::*;

/// What its clients' addresses begin with, and nobody else's.
pub(crate) const CLIENTS: &str = "2001:db8:2::";

/// Events a second.
const RATE: u64 = 4;
/// An event that is so much ahead of its arrival is refused.
const BELIEVED: i64 = 600;

/// A put takes some milliseconds where the service is well and the machine has time for it.
const SLOW: Duration = Duration::from_secs(1);

/// What others may do and see meanwhile.
#[derive(Default)]
pub(crate) struct Clock {
    /// From the true time, in seconds.
    pub(crate) ahead: AtomicI64,
    pub(crate) put: AtomicU64,
    ended: AtomicBool,
}

/// What it has put.
#[derive(Default)]
pub(crate) struct Put {
    /// Of each client, what must be counted.
    pub(crate) events: BTreeMap<String, u64>,
    /// From too far in the future, which must be refused.
    pub(crate) from_the_future: u64,
    pub(crate) failed: Vec<String>,
    /// The times in which one put was under way for longer than [`SLOW`].
    pub(crate) slow: Vec<(Timestamp, Timestamp)>,
}

/// The server at work.
pub(crate) struct Second {
    pub(crate) clock: Arc<Clock>,
    thread: JoinHandle<Put>,
}

impl Second {
    pub(crate) fn start(stream: Stream) -> Second {
        let clock = Arc::<Clock>::default();
        let thread = std::thread::spawn({
            let clock = clock.clone();
            move || serve(&stream, &clock)
        });
        Second { clock, thread }
    }

    pub(crate) fn end(self) -> Put {
        self.clock.ended.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

fn serve(stream: &Stream, clock: &Clock) -> Put {
    let mut put = Put::default();
    for n in 0_u64.. {
        if clock.ended.load(Ordering::Relaxed) {
            break;
        }
        // Ten clients, in a network where no visitor is, and never the same page often enough for a playbook.
        let client = format!("{CLIENTS}{:x}", n % 10 + 1);
        let ahead = clock.ahead.load(Ordering::Relaxed);
        let shift = Duration::from_secs(ahead.unsigned_abs());
        let now = Timestamp::now();
        let time = if ahead < 0 { now - shift } else { now + shift };
        let page = n % 150 + 1;
        let event = format!(
            r#"{{"v":1,"id":"second-{n}","ip":"{client}","time":"{time}","method":"GET","path":"/product/{page}","status":200}}"#
        );
        // However long a disk is full.
        let entry = Entry::new(client.as_str(), event);
        match stream.put_many(vec![entry]).max_attempts(u32::MAX).send() {
            Ok(_) if ahead > BELIEVED => put.from_the_future += 1,
            Ok(_) => *put.events.entry(client).or_default() += 1,
            Err(failure) => put.failed.push(failure.to_string()),
        }
        let ended = Timestamp::now();
        if ended.since(now) > SLOW {
            put.slow.push((now, ended));
        }
        clock.put.store(n + 1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(1_000 / RATE));
    }
    put
}

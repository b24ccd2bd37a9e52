//! Puts and producers in a service: awaited on any runtime, blocking in any context, ended in time.

#![cfg(feature = "full")]

mod service;

use std::future::IntoFuture;
use std::io::{BufReader, PipeWriter, Write};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use kinesis_lab::prelude::*;
use kinesis_lab::{Detection, Playbook, Playbooks, PutFailure};
use service::{Answer, service, stored};
use tokio::runtime::{Builder, Runtime};

/// Whatever hangs is a failure by then.
const PATIENCE: Duration = Duration::from_secs(5);

fn stream(name: &str) -> Stream {
    Kinesis::local().unwrap().create_stream(name, 1).unwrap()
}

fn runtimes() -> [Runtime; 2] {
    [
        Builder::new_current_thread().enable_all().build().unwrap(),
        Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap(),
    ]
}

/// On a thread of its own, so that what hangs fails its test and not the run.
fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || done.send(work()));
    match result.recv_timeout(PATIENCE) {
        Ok(output) => output,
        Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
        Err(_) => std::panic::resume_unwind(thread.join().unwrap_err()),
    }
}

fn many(records: usize) -> Vec<Entry> {
    (0..records).map(|n| Entry::new(format!("{n}"), "x")).collect()
}

#[test]
fn puts_and_producers_are_awaited_on_any_runtime() {
    let stream = stream("awaited");
    for runtime in runtimes() {
        let stream = stream.clone();
        in_time(move || {
            runtime.block_on(async move {
                assert_eq!(stream.put_async("k", "1").await.unwrap().shard_id, "shardId-000000000000");
                assert_eq!(stream.put_async("", "1").await.unwrap_err().kind(), ErrorKind::InvalidInput);
                assert_eq!(stream.put_many(many(700)).await.unwrap().sent, 700);
                assert_eq!(stream.producer("k").at_once().limit(30).start().await.sent, 30);
                let endless = stream.producer("k").interval(millis(5)).start();
                assert!(endless.stop_async().await.last_error.is_none());
                // As a task of its own, too.
                let put = tokio::spawn(stream.put_async("k", "2"));
                put.await.unwrap().unwrap();
                let kinesis = Kinesis::local_async().await.unwrap();
                assert!(kinesis.client().list_streams().send().await.unwrap().stream_names.is_empty());
            });
        });
    }
}

/// Of no runtime at all.
fn block_on_elsewhere<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let (mut future, mut context) = (pin!(future), TaskContext::from_waker(&waker));
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[test]
fn an_executor_without_a_reactor_will_do() {
    in_time(|| {
        block_on_elsewhere(async {
            let kinesis = Kinesis::local_async().await.unwrap();
            let stream = kinesis.create_stream("elsewhere", 1).unwrap();
            stream.put_async("k", "1").await.unwrap();
            assert_eq!(stream.put_many(many(3)).await.unwrap().sent, 3);
            assert_eq!(stream.producer("k").at_once().limit(3).start().await.sent, 3);
        });
    });
}

/// The connection that a call opened goes back to a pool that all share; the runtime on which it was opened may
/// stand still by then.
#[test]
fn a_connection_does_not_hang_on_the_runtime_that_opened_it() {
    let stream = stream("pooled");
    // At once, so that each has a connection of its own: more than were opened elsewhere before.
    let blocking = |stream: &Stream| {
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| stream.put("k", "blocking").unwrap());
            }
        });
    };
    in_time(move || {
        let [alone, _] = runtimes();
        alone.block_on(async {
            let puts = (0..8).map(|n| tokio::spawn(stream.put_async("k", n.to_string()))).collect::<Vec<_>>();
            for put in puts {
                put.await.unwrap().unwrap();
            }
        });
        // It exists, and nobody drives it.
        blocking(&stream);
        // Its only thread is blocked by this.
        alone.block_on(async { blocking(&stream) });
        drop(alone);
        blocking(&stream);
    });
}

#[test]
fn a_blocking_put_is_served_in_a_task_a_payload_and_a_processor() {
    let stream = stream("nested");
    for runtime in runtimes() {
        let stream = stream.clone();
        in_time(move || {
            runtime.block_on(async move {
                stream.put("task", "1").unwrap();
                let (of_task, of_payload) = (stream.clone(), stream.clone());
                tokio::spawn(async move { of_task.put("task", "2").unwrap() }).await.unwrap();
                let payload = move |n: u64, _: Timestamp| {
                    of_payload.put("payload", n.to_string()).unwrap();
                    block_on(async move { n }).to_string()
                };
                // Blocking: on the current-thread runtime, nothing else runs meanwhile.
                let report = stream.producer("k").at_once().limit(4).payload(payload).start().join();
                assert_eq!((report.sent, report.last_error.map(|error| error.to_string())), (4, None));
            });
        });
    }
    struct Forward(Stream, u32);
    impl RecordProcessor for Forward {
        fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
            for _ in &batch.records {
                self.0.put("processor", "1")?;
                self.1 += 1;
            }
            Ok(())
        }
    }
    let to = self::stream("forwarded");
    in_time(move || {
        let mut forward = Forward(to, 0);
        stream.consumer().trim_horizon().run_until_caught_up(&mut forward).unwrap();
        assert_eq!(forward.1, 2 * (2 + 4 + 4));
    });
}

#[test]
fn a_blocking_put_is_served_in_the_callback_of_an_alert() {
    let (events, notes) = (stream("events"), stream("notes"));
    events
        .put_many((0..5).map(|n| Entry::new("192.0.2.10", format!("2018-09-06T08:04:0{n}Z"))).collect())
        .send()
        .unwrap();
    for runtime in runtimes() {
        let (events, notes) = (events.clone(), notes.clone());
        in_time(move || {
            runtime.block_on(async move {
                let to = notes.clone();
                let playbooks = Playbooks::new(vec![Playbook::new("many", 3)]).unwrap();
                let mut detection = Detection::new(&playbooks)
                    .on_alert(move |alert| drop(to.put(&alert.key, "seen").unwrap()));
                let read = events.consumer().trim_horizon().run_until_caught_up(&mut detection);
                assert_eq!((read.unwrap().records, detection.alerts().len()), (5, 1));
            });
        });
    }
    let mut echo = Echo::new();
    assert_eq!(notes.consumer().trim_horizon().run_until_caught_up(&mut echo).unwrap().records, 2);
}

const LINE: &str = "192.0.2.1 - - [06/Sep/2018:08:04:56 +0000] \"GET / HTTP/1.1\" 200 5\n";

/// `tail -F access.log | program`.
fn piped() -> (PipeWriter, AccessLog) {
    let (read, write) = std::io::pipe().unwrap();
    (write, AccessLog::from_reader(BufReader::new(read)).quiet())
}

#[test]
fn silent_pipes_stall_nobody_and_a_live_line_is_put_at_once() {
    let stream = stream("live-log");
    let (mut first, log) = piped();
    let (_second, other) = piped();
    // As many as this crate's runtime has workers.
    let replays = [stream.replay(log).start(), stream.replay(other).start()];
    std::thread::sleep(millis(100)); // for both to read, and block
    let to = stream.clone();
    in_time(move || to.put("beside", "1").unwrap());
    let mut waits = Vec::new();
    for n in 1..=3 {
        first.write_all(LINE.as_bytes()).unwrap();
        let begun = Instant::now();
        wait_for(|| replays[0].sent() >= n);
        waits.push(begun.elapsed());
    }
    // The others may be those of a machine that has much to do.
    assert!(waits.iter().min().unwrap() < &secs(1), "a line is in the stream within a second: {waits:?}");
    let sent = in_time(move || replays.map(|replay| replay.stop().sent));
    assert_eq!(sent, [3, 0]);
}

fn silent() -> (Stream, Arc<service::Calls>) {
    let (url, calls) = service(|_| Answer::Never);
    (Kinesis::endpoint(&url).unwrap().stream("s").unwrap(), calls)
}

fn wait_for(condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "it did not come about within {PATIENCE:?}");
        std::thread::sleep(millis(5));
    }
}

#[test]
fn a_stop_says_within_five_seconds_what_was_not_done() {
    let (stream, calls) = silent();
    let producer = stream.producer("k").at_once().limit(1_200).start();
    wait_for(|| calls.waiting.load(Ordering::SeqCst) == 1);
    let report = in_time(move || producer.stop());
    assert_eq!(
        (report.sent, report.given_up, report.failed.len() as u64),
        (0, report.given_up, report.given_up)
    );
    // Those of the call under way, and those that were made and waited behind it.
    assert!((500..=1_000).contains(&report.given_up), "{}", report.given_up);
    assert!((1..=500).contains(&report.ambiguous), "{}", report.ambiguous);
    assert!(report.last_error.unwrap().to_string().contains("stopped before"));
}

#[test]
fn a_stop_cuts_a_back_off_short() {
    let (url, calls) =
        service(|_| Answer::Refused("ProvisionedThroughputExceededException", "Rate exceeded".into()));
    let stream = Kinesis::endpoint(&url).unwrap().stream("s").unwrap();
    let producer = stream.producer("k").limit(1).start();
    // Seven refusals, and the next wait is of up to five seconds.
    wait_for(|| calls.made.load(Ordering::SeqCst) >= 5);
    let report = in_time(move || producer.stop());
    // Four times a second it is tried: one attempt may be under way at the end.
    assert!(report.given_up == 1 && report.ambiguous <= 1, "{report:?}");
}

#[test]
fn a_stop_tries_again_while_there_is_time() {
    let made = AtomicUsize::new(0);
    let (url, calls) = service(move |call| match made.fetch_add(1, Ordering::SeqCst) {
        0..9 => Answer::Refused("ProvisionedThroughputExceededException", "Rate exceeded".into()),
        _ => stored(&call),
    });
    let stream = Kinesis::endpoint(&url).unwrap().stream("s").unwrap();
    let producer = stream.producer("k").limit(1).start();
    // The four waits that are left would be of 1.6, 3.2, 5 and 5 s, or of a part of that.
    wait_for(|| calls.made.load(Ordering::SeqCst) >= 5);
    let report = in_time(move || producer.stop());
    assert_eq!((report.sent, report.given_up, report.retried), (1, 0, 9));
}

#[test]
fn dropped_producers_and_puts_let_go() {
    let (stream, calls) = silent();
    let producer = stream.producer("k").at_once().limit(10).start();
    wait_for(|| calls.waiting.load(Ordering::SeqCst) == 1);
    drop(producer);
    wait_for(|| calls.waiting.load(Ordering::SeqCst) == 0);
    assert_eq!(calls.made.load(Ordering::SeqCst), 1);
    for runtime in runtimes() {
        let put = stream.put_many(many(1_200)).into_future();
        runtime.block_on(async { tokio::time::timeout(millis(200), put).await }).unwrap_err();
        wait_for(|| calls.waiting.load(Ordering::SeqCst) == 0);
    }
    assert_eq!(calls.made.load(Ordering::SeqCst), 3, "nothing more is sent");
}

#[test]
fn one_record_that_the_service_refuses_does_not_fail_the_others() {
    for code in ["InvalidArgumentException", "ValidationException"] {
        let (url, _) = service(move |call| {
            let bad = |record: &serde_json::Value| record["PartitionKey"] == "bad";
            match call.body["Records"].as_array().unwrap().iter().any(bad) {
                true => Answer::Refused(code, "a record's key is not to be had".into()),
                false => stored(&call),
            }
        });
        let stream = Kinesis::endpoint(&url).unwrap().stream("s").unwrap();
        let mut entries = many(1_100);
        entries[77].partition_key = "bad".into();
        let failure: PutFailure = stream.put_many(entries.clone()).send().unwrap_err();
        let back: Vec<Entry> = failure.failed.into_iter().map(|failed| failed.entry).collect();
        assert_eq!((failure.report.sent, &back[..]), (1_099, &entries[77..78]), "{code}");
        // And of a producer: it goes on.
        let key = |n: u64, _| format!("{n}");
        let report = stream.producer("bad").at_once().limit(3).payload(key).start().join();
        assert_eq!((report.sent, report.given_up, report.failed.len()), (0, 3, 3));
        assert_eq!(report.failed[0].error.kind(), ErrorKind::InvalidInput);
    }
}

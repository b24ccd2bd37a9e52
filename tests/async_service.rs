//! Nothing that can be awaited blocks its thread.
//!
//! No clock decides: all answers of the service are withheld until a task beside, on the same current-thread
//! runtime, has had another turn. Whatever blocked the thread would keep that task from its turn, and wait for
//! its own answer for ever.

#![cfg(feature = "full")]

#[path = "../examples/service/app.rs"]
mod app;

use std::future::Future;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use kinesis_lab::prelude::*;
use tower_service::Service as _;

/// How often the task beside has had its turn.
#[derive(Default)]
struct Turns {
    count: Mutex<u64>,
    more: Condvar,
}

impl Turns {
    fn next(&self) {
        *self.count.lock().unwrap() += 1;
        self.more.notify_all();
    }

    fn wait_for_another(&self) {
        let count = self.count.lock().unwrap();
        let now = *count;
        drop(self.more.wait_while(count, |count| *count == now).unwrap());
    }
}

/// The way to a service, on threads of its own; what comes back waits for a turn.
fn withhold(service: SocketAddr, turns: Arc<Turns>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, service) = (client.unwrap(), TcpStream::connect(service).unwrap());
            let (mut from, mut to) = (client.try_clone().unwrap(), service.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Write);
            });
            let (mut from, mut to, turns) = (service, client, turns.clone());
            std::thread::spawn(move || {
                let mut bytes = [0; 64 << 10];
                while let Ok(length @ 1..) = from.read(&mut bytes) {
                    turns.wait_for_another();
                    if to.write_all(&bytes[..length]).is_err() {
                        break;
                    }
                }
                let _ = to.shutdown(Shutdown::Both);
            });
        }
    });
    address
}

/// Awaits what is made of a connection whose answers are withheld, on a current-thread runtime; false when it
/// does not come to its end within `patience`, because something blocks the thread.
fn has_its_turns<W, F>(patience: Duration, work: W) -> bool
where
    W: FnOnce(Kinesis) -> F + Send + 'static,
    F: Future<Output = Result<(), Error>>,
{
    let local = Local::new().open().unwrap();
    let service = local.endpoint_url().unwrap().trim_start_matches("http://").parse().unwrap();
    let turns = Arc::<Turns>::default();
    let way = withhold(service, turns.clone());
    let (tell, told) = channel();
    let beside = turns.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tell.send(runtime.block_on(async {
            tokio::spawn(async move {
                loop {
                    beside.next();
                    tokio::time::sleep(millis(1)).await;
                }
            });
            work(Kinesis::endpoint(&format!("http://{way}"))?).await
        }))
    });
    let outcome = told.recv_timeout(patience);
    if outcome == Err(RecvTimeoutError::Timeout) {
        // Let it end: it holds a thread, and the service.
        while let Err(RecvTimeoutError::Timeout) = told.recv_timeout(millis(1)) {
            turns.next();
        }
        return false;
    }
    outcome.expect("it panicked").unwrap();
    true
}

#[test]
fn a_call_that_blocks_is_seen_here() {
    let blocking = |kinesis: Kinesis| async move {
        let stream = kinesis.create_stream_async("blocked", 1).await?;
        stream.put("key", "data").map(drop)
    };
    assert!(!has_its_turns(secs(3), blocking));
}

#[test]
fn what_is_awaited_blocks_nobody() {
    let all = |kinesis: Kinesis| async move {
        let stream = kinesis.create_stream_async("awaited", 2).await?;
        assert_eq!(kinesis.stream_async("awaited").await?.created(), stream.created());
        assert_eq!(kinesis.list_streams_async().await?, ["awaited"]);
        assert_eq!(stream.describe_async().await?.open_shards, 2);
        assert_eq!(stream.shards_async().await?.len(), 2);
        let shard = stream.shard_for_async("key").await?;

        assert_eq!(stream.put_async("key", "1").await?.shard_id, shard.id);
        let entries = (0..600).map(|n| Entry::new(format!("{n}"), "2")).collect();
        assert_eq!(stream.put_many(entries).await?.sent, 600);
        let producer = stream.producer("192.0.2.10").interval(secs(1)).at_once().limit(100).start();
        assert_eq!(producer.await.sent, 100);
        let endless = stream.producer("192.0.2.20").interval(millis(1)).start();
        assert!(endless.stop_async().await.failed.is_empty());
        let line = b"192.0.2.10 - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 200 512\n";
        assert_eq!(stream.replay(AccessLog::from_reader(&line[..])).start().await.sent, 1);

        let consumer = stream.consumer().trim_horizon().until_caught_up();
        let (mut batches, mut records) = (consumer.batches(), 0);
        while let Some(next) = batches.next().await {
            records += next?.batch.records.len();
        }
        assert!(records >= 702, "{records}");
        let (counter, report) = consumer.start_async(Counter::per_minute()).await?.await;
        assert_eq!(report?.ended, Some(Ended::CaughtUp));
        assert_eq!(counter.unparsed(), 601);
        let handle = stream.consumer().start_async(Echo::new()).await?;
        assert_eq!(handle.stop_async().await.1?.ended, Some(Ended::Stopped));

        stream.set_retention_async(48).await?;
        stream.split_shard_async(&shard.id).await?;
        stream.delete_async().await
    };
    assert!(has_its_turns(secs(60), all), "something blocks the thread");
}

#[test]
fn a_service_answers_while_it_consumes() {
    let serve = |kinesis: Kinesis| async move {
        let stream = kinesis.create_stream_async("served", 1).await?;
        let service = app::Service::new(stream.clone());
        let mut batches = stream.consumer().trim_horizon().batches();
        batches.begin().await?;
        let counting = service.clone();
        tokio::spawn(async move { counting.count(batches).await });
        let mut router = service.router();
        for n in 0..20 {
            let hit = Request::post(format!("/hits/192.0.2.{n}")).body(Body::empty()).unwrap();
            std::future::poll_fn(|context| {
                tower_service::Service::<Request<Body>>::poll_ready(&mut router, context)
            })
            .await
            .unwrap();
            assert_eq!(router.call(hit).await.unwrap().status(), 202);
        }
        while service.total() < 20 {
            tokio::time::sleep(millis(1)).await;
        }
        Ok(())
    };
    assert!(has_its_turns(secs(60), serve), "something blocks the thread");
}

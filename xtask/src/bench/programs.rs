//! What `cargo bench` measures, as a section of the page.

use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::{Place, setup};

pub(super) fn throughput(place: &Place) -> Result<String> {
    Ok(format!(
        "## Records a second through the local endpoint\n\n\
         100-byte records, 8 shards, service and client in one process on the same cores; batches of 500 \
         put, up to 10,000 read a call. Beside it: a raw HTTP client that sends the same bytes and \
         interprets nothing, and a loop over the SDK's `put_record` and `get_records`. Aims: 0.7 × the raw \
         client for puts, 0.5 × for drain and count.\n\n```\n{}```",
        bench(place, "throughput")?
    ))
}

pub(super) fn puts(place: &Place) -> Result<String> {
    Ok(format!(
        "## Puts: one lane, two, aggregated\n\n\
         100-byte records of 1,000 keys, 8 shards, service and client in one process on the same cores, in turns. Two \
         lanes are two calls under way, each with the records of its own shards. Aggregated: packed to records of 500 \
         KB. Read: megabytes a second of the records' own data, all shards, five calls a second and shard. Aims: two \
         lanes 1.5 × one; aggregated 10 × the records a second of one lane, and read no slower than plain.\n\n```\n{}```",
        bench(place, "puts")?
    ))
}

pub(super) fn counting(place: &Place) -> Result<String> {
    Ok(format!(
        "## Counting alone\n\n\
         The public `Counter`, one core, in memory, fed without a service: batches of 10,000 records, an IP of \
         1,000 and a time with microseconds over 60 minutes, 5 % out of order. Beside it, the loop one would \
         write over the same bytes: `HashMap<(i64, String), u64>`; timestamps by a hand-written parser, JSON by \
         serde_json's `Value`, lines by `split` and chrono; it checks nothing and completes no window. Aims, as \
         ratios: bare 1.8, JSON 2.5, lines 2, with lateness and 64 shards 1.8, sliding 1, 10,080 windows to 60 \
         0.9; under 0.2 s a poll at 1,000 shards. Instructions (counter and by hand) are valgrind's, of 100,000 \
         records.\n\n```\n{}```",
        bench(place, "counting")?
    ))
}

pub(super) fn stored(place: &Place) -> Result<String> {
    Ok(format!(
        "## Counts in a database\n\n\
         The same counter with its SQLite store and without, over one backlog (100-byte records, 1,000 keys, an \
         hour of event time, 8 shards, lateness 60 s), interleaved; aim: 70 %. In PostgreSQL, on the same two \
         cores, each commit on its disk; aim: half of SQLite. Recovery: opening the database and \
         being ready to count. Memory: what the process grows by.\n\n```\n{}```",
        bench(place, "stored")?
    ))
}

pub(super) fn agent(place: &Place) -> Result<String> {
    Ok(format!(
        "## The agent in a web application\n\n\
         The same axum router with the agent's layer and without, in turns, on one thread; the events go to a \
         local Kinesis in the same process, on the same cores. Alone: the router is called without a \
         network, one request after the other. Over HTTP: a raw client on one kept connection.\n\n```\n{}```",
        bench(place, "agent")?
    ))
}

pub(super) fn service(place: &Place) -> Result<String> {
    Ok(format!(
        "## A service on one thread\n\n\
         `examples/service.rs`: an axum service that puts each request (`put_async`) and counts what is in the \
         stream (`batches`), both on one current-thread runtime, under 2,000 requests a second of 50 clients; the \
         local Kinesis and the clients on other threads of the same two cores. Aim: nothing of the library blocks \
         the one thread for 250 ms.\n\n```\n{}```",
        bench(place, "service")?
    ))
}

pub(super) fn latency(place: &Place) -> Result<String> {
    Ok(format!(
        "## From a put to its processing\n\n\
         600 records of two shards, put one at a time at random moments, 50 ms apart on average; the local Kinesis in \
         the same process. Adaptive: `Consumer::adaptive_polling`, 200 ms after a page with records, 500 ms \
         after one without. Now and then: 30 records, 2 s apart on average, where there is nothing to adapt to. How long a put takes is in it. On AWS, a poll has its round trip in addition, and \
         enhanced fan-out takes some 70 ms (Developer Guide).\n\n```\n{}```",
        bench(place, "latency")?
    ))
}

pub(super) fn detection(place: &Place) -> Result<String> {
    Ok(format!(
        "## Detection beside somebody who means harm\n\n\
         Five minutes of a small shop, 50 visitors and one who guesses passwords, beside 2,500 requests a second as \
         named; the agent's events, the shipped playbooks, a database. Batches of a second of event time, handed over \
         as fast as they are taken. Before a client had a share of its own (2026-11-25), the second row was no alert \
         for anybody and a database of 311 MB.\n\n```\n{}```",
        bench(place, "detection")?
    ))
}

fn bench(place: &Place, name: &str) -> Result<String> {
    let mut command = setup::cargo(place);
    command.args(["bench", "--locked", "--features", "full", "--bench", name]);
    command.stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().context("cargo does not run")?;
    if !output.status.success() {
        bail!("cargo bench --bench {name} failed");
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

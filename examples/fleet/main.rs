//! A fleet on this machine: workers of the Kinesis Client Library share the shards of an embedded Kinesis, which are split
//! and merged meanwhile, and workers are killed; at the end every record must have been processed. `cargo xtask fleet`
//! finds Java and the jars, builds DynamoDB's stand-in, and starts this.

mod alerts;
mod child;
#[path = "../common/mod.rs"]
mod common;
mod control;
mod counting;
mod dynamodb;
mod journal;
mod measure;
mod postgres;
mod processed;
mod scene;
mod server;
mod services;
mod storm;
mod traffic;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use kinesis_lab::prelude::*;

use crate::child::FleetChild;
use crate::common::say::{ended, say};
use crate::journal::Journal;
use crate::measure::Measured;

/// Runs workers of the Kinesis Client Library on an embedded Kinesis: every record is processed, in the order of its
/// shard. Ends with status 1, and what is missing, when not.
#[derive(Parser)]
#[command(name = "cargo xtask fleet up", bin_name = "cargo xtask fleet up")]
pub(crate) struct Arguments {
    /// How many daemons
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) workers: usize,
    /// How many shards the stream has at first
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub(crate) shards: u32,
    /// A play of so many seconds from the first record on: shards are split and merged, a worker is killed, and the fleet
    /// ends [default: up until `fleet down`]
    #[arg(long, value_name = "N")]
    pub(crate) seconds: Option<u64>,
    /// Records that are there before the workers are, to measure how fast they are read
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) backlog: u64,
    /// Records are pushed to the workers (enhanced fan-out), not polled
    #[arg(long)]
    pub(crate) fan_out: bool,
    /// Leases as in version 2 of the KCL: the loss of the worker that leads costs seconds, not two minutes
    #[arg(long)]
    pub(crate) compatible_with_2x: bool,
    /// The children count, too, and watch by playbooks, into this database (postgres://user@host/database), which must
    /// have no tables yet: at the end each record must be in its counts, once, and each alert must be there, once [without
    /// an address: a PostgreSQL of the fleet's own]
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "")]
    pub(crate) postgres: Option<String>,
    /// Counts have so many keys [default: one a record]
    #[arg(long, value_name = "N")]
    pub(crate) keys: Option<u64>,
    /// For a lesson alone: counts and alerts are written without a look at who has the shard by now
    #[arg(long)]
    pub(crate) without_fence: bool,
    /// So many faults, drawn by the seed, on three workers and four shards, over the seconds
    #[arg(long, value_name = "FAULTS")]
    pub(crate) storm: Option<usize>,
    /// Another seed, another storm
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Workers are hosts of their own: this program is root in namespaces of its own
    #[arg(long, requires = "storm")]
    pub(crate) network: bool,
    /// Python with boto3 and aws_kinesis_agg, which puts the records
    #[arg(long, value_name = "FILE", requires = "storm")]
    pub(crate) python: Option<PathBuf>,
    /// What a fleet costs and how quickly it mends, for BENCHMARKS.md
    #[arg(long)]
    pub(crate) measure: bool,
    /// DynamoDB's stand-in and PostgreSQL alone, without Kinesis and workers
    #[arg(long)]
    pub(crate) services: bool,
    /// The services end when the process of this number is gone
    #[arg(long, value_name = "PROCESS", requires = "services")]
    pub(crate) with_process: Option<i32>,
    /// The services have one more database of this name (more than one: repeat it)
    #[arg(long, value_name = "NAME", requires = "services")]
    pub(crate) database: Vec<String>,
    /// Java's program
    #[arg(long, value_name = "FILE", default_value = "java")]
    pub(crate) java: PathBuf,
    /// The folder with the jars of amazon-kinesis-client-multilang
    #[arg(long, value_name = "FOLDER", default_value = "lib")]
    pub(crate) jars: PathBuf,
    /// What stands in for DynamoDB: the program dynoxide
    #[arg(long, value_name = "FILE", default_value_os_t = dynamodb::made())]
    pub(crate) dynamodb: PathBuf,
    /// Where logs go; what is there of an earlier run is deleted
    #[arg(long, value_name = "FOLDER", default_value = "target/fleet")]
    pub(crate) folder: PathBuf,
}

fn main() -> ExitCode {
    // A daemon starts this program again, for each of its shards.
    if let Some(file) = Journal::of_a_child() {
        let child = kinesis_lab::kcl::Child::new().checkpoint_every(secs(1));
        let outcome = match (Measured::of_this_process(&file), std::env::var(child::DATABASE)) {
            (Some(measured), _) => measured.and_then(|mut measured| child.run(&mut measured)),
            (None, Ok(database)) => {
                FleetChild::open(&file, &database).and_then(|mut all| child.run(&mut all))
            }
            (None, Err(_)) => Journal::open(&file).and_then(|mut journal| child.run(&mut journal)),
        };
        return match outcome {
            Ok(_) => ExitCode::SUCCESS,
            Err(error) => {
                say(format_args!("error: {error}"));
                ExitCode::FAILURE
            }
        };
    }
    let arguments = Arguments::parse();
    if arguments.services {
        return ended(services::run(&arguments));
    }
    let outcome = match arguments.storm {
        _ if arguments.measure => measure::run(&arguments),
        Some(faults) => storm::rage(&arguments, faults),
        None => scene::play(&arguments),
    };
    match outcome {
        Ok(wrong) if wrong.is_empty() => {
            say("fleet: passed");
            ExitCode::SUCCESS
        }
        Ok(wrong) => {
            say(format_args!("fleet: FAILED\n  - {}", wrong.join("\n  - ")));
            ExitCode::FAILURE
        }
        Err(error) => {
            say(format_args!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

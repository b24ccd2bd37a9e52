//! A child of the Kinesis Client Library's daemon: what its shard brings is printed, into the daemon's log.
//!
//! The daemon starts one for each shard; `executableName` in its properties names this program, built by
//! `cargo build --release --features kcl --example kcl_echo`. Any other processor stands in the same place: a `Counter`, a
//! `Filter`, one of your own.

use kinesis_lab::prelude::*;

fn main() -> Result<(), Error> {
    let report = kinesis_lab::kcl::run(&mut Echo::new())?;
    println!("{} records, {:?}", report.records, report.ended); // on stderr, as all that is printed here
    Ok(())
}

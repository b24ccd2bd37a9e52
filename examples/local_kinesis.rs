//! Kinesis on this machine, for programs in any language, until Ctrl-C: streams and records in memory, or in a folder
//! too.
//!
//! Prints its address, and nothing else, on stdout.

use std::process::ExitCode;
use std::sync::atomic::Ordering;

use kinesis_lab::prelude::*;

mod common;

use common::ending::asked_to_end;
use common::say::{ended, product, say, tell};

const USAGE: &str = "\
A local Kinesis for other programs: the AWS CLI, boto3, your own.

Usage: local_kinesis [--port N] [--folder DIR] [--memory MIB] [--access-key KEY]

  --port N          the loopback port to listen on [default: any free one]
  --folder DIR      keep streams and records there too [default: in memory alone]
  --memory MIB      hold this many MiB of records at most, about [default: 1024]
  --access-key KEY  take calls with this key alone, of letters and digits [default: with any]
  -h, --help        this text

Example:
  cargo run --release --features full --example local_kinesis -- --port 4567
  aws --endpoint-url http://127.0.0.1:4567 --region us-east-1 kinesis list-streams
";

fn main() -> ExitCode {
    let local = match arguments(std::env::args().skip(1)) {
        Ok(Some(local)) => local,
        Ok(None) => {
            return ended(product(|out| out.write_all(USAGE.as_bytes())));
        }
        Err(error) => {
            say(format_args!("{error}\n\n{USAGE}"));
            return ExitCode::from(2);
        }
    };
    // Before anybody can know that it is there, and send a signal.
    let asked = asked_to_end();
    match local.open() {
        Ok(kinesis) => {
            tell(kinesis.endpoint_url().unwrap_or_default());
            say("listening; any secret key will do, the region is us-east-1; Ctrl-C ends it");
            while !asked.load(Ordering::Relaxed) {
                std::thread::sleep(millis(50));
            }
            ExitCode::SUCCESS
        }
        Err(error) => ended(Err(error)),
    }
}

fn arguments(mut arguments: impl Iterator<Item = String>) -> Result<Option<Local>, String> {
    let mut local = Local::new();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "-h" | "--help" => return Ok(None),
            "--port" => {
                let port = value()?;
                local = local.port(port.parse().map_err(|_| format!("`{port}` is no port: 0 to 65535"))?);
            }
            "--folder" => local = local.folder(value()?),
            "--memory" => {
                let mib = value()?;
                let bytes = mib.parse::<u64>().ok().and_then(|mib| mib.checked_mul(1 << 20));
                local = local.memory_limit(bytes.ok_or(format!("`{mib}` is no number of MiB: write 2048"))?);
            }
            "--access-key" => local = local.access_key(&value()?),
            other => return Err(format!("`{other}` is not understood")),
        }
    }
    Ok(Some(local))
}

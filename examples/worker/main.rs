//! A worker of a fleet: one command on each machine. It starts the Kinesis Client Library's daemon, with itself as the
//! child for each shard, and keeps it alive; all workers write into one PostgreSQL database, exactly.
//!
//! ```text
//! cargo build --release --features kcl,playbooks,postgres --example worker
//! worker --app visits-counter --stream visits --postgres postgres://ann@db.example/shop --jars lib count
//! ```

mod back_off;
mod command_line;
#[path = "../common/mod.rs"]
mod common;
mod daemon;
mod daemon_log;
#[path = "../common/formats.rs"]
mod formats;
mod leases;
#[path = "../common/pages.rs"]
mod pages;
mod parts;
mod properties;
mod property_file;
mod status;
mod work;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use crate::common::say::{ended, product};
use crate::work::Work;

/// Counts or filters a stream together with other workers, each on a machine of its own.
///
/// The Kinesis Client Library shares the stream's shards out among them, by leases in DynamoDB. All of them write into one
/// PostgreSQL database, and each record counts once, whatever becomes of a worker. Java 11 or later, and the library's
/// jars, have to be there.
#[derive(Parser)]
#[command(
    name = "worker",
    after_help = "\
Examples:
  cargo build --release --features kcl,playbooks,postgres --example worker       # target/release/examples/worker
  worker --app visits-counter --stream visits --postgres postgres://ann@db/shop --jars lib count --window 60s
  worker --app visits-counter --stream visits --postgres postgres://ann@db/shop --status count
  worker --app visits-counter --stream visits --postgres postgres://ann@db/shop --dry-run count
  worker --app visits-filter --stream visits --postgres 'postgres://ann@db/shop?options=-csearch_path%3Dfilter' \\
      --jars lib filter --to visits-log --drop-page '/static/*'
  worker --app visits-detection --stream visits-log --postgres postgres://ann@db/shop --jars lib \\
      detect --playbooks playbooks.toml --alerts visits-alerts

The database's password goes into the environment variable PGPASSWORD, from where the daemon's children take it; an
address with a password in it is refused, since everybody on the machine can read a command line. (PGSSLMODE and
PGSSLROOTCERT: as those of psql.) AWS credentials and the region come from where the AWS CLI takes them.

Beside an emulator, with which any will do:
  export AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any
  worker --app visits-counter --stream visits --postgres postgres://ann@localhost/shop \\
      --endpoint http://127.0.0.1:4567 --dynamodb http://127.0.0.1:8000 count

Ctrl-C and SIGTERM hand the shards on, which takes some seconds, 30 at most; a second one ends at once. A daemon that
ends by itself is started again, after 1 s, then 2, 4 and so on up to 60. Ends with status 0 after it was asked to;
1 when it can't begin, or the daemon had to be killed; 2 when it was called in another way than this."
)]
pub(crate) struct Arguments {
    /// The application: workers of one name share the stream, and three tables of DynamoDB begin with it
    #[arg(long, value_name = "NAME")]
    pub(crate) app: String,
    /// The stream's name
    #[arg(long, value_name = "NAME")]
    pub(crate) stream: String,
    /// The database that all workers write into: postgres://user@host/database (with PGPASSWORD)
    #[arg(long, value_name = "URL")]
    pub(crate) postgres: String,
    /// The address of Kinesis [default: AWS, in the region of the environment]
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
    /// The address of DynamoDB [default: AWS, in the region of the environment]
    #[arg(long, value_name = "URL")]
    pub(crate) dynamodb: Option<String>,
    /// Records are pushed (enhanced fan-out), not polled
    #[arg(long)]
    pub(crate) fan_out: bool,
    /// Leases as in version 2 of the library: the loss of the worker that leads costs seconds, not two minutes
    #[arg(long)]
    pub(crate) compatible_with_2x: bool,
    /// Which worker this is; no two may be alike [default: the host's name, and some digits]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Java 11 or later [default: bin/java of JAVA_HOME, or java in PATH]
    #[arg(long, value_name = "FILE")]
    pub(crate) java: Option<PathBuf>,
    /// The folder with the jars of amazon-kinesis-client-multilang 3 [default: lib, here or beside this program, or
    /// what `cargo xtask fleet parts` has made]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) jars: Option<PathBuf>,
    /// After what time without a sign of life a worker's shards are others'
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = common::duration)]
    pub(crate) failover: Duration,
    /// Ends, as by SIGTERM, when its standard input ends: for a program that starts workers, none of which is to outlive it
    #[arg(long)]
    pub(crate) end_with_stdin: bool,
    /// Prints all that the daemon logs, on stderr [default: what it calls an error]
    #[arg(long)]
    pub(crate) verbose: bool,
    /// Prints from the database which shards there are, who has them and how far they are, and ends
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) status: bool,
    /// Prints the table of leases in what stands in for DynamoDB, and ends (on AWS: `aws dynamodb scan --table-name NAME`)
    #[arg(long, requires = "dynamodb", conflicts_with_all = ["status", "dry_run"])]
    pub(crate) leases: bool,
    /// Prints the properties that the daemon would be told, and ends
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(subcommand)]
    pub(crate) work: Work,
}

fn main() -> ExitCode {
    // The daemon starts this program again, without arguments, for each of its shards.
    if let Some(line) = command_line::of_a_child() {
        return ended(work::run(&Arguments::parse_from(line)));
    }
    let line = match command_line::read(std::env::args_os()) {
        Ok(line) => line,
        Err(error) => {
            ended(Err(error));
            return ExitCode::from(2);
        }
    };
    let arguments = Arguments::parse_from(&line);
    if arguments.status {
        return ended(match &arguments.work {
            Work::Detect(_) => status::show_alerts(&arguments.postgres),
            _ => status::show(&arguments.postgres),
        });
    }
    if arguments.leases {
        return ended(leases::show(arguments.dynamodb.as_deref().unwrap_or_default(), &arguments.app));
    }
    if arguments.dry_run {
        let properties = properties::of_this_program(&arguments);
        return ended(properties.and_then(|text| product(|out| writeln!(out, "{text}"))));
    }
    daemon::keep_alive(&arguments, &line)
}

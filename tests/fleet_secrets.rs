//! The database of a fleet is reached over TLS, with a password, which nobody gets to see.

#![cfg(all(feature = "full", unix))]

#[path = "common/certificates.rs"]
mod certificates;
#[allow(dead_code, reason = "not all of it is used here")]
#[path = "common/postgres.rs"]
mod server;

use std::path::Path;

use kinesis_lab::prelude::*;
use kinesis_lab::{Detection, Filter, Playbooks, StreamId, temporary_folder};
use server::{connect, query};

const SHARD: &str = "shardId-000000000000";

fn context() -> Context {
    Context::at(Timestamp::from_secs(1_800_000_000))
}

trait Worker: RecordProcessor + std::fmt::Debug {}
impl<P: RecordProcessor + std::fmt::Debug> Worker for P {}

/// Each that shares a database, with the schema of its tables.
fn workers(url: &str, stream: &Stream, log: &Stream) -> Vec<Result<Box<dyn Worker>, Error>> {
    let with = |schema: &str| {
        format!("{url}{}options=-csearch_path%3D{schema}", if url.contains('?') { '&' } else { '?' })
    };
    vec![
        Counter::per_minute().shared_in(&with("public"), stream).map(|it| Box::new(it) as _),
        Filter::new(log, |_| true).shared_in(&with("filter"), stream).map(|it| Box::new(it) as _),
        Detection::new(&Playbooks::shipped()).shared_in(&with("public"), stream).map(|it| Box::new(it) as _),
    ]
}

#[test]
fn a_fleet_speaks_tls_and_shows_no_password() {
    let folder = temporary_folder("fleet-tls").unwrap();
    let Some(()) = certificates::make_certificates(&folder) else { return };
    let copy = |data: &Path| certificates::copy_certificate(&folder, data);
    let Some(server) = server::Postgres::start_with(&["ssl=on"], copy) else { return };
    let here = server.database("fleet tls");
    let admin = connect(&here);
    server.execute(&admin, "CREATE SCHEMA filter");
    let named = here.replace("127.0.0.1", "localhost");
    let root =
        |name: &str| format!("sslrootcert={}", folder.join(name).display().to_string().replace('/', "%2F"));
    let kinesis = Kinesis::local().unwrap();
    let (stream, log) =
        (kinesis.create_stream("visits", 1).unwrap(), kinesis.create_stream("visits-log", 1).unwrap());
    let mut shown = Vec::new();

    let url = format!("{named}?sslmode=verify-full&{}", root("ca.pem"));
    let record = Record::new("192.0.2.7", "2018-09-06T08:04:56Z", "7", Timestamp::from_secs(1_536_221_096));
    for worker in workers(&url, &stream, &log) {
        let mut worker = worker.unwrap();
        worker.shard_taken(SHARD, &mut context()).unwrap();
        worker.process(&Batch::new("visits", SHARD, vec![record.clone()]), &mut context()).unwrap();
        worker.tick(&mut context()).unwrap();
        let place = worker.checkpoints(&StreamId::new("", Timestamp::MIN)).unwrap();
        assert_eq!(place[0].sequence_number.as_deref(), Some("7"), "{worker:?}");
        let sql = "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
            WHERE application_name LIKE 'kinesis-lab worker %'";
        assert_eq!(query(&admin, sql), [["t"]], "{worker:?}");
        shown.push(format!("{worker:?}"));
    }

    let trusted = root("other.pem");
    for (url, what) in [
        (format!("{named}?sslmode=verify-full&{trusted}"), "UnknownIssuer"),
        (format!("{here}?sslmode=verify-full&{}", root("ca.pem")), "not valid for"),
        (here.replace("s3cret", "s3cret9"), "refuses this user or password"),
        (format!("{here}?nonsense=1"), "does not read as one"),
    ] {
        for worker in workers(&url, &stream, &log) {
            let error = match worker {
                Err(error) => format!("{error} {error:?}"),
                Ok(mut worker) => {
                    let error = worker.shard_taken(SHARD, &mut context()).unwrap_err();
                    format!("{error:?} {worker:?}")
                }
            };
            assert!(error.contains(what), "{error}");
            shown.push(error);
        }
    }
    for text in &shown {
        assert!(!text.contains("s3cret"), "{text}");
    }
    drop(admin);
    std::fs::remove_dir_all(folder).unwrap();
}

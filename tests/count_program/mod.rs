//! The example program `count`, started by tests, and what it leaves in its database.

// Compiled into each test file, of which none uses all of it.
#![allow(dead_code)]

#[cfg(unix)]
#[path = "../common/postgres.rs"]
pub(crate) mod postgres;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

#[cfg(unix)]
use postgres::{connect, postgres, query};

/// (start of the window, key) and how many, completed and late together.
pub(crate) type Counts = BTreeMap<(String, String), u64>;

pub(crate) fn program() -> PathBuf {
    // Beside the test's own folder; cargo builds examples before it runs tests.
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.join("examples").join(format!("count{}", std::env::consts::EXE_SUFFIX))
}

pub(crate) fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("crash").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder.join("counts.db")
}

/// An empty database in each place that a counter can be stored in: a file, and PostgreSQL where there is one.
pub(crate) fn databases(name: &str) -> Vec<PathBuf> {
    let mut databases = vec![scratch(name)];
    #[cfg(unix)]
    databases.extend(postgres().map(|server| server.database(name).into()));
    databases
}

fn is_postgres(database: &Path) -> bool {
    database.starts_with("postgres:")
}

/// Whether a counter has made it.
pub(crate) fn is_there(database: &Path) -> bool {
    match is_postgres(database) {
        #[cfg(unix)]
        true => {
            let made = "SELECT to_regclass('kinesis_lab') IS NOT NULL";
            query(&connect(database.to_str().unwrap()), made)[0][0] == "t"
        }
        _ => database.exists(),
    }
}

/// Whether what was counted of a record is there.
pub(crate) fn has_committed(database: &Path) -> bool {
    let of_records = "SELECT count(*) > 0 FROM checkpoints WHERE sequence_number IS NOT NULL";
    match is_postgres(database) {
        _ if !is_there(database) => false,
        #[cfg(unix)]
        true => query(&connect(database.to_str().unwrap()), of_records)[0][0] == "t",
        _ => {
            let file = rusqlite::Connection::open(database).unwrap();
            // The one that was killed may not have come to its tables.
            file.query_row(of_records, [], |row| row.get(0)).unwrap_or(false)
        }
    }
}

pub(crate) fn start(endpoint: &str, database: &Path, more: &[&str]) -> Child {
    // `cargo test` builds examples; `cargo test --test …` does not.
    started(endpoint, database, more)
        .spawn()
        .expect("the program is there after `cargo build --examples --features full`")
}

pub(crate) fn started(endpoint: &str, database: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(program());
    command
        .args(["--endpoint", endpoint, "--stream", "crash", "--db"])
        .arg(database)
        .args(if more.contains(&"--lateness") { &[][..] } else { &["--lateness", "2h"] })
        .args(more)
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_REGION", "us-east-1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

pub(crate) fn finish(endpoint: &str, database: &Path, more: &[&str]) -> String {
    let mut arguments = vec!["--until-caught-up", "--flush"];
    arguments.extend(more);
    let output = start(endpoint, database, &arguments).wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

pub(crate) fn counts(database: &Path) -> Counts {
    #[cfg(unix)]
    if is_postgres(database) {
        let client = connect(database.to_str().unwrap());
        let mut counts = Counts::new();
        for table in ["windows", "late"] {
            let start = r#"to_char(start, 'YYYY-MM-DD"T"HH24:MI:SS"Z"')"#;
            let sql = format!("SET timezone = 'UTC'; SELECT {start}, key, count FROM {table}");
            for row in query(&client, &sql) {
                let [start, key, count]: [String; 3] = row.try_into().unwrap();
                *counts.entry((start, key)).or_default() += count.parse::<u64>().unwrap();
            }
        }
        return counts;
    }
    let database = rusqlite::Connection::open(database).unwrap();
    let mut counts = Counts::new();
    for table in ["windows", "late"] {
        let mut statement = database.prepare(&format!("SELECT start, key, count FROM {table}")).unwrap();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            *counts.entry((row.get(0).unwrap(), row.get(1).unwrap())).or_default() +=
                row.get::<_, i64>(2).unwrap() as u64;
        }
    }
    counts
}

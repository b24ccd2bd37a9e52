//! What a status costs, in bytes of the databases that are read for it.

use rusqlite::Connection;

use super::super::pipeline::Pipeline;
use super::*;
use crate::detect::{Playbook, Playbooks};
use crate::folder::temporary_folder;
use crate::record::Entry;
use crate::service::Kinesis;
use crate::timestamp::Timestamp;

/// All that this thread has read of files so far. SQLite reads on the thread that asks it.
fn read_so_far() -> u64 {
    let told = std::fs::read_to_string("/proc/thread-self/io").unwrap();
    told.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
}

#[test]
fn a_status_costs_the_same_with_a_year_of_windows_and_alerts() {
    let folder = temporary_folder("status").unwrap();
    let events = Kinesis::local().unwrap().create_stream("shop", 1).unwrap();
    let entry = |n: i64| Entry::new("192.0.2.66", Timestamp::from_secs(1_536_220_800 + n * 60).to_string());
    events.put_many((0..60).map(entry).collect()).send().unwrap();
    let playbooks =
        Playbooks::new(vec![Playbook::new("thirty", 30).window(Duration::from_secs(3_600))]).unwrap();
    let pipeline = Pipeline::over(&events).folder(&folder).playbooks(&playbooks);
    pipeline.run_until_caught_up().unwrap();
    let mut running = pipeline.start().unwrap();
    Part::ALL.into_iter().for_each(|part| running.stop_part(part));
    let mut status = || {
        let before = read_so_far();
        let status = running.status();
        (read_so_far() - before, status.windows, status.alerts)
    };
    let (an_hour, windows, alerts) = status();
    assert!(windows > 50 && alerts > 0, "{windows} {alerts}");

    // As the parts write them, of windows of five minutes: with each row, the number of rows.
    let fill = |file: &str, rows: &str| {
        let database = Connection::open(folder.join(file)).unwrap();
        database.execute_batch(&format!("BEGIN; {rows}; COMMIT; PRAGMA wal_checkpoint(TRUNCATE);")).unwrap();
    };
    let minutes =
        "WITH RECURSIVE minute(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM minute WHERE n < 105120)";
    fill(
        "counts.db",
        &format!(
            "{minutes} INSERT INTO windows SELECT n, n, '192.0.2.7', 1 FROM minute;
             UPDATE totals SET count = count + 105120 WHERE name = 'pairs'"
        ),
    );
    fill(
        "alerts.db",
        &format!(
            "{minutes} INSERT INTO alerts SELECT n, n, 'p', 'k', NULL, n, n, 1, 1, 'notify', NULL, '', 1 FROM minute
             WHERE n <= 50000;
             UPDATE open_progress SET alerts = alerts + 50000"
        ),
    );
    let (a_year, more_windows, more_alerts) = status();
    assert_eq!((more_windows, more_alerts), (windows + 105_120, alerts + 50_000));
    assert!(a_year < 2 * an_hour, "{a_year} bytes with a year of them, {an_hour} with an hour");
    drop(running);
    std::fs::remove_dir_all(folder).unwrap();
}

//! Files that may grow no further, as on a full disk, until there is room.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::alert_book::AlertBook;
use super::file::DatabaseFile;
use super::store::Sqlite;
use crate::count::{Change, Counter, Fingerprint, SavedState, Store};
use crate::detect::{Alert, AlertChange, AlertStore, SavedDetection, Undelivered};
use crate::detect::{Detection, Playbook, Playbooks};
use crate::error::Result;
use crate::read::{ConsumerHandle, RecordProcessor, StreamId};
use crate::record::Entry;
use crate::service::Kinesis;
use crate::stored::{Alerts, Counts};
use crate::stream::Stream;
use crate::timestamp::Timestamp;

/// A store whose limit a test can change while a run uses it.
struct Limited<T>(Arc<Mutex<T>>);

impl Store for Limited<Sqlite> {
    fn load(&mut self, fingerprint: &Fingerprint) -> Result<SavedState> {
        self.0.lock().unwrap().load(fingerprint)
    }

    fn commit(&mut self, change: &Change) -> Result<()> {
        self.0.lock().unwrap().commit(change)
    }
}

impl AlertStore for Limited<AlertBook> {
    fn load(&mut self, stream: &StreamId, playbooks: &Playbooks) -> Result<SavedDetection> {
        self.0.lock().unwrap().load(stream, playbooks)
    }

    fn commit(&mut self, change: &AlertChange) -> Result<()> {
        self.0.lock().unwrap().commit(change)
    }
}

impl Undelivered for Limited<AlertBook> {
    fn delivered(&mut self, alerts: &[Alert]) -> Result<()> {
        self.0.lock().unwrap().delivered(alerts)
    }

    fn undelivered(&mut self, limit: usize) -> Result<Vec<Alert>> {
        self.0.lock().unwrap().undelivered(limit)
    }
}

/// The file takes so many more pages than it has.
fn limit(file: &DatabaseFile, more: i64) {
    let pragma = |name: &str| {
        file.read(|database| database.pragma_query_value(None, name, |row| row.get::<_, i64>(0))).unwrap()
    };
    let pages = pragma("page_count") + more;
    file.read(|database| database.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())))
        .unwrap();
}

fn scratch(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("kinesis-lab-full-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Two minutes of 3,000 addresses, two requests each and minute; their names fill pages.
fn events() -> Stream {
    let events = Kinesis::local().unwrap().create_stream("shop", 1).unwrap();
    let entry = |n: i64| {
        let time = Timestamp::from_secs(1_536_220_800 + n / 100);
        Entry::new(format!("host-{:0>60}.example", n % 3_000), time.to_string())
    };
    events.put_many((0..12_000).map(entry).collect()).send().unwrap();
    events
}

/// Waits until a run says that there is no room, makes some, and waits until it has read everything.
fn until_there_is_room<P: RecordProcessor + Send + 'static>(
    running: ConsumerHandle<P>,
    make_room: impl FnOnce(),
) -> P {
    let begun = Instant::now();
    let wait = |done: &dyn Fn() -> bool| {
        while !done() {
            assert!(begun.elapsed() < Duration::from_secs(60), "waited in vain: {running:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    wait(&|| running.report().waiting.is_some_and(|why| why.contains("no room on the disk")));
    assert!(running.is_running());
    make_room();
    wait(&|| running.report().waiting.is_none() && running.report().millis_behind_latest == Some(0));
    wait(&|| running.report().records == 12_000);
    let (processor, outcome) = running.stop();
    let report = outcome.unwrap();
    assert!(report.waits > 0 && report.unfinished.is_none(), "{report:?}");
    processor
}

#[test]
fn counts_are_exact_when_there_is_room_again() {
    let (folder, events) = (scratch("counts"), events());
    let file = folder.join("counts.db");
    let store = Arc::new(Mutex::new(Sqlite::open(&file).unwrap()));
    limit(&store.lock().unwrap().file, 20);
    let counter = Counter::per_minute().lateness(Duration::ZERO).stored(Box::new(Limited(store.clone())));
    let running = events.consumer().trim_horizon().limit(1_000).start(counter).unwrap();
    let mut counter = until_there_is_room(running, || limit(&store.lock().unwrap().file, 100_000));
    counter.flush().unwrap();
    let windows = Counts::open(&file).unwrap().windows().unwrap();
    let counts: Vec<u64> = windows.iter().flat_map(|window| &window.counts).map(|count| count.1).collect();
    assert_eq!((counts.len(), counts.iter().all(|n| *n == 2)), (6_000, true));
    drop((counter, store));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn alerts_are_written_once_when_there_is_room_again() {
    let (folder, events) = (scratch("alerts"), events());
    let file = folder.join("alerts.db");
    let store = Arc::new(Mutex::new(AlertBook::open(&file).unwrap()));
    limit(&store.lock().unwrap().0, 20);
    let playbooks = Playbooks::new(vec![Playbook::new("four", 4).window(Duration::from_secs(600))]).unwrap();
    let heard = Arc::new(Mutex::new(Vec::<String>::new()));
    let hears = heard.clone();
    let detection = Detection::new(&playbooks)
        .stored(Box::new(Limited(store.clone())))
        .on_alert(move |alert| hears.lock().unwrap().push(alert.id.clone().into()));
    let running = events.consumer().trim_horizon().limit(1_000).start(detection).unwrap();
    let detection = until_there_is_room(running, || limit(&store.lock().unwrap().0, 100_000));
    assert_eq!((detection.totals().alerts, detection.undelivered()), (3_000, 0));
    let mut heard = heard.lock().unwrap().clone();
    heard.sort();
    let mut written: Vec<String> =
        Alerts::open(&file).unwrap().all().unwrap().into_iter().map(|alert| alert.id.into()).collect();
    written.sort();
    assert_eq!((written.len(), written == heard), (3_000, true));
    drop((detection, store));
    std::fs::remove_dir_all(&folder).unwrap();
}

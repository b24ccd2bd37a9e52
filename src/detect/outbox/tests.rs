//! More alerts than are kept in memory.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use super::super::alert::Response;
use super::*;
use crate::stop::Stop;
use crate::timestamp::Timestamp;

fn alert(n: u64) -> Alert {
    let time = Timestamp::from_micros(n as i64);
    Alert {
        id: format!("{n:06}").into(),
        playbook: "p".into(),
        key: "k".into(),
        ip: None,
        time,
        start: time,
        end: time,
        count: 1,
        threshold: 1,
        response: Response::Notify,
        evidence: "".into(),
    }
}

/// Has alerts; fails as often as it is told to.
#[derive(Default)]
struct Kept {
    undelivered: BTreeSet<u64>,
    fails: u32,
    largest: usize,
}

impl Kept {
    fn answer(&mut self) -> Result<()> {
        match self.fails {
            0 => Ok(()),
            n => {
                self.fails = n - 1;
                Err(Error::new(ErrorKind::StoreUnavailable, "locked"))
            }
        }
    }
}

impl Undelivered for Kept {
    fn delivered(&mut self, alerts: &[Alert]) -> Result<()> {
        self.answer()?;
        for alert in alerts {
            assert!(self.undelivered.remove(&alert.id.raw().parse().unwrap()), "{} is told twice", alert.id);
        }
        Ok(())
    }

    fn undelivered(&mut self, limit: usize) -> Result<Vec<Alert>> {
        self.answer()?;
        let alerts: Vec<Alert> = self.undelivered.iter().take(limit).map(|n| alert(*n)).collect();
        self.largest = self.largest.max(alerts.len());
        Ok(alerts)
    }
}

fn outbox() -> (Outbox, Arc<Mutex<Vec<String>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = heard.clone();
    let mut outbox = Outbox::default();
    outbox
        .callbacks
        .push(Box::new(move |alert: &Alert| hears.lock().unwrap().push(alert.id.raw().to_owned())));
    (outbox, heard)
}

/// They were all held in memory, for as long as the stream was down.
#[test]
fn what_finds_no_room_waits_in_the_store() {
    let (mut outbox, heard) = outbox();
    let mut store = Kept { undelivered: (0..35_000).collect(), fails: 3, ..Kept::default() };
    (0..35_000).for_each(|n| outbox.push(alert(n), true));
    assert_eq!((outbox.len(), outbox.waiting.len()), (35_000, MOST_WAITING));
    let stop = Stop::default();
    // A store that is locked meanwhile is asked again, and nobody hears an alert twice.
    let mut failures = 0;
    while outbox.deliver(&stop.watch(), Some(&mut store)).is_err() {
        failures += 1;
        assert!(outbox.waiting.len() <= MOST_WAITING);
    }
    assert_eq!((failures, outbox.len(), store.undelivered.len(), store.largest), (3, 0, 0, MOST_WAITING));
    let heard = heard.lock().unwrap();
    assert!(
        heard.iter().eq((0..35_000).map(|n| format!("{n:06}")).collect::<Vec<_>>().iter()),
        "{}",
        heard.len()
    );
    drop(heard);
    // And what comes next is in memory again.
    outbox.push(alert(35_000), true);
    assert_eq!((outbox.len(), outbox.waiting.len()), (1, 1));
}

#[test]
fn without_a_store_the_oldest_is_set_aside_and_counted() {
    let (mut outbox, heard) = outbox();
    (0..10_003).for_each(|n| outbox.push(alert(n), false));
    assert_eq!((outbox.len(), outbox.undeliverable), (MOST_WAITING, 3));
    assert_eq!(*heard.lock().unwrap(), ["000000", "000001", "000002"], "callbacks hear of each");
    outbox.deliver(&Stop::default().watch(), None).unwrap();
    assert_eq!((outbox.len(), heard.lock().unwrap().len()), (0, 10_003));
}

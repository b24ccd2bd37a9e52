//! With `--postgres`, the children also watch: by playbooks of which it is known beforehand what they set off, in whichever
//! order the shards are read. Forty records in a row are a group, spread over shards and aggregates; the fortieth that is
//! counted of one sets off its alert, and a record that is counted twice sets off another.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use kinesis_lab::prelude::*;
use kinesis_lab::{Alert, Alerts, Detection, Event, EventError, Format, Playbook, Playbooks, Text};

use crate::counting::{number, number_at, time};

/// Where alerts are put.
pub(crate) const STREAM: &str = "alerts";
/// How long they may take to get there: whoever is killed with one in its hands has it for 30 s.
pub(crate) const DELIVERED_WITHIN: Duration = Duration::from_secs(60);
/// A window holds a whole number of groups, so none is in two.
const GROUP: u64 = 40;
const WINDOW: Duration = Duration::from_secs(60);
/// Longer than a shard is believed to be at its tip, after its worker was cut off: none is late.
const LATENESS: Duration = Duration::from_secs(60);
const WHOLE: &str = "a whole group";
const TWICE: &str = "a record twice";

/// Nobody's id: only place and epoch keep a record from being counted again.
#[derive(Debug)]
struct Grouped;

impl Format for Grouped {
    fn read(&self, record: &Record, each: &mut dyn FnMut(Result<Event, EventError>)) {
        each(match number(record) {
            Some(number) => {
                let mut event = Event::new(number.to_string(), time(number));
                event.fields.insert("group".into(), (number / GROUP).to_string().into());
                Ok(event)
            }
            None => Err(EventError::new("no number")),
        });
    }
}

/// In memory, until it is told otherwise.
pub(crate) fn detection() -> Result<Detection, Error> {
    let playbook = |name: &str, threshold| Playbook::new(name, threshold).window(WINDOW).slide(WINDOW);
    let playbooks = Playbooks::new(vec![playbook(WHOLE, GROUP).key(&["group"]), playbook(TWICE, 2)])?;
    Ok(Detection::new(&playbooks).lateness(LATENESS).reading(Grouped))
}

/// What is in the database, and what came out of the stream, by ids.
pub(crate) struct Found {
    alerts: Vec<Alert>,
    delivered: BTreeMap<Text, u64>,
}

impl Found {
    pub(crate) fn read(database: &str, stream: &Stream) -> Result<Found, Error> {
        Ok(Found { alerts: Alerts::open(database)?.all()?, delivered: delivered(stream)? })
    }

    /// How the alerts are, in a sentence; and what of them is not as it must be.
    pub(crate) fn compare(&self, put: u64) -> (String, Vec<String>) {
        let groups = put / GROUP;
        let (mut set_off, mut extra, mut odd) = (BTreeSet::new(), Vec::new(), Vec::new());
        for alert in &self.alerts {
            let group: Option<u64> = alert.key.raw().parse().ok().filter(|_| alert.playbook == WHOLE);
            match group.filter(|group| *group < groups) {
                Some(group) if set_off.insert(group) => {
                    // The event that was one too many says by its time which record it was.
                    let is_of_it = number_at(alert.time).is_some_and(|number| number / GROUP == group);
                    if !is_of_it || alert.count != GROUP {
                        odd.push(format!("at the wrong event, or another number of them: {alert}"));
                    }
                }
                _ => extra.push(alert),
            }
        }
        let missing: Vec<u64> = (0..groups).filter(|group| !set_off.contains(group)).collect();
        let written: BTreeSet<&Text> = self.alerts.iter().map(|alert| &alert.id).collect();
        let undelivered = written.iter().filter(|id| !self.delivered.contains_key(**id)).count();
        let unknown = self.delivered.keys().filter(|id| !written.contains(id)).count();
        let sentence = format!(
            "alerts: {} of {groups} groups, missing {}, extra {}; in the stream {} ids, {} again",
            set_off.len(),
            missing.len(),
            extra.len(),
            self.delivered.len(),
            self.delivered.values().map(|times| times - 1).sum::<u64>()
        );
        let mut faults = odd;
        faults.truncate(5);
        if let Some(first) = missing.first() {
            faults.push(format!("alerts are missing: {} groups, such as {first}", missing.len()));
        }
        if let Some(first) = extra.first() {
            faults.push(format!("alerts that nothing set off: {}, such as {first}", extra.len()));
        }
        if written.len() < self.alerts.len() {
            faults.push(format!("{} alerts have {} ids", self.alerts.len(), written.len()));
        }
        if undelivered > 0 {
            faults.push(format!("in the database and not in the stream: {undelivered} alerts"));
        }
        if unknown > 0 {
            faults.push(format!("in the stream and not in the database: {unknown} alerts"));
        }
        (sentence, faults)
    }
}

/// Each id, and how often it is there.
fn delivered(stream: &Stream) -> Result<BTreeMap<Text, u64>, Error> {
    struct Ids(BTreeMap<Text, u64>);
    impl RecordProcessor for Ids {
        fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
            for record in &batch.records {
                *self.0.entry(Alert::parse(record)?.id).or_default() += 1;
            }
            Ok(())
        }
    }
    let mut ids = Ids(BTreeMap::new());
    stream.consumer().trim_horizon().run_until_caught_up(&mut ids)?;
    Ok(ids.0)
}

/// Whether as many are in the stream as groups are whole.
pub(crate) fn are_delivered(stream: &Stream, put: u64) -> Result<bool, Error> {
    Ok(delivered(stream)?.len() as u64 >= put / GROUP)
}

/// While workers are at work: they deliver them.
pub(crate) fn wait_until_delivered(stream: &Stream, put: u64) -> Result<(), Error> {
    let began = Instant::now();
    while !are_delivered(stream, put)? && began.elapsed() < DELIVERED_WITHIN {
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUT: u64 = 1_020;

    /// What comes of these records, in this order; each alert is delivered once.
    fn found(numbers: &[u64]) -> Found {
        let mut detection = detection().unwrap();
        let records: Vec<Record> = numbers
            .iter()
            .enumerate()
            .map(|(at, number)| Record::new("any", number.to_string(), at.to_string(), time(*number)))
            .collect();
        for some in records.chunks(7) {
            let batch = Batch::new("fleet", "shardId-000000000000", some.to_vec());
            detection.process(&batch, &mut Context::at(Timestamp::MIN)).unwrap();
        }
        detection.tick(&mut Context::at(Timestamp::MIN)).unwrap();
        let alerts = detection.alerts();
        let delivered = alerts.iter().map(|alert| (alert.id.clone(), 1)).collect();
        Found { alerts, delivered }
    }

    fn shuffled() -> Vec<u64> {
        let mut numbers: Vec<u64> = (0..PUT).collect();
        fastrand::Rng::with_seed(7).shuffle(&mut numbers);
        numbers
    }

    #[test]
    fn each_group_has_one_alert_in_any_order() {
        let whole = "alerts: 25 of 25 groups, missing 0, extra 0; in the stream 25 ids, 0 again";
        // Of the last group, half was put.
        assert_eq!(found(&(0..PUT).collect::<Vec<_>>()).compare(PUT), (whole.into(), vec![]));
        assert_eq!(found(&shuffled()).compare(PUT), (whole.into(), vec![]));
    }

    #[test]
    fn a_record_that_is_not_counted_is_seen() {
        let mut numbers = shuffled();
        numbers.retain(|number| *number != 777);
        let (sentence, faults) = found(&numbers).compare(PUT);
        assert!(sentence.contains("24 of 25 groups, missing 1, extra 0"), "{sentence}");
        assert_eq!(faults, ["alerts are missing: 1 groups, such as 19"]);
    }

    /// Also one of a group that is not whole, and one that makes up for another.
    #[test]
    fn a_record_that_is_counted_twice_is_seen() {
        for (twice, without) in [(777, None), (1_010, None), (777, Some(778))] {
            let mut numbers = shuffled();
            numbers.push(twice);
            numbers.retain(|number| Some(*number) != without);
            let (sentence, faults) = found(&numbers).compare(PUT);
            assert!(sentence.contains("25 of 25 groups, missing 0, extra 1"), "{sentence}");
            assert!(faults[0].starts_with("alerts that nothing set off: 1, such as"), "{faults:?}");
        }
    }

    #[test]
    fn an_alert_that_says_something_else_is_seen() {
        let faults = |change: fn(&mut Found)| {
            let mut found = found(&shuffled());
            change(&mut found);
            found.compare(PUT).1.join("; ")
        };
        assert!(faults(|found| found.alerts[3].count += 1).starts_with("at the wrong event"));
        assert!(faults(|found| found.alerts[3].time = time(PUT)).starts_with("at the wrong event"));
        let again = |found: &mut Found| found.alerts.push(found.alerts[3].clone());
        assert!(faults(again).starts_with("alerts that nothing set off: 1, such as"));
        assert!(faults(again).ends_with("26 alerts have 25 ids"));
    }

    #[test]
    fn what_is_in_the_stream_is_what_is_in_the_database() {
        let mut found = found(&shuffled());
        let id = found.alerts[3].id.clone();
        found.delivered.insert(id.clone(), 3);
        let (sentence, faults) = found.compare(PUT);
        assert!(sentence.ends_with("in the stream 25 ids, 2 again") && faults.is_empty(), "{sentence}");
        found.delivered.remove(&id);
        assert_eq!(found.compare(PUT).1, ["in the database and not in the stream: 1 alerts"]);
        found.delivered.extend([(id, 1), ("another".into(), 1)]);
        assert_eq!(found.compare(PUT).1, ["in the stream and not in the database: 1 alerts"]);
    }

    #[test]
    fn what_was_delivered_is_read_from_the_stream() {
        let stream = Kinesis::local().unwrap().create_stream(STREAM, 1).unwrap();
        let alerts = found(&(0..80).collect::<Vec<_>>()).alerts;
        assert!(!are_delivered(&stream, 80).unwrap() && are_delivered(&stream, 39).unwrap());
        for alert in [&alerts[0], &alerts[1], &alerts[0]] {
            let entry = alert.entry();
            stream.put(&entry.partition_key, entry.data).unwrap();
        }
        assert_eq!(delivered(&stream).unwrap().into_values().sum::<u64>(), 3);
        assert!(are_delivered(&stream, 80).unwrap());
    }
}

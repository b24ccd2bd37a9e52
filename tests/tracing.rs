//! What a service sees that subscribes to `tracing`: spans of runs, shards, puts and commits, events with fields,
//! sentences as events, and never a record's key or data above the level `trace`.

#![cfg(feature = "full")]

mod common;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use kinesis_lab::prelude::*;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record as Recorded};
use tracing::{Event as Told, Level, Metadata, Subscriber};

/// A span or an event: its level, its name or sentence, its fields.
#[derive(Debug, Clone)]
struct Line {
    level: Level,
    what: String,
    fields: BTreeMap<&'static str, String>,
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<Line>>>);

impl Lines {
    fn add(&self, metadata: &Metadata<'_>, mut fields: Fields) {
        let what = fields.0.remove("message").unwrap_or_else(|| metadata.name().to_owned());
        self.0.lock().unwrap().push(Line { level: *metadata.level(), what, fields: fields.0 });
    }

    fn find(&self, what: &str) -> Option<Line> {
        self.0.lock().unwrap().iter().find(|line| line.what.contains(what)).cloned()
    }
}

#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("kinesis_lab")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Fields::default();
        span.record(&mut fields);
        self.add(span.metadata(), fields);
        Id::from_u64(1)
    }

    fn event(&self, event: &Told<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        self.add(event.metadata(), fields);
    }

    fn record(&self, _: &Id, _: &Recorded<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// One test: a subscriber is the whole process's.
#[test]
fn what_happens_is_told_with_its_fields() {
    let lines = Lines::default();
    tracing::subscriber::set_global_default(lines.clone()).unwrap();
    let faulty = common::faulty(7, common::Faults { partial: 50, throttled: 30, ..Default::default() });
    let stream = faulty.kinesis.create_stream("told", 1).unwrap();
    let secret = |n| Entry::new(format!("key-of-a-stranger-{n}"), format!("data of a stranger {n}"));
    stream.put_many((0..40).map(secret).collect()).send().unwrap();
    for _ in 0..20 {
        stream.put("key-of-a-stranger", "data of a stranger").unwrap();
    }
    let folder = std::env::temp_dir().join(format!("kinesis-lab-tracing-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut counter = Counter::per_minute().stored_in(folder.join("counts.db")).unwrap();
    stream.consumer().trim_horizon().run_until_caught_up(&mut counter).unwrap();
    assert_eq!(counter.unparsed(), 60);
    let handle = stream.consumer().start(Echo::new()).unwrap();
    faulty.direct.stream("told").unwrap().delete().unwrap();
    handle.join().1.unwrap();
    drop(counter);
    std::fs::remove_dir_all(&folder).unwrap();

    let all = lines.0.lock().unwrap().clone();
    let has = |what: &str, fields: &[&str]| {
        let line = lines.find(what).unwrap_or_else(|| panic!("nothing says `{what}`: {all:#?}"));
        assert!(fields.iter().all(|field| line.fields.contains_key(field)), "{line:?}");
        line
    };
    assert_eq!(has("put", &["stream", "records", "attempt"]).fields["stream"], "\"told\"");
    has("not all records were stored", &["error", "again", "failed", "delay"]);
    assert!(all.iter().any(|line| line.what == "put" && line.fields["attempt"] != "1"), "a retry says so");
    assert_eq!(has("run", &["stream"]).level, Level::DEBUG);
    has("shard", &["stream", "shard"]);
    has("reading again", &["attempt", "delay", "error"]);
    has("commit", &["windows", "checkpoints"]);
    assert_eq!(has("stream told not found. Exiting", &["stream"]).level, Level::INFO);
    for line in all.iter().filter(|line| line.level < Level::TRACE) {
        assert!(!format!("{line:?}").contains("of a stranger"), "{line:?}");
        assert!(!format!("{line:?}").contains("key-of-a-stranger"), "{line:?}");
    }
}

//! The end: whether all is as it must be.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use kinesis_lab::prelude::*;
use kinesis_lab::{Alert, Alerts, Detection, Playbooks, Response};

use crate::common::say::tell;
use crate::ledger::{self, Events, Visits};
use crate::plan::Kind;
use crate::scene::Scene;
use crate::second::{CLIENTS, Put};

/// What is behind catches up, however slow the machine is: wrong is when nothing has moved for so long.
const PATIENCE: Duration = Duration::from_secs(60);
/// What no program may take, whatever happens; in bytes.
const MEMORY: u64 = 512_000_000;
/// So many of a kind are told.
const TOLD: usize = 5;

/// What the visitors and the second server say.
pub(crate) struct Outcome<'a> {
    pub(crate) visits: Visits<'a>,
    pub(crate) put: Put,
}

/// What is wrong.
pub(crate) fn check(
    scene: &mut Scene,
    outcome: Outcome<'_>,
    kinesis: &Kinesis,
) -> Result<Vec<String>, Error> {
    // With its end, all events are in the stream.
    scene.end_program("site")?;
    let mut events = Events::default();
    kinesis.stream("site")?.consumer().trim_horizon().run_until_caught_up(&mut events)?;
    let mut undisturbed = Detection::new(&Playbooks::shipped());
    let (counts_db, alerts_db) = (scene.disk.folder.join("counts.db"), scene.disk.folder.join("alerts.db"));
    let (all, counts) = (events.per_client.values().sum::<u64>(), Counts::open(&counts_db)?);
    let behind = Instant::now();
    until_it_is(&all, || Ok(ledger::counted(&counts)?.values().sum()))?;
    kinesis.stream("site-log")?.consumer().trim_horizon().run_until_caught_up(&mut undisturbed)?;
    let expected = by_playbook(&undisturbed.alerts());
    let written = || Alerts::open(&alerts_db).and_then(|alerts| alerts.all());
    until_it_is(&expected, || Ok(by_playbook(&written()?)))?;
    for name in ["filter", "counter", "detection", "live"] {
        scene.end_program(name)?;
    }
    let delivered = delivered(&kinesis.stream("site-alerts")?)?;
    scene.end_program("local")?;

    let mut wrong = std::mem::take(&mut scene.wrong);
    let mut differ = |title: &str, what: Vec<String>| {
        let more = what.len().saturating_sub(TOLD);
        let more = if more == 0 { String::new() } else { format!("; {more} more") };
        if !what.is_empty() {
            wrong.push(format!(
                "{title}: {}{more}",
                what.into_iter().take(TOLD).collect::<Vec<_>>().join("; ")
            ));
        }
    };
    let counted = ledger::counted(&counts)?;
    differ(
        "events and counts differ",
        ledger::differences(("events", &events.per_client), ("counted", &counted)),
    );
    differ("late with a clock that is right", ledger::late(&counts, |client| client.starts_with(CLIENTS))?);
    let (runs, visits) = (&scene.site_runs, &outcome.visits);
    let asked = visits.asked(&runs.lost(&events.agents));
    differ("requests and events differ", ledger::not_events(&asked, &events.per_client));
    differ("the site's words and its events differ", runs.untrue(&events.agents));
    differ("the site's ends", runs.failed_without_reason(&outcome.put.slow));
    differ(
        "events held back",
        runs.held_back(&events.agents, &outcome.put.slow, |lost| visits.answered(lost)),
    );
    let second = events.per_client.iter().filter(|(client, _)| client.starts_with(CLIENTS));
    let second = second.map(|(client, n)| (client.clone(), *n)).collect();
    differ("the second server", ledger::differences(("put", &outcome.put.events), ("events", &second)));
    differ("the second server's puts", outcome.put.failed.clone());
    let (refused, future) = (counts.totals()?.refused, outcome.put.from_the_future);
    // One that was put twice is refused twice.
    if events.from_the_future != future || !(future..=future + events.twice).contains(&refused) {
        differ(
            "from the future",
            vec![format!("{future} put, {} in the stream, {refused} refused", events.from_the_future)],
        );
    }
    let alerts = written()?;
    let kept = by_playbook(&alerts);
    differ("alerts too few", expected.difference(&kept).map(|one| format!("{one:?}")).collect());
    differ("alerts too many", kept.difference(&expected).map(|one| format!("{one:?}")).collect());
    // Those of a playbook on trial stay in the database.
    let told = alerts.iter().filter(|alert| alert.response != Response::Monitor);
    let told: BTreeSet<String> = told.map(|alert| alert.id.to_string()).collect();
    differ("alerts not delivered", told.difference(&delivered).cloned().collect());
    differ("alerts delivered that are not written", delivered.difference(&told).cloned().collect());
    let refused = refused_clients(&outcome);
    let people = |kind: Kind| kind == Kind::Normal;
    differ(
        "people refused",
        refused.iter().filter(|(_, kind)| people(**kind)).map(|(client, _)| client.clone()).collect(),
    );
    let attackers = refused.values().filter(|kind| !people(**kind)).count();
    if attackers == 0 {
        differ("attackers", vec!["none was refused".into()]);
    }
    let most =
        |(name, bytes): &(&str, u64)| (*bytes > MEMORY).then(|| format!("{name} {} MB", bytes / 1_000_000));
    differ("memory", scene.table.most.iter().filter_map(most).collect());
    if scene.seen() == 0 {
        differ("the live page", vec!["it never showed anything".into()]);
    }

    let answers = outcome.visits.answers;
    let unanswered = answers.iter().filter(|answer| answer.status.is_none()).count();
    tell(format_args!(
        "{} requests answered, {unanswered} not; {all} events counted of {} clients, {} put twice by a retry; {} alerts, \
         {attackers} attackers refused; the page changed {} times; at most {} events unread; {} s to catch up",
        answers.len() - unanswered,
        counted.len(),
        events.twice,
        alerts.len(),
        scene.seen(),
        scene.table.most_unread,
        behind.elapsed().as_secs(),
    ));
    Ok(wrong)
}

/// Waits for something, as long as it goes on changing.
fn until_it_is<T: PartialEq>(wanted: &T, look: impl Fn() -> Result<T, Error>) -> Result<(), Error> {
    let (mut seen, mut moved) = (look()?, Instant::now());
    while seen != *wanted && moved.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(200));
        let now = look()?;
        if now != seen {
            (seen, moved) = (now, Instant::now());
        }
    }
    Ok(())
}

/// What does not hang on the moment at which a record was read: who did too much of what.
fn by_playbook(alerts: &[Alert]) -> BTreeSet<(String, String)> {
    alerts.iter().map(|alert| (alert.playbook.to_string(), alert.key.to_string())).collect()
}

fn refused_clients(outcome: &Outcome<'_>) -> BTreeMap<String, Kind> {
    let Visits { plan, answers, .. } = &outcome.visits;
    let refused = answers.iter().filter(|answer| answer.status == Some(403));
    let clients = refused.map(|answer| &plan.clients[answer.client]);
    clients.map(|client| (client.address.to_string(), client.kind)).collect()
}

fn delivered(alerts: &Stream) -> Result<BTreeSet<String>, Error> {
    #[derive(Default)]
    struct Ids(BTreeSet<String>);
    impl RecordProcessor for Ids {
        fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
            for record in &batch.records {
                self.0.insert(Alert::parse(record)?.id.to_string());
            }
            Ok(())
        }
    }
    let mut ids = Ids::default();
    alerts.consumer().trim_horizon().run_until_caught_up(&mut ids)?;
    Ok(ids.0)
}

//! What must be the same at the end, and what is not.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kinesis_lab::Event;
use kinesis_lab::prelude::*;

use crate::plan::Plan;
use crate::send::Answer;
use crate::site_runs::{self, AgentRuns, Lost};

/// How many of each client.
pub(crate) type PerClient = BTreeMap<String, u64>;

/// Of each client: requests that must be events, and requests that may be.
#[derive(Default, Clone, Copy)]
pub(crate) struct Asked {
    must: u64,
    may: u64,
}

/// What the visitors say, whose first request was due at `began`.
pub(crate) struct Visits<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) answers: &'a [Answer],
    pub(crate) began: Timestamp,
}

impl Visits<'_> {
    pub(crate) fn asked(&self, lost: &[Lost]) -> BTreeMap<String, Asked> {
        let mut asked: BTreeMap<String, Asked> = BTreeMap::new();
        for answer in self.answers {
            let of = asked.entry(self.plan.clients[answer.client].address.to_string()).or_default();
            match answer.status {
                Some(_) if !lost.iter().any(|lost| self.is_within(answer, lost)) => of.must += 1,
                // Without an answer, it may have been served all the same.
                _ => of.may += 1,
            }
        }
        asked
    }

    /// How many requests were answered by a site while it may have lost their events.
    pub(crate) fn answered(&self, lost: &Lost) -> usize {
        let within = |answer: &&Answer| answer.status.is_some() && self.is_within(answer, lost);
        self.answers.iter().filter(within).count()
    }

    /// One that was under way for a moment of it is.
    fn is_within(&self, answer: &Answer, lost: &Lost) -> bool {
        let sent = self.began + answer.offset;
        sent < lost.until && sent + answer.time > lost.since
    }
}

/// Whose events are too few or too many for what was asked.
pub(crate) fn not_events(asked: &BTreeMap<String, Asked>, events: &PerClient) -> Vec<String> {
    let wrong = |(client, asked): (&String, &Asked)| {
        let events = events.get(client).copied().unwrap_or(0);
        let right = asked.must..=asked.must + asked.may;
        let answered = format!("{client}: {} requests answered, {} more made", asked.must, asked.may);
        (!right.contains(&events)).then(|| format!("{answered}, {events} events"))
    };
    asked.iter().filter_map(wrong).collect()
}

/// Whose numbers differ.
pub(crate) fn differences(what: (&str, &PerClient), other: (&str, &PerClient)) -> Vec<String> {
    let clients: BTreeSet<&String> = what.1.keys().chain(other.1.keys()).collect();
    let of = |numbers: &PerClient, client: &String| numbers.get(client).copied().unwrap_or(0);
    let pairs = clients.into_iter().map(|client| (client, of(what.1, client), of(other.1, client)));
    let differ = pairs.filter(|(_, one, two)| one != two);
    differ.map(|(client, one, two)| format!("{client}: {one} {}, {two} {}", what.0, other.0)).collect()
}

/// The events of a stream, each once, however often it was put.
#[derive(Default)]
pub(crate) struct Events {
    ids: BTreeSet<String>,
    pub(crate) per_client: PerClient,
    pub(crate) from_the_future: u64,
    pub(crate) twice: u64,
    pub(crate) agents: AgentRuns,
}

impl RecordProcessor for Events {
    fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
        for record in &batch.records {
            let event = Event::parse(record)?;
            let id = event.id.as_ref().map(|id| id.to_string()).unwrap_or_default();
            site_runs::note(&mut self.agents, &id, event.time);
            if !self.ids.insert(id) {
                self.twice += 1;
            } else if event.time > record.arrival + Duration::from_secs(600) {
                self.from_the_future += 1;
            } else {
                *self.per_client.entry(event.key.to_string()).or_default() += 1;
            }
        }
        Ok(())
    }
}

/// Visitors whose clock is right, and who were late all the same: nobody may be, whatever other clocks say.
pub(crate) fn late(counts: &Counts, is_second: impl Fn(&str) -> bool) -> Result<Vec<String>, Error> {
    let late = counts.late()?.into_iter().map(|(start, client, n)| (start, client.to_string(), n));
    let visitors = late.filter(|(_, client, _)| !is_second(client));
    Ok(visitors.map(|(start, client, n)| format!("{n} of {client} in {}", start.plain(0))).collect())
}

/// What a counter has counted, in windows that are complete, still open, or were complete too early.
pub(crate) fn counted(counts: &Counts) -> Result<PerClient, Error> {
    let mut per_client = PerClient::new();
    for window in counts.windows()?.into_iter().chain(counts.early()?) {
        for (client, n) in window.counts {
            *per_client.entry(client.to_string()).or_default() += n;
        }
    }
    for (_, client, n) in counts.late()? {
        *per_client.entry(client.to_string()).or_default() += n;
    }
    Ok(per_client)
}

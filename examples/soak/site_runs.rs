//! The runs of the site: what each said of its events when it ended, and what the stream holds of them.

use std::collections::BTreeMap;
use std::time::Duration;

use kinesis_lab::Timestamp;

/// An event's id ends with so many digits, which count the requests of its run.
const NUMBER: usize = 12;
/// An agent has two calls of 500 records under way at most. What more waits at a kill, waits for a reason.
const UNDER_WAY: usize = 1_000;
/// After a time in which the stream took nothing, the agent tries again, and catches up; so long, more may wait.
const TRIED_AGAIN: Duration = Duration::from_secs(30);
/// Between a request's number and its time, a thread may lose the processor.
const UNEVEN: Duration = Duration::from_secs(1);

/// How a run ended.
enum End {
    /// Asked to; with the events that it had made, and that were sent.
    Said { made: u64, sent: u64 },
    /// Asked to, when nobody read what it said any more.
    Silent,
    /// By SIGKILL: when that was sent, and when it was over.
    Killed { at: Timestamp, dead: Timestamp },
    /// Asked to, and it could not send its last events: since when, until when.
    Failed { at: Timestamp, dead: Timestamp },
}

struct SiteRun {
    began: Timestamp,
    end: Option<End>,
}

/// In which the answers of a site that was killed may not have become events.
#[derive(Debug, PartialEq)]
pub(crate) struct Lost {
    pub(crate) since: Timestamp,
    pub(crate) until: Timestamp,
}

/// Of each run of an agent, by what its events' ids begin with: their numbers and times.
pub(crate) type AgentRuns = BTreeMap<String, BTreeMap<u64, Timestamp>>;

/// Notes an event, if its id is of an agent.
pub(crate) fn note(runs: &mut AgentRuns, id: &str, time: Timestamp) {
    let Some((run, number)) = id.split_at_checked(id.len().saturating_sub(NUMBER)) else { return };
    if let Ok(number) = u64::from_str_radix(number, 16) {
        runs.entry(run.to_owned()).or_default().insert(number, time);
    }
}

/// All of them, one after the other.
#[derive(Default)]
pub(crate) struct SiteRuns {
    runs: Vec<SiteRun>,
}

impl SiteRuns {
    pub(crate) fn began(&mut self, now: Timestamp) {
        self.runs.push(SiteRun { began: now, end: None });
    }

    /// With what it said at last.
    pub(crate) fn ended(&mut self, words: &str) {
        let said = words.lines().rev().find_map(|line| {
            let (made, rest) = line.split_once(" events: ")?;
            let (sent, _) = rest.split_once(" sent")?;
            let number = |text: &str| text.replace(',', "").parse().ok();
            Some(End::Said { made: number(made)?, sent: number(sent)? })
        });
        self.end(said.unwrap_or(End::Silent));
    }

    pub(crate) fn killed(&mut self, at: Timestamp, dead: Timestamp) {
        self.end(End::Killed { at, dead });
    }

    pub(crate) fn failed(&mut self, at: Timestamp, dead: Timestamp) {
        self.end(End::Failed { at, dead });
    }

    /// Of the runs that could not send their last events, those that had no reason: nobody's put was slow.
    pub(crate) fn failed_without_reason(&self, slow: &[(Timestamp, Timestamp)]) -> Vec<String> {
        let failed = self.runs.iter().filter_map(|run| match run.end {
            Some(End::Failed { at, dead }) => Some((at, dead)),
            _ => None,
        });
        let reason =
            |at: Timestamp, dead: Timestamp| slow.iter().any(|(since, until)| *since < dead && *until > at);
        let without = failed.filter(|(at, dead)| !reason(*at, *dead));
        without.map(|(at, _)| format!("the site that was asked to end at {at} ended with an error")).collect()
    }

    fn end(&mut self, end: End) {
        if let Some(run) = self.runs.last_mut() {
            run.end = Some(end);
        }
    }

    /// Which runs of the agent are those of the site, by when their first events were made.
    fn with_events<'a>(
        &'a self,
        agents: &'a AgentRuns,
    ) -> impl Iterator<Item = (&'a SiteRun, Option<&'a BTreeMap<u64, Timestamp>>)> {
        let next = self.runs.iter().skip(1).map(|run| Some(run.began)).chain([None]);
        self.runs.iter().zip(next).map(|(run, next)| {
            let first = |events: &&BTreeMap<u64, Timestamp>| {
                let first = events.values().min();
                first.is_some_and(|first| *first >= run.began && next.is_none_or(|next| *first < next))
            };
            (run, agents.values().find(first))
        })
    }

    /// Whose words are not what the stream holds.
    pub(crate) fn untrue(&self, agents: &AgentRuns) -> Vec<String> {
        let mut untrue = Vec::new();
        for (n, (run, events)) in self.with_events(agents).enumerate() {
            let held = events.map_or(0, BTreeMap::len) as u64;
            let last = events.and_then(|events| events.last_key_value()).map_or(0, |(last, _)| last + 1);
            if let Some(End::Said { made, sent }) = run.end
                && (made != sent || held != sent || last != made)
            {
                untrue.push(format!(
                    "run {} of the site said that it made {made} events and sent {sent}; the stream holds {held} of {last}",
                    n + 1
                ));
            }
        }
        untrue
    }

    /// From the last event before the first that is missing, to the end of the site that was killed.
    pub(crate) fn lost(&self, agents: &AgentRuns) -> Vec<Lost> {
        let killed = self.with_events(agents).filter_map(|(run, events)| {
            let Some(End::Killed { dead, .. } | End::Failed { dead, .. }) = run.end else { return None };
            let held = events.map_or(0, whole);
            let last = held.checked_sub(1).and_then(|last| events?.get(&last).copied());
            Some(Lost { since: last.unwrap_or(run.began) - UNEVEN, until: dead })
        });
        killed.collect()
    }

    /// A site that was killed with more events than it may have had under way, though others' puts were taken at
    /// once: `slow` are the times in which they were not, `answered` tells how many requests were answered in a time.
    pub(crate) fn held_back(
        &self,
        agents: &AgentRuns,
        slow: &[(Timestamp, Timestamp)],
        answered: impl Fn(&Lost) -> usize,
    ) -> Vec<String> {
        let killed = self.with_events(agents).filter_map(|(run, events)| match run.end {
            Some(End::Killed { at, .. } | End::Failed { at, .. }) => Some((at, events)),
            _ => None,
        });
        let mut held_back = Vec::new();
        for ((at, events), lost) in killed.zip(self.lost(agents)) {
            let excused = slow.iter().any(|(since, until)| at >= *since && at < *until + TRIED_AGAIN);
            let landed =
                events.map_or(0, |events| events.values().filter(|time| **time > lost.since).count());
            let missing = answered(&lost).saturating_sub(landed);
            if !excused && missing > UNDER_WAY {
                held_back.push(format!("{missing} events were lost with the site that was killed at {at}"));
            }
        }
        held_back
    }
}

/// How many there are without a gap.
fn whole(events: &BTreeMap<u64, Timestamp>) -> u64 {
    events.keys().zip(0..).take_while(|(number, n)| *number == n).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_secs(1_536_220_800 + second)
    }

    fn agents(runs: &[(&str, &[(u64, i64)])]) -> AgentRuns {
        let mut agents = AgentRuns::new();
        for (run, events) in runs {
            for (number, second) in *events {
                note(&mut agents, &format!("{run}{number:012x}"), at(*second));
            }
        }
        note(&mut agents, "second-7", at(0));
        note(&mut agents, "é", at(0));
        agents
    }

    #[test]
    fn what_a_run_said_is_held_against_the_stream() {
        let mut runs = SiteRuns::default();
        runs.began(at(0));
        runs.ended("listening\n3 events: 3 sent, 0 dropped, 0 failed, 0 waiting; 0 requests refused\n");
        runs.began(at(10));
        runs.ended("1,002 events: 1,001 sent, 1 dropped, 0 failed, 0 waiting; 0 requests refused\n");
        runs.began(at(20));
        runs.ended("listening\n");
        let right = [(0, 1), (1, 2), (2, 3)];
        let untrue = runs.untrue(&agents(&[("b", &[(0, 11)]), ("a", &right), ("c", &[(4, 21)])]));
        assert_eq!(
            untrue,
            ["run 2 of the site said that it made 1002 events and sent 1001; the stream holds 1 of 1"]
        );
        let untrue = runs.untrue(&agents(&[("a", &[(0, 1), (2, 3)])]));
        assert_eq!(
            untrue[0],
            "run 1 of the site said that it made 3 events and sent 3; the stream holds 2 of 3"
        );
    }

    #[test]
    fn a_kill_may_lose_what_came_after_the_first_gap() {
        let mut runs = SiteRuns::default();
        runs.began(at(0));
        runs.killed(at(30), at(31));
        runs.began(at(31));
        let agents = agents(&[("a", &[(0, 2), (1, 9), (3, 12)]), ("b", &[(0, 32)])]);
        assert_eq!(runs.lost(&agents), [Lost { since: at(8), until: at(31) }]);
        assert!(runs.held_back(&agents, &[], |_| UNDER_WAY + 2).is_empty(), "two of them are there");
        assert_eq!(runs.held_back(&agents, &[(at(-10), at(0))], |_| UNDER_WAY + 3).len(), 1);
        assert!(runs.held_back(&agents, &[(at(-10), at(1))], |_| 5_000).is_empty());
        assert_eq!(runs.lost(&AgentRuns::new())[0].since, at(-1), "nothing of it came");
    }
}

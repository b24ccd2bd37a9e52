//! [`Outbox`]: alerts that are committed, until those who are to be told have been told.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::watch;

use super::alert::Alert;
use super::alert_store::Undelivered;
use super::totals::DetectionTotals;
use crate::error::{Error, ErrorKind, Result};
use crate::notice::notice;
use crate::read::ProcessError;
use crate::stream::Stream;

/// A stream of alerts that is down must not keep detection from its work for long: what was not delivered
/// is tried again at the next poll.
const DELIVERY_ATTEMPTS: u32 = 3;
/// A call of PutRecords takes so many.
const AT_ONCE: usize = 500;
/// How many wait in memory, of about 1 KiB each; a database has the others.
pub(crate) const MOST_WAITING: usize = 10_000;

pub(super) type Callback = Box<dyn FnMut(&Alert) + Send>;

/// Alerts that are committed, and not delivered; and to whom they are.
#[derive(Default)]
pub(super) struct Outbox {
    pub(super) to: Option<Stream>,
    pub(super) callbacks: Vec<Callback>,
    waiting: VecDeque<Alert>,
    /// How many are in the store alone: no more is held in memory, however long the stream is down.
    more: u64,
    /// Delivered, which the store could not be told for now.
    told: Vec<Alert>,
    /// Set aside, because the stream will never take them.
    pub(super) undeliverable: u64,
    pub(super) callback_panics: u64,
    /// Said once, not at each poll.
    failing: bool,
}

/// What became of a call's worth of alerts at the stream.
#[derive(Default)]
struct Sent {
    /// To be tried again.
    later: Vec<Alert>,
    /// In the stream, or set aside.
    done: Vec<Alert>,
}

impl Outbox {
    /// In place of what is in it: what a store has.
    pub(super) fn restore(&mut self, undelivered: Vec<Alert>, more: u64, totals: DetectionTotals) {
        self.waiting = undelivered.into();
        self.more = more;
        self.told.clear();
        self.undeliverable = totals.undeliverable;
        self.callback_panics = totals.callback_panics;
    }

    /// In place of what is in it: alerts of a store that several deliver from, which are this one's for a while. What is
    /// left of them is whoever's comes next.
    #[cfg(feature = "postgres")]
    pub(super) fn hold(&mut self, claimed: Vec<Alert>) {
        (self.waiting, self.more) = (claimed.into(), 0);
    }

    /// An alert that is committed. Where there is no room for it, it waits in the store; without one, the oldest is
    /// set aside for it.
    pub(super) fn push(&mut self, alert: Alert, stored: bool) {
        // Behind those that are in the store alone, or it would be fetched from there once more.
        if stored && (self.more > 0 || self.waiting.len() >= MOST_WAITING) {
            self.more += 1;
            return;
        }
        if self.waiting.len() >= MOST_WAITING
            && let Some(oldest) = self.waiting.pop_front()
        {
            let error =
                Error::new(ErrorKind::LimitExceeded, "10,000 alerts wait, and there is no database for more");
            self.set_aside(&oldest, &error);
            self.call(&oldest);
        }
        self.waiting.push_back(alert);
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len() + usize::try_from(self.more).unwrap_or(usize::MAX / 2)
    }

    /// Delivers what it can, first to the stream, since others wait for it; the store is told what needs no more
    /// delivery. When the run is asked to stop, the stream is given two seconds more. What fails for now stays;
    /// what the stream will never take is set aside, and the rest goes on.
    pub(super) fn deliver(
        &mut self,
        stop: &watch::Receiver<bool>,
        mut store: Option<&mut (dyn Undelivered + 'static)>,
    ) -> Result<(), ProcessError> {
        self.tell(store.as_deref_mut())?;
        loop {
            self.fetch(store.as_deref_mut())?;
            if self.waiting.is_empty() {
                return Ok(());
            }
            let some: Vec<Alert> = self.waiting.drain(..self.waiting.len().min(AT_ONCE)).collect();
            let sent = match self.to.clone() {
                Some(stream) => match self.send(&stream, &some, stop) {
                    Ok(sent) => sent,
                    Err(error) => {
                        some.into_iter().rev().for_each(|alert| self.waiting.push_front(alert));
                        return Err(error.into());
                    }
                },
                None => Sent { done: some, ..Sent::default() },
            };
            sent.done.iter().for_each(|alert| self.call(alert));
            let again = !sent.later.is_empty();
            sent.later.into_iter().rev().for_each(|alert| self.waiting.push_front(alert));
            self.told = sent.done;
            self.tell(store.as_deref_mut())?;
            if again {
                return Ok(());
            }
        }
    }

    /// What found no room in memory, once all that did is delivered.
    fn fetch(&mut self, store: Option<&mut (dyn Undelivered + 'static)>) -> Result<(), ProcessError> {
        if let Some(store) = store
            && self.waiting.is_empty()
            && self.more > 0
        {
            self.waiting = store.undelivered(MOST_WAITING).map_err(ProcessError::of_store)?.into();
            self.more = match self.waiting.len() {
                MOST_WAITING => self.more.saturating_sub(MOST_WAITING as u64),
                _ => 0,
            };
        }
        Ok(())
    }

    /// What the store does not hear of it delivers again, to callbacks too: only after a crash.
    fn tell(&mut self, store: Option<&mut (dyn Undelivered + 'static)>) -> Result<(), ProcessError> {
        if let Some(store) = store
            && !self.told.is_empty()
        {
            store.delivered(&self.told).map_err(ProcessError::of_store)?;
        }
        self.told.clear();
        Ok(())
    }

    fn send(&mut self, stream: &Stream, alerts: &[Alert], stop: &watch::Receiver<bool>) -> Result<Sent> {
        let entries: Vec<_> = alerts.iter().map(Alert::entry).collect();
        let failed = match stream
            .put_many(entries.clone())
            .max_attempts(DELIVERY_ATTEMPTS)
            .stopped_by(stop.clone())
            .send()
        {
            Ok(_) => Vec::new(),
            Err(failure) => failure.failed,
        };
        if let Some(gone) = failed.iter().find(|failed| failed.error.is_stream_not_found()) {
            return Err(gone.error.clone());
        }
        self.failing &= !failed.is_empty();
        // An alert's data has its id: no two are the same.
        let errors: HashMap<&[u8], &Error> =
            failed.iter().map(|failed| (failed.entry.data.as_slice(), &failed.error)).collect();
        let mut sent = Sent::default();
        for (alert, entry) in alerts.iter().zip(&entries) {
            match errors.get(entry.data.as_slice()) {
                Some(error) if error.kind() == ErrorKind::InvalidInput => {
                    self.set_aside(alert, error);
                    sent.done.push(alert.clone());
                }
                Some(error) => {
                    if !std::mem::replace(&mut self.failing, true) {
                        notice(&format!("alerts can't be delivered, and will be tried again: {error}"));
                    }
                    sent.later.push(alert.clone());
                }
                None => sent.done.push(alert.clone()),
            }
        }
        Ok(sent)
    }

    fn set_aside(&mut self, alert: &Alert, error: &Error) {
        self.undeliverable += 1;
        // Strangers can make many: the status counts them all.
        if self.undeliverable.is_power_of_two() {
            notice(&format!(
                "alert {} of playbook `{}` can't be put into a stream, and is set aside: it is in the database \
                 ({} so far): {error}",
                alert.id, alert.playbook, self.undeliverable
            ));
        }
    }

    /// A callback is somebody else's code: its panic is not the end of detection.
    fn call(&mut self, alert: &Alert) {
        for call in &mut self.callbacks {
            if catch_unwind(AssertUnwindSafe(|| call(alert))).is_ok() {
                continue;
            }
            self.callback_panics += 1;
            if self.callback_panics.is_power_of_two() {
                notice(&format!(
                    "a callback panicked at alert {}, which counts as delivered ({} panics so far)",
                    alert.id, self.callback_panics
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests;

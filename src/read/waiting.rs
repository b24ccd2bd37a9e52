//! [`Waiting`]: a call of a processor is made again while its store is locked or full.

use std::time::Duration;

use tokio::time::Instant;

use super::process_error::{ProcessError, Verdict};
use super::report::SharedReport;
use crate::backoff::delay;
use crate::error::{Error, ErrorKind, Result};
use crate::notice::tell;
use crate::stop::Stop;
use crate::text::printable;

/// How long a run waits that somebody expects to end by itself, once caught up; it could be for ever.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// How long a run waits whose time is over: what it has processed is worth a moment.
const GRACE: Duration = Duration::from_secs(5);

/// What the waits of one call have in common.
pub(super) struct Waiting<'a> {
    stream: &'a str,
    report: &'a SharedReport,
    stop: &'a Stop,
    until: Option<Instant>,
    impatient: bool,
    /// Of the first failure.
    since: Option<Instant>,
    failures: u32,
}

impl<'a> Waiting<'a> {
    pub(super) fn new(
        stream: &'a str,
        report: &'a SharedReport,
        stop: &'a Stop,
        until: Option<Instant>,
        impatient: bool,
    ) -> Waiting<'a> {
        Waiting { stream, report, stop, until, impatient, since: None, failures: 0 }
    }

    /// Makes a call until it is done or fails for good. `None` when the run was asked to stop first: then it was
    /// not done.
    pub(super) async fn call<T>(
        mut self,
        mut call: impl FnMut() -> Result<T, ProcessError>,
    ) -> Result<Option<T>> {
        loop {
            let error = match call() {
                Ok(done) => {
                    self.over();
                    return Ok(Some(done));
                }
                Err(error) => error,
            };
            if error.verdict != Verdict::Wait {
                self.over();
                return Err(failed(&error));
            }
            if !self.pause(&error.message).await? {
                return Ok(None);
            }
        }
    }

    /// True after a pause; false when the run is asked to stop; an error when it has waited long enough.
    pub(super) async fn pause(&mut self, message: &str) -> Result<bool> {
        let now = Instant::now();
        let first = self.since.is_none();
        let since = *self.since.get_or_insert(now);
        let deadline = self.deadline(since);
        if deadline.is_some_and(|deadline| deadline <= now) {
            self.report.lock().waiting = None;
            return Err(stopped(message));
        }
        let message = printable(message.as_bytes()).into_owned();
        if first {
            tell!(WARN, [stream = self.stream], "waiting, and trying again: {message}");
        }
        self.failures += 1;
        let pause = delay(self.failures, &mut fastrand::Rng::new());
        tracing::debug!(target: "kinesis_lab", attempt = self.failures, ?pause, message, "waiting for a processor");
        let until = deadline.map_or(now + pause, |deadline| deadline.min(now + pause));
        {
            let mut report = self.report.lock();
            report.waits += 1;
            report.waiting = Some(message.clone());
        }
        tokio::select! {
            biased;
            () = self.stop.asked() => {
                let unfinished = format!(
                    "stopped before what was processed last could be written down; the next run reads it again \
                     ({message})"
                );
                tell!(WARN, [stream = self.stream], "{unfinished}");
                let mut report = self.report.lock();
                (report.unfinished, report.waiting) = (Some(unfinished), None);
                Ok(false)
            }
            () = tokio::time::sleep_until(until) => Ok(true),
        }
    }

    /// The call came through, or failed for another reason.
    pub(super) fn over(&mut self) {
        let Some(since) = self.since.take() else { return };
        self.failures = 0;
        self.report.lock().waiting = None;
        let seconds = since.elapsed().as_secs_f64();
        tell!(INFO, [stream = self.stream, seconds = seconds], "going on after a wait of {seconds:.1} s");
    }

    fn deadline(&self, since: Instant) -> Option<Instant> {
        let patient = self.impatient.then(|| since + PATIENCE);
        let timed = self.until.map(|until| until.max(since + GRACE));
        patient.into_iter().chain(timed).min()
    }
}

/// An error that ends a run, as everybody knows one.
pub(super) fn failed(error: &ProcessError) -> Error {
    match error.verdict {
        Verdict::LeaseLost => Error::new(ErrorKind::LeaseLost, error.message.clone()),
        _ => stopped(&error.message),
    }
}

/// Adds what makes an error of a run understood: whose it is.
fn stopped(message: &str) -> Error {
    Error::new(ErrorKind::Processor, format!("the record processor asked to stop: {message}"))
}

#[cfg(test)]
mod tests;

//! The task of a producer: puts what its [`PlanFeed`] has.

use std::sync::Arc;

use tokio::sync::watch;

use super::cutoff::Cutoff;
use super::left_out::LeftOut;
use super::pace::Pace;
use super::plan::Plan;
use super::plan_feed::PlanFeed;
use super::producer_handle::{ProducerHandle, ProducerState};
use super::putter::Putter;
use super::queue::PutOptions;
use super::report::FailedEntry;
use crate::error::{Error, ErrorKind, Result};
use crate::notice::tell;
use crate::record::Entry;
use crate::runtime;
use crate::stream::Stream;
use crate::text::grouped;

/// Begins to emit what is planned, in the background.
pub(super) fn launch(
    stream: Stream,
    plan: Box<dyn Plan>,
    pace: Pace,
    options: PutOptions,
    endless: bool,
) -> ProducerHandle {
    let progress = Arc::<ProducerState>::default();
    let (stop, asked) = watch::channel(false);
    let (end, ended) = watch::channel(false);
    let task = Emitter {
        putter: Putter::new(stream, options, fastrand::Rng::new()),
        feed: PlanFeed::start(plan, pace),
        progress: progress.clone(),
        cutoff: Cutoff::after(asked),
    };
    // On this crate's own runtime, also when the caller has one: somebody may wait for it in a way that blocks,
    // on the only thread of a current-thread runtime.
    runtime::handle().spawn(async move {
        // Moved in, so that a panic of this task is an end for its handle too.
        let _end = SendOnDrop(end);
        task.run().await;
    });
    ProducerHandle::new(progress, stop, ended, endless)
}

struct SendOnDrop(watch::Sender<bool>);

impl Drop for SendOnDrop {
    fn drop(&mut self) {
        let _ = self.0.send(true);
    }
}

struct Emitter {
    putter: Putter,
    feed: Arc<PlanFeed>,
    progress: Arc<ProducerState>,
    cutoff: Cutoff,
}

impl Drop for Emitter {
    /// However it ends, its thread ends too.
    fn drop(&mut self) {
        self.feed.close();
    }
}

impl Emitter {
    async fn run(mut self) {
        if let Err(error) = self.emit().await {
            tell!(WARN, [stream = self.putter.stream().name()], "a producer has ended: {error}");
            self.progress.report().last_error = Some(error);
        }
        let report = self.progress.report().clone();
        if let Some(first) = &report.first_left_out {
            let sentence = left_out(report.left_out, first);
            tell!(WARN, [stream = self.putter.stream().name(), records = report.left_out], "{sentence}");
        }
        if report.given_up > 0 && self.progress.is_abandoned() {
            tell!(
                WARN,
                [stream = self.putter.stream().name(), records = report.given_up],
                "a producer was dropped before {} of its records were acknowledged; {} attempts had no answer, and \
                 their records may be in the stream (.stop() hands them back)",
                grouped(report.given_up),
                grouped(report.ambiguous),
            );
        }
    }

    async fn emit(&mut self) -> Result<()> {
        loop {
            tokio::select! {
                () = self.cutoff.asked() => {}
                () = self.feed.gather() => {}
            }
            let asked = self.cutoff.is_asked();
            if asked {
                // Before the take: nothing is emitted behind it.
                self.feed.close();
            }
            let fed = self.feed.take();
            for entry in fed.entries {
                self.putter.push(entry);
            }
            self.putter.flush(&mut self.cutoff).await;
            if let Some(error) = self.publish(fed.left_out) {
                // What the plan has emitted meanwhile is part of the account.
                self.feed.close();
                self.hand_back(self.feed.take().entries, &error);
                return Ok(());
            }
            match fed.end {
                Some(end) => return end,
                None if asked => return Ok(()),
                None => {}
            }
        }
    }

    fn hand_back(&self, entries: Vec<Entry>, error: &Error) {
        let failed = entries.into_iter().map(|entry| FailedEntry { entry, error: error.clone() });
        self.progress.report().give_up(failed);
    }

    /// Brings the report up to date; an error when there is no point in going on.
    fn publish(&mut self, (left_out, first_left_out): (u64, Option<LeftOut>)) -> Option<Error> {
        let mut state = self.progress.report();
        let report = &self.putter.report;
        (state.sent, state.retried, state.ambiguous) = (report.sent, report.retried, report.ambiguous);
        (state.left_out, state.first_left_out) = (left_out, first_left_out);
        let error = self.putter.failed.last()?.error.clone();
        state.give_up(self.putter.failed.drain(..));
        drop(state);
        match error.kind() {
            ErrorKind::StreamNotFound => {
                let (name, sentence) = (self.putter.stream().name(), self.putter.stream().farewell());
                tell!(WARN, [stream = name], "{sentence}");
            }
            // `InvalidInput` is one record's own; the next may do better.
            ErrorKind::AccessDenied | ErrorKind::NoCredentials | ErrorKind::Refused => {
                tell!(ERROR, [stream = self.putter.stream().name()], "{error}. Exiting");
            }
            _ => return None,
        }
        Some(error)
    }
}

fn left_out(count: u64, first: &LeftOut) -> String {
    match count {
        1 => format!("1 {} was left out; it is {first}", first.what),
        _ => format!("{} {}s were left out; the first is {first}", grouped(count), first.what),
    }
}

//! [`PlanFeed`]: what a plan emits, on a thread of its own, waiting to be put.
//!
//! A plan blocks: it reads a pipe in which nothing comes for an hour, it calls a function of the user's that
//! sleeps or calls this crate. On a worker of a runtime it would stall whatever else runs there.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::left_out::LeftOut;
use super::pace::Pace;
use super::plan::Plan;
use super::queue::{MAX_BYTES, MAX_RECORDS};
use crate::error::{Error, ErrorKind, Result};
use crate::record::Entry;
use crate::timestamp::Timestamp;

/// How long the first record waits for others that are about to come, unless a call's worth is there: a hundred
/// calls a second at the most, and nobody notices the wait.
const GATHER: Duration = Duration::from_millis(10);

pub(super) struct PlanFeed {
    // A std mutex: it is held for the move of a record, never across an await.
    state: Mutex<FeedState>,
    /// The thread waits here: for room, for its next record's time, for the end.
    thread: Condvar,
    /// The task waits here, which is one.
    task: Notify,
}

#[derive(Default)]
struct FeedState {
    waiting: VecDeque<Entry>,
    bytes: usize,
    left_out: u64,
    first_left_out: Option<LeftOut>,
    /// How the plan ended, once it has.
    end: Option<Result<()>>,
    /// Nothing more is wanted.
    closed: bool,
}

impl FeedState {
    fn is_full(&self) -> bool {
        self.waiting.len() >= MAX_RECORDS || self.bytes >= MAX_BYTES
    }
}

/// What a feed had at some moment.
pub(super) struct Fed {
    pub(super) entries: Vec<Entry>,
    /// How many records have been left out so far, and which was the first.
    pub(super) left_out: (u64, Option<LeftOut>),
    /// Nothing comes behind these.
    pub(super) end: Option<Result<()>>,
}

impl PlanFeed {
    /// Begins to ask the plan.
    pub(super) fn start(plan: Box<dyn Plan>, pace: Pace) -> Arc<PlanFeed> {
        let feed =
            Arc::new(PlanFeed { state: Mutex::default(), thread: Condvar::new(), task: Notify::new() });
        let (this, mut plan) = (feed.clone(), plan);
        // Nobody joins it: a read of a silent pipe can't be interrupted, and must not hold up the stop.
        let thread = std::thread::Builder::new().name("kinesis-feed".into()).spawn(move || {
            let ended = catch_unwind(AssertUnwindSafe(|| this.follow(&mut *plan, pace)));
            this.end(ended.unwrap_or_else(|panic| Err(panicked(&*panic, plan.place()))));
        });
        if let Err(error) = thread {
            let sentence = format!("the operating system refused a thread for the producer: {error}");
            feed.end(Err(Error::with_source(ErrorKind::Io, sentence, error)));
        }
        feed
    }

    fn lock(&self) -> MutexGuard<'_, FeedState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn follow(&self, plan: &mut dyn Plan, pace: Pace) -> Result<()> {
        let begun = Instant::now();
        while let Some(offset) = plan.next_offset()? {
            if !self.sleep(begun, pace.due(offset)) {
                break;
            }
            let entry = plan.emit(Timestamp::now());
            if let Err(error) = entry.check() {
                // It can never be put; those behind it can.
                self.leave_out(LeftOut::new(plan.place(), error, &entry.data));
            } else if !self.push(entry) {
                break;
            }
        }
        Ok(())
    }

    /// Waits until so long after `begun`; false when nothing more is wanted.
    fn sleep(&self, begun: Instant, due: Duration) -> bool {
        let mut state = self.lock();
        while !state.closed {
            let left = due.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return true;
            }
            state = self.thread.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }

    /// Waits for room; false when nothing more is wanted.
    fn push(&self, entry: Entry) -> bool {
        let full = |state: &mut FeedState| state.is_full() && !state.closed;
        let mut state = self.thread.wait_while(self.lock(), full).unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return false;
        }
        state.bytes += entry.size();
        state.waiting.push_back(entry);
        if state.waiting.len() == 1 || state.is_full() {
            self.task.notify_one();
        }
        true
    }

    fn leave_out(&self, record: LeftOut) {
        let mut state = self.lock();
        state.left_out += 1;
        state.first_left_out.get_or_insert(record);
    }

    fn end(&self, end: Result<()>) {
        self.lock().end = Some(end);
        self.task.notify_one();
    }

    /// Waits until there is something to put, and a moment more for what comes with it; or until the plan has
    /// ended.
    pub(super) async fn gather(&self) {
        self.wait(|state| !state.waiting.is_empty() || state.end.is_some()).await;
        let more = self.wait(|state| state.is_full() || state.end.is_some());
        let _ = tokio::time::timeout(GATHER, more).await; // what is there by then is enough
    }

    async fn wait(&self, done: impl Fn(&FeedState) -> bool) {
        while !done(&self.lock()) {
            // What comes between the look and this leaves a permit, with which this returns at once.
            self.task.notified().await;
        }
    }

    /// All that is there.
    pub(super) fn take(&self) -> Fed {
        let mut state = self.lock();
        state.bytes = 0;
        let fed = Fed {
            entries: state.waiting.drain(..).collect(),
            left_out: (state.left_out, state.first_left_out.clone()),
            end: state.end.clone(),
        };
        self.thread.notify_one();
        fed
    }

    /// Nothing more is wanted. What the plan has emitted can still be taken.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.thread.notify_one();
    }
}

fn panicked(panic: &(dyn std::any::Any + Send), (what, number): (&str, u64)) -> Error {
    let words = panic.downcast_ref::<&str>().map(|words| (*words).to_owned());
    let words = words.or_else(|| panic.downcast_ref::<String>().cloned());
    Error::new(
        ErrorKind::Processor,
        format!(
            "what makes the records of a producer panicked at {what} {number}: {}; what was made before is put; \
             mend the function, and start the producer again",
            words.as_deref().unwrap_or("(no words)")
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// Emits what is sent to it, and blocks between.
    struct Piped(mpsc::Receiver<Entry>, Option<Entry>, u64);

    impl Plan for Piped {
        fn next_offset(&mut self) -> Result<Option<Duration>> {
            self.1 = self.0.recv().ok();
            Ok(self.1.as_ref().map(|_| Duration::ZERO))
        }

        fn emit(&mut self, _: Timestamp) -> Entry {
            self.2 += 1;
            let entry = self.1.take().unwrap();
            assert_ne!(entry.data, b"panic", "it was asked to");
            entry
        }

        fn place(&self) -> (&'static str, u64) {
            ("record", self.2)
        }
    }

    fn piped() -> (mpsc::Sender<Entry>, Arc<PlanFeed>) {
        let (send, receive) = mpsc::channel();
        (send, PlanFeed::start(Box::new(Piped(receive, None, 0)), Pace::AtOnce))
    }

    #[tokio::test]
    async fn what_is_there_is_not_kept_for_what_may_come() {
        let (send, feed) = piped();
        send.send(Entry::new("k", "1")).unwrap();
        tokio::time::timeout(Duration::from_secs(10), feed.gather()).await.expect("it is given at once");
        let fed = feed.take();
        assert_eq!((fed.entries.len(), fed.end.is_none()), (1, true));
        drop(send);
        feed.gather().await;
        assert!(matches!(feed.take().end, Some(Ok(()))));
    }

    #[tokio::test]
    async fn it_holds_a_calls_worth_and_no_more() {
        let (send, feed) = piped();
        (0..2_000).for_each(|n| send.send(Entry::new("k", n.to_string())).unwrap());
        drop(send);
        let mut all = Vec::new();
        loop {
            feed.gather().await;
            let fed = feed.take();
            assert!(fed.entries.len() <= MAX_RECORDS);
            all.extend(fed.entries.into_iter().map(|e| String::from_utf8(e.data).unwrap()));
            if fed.end.is_some() {
                break;
            }
        }
        assert_eq!(all, (0..2_000).map(|n| n.to_string()).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn what_can_never_be_put_is_left_out_and_a_panic_is_an_end() {
        let (send, feed) = piped();
        for entry in [
            Entry::new("k", "1"),
            Entry::new("k".repeat(300), "\u{1b}odd"),
            Entry::new("", ""),
            Entry::new("k", "2"),
            Entry::new("k", "panic"),
        ] {
            send.send(entry).unwrap();
        }
        feed.wait(|state| state.end.is_some()).await;
        let fed = feed.take();
        assert_eq!(fed.entries.len(), 2);
        let (left_out, first) = fed.left_out;
        let first = first.unwrap().to_string();
        assert!(left_out == 2 && first.starts_with("record 2: a partition key is 1 to 256"), "{first}");
        assert!(first.ends_with(r"\x1bodd"), "{first}");
        let end = fed.end.unwrap().unwrap_err();
        assert!(
            end.to_string().contains("panicked at record 5") && end.kind() == ErrorKind::Processor,
            "{end}"
        );
    }

    #[test]
    fn a_close_wakes_it_from_its_sleep() {
        struct Hourly;
        impl Plan for Hourly {
            fn next_offset(&mut self) -> Result<Option<Duration>> {
                Ok(Some(Duration::MAX))
            }
            fn emit(&mut self, _: Timestamp) -> Entry {
                unreachable!("its time never comes")
            }
            fn place(&self) -> (&'static str, u64) {
                ("record", 0)
            }
        }
        let feed = PlanFeed::start(Box::new(Hourly), Pace::REAL_TIME);
        feed.close();
        crate::runtime::block_on(async move { feed.wait(|state| state.end.is_some()).await });
    }
}

//! [`Printing`]: a counter that writes its windows at every poll.

use std::io::Write as _;

use super::counter::Counter;
use super::counter_methods::counter_methods;
use super::window::Window;
use crate::read::{Context, ProcessError, RecordProcessor};
use crate::record::Batch;

/// A [`Counter`] that writes its windows to stdout at every poll; made by [`Counter::printing`].
///
/// ```text
/// ##### Last run at 2018-09-06 08:04:56.468067
/// 2018-09-06 08:04:00 : [('192.0.2.10', 9), ('192.0.2.20', 4)]
/// ```
///
/// What it has counted can be seen as in the counter itself:
///
/// ```
/// # use kinesis_lab::prelude::*;
/// let stream = Kinesis::local()?.create_stream("printed", 1)?;
/// stream.producer("192.0.2.10").interval(secs(10)).at_once().limit(12).start().join();
/// let mut live = Counter::per_minute().printing();
/// stream.consumer().trim_horizon().run_until_caught_up(&mut live)?;
/// assert_eq!((live.windows().len(), live.total()), (2, 12));
/// live.flush(); // nothing more is expected
/// assert_eq!(live.take_completed().len(), 2);
/// assert_eq!(live.into_inner().total(), 0);
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Printing {
    counter: Counter,
}

impl Counter {
    /// The same counter, writing its windows to stdout at every poll.
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// let stream = Kinesis::local()?.create_stream("printed", 1)?;
    /// stream.put("192.0.2.10", "2018-09-06T08:04:56Z")?;
    /// let mut live = Counter::per_minute().printing();
    /// // ##### Last run at …
    /// // 2018-09-06 08:04:00 : [('192.0.2.10', 1)]
    /// stream.consumer().trim_horizon().run_until_caught_up(&mut live)?;
    /// assert_eq!(live.total(), 1);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn printing(self) -> Printing {
        Printing::new(self)
    }
}

impl Printing {
    fn new(counter: Counter) -> Printing {
        Printing { counter }
    }

    /// The windows completed since this was last called, in order.
    pub fn take_completed(&mut self) -> Vec<Window> {
        self.counter.take_completed()
    }

    /// Completes the windows still open: nothing more is expected.
    pub fn flush(&mut self) {
        self.counter.flush();
    }

    /// The counter, silent again.
    pub fn into_inner(self) -> Counter {
        self.counter
    }
}

counter_methods!(Printing);

impl RecordProcessor for Printing {
    fn process(&mut self, batch: &Batch, ctx: &mut Context) -> Result<(), ProcessError> {
        self.counter.process(batch, ctx)
    }

    fn tick(&mut self, ctx: &mut Context) -> Result<(), ProcessError> {
        self.counter.tick(ctx)?;
        // One write, so that lines of another thread don't get in between; where nobody reads them any more,
        // that is no reason to stop counting.
        let text = format!("##### Last run at {}\n{}", ctx.now.plain(6), self.counter);
        let _ = std::io::stdout().lock().write_all(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::record::Record;
    use crate::stream::ShardProgress;
    use crate::timestamp::Timestamp;

    #[test]
    fn it_completes_windows_as_the_counter_inside_does() {
        let mut printing = Counter::per_minute().lateness(Duration::from_secs(10)).printing();
        let at = |secs: i64| Timestamp::from_secs(1_536_220_800 + secs);
        let records = [0, 59, 130].map(|secs| Record::new("192.0.2.10", at(secs).to_string(), "1", at(secs)));
        let mut context = Context::at(at(130)).with_shards(&[ShardProgress::reading("0", &[])]);
        printing.process(&Batch::new("s", "0", records.to_vec()), &mut context).unwrap();
        printing.tick(&mut context).unwrap();
        assert_eq!((printing.windows().len(), printing.total()), (1, 1));
        assert_eq!(printing.take_completed()[0].counts, [("192.0.2.10".into(), 2)]);
    }
}

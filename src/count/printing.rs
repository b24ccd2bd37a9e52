//! [`Printing`]: a counter that writes its windows at every poll.

use std::ops::{Deref, DerefMut};

use super::counter::Counter;
use crate::read::{Context, ProcessError, RecordProcessor};
use crate::record::Batch;

/// A [`Counter`] that writes its windows to stdout at every poll; made by [`Counter::printing`].
///
/// ```text
/// ##### Last run at 2018-09-06 08:04:56.468067
/// 2018-09-06 08:04:00 : [('192.0.2.10', 9), ('192.0.2.20', 4)]
/// ```
///
/// It is the counter in everything else: `printing.chart()`, `printing.windows()`.
#[derive(Debug, Clone)]
pub struct Printing {
    counter: Counter,
}

impl Counter {
    /// The same counter, writing its windows to stdout at every poll.
    pub fn printing(self) -> Printing {
        Printing::new(self)
    }
}

impl Printing {
    fn new(counter: Counter) -> Printing {
        Printing { counter }
    }

    /// The counter, silent again.
    pub fn into_inner(self) -> Counter {
        self.counter
    }
}

impl Deref for Printing {
    type Target = Counter;

    fn deref(&self) -> &Counter {
        &self.counter
    }
}

impl DerefMut for Printing {
    fn deref_mut(&mut self) -> &mut Counter {
        &mut self.counter
    }
}

impl RecordProcessor for Printing {
    fn process(&mut self, batch: &Batch, ctx: &mut Context) -> Result<(), ProcessError> {
        self.counter.process(batch, ctx)
    }

    fn tick(&mut self, ctx: &mut Context) -> Result<(), ProcessError> {
        // One write, so that lines of another thread don't get in between.
        print!("##### Last run at {}\n{}", ctx.now.plain(6), self.counter);
        Ok(())
    }
}

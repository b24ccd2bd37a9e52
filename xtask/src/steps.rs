//! Numbered steps with the time they took, so that nobody waits in front of a silent terminal.

use std::fmt::Display;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

pub(crate) struct Steps {
    done: usize,
    total: usize,
}

impl Steps {
    pub(crate) fn new(total: usize) -> Steps {
        Steps { done: 0, total }
    }

    /// Does one step. `work` says whether there was anything to do.
    pub(crate) fn step(&mut self, title: impl Display, work: impl FnOnce() -> Result<Done>) -> Result<()> {
        self.finished(title, Timed::of(work))
    }

    /// Reports a step that was done already, beside another.
    pub(crate) fn finished(&mut self, title: impl Display, work: Timed<Result<Done>>) -> Result<()> {
        self.done += 1;
        let (number, total) = (self.done, self.total);
        match work.value.with_context(|| format!("step {number} of {total}, {title}"))? {
            Done::Already => eprintln!("[{number}/{total}] {title}: there"),
            Done::Now => eprintln!("[{number}/{total}] {title}: done in {}", elapsed(work.took)),
        }
        Ok(())
    }

    /// Announces, from within a step, work that takes a while.
    pub(crate) fn begin(number: usize, total: usize, what: impl Display) {
        eprintln!("[{number}/{total}] {what} …");
    }
}

/// What a piece of work gave, and how long it took.
pub(crate) struct Timed<T> {
    pub(crate) value: T,
    took: Duration,
}

impl<T> Timed<T> {
    pub(crate) fn of(work: impl FnOnce() -> T) -> Timed<T> {
        let began = Instant::now();
        Timed { value: work(), took: began.elapsed() }
    }
}

pub(crate) enum Done {
    Already,
    Now,
}

/// `0.4 s`, `12 s`, `3 min 05 s`.
pub(crate) fn elapsed(time: Duration) -> String {
    match time.as_secs() {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        secs @ 10..60 => format!("{secs} s"),
        secs => format!("{} min {:02} s", secs / 60, secs % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_well() {
        let text = |millis| elapsed(Duration::from_millis(millis));
        assert_eq!([text(412), text(12_900), text(185_000)], ["0.4 s", "12 s", "3 min 05 s"]);
    }
}

//! What the daemon logs, on its stdout and stderr, its children's stderr among it: quiet, until somebody should look.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kinesis_lab::prelude::*;

use crate::common::say::say;

/// So much tells why a daemon has ended.
const LAST: usize = 12;

/// The log of one daemon, read on threads of its own until the daemon is gone.
#[derive(Clone)]
pub(crate) struct DaemonLog {
    verbose: bool,
    /// What was not said, at its end.
    last: Arc<Mutex<VecDeque<String>>>,
}

impl DaemonLog {
    pub(crate) fn new(verbose: bool) -> DaemonLog {
        DaemonLog { verbose, last: Arc::default() }
    }

    pub(crate) fn follow(&self, log: impl Read + Send + 'static) {
        let this = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(log).split(b'\n') {
                let Ok(line) = line else { break };
                // Of a stack's lines, the tab at the beginning is no secret code.
                let line: Vec<u8> =
                    line.into_iter().map(|byte| if byte == b'\t' { b' ' } else { byte }).collect();
                this.take(printable(&line).trim_end());
            }
        });
    }

    /// All of it is for whoever has subscribed to tracing.
    fn take(&self, line: &str) {
        let is_error = is_error(line);
        if is_error {
            tracing::error!(target: "kinesis_lab::daemon", "{line}");
        } else {
            tracing::debug!(target: "kinesis_lab::daemon", "{line}");
        }
        if is_error || self.verbose {
            say(line);
            return;
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.push_back(line.to_owned());
        if last.len() > LAST {
            last.pop_front();
        }
    }

    /// For when it has ended, and nobody asked it to.
    pub(crate) fn last_lines(&self) -> Vec<String> {
        // Whoever still reads has a copy. Not for ever: a child of the daemon may hold its pipes for a while.
        let until = Instant::now() + Duration::from_secs(1);
        while Arc::strong_count(&self.last) > 1 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.last.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    }
}

/// `2026-11-26 22:00:00,000 [thread] ERROR s.a.k.m.MessageReader [NONE] - …`; its children's stderr is such lines, too.
fn is_error(line: &str) -> bool {
    line.contains(" ERROR ") || line.starts_with("Exception in thread")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_error_is_kept_for_the_end() {
        let log = DaemonLog::new(false);
        (0..20).for_each(|number| log.take(&format!("INFO {number}")));
        log.take("2026-11-26 22:00:00,000 [stderr-task] ERROR s.a.k.multilang.DrainChildSTDERRTask [NONE] - error: gone");
        let last = log.last_lines();
        assert_eq!((last.len(), last[0].as_str(), last[11].as_str()), (12, "INFO 8", "INFO 19"));
        assert!(log.last_lines().is_empty());
    }

    #[test]
    fn an_error_is_told_from_the_rest() {
        assert!(is_error("2026-11-26 22:00:00,000 [main] ERROR s.a.k.m.MultiLangDaemon [NONE] - x"));
        assert!(is_error("Exception in thread \"main\" java.lang.NoClassDefFoundError: x"));
        assert!(!is_error("2026-11-26 22:00:00,000 [main] INFO  s.a.k.m.MultiLangDaemon [NONE] - no ERRORS"));
    }
}

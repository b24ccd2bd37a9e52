//! Sentences for people, of what happens in the background where there is no caller to tell.
//!
//! A service sets a subscriber of `tracing`, and they are events there, with fields; where nobody did (a
//! notebook, the REPL, a small program), they are lines on stderr.

use std::io::Write as _;

use crate::text::printable;

/// Tells one sentence, as an event of a level with fields, or on stderr where nobody has subscribed:
/// `tell!(WARN, [stream = name], "the stream {name} …")`.
macro_rules! tell {
    ($level:ident, [$($field:ident = $value:expr),* $(,)?], $($sentence:tt)+) => {{
        let sentence = $crate::notice::sentence(&format!($($sentence)+));
        if !$crate::notice::on_stderr(&sentence) {
            tracing::event!(target: "kinesis_lab", tracing::Level::$level, $($field = $value,)* "{sentence}");
        }
    }};
}
pub(crate) use tell;

/// What it quotes may come from a stranger.
pub(crate) fn sentence(line: &str) -> String {
    printable(line.as_bytes()).into_owned()
}

/// Whether the sentence belongs on stderr; then it is written there.
pub(crate) fn on_stderr(sentence: &str) -> bool {
    let nobody_listens = !tracing::dispatcher::has_been_set();
    if nobody_listens {
        // Not `eprintln`, which panics where stderr is closed or full: no message is worth a part of a pipeline.
        let _ = writeln!(std::io::stderr(), "{sentence}");
    }
    nobody_listens
}

/// A sentence without fields.
pub(crate) fn notice(line: &str) {
    tell!(WARN, [], "{line}");
}

//! One-line notices on stderr, for what happens in the background where there is no caller to tell.

/// Prints one line; what it quotes may come from a stranger.
pub(crate) fn notice(line: &str) {
    eprintln!("{}", crate::text::printable(line.as_bytes()));
}

//! How a program is asked to end: Ctrl-C, SIGTERM, or its terminal closes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Turns true when this program is asked to end.
pub(crate) fn asked_to_end() -> Arc<AtomicBool> {
    let asked = Arc::new(AtomicBool::new(false));
    let set = asked.clone();
    // Where no handler can be installed, the first signal ends it at once: who uses this loses nothing then.
    let _ = when_asked_to_end(move || set.store(true, Ordering::Relaxed));
    asked
}

/// Sets it, too, when standard input ends: at the latest, when whoever has its other end has ended, in whatever way.
pub(crate) fn set_when_stdin_ends(asked: &Arc<AtomicBool>) {
    let set = asked.clone();
    std::thread::spawn(move || {
        // What stands there is for nobody.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        set.store(true, Ordering::Relaxed);
    });
}

/// Calls `end` at the first signal; a second Ctrl-C or SIGTERM ends the program at once, with a status of 1.
pub(crate) fn when_asked_to_end(end: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let mut wanted = vec![SIGINT, SIGTERM];
    // Who started it by `nohup` wants it to outlive the terminal.
    if !hangups_are_ignored() {
        wanted.push(SIGHUP);
    }
    let mut signals = Signals::new(wanted)?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        let mut signals = signals.forever();
        signals.next();
        end();
        // A terminal that closes says so more than once: the system does, and the shell.
        if signals.any(|signal| signal != SIGHUP) {
            signal_hook::low_level::exit(1);
        }
    })?;
    Ok(())
}

fn hangups_are_ignored() -> bool {
    // SAFETY: with a null pointer for the new action, it only writes the old one, to where it is told.
    unsafe {
        let mut before: libc::sigaction = std::mem::zeroed();
        libc::sigaction(SIGHUP, std::ptr::null(), &mut before) == 0 && before.sa_sigaction == libc::SIG_IGN
    }
}

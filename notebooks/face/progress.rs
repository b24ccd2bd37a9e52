//! Tells whoever waits for a build what goes on.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};

/// Where the progress of a build is shown.
#[derive(Clone, Copy, PartialEq)]
#[allow(dead_code, reason = "the build script takes one, the set-up the others")]
pub enum Show {
    /// cargo's own progress, on stderr.
    Cargo,
    /// Some lines on stderr, each after this name: where two builds go on side by side.
    Lines(&'static str),
    /// Some lines on the terminal, if there is one: cargo swallows what a build script prints.
    Terminal,
}

/// Tells whoever waits what goes on.
#[allow(dead_code, reason = "for the packed face alone")]
pub fn tell(show: Show, what: &str) {
    Progress::new(show).say(what);
}

/// See [`Show`].
pub struct Progress {
    pub show: Show,
    terminal: Option<File>,
}

impl Progress {
    pub fn new(show: Show) -> Progress {
        let terminal = match show {
            Show::Cargo | Show::Lines(_) => None,
            Show::Terminal => File::options().write(true).open("/dev/tty").ok(),
        };
        Progress { show, terminal }
    }

    pub fn say(&mut self, what: &str) {
        match (&mut self.terminal, self.show) {
            // A terminal that went away is no reason to fail.
            (Some(terminal), _) => drop(writeln!(terminal, "kinesis-lab: {what}")),
            (None, Show::Cargo) => eprintln!("kinesis-lab: {what}"),
            (None, Show::Lines(name)) => eprintln!("{name}: {what}"),
            (None, Show::Terminal) => {}
        }
    }

    /// Reads cargo's stderr to its end, counting crates on the terminal; gives all but those lines.
    pub fn follow(&mut self, cargo: impl Read) -> Vec<String> {
        let mut complaints = Vec::new();
        let mut crates = 0;
        for line in BufReader::new(cargo).lines().map_while(Result::ok) {
            match line.trim_start().strip_prefix("Compiling ") {
                Some(name) => {
                    crates += 1;
                    if crates % 20 == 0 || name.starts_with("kinesis-lab") {
                        self.say(&format!("{crates} crates compiled or on the way, now {name}"));
                    }
                }
                None => complaints.push(line),
            }
        }
        complaints
    }
}

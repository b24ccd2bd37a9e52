//! A row every ten seconds: memory, files, lag, and what went wrong meanwhile.

use std::time::Duration;

use crate::common::say::tell;
use crate::disk::{Disk, STREAMS};
use crate::program::{Program, memory_of};

pub(crate) const EVERY: Duration = Duration::from_secs(10);
const FILES: [&str; 3] = ["filter.db", "counts.db", "alerts.db"];

/// The table, as it grows.
#[derive(Default)]
pub(crate) struct Table {
    rows: usize,
    /// Since the last row.
    meanwhile: Vec<String>,
    /// The most that each program took, in bytes.
    pub(crate) most: Vec<(&'static str, u64)>,
    pub(crate) most_unread: u64,
}

impl Table {
    pub(crate) fn note(&mut self, what: impl ToString) {
        self.meanwhile.push(what.to_string());
    }

    /// `unread`: events that were made and are not counted yet, where that can be told.
    pub(crate) fn row(
        &mut self,
        at: Duration,
        programs: &[Program],
        disk: &Disk,
        made: u64,
        unread: Option<u64>,
    ) {
        if self.rows == 0 {
            let names: String = programs.iter().map(|program| format!("{:>10}", program.name)).collect();
            let files: String = FILES.iter().chain([&STREAMS]).map(|file| format!("{file:>10}")).collect();
            tell(format_args!(
                "memory and files in MB, lag as filter / counter / detection say it\n  time{names}   visitors │{files} │  \
                 events unread  lag │ meanwhile"
            ));
        }
        self.rows += 1;
        let mut cells = String::new();
        for program in programs {
            let memory = program.memory();
            cells += &format!("{:>10}", memory.map_or("–".to_owned(), megabytes));
            match self.most.iter_mut().find(|(name, _)| *name == program.name) {
                Some((_, most)) => *most = memory.unwrap_or(0).max(*most),
                None => self.most.push((program.name, memory.unwrap_or(0))),
            }
        }
        let sizes = FILES.iter().map(|file| disk.size(file)).chain([disk.streams()]);
        let files: String = sizes.map(|size| format!("{:>10}", megabytes(size))).collect();
        let lags = ["filter", "counter", "detection"].map(|name| {
            let program = programs.iter().find(|program| program.name == name);
            program
                .and_then(Program::lag)
                .map_or("–".to_owned(), |lag| lag.trim_end_matches(" s").to_owned())
        });
        self.most_unread = unread.unwrap_or(0).max(self.most_unread);
        tell(format_args!(
            "{:>3}:{:02}{cells}{:>11} │{files} │ {made:>7} {:>6}  {} │ {}",
            at.as_secs() / 60,
            at.as_secs() % 60,
            memory_of("self").map_or("–".to_owned(), megabytes),
            unread.map_or("–".to_owned(), |n| n.to_string()),
            lags.join(" / "),
            std::mem::take(&mut self.meanwhile).join("; "),
        ));
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}

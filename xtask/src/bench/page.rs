//! BENCHMARKS.md: a section a benchmark, each replaced by its next run.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use crate::Place;

const FILE: &str = "BENCHMARKS.md";
const HEAD: &str = "# Benchmarks

Written by `cargo xtask bench`; nothing here is typed by hand. Seconds and rates are one machine's and one
day's; look at the ratios, which are taken in one run, with the subjects interleaved.
";

/// Puts a section in the place of its former text, or at the end.
pub(super) fn replace(place: &Place, name: &str, text: &str) -> Result<()> {
    let path = place.checkout.join(FILE);
    let old = fs::read_to_string(&path).unwrap_or_else(|_| HEAD.to_owned());
    let section = format!("{text}\n\n*{}*\n", taken(place));
    fs::write(&path, with(&old, name, &section)).with_context(|| path.display().to_string())
}

fn with(page: &str, name: &str, section: &str) -> String {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->\n"));
    let (before, after) = match (page.find(&begin), page.find(&end)) {
        (Some(from), Some(to)) if from < to => (&page[..from], &page[to + end.len()..]),
        _ => (page, ""),
    };
    let gap = if before.ends_with("\n\n") { "" } else { "\n" };
    format!("{before}{gap}{begin}{section}{end}{after}")
}

/// When and on what; no name of a machine.
fn taken(place: &Place) -> String {
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).current_dir(&place.checkout).output();
        output.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned()).unwrap_or_default()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let rustc = said("rustc", &["--version"]);
    let version = rustc.split_whitespace().nth(1).unwrap_or("unknown");
    let dirty = if said("git", &["status", "--porcelain", "--", "src", "notebooks", "xtask"]).is_empty() {
        ""
    } else {
        ", with changes"
    };
    format!(
        "{}, commit `{}`{dirty}, rustc {version}, {cores} cores, {}.",
        said("date", &["-u", "+%Y-%m-%d"]),
        said("git", &["rev-parse", "--short", "HEAD"]),
        std::env::consts::OS
    )
}

#[cfg(test)]
mod tests {
    use super::with;

    #[test]
    fn a_section_is_replaced_and_the_others_stay() {
        let page = with(&with("# Head\n", "a", "one\n"), "b", "two\n");
        let page = with(&page, "a", "three\n");
        assert_eq!(
            page,
            "# Head\n\n<!-- a -->\nthree\n<!-- end of a -->\n\n<!-- b -->\ntwo\n<!-- end of b -->\n"
        );
    }
}

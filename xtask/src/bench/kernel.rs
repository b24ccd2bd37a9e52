//! Seconds of cells in the real kernel, beside an empty crate and beside the SDK.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::subjects::{self, PLAIN, Subject};
use super::{Options, median};
use crate::{Place, notebooks};

/// One run of one subject, in seconds; waiting for a service taken out.
struct Run {
    start: f64,
    dep: f64,
    first_value: f64,
    plain: Vec<f64>,
    story: Vec<f64>,
}

impl Run {
    fn to_chart(&self) -> f64 {
        self.start + self.dep + self.first_value + self.story.iter().sum::<f64>()
    }
}

pub(super) fn measure(place: &Place, options: &Options) -> Result<String> {
    // Not below the checkout: cargo would take the kernels' projects for a part of its workspace.
    let folder = std::env::temp_dir().join(format!("kinesis-lab-bench-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let measured = run_all(place, options, &folder);
    let _ = fs::remove_dir_all(&folder);
    let (cold, runs) = measured?;
    Ok(section(options, &cold, &runs))
}

type Named<T> = Vec<(&'static str, T)>;

fn run_all(place: &Place, options: &Options, folder: &Path) -> Result<(Named<f64>, Named<Vec<Run>>)> {
    let subjects = subjects::all(place, folder)?;
    let mut cold = Vec::new();
    let mut runs: Named<Vec<Run>> = Vec::new();
    for subject in &subjects {
        println!("{}: the first run, which compiles what it names …", subject.name);
        cold.push((subject.name, run(place, folder, subject)?.dep));
        runs.push((subject.name, Vec::new()));
    }
    for round in 1..=options.rounds.max(1) {
        for (subject, runs) in subjects.iter().zip(&mut runs) {
            println!("round {round}, {}", subject.name);
            runs.1.push(run(place, folder, subject)?);
        }
    }
    Ok((cold, runs))
}

fn run(place: &Place, folder: &Path, subject: &Subject) -> Result<Run> {
    // A colon in a path divides it where libraries are looked for.
    let name = subject.name.replace(|c: char| !c.is_alphanumeric(), "-");
    let file = folder.join(format!("{name}.ipynb"));
    let mut cells = vec![subject.dep.clone(), subject.first_value.clone()];
    cells.extend(PLAIN.map(str::to_owned));
    cells.extend(subject.story.iter().cloned());
    fs::write(&file, notebook(&cells))?;
    // Kept from run to run, or the SDK would be compiled in each; a notebook of one's own has no such luck.
    let project = folder.join(format!("cells-{name}"));
    fs::create_dir_all(&project)?;
    let report = folder.join(format!("{name}.json"));
    let output = notebooks::runner(place, &file)?
        .arg("--dry")
        .args(["--timeout", "1200", "--report"])
        .arg(&report)
        .env("EVCXR_TMPDIR", &project)
        .output()
        .context("the Python in .venv does not run")?;
    if !output.status.success() {
        bail!("{}:\n{}", subject.name, String::from_utf8_lossy(&output.stdout));
    }
    read(&fs::read_to_string(&report)?).with_context(|| format!("the report of {}", subject.name))
}

fn notebook(cells: &[String]) -> String {
    let cells: Vec<_> = cells
        .iter()
        .map(|source| {
            serde_json::json!({
                "cell_type": "code", "source": source, "metadata": {}, "outputs": [], "execution_count": null
            })
        })
        .collect();
    serde_json::json!({ "cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4 }).to_string()
}

fn read(report: &str) -> Result<Run> {
    let report: serde_json::Value = serde_json::from_str(report)?;
    let cells = report["cells"].as_array().context("no cells")?;
    let mut seconds = Vec::new();
    for cell in cells {
        let own = cell["stdout"].as_str().and_then(|text| text.trim().strip_prefix("own "));
        let own: f64 = own.map_or(Ok(0.0), str::parse)?;
        seconds.push(cell["seconds"].as_f64().context("no seconds")? - own);
    }
    let plain = 2..2 + PLAIN.len();
    Ok(Run {
        start: report["start"].as_f64().context("no start")?,
        dep: seconds[0],
        first_value: seconds[1],
        plain: seconds[plain.clone()].to_vec(),
        story: seconds[plain.end..].to_vec(),
    })
}

fn section(options: &Options, cold: &Named<f64>, runs: &Named<Vec<Run>>) -> String {
    let mut text = format!(
        "## Cells in the real kernel\n\n\
         Seconds, warm: the median of {} runs, interleaved; time in which a cell waited for a service or for \
         itself is taken out. *First chart*: from the start of the kernel over `:dep`, the first value and the \
         cells that create a stream, produce, consume and count. *Cold `:dep`*: the first time ever (the \
         face's engine is built by the set-up).\n\n\
         | in the notebook | kernel start | `:dep` | first value | plain cell: median | worst | story cell: median | worst | first chart | cold `:dep` |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        options.rounds.max(1)
    );
    let of = |runs: &[Run], f: &dyn Fn(&Run) -> f64| median(&runs.iter().map(f).collect::<Vec<_>>());
    for ((name, runs), (_, cold)) in runs.iter().zip(cold) {
        let plain: Vec<f64> = runs.iter().flat_map(|run| run.plain.iter().copied()).collect();
        let story: Vec<f64> = runs.iter().flat_map(|run| run.story.iter().copied()).collect();
        let told = |value: f64, digits: usize| match story.is_empty() {
            true => "–".to_owned(),
            false => format!("{value:.digits$}"),
        };
        let _ = writeln!(
            text,
            "| {name} | {:.1} | {:.1} | {:.1} | {:.2} | {:.2} | {} | {} | {} | {cold:.0} |",
            of(runs, &|run| run.start),
            of(runs, &|run| run.dep),
            of(runs, &|run| run.first_value),
            median(&plain),
            worst(&plain),
            told(median(&story), 2),
            told(worst(&story), 2),
            told(of(runs, &Run::to_chart), 1),
        );
    }
    let (empty, face, sdk) = (&runs[0].1, &runs[1].1, &runs[3].1);
    let plain =
        |runs: &[Run]| median(&runs.iter().flat_map(|run| run.plain.iter().copied()).collect::<Vec<_>>());
    let opening = |runs: &[Run]| of(runs, &|run| run.dep + run.first_value);
    let _ = write!(
        text,
        "\n| ratio | measured | aim |\n| --- | --- | --- |\n\
         | median plain cell, face to empty crate | {:.2} | ≤ 1.5 |\n\
         | `:dep` and first value, face to empty crate | {:.2} | ≤ 1.2 |\n\
         | first chart, seconds | {:.1} | ≤ 12 |\n\
         | first chart, face to cells that await the SDK | {:.2} | |",
        plain(face) / plain(empty),
        opening(face) / opening(empty),
        of(face, &Run::to_chart),
        of(face, &Run::to_chart) / of(sdk, &Run::to_chart),
    );
    text
}

fn worst(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NAN, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_cell_waited_is_taken_out() {
        let mut cells = vec![serde_json::json!({ "seconds": 1.0, "stdout": "" }); 2 + PLAIN.len()];
        cells.push(serde_json::json!({ "seconds": 3.0, "stdout": "own 2.5\n" }));
        let report = serde_json::json!({ "start": 0.5, "cells": cells });
        let run = read(&report.to_string()).unwrap();
        assert_eq!(run.story, [0.5]);
        assert_eq!(run.to_chart(), 0.5 + 1.0 + 1.0 + 0.5);
    }
}

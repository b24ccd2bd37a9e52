//! The notebook tests, tested in the real kernel: what they must catch, what kernels must not do to
//! each other, and what a cell's graph must not hold.
//!
//! Ignored by `cargo test`, because they need the set-up; `cargo xtask test` makes it and runs them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use xtask::{Place, notebooks};

fn place() -> Place {
    Place::find().expect("the checkout and the cache")
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// A folder of this test's own, empty.
fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// A notebook of code cells.
fn notebook(folder: &Path, name: &str, cells: &[&str]) -> PathBuf {
    let cells: Vec<Value> = cells
        .iter()
        .enumerate()
        .map(|(number, source)| {
            json!({
                "cell_type": "code", "id": format!("cell-{number}"), "metadata": {},
                "execution_count": null, "outputs": [], "source": source,
            })
        })
        .collect();
    let text = json!({ "cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5 });
    let path = folder.join(name);
    fs::write(&path, text.to_string()).unwrap();
    path
}

fn run(place: &Place, notebook: &Path, how: &[&str]) -> Output {
    runner(place, notebook, how).output().unwrap()
}

fn runner(place: &Place, notebook: &Path, how: &[&str]) -> Command {
    let mut command = notebooks::runner(place, notebook).unwrap();
    command.args(how).arg("--wrong-answers").arg(fixture("wrong-answers")).stdin(Stdio::null());
    command
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), output.stderr.as_slice()].concat()).into_owned()
}

/// Notebook 17, on a machine without Java.
#[test]
#[ignore = "needs the set-up: cargo xtask test --only kernel"]
fn what_a_cell_skips_keeps_its_stored_output() {
    let (place, folder) = (place(), scratch("skipped"));
    let stored = "of another machine\n";
    for (tags, passes) in [(vec!["fleet"], true), (vec![], false)] {
        let cell = json!({
            "cell_type": "code", "id": "cell-1", "metadata": { "slideshow": { "slide_type": "skip" }, "tags": tags },
            "execution_count": 1, "source": "println!(\"SKIPPED: no Java\");",
            "outputs": [{ "output_type": "stream", "name": "stdout", "text": stored }],
        });
        let path = folder.join("skipped.ipynb");
        let text_of_all = json!({ "cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5 });
        fs::write(&path, text_of_all.to_string()).unwrap();
        let checked = run(&place, &path, &["--check"]);
        assert_eq!(checked.status.success(), passes, "{}", text(&checked));
        assert!(run(&place, &path, &[]).status.success());
        let after = fs::read_to_string(&path).unwrap();
        assert_eq!(after.contains("of another machine"), passes, "{after}");
    }
}

#[test]
#[ignore = "needs the set-up: cargo xtask test --only kernel"]
fn what_must_fail_fails() {
    let place = place();
    let fixtures = [
        ("panics.ipynb", "--dry", "a panic in a cell"),
        ("panics_in_background.ipynb", "--dry", "a panic beside a cell"),
        ("question_mark.ipynb", "--dry", "invalid digit found in string"),
        ("compile_error.ipynb", "--dry", "mismatched types"),
        ("damaged_png.ipynb", "--dry", "its PNG cannot be decoded"),
        ("moved_chart.ipynb", "--dry", "its chart is shown as text"),
        ("raises_nothing.ipynb", "--dry", "nothing went wrong"),
        ("other_output.ipynb", "--check", "its output is not the stored one"),
        ("unfolded.ipynb", "--check", "the tags of cell-02, cell-03 are not those of `folding.py`"),
        ("missing_output.ipynb", "--check", "a line that no longer comes"),
        ("never_run.ipynb", "--check", "it was never run"),
        ("exercise_wrong_solution.ipynb", "--solutions", "must begin with ✔; it says: ✘ It is 3, not two."),
        (
            "exercise_fooled_check.ipynb",
            "--solutions",
            "a wrong answer (one more): the check must begin with ✘; it says: ✔",
        ),
        ("exercise_broken_mutant.ipynb", "--solutions", "a wrong answer (no number): error: "),
        ("exercise_stray_mutant.ipynb", "--solutions", "wrong answers to no exercise: cell-20"),
        ("exercise_broken_solution.ipynb", "--solutions", "mismatched types"),
        ("exercise_solved_as_handed_out.ipynb", "--dry", "must begin with ✘; it says: ✔ It is two."),
        ("exercise_panicking_check.ipynb", "--dry", "panic: "),
        ("exercise_without_solution.ipynb", "--dry", "an exercise ends with its `hints` cell"),
        ("exercise_without_check.ipynb", "--solutions", "comes where a `check` cell is due"),
        ("exercise_two_blocks.ipynb", "--solutions", "must hold one block of Rust"),
    ];
    // Two at a time: a kernel spends half of its life starting.
    for pair in fixtures.chunks(2) {
        std::thread::scope(|scope| {
            for (name, how, why) in pair {
                let place = &place;
                scope.spawn(move || {
                    let output = run(place, &fixture(name), &[how]);
                    let text = text(&output);
                    assert_eq!(output.status.code(), Some(1), "{name} must fail\n{text}");
                    assert!(text.contains(why), "{name} must fail because of `{why}`\n{text}");
                    println!("{name} {how}: fails, as it must");
                });
            }
        });
    }
}

#[test]
#[ignore = "needs the set-up: cargo xtask test --only kernel"]
fn what_may_pass_passes_and_storing_is_stable() {
    let place = place();
    let output = run(&place, &fixture("good.ipynb"), &["--check"]);
    assert!(output.status.success(), "{}", text(&output));

    let copy = scratch("stored").join("good.ipynb");
    fs::copy(fixture("good.ipynb"), &copy).unwrap();
    let stored = || {
        let output = run(&place, &copy, &[]);
        assert!(output.status.success(), "{}", text(&output));
        let text = fs::read_to_string(&copy).unwrap();
        // The one volatile value: the number of a process.
        let mut json: Value = serde_json::from_str(&text).unwrap();
        json["cells"][2]["outputs"][0]["data"]["text/plain"] = "0".into();
        json
    };
    assert_eq!(stored(), stored(), "two runs must store the same");
    let output = run(&place, &copy, &["--check"]);
    assert!(output.status.success(), "what was stored must pass\n{}", text(&output));
}

#[test]
#[ignore = "needs the set-up: cargo xtask test --only kernel"]
fn an_exercise_is_unsolved_as_handed_out_and_its_solution_solves_it() {
    let place = place();
    for how in ["--check", "--solutions"] {
        let output = run(&place, &fixture("exercise.ipynb"), &[how]);
        assert!(output.status.success(), "{how}\n{}", text(&output));
    }
    // A run with solutions leaves the notebook as it is.
    let copy = scratch("solved").join("exercise.ipynb");
    fs::copy(fixture("exercise.ipynb"), &copy).unwrap();
    assert!(run(&place, &copy, &["--solutions"]).status.success());
    assert_eq!(fs::read(&copy).unwrap(), fs::read(fixture("exercise.ipynb")).unwrap());
}

/// What nbmake and Jupyter Book run notebooks with goes on after a deliberate mistake, because of its tag.
#[test]
#[ignore = "needs the set-up: cargo xtask test --only kernel"]
fn nbclient_runs_a_notebook_with_a_deliberate_mistake() {
    let place = place();
    let path = notebook(&scratch("nbclient"), "mistake.ipynb", &["let n: u32 = \"two\";", "1 + 1"]);
    let nbclient = || {
        let mut command = Command::new(place.python());
        // The same kernel, and as little of the user's own Jupyter, as this project's runner has.
        for (name, value) in notebooks::runner(&place, &path).unwrap().get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let program = "import sys, nbformat, nbclient\n\
                       nbclient.NotebookClient(nbformat.read(sys.argv[1], 4), kernel_name='rust').execute()";
        command.args(["-c", program]).arg(&path).stdin(Stdio::null()).output().unwrap()
    };
    let output = nbclient();
    assert!(!output.status.success() && text(&output).contains("CellExecutionError"), "{}", text(&output));

    let mut tagged: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    tagged["cells"][0]["metadata"]["tags"] = json!(["raises-exception"]);
    fs::write(&path, tagged.to_string()).unwrap();
    let output = nbclient();
    assert!(output.status.success(), "{}", text(&output));
    let output = run(&place, &path, &["--dry"]);
    assert!(output.status.success(), "the same tag as this project's own\n{}", text(&output));
}

/// A record may hold anything: what is printed and drawn of it is text, of the cell that shows it.
///
/// `cargo xtask test --only browser` opens the same notebook in JupyterLab.
#[test]
#[ignore = "needs the set-up: cargo xtask test --only kernel"]
fn records_command_neither_the_kernel_nor_the_page() {
    let place = place();
    let copy = scratch("hostile").join("hostile.ipynb");
    fs::copy(fixture("hostile.ipynb"), &copy).unwrap();
    // Stored as it comes: nothing is taken out of what goes to stdout.
    let output = run(&place, &copy, &[]);
    assert!(output.status.success(), "{}", text(&output));
    let stored: Value = serde_json::from_str(&fs::read_to_string(&copy).unwrap()).unwrap();
    let joined = |value: &Value| match value {
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect::<String>(),
        text => text.as_str().unwrap_or_default().to_owned(),
    };
    let (mut charts, mut printed) = (0, String::new());
    for cell in stored["cells"].as_array().unwrap() {
        let source = joined(&cell["source"]);
        let last = source.lines().last().unwrap();
        let mut mimes = BTreeSet::new();
        for output in cell["outputs"].as_array().unwrap() {
            // What a loop at a cell's end evaluates to.
            if output["data"] == json!({ "text/plain": ["()"] }) {
                continue;
            }
            let mut texts = vec![joined(&output["text"])];
            if let Some(data) = output["data"].as_object() {
                mimes.extend(data.keys().cloned());
                texts.extend(
                    data.iter().filter(|(mime, _)| *mime != "image/png").map(|(_, text)| joined(text)),
                );
            }
            for text in texts {
                let control = text.chars().find(|c| c.is_control() && *c != '\n');
                assert_eq!(control, None, "in what this cell shows:\n{source}");
                assert!(
                    !text.contains("EVCXR_"),
                    "a word of the kernel's, in what this cell shows:\n{source}"
                );
                assert!(
                    !text.contains('\u{202e}'),
                    "text is turned round by what this cell shows:\n{source}"
                );
                if output["name"] == "stdout" {
                    printed += &text;
                }
            }
        }
        // What the kernel was made to display would be one more.
        let expected: &[&str] = match last {
            _ if last.ends_with([';', '}']) => &[],
            _ if last.contains("chart(") => &["image/png", "image/svg+xml", "text/plain"],
            _ => &["text/plain"],
        };
        charts += usize::from(expected.len() == 3);
        assert!(mimes.iter().eq(expected), "this cell displays {mimes:?}:\n{source}");
    }
    assert_eq!(charts, 6, "charts are shown");

    // Not left out, either.
    for word in [
        "<script>window.pwned = 'script'",
        r"EVCXR\u{5f}BEGIN_CONTENT text/html",
        r"\x1b[2J",
        r"\u{202e}gnp",
        r"\xff\xfe\x00",
    ] {
        assert!(printed.contains(word), "{word} is shown");
    }
    // A record of Echo's is a line, so that none can pretend to be two.
    let echo = joined(&stored["cells"][3]["outputs"][0]["text"]);
    assert_eq!(
        echo.lines().count().to_string(),
        joined(&stored["cells"][3]["outputs"][1]["data"]["text/plain"])
    );
    // A counter names the first record that did not parse, not all of its megabyte.
    let counted = joined(&stored["cells"][20]["outputs"][0]["text"]);
    assert!(counted.contains("did not parse") && counted.len() < 1_000, "{}", counted.len());
    println!("{} lines of hostile text are text", printed.lines().count());
}

/// The library is changed, the checkout's path has a space in it, nothing is set up for it, and two
/// kernels start at once: one builds the engine, the other waits, both work.
#[test]
#[ignore = "needs the set-up: cargo xtask test --only kernel"]
fn a_changed_library_is_another_engine_also_for_two_kernels_at_once() {
    let place = place();
    let checkout = scratch("changed").join("a checkout");
    fs::create_dir(&checkout).unwrap();
    for entry in fs::read_dir(&place.checkout).unwrap() {
        let entry = entry.unwrap();
        if ![".git", ".venv", "target"].iter().any(|name| entry.file_name() == *name) {
            copy(&entry.path(), &checkout);
        }
    }
    // Another value each time, so that this finds no engine of an earlier run.
    let value = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let lib = checkout.join("src/lib.rs");
    let source = fs::read_to_string(&lib).unwrap();
    fs::write(&lib, format!("{source}\n/// A change.\npub const CHANGED: u64 = {value};\n")).unwrap();

    let before = engines(&place);
    let face = checkout.join("notebooks/face");
    let dep = format!(":dep kinesis-lab-face = {{ path = {:?} }}", face.to_str().unwrap());
    let check = format!("assert_eq!(kinesis_lab::CHANGED, {value});");
    let running: Vec<_> = ["one.ipynb", "two.ipynb"]
        .map(|name| {
            let path =
                notebook(&scratch(name), name, &[&dep, &check, "kinesis_lab::Timestamp::from_secs(0)"]);
            runner(&place, &path, &["--dry"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .into_iter()
        .collect();
    for child in running {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
        println!("{}", text(&output));
    }
    let new: Vec<_> = engines(&place).difference(&before).cloned().collect();
    assert_eq!(new.len(), 1, "one engine more, built once");
    assert!(before.is_subset(&engines(&place)), "an engine that was used today stays");
    fs::remove_dir_all(&new[0]).unwrap();
}

fn engines(place: &Place) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(place.cache.join("engine")).unwrap();
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.join("used").is_file()).collect()
}

fn copy(from: &Path, into: &Path) {
    let status = Command::new("cp").arg("-R").arg(from).arg(into).status().unwrap();
    assert!(status.success());
}

/// Seconds and graph of a cell behind the face, beside those of an empty crate.
#[test]
#[ignore = "needs the set-up: cargo xtask test --only kernel"]
fn cells_compile_against_a_graph_without_the_sdk() {
    let place = place();
    // Not below the checkout: cargo would take the kernel's project for a part of its workspace.
    let folder = std::env::temp_dir().join(format!("kinesis-lab-graph-{}", std::process::id()));
    let empty = folder.join("empty");
    fs::create_dir_all(empty.join("src")).unwrap();
    fs::write(
        empty.join("Cargo.toml"),
        "[package]\nname = \"empty\"\nedition = \"2024\"\n[lib]\nname = \"kinesis_lab\"\n[workspace]\n",
    )
    .unwrap();
    fs::write(
        empty.join("src/lib.rs"),
        "#[derive(Debug)] pub struct Timestamp;\nimpl Timestamp { pub fn now() -> Timestamp { Timestamp } }\n",
    )
    .unwrap();

    let mut table = Vec::new();
    for (name, package, path) in [
        ("empty crate", "empty", empty.clone()),
        ("the face", "kinesis-lab-face", place.notebooks().join("face")),
    ] {
        let dep = format!(":dep {package} = {{ path = {:?} }}\nuse kinesis_lab::*;", path.to_str().unwrap());
        let cells = [
            dep.as_str(),
            "let t = Timestamp::now();",
            "let n = 5;",
            "n + 1",
            "format!(\"{t:?}\").len() > 1",
            "let text = String::from(\"a\");",
            "println!(\"{text}\")",
            "fn twice(n: i32) -> i32 { 2 * n }",
            "twice(n)",
        ];
        let file = notebook(&folder, &format!("{package}.ipynb"), &cells);
        let (project, report) =
            (folder.join(format!("cells-{package}")), folder.join(format!("{package}.json")));
        fs::create_dir_all(&project).unwrap();
        let output = runner(&place, &file, &["--dry", "--report", report.to_str().unwrap()])
            .env("EVCXR_TMPDIR", &project)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output));

        let metadata = Command::new("cargo")
            .args(["metadata", "--format-version", "1", "--offline"])
            .current_dir(&project)
            .output()
            .unwrap();
        assert!(metadata.status.success(), "{}", text(&metadata));
        let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
        let packages: BTreeSet<&str> =
            metadata["packages"].as_array().unwrap().iter().filter_map(|p| p["name"].as_str()).collect();
        assert_eq!(packages, BTreeSet::from(["ctx", package]), "nothing else is in the graph of a cell");

        let report: Value = serde_json::from_str(&fs::read_to_string(report).unwrap()).unwrap();
        let seconds: Vec<f64> =
            report["cells"].as_array().unwrap().iter().filter_map(|c| c["seconds"].as_f64()).collect();
        let mut later = seconds[2..].to_vec();
        later.sort_by(f64::total_cmp);
        table.push((name, packages.len(), seconds[0], seconds[1], later[later.len() / 2]));
    }
    let _ = fs::remove_dir_all(&folder);
    println!(
        "\n{:<12} {:>8} {:>14} {:>12} {:>12}",
        "in the graph", "packages", ":dep and use", "first value", "later cells"
    );
    for (name, packages, dep, first, later) in table {
        println!("{name:<12} {packages:>8} {dep:>12.1} s {first:>10.1} s {later:>10.2} s");
    }
}

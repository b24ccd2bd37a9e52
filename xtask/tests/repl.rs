//! The REPL's check, tested: what it must catch, and that cells work in a stock `evcxr` elsewhere.
//!
//! Ignored by `cargo test`, because they need the set-up; `cargo xtask test` makes it and runs them.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use xtask::{Place, repl};

fn place() -> Place {
    Place::find().expect("the checkout and the cache")
}

/// Whether the notebook passes, and what was said.
fn paste(mut command: Command) -> (bool, String) {
    let output = command.output().unwrap();
    let said = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
#[ignore = "needs the set-up: cargo xtask test --only repl"]
fn what_must_fail_fails() {
    let place = place();
    let program = repl::program(&place).unwrap();
    let fixtures = [
        ("panics.ipynb", "a panic in a cell"),
        ("question_mark.ipynb", "invalid digit found in string"),
        ("compile_error.ipynb", "expected `u32`, found `&str`"),
        ("other_output.ipynb", "not shown: 3"),
        ("raises_nothing.ipynb", "nothing went wrong"),
    ];
    // Two at a time: half of it is waiting for words that must not come.
    for pair in fixtures.chunks(2) {
        std::thread::scope(|scope| {
            for (name, why) in pair {
                let (place, program) = (&place, &program);
                scope.spawn(move || {
                    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
                    let (passed, said) = paste(repl::paster(place, program, &fixture));
                    assert!(!passed && said.contains(why), "{name} must fail because of `{why}`\n{said}");
                    println!("{name}: fails, as it must");
                });
            }
        });
    }
}

/// No launcher, nothing of ours in the environment, another folder: only the documented `:dep` line.
#[test]
#[ignore = "needs the set-up: cargo xtask test --only repl"]
fn cells_work_in_a_stock_repl_elsewhere() {
    let place = place();
    let program = repl::program(&place).unwrap();
    let folder = std::env::temp_dir().join(format!("kinesis lab elsewhere {}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let face = place.notebooks().join("face");
    for (name, dependency) in [
        ("path", format!("{{ path = {:?} }}", face.to_str().unwrap())),
        (
            "git",
            format!(
                "{{ git = {:?} }}",
                format!("file://{}", place.checkout.to_str().unwrap().replace(' ', "%20"))
            ),
        ),
    ] {
        if name == "git" && !place.checkout.join(".git").is_dir() {
            println!("SKIPPED: the checkout is no Git repository");
            continue;
        }
        let cells = [
            (format!(":dep kinesis-lab-face = {dependency}\nuse kinesis_lab::prelude::*;"), None),
            ("let stream = Kinesis::local()?.create_stream(\"elsewhere\", 1)?;".into(), None),
            ("stream.producer(\"192.0.2.10\").at_once().limit(90).start().join().sent".into(), Some("90")),
            (
                "let mut counter = Counter::per_minute();\n\
                 stream.consumer().trim_horizon().run_until_caught_up(&mut counter)?;\n\
                 print!(\"{counter}\");"
                    .into(),
                Some("2018-09-06 08:01:00 : [('192.0.2.10', 30)]"),
            ),
        ];
        let cells: Vec<_> = cells
            .iter()
            .map(|(source, shown)| {
                let outputs = shown.map(|text| json!({ "output_type": "stream", "name": "stdout", "text": text }));
                json!({ "cell_type": "code", "metadata": {}, "source": source, "outputs": outputs.as_slice() })
            })
            .collect();
        let notebook = folder.join(format!("{name}.ipynb"));
        fs::write(&notebook, json!({ "cells": cells }).to_string()).unwrap();

        let mut command = repl::paster(&place, &program, &notebook);
        let kept = ["HOME", "PATH", "CARGO_HOME", "RUSTUP_HOME", "XDG_CACHE_HOME", "KINESIS_LAB_CACHE"];
        command.env_clear().envs(std::env::vars_os().filter(|(name, _)| kept.iter().any(|k| name == *k)));
        let (passed, said) = paste(command);
        assert!(passed, "{name}:\n{said}");
        println!("by {name}:\n{said}");
    }
    fs::remove_dir_all(&folder).unwrap();
}

/// `cargo xtask repl` hands its terminal over: Ctrl-C ends the cell, and the REPL asks for the next one.
#[test]
#[ignore = "needs the set-up: cargo xtask test --only repl"]
fn ctrl_c_ends_the_cell_and_not_the_repl() {
    let place = place();
    repl::program(&place).unwrap();
    let mut command = xtask::jupyter::python(&place);
    command.arg("-c").arg(INTERRUPT).arg(env!("CARGO_BIN_EXE_xtask"));
    let (passed, said) = paste(command);
    assert!(passed && said.contains("the REPL goes on"), "{said}");
}

const INTERRUPT: &str = r#"
import os, sys, pexpect
env = dict(os.environ, TERM="xterm-256color")
repl = pexpect.spawn(sys.argv[1], ["repl"], env=env, encoding="utf-8", dimensions=(60, 200), timeout=300)
waits, taken = "\x1b[?2004h", "\x1b[?2004l"

def paste(cell):
    repl.expect_exact(waits)
    repl.send("\x1b[200~" + cell + "\x1b[201~")
    repl.send("\r")
    repl.expect_exact(taken)

paste('println!("{}{}", "it ", "runs"); std::thread::sleep(std::time::Duration::from_secs(3_000));')
repl.expect_exact("it runs")
repl.sendintr()
paste("40 + 2")
repl.expect_exact("42")
print("the REPL goes on")
repl.close(force=True)
"#;

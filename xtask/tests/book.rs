//! The book, the talks and the students' copy: whole, without a network, and no book at all with a dead link.
//!
//! Ignored by `cargo test`, because they need the set-up; `cargo xtask test --only book` makes it and runs them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use xtask::{Place, book, notebooks};

/// A folder of this test's own, empty.
fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
#[ignore = "needs the set-up: cargo xtask test --only book"]
fn every_notebook_is_a_page_a_talk_and_a_copy_without_solutions() {
    let (place, out) = (Place::find().unwrap(), scratch("book"));
    let options = book::Options { out: Some(out.clone()), slides: true, ..Default::default() };
    assert!(book::make(&place, &options, &out).unwrap());
    let read =
        |path: &str| fs::read_to_string(out.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let index = read("index.html");
    for notebook in notebooks::all(&place).unwrap() {
        let name = notebook.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(index.contains(&format!("href=\"{name}.html\"")), "the index names {name}");
        let page = read(&format!("{name}.html"));
        for folded in ["hide below-input", "<summary>Solution</summary>", "The check"] {
            assert!(page.contains(folded), "{name}: folded is no {folded}");
        }
        assert!(page.contains("class=\"run-it admonition\""), "{name} does not say how to run it");
        assert!(!page.contains("<object"), "{name} asks a server that has ended");

        let talk = read(&format!("slides/{name}.html"));
        for asks in
            ["src=\"http", "src=\"//", "<link", "@import", "url(http", "url(\"http", "url('http", "import("]
        {
            assert!(!talk.contains(asks), "the talk of {name}: {asks}");
        }
        assert!(!talk.contains(".ipynb\""), "the talk of {name} links to a notebook");
        assert!(!talk.contains("</summary>\n</details>"), "{name}: what is to be unfolded is not inside");
        assert!(!talk.contains("src=\"figures"), "the talk of {name}: a picture is not inside");
        assert!(
            !talk.contains("<object") && !talk.contains("No description has been provided"),
            "the talk of {name} asks a server that has ended, or has a chart without a name"
        );

        let copy: Value = serde_json::from_str(&read(&format!("student/{name}.ipynb"))).unwrap();
        for cell in copy["cells"].as_array().unwrap() {
            assert!(
                !cell["metadata"]["tags"].as_array().is_some_and(|tags| tags.contains(&"solution".into()))
            );
            assert!(cell["cell_type"] != "code" || cell["outputs"].as_array().unwrap().is_empty());
        }
        let had: Value = serde_json::from_str(&fs::read_to_string(&notebook).unwrap()).unwrap();
        let solutions = had["cells"].as_array().unwrap().len() - copy["cells"].as_array().unwrap().len();
        assert!(solutions >= 2, "{name}: {solutions} solutions taken out");
    }
}

/// A checkout with one notebook of these cells in Markdown.
fn checkout(name: &str, cells: &[&str]) -> PathBuf {
    let (real, folder) = (Place::find().unwrap().checkout, scratch(name));
    fs::create_dir_all(folder.join("notebooks/figures")).unwrap();
    fs::copy(real.join("README.md"), folder.join("README.md")).unwrap();
    fs::write(folder.join("notebooks/TEACHING.md"), "# For teachers\n\nTeach.\n").unwrap();
    fs::write(folder.join("notebooks/README.md"), "# The notebooks\n\n[1](01-first.ipynb)\n").unwrap();
    let cell = |(n, source): (usize, &&str)| json!({ "cell_type": "markdown", "id": format!("cell-{n}"), "metadata": {}, "source": source });
    let cells: Vec<Value> = cells.iter().enumerate().map(cell).collect();
    let notebook = json!({ "cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5 });
    fs::write(folder.join("notebooks/01-first.ipynb"), notebook.to_string()).unwrap();
    folder
}

#[test]
#[ignore = "needs the set-up: cargo xtask test --only book"]
fn a_dead_link_a_lost_picture_and_another_server_are_faults() {
    let place = Place::find().unwrap();
    let made = |name: &str, cells: &[&str]| {
        let folder = checkout(name, &[&["# First\n\nA heading."], cells].concat());
        let mut command = book::command(&place, &folder.join("notebooks"), &folder.join("book")).unwrap();
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    };
    let (well, said) = made("whole", &["## Second\n\nSee [above](#second), and <https://example.org/>."]);
    assert!(well, "{said}");
    // One book of all of Sphinx's faults, and one of ours, which are said also where Sphinx has none.
    for (name, faults) in [
        (
            "told-by-sphinx",
            vec![
                ("[there](01-first.ipynb#nowhere)", "nowhere"),
                ("![A log](figures/absent.svg)", "absent.svg"),
            ],
        ),
        (
            "told-by-us",
            vec![
                ("<a href=\"absent.html\">there</a>", "there is no absent.html"),
                ("<a href=\"index.html#absent\">there</a>", "is named #absent"),
                ("<img src=\"https://example.org/a.png\" alt=\"\">", "fetches https://example.org/a.png"),
                ("<object data=\"http://127.0.0.1:9/\"></object>", "fetches http://127.0.0.1:9/"),
            ],
        ),
    ] {
        let cells: Vec<&str> = faults.iter().map(|(cell, _)| *cell).collect();
        let (well, said) = made(name, &cells);
        assert!(!well, "{said}");
        for (cell, fault) in faults {
            assert!(said.contains(fault), "{cell}: {said}");
        }
    }
}

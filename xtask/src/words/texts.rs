//! The texts that people read: pages, the words between a notebook's cells, what rustdoc shows, comments.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// What is read as Markdown, with its lines where they stand in the file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Text {
    /// `docs/fleet.md`, `src/lib.rs`, `notebooks/02-the-log.ipynb/cell-4.md` (cells count from 0).
    pub(crate) name: String,
    /// Whole sentences: spelling and grammar are looked at.
    pub(crate) prose: String,
    /// These with comments of code, which are terse: typing errors alone are looked for.
    pub(crate) with_comments: String,
}

/// Folders whose pages are read, not those below them.
const PAGES: [&str; 5] = [".", "docs", "notebooks", "notebooks/face", "data"];
/// Folders whose Rust is read, with all below them; and whether what rustdoc shows of it is published.
const RUST: [(&str, bool); 4] = [("src", true), ("examples", false), ("tests", false), ("xtask/src", false)];

/// All of a checkout's.
pub(crate) fn all(checkout: &Path) -> Result<Vec<Text>> {
    let mut texts = Vec::new();
    for folder in PAGES {
        for name in files(checkout, folder)? {
            let text = || fs::read_to_string(checkout.join(&name)).with_context(|| name.clone());
            if name.ends_with(".md") {
                texts.push(Text { prose: text()?, with_comments: text()?, name });
            } else if name.ends_with(".ipynb") {
                texts.extend(cells(&name, &text()?)?);
            }
        }
    }
    for (folder, published) in RUST {
        rust(checkout, folder, published, &mut texts)?;
    }
    Ok(texts)
}

/// A folder's files, `docs/fleet.md`, in order.
fn files(checkout: &Path, folder: &str) -> Result<Vec<String>> {
    let path = checkout.join(folder);
    let mut names = Vec::new();
    for entry in fs::read_dir(&path).with_context(|| path.display().to_string())? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            let name = entry.file_name().display().to_string();
            names.push(if folder == "." { name } else { format!("{folder}/{name}") });
        }
    }
    names.sort();
    Ok(names)
}

fn rust(checkout: &Path, folder: &str, published: bool, texts: &mut Vec<Text>) -> Result<()> {
    for name in files(checkout, folder)?.into_iter().filter(|name| name.ends_with(".rs")) {
        let code = fs::read_to_string(checkout.join(&name)).with_context(|| name.clone())?;
        let published = published && !name.ends_with("tests.rs") && !name.contains("/tests/");
        let prose = if published { comments(&code, false) } else { String::new() };
        texts.push(Text { name, prose, with_comments: comments(&code, true) });
    }
    let path = checkout.join(folder);
    let mut folders = Vec::new();
    for entry in fs::read_dir(&path).with_context(|| path.display().to_string())? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            folders.push(format!("{folder}/{}", entry.file_name().display()));
        }
    }
    folders.sort();
    folders.iter().try_for_each(|folder| rust(checkout, folder, published, texts))
}

/// The words between a notebook's cells of code.
fn cells(name: &str, notebook: &str) -> Result<Vec<Text>> {
    let notebook: Value = serde_json::from_str(notebook).with_context(|| name.to_owned())?;
    let all = notebook["cells"].as_array().into_iter().flatten().enumerate();
    let texts = all.filter(|(_, cell)| cell["cell_type"] == "markdown").map(|(number, cell)| {
        let prose: String = match &cell["source"] {
            Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
            source => source.as_str().unwrap_or_default().to_owned(),
        };
        Text { name: format!("{name}/cell-{number}.md"), with_comments: prose.clone(), prose }
    });
    Ok(texts.collect())
}

/// What a file of Rust says in whole lines of comment; every other line is empty, so that lines keep their numbers.
fn comments(code: &str, plain_ones: bool) -> String {
    let words = code.lines().map(|line| {
        let Some(rest) = line.trim_start().strip_prefix("//") else { return "" };
        match rest.strip_prefix('/').or_else(|| rest.strip_prefix('!')) {
            Some(rest) => rest.strip_prefix(' ').unwrap_or(rest),
            None if plain_ones => rest,
            None => "",
        }
    });
    words.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_rust_comments_are_read_in_their_lines() {
        let code =
            "//! A page.\n\nuse a;\n    /// An item,\n    /// in two lines.\nfn f() {} // aside\n// Why.";
        assert_eq!(comments(code, false), "A page.\n\n\nAn item,\nin two lines.\n\n");
        assert_eq!(comments(code, true), "A page.\n\n\nAn item,\nin two lines.\n\n Why.");
    }

    #[test]
    fn of_a_notebook_the_words_are_read() {
        let notebook = r##"{"cells": [
            {"cell_type": "markdown", "source": ["# A\n", "b"]},
            {"cell_type": "code", "source": ["let teh = 1;"]},
            {"cell_type": "markdown", "source": "c"}]}"##;
        let found = cells("n.ipynb", notebook).unwrap();
        let found: Vec<_> = found.iter().map(|text| (text.name.as_str(), text.prose.as_str())).collect();
        assert_eq!(found, [("n.ipynb/cell-0.md", "# A\nb"), ("n.ipynb/cell-2.md", "c")]);
    }
}

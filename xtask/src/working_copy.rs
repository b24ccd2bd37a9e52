//! The notebooks that a reader works in: copies without outputs, whose answers are folded.
//!
//! The course's own stay as git has them, so that `git pull` meets no conflict, and nobody sees an output before the
//! guess. A copy is made once, and renewed as long as its reader has changed nothing in it.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::{Place, notebooks};

/// Copies as they were made, to tell whether a reader has changed one.
const MADE: &str = ".as-made";
/// What the first cell names beside it.
const FACE: &str = "face";
/// Pictures that texts show. Copies: JupyterLab serves nothing that a link leads to.
const FIGURES: &str = "figures";
/// How live slides look, which jupyterlab-rise takes from beside the notebook.
const STYLE: &str = "rise.css";

/// What becomes of a reader's file.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// It is made, or renewed.
    Written,
    /// It is as it should be, or the reader's own.
    Kept,
    /// It is the reader's own, and the course has gone on.
    KeptThoughOlder,
}

fn fate(file: Option<&str>, made: Option<&str>, new: &str) -> Fate {
    match (file, made) {
        (None, _) => Fate::Written,
        (Some(file), _) if file == new => Fate::Kept,
        (Some(file), Some(made)) if file == made => Fate::Written,
        (Some(_), Some(made)) if made == new => Fate::Kept,
        _ => Fate::KeptThoughOlder,
    }
}

/// Makes what is absent and renews what nobody has changed; says what is kept although the course has a newer one.
pub fn refresh(place: &Place) -> Result<()> {
    let folder = place.working_copy();
    fs::create_dir_all(folder.join(MADE)).with_context(|| format!("{} can't be made", folder.display()))?;
    link(&Path::new("../notebooks").join(FACE), &folder.join(FACE))
        .with_context(|| format!("{} can't be made", folder.join(FACE).display()))?;
    pictures(&place.notebooks().join(FIGURES), &folder.join(FIGURES))
        .with_context(|| format!("{} can't be made", folder.join(FIGURES).display()))?;
    let mut all = notebooks::all(place)?;
    all.extend(["README.md", STYLE].map(|name| place.notebooks().join(name)));
    for path in all {
        let name = path.file_name().context("a notebook has a name")?.to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let new = match path.extension().is_some_and(|ending| ending == "ipynb") {
            true => for_reader(&text).with_context(|| format!("{name} is no notebook"))?,
            false => text,
        };
        let (file, made) = (folder.join(&name), folder.join(MADE).join(&name));
        match fate(read(&file)?.as_deref(), read(&made)?.as_deref(), &new) {
            Fate::Written => {
                // First what it is compared with: a file without it is never written over.
                write(&made, &new)?;
                write(&file, &new)?;
            }
            Fate::Kept => {}
            Fate::KeptThoughOlder => eprintln!(
                "{name}: the course has a newer one; yours is kept. For the new one, rename or delete {} and run \
                 this again",
                file.display()
            ),
        }
    }
    Ok(())
}

/// A notebook as it is handed out: no output, and an answer that comes after a question in bold is folded.
fn for_reader(text: &str) -> Result<String> {
    let mut notebook: Value = serde_json::from_str(text)?;
    let cells = notebook.get_mut("cells").and_then(Value::as_array_mut).context("it has no cells")?;
    let mut asked = false;
    for cell in cells {
        if cell["cell_type"] == "code" {
            cell["outputs"] = json!([]);
            cell["execution_count"] = Value::Null;
        } else if cell["metadata"]["slideshow"]["slide_type"] != "notes" {
            asked = asks(&source(cell));
        } else if asked {
            let answer = source(cell);
            // Hints and solutions are folded already.
            if !answer.starts_with("<details>") {
                cell["source"] = json!(format!(
                    "<details><summary>Guess first, then look</summary>\n\n{answer}\n\n</details>"
                ));
            }
        }
    }
    Ok(serde_json::to_string_pretty(&notebook)? + "\n")
}

/// Its text; a notebook has it as a list of lines, or as one.
fn source(cell: &Value) -> String {
    match &cell["source"] {
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
        text => text.as_str().unwrap_or_default().to_owned(),
    }
}

/// Whether there is a question in bold. (As `GUESS` of book.py.)
fn asks(text: &str) -> bool {
    let parts: Vec<&str> = text.split("**").collect();
    let inner = parts.get(1..parts.len() - 1).unwrap_or_default();
    inner.iter().any(|part| part.ends_with('?') && !part.contains('*'))
}

/// Whole or not at all.
fn write(path: &Path, text: &str) -> Result<()> {
    let unfinished = path.with_extension(format!("{}.tmp", std::process::id()));
    fs::write(&unfinished, text)
        .and_then(|()| fs::rename(&unfinished, path))
        .with_context(|| format!("{} can't be written", path.display()))
}

/// `None` where there is none. One that can't be read may be the reader's work: it is an error, and stays.
fn read(path: &Path) -> Result<Option<String>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{} can't be read", path.display())),
    }
}

fn pictures(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

fn link(target: &Path, link: &Path) -> io::Result<()> {
    match fs::read_link(link) {
        Ok(old) if old == target => return Ok(()),
        Ok(_) => fs::remove_file(link)?,
        Err(_) => {}
    }
    #[cfg(unix)]
    return std::os::unix::fs::symlink(target, link);
    #[cfg(not(unix))]
    return std::os::windows::fs::symlink_dir(target, link);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reader_has_changed_is_never_written_over() {
        for (file, made, new, want) in [
            (None, None, "1", Fate::Written),
            (None, Some("1"), "1", Fate::Written), // deleted: it comes again
            (Some("1"), Some("1"), "1", Fate::Kept),
            (Some("1"), Some("1"), "2", Fate::Written),
            (Some("mine"), Some("1"), "1", Fate::Kept),
            (Some("mine"), Some("1"), "2", Fate::KeptThoughOlder),
            (Some("mine"), None, "1", Fate::KeptThoughOlder),
            (Some("2"), None, "2", Fate::Kept),
        ] {
            assert_eq!(fate(file, made, new), want, "{file:?}, made as {made:?}, now {new}");
        }
    }

    #[test]
    fn outputs_are_gone_and_answers_to_a_guess_are_folded() {
        let text = r#"{"cells": [
            {"cell_type": "markdown", "metadata": {}, "source": ["Three shards. ", "**Which will it be?**"]},
            {"cell_type": "code", "metadata": {}, "execution_count": 3, "outputs": [{"a": 1}], "source": "1 + 1"},
            {"cell_type": "markdown", "metadata": {"slideshow": {"slide_type": "notes"}}, "source": "The *second*."},
            {"cell_type": "markdown", "metadata": {"slideshow": {"slide_type": "notes"}},
             "source": "<details><summary>Hint</summary>"},
            {"cell_type": "markdown", "metadata": {}, "source": "**Now** a text? **More**"},
            {"cell_type": "markdown", "metadata": {"slideshow": {"slide_type": "notes"}}, "source": "A remark."}
        ], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}"#;
        let handed_out: Value = serde_json::from_str(&for_reader(text).unwrap()).unwrap();
        let cell = |n: usize| &handed_out["cells"][n];
        assert_eq!((&cell(1)["outputs"], &cell(1)["execution_count"]), (&json!([]), &Value::Null));
        assert_eq!(cell(1)["source"], "1 + 1");
        let folded = source(cell(2));
        assert!(folded.starts_with("<details><summary>Guess") && folded.contains("\n\nThe *second*.\n\n"));
        assert_eq!(source(cell(3)), "<details><summary>Hint</summary>");
        assert_eq!(source(cell(5)), "A remark.");
        assert!(for_reader("{}").is_err() && for_reader("no").is_err());
    }

    #[test]
    fn copies_are_made_renewed_and_kept() {
        let checkout = std::env::temp_dir().join(format!("kinesis-lab-working-copy-{}", std::process::id()));
        let _ = fs::remove_dir_all(&checkout);
        fs::create_dir_all(checkout.join("notebooks/face")).unwrap();
        fs::create_dir_all(checkout.join("notebooks/figures")).unwrap();
        fs::write(checkout.join("notebooks/figures/a.svg"), "<svg/>").unwrap();
        let place = Place { cache: checkout.clone(), checkout };
        let original = place.notebooks().join("01-a.ipynb");
        let course = |word: &str| {
            fs::write(
                &original,
                format!(
                    r#"{{"cells": [{{"cell_type": "markdown", "metadata": {{}}, "source": "{word}"}}]}}"#
                ),
            )
            .unwrap();
            fs::write(place.notebooks().join("README.md"), word).unwrap();
            fs::write(place.notebooks().join(STYLE), word).unwrap();
            refresh(&place).unwrap();
        };
        let copy = place.working_copy().join("01-a.ipynb");
        let reads = |word: &str| fs::read_to_string(&copy).unwrap().contains(word);
        course("first");
        assert!(reads("first") && place.working_copy().join("face").is_dir());
        let picture = place.working_copy().join("figures/a.svg");
        assert!(
            picture.is_file()
                && picture.canonicalize().unwrap().starts_with(place.working_copy().canonicalize().unwrap())
        );
        course("second");
        assert!(reads("second"), "nobody has changed it");
        fs::write(&copy, "my own").unwrap();
        course("third");
        assert!(reads("my own"));
        for name in ["README.md", STYLE] {
            assert_eq!(fs::read_to_string(place.working_copy().join(name)).unwrap(), "third");
        }
        fs::remove_file(&copy).unwrap();
        course("third");
        assert!(reads("third"));
        #[cfg(unix)]
        {
            fs::remove_file(&copy).unwrap();
            std::os::unix::fs::symlink(&copy, &copy).unwrap(); // there, and not to be read
            assert!(refresh(&place).is_err() && copy.is_symlink(), "what can't be read is written over");
        }
        fs::remove_dir_all(&place.checkout).unwrap();
    }
}

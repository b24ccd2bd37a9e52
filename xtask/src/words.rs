//! The step `words`: typing errors by typos, spelling and grammar by harper.js, links by ourselves.

mod accepted;
mod links;
mod texts;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{Place, requirements};
use accepted::Accepted;
use texts::Text;

/// What is wrong in each of its words, for each of the checkers: one that finds nothing here would find nothing anywhere.
const PLANTED: &str = "An mistake is recieved of the the Kinesys.";
const ACCEPTED: &str = include_str!("../words/accepted.txt");
const PACKAGES: [(&str, &str); 2] = [
    ("package.json", include_str!("../words/package.json")),
    ("package-lock.json", include_str!("../words/package-lock.json")),
];

/// False where one of them finds something. One that can't be installed says SKIPPED.
pub(crate) fn run(place: &Place) -> Result<bool> {
    let texts = texts::all(&place.checkout)?;
    let accepted = accepted::read(ACCEPTED)?;
    let folder = place.target().join("words");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }

    let dead = links::dead(&place.checkout, &texts);
    println!("links: {} texts, {} dead", texts.len(), dead.len());
    dead.iter().for_each(|sentence| println!("  {sentence}"));
    let typing = match typos(place) {
        Ok(program) => typing_errors(&program, &folder, &texts, &accepted)?,
        Err(error) => skipped("typos", &error),
    };
    let sentences = match harper(place) {
        Ok(packages) => sentences(place, &packages, &folder, &texts, &accepted)?,
        Err(error) => skipped("harper.js", &error),
    };
    Ok(dead.is_empty() && typing && sentences)
}

fn skipped(what: &str, error: &anyhow::Error) -> bool {
    println!("SKIPPED: {what}: {error:#}. It needs the network once");
    true
}

/// pip's package has the program in it.
fn typos(place: &Place) -> Result<PathBuf> {
    requirements::jupyter_alone(place)?;
    Ok(requirements::install_for_words(place)?.join("bin/typos"))
}

/// In files of their own: a notebook's are in JSON, beside pictures in base64.
fn typing_errors(program: &Path, folder: &Path, texts: &[Text], accepted: &Accepted) -> Result<bool> {
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().context("a file has a folder")?)?;
        fs::write(&path, text).with_context(|| path.display().to_string())
    };
    for text in texts {
        write(&text.name, &text.with_comments)?;
    }
    // Without capital letters, so that two forms of one word are one key.
    let words: BTreeSet<String> = accepted.words.iter().map(|word| word.to_lowercase()).collect();
    let lines: String = words.iter().map(|word| format!("{word:?} = {word:?}\n")).collect();
    write("typos.toml", &format!("[default.extend-words]\n{lines}"))?;
    write("planted.md", PLANTED)?;
    let finds_nothing = |what: &str, shown: bool| {
        let mut command = Command::new(program);
        command.args(["--isolated", "--config", "typos.toml", "--format", "brief", "--sort"]);
        command.args(["--no-ignore", "--exclude", "typos.toml"]);
        if what == "." {
            command.args(["--exclude", "planted.md"]);
        }
        command.arg(what).current_dir(folder).stdin(Stdio::null());
        if !shown {
            command.stdout(Stdio::null());
        }
        command.status().context("typos does not run").map(|status| status.success())
    };
    if finds_nothing("planted.md", false)? {
        bail!("typos finds nothing wrong in `{PLANTED}`");
    }
    let nothing = finds_nothing(".", true)?;
    println!("typos: {} texts, {}", texts.len(), if nothing { "nothing found" } else { "see above" });
    Ok(nothing)
}

/// Installed once a machine, pinned to the byte, in the cache beside the kernel.
fn harper(place: &Place) -> Result<PathBuf> {
    let version = "\"harper.js\": \"";
    let (_, rest) = PACKAGES[0].1.split_once(version).context("package.json names harper.js")?;
    let folder = place.cache.join(format!("harper.js-{}", rest.split('"').next().unwrap_or_default()));
    let stamp = folder.join("installed-lock.json");
    let lock = PACKAGES[1].1;
    if fs::read_to_string(&stamp).is_ok_and(|text| text == lock) {
        return Ok(folder);
    }
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    for (name, text) in PACKAGES {
        fs::write(folder.join(name), text).with_context(|| folder.display().to_string())?;
    }
    let mut command = Command::new("npm");
    command.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]);
    command.current_dir(&folder).stdin(Stdio::null());
    let status = command
        .status()
        .context("there is no npm, which brings it (Debian, Ubuntu: sudo apt install nodejs npm)")?;
    if !status.success() {
        bail!("npm could not install it; see above");
    }
    fs::write(stamp, lock)?;
    Ok(folder)
}

fn sentences(
    place: &Place,
    packages: &Path,
    folder: &Path,
    texts: &[Text],
    accepted: &Accepted,
) -> Result<bool> {
    let prose = texts.iter().filter(|text| !text.prose.trim().is_empty());
    let mut asked: Vec<Value> = prose.map(|text| json!({ "name": text.name, "text": text.prose })).collect();
    let count = asked.len();
    asked.push(json!({ "name": "planted", "text": PLANTED }));
    let input = folder.join("texts.json");
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let input_text = json!({ "texts": asked, "words": accepted.words, "off": accepted.off }).to_string();
    fs::write(&input, input_text).with_context(|| input.display().to_string())?;

    println!("harper.js: {count} texts, about two minutes …");
    let mut command = Command::new("node");
    command.arg(place.checkout.join("xtask/words/grammar.mjs")).arg(&input).arg(packages);
    command.stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().context("node does not run")?;
    if !output.status.success() {
        bail!("harper.js ended without an answer; see above");
    }
    let found: Vec<Value> = serde_json::from_slice(&output.stdout).context("harper.js' answer")?;
    let (planted, found): (Vec<_>, Vec<_>) = found.into_iter().partition(|one| one["name"] == "planted");
    let rules: Vec<&str> = planted.iter().filter_map(|one| one["rule"].as_str()).collect();
    if let Some(rule) = ["AnA", "RepeatedWords", "SpellCheck"].iter().find(|rule| !rules.contains(rule)) {
        bail!("harper.js finds in `{PLANTED}` no {rule}, only {rules:?}");
    }
    let left: Vec<&Value> = found.iter().filter(|one| !is_accepted(one, accepted)).collect();
    for one in &left {
        let text = |name: &str| one[name].as_str().unwrap_or_default();
        println!(
            "  {}:{}: {:?}: {} ({}) … {}",
            text("name"),
            one["line"],
            text("problem"),
            text("message"),
            text("rule"),
            text("context")
        );
    }
    println!("harper.js: {count} texts, {} to mend, {} accepted", left.len(), found.len() - left.len());
    if !left.is_empty() {
        println!("What is right in spite of it goes into xtask/words/accepted.txt.");
    }
    Ok(left.is_empty())
}

fn is_accepted(found: &Value, accepted: &Accepted) -> bool {
    let context = found["context"].as_str().unwrap_or_default();
    accepted.phrases.iter().any(|phrase| context.contains(phrase.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_excuses_what_stands_around_it_alone() {
        let accepted = accepted::read("[phrases]\nnobody new").unwrap();
        assert!(is_accepted(&json!({ "context": "detection | nobody new is refused" }), &accepted));
        assert!(!is_accepted(&json!({ "context": "he new it" }), &accepted));
    }

    #[test]
    fn our_own_list_is_read_and_says_what_it_is() {
        assert!(ACCEPTED.starts_with("# "));
        let accepted = accepted::read(ACCEPTED).unwrap();
        assert!(accepted.words.iter().any(|word| word == "Kinesis") && !accepted.off.is_empty());
    }
}

//! `cargo xtask rooms`: the rooms of `src`, which of them each may use, and whether it keeps to that.
//!
//! A folder of `src` is a room; the files beside the folders are the ground, which everybody may use. The
//! first lines of a room's `mod.rs` say what it is for, and then which rooms it uses: that sentence is the
//! rule, and this reads it. It looks at text, not at types: what a file names is what it depends on.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// A longer file says why, in a line of its head that begins so.
const LONG: usize = 350;
const WHY_LONG: &str = "//! Long, because";
/// Files of the root that name all rooms, because that is what they are for.
const ROOT: [&str; 2] = ["lib", "prelude"];

/// All rooms, from the ground up.
pub struct House {
    rooms: BTreeMap<String, Room>,
    faults: Vec<String>,
}

#[derive(Default)]
struct Room {
    purpose: String,
    allowed: BTreeSet<String>,
    used: BTreeSet<String>,
    files: BTreeMap<String, File>,
}

#[derive(Default)]
struct File {
    /// With what lies in the folder of its name.
    lines: usize,
    /// Of the longest single one.
    longest: usize,
    /// Other files of the room that it names.
    uses: BTreeSet<String>,
}

impl House {
    /// Reads the sources in `src`.
    pub fn read(src: &Path) -> Result<House> {
        let mut house = House { rooms: BTreeMap::new(), faults: Vec::new() };
        let mut types: BTreeMap<String, String> = BTreeMap::new();
        let mut files = Vec::new();
        collect(src, &mut files)?;
        files.sort();
        let mut for_tests = BTreeSet::new();
        for file in &files {
            let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
            // Of `put.rs` they lie in `put/`, of `mod.rs` beside it.
            let folder = match file.file_stem().and_then(|stem| stem.to_str()) {
                Some("mod" | "lib") => file.with_file_name(""),
                _ => file.with_extension(""),
            };
            for_tests.extend(modules_for_tests(&text).map(|name| folder.join(format!("{name}.rs"))));
        }
        for file in files.iter().filter(|file| !for_tests.contains(*file)) {
            let name =
                file.strip_prefix(src)?.to_str().context("a file's name is not UTF-8")?.replace('\\', "/");
            let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
            house.add(&name, &text, &mut types);
        }
        house.check_rooms();
        Ok(house)
    }

    /// What is not as it should be, a sentence each.
    pub fn faults(&self) -> &[String] {
        &self.faults
    }

    fn add(&mut self, name: &str, text: &str, types: &mut BTreeMap<String, String>) {
        let lines = text.lines().count();
        if lines > LONG && !text.lines().any(|line| line.starts_with(WHY_LONG)) {
            self.faults.push(format!(
                "src/{name} has {lines} lines: split it, or say in its head why not (`{WHY_LONG} …`)"
            ));
        }
        let code = code(text);
        for defined in code.lines().filter_map(defined_type) {
            if let Some(other) = types.insert(defined.to_owned(), name.to_owned()) {
                self.faults.push(format!(
                    "`{defined}` is a type in src/{other} and another in src/{name}: one name, one thing"
                ));
            }
        }
        let Some((room, file)) = name.split_once('/') else {
            let stem = name.trim_end_matches(".rs");
            if !ROOT.contains(&stem) {
                self.ground(stem, lines, &code);
            }
            return;
        };
        let rooms = room.to_owned();
        let room = self.rooms.entry(rooms.clone()).or_default();
        if file == "mod.rs" {
            (room.purpose, room.allowed) = head(text);
        }
        // What lies in a folder of a room belongs to the file of that name.
        let stem = file.trim_end_matches(".rs").split('/').next().unwrap_or_default().to_owned();
        let here = room.files.entry(stem.clone()).or_default();
        here.lines += lines;
        here.longest = here.longest.max(lines);
        let depth = file.matches('/').count() + 1;
        for word in paths(&code) {
            let word: Vec<&str> = word.split("::").collect();
            match word[..] {
                ["crate", to, ..] if to == rooms => self.faults.push(format!(
                    "src/{name} names its own room as `crate::{to}`: say `super::`, so that the files' arrows can be seen"
                )),
                ["crate", to, ..] if to.starts_with(char::is_uppercase) => self.faults.push(format!(
                    "src/{name} takes `{to}` from the crate's root: name the room that it is in"
                )),
                ["crate", to, ..] => {
                    room.used.insert(to.to_owned());
                }
                _ => {
                    let up = word.iter().take_while(|part| **part == "super").count();
                    if up == depth && file != "mod.rs" {
                        here.uses.extend(word.get(up).filter(|part| **part != stem).map(|part| (*part).to_owned()));
                    }
                }
            }
        }
    }

    fn ground(&mut self, stem: &str, lines: usize, code: &str) {
        let ground = self.rooms.entry(String::new()).or_default();
        ground.purpose = "The ground: small files that everybody may use.".to_owned();
        let here = ground.files.entry(stem.to_owned()).or_default();
        (here.lines, here.longest) = (lines, lines);
        for word in paths(code) {
            if let Some(to) = word.strip_prefix("crate::").and_then(|rest| rest.split("::").next())
                && to != stem
            {
                here.uses.insert(to.to_owned());
                ground.used.insert(to.to_owned());
            }
        }
    }

    fn check_rooms(&mut self) {
        let ground: BTreeSet<String> =
            self.rooms.get("").map(|g| g.files.keys().cloned().collect()).unwrap_or_default();
        for (name, room) in &mut self.rooms {
            room.used.retain(|to| !ground.contains(to));
            // A file of the ground may be used anywhere; of a room, its files are what is inside.
            for file in room.files.values_mut() {
                file.uses.retain(|to| !name.is_empty() || ground.contains(to));
            }
        }
        for (name, room) in &self.rooms {
            let who = if name.is_empty() { "the ground" } else { name };
            for to in room.used.difference(&room.allowed) {
                self.faults.push(format!(
                    "`{who}` uses `{to}`, which its mod.rs does not allow: move what it needs down, or say why in src/{name}/mod.rs"
                ));
            }
            for to in room.allowed.difference(&room.used) {
                self.faults.push(format!("`{who}` does not use `{to}`, though src/{name}/mod.rs says so"));
            }
            if !name.is_empty() && room.purpose.is_empty() {
                self.faults.push(format!(
                    "src/{name}/mod.rs does not say what the room is for, and which rooms it uses"
                ));
            }
            let inside = room.files.iter().map(|(file, f)| (file.clone(), f.uses.clone())).collect();
            let circles = circles(&inside);
            if circles.len() > 1 {
                let said: Vec<String> = circles.iter().map(|circle| circle.join(", ")).collect();
                self.faults.push(format!("`{who}` has more than one circle inside: {}", said.join("; ")));
            }
        }
        let between = self.rooms.iter().map(|(room, r)| (room.clone(), r.used.clone())).collect();
        for circle in circles(&between) {
            self.faults.push(format!("these rooms use each other in a circle: {}", circle.join(", ")));
        }
    }

    /// Rooms after all that they use.
    fn order(&self) -> Vec<&str> {
        let mut order: Vec<&str> = Vec::new();
        while let Some((next, _)) = self.rooms.iter().find(|(name, room)| {
            !order.contains(&name.as_str())
                && room.used.iter().all(|to| order.contains(&to.as_str()) || !self.rooms.contains_key(to))
        }) {
            order.push(next);
        }
        // Whatever is in a circle, last.
        order.extend(
            self.rooms.keys().map(String::as_str).filter(|name| !order.contains(name)).collect::<Vec<_>>(),
        );
        order
    }
}

impl fmt::Display for House {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<10} {:>5} {:>6} {:>7}  uses", "room", "files", "lines", "longest")?;
        for name in self.order() {
            let room = &self.rooms[name];
            let lines: usize = room.files.values().map(|file| file.lines).sum();
            let longest = room.files.values().map(|file| file.longest).max().unwrap_or(0);
            let used: Vec<&str> = room.used.iter().map(String::as_str).collect();
            let used = if used.is_empty() { "–".to_owned() } else { used.join(" ") };
            let shown = if name.is_empty() { "(ground)" } else { name };
            writeln!(f, "{shown:<10} {:>5} {lines:>6} {longest:>7}  {used}", room.files.len())?;
            let inside = room.files.iter().map(|(file, f)| (file.clone(), f.uses.clone())).collect();
            for circle in circles(&inside) {
                writeln!(f, "{:<10} a circle inside: {}", "", circle.join(", "))?;
            }
        }
        Ok(())
    }
}

/// Prints the map; false when a rule is broken.
pub fn run(src: &Path) -> Result<bool> {
    if !src.is_dir() {
        bail!("there are no sources in {}", src.display());
    }
    let house = House::read(src)?;
    print!("{house}");
    for fault in house.faults() {
        println!("\n- {fault}");
    }
    Ok(house.faults().is_empty())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// What a `mod.rs` says of its room: the purpose, and the names in the sentence that begins with "Uses".
fn head(text: &str) -> (String, BTreeSet<String>) {
    let said: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim).collect();
    let said = said.join(" ");
    let (purpose, uses) = said.split_once("Uses ").unwrap_or((&said, ""));
    let uses = uses.split_once('.').map_or(uses, |(sentence, _)| sentence);
    let names = uses.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    (purpose.trim().to_owned(), names)
}

/// Without comments, and without its tests: those may look anywhere.
fn code(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if is_for_tests(line) && lines.peek().is_some_and(|next| next.trim_start().starts_with("mod tests {"))
        {
            break;
        }
        code.push_str(line.split("//").next().unwrap_or_default());
        code.push('\n');
    }
    code
}

/// The names of the files that are compiled for tests alone.
fn modules_for_tests(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().map(str::trim);
    let pairs = lines.clone().zip(lines.skip(1)).filter(|(line, _)| is_for_tests(line));
    pairs.filter_map(|(_, next)| next.strip_suffix(';')?.rsplit_once("mod ").map(|(_, name)| name))
}

/// `#[cfg(test)]`, or with a feature beside it.
fn is_for_tests(line: &str) -> bool {
    line.strip_prefix("#[cfg(")
        .is_some_and(|condition| condition.starts_with("test)") || condition.starts_with("all(test,"))
}

/// Paths such as `crate::read::Batch` and `super::queue::Queue`, up to their braces.
fn paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let part_of_a_word = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    for start in ["crate::", "super::"] {
        for (at, _) in code.match_indices(start) {
            if code[..at].ends_with(part_of_a_word) {
                continue;
            }
            let rest = &code[at..];
            let end = rest.find(|c: char| !part_of_a_word(c)).unwrap_or(rest.len());
            let path = rest[..end].trim_end_matches(':');
            // `use super::{file, lock}` names both.
            match rest[end..].strip_prefix('{').and_then(|list| list.split_once('}')) {
                Some((list, _)) if path.split("::").all(|part| part == "super" || part == "crate") => {
                    found.extend(list.split(',').map(|item| format!("{path}::{}", item.trim())));
                }
                _ => found.push(path.to_owned()),
            }
        }
    }
    found
}

/// The name of a type that a line defines, where it is not inside of anything.
fn defined_type(line: &str) -> Option<&str> {
    let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    if line.starts_with(char::is_whitespace) {
        return None;
    }
    let mut word = words.next()?;
    while ["pub", "crate", "super", "in", "self"].contains(&word) {
        word = words.next()?;
    }
    ["struct", "enum", "trait", "type", "union"].contains(&word).then(|| words.next())?
}

/// Groups that reach each other, of more than one.
fn circles(graph: &BTreeMap<String, BTreeSet<String>>) -> Vec<Vec<String>> {
    let reach = |from: &String| {
        let (mut seen, mut todo) = (BTreeSet::new(), vec![from]);
        while let Some(next) = todo.pop() {
            for to in graph.get(next).into_iter().flatten() {
                if seen.insert(to) {
                    todo.push(to);
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&String, BTreeSet<&String>> =
        graph.keys().map(|name| (name, reach(name))).collect();
    let mut circles: Vec<Vec<String>> = Vec::new();
    for (name, seen) in &reached {
        if !seen.contains(*name) || circles.iter().flatten().any(|known| known == *name) {
            continue;
        }
        let of = reached.iter().filter(|(other, back)| seen.contains(**other) && back.contains(*name));
        circles.push(of.map(|(other, _)| (*other).clone()).collect());
    }
    circles
}

#[cfg(test)]
mod tests {
    use super::*;

    fn house(files: &[(&str, &str)]) -> House {
        let mut house = House { rooms: BTreeMap::new(), faults: Vec::new() };
        let mut types = BTreeMap::new();
        for (name, text) in files {
            house.add(name, text, &mut types);
        }
        house.check_rooms();
        house
    }

    const GROUND: (&str, &str) = ("text.rs", "pub(crate) struct Quoted;");
    const LOW: (&str, &str) =
        ("low/mod.rs", "//! What is low.\n//!\n//! Uses the ground alone.\nmod a;\nmod b;\n");
    const HIGH: (&str, &str) =
        ("high/mod.rs", "//! What is high.\n//!\n//! Uses the ground\n//! and `low`.\n");

    #[test]
    fn a_room_that_keeps_to_its_sentence_has_no_faults() {
        let a = ("low/a.rs", "use super::b::B;\nuse crate::text::Quoted;\n");
        let c = ("high/c.rs", "use crate::low::{A, B};\n// crate::nowhere\n");
        let house = house(&[GROUND, LOW, a, ("low/b.rs", "pub struct B;"), HIGH, c]);
        assert_eq!(house.faults(), [""; 0]);
        assert_eq!(house.order(), ["", "low", "high"]);
    }

    #[test]
    fn each_rule_that_is_broken_is_a_sentence() {
        let long = "\n".repeat(LONG + 1);
        let many = [
            ("low/a.rs", "use super::b::B;"),
            ("low/b.rs", "use super::a::A;"),
            ("low/c.rs", "use super::{d, text};"),
            ("low/d.rs", "fn f() { super::c::g() }"),
        ];
        for (files, word) in [
            (
                &[("low/a.rs", "use crate::high::C;\n"), ("high/c.rs", "use crate::low::A;")][..],
                "`low` uses `high`",
            ),
            (
                &[("low/a.rs", "use crate::high::C;\n"), ("high/c.rs", "use crate::low::A;")],
                "in a circle: high, low",
            ),
            (
                &[("low/a.rs", "fn f() { crate::high::g() }"), ("high/c.rs", "use crate::low::A;")],
                "`low` uses `high`",
            ),
            (&[("high/c.rs", "")], "`high` does not use `low`"),
            (&[("high/c.rs", "use crate::low::A;\nuse crate::Error;")], "`Error` from the crate's root"),
            (&[("high/c.rs", "use crate::low::A;\nuse crate::high::D;")], "say `super::`"),
            (
                &[("high/c.rs", "use crate::low::A;\nstruct B;"), ("low/b.rs", "pub(crate) enum B {}")],
                "one name, one thing",
            ),
            (&[("high/c.rs", &long)], "has 351 lines"),
            (&many, "more than one circle"),
            (&[("bare/mod.rs", "mod a;")], "does not say what the room is for"),
            (&[("text.rs", "use crate::low::A;")], "`the ground` uses `low`"),
        ] {
            let mut all = vec![GROUND, LOW, HIGH];
            all.extend_from_slice(files);
            let house = house(&all);
            assert!(house.faults().iter().any(|fault| fault.contains(word)), "{word}: {:?}", house.faults());
        }
    }
}

//! What every notebook of the course has, so that it can be taught from, looked up and shown as a talk.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;
use xtask::{Place, notebooks};

struct Cell {
    id: String,
    code: bool,
    source: String,
    slide: Option<String>,
    tags: Vec<String>,
    /// Kinds of what is stored below it: `image/png`.
    shows: BTreeSet<String>,
}

fn cells(path: &Path) -> Vec<Cell> {
    let notebook: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let cell = |cell: &Value| Cell {
        id: text(&cell["id"]),
        code: cell["cell_type"] == "code",
        source: match &cell["source"] {
            Value::Array(lines) => lines.iter().map(text).collect(),
            source => text(source),
        },
        slide: cell["metadata"]["slideshow"]["slide_type"].as_str().map(str::to_owned),
        tags: cell["metadata"]["tags"].as_array().into_iter().flatten().map(text).collect(),
        shows: cell["outputs"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|output| output["data"].as_object())
            .flat_map(|data| data.keys().cloned())
            .collect(),
    };
    notebook["cells"].as_array().unwrap().iter().map(cell).collect()
}

/// Each notebook's name and cells, in reading order.
fn course() -> Vec<(String, Vec<Cell>)> {
    let place = Place::find().unwrap();
    let all = notebooks::all(&place).unwrap();
    all.iter().map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), cells(path))).collect()
}

#[test]
fn each_notebook_has_what_a_lesson_needs() {
    let course = course();
    let last_name = course.last().map(|(name, _)| name.clone());
    for (name, cells) in course {
        let markdown: String = cells.iter().filter(|c| !c.code).map(|c| c.source.as_str()).collect();
        let first = cells.iter().find(|c| c.code).unwrap();
        for line in [":dep kinesis-lab-face = { path = \"face\" }", "use kinesis_lab::"] {
            assert!(first.source.contains(line), "{name}: the first cell lacks {line}");
        }
        for needed in ["| **Time** |", "| **You need** |", "## Recap", "**Check yourself.**"] {
            assert!(markdown.contains(needed), "{name} lacks: {needed}");
        }
        let last = last_name.as_ref() == Some(&name);
        assert!(last || markdown.contains("**Next:**"), "{name} lacks: **Next:**");
        // Every other piece between ** and ** is in bold.
        let asked = markdown.split("**").skip(1).step_by(2).filter(|bold| bold.ends_with('?')).count();
        assert!(asked >= 3, "{name} asks for {asked} predictions");
        let tagged = |c: &&Cell, tag: &str| c.tags.iter().any(|t| t == tag);
        let exercises = cells.iter().filter(|c| tagged(c, "exercise")).count();
        assert!((2..=3).contains(&exercises), "{name} has {exercises} exercises");
        assert!(
            cells.iter().any(|c| tagged(&c, "raises-exception")) || markdown.contains("## Break it"),
            "{name} makes no mistake on purpose"
        );
        for cell in cells.iter().filter(|c| c.code) {
            let lines = cell.source.lines().count();
            assert!(lines <= 12, "{name}: {} has {lines} lines", cell.id);
        }

        let ids: BTreeSet<&str> = cells.iter().map(|c| c.id.as_str()).collect();
        assert_eq!(ids.len(), cells.len(), "{name}: each cell has an id of its own");
        // What is not one of these, a typing error, would mean nothing to anybody.
        let known =
            ["raises-exception", "stderr", "volatile", "fleet", "exercise", "check", "hints", "solution"];
        for tag in cells.iter().flat_map(|cell| &cell.tags) {
            let known = known.contains(&tag.as_str()) || ["hide-output", "hide-cell"].contains(&tag.as_str());
            assert!(known, "{name}: nobody knows the tag {tag}");
        }
        let types = ["slide", "subslide", "fragment", "skip", "notes", "-"].map(str::to_owned).map(Some);
        for cell in &cells {
            assert!(types.contains(&cell.slide), "{name}: {} says nothing of slides", cell.id);
        }
    }
}

/// The cells of each slide, without the speaker's notes and what is left out.
fn slides(cells: &[Cell]) -> Vec<Vec<&Cell>> {
    let mut slides: Vec<Vec<&Cell>> = Vec::new();
    for cell in cells {
        let begins = match cell.slide.as_deref() {
            Some("skip" | "notes") => continue,
            kind => matches!(kind, Some("slide" | "subslide")) || slides.is_empty(),
        };
        if begins {
            slides.push(Vec::new());
        }
        slides.last_mut().unwrap().push(cell);
    }
    slides
}

/// A slide that nobody explains: its first code without a sentence above it, or a heading alone.
fn unexplained<'a>(slide: &[&'a Cell]) -> Option<&'a str> {
    // A heading is no sentence.
    let says = |cell: &&Cell| {
        !cell.code && cell.source.lines().any(|line| !line.trim().is_empty() && !line.starts_with('#'))
    };
    let first_code = slide.iter().position(|cell| cell.code).unwrap_or(slide.len() - 1);
    let explained = slide[..=first_code].iter().any(says);
    (!explained).then_some(slide[first_code].id.as_str())
}

/// As a talk. (That each slide fits is measured: `cargo xtask test --only slides`.)
#[test]
fn code_on_a_slide_stands_with_its_sentence_and_comes_after_it() {
    let cell = |id: &str, source: &str, slide: &str| Cell {
        id: id.to_owned(),
        code: id.starts_with("code"),
        source: source.to_owned(),
        slide: Some(slide.to_owned()),
        tags: Vec::new(),
        shows: BTreeSet::new(),
    };
    let talk = [
        cell("a", "## A heading", "slide"),
        cell("code-1", "1 + 1", "fragment"),
        cell("b", "A sentence.", "subslide"),
        cell("code-2", "1 + 1", "fragment"),
        cell("code-3", "1 + 1", "slide"),
        cell("c", "A sentence, too late.", "-"),
        cell("d", "## Clean up", "slide"),
        cell("code-4", "1 + 1", "skip"),
        cell("e", "## Recap\n\nA sentence.", "slide"),
        cell("f", "A note.", "notes"),
        cell("code-5", "1 + 1", "-"),
    ];
    let found: Vec<&str> = slides(&talk).iter().filter_map(|slide| unexplained(slide)).collect();
    assert_eq!(found, ["code-1", "code-3", "d"]);
    for (name, cells) in course() {
        for slide in slides(&cells) {
            assert_eq!(unexplained(&slide), None, "{name}: a slide without its sentence");
            let code: Vec<&&Cell> = slide.iter().filter(|cell| cell.code).collect();
            assert!(code.len() <= 3, "{name}: {} and more: a slide has one idea", code[0].id);
            for cell in code {
                // A guess is made before there is anything to read.
                let later = cell.slide.as_deref() == Some("fragment");
                assert!(later, "{name}: {} is in sight with its question", cell.id);
            }
        }
    }
}

/// Whether a cell's last expression is a chart or a figure: what follows its last semicolon.
fn draws(code: &str) -> bool {
    let last = code.rsplit(";\n").next().unwrap_or_default().trim_end();
    let named = [".chart()", ".figure()", "Chart::"].iter().any(|maker| last.contains(maker));
    named && !last.ends_with([';', '}']) && !last.starts_with("fn ")
}

/// The kernel shows text where an expression moves what the cell has made: `let a = …; let b = …; a.above(b)`.
#[test]
fn where_a_cell_ends_with_a_chart_a_picture_is_stored() {
    assert!(draws("let a = 1;\ncounter.chart().top(3)") && draws("Chart::small_multiples(vec![\n    a,\n])"));
    assert!(!draws("let chart = counter.chart();") && !draws("fn f() -> Chart {\n    Chart::bars(a, b)\n}"));
    let mut drawn = 0;
    for (name, cells) in course() {
        for cell in cells.iter().filter(|cell| cell.code && draws(&cell.source)) {
            drawn += 1;
            assert!(cell.shows.contains("image/png"), "{name}: no picture is stored with {}", cell.id);
        }
    }
    assert!(drawn >= 15, "{drawn} cells draw");
}

/// The map's minutes are those of the headers, and both are what the map says how to reckon.
#[test]
fn minutes_are_reckoned_and_the_same_everywhere() {
    let map = fs::read_to_string(Place::find().unwrap().notebooks().join("README.md")).unwrap();
    let teaching = fs::read_to_string(Place::find().unwrap().notebooks().join("TEACHING.md")).unwrap();
    let mut shown = BTreeSet::new();
    for (name, cells) in course() {
        let row = map.lines().find(|line| line.contains(&format!("]({name})"))).unwrap();
        let minutes: f64 = row.split('|').nth(3).unwrap().trim().parse().unwrap();
        // One sitting; the longest is 17, which starts everything that a fleet needs.
        assert!((30.0..=80.0).contains(&minutes), "{name} takes {minutes} minutes");
        assert!(
            cells[0].source.contains(&format!("about {minutes} minutes")),
            "{name}: its header says otherwise"
        );

        // In the plans for a workshop: `| 1 · Streams (45) |`.
        let number = name[..2].trim_start_matches('0');
        let planned = teaching.lines().filter(|line| line.contains(&format!("| {number} · ")));
        for line in planned.filter(|line| line.contains('(')) {
            assert!(line.contains(&format!("({minutes}")), "TEACHING.md, {name}, {minutes} minutes: {line}");
        }

        let mut reckoned = 0.0;
        for cell in &cells {
            let folded = ["check", "hints", "solution"].iter().any(|tag| cell.tags.iter().any(|t| t == tag));
            if folded {
                continue;
            } else if cell.code {
                reckoned += 10.0 / 60.0;
                let lines = cell.source.lines().map(|line| line.trim().to_owned());
                for line in lines.filter(|line| line.chars().any(char::is_alphanumeric)) {
                    reckoned += if shown.insert(line) { 20.0 } else { 3.0 } / 60.0;
                }
                reckoned += 4.0 * f64::from(u8::from(cell.tags.iter().any(|tag| tag == "exercise")));
            } else {
                let is_word = |word: &&str| word.chars().any(char::is_alphanumeric);
                reckoned += cell.source.split_whitespace().filter(is_word).count() as f64 / 200.0;
                let bold = cell.source.split("**").skip(1).step_by(2);
                reckoned += bold.filter(|text| text.ends_with('?')).count() as f64 * 10.0 / 60.0;
            }
        }
        assert!(
            (-0.5..5.0).contains(&(minutes - reckoned)),
            "{name} is said to take {minutes} minutes; reckoned, {reckoned:.1}"
        );
    }
}

/// The one block of Rust in a text, or what stands in its place.
fn rust(text: &str) -> String {
    let blocks: Vec<&str> =
        text.split("```rust\n").skip(1).filter_map(|rest| rest.split("\n```").next()).collect();
    assert_eq!(blocks.len(), 1, "one block of Rust in:\n{text}");
    blocks[0].trim().to_owned()
}

/// Wrong answers by the id of their exercise, as `run_notebook.py` reads them.
fn wrong_answers(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    for exercise in text.split("\n## ").skip(1) {
        let (id, rest) = exercise.split_once('\n').unwrap();
        let answers = rest.split("\n### ").skip(1).map(rust).collect();
        assert!(found.insert(id.trim().to_owned(), answers).is_none(), "{id} stands there twice");
    }
    found
}

/// What a check is worth is what it refuses: `cargo xtask notebooks --solutions` gives it all of these.
#[test]
fn each_exercise_has_wrong_answers_that_its_check_must_refuse() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("wrong-answers");
    let mut files = BTreeSet::new();
    for (name, cells) in course() {
        let file = name.replace(".ipynb", ".md");
        let wrong = wrong_answers(&fs::read_to_string(folder.join(&file)).unwrap_or_default());
        files.insert(file);
        let tagged = |tag: &'static str| cells.iter().filter(move |c| c.tags.iter().any(|t| t == tag));
        let exercises: Vec<(&Cell, &Cell)> = tagged("exercise").zip(tagged("solution")).collect();
        let ids: BTreeSet<&String> = exercises.iter().map(|(exercise, _)| &exercise.id).collect();
        assert_eq!(wrong.keys().collect::<BTreeSet<_>>(), ids, "{name}: wrong answers to its exercises");
        for (exercise, solution) in exercises {
            let answers = &wrong[&exercise.id];
            let at = format!("{name}, {}", exercise.id);
            assert!(answers.len() >= 3, "{at} has {} wrong answers", answers.len());
            let different: BTreeSet<&String> = answers.iter().collect();
            assert_eq!(different.len(), answers.len(), "{at} has the same wrong answer twice");
            assert!(!answers.contains(&rust(&solution.source)), "{at}: the solution is no wrong answer");
            assert!(
                !answers.contains(&exercise.source.trim().to_owned()),
                "{at}: the unsolved text is tried anyway"
            );
        }
    }
    let stored = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(stored.collect::<BTreeSet<_>>(), files, "a file for each notebook, and no other");
}

#[test]
fn links_between_notebooks_lead_somewhere() {
    let folder = Place::find().unwrap().notebooks();
    for (name, cells) in course() {
        for cell in cells.iter().filter(|c| !c.code) {
            for after in cell.source.split("](").skip(1) {
                let target = after.split([')', '#', ' ']).next().unwrap_or_default();
                if target.is_empty() || target.contains("://") {
                    continue;
                }
                assert!(folder.join(target).exists(), "{name}, {}: there is no {target}", cell.id);
            }
        }
        let map = fs::read_to_string(folder.join("README.md")).unwrap();
        assert!(map.contains(&format!("]({name})")), "notebooks/README.md does not name {name}");
    }
}

/// One policy, wherever it is shown, and `ListStreams` on everything: AWS knows no narrower one.
#[test]
fn the_policy_for_aws_is_the_same_everywhere() {
    let policy = |text: &str| -> Value {
        let json = text.split("```json").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        serde_json::from_str(json).unwrap()
    };
    let place = Place::find().unwrap();
    let aws = course().into_iter().find(|(name, _)| name.starts_with("09")).unwrap().1;
    let shown = policy(&aws.iter().find(|cell| cell.source.contains("```json")).unwrap().source);
    assert_eq!(policy(&fs::read_to_string(place.checkout.join("README.md")).unwrap()), shown);
    assert!(
        shown["Statement"].as_array().unwrap().iter().any(|statement| {
            statement["Action"] == "kinesis:ListStreams" && statement["Resource"] == "*"
        })
    );
}

/// The policy of notebook 9 reaches streams named `course-…` alone: so every stream that a cell makes is named so.
#[test]
fn every_stream_of_the_course_has_its_prefix() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("wrong-answers");
    let mut made = 0;
    for (name, cells) in course() {
        // What is pasted over an exercise, right or wrong, makes streams that the clean-up must find.
        let wrong = fs::read_to_string(folder.join(name.replace(".ipynb", ".md"))).unwrap();
        let run = cells.iter().filter(|cell| cell.code || cell.tags.iter().any(|tag| tag == "solution"));
        for stream in run.map(|cell| cell.source.as_str()).chain([wrong.as_str()]).flat_map(names_of_streams)
        {
            made += 1;
            assert!(
                stream.starts_with("course-"),
                "{name} makes a stream {stream}, which the policy for AWS refuses"
            );
        }
    }
    assert!(made > 50, "only {made} names were found");
}

/// What `create_stream`, `new_stream` and notebook 4's `fresh` are given, where it is written there.
fn names_of_streams(source: &str) -> Vec<&str> {
    let of = |call| source.split(call).skip(1);
    of("create_stream(")
        .chain(of("new_stream("))
        .chain(of("fresh(&kinesis, "))
        .filter_map(|rest| {
            rest.trim_start_matches("&format!(").strip_prefix('"')?.split_once('"').map(|(name, _)| name)
        })
        .collect()
}

/// A loop over all streams of an account, which may hold those of strangers, that deletes them.
fn sweeps(source: &str) -> bool {
    let loops =
        |line: &str| line.contains("list_streams()") && (line.contains("for ") || line.contains("iter()"));
    source.contains("delete") && source.lines().any(loops) && !source.contains("starts_with")
}

#[test]
fn notebooks_delete_what_they_made_and_nothing_else() {
    // As notebooks 4 and 9 once had it.
    assert!(sweeps("for name in kinesis.list_streams()? {\n    kinesis.delete_stream(&name)?;\n}"));
    for (name, cells) in course() {
        for cell in cells.iter().filter(|cell| cell.code) {
            assert!(!sweeps(&cell.source), "{name}: {} may delete what is not the reader's own", cell.id);
        }
    }
}

//! Playbooks from TOML, with the line in every error.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeTable;

use super::alert::Response;
use super::fields::{Condition, FIELDS, condition};
use super::playbook::Playbook;
use crate::error::{Error, ErrorKind, Result};
use crate::text::{near, printable};
use crate::toml_values::{TomlFile, TomlValue};

const BLOCK_FOR: Duration = Duration::from_secs(600);
/// What a `[[playbook]]` may say.
const WORDS: [&str; 11] = [
    "name",
    "when",
    "unless",
    "key",
    "distinct",
    "threshold",
    "window",
    "slide",
    "response",
    "block_for",
    "cool_down",
];

pub(super) fn read(path: &Path) -> Result<Vec<Playbook>> {
    let name = path.display().to_string();
    let read = std::fs::read_to_string(path).map_err(|error| {
        Error::with_source(ErrorKind::Io, format!("the playbooks in {name} can't be read: {error}"), error)
    })?;
    parse(&name, &read)
}

pub(super) fn parse(name: &str, text: &str) -> Result<Vec<Playbook>> {
    TomlFile { name, text }.playbooks()
}

impl TomlFile<'_> {
    fn playbooks(&self) -> Result<Vec<Playbook>> {
        let table = DeTable::parse(self.text).map_err(|error| {
            let message = printable(error.message().trim().as_bytes()).into_owned();
            self.error(error.span().unwrap_or_default(), format!("this is not TOML: {message}"))
        })?;
        let mut known: Vec<String> = FIELDS.map(str::to_owned).to_vec();
        let mut playbooks: Vec<Playbook> = Vec::new();
        if let Some(fields) = table.get_ref().get("fields") {
            known.extend(self.texts("fields", fields)?);
        }
        for (name, value) in table.get_ref() {
            match name.get_ref().as_ref() {
                // A format is read by others (`AnyFormat::read`).
                "fields" | "format" => {}
                "playbook" => {
                    let Some(all) = value.get_ref().as_array() else {
                        return Err(self.error(name.span(), "write [[playbook]], with two brackets"));
                    };
                    for value in all.iter() {
                        let playbook = self.playbook(value, &known)?;
                        if playbooks.iter().any(|other| other.name == playbook.name) {
                            let sentence = format!(
                                "there are two playbooks `{}`; give each a name of its own",
                                playbook.name
                            );
                            return Err(self.error(self.place(value, "name"), sentence));
                        }
                        playbooks.push(playbook);
                    }
                }
                other => {
                    let sentence = format!(
                        "`{other}` means nothing here; write [[playbook]] before each playbook, and at the top \
                         fields = [\"…\"] for fields that your application adds to its events"
                    );
                    return Err(self.error(name.span(), sentence));
                }
            }
        }
        if playbooks.is_empty() {
            return Err(self.error(0..0, "there is no playbook; write [[playbook]], a name and a threshold"));
        }
        Ok(playbooks)
    }

    /// Where a playbook sentence something, or where it begins when it doesn't.
    fn place(&self, playbook: &TomlValue<'_>, field: &str) -> Range<usize> {
        let said = playbook.get_ref().as_table().and_then(|table| table.get(field));
        said.map_or(playbook.span(), Spanned::span)
    }

    fn playbook(&self, value: &TomlValue<'_>, known: &[String]) -> Result<Playbook> {
        let Some(table) = value.get_ref().as_table() else {
            return Err(self.error(value.span(), "write [[playbook]], and its fields below it"));
        };
        for name in table.keys() {
            let word = name.get_ref().as_ref();
            if !WORDS.contains(&word) {
                let sentence =
                    format!("a playbook has no `{word}`{}. It has {}", near(word, &WORDS), WORDS.join(", "));
                return Err(self.error(name.span(), sentence));
            }
        }
        let Some(name) = table.get("name") else {
            return Err(
                self.error(value.span(), "this playbook has no name; write name = \"too many requests\"")
            );
        };
        let name = self.text("name", name)?;
        let Some(threshold) = table.get("threshold") else {
            let sentence =
                format!("playbook `{name}` has no threshold; write how many are too many: threshold = 100");
            return Err(self.error(value.span(), sentence));
        };
        let mut playbook = Playbook::new(&name, self.threshold(threshold)?);
        if let Some(when) = table.get("when") {
            playbook.when = self.conditions("when", when, known)?;
        }
        if let Some(unless) = table.get("unless") {
            playbook.unless = self.conditions("unless", unless, known)?;
        }
        if let Some(key) = table.get("key") {
            playbook.key = self.texts("key", key)?;
            for field in &playbook.key {
                self.check_field(field, key.span(), known)?;
            }
        }
        if let Some(distinct) = table.get("distinct") {
            let field = self.text("distinct", distinct)?;
            self.check_field(&field, distinct.span(), known)?;
            playbook.distinct = Some(field);
        }
        for (field, time) in [
            ("window", &mut playbook.window),
            ("slide", &mut playbook.slide),
            ("cool_down", &mut playbook.cool_down),
        ] {
            if let Some(said) = table.get(field) {
                *time = self.duration(field, said)?;
            }
        }
        // A window shorter than the slide that nobody wrote: one after the other.
        if !table.contains_key("slide") && !playbook.window.is_zero() {
            let divides = playbook.window.as_nanos().is_multiple_of(playbook.slide.as_nanos());
            if playbook.slide > playbook.window || !divides {
                playbook.slide = playbook.window;
            }
        }
        playbook.response = self.response(table)?;
        playbook.check().map_err(|problem| self.error(self.place(value, problem.field), problem.sentence))?;
        Ok(playbook)
    }

    fn response(&self, table: &DeTable<'_>) -> Result<Response> {
        let block_for = table.get("block_for");
        let said = match table.get("response") {
            Some(response) => self.text("response", response)?,
            None if block_for.is_some() => "block".to_owned(),
            None => "notify".to_owned(),
        };
        let response = match said.as_str() {
            "monitor" => Response::Monitor,
            "notify" => Response::Notify,
            "block" => {
                let time = block_for.map_or(Ok(BLOCK_FOR), |time| self.duration("block_for", time))?;
                Response::Block(time)
            }
            other => {
                let at = table.get("response").map(Spanned::span).unwrap_or_default();
                let sentence =
                    format!("`response` is \"{other}\"; write \"monitor\", \"notify\" or \"block\"");
                return Err(self.error(at, sentence));
            }
        };
        match block_for {
            Some(time) if !matches!(response, Response::Block(_)) => {
                let sentence =
                    format!("`block_for` goes with response = \"block\", and this one sentence \"{said}\"");
                Err(self.error(time.span(), sentence))
            }
            _ => Ok(response),
        }
    }

    fn conditions(&self, name: &str, value: &TomlValue<'_>, known: &[String]) -> Result<Vec<Condition>> {
        let Some(table) = value.get_ref().as_table() else {
            let sentence =
                format!("`{name}` is a table; write {name} = {{ status = [401, 404], page = \"/login\" }}");
            return Err(self.error(value.span(), sentence));
        };
        let mut conditions = Vec::new();
        for (field, patterns) in table {
            self.check_field(field.get_ref(), field.span(), known)?;
            let patterns = self.texts(field.get_ref(), patterns)?;
            conditions.push(condition(field.get_ref(), &patterns));
        }
        Ok(conditions)
    }

    fn check_field(&self, field: &str, at: Range<usize>, known: &[String]) -> Result<()> {
        // Of a network's lengths, the playbook says what is wrong with them.
        if known.iter().any(|name| name == field) || field.starts_with("ip/") {
            return Ok(());
        }
        let names: Vec<&str> = known.iter().map(String::as_str).collect();
        let sentence = format!(
            "no event has a field `{field}`{}. They have {}. One that your application adds is declared at the top of \
             the file: fields = [\"{field}\"]",
            near(field, &names),
            names.join(", ")
        );
        Err(self.error(at, sentence))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Playbooks;

    #[test]
    fn a_whole_playbook_is_read() {
        let text = r#"
fields = ["tenant"]

[[playbook]]
name = "password guesser"
when = { page = "/login*", status = [401, "403"] }
unless = { user = "monitoring" }
key = ["ip", "tenant"]
threshold = 10
window = "2m"
slide = "30s"
response = "block"
block_for = "1h"
cool_down = "10m"

[[playbook]]
name = "crawler"
distinct = "page"
threshold = 1_000
"#;
        let seconds = Duration::from_secs;
        let wanted = [
            Playbook::new("password guesser", 10)
                .when("page", &["/login*"])
                .when("status", &["401", "403"])
                .unless("user", &["monitoring"])
                .key(&["ip", "tenant"])
                .window(seconds(120))
                .slide(seconds(30))
                .block_for(seconds(3_600))
                .cool_down(seconds(600)),
            Playbook::new("crawler", 1_000).distinct("page"),
        ];
        assert_eq!(parse("a", text).unwrap(), wanted);
    }

    #[test]
    fn those_that_come_along_are_read() {
        assert!(Playbooks::shipped().iter().count() >= 4);
    }

    /// Each with the line and a word of what to write.
    #[test]
    fn mistakes_are_sentences() {
        let head = "[[playbook]]\nname = \"a\"\nthreshold = 5\n";
        for (text, line, word) in [
            (String::new(), 1, "there is no playbook"),
            ("x = 1\n".into(), 1, "`x` means nothing here"),
            ("\n[playbook]\n".into(), 2, "two brackets"),
            ("[[playbook]]\nthreshold = 5\n".into(), 1, "has no name"),
            ("[[playbook]]\nname = 5\n".into(), 2, "a text in quotes"),
            ("[[playbook]]\nname = \"a\"\n".into(), 1, "has no threshold"),
            (
                "[[playbook]]\nname = \"a\"\nthreshold = -5\n".into(),
                3,
                "`threshold` is -5; write a whole number",
            ),
            ("[[playbook]]\nname = \"a\"\nthreshold = 0\n".into(), 3, "1 or more"),
            ("[[playbook]]\nname = \"a\"\nthreshold = 2.5\n".into(), 3, "is 2.5"),
            ("[[playbook]]\nname = \"a\"\nthreshold = \"many\"\n".into(), 3, "is \"many\""),
            ("[[playbook]]\nname = \"a\ntreshold = 5\n".into(), 2, "not TOML"),
            (format!("{head}treshold = 6\n"), 4, "did you mean `threshold`"),
            (format!("{head}colour = 6\n"), 4, "It has name, when, unless"),
            (format!("{head}window = \"0s\"\n"), 4, "a time longer than 0"),
            (format!("{head}window = 60\n"), 4, "window = \"60s\""),
            (format!("{head}window = \"1 minute\"\n"), 4, "ms, s, m or h"),
            (format!("{head}slide = \"7s\"\n"), 4, "not a whole number of slides"),
            (format!("{head}slide = \"2m\"\n"), 4, "write a slide that divides it"),
            (format!("{head}cool_down = \"-1s\"\n"), 4, "longer than 0"),
            (format!("{head}response = \"shout\"\n"), 4, "\"monitor\", \"notify\" or \"block\""),
            (
                format!("{head}response = \"notify\"\nblock_for = \"1m\"\n"),
                5,
                "goes with response = \"block\"",
            ),
            (format!("{head}key = \"page\"\nblock_for = \"1m\"\n"), 4, "the key has no \"ip\""),
            (format!("{head}key = []\n"), 4, "the key is empty"),
            (format!("{head}key = \"ip/129\"\n"), 4, "write ip/64, ip/24 or ip/24/64"),
            (format!("{head}key = \"ip/8\"\nblock_for = \"1m\"\n"), 4, "a network as large as `ip/8`"),
            (format!("{head}key = \"stauts\"\n"), 4, "did you mean `status`"),
            (format!("{head}distinct = \"tenant\"\n"), 4, "fields = [\"tenant\"]"),
            (format!("{head}when = \"status\"\n"), 4, "`when` is a table"),
            (format!("{head}when = {{ stauts = 404 }}\n"), 4, "did you mean `status`"),
            (format!("{head}when = {{ status = true }}\n"), 4, "`status` is true"),
            (format!("{head}\n{head}"), 6, "two playbooks `a`"),
        ] {
            let error = Playbooks::parse("mine.toml", &text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("mine.toml, line {line}: ")), "{text:?}: {error}");
            assert!(error.contains(word), "{text:?}: {error}");
        }
    }
}

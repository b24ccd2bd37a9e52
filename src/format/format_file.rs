//! Formats from TOML, with the line in every error.

use std::path::Path;

use toml::Spanned;
use toml::de::DeTable;

use super::format::AnyFormat;
use super::json_format::JsonFormat;
use super::known_forms::KnownForms;
use super::layouts;
use super::line_prefix::LinePrefix;
use super::log_format::LogFormat;
use crate::epoch::EpochUnit;
use crate::error::{Error, ErrorKind, Result};
use crate::text::{near, printable};
use crate::toml_values::{TomlFile, TomlValue};

/// What a `[format]` may say.
const WORDS: [&str; 10] =
    ["kind", "pattern", "variables", "key", "time", "epoch", "id", "fields", "behind", "trusted_proxies"];
const KINDS: [&str; 14] = [
    "known",
    "json",
    "nginx",
    "apache",
    "combined",
    "common",
    "vhost_combined",
    "alb",
    "elb",
    "caddy",
    "traefik",
    "nginx_json",
    "w3c",
    "log",
];

impl AnyFormat {
    /// Reads a format from the table `[format]` of a TOML file, which may be that of the playbooks.
    ///
    /// ```
    /// # use kinesis_lab::AnyFormat;
    /// # let file = std::env::temp_dir().join(format!("kinesis-lab-doc-format-{}.toml", std::process::id()));
    /// std::fs::write(&file, "[format]\nkind = \"json\"\nkey = \"client.addr\"\n")?;
    /// let format = AnyFormat::read(&file)?;
    /// # std::fs::remove_file(&file)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the file can't be read ([`ErrorKind::Io`](crate::ErrorKind::Io)), or says something that is not
    /// understood ([`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput)), with its line.
    pub fn read(path: impl AsRef<Path>) -> Result<AnyFormat> {
        let name = path.as_ref().display().to_string();
        let text = std::fs::read_to_string(path.as_ref()).map_err(|error| {
            Error::with_source(ErrorKind::Io, format!("the format in {name} can't be read: {error}"), error)
        })?;
        AnyFormat::parse(&name, &text)
    }

    /// The same from a text; `name` is what errors call it.
    ///
    /// ```
    /// # use kinesis_lab::AnyFormat;
    /// let json = AnyFormat::parse("json.toml", r#"
    ///     [format]
    ///     kind = "json"
    ///     key = "client.addr"                # or ["path", "status"]; without it, the partition key
    ///     time = "@timestamp"
    ///     epoch = "ms"                       # s, ms, us, ns; without it, told by the number's size
    ///     id = "requestId"
    ///     fields = { path = "http.path", status = "http.status" }
    /// "#)?;
    /// let log = AnyFormat::parse("log.toml", r#"
    ///     [format]
    ///     kind = "nginx"                     # or apache, combined, vhost_combined, alb, caddy, traefik, w3c, …
    ///     pattern = '$remote_addr - $tenant [$time_local] "$request" $status "$http_x_forwarded_for"'
    ///     variables = ["tenant"]             # those that your configuration makes
    ///     behind = "syslog"                  # or docker, compose, cri
    ///     trusted_proxies = ["10.0.0.0/8"]
    ///     key = ["ip", "tenant"]
    /// "#)?;
    /// let error = AnyFormat::parse("mine.toml", "[format]\nkind = \"jsno\"\n").unwrap_err();
    /// assert!(error.to_string().starts_with("mine.toml, line 2: there is no format `jsno` (did you mean `json`?)"));
    /// # Ok::<(), kinesis_lab::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput), with the line.
    pub fn parse(name: &str, text: &str) -> Result<AnyFormat> {
        let file = TomlFile { name, text };
        let table = DeTable::parse(text).map_err(|error| {
            let message = printable(error.message().trim().as_bytes()).into_owned();
            file.error(error.span().unwrap_or_default(), format!("this is not TOML: {message}"))
        })?;
        let Some(format) = table.get_ref().get("format") else {
            return Err(file.error(0..0, "there is no format; write [format] and kind = \"json\""));
        };
        match format.get_ref().as_table() {
            Some(table) => FormatTable { file, whole: format, table }.read(),
            None => Err(file.error(format.span(), "write [format], and what it says below it")),
        }
    }
}

struct FormatTable<'a> {
    file: TomlFile<'a>,
    whole: &'a TomlValue<'a>,
    table: &'a DeTable<'a>,
}

impl FormatTable<'_> {
    fn read(&self) -> Result<AnyFormat> {
        for name in self.table.keys() {
            let word = name.get_ref().as_ref();
            if !WORDS.contains(&word) {
                let near = near(word, &WORDS);
                let sentence = format!("a format has no `{word}`{near}. It has {}", WORDS.join(", "));
                return Err(self.file.error(name.span(), sentence));
            }
        }
        let kind = self.text("kind")?;
        match kind.as_deref() {
            Some("json") => self.json(),
            Some("known") => {
                self.only(&["kind"], "known")?;
                Ok(KnownForms.into())
            }
            Some(kind) if KINDS.contains(&kind) => self.log(kind),
            Some(kind) => {
                let sentence = format!(
                    "there is no format `{kind}`{}; it is one of {}",
                    near(kind, &KINDS),
                    KINDS.join(", ")
                );
                Err(self.error("kind", sentence))
            }
            None => {
                let sentence =
                    format!("this format has no kind; write kind = \"json\", or one of {}", KINDS.join(", "));
                Err(self.file.error(self.whole.span(), sentence))
            }
        }
    }

    fn json(&self) -> Result<AnyFormat> {
        self.only(&["kind", "key", "time", "epoch", "id", "fields", "behind"], "json")?;
        let mut format = JsonFormat::new();
        if let Some(key) = self.texts("key")? {
            format = format.key(&borrowed(&key));
        }
        if let Some(time) = self.text("time")? {
            format = format.time(&time);
        }
        if let Some(unit) = self.text("epoch")? {
            let sentence = || {
                self.error("epoch", format!("`epoch` is \"{unit}\"; write \"s\", \"ms\", \"us\" or \"ns\""))
            };
            format = format.epoch(EpochUnit::named(&unit).ok_or_else(sentence)?);
        }
        if let Some(id) = self.text("id")? {
            format = format.id(&id);
        }
        if let Some(fields) = self.table.get("fields") {
            let Some(table) = fields.get_ref().as_table() else {
                let sentence =
                    "`fields` is a table; write fields = { path = \"http.path\", status = \"http.status\" }";
                return Err(self.file.error(fields.span(), sentence));
            };
            for (name, path) in table {
                format = format.field(name.get_ref(), &self.file.text(name.get_ref(), path)?);
            }
        }
        if let Some(prefix) = self.prefix()? {
            format = format.behind(prefix);
        }
        Ok(format.into())
    }

    fn log(&self, kind: &str) -> Result<AnyFormat> {
        let pattern = self.text("pattern")?;
        let mut words = vec!["kind", "key", "id", "behind", "trusted_proxies"];
        match kind {
            "nginx" => words.extend(["pattern", "variables"]),
            "apache" | "w3c" | "log" => words.push("pattern"),
            _ => {}
        }
        self.only(&words, kind)?;
        let own = self.texts("variables")?.unwrap_or_default();
        let read = match (kind, &pattern) {
            ("w3c", None) => Ok(LogFormat::w3c()),
            ("w3c", Some(fields)) => LogFormat::w3c_with(fields),
            ("nginx", Some(pattern)) => LogFormat::nginx_with(pattern, &borrowed(&own)),
            ("apache", Some(pattern)) => LogFormat::apache(pattern),
            ("log", Some(pattern)) => pattern.parse(),
            ("nginx" | "apache" | "log", None) => {
                let sentence = format!(
                    "a format of kind \"{kind}\" has a pattern; write the line of your server's configuration: pattern = '…'"
                );
                return Err(self.error("kind", sentence));
            }
            (name, _) => layouts::named(name).ok_or_else(|| Error::invalid(name)),
        };
        let mut format = read.map_err(|error| self.error("pattern", error))?;
        if let Some(key) = self.texts("key")? {
            format = format.key(&borrowed(&key));
        }
        if let Some(id) = self.text("id")? {
            format = format.id(&id);
        }
        if let Some(prefix) = self.prefix()? {
            format = format.behind(prefix);
        }
        if let Some(proxies) = self.texts("trusted_proxies")? {
            format = format
                .trusted_proxies(&borrowed(&proxies))
                .map_err(|error| self.error("trusted_proxies", error))?;
        }
        Ok(format.into())
    }

    fn prefix(&self) -> Result<Option<LinePrefix>> {
        let name = self.text("behind")?;
        name.map(|name| name.parse().map_err(|error: Error| self.error("behind", error))).transpose()
    }

    /// What another kind has would be said in vain.
    fn only(&self, words: &[&str], kind: &str) -> Result<()> {
        match self.table.keys().find(|name| !words.contains(&name.get_ref().as_ref())) {
            None => Ok(()),
            Some(name) => {
                let word = name.get_ref();
                let sentence =
                    format!("a format of kind \"{kind}\" has no `{word}`; it has {}", words.join(", "));
                Err(self.file.error(name.span(), sentence))
            }
        }
    }

    fn text(&self, name: &str) -> Result<Option<String>> {
        let said = self.table.get(name).map(|value| self.file.text(name, value)).transpose()?;
        match said {
            Some(text) if text.trim().is_empty() => {
                Err(self.error(name, format!("`{name}` is empty; write a text, or leave it out")))
            }
            other => Ok(other),
        }
    }

    fn texts(&self, name: &str) -> Result<Option<Vec<String>>> {
        let said = self.table.get(name).map(|value| self.file.texts(name, value)).transpose()?;
        match said {
            Some(texts) if texts.is_empty() || texts.iter().any(|text| text.trim().is_empty()) => {
                Err(self.error(name, format!("`{name}` is empty; write at least one text, or leave it out")))
            }
            other => Ok(other),
        }
    }

    fn error(&self, name: &str, sentence: impl std::fmt::Display) -> Error {
        let at = self.table.get(name).map_or(self.whole.span(), Spanned::span);
        self.file.error(at, sentence)
    }
}

fn borrowed(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Record;
    use crate::timestamp::Timestamp;

    /// Each with the line and a word of what to write.
    #[test]
    fn mistakes_are_sentences() {
        for (text, line, word) in [
            ("", 1, "write [format]"),
            ("format = 5", 1, "write [format]"),
            ("[format]\n", 1, "has no kind"),
            ("[format]\nkind = 5\n", 2, "a text in quotes"),
            ("[format]\nkind = \"xml\"\n", 2, "there is no format `xml`"),
            ("[format]\nkind = \"json\"\nkye = \"a\"\n", 3, "did you mean `key`"),
            ("[format]\nkind = \"json\"\npattern = \"a\"\n", 3, "kind \"json\" has no `pattern`"),
            ("[format]\nkind = \"json\"\nepoch = \"min\"\n", 3, "\"ms\", \"us\""),
            ("[format]\nkind = \"json\"\nkey = []\n", 3, "`key` is empty"),
            ("[format]\nkind = \"json\"\ntime = \" \"\n", 3, "`time` is empty"),
            ("[format]\nkind = \"json\"\nfields = \"a\"\n", 3, "fields = { path ="),
            ("[format]\nkind = \"nginx\"\n", 2, "pattern = '…'"),
            (
                "[format]\nkind = \"nginx\"\npattern = '$remote_adr [$time_local]'\n",
                3,
                "did you mean `$remote_addr`",
            ),
            ("[format]\nkind = \"apache\"\n\npattern = '%h %Q %t'\n", 4, "no directive `%Q`"),
            ("[format]\nkind = \"json\"\nbehind = \"k8s\"\n", 3, "syslog, docker, compose, cri"),
            ("[format]\nkind = \"alb\"\nbehind = \"rsyslog\"\n", 3, "syslog, docker, compose, cri"),
            ("[format]\nkind = \"combined\"\ntrusted_proxies = [\"10.0.0.0/8\"]\n", 3, "no X-Forwarded-For"),
            (
                "[format]\nkind = \"caddy\"\ntrusted_proxies = [\"proxy\"]\n",
                3,
                "`proxy` is no proxy's address",
            ),
            ("[format]\nkind = \"known\"\nkey = \"a\"\n", 3, "kind \"known\" has no `key`"),
            ("[format\n", 1, "not TOML"),
        ] {
            let error = AnyFormat::parse("mine.toml", text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("mine.toml, line {line}: ")), "{text:?}: {error}");
            assert!(error.contains(word), "{text:?}: {error}");
        }
    }

    #[test]
    fn each_kind_is_read() {
        for kind in KINDS {
            let pattern = match kind {
                "nginx" | "log" => "pattern = '$remote_addr [$time_local]'",
                "apache" => "pattern = '%h %t'",
                _ => "",
            };
            AnyFormat::parse("a", &format!("[format]\nkind = \"{kind}\"\n{pattern}\n")).unwrap();
        }
    }

    #[test]
    fn beside_playbooks_it_is_read_too() {
        let text = "[format]\nkind = \"json\"\nkey = [\"a.b\", \"c\"]\nepoch = \"s\"\n\n\
                    [[playbook]]\nname = \"a\"\nthreshold = 5\n";
        let format = AnyFormat::parse("a", text).unwrap();
        let record = Record::new("k", r#"{"a":{"b":"x"},"c":7,"time":5}"#, "1", Timestamp::MIN);
        let event = format.events(&record).remove(0).unwrap();
        assert_eq!((event.key.raw(), event.time), ("x 7", Timestamp::from_secs(5)));
    }
}

//! `xtask/words/accepted.txt`: what the checkers of texts take for wrong, and is right here.

use anyhow::{Result, bail};

/// What the file holds.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Accepted {
    /// That no dictionary has.
    pub(crate) words: Vec<String>,
    /// Sentences' parts, in which a finding is none.
    pub(crate) phrases: Vec<String>,
    /// harper.js's, which are not ours.
    pub(crate) off: Vec<String>,
}

/// Reads it: sections in brackets, `#` before remarks.
pub(crate) fn read(text: &str) -> Result<Accepted> {
    let mut accepted = Accepted::default();
    let mut section = "";
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if line.starts_with('[') && line.ends_with(']') {
            section = line;
            continue;
        }
        // A remark may stand behind a rule and says why it is off.
        let entry = || line.split(" #").next().unwrap_or_default().trim().to_owned();
        match section {
            "[words]" => accepted.words.extend(line.split_whitespace().map(str::to_owned)),
            "[phrases]" => accepted.phrases.push(entry()),
            "[rules]" => accepted.off.push(entry()),
            _ => bail!("xtask/words/accepted.txt: `{line}` stands in no section"),
        }
    }
    Ok(accepted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read_by_its_sections() {
        let text = "# Top.\n[words]\nKinesis reshard\nevcxr\n[phrases]\nnobody new\n[rules]\nOxfordComma  # British\n";
        let strings = |all: &[&str]| all.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let accepted = read(text).unwrap();
        assert_eq!(accepted.words, strings(&["Kinesis", "reshard", "evcxr"]));
        assert_eq!((accepted.phrases, accepted.off), (strings(&["nobody new"]), strings(&["OxfordComma"])));
        assert!(read("Kinesis").is_err());
    }
}

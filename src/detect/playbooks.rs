//! [`Playbooks`]: several playbooks, each of a name of its own.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use super::playbook::{Playbook, WINDOW};
#[cfg(feature = "playbooks")]
use super::playbook_file;
use crate::error::{Error, Result};
use crate::text::shorten;

/// Several playbooks, each of a name of its own.
///
/// ```
/// use kinesis_lab::{Playbook, Playbooks};
///
/// let mine = Playbooks::new(vec![Playbook::new("too many requests", 300)])?;
/// assert_eq!(mine.iter().count(), 1);
/// # Ok::<(), kinesis_lab::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Playbooks(Vec<Playbook>);

impl Playbooks {
    /// Playbooks built in code.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for a window of 0, a slide that does not
    /// divide it, a threshold of 0, a block without an `ip`, two of one name: a sentence that says what to
    /// write.
    pub fn new(playbooks: Vec<Playbook>) -> Result<Playbooks> {
        let mut names = BTreeSet::new();
        for playbook in &playbooks {
            let refused =
                |what: &str| Error::invalid(format!("playbook `{}`: {what}", shorten(&playbook.name, 80)));
            playbook.check().map_err(|problem| refused(&problem.sentence))?;
            if !names.insert(playbook.name.as_str()) {
                return Err(refused("there are two of this name; give each its own"));
            }
        }
        Ok(Playbooks(playbooks))
    }

    /// Reads playbooks from a TOML file; [`Playbooks::shipped`] is one to begin with.
    ///
    /// ```
    /// # use kinesis_lab::Playbooks;
    /// # let file = std::env::temp_dir().join(format!("kinesis-lab-doc-books-{}.toml", std::process::id()));
    /// std::fs::write(&file, "[[playbook]]\nname = \"busy\"\nthreshold = 300\nwindow = \"60s\"\n")?;
    /// assert_eq!(Playbooks::read(&file)?.to_string(), "busy: 300 events of one ip in 60 s, every 10 s: notify");
    /// assert_eq!(Playbooks::shipped().iter().count(), 5);
    /// # std::fs::remove_file(&file)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A sentence that names the file, the line and what to write there.
    #[cfg(feature = "playbooks")]
    pub fn read(path: impl AsRef<std::path::Path>) -> Result<Playbooks> {
        Ok(Playbooks(playbook_file::read(path.as_ref())?))
    }

    /// Reads playbooks from TOML text; `name` stands for the file in errors.
    ///
    /// ```
    /// # use kinesis_lab::Playbooks;
    /// let error = Playbooks::parse("mine.toml", "[[playbook]]\nname = \"a\"\nthreshold = -5\n").unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "mine.toml, line 3: `threshold` is -5; write a whole number, 1 or more: threshold = 100"
    /// );
    /// ```
    ///
    /// # Errors
    /// As [`read`](Playbooks::read).
    #[cfg(feature = "playbooks")]
    pub fn parse(name: &str, text: &str) -> Result<Playbooks> {
        Ok(Playbooks(playbook_file::parse(name, text)?))
    }

    /// The playbooks that come along, `data/playbooks.toml`: too many requests, one page too often, guessed
    /// passwords, missing pages, too many different pages.
    ///
    /// # Panics
    /// Never: a test reads them.
    #[cfg(feature = "playbooks")]
    pub fn shipped() -> Playbooks {
        Playbooks::parse("data/playbooks.toml", include_str!("../../data/playbooks.toml"))
            .expect("a test of this crate reads them")
    }

    /// Each of them, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Playbook> {
        self.0.iter()
    }

    /// The longest window.
    pub(crate) fn longest_window(&self) -> Duration {
        self.iter().map(|playbook| playbook.window).max().unwrap_or(WINDOW)
    }
}

/// A line a playbook.
impl fmt::Display for Playbooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, playbook) in self.iter().enumerate() {
            let line = if n == 0 { "" } else { "\n" };
            write!(f, "{line}{playbook}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_code_too_a_mistake_is_a_sentence() {
        let sentence = |playbook: Playbook| Playbooks::new(vec![playbook]).unwrap_err().to_string();
        let (zero, seconds) = (Duration::ZERO, Duration::from_secs);
        for (playbook, word) in [
            (Playbook::new(" ", 1), "has a name"),
            (Playbook::new(&"a".repeat(201), 1), "longer than 200 characters"),
            (Playbook::new("a", 0), "threshold is 0"),
            (Playbook::new("a", 1).window(zero), "window is 0"),
            (Playbook::new("a", 1).slide(zero), "slide is 0"),
            (Playbook::new("a", 1).slide(seconds(7)), "(60 s) is not a whole number of slides (7 s)"),
            (Playbook::new("a", 1).slide(seconds(120)), "not a whole number"),
            (Playbook::new("a", 1).window(seconds(3_600)).slide(seconds(1)), "more than 600 slides"),
            (Playbook::new("a", 1).key(&[]), "key is empty"),
            (Playbook::new("a", 1).key(&["page"]).block_for(seconds(1)), "no \"ip\""),
            (Playbook::new("a", 1).block_for(zero), "for no time"),
        ] {
            assert!(sentence(playbook.clone()).contains(word), "{}", sentence(playbook));
        }
        let two = Playbooks::new(vec![Playbook::new("a", 1), Playbook::new("a", 2)]);
        assert!(two.unwrap_err().to_string().contains("two of this name"));
    }
}

//! [`Cause`]: what lies behind an error of a call, fit to be shown.

use std::error::Error as StdError;
use std::fmt;

use crate::text::printable;

/// The SDK's errors, from the outermost inwards, as one line.
///
/// Not the errors themselves: their `Debug` prints the service's whole answer, and some answers quote
/// the request (AWS's `InvalidSignatureException` does, with the session token; so do error pages of
/// proxies). `fn main() -> Result<…>` and anyhow print the sources of an error.
pub(crate) struct Cause(String);

impl Cause {
    pub(crate) fn of(error: &(dyn StdError + 'static)) -> Cause {
        let mut words = error.to_string();
        let mut next = error.source();
        while let Some(error) = next {
            words = format!("{words}: {error}");
            next = error.source();
        }
        Cause::said(&words)
    }

    pub(crate) fn said(words: &str) -> Cause {
        let words = without_credentials(words);
        // aws-config adds all that a profile's `credential_process` wrote there.
        Cause(match words.split_once("Stderr:") {
            Some((before, _)) => format!("{before}(what it said is not shown: run it by hand)"),
            None => words.to_owned(),
        })
    }

    pub(crate) fn contains(&self, word: &str) -> bool {
        self.0.contains(word)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(self.0.as_bytes()))
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl StdError for Cause {}

/// The words, unless they quote the head of a signed request or a set of credentials.
pub(crate) fn without_credentials(words: &str) -> &str {
    // Names that AWS gives to them; the values alone have no form that could be told from other text.
    const NAMES: [&str; 8] = [
        "x-amz-security-token",
        "authorization",
        "credential=",
        "signature=",
        "accesskeyid",
        "secretaccesskey",
        "sessiontoken",
        "aws_secret_access_key",
    ];
    let small = words.to_ascii_lowercase();
    match NAMES.iter().any(|name| small.contains(name)) {
        true => "(not shown, because it quotes the request's credentials)",
        false => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_quotes_a_signed_request_is_not_shown() {
        let said = "The Canonical String should have been 'POST\n/\n\nX-Amz-Security-Token:IQoJ…'";
        assert!(Cause::said(said).to_string().starts_with("(not shown"));
        let plain = "Rate exceeded for shard shardId-000000000000";
        assert_eq!(without_credentials(plain), plain);
    }

    #[test]
    fn a_chain_is_one_line() {
        let inner = std::io::Error::other("connection\nrefused");
        let outer = std::io::Error::other(crate::error::Error::from(inner));
        assert!(Cause::of(&outer).to_string().contains(r"connection\nrefused"));
    }
}

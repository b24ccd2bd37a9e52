//! [`Pattern`]: a text in which `*` stands for anything.

/// A text in which `*` stands for anything, also nothing. All else stands for itself.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Pattern(String);

impl Pattern {
    pub(crate) fn new(pattern: &str) -> Pattern {
        Pattern(pattern.to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// In time proportional to the text's length: each piece is looked for once, from left to right.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let mut pieces = self.0.split('*');
        let first = pieces.next().unwrap_or_default();
        let Some(mut rest) = text.strip_prefix(first) else { return false };
        let Some(last) = pieces.next_back() else { return rest.is_empty() };
        for piece in pieces {
            match rest.find(piece) {
                Some(at) => rest = &rest[at + piece.len()..],
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

impl std::fmt::Debug for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_is_anything() {
        for (pattern, text, matches) in [
            ("", "", true),
            ("", "a", false),
            ("a", "a", true),
            ("*", "", true),
            ("4*", "404", true),
            ("4*", "504", false),
            ("*.php", "/wp-login.php", true),
            ("/a*b*c", "/a-b-b-c", true),
            ("/a*b*c", "/a-c-b", false),
            ("ab*ba", "aba", false),
            ("a**b", "ab", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(text), matches, "{pattern} {text}");
        }
    }

    /// What the words say, by trying all ways.
    fn by_trial(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|n| by_trial(rest, &text[n..])),
            Some((c, rest)) => text.first() == Some(c) && by_trial(rest, &text[1..]),
        }
    }

    proptest! {
        // 2,000 cases of two letters: matches and near misses are both common then.
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn it_matches_what_the_words_say(pattern in "[ab*]{0,6}", text in "[ab]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(Pattern::new(&pattern).matches(&text), by_trial(&chars(&pattern), &chars(&text)));
        }
    }
}

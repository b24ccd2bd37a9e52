//! Texts of strangers as PostgreSQL takes them. Pure.
//!
//! A column of text holds any text but the character NUL, and an index takes about 2,700 bytes of it. A key can be
//! both: who may write to a stream must not be able to stop its counter.

use std::borrow::Cow;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// The last of Unicode's characters, which is none and stands in no honest text. What follows says what is meant.
const ESCAPE: char = '\u{10ffff}';
/// The longest text in an index, and what is left of a longer one, in bytes.
const LONGEST: usize = 1_000;
const BEGINNING: usize = 900;

/// As a column takes it: another text for each text.
pub(super) fn stored(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', ESCAPE]) {
        return Cow::Borrowed(text);
    }
    let mut stored = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\0' => stored.extend([ESCAPE, '0']),
            ESCAPE => stored.extend([ESCAPE, '1']),
            c => stored.push(c),
        }
    }
    Cow::Owned(stored)
}

/// And back.
pub(super) fn read(stored: String) -> String {
    if !stored.contains(ESCAPE) {
        return stored;
    }
    let mut text = String::with_capacity(stored.len());
    let mut characters = stored.chars();
    while let Some(c) = characters.next() {
        match c {
            ESCAPE => text.push(if characters.next() == Some('0') { '\0' } else { ESCAPE }),
            c => text.push(c),
        }
    }
    text
}

/// As an index takes it; of a text that is too long for that, the beginning and the hash, and beside it the whole.
pub(super) fn indexed(text: &str) -> (Cow<'_, str>, Option<Cow<'_, str>>) {
    let whole = stored(text);
    if whole.len() <= LONGEST {
        return (whole, None);
    }
    let mut short = whole[..whole.floor_char_boundary(BEGINNING)].to_owned();
    // No text is stored like this: what `stored` writes behind an ESCAPE is a 0 or a 1.
    short.extend([ESCAPE, '2']);
    for byte in Sha256::digest(whole.as_bytes()) {
        // Writing to a String cannot fail.
        let _ = write!(short, "{byte:02x}");
    }
    (Cow::Owned(short), Some(whole))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_no_column_takes_goes_in_and_comes_back() {
        for text in ["192.0.2.10", "", "\0", "a\0b\0", "\u{10ffff}", "\u{10ffff}0", "\u{10ffff}\0 1"] {
            let column = stored(text);
            assert!(!column.contains('\0'));
            assert_eq!(read(column.into_owned()), text);
        }
        assert!(matches!(stored("192.0.2.10"), Cow::Borrowed(_)));
    }

    #[test]
    fn two_texts_are_two_in_the_index_however_long_they_are() {
        let (a, b) = ("ä".repeat(700) + "a", "ä".repeat(700) + "b");
        let ((short_a, rest_a), (short_b, _)) = (indexed(&a), indexed(&b));
        assert_ne!(short_a, short_b);
        assert!(short_a.len() <= LONGEST && short_b.len() <= LONGEST);
        assert_eq!(read(rest_a.unwrap().into_owned()), a);
        // Somebody who knows how they are made makes one.
        let (forged, rest) = indexed(&short_a);
        assert_ne!(forged, short_a);
        assert_eq!(rest, None);
        assert_eq!(indexed(&"k".repeat(LONGEST)).1, None);
    }

    proptest! {
        #[test]
        fn any_two_texts_stay_two(a in "[ab\\x00\u{10ffff}012]{0,9}", b in "[ab\\x00\u{10ffff}012]{0,9}") {
            prop_assert_eq!(a == b, stored(&a) == stored(&b));
            prop_assert_eq!(read(stored(&a).into_owned()), a);
        }
    }
}

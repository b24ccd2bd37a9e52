//! [`push_part`]: a key of several parts as one text. [`bounded_key`]: a key of any length as one that is short enough
//! to be kept, shown and sent. Pure.

use std::borrow::Cow;

use md5::{Digest, Md5};

/// In bytes: what a partition key may have in characters, so that an alert's key can be one wherever either is
/// counted.
pub(super) const LONGEST_KEY: usize = 256;
/// What is left of a longer one beside its mark (`…`) and its hash.
const BEGINNING: usize = LONGEST_KEY - '…'.len_utf8() - 32;

/// The key itself, up to 256 bytes. Of a longer one the first 221, `…`, and the MD5 hash of the whole
/// in 32 hexadecimal digits: two that differ anywhere stay two, and a stranger who sends half a megabyte takes
/// no more room than anybody else.
pub(super) fn bounded_key(key: &str) -> Cow<'_, str> {
    if key.len() <= LONGEST_KEY {
        return Cow::Borrowed(key);
    }
    let end = key.floor_char_boundary(BEGINNING);
    Cow::Owned(format!("{}…{}", &key[..end], hex(&Md5::digest(key.as_bytes()))))
}

/// Adds a part of a key of several, behind a space. So that no two lists of parts are the same key, a space in a part
/// is `\x20`, and a backslash `\\`: whoever puts a space into a path must not have his requests counted as another's.
///
/// A database from before this was so has other keys for such parts: they are counted anew, once.
pub(super) fn push_part(key: &mut String, n: usize, part: &str) {
    if n > 0 {
        key.push(' ');
    }
    for c in part.chars() {
        match c {
            ' ' => key.push_str(r"\x20"),
            '\\' => key.push_str(r"\\"),
            c => key.push(c),
        }
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        // 2,000 cases: of letters that matter, so that parts run into each other often.
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2_000))]

        /// `a b` and `c` were the same key as `a` and `b c`.
        #[test]
        fn no_two_lists_of_parts_are_one_key(
            one in proptest::collection::vec("[ax2\\\\ ]{0,4}", 2..4),
            other in proptest::collection::vec("[ax2\\\\ ]{0,4}", 2..4),
        ) {
            let key = |parts: &[String]| {
                let mut key = String::new();
                parts.iter().enumerate().for_each(|(n, part)| push_part(&mut key, n, part));
                key
            };
            proptest::prop_assert_eq!(key(&one) == key(&other), one == other);
        }
    }

    #[test]
    fn parts_without_spaces_stay_as_they_are() {
        let mut key = String::new();
        for (n, part) in ["192.0.2.7", "/wp-login.php", r"a b\"].into_iter().enumerate() {
            push_part(&mut key, n, part);
        }
        assert_eq!(key, r"192.0.2.7 /wp-login.php a\x20b\\");
    }

    #[test]
    fn what_is_long_is_cut_and_stays_itself() {
        for short in ["", "192.0.2.7", &"é".repeat(128)] {
            assert!(matches!(bounded_key(short), Cow::Borrowed(same) if same == short));
        }
        let long = "é".repeat(100_000);
        let (one, other) = (bounded_key(&long), format!("{long}x"));
        let other = bounded_key(&other);
        assert_ne!(one, other);
        for key in [&one, &other] {
            assert!(key.len() <= LONGEST_KEY);
            assert!(key.starts_with(&format!("{}…", "é".repeat(110))));
            assert_eq!(bounded_key(key), **key);
        }
    }
}

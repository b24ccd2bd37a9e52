//! [`bounded_key`]: a key of any length as one that is short enough to be kept, shown and sent. Pure.

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

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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

//! [`push_part`]: a key of several parts as one text. Pure.

/// Adds the `n`th part of a key, counted from 0. The only one stands as it is, one of several behind a space; so that
/// no two lists of parts are the same key, a space in one of several is `\x20`, and a backslash `\\`: whoever puts a
/// space into a path must not have his requests counted as another's.
///
/// A database from before this was so has other keys for such parts: they are counted anew, once.
pub(crate) fn push_part(key: &mut String, n: usize, of: usize, part: &str) {
    if of == 1 {
        return key.push_str(part);
    }
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
                parts.iter().enumerate().for_each(|(n, part)| push_part(&mut key, n, parts.len(), part));
                key
            };
            proptest::prop_assert_eq!(key(&one) == key(&other), one == other);
        }
    }

    #[test]
    fn parts_without_spaces_stay_as_they_are() {
        let mut key = String::new();
        for (n, part) in ["192.0.2.7", "/wp-login.php", r"a b\"].into_iter().enumerate() {
            push_part(&mut key, n, 3, part);
        }
        assert_eq!(key, r"192.0.2.7 /wp-login.php a\x20b\\");
        let mut alone = String::new();
        push_part(&mut alone, 0, 1, r"a b\");
        assert_eq!(alone, r"a b\");
    }
}

//! Reads JSON as nearly all events are written: one object of texts without escapes, numbers and words. Pure.
//!
//! What is anything else, valid or not, is left to serde_json: each `None` here means that. What is read here is
//! what serde_json reads (its tests hold the two equal).

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// What a member says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Member<'a> {
    /// A text, without its quotes.
    Text(&'a str),
    /// A number or a word, as it is written.
    Bare(&'a str),
    /// An object like the whole, with its braces; it has no other in it.
    Object(&'a str),
}

/// Calls `member` with the name and the value of each, in their order. Nothing may follow the object.
#[inline]
pub(super) fn members<'a>(json: &'a str, member: impl FnMut(&'a str, Member<'a>)) -> Option<()> {
    (object(json, 0, true, member)? == json.len()).then_some(())
}

/// Gives where the object ends that begins at `at`.
#[inline]
fn object<'a>(
    json: &'a str,
    at: usize,
    outermost: bool,
    mut member: impl FnMut(&'a str, Member<'a>),
) -> Option<usize> {
    let bytes = json.as_bytes();
    if bytes.get(at) != Some(&b'{') {
        return None;
    }
    let mut at = blanks(bytes, at + 1);
    if bytes.get(at) == Some(&b'}') {
        return Some(at + 1);
    }
    loop {
        let (name, end) = text(json, at)?;
        at = blanks(bytes, end);
        if bytes.get(at) != Some(&b':') {
            return None;
        }
        at = blanks(bytes, at + 1);
        let (value, end) = match bytes.get(at)? {
            b'"' => {
                let (text, end) = text(json, at)?;
                (Member::Text(text), end)
            }
            b'{' if outermost => {
                let end = nested(json, at)?;
                (Member::Object(&json[at..end]), end)
            }
            _ => {
                let end = at + bare(&bytes[at..])?;
                (Member::Bare(&json[at..end]), end)
            }
        };
        member(name, value);
        at = blanks(bytes, end);
        match bytes.get(at)? {
            b',' => at = blanks(bytes, at + 1),
            b'}' => return Some(at + 1),
            _ => return None,
        }
    }
}

fn nested(json: &str, at: usize) -> Option<usize> {
    object(json, at, false, |_, _| {})
}

#[inline]
fn blanks(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

/// The text that begins with the quote at `at`, and where its closing quote has been passed.
#[inline]
fn text(json: &str, at: usize) -> Option<(&str, usize)> {
    let inner = json.get(at..)?.strip_prefix('"')?;
    let end = special(inner.as_bytes())?;
    (inner.as_bytes()[end] == b'"').then(|| (&inner[..end], at + end + 2))
}

/// The place of the first quote, backslash or control character, eight bytes at a time.
#[inline]
fn special(text: &[u8]) -> Option<usize> {
    // A zero byte gives its high bit, the first one surely; what it borrows from may be told as well.
    let zeros = |bytes: u64| bytes.wrapping_sub(ONES) & !bytes & HIGH;
    let mut at = 0;
    while let Some(eight) = text.get(at..).and_then(<[u8]>::first_chunk) {
        let eight = u64::from_le_bytes(*eight);
        let found = zeros(eight ^ (ONES * u64::from(b'"')))
            | zeros(eight ^ (ONES * u64::from(b'\\')))
            | eight.wrapping_sub(ONES * u64::from(b' ')) & !eight & HIGH;
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let is_it = |b: &u8| matches!(b, b'"' | b'\\') || *b < b' ';
    Some(at + text[at..].iter().position(is_it)?)
}

/// How long the word or the number is that the text begins with. What follows it is the caller's to look at.
#[inline]
fn bare(text: &[u8]) -> Option<usize> {
    for word in [&b"true"[..], b"false", b"null"] {
        if text.starts_with(word) {
            return Some(word.len());
        }
    }
    let digits = |from: usize| text[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let begin = usize::from(text.first() == Some(&b'-'));
    let whole = digits(begin);
    if whole == 0 || (whole > 1 && text[begin] == b'0') {
        return None;
    }
    let end = begin + whole;
    match text.get(end) {
        Some(b'.') => match digits(end + 1) {
            0 => None,
            decimals => Some(end + 1 + decimals),
        },
        _ => Some(end),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;

    /// What is read here is what serde_json reads; gives whether anything was.
    fn check(json: &str) -> Result<bool, TestCaseError> {
        let mut found = BTreeMap::new();
        let Some(()) = members(json, |name, value| {
            found.insert(name.to_owned(), value);
        }) else {
            return Ok(false);
        };
        let theirs: Result<BTreeMap<String, &RawValue>, _> = serde_json::from_str(json);
        prop_assert!(theirs.is_ok(), "{json}: {theirs:?}");
        let theirs = theirs.unwrap();
        prop_assert_eq!(theirs.len(), found.len(), "{}", json);
        for (name, value) in found {
            let raw = theirs[&name].get();
            match value {
                Member::Text(text) => {
                    let theirs: String = serde_json::from_str(raw).unwrap();
                    prop_assert_eq!(theirs, text);
                }
                Member::Bare(text) => prop_assert_eq!(raw, text),
                Member::Object(text) => {
                    prop_assert_eq!(raw, text);
                    prop_assert!(
                        members(text, |_, value| assert!(!matches!(value, Member::Object(_)))).is_some()
                    );
                }
            }
        }
        Ok(true)
    }

    #[test]
    fn what_events_look_like_is_read_and_the_rest_is_left() {
        for json in [
            "{}",
            r#"{ "a" : 1 , "b":"x","c":-0.50,"d":true,"e":null, "f": {"g":"h", "i": 7} }"#,
            "{\n\t\"time\": \"2018-09-06T08:04:56Z\"\r\n}",
            r#"{"é":"東京","":""}"#,
            r#"{"a":1,"a":2}"#,
        ] {
            assert!(check(json).unwrap(), "{json}");
        }
        for json in [
            "",
            "{",
            "[]",
            r#"{"a":1}x"#,
            r#"{"a":1,}"#,
            r#"{,"a":1}"#,
            r#"{"a" 1}"#,
            r#"{"a":01}"#,
            r#"{"a":1.}"#,
            r#"{"a":.5}"#,
            r#"{"a":-}"#,
            r#"{"a":1e5}"#,
            r#"{"a":+1}"#,
            r#"{"a":truex}"#,
            r#"{"a":nul}"#,
            r#"{"a":"\n"}"#,
            "{\"a\":\"\n\"}",
            r#"{"a":"b}"#,
            r#"{"a":[1]}"#,
            r#"{"a":{"b":{}}}"#,
            r#"{"a":{"b":1}"#,
            r#"{a:1}"#,
        ] {
            assert!(!check(json).unwrap(), "{json}");
        }
    }

    proptest! {
        // 4,096 cases, a second of them: members of every kind, valid ones and nearly valid ones.
        #![proptest_config(ProptestConfig::with_cases(4_096))]
        #[test]
        fn it_is_what_serde_json_says(
            members in proptest::collection::vec((
                prop::sample::select(vec!["time", "ip", "id", "origin", "a", "", "\u{e9}", "\\u0069p"]),
                prop_oneof![
                    "\"[ -~\u{e9}]{0,20}\"",
                    "-?[0-9]{1,20}(\\.[0-9]{0,3})?(e[0-9]{1,3})?",
                    "true|false|null|tru|\\[\\]|\\{\\}|01|-0|\\{\"a\":\\{\\}\\}|\\{\"a\":\"b\",\"c\":7\\}",
                ],
            ), 0..8),
            blank in "[ ]{0,2}|\n|\t|\r|\u{c}|\u{a0}",
            (place, byte) in (any::<prop::sample::Index>(), prop::option::weighted(0.3, 0u8..128)),
        ) {
            let members: Vec<String> = members.iter().map(|(n, v)| format!("\"{n}\"{blank}:{blank}{v}")).collect();
            let mut json = format!("{{{blank}{}}}", members.join(&format!("{blank},"))).into_bytes();
            if let Some(byte) = byte {
                let at = place.index(json.len());
                json[at] = byte;
            }
            if let Ok(json) = str::from_utf8(&json) {
                check(json)?;
            }
        }

        #[test]
        fn the_first_special_byte_is_found(
            bytes in proptest::collection::vec(
                prop_oneof![8 => any::<u8>(), 1 => Just(b'"'), 1 => Just(b'\\'), 1 => Just(b'!'), 1 => Just(0x1f)], 0..40
            ),
        ) {
            let by_hand = bytes.iter().position(|b| matches!(b, b'"' | b'\\') || *b < 0x20);
            prop_assert_eq!(special(&bytes), by_hand);
        }
    }
}

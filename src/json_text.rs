//! [`json_text`]: JSON as a text, whatever characters strangers put into it. Pure.

use std::borrow::Cow;

/// The JSON with `U+FFFD` in place of what is no character: bytes that are no UTF-8, and halves of a surrogate pair
/// (`\ud83d` alone).
///
/// Who writes JSON about a request writes what the client sent. nginx' `escape=json` leaves bytes as they are, and
/// JavaScript's strings may end in half a character: refused, such a line would be one that its client has hidden.
pub(crate) fn json_text(data: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(data);
    // Few have such an escape at all.
    let whole = if text.contains("\\u") { with_whole_characters(&text) } else { None };
    whole.map_or(text, Cow::Owned)
}

/// `None` when there are no others.
fn with_whole_characters(text: &str) -> Option<String> {
    let (mut whole, mut copied, mut at) = (String::new(), 0, 0);
    while let Some(backslash) = text[at..].find('\\') {
        at += backslash;
        let length = match (escaped(text, at), escaped(text, at + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                whole.push_str(&text[copied..at]);
                whole.push_str("\\ufffd");
                copied = at + 6;
                6
            }
            (Some(_), _) => 6,
            // The escape of one character, which may be a backslash.
            (None, _) => 1 + text[at + 1..].chars().next().map_or(0, char::len_utf8),
        };
        at += length;
    }
    (copied > 0).then(|| whole + &text[copied..])
}

/// The number of the `\uXXXX` that stands there.
fn escaped(text: &str, at: usize) -> Option<u32> {
    let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u32::from_str_radix(digits, 16).ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_character_is_replaced_and_the_rest_stays() {
        for (data, text) in [
            (&b"{\"a\":\"\xff\"}"[..], "{\"a\":\"\u{fffd}\"}"),
            (br#"{"a":"\ud83d"}"#, r#"{"a":"\ufffd"}"#),
            (br#"{"a":"\uDC00\uD83D\ud83dx"}"#, r#"{"a":"\ufffd\ufffd\ufffdx"}"#),
            (br#"{"a":"\ud83d\ude00 \u00e9 \\ud83d \""}"#, r#"{"a":"\ud83d\ude00 \u00e9 \\ud83d \""}"#),
            (br#"{"a":"\ud83"}"#, r#"{"a":"\ud83"}"#),
            (br"\", r"\"),
        ] {
            assert_eq!(json_text(data), text);
        }
        assert!(matches!(json_text(br#"{"a":"\u00e9"}"#), Cow::Borrowed(_)));
    }

    proptest! {
        /// Whatever stands between quotes, if it is JSON but for its characters, it is JSON then.
        #[test]
        fn any_text_can_be_read(
            pieces in prop::collection::vec(prop::sample::select(vec![
                &b"\\ud83d"[..], b"\\ude00", b"\\uD800", b"\\\\", b"\\\"", b"u", b"d83d", b"\xc3", b"\xa9", b"\xff", b"a", b"\\n",
            ]), 0..12),
        ) {
            let data = [&b"\""[..], &pieces.concat(), b"\""].concat();
            let read: Result<String, _> = serde_json::from_str(&json_text(&data));
            prop_assert!(read.is_ok(), "{}", String::from_utf8_lossy(&data));
        }
    }
}

//! [`printable`] and [`shorten`]: text from strangers, made fit to print.
//!
//! Partition keys and record data come from whoever may write to the stream. Printed as they are,
//! they could move a terminal's cursor, forge a line of output, or command the notebook: the evcxr
//! kernel acts on words such as `EVCXR_BEGIN_CONTENT` and `EVCXR_INPUT_REQUEST` in *anything* that a
//! cell prints. Everything in this crate that shows such text passes it through here first.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

/// How all of the kernel's words begin: `EVCXR_BEGIN_CONTENT`, `EVCXR_EXECUTION_COMPLETE`, …
const MARKER: &str = "EVCXR_";

/// The bytes as one line of visible text, borrowed when there is nothing to change.
///
/// - Control characters become escapes: `\n`, `\t`, `\x1b`, `\x7f`, `\u{85}`. So the result has no
///   line break.
/// - So do characters that cannot be seen or that reorder what is seen: zero-width ones, byte order
///   marks, bidirectional overrides: `\u{202e}`.
/// - Bytes that are not UTF-8 become `\xff`.
/// - The `_` in words that the notebook kernel would obey becomes `\u{5f}`.
///
/// All else stays as it is, backslashes too: this is for reading, not for reading back. Applying it
/// twice gives the same as once. It does not escape for HTML or SVG.
///
/// ```
/// use kinesis_lab::printable;
///
/// assert_eq!(printable(b"192.0.2.10"), "192.0.2.10");
/// assert_eq!(printable("caf\u{e9} \u{1b}[2J\n".as_bytes()), r"café \x1b[2J\n");
/// assert_eq!(printable(b"\xff\x00"), r"\xff\x00");
/// ```
pub fn printable(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes)
        && !text.contains(MARKER)
        // The first test alone decides for the common case, plain ASCII, and is quick.
        && (bytes.iter().all(|b| (b' '..=b'~').contains(b)) || text.chars().all(is_visible))
    {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        for (i, part) in chunk.valid().split(MARKER).enumerate() {
            if i > 0 {
                out.push_str(r"EVCXR\u{5f}");
            }
            part.chars().for_each(|c| push(&mut out, c));
        }
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(out, r"\x{byte:02x}");
        }
    }
    Cow::Owned(out)
}

/// The text itself, or its first `max_chars - 1` characters and `…` when it has more than
/// `max_chars` characters.
///
/// ```
/// use kinesis_lab::shorten;
///
/// assert_eq!(shorten("192.0.2.10", 10), "192.0.2.10");
/// assert_eq!(shorten("2001:db8::1234", 10), "2001:db8:…");
/// ```
pub fn shorten(text: &str, max_chars: usize) -> Cow<'_, str> {
    // A character is at least one byte.
    if text.len() <= max_chars || text.chars().nth(max_chars).is_none() {
        return Cow::Borrowed(text);
    }
    if max_chars == 0 {
        return Cow::Borrowed("");
    }
    let end = text.char_indices().nth(max_chars - 1).map_or(text.len(), |(i, _)| i);
    Cow::Owned(format!("{}…", &text[..end]))
}

/// Without the byte order mark with which some tools of Windows begin whatever they write.
pub(crate) fn without_byte_order_mark(data: &[u8]) -> &[u8] {
    data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data)
}

/// A stranger's text where it stands among others: printable, and no longer than that. What is cut off is not looked
/// at, however long it is.
pub(crate) fn shown(text: &str, max_chars: usize) -> String {
    shorten(&printable(shorten(text, max_chars).as_bytes()), max_chars).into_owned()
}

/// A stranger's text between single quotes, which it cannot end: a quote in it is `\x27`.
pub(crate) fn in_quotes(text: &str, max_chars: usize) -> String {
    format!("'{}'", shown(text, max_chars).replace('\'', r"\x27"))
}

/// A text as `{:?}` shows it, and with the words spelled out that the notebook kernel would obey.
///
/// `str`'s own escapes are not enough: the kernel looks for its words within lines, too, and takes the
/// lines after one for a page of HTML.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Debug for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(format!("{:?}", self.0).as_bytes()))
    }
}

/// `10,000`.
pub(crate) fn grouped(number: impl ToString) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// ` (did you mean …?)`, for a slip of the finger.
pub(crate) fn near(word: &str, names: &[&str]) -> String {
    let nearest = names.iter().map(|name| (distance(word, name), name)).min();
    match nearest {
        Some((slips, name)) if slips <= 2 => format!(" (did you mean `{name}`?)"),
        _ => String::new(),
    }
}

/// How many letters are to be added, removed or changed. Words here have a dozen letters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

fn push(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str(r"\n"),
        '\r' => out.push_str(r"\r"),
        '\t' => out.push_str(r"\t"),
        c if is_visible(c) => out.push(c),
        // Writing to a String cannot fail.
        c if c.is_ascii() => drop(write!(out, r"\x{:02x}", u32::from(c))),
        c => drop(write!(out, r"\u{{{:x}}}", u32::from(c))),
    }
}

/// Not a control character, and not one that Unicode says to ignore when it is shown
/// (`Default_Ignorable_Code_Point`), reorders text, breaks lines, or may not be in XML.
fn is_visible(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    !c.is_control()
        && !matches!(u32::from(c),
            0x00AD | 0x034F | 0x061C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180B..=0x180F
            | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0x3164
            | 0xFDD0..=0xFDEF | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB
            | 0x1BCA0..=0x1BCA3 | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF)
        // The last two code points of each plane are not characters.
        && u32::from(c) & 0xFFFE != 0xFFFE
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_could_deceive_is_spelled_out() {
        for (text, want) in [
            ("a\tb\r\n\0", r"a\tb\r\n\x00"),
            ("\u{1b}]0;title\u{7}", r"\x1b]0;title\x07"),
            ("\u{7f}\u{85}\u{9b}31m", r"\x7f\u{85}\u{9b}31m"),
            ("\u{202e}gpj.exe", r"\u{202e}gpj.exe"),
            ("a\u{200b}b\u{2028}\u{feff}\u{e0041}", r"a\u{200b}b\u{2028}\u{feff}\u{e0041}"),
            ("\u{ffff}\u{10fffe}", r"\u{ffff}\u{10fffe}"),
            (r#"{"path": "C:\\"} ünï 東京 🦀"#, r#"{"path": "C:\\"} ünï 東京 🦀"#),
        ] {
            assert_eq!(printable(text.as_bytes()), want);
        }
        assert_eq!(printable(b"\xc3\x28 \xf0\x9f\xa6 \xed\xa0\x80"), r"\xc3( \xf0\x9f\xa6 \xed\xa0\x80");
    }

    #[test]
    fn the_kernel_obeys_nobody_else() {
        for word in [
            "EVCXR_BEGIN_CONTENT text/html",
            "EVCXR_END_CONTENT",
            "EVCXR_EXECUTION_COMPLETE",
            "EVCXR_PANIC_NOTIFICATION",
            "EVCXR_ERROR_OCCURRED",
            "EVCXR_VARIABLE_CHANGED_TYPE:x",
            "EVCXR_INPUT_REQUEST_PASSWORD:your password, please",
            "EVCXR_EVCXR_BEGIN_CONTENT",
        ] {
            let out = printable(word.as_bytes());
            assert!(!out.contains("EVCXR_"), "{out}");
            assert_eq!(out.replace(r"\u{5f}", "_"), word);
        }
    }

    #[test]
    fn quoted_is_debug_without_the_kernels_words() {
        for text in ["192.0.2.10", "a \"b\"\n\t\\", "東京 \u{1b}\u{202e}"] {
            assert_eq!(format!("{:?}", Quoted(text)), format!("{text:?}"));
        }
        assert_eq!(format!("{:?}", Quoted("EVCXR_END_CONTENT\n")), r#""EVCXR\u{5f}END_CONTENT\n""#);
    }

    #[test]
    fn clean_text_is_borrowed() {
        for text in ["", "192.0.2.10", "2018-09-06T08:04:56.468067Z", "東京"] {
            assert!(matches!(printable(text.as_bytes()), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn shortening_counts_characters() {
        assert_eq!(shorten("東京都", 3), "東京都");
        assert_eq!(shorten("東京都", 2), "東…");
        assert_eq!(shorten("東京都", 1), "…");
        assert_eq!(shorten("東京都", 0), "");
        assert_eq!(shorten("", 0), "");
    }

    #[test]
    fn among_others_it_is_short_and_stays_within_its_quotes() {
        assert_eq!(shown("192.0.2.10", 10), "192.0.2.10");
        assert_eq!(shown("\u{1b}".repeat(10).as_str(), 6), r"\x1b\…");
        assert_eq!(in_quotes("a', 1), ('b", 20), r"'a\x27, 1), (\x27b'");
    }

    #[test]
    fn numbers_are_grouped() {
        let texts = [0, 999, 1_000, 10_000, 1_234_567].map(grouped);
        assert_eq!(texts, ["0", "999", "1,000", "10,000", "1,234,567"]);
    }

    /// Pieces that matter here, and anything between them: pure noise would seldom contain them.
    fn hostile() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..8),
            any::<char>().prop_map(|c| c.to_string().into_bytes()),
            prop::sample::select(vec!["EVCXR", "_", "EVCXR_", "BEGIN_CONTENT", "\\u{5f}", "\u{200b}", "\n"])
                .prop_map(|s| s.as_bytes().to_vec()),
        ];
        proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        // 1,000 cases: the interesting ones need two or three particular pieces side by side.
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn any_bytes_become_one_harmless_line(bytes in hostile(), max in 0usize..40) {
            let out = printable(&bytes).into_owned();
            prop_assert!(out.chars().all(is_visible), "{out:?}");
            prop_assert!(!out.contains(MARKER), "{out}");
            prop_assert_eq!(&printable(out.as_bytes()), &out);
            let short = shorten(&out, max);
            prop_assert!(short.chars().count() <= max);
            prop_assert!(!short.contains(MARKER));
        }

        #[test]
        fn clean_text_is_unchanged(text in "[ -~à-ÿ東京🦀]{0,40}") {
            prop_assume!(!text.contains(MARKER));
            prop_assert_eq!(printable(text.as_bytes()), text.as_str());
        }
    }
}

//! The objects of a record's data: one, several one behind the other, or those of an array. Pure.

use serde_json::value::RawValue;

use crate::json_elements::JsonElements;

/// How often data may be read again behind what is broken: `[` on each line is open to the end from each line.
const READINGS: usize = 4;

/// Each value of the data as it is written, an array's elements in its place; or why what stands there is none.
///
/// What is broken is told once, however many lines of it there are. Then it goes on with the next line that begins
/// with `{` or `[` and is not indented further than the broken value: the lines within an object are no values of their
/// own. Of an array whose elements have lines of their own, those that are whole are found.
pub(super) fn each_value<'a>(data: &'a str, each: &mut dyn FnMut(Result<&'a RawValue, serde_json::Error>)) {
    let (mut at, mut read_in_vain) = (0, 0);
    // In an array that is broken, with lines of its own; and where the last fault was seen, which an element has in
    // common with its array.
    let (mut in_array, mut last_seen) = (false, None);
    while let Some(rest) = data.get(at..).filter(|rest| !rest.is_empty()) {
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
        let broken = loop {
            match values.next() {
                None => return,
                Some(Ok(value)) => each_element(value, each),
                Some(Err(error)) => break error,
            }
        };
        let begin = at + values.byte_offset();
        let begin = begin + (data.len() - begin - data[begin..].trim_ascii_start().len());
        if in_array && data[begin..].starts_with([',', ']']) {
            at = begin + 1;
            continue;
        }
        let seen = place(rest, at, &broken).max(begin);
        read_in_vain += seen - begin;
        let bracket_alone = is_bracket_alone(&data[begin..]);
        let from = if read_in_vain <= READINGS * data.len() { begin } else { seen };
        if last_seen != Some(seen) {
            each(Err(broken));
        }
        last_seen = Some(seen);
        in_array |= bracket_alone;
        let most = if bracket_alone { usize::MAX } else { indentation(data, begin) };
        at = next_value(data, from, most);
    }
}

/// Where an error was seen.
fn place(rest: &str, at: usize, error: &serde_json::Error) -> usize {
    let line = match error.line() {
        0 | 1 => 0,
        line => rest.match_indices('\n').nth(line - 2).map_or(rest.len(), |(end, _)| end + 1),
    };
    at + rest.floor_char_boundary(line + error.column())
}

/// Whether the elements of an array begin on the lines below its bracket.
fn is_bracket_alone(value: &str) -> bool {
    let behind = value.strip_prefix('[').map(|rest| rest.trim_start_matches([' ', '\t', '\r']));
    behind.is_some_and(|rest| rest.starts_with('\n'))
}

/// Of the line on which something stands.
fn indentation(data: &str, at: usize) -> usize {
    let line = data[..at].rfind('\n').map_or(0, |end| end + 1);
    blanks(&data[line..])
}

fn blanks(line: &str) -> usize {
    line.len() - line.trim_start_matches([' ', '\t']).len()
}

/// The next line's beginning, of those that may begin a value; the end, if there is none.
fn next_value(data: &str, from: usize, most: usize) -> usize {
    let lines = data[from..].match_indices('\n').map(|(end, _)| from + end + 1);
    let may_begin = |line: &usize| {
        let blanks = blanks(&data[*line..]);
        blanks <= most && data[line + blanks..].starts_with(['{', '['])
    };
    lines.into_iter().find(may_begin).unwrap_or(data.len())
}

fn each_element<'a>(value: &'a RawValue, each: &mut dyn FnMut(Result<&'a RawValue, serde_json::Error>)) {
    match value.get().starts_with('[') {
        true => JsonElements::of(value).for_each(|element| each(Ok(element))),
        false => each(Ok(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(data: &str) -> Vec<String> {
        let mut found = Vec::new();
        each_value(data, &mut |value| {
            found.push(value.map_or("?".to_owned(), |value| value.get().to_owned()));
        });
        found
    }

    #[test]
    fn each_object_is_one() {
        for (data, want) in [
            ("", &[][..]),
            ("{}", &["{}"]),
            ("{} {}", &["{}", "{}"]),
            ("{\"a\":1}\n\n{\"b\":\n2}\n", &["{\"a\":1}", "{\"b\":\n2}"]),
            ("[{},{}]", &["{}", "{}"]),
            ("[{}]\n[]\n{}", &["{}", "{}"]),
            ("{}{}", &["{}", "{}"]),
            ("{}\n{\"a\n{\"b\":1}\n", &["{}", "?", "{\"b\":1}"]),
            ("{\"a\n{\"b\n{\"c\":1}\r\n", &["?", "?", "{\"c\":1}"]),
            ("?\n?\n{}", &["?", "{}"]),
            ("{\"a\"", &["?"]),
            ("[{}, {]", &["?"]),
            ("[[{}]] 1", &["[{}]", "1"]),
        ] {
            assert_eq!(found(data), want, "{data}");
        }
    }

    /// One fault, one `?`, however the values are laid out.
    #[test]
    fn what_is_broken_is_told_once() {
        for (data, want) in [
            // An object over several lines, alone and among others.
            ("{\n  \"a\": tru,\n  \"b\": {\n    \"c\": 1\n  }\n}", &["?"][..]),
            ("{}\n{\n  \"a\": tru,\n  \"b\": 1\n}\n{\"d\":1}", &["{}", "?", "{\"d\":1}"]),
            // What is in it is none of the record's objects.
            ("{\n  \"a\": tru,\n  \"b\": [\n    {\"c\": 1}\n  ]\n}\n{\"d\":1}", &["?", "{\"d\":1}"]),
            ("  {\"a\": tru}\n  {\"b\":1}\n", &["?", "{\"b\":1}"]),
            ("{\"a\": tru\n  {\"b\":1}\n{}", &["?", "{}"]),
            // An array with a line for each element, one of them broken, cut off, or with a comma too many or too few.
            ("[\n{\"a\":1},\n{\"b\":tru},\n{\"c\":1}\n]", &["?", "{\"a\":1}", "{\"c\":1}"]),
            ("[\r\n  {\"a\":1},\r\n  {\"b\":1},\r\n  {\"c\"", &["?", "{\"a\":1}", "{\"b\":1}"]),
            ("[\n  {\"a\":1},\n  {\"b\":1},\n]\n{\"c\":1}", &["?", "{\"a\":1}", "{\"b\":1}", "{\"c\":1}"]),
            ("[\n  {\"a\":1}\n  {\"b\":1}\n]", &["?", "{\"a\":1}", "{\"b\":1}"]),
            ("[\n  {\n    \"a\": tru\n  },\n  {\n    \"b\":1\n  }\n]", &["?", "{\n    \"b\":1\n  }"]),
            // Two faults.
            ("[\n{\"a\":tru},\n{\"b\":tru},\n{\"c\":1}\n]", &["?", "?", "{\"c\":1}"]),
        ] {
            assert_eq!(found(data), want, "{data}");
        }
    }

    /// It took minutes, read anew from each line to the end.
    #[test]
    fn what_stays_open_is_not_read_for_ever() {
        for open in ["[\n".repeat(400_000), "{\"a\":\n".repeat(200_000), "[\n[1,\n".repeat(200_000)] {
            let begun = std::time::Instant::now();
            assert_eq!(found(&open)[0], "?");
            assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
        }
    }
}

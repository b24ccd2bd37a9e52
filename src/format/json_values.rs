//! The objects of a record's data: one, several one behind the other, or those of an array. Pure.

use serde_json::value::RawValue;

/// How often data may be read again behind what is broken: `[` on each line is open to the end from each line.
const READINGS: usize = 4;

/// Each value of the data as it is written, an array's elements in its place; or why what stands there is none.
/// Behind what is broken it goes on with the next line.
pub(super) fn each_value<'a>(data: &'a [u8], each: &mut dyn FnMut(Result<&'a RawValue, serde_json::Error>)) {
    let (mut rest, mut read_in_vain) = (data, 0);
    loop {
        let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<&RawValue>();
        let broken = loop {
            match values.next() {
                None => return,
                Some(Ok(value)) => each_element(value, each),
                Some(Err(error)) => break error,
            }
        };
        // Where the broken one begins, and where that was seen.
        let begin = values.byte_offset();
        let seen = line_start(rest, broken.line()).max(begin);
        read_in_vain += seen - begin;
        let from = if read_in_vain <= READINGS * data.len() { begin } else { seen };
        each(Err(broken));
        match rest[from..].iter().position(|byte| *byte == b'\n') {
            Some(line) => rest = &rest[from + line + 1..],
            None => return,
        }
    }
}

/// Where a line begins, counted from 1.
fn line_start(text: &[u8], line: usize) -> usize {
    let mut starts = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    if line <= 1 { 0 } else { starts.nth(line - 2).unwrap_or(text.len()) }
}

fn each_element<'a>(value: &'a RawValue, each: &mut dyn FnMut(Result<&'a RawValue, serde_json::Error>)) {
    if !value.get().starts_with('[') {
        return each(Ok(value));
    }
    match serde_json::from_str::<Vec<&RawValue>>(value.get()) {
        Ok(elements) => elements.into_iter().for_each(|element| each(Ok(element))),
        Err(error) => each(Err(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(data: &str) -> Vec<String> {
        let mut found = Vec::new();
        each_value(data.as_bytes(), &mut |value| {
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
            ("?\n?\n{}", &["?", "?", "{}"]),
            ("{\"a\"", &["?"]),
            ("[{}, {]", &["?"]),
            ("[[{}]] 1", &["[{}]", "1"]),
        ] {
            assert_eq!(found(data), want, "{data}");
        }
    }

    /// It took minutes, read anew from each line to the end.
    #[test]
    fn what_stays_open_is_not_read_for_ever() {
        let open = "[\n".repeat(400_000);
        let begun = std::time::Instant::now();
        assert_eq!(found(&open)[0], "?");
        assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    }
}

//! [`JsonElements`]: the elements of a JSON array, one after the other. Pure.

use serde_json::value::RawValue;

/// The elements of an array as they are written, without a list of them: a few kilobytes of gzip may be millions.
/// None of what is no array.
pub(crate) struct JsonElements<'a> {
    /// Behind the bracket, or the comma.
    rest: &'a str,
}

impl<'a> JsonElements<'a> {
    pub(crate) fn of(array: &'a RawValue) -> JsonElements<'a> {
        JsonElements { rest: array.get().strip_prefix('[').unwrap_or_default() }
    }
}

impl<'a> Iterator for JsonElements<'a> {
    type Item = &'a RawValue;

    fn next(&mut self) -> Option<&'a RawValue> {
        let mut values = serde_json::Deserializer::from_str(self.rest).into_iter::<&RawValue>();
        // A whole array has been read already: what is no value is its end.
        let value = values.next()?.ok()?;
        let behind = self.rest[values.byte_offset()..].trim_ascii_start();
        self.rest = behind.strip_prefix(',').unwrap_or_default();
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_serdes(
            elements in prop::collection::vec(prop::sample::select(vec![
                "1", "-0.5e3", "null", "true", "\"a, ]\"", "{}", "{\"a\": [1, 2]}", "[]", "[[], {}]",
            ]), 0..6),
            blank in "[ \n\t]{0,2}",
        ) {
            let array = format!("[{blank}{}{blank}]", elements.join(&format!("{blank},{blank}")));
            let raw: &RawValue = serde_json::from_str(&array).unwrap();
            let found: Vec<&str> = JsonElements::of(raw).map(RawValue::get).collect();
            prop_assert_eq!(found, elements);
        }
    }

    #[test]
    fn what_is_no_array_has_none() {
        for other in ["{}", "1", "\"[1]\"", "[]"] {
            let raw: &RawValue = serde_json::from_str(other).unwrap();
            assert_eq!(JsonElements::of(raw).count(), 0, "{other}");
        }
    }
}

//! [`JsonPath`]: where in a JSON object a value is. Pure.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::value::RawValue;

/// `client.addr`, or as a JSON Pointer (RFC 6901) `/client/addr`.
///
/// A dotted path also finds members whose names have dots (`{"client.addr": …}`, as Elastic's schema is often
/// flattened), and elements of arrays by their number from 0: `requests.0.path`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct JsonPath(String);

impl JsonPath {
    pub(super) fn new(path: &str) -> JsonPath {
        JsonPath(path.to_owned())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The value there, as it is written; `None` also for null, which is how many libraries write what is not there.
    pub(super) fn find<'a>(&self, members: &Members<'a>) -> Option<&'a RawValue> {
        let found = match self.0.strip_prefix('/') {
            Some(pointer) => {
                let mut tokens = pointer.split('/').map(|token| token.replace("~1", "/").replace("~0", "~"));
                let first = members.member(&tokens.next()?)?;
                tokens.try_fold(first, |value, token| Members::of(value)?.member(&token))
            }
            None => dotted(members, &self.0),
        };
        found.filter(|found| found.get() != "null")
    }
}

/// What an object or an array has, one level of it. Values as they are written, because a number of more than 17
/// digits would not survive being a `f64`: two orders' numbers would be one id.
pub(super) enum Members<'a> {
    Object(BTreeMap<String, &'a RawValue>),
    Array(Vec<&'a RawValue>),
}

impl<'a> Members<'a> {
    pub(super) fn of(value: &'a RawValue) -> Option<Members<'a>> {
        match value.get().as_bytes().first()? {
            b'{' => serde_json::from_str(value.get()).ok().map(Members::Object),
            b'[' => serde_json::from_str(value.get()).ok().map(Members::Array),
            _ => None,
        }
    }

    fn member(&self, name: &str) -> Option<&'a RawValue> {
        match self {
            Members::Object(members) => members.get(name).copied(),
            Members::Array(values) => {
                let is_index = !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
                values.get(name.parse::<usize>().ok().filter(|_| is_index)?).copied()
            }
        }
    }
}

/// The whole of the path as one name first, then what stands before each of its dots. What is tried is
/// members that are there, and each goes one level deeper.
fn dotted<'a>(members: &Members<'a>, path: &str) -> Option<&'a RawValue> {
    if let Some(found) = members.member(path) {
        return Some(found);
    }
    path.match_indices('.').find_map(|(dot, _)| {
        let inner = Members::of(members.member(&path[..dot])?)?;
        dotted(&inner, &path[dot + 1..])
    })
}

impl fmt::Debug for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn find(path: &str, value: &Value) -> Option<Value> {
        let text = value.to_string();
        let raw: &RawValue = serde_json::from_str(&text).unwrap();
        let found = JsonPath::new(path).find(&Members::of(raw)?)?;
        Some(serde_json::from_str(found.get()).unwrap())
    }

    #[test]
    fn values_are_found_however_they_lie() {
        let value = json!({
            "client": { "addr": "a", "geo.ip": "b" },
            "client.port": 7,
            "@timestamp": "c",
            "list": [{ "x": "d" }, "e"],
            "null": null,
            "a/b": { "~": "f" },
        });
        for (path, want) in [
            ("client.addr", json!("a")),
            ("/client/addr", json!("a")),
            ("client.geo.ip", json!("b")),
            ("client.port", json!(7)),
            ("@timestamp", json!("c")),
            ("list.0.x", json!("d")),
            ("/list/1", json!("e")),
            ("/a~1b/~0", json!("f")),
        ] {
            assert_eq!(find(path, &value), Some(want), "{path}");
        }
        for path in [
            "", ".", "client", "client.", ".client", "list.2", "list.-1", "list.+1", "null", "null.x", "/no",
            "x",
        ] {
            let found = find(path, &value);
            assert!(found.is_none() || path == "client", "{path}: {found:?}");
        }
    }

    proptest! {
        // 500 cases, of few names: paths that are there and paths that are not are both common.
        #![proptest_config(ProptestConfig::with_cases(500))]

        /// Both ways of writing a path of plain names find the same.
        #[test]
        fn dotted_and_pointer_agree(names in prop::collection::vec("[ab]", 1..5), depth in 0usize..5) {
            let mut value = json!("leaf");
            for name in names.iter().take(depth).rev() {
                value = json!({ name.as_str(): value, "c": 1 });
            }
            let (dotted, pointer) = (names.join("."), format!("/{}", names.join("/")));
            prop_assert_eq!(find(&dotted, &value), find(&pointer, &value));
        }
    }
}

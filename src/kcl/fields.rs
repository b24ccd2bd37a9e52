//! The fields of a message: what is known of them must be what it should be. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::error::{Error, ErrorKind, Result};
use crate::text::{printable, shorten};

/// As they are written: a page of records is passed over, not read.
pub(super) type Fields<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// What is absent or null, nothing.
pub(super) fn optional<'a, T: Field<'a>>(fields: &Fields<'a>, name: &str) -> Result<Option<T>> {
    match fields.get(name) {
        None => Ok(None),
        Some(value) if value.get() == "null" => Ok(None),
        Some(value) => T::read(value).map(Some).ok_or_else(|| {
            wrong(format!("a field `{name}` that is not {}: {}", T::WHAT, quoted(value.get().as_bytes())))
        }),
    }
}

pub(super) fn required<'a, T: Field<'a>>(fields: &Fields<'a>, name: &str) -> Result<T> {
    optional(fields, name)?.ok_or_else(|| wrong(format!("a message without the field `{name}`")))
}

/// What a field may be.
pub(super) trait Field<'a>: Sized {
    const WHAT: &'static str;

    fn read(value: &'a RawValue) -> Option<Self>;
}

impl<'a> Field<'a> for Cow<'a, str> {
    const WHAT: &'static str = "a text";

    fn read(value: &'a RawValue) -> Option<Cow<'a, str>> {
        // Borrowed where nothing in it is escaped, as in base64.
        match value.get().strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
            Some(text) if !text.contains('\\') => Some(Cow::Borrowed(text)),
            _ => serde_json::from_str(value.get()).map(Cow::Owned).ok(),
        }
    }
}

impl Field<'_> for u64 {
    const WHAT: &'static str = "a whole number";

    fn read(value: &RawValue) -> Option<u64> {
        serde_json::from_str(value.get()).ok()
    }
}

impl Field<'_> for i64 {
    const WHAT: &'static str = "a whole number";

    fn read(value: &RawValue) -> Option<i64> {
        serde_json::from_str(value.get()).ok()
    }
}

impl<'a> Field<'a> for &'a RawValue {
    const WHAT: &'static str = "a list";

    fn read(value: &'a RawValue) -> Option<&'a RawValue> {
        value.get().starts_with('[').then_some(value)
    }
}

/// Why a line is no message.
pub(super) fn wrong(what: String) -> Error {
    Error::new(
        ErrorKind::InvalidInput,
        format!("the KCL's daemon has sent {what}. Nothing of it was processed; is stdin the daemon's?"),
    )
}

pub(super) fn quoted(text: &[u8]) -> String {
    shorten(&printable(&text[..text.len().min(400)]), 100).into_owned()
}

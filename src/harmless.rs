//! [`Text`] and [`Data`]: what came from strangers, in types that print harmlessly.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use crate::text::{Quoted, printable};

/// A text from whoever may write to the stream: a partition key, an event's key, a field.
///
/// `{}` and `{:?}` show it as [`printable`](crate::printable) text, also within a struct of yours that derives
/// `Debug`: it can't move the terminal's cursor, forge a line of output, or command the notebook's kernel. It is
/// still no HTML: escape it for a page.
///
/// It compares with `&str`, sorts, hashes and is a key of maps as the text itself, and is found in them by a
/// `&str`. For anything else there is [`raw`](Text::raw). Mind that `to_string()` is what is *shown*, in which
/// two different texts may be the same: `String::from(text)` is the text.
///
/// ```
/// use std::collections::BTreeMap;
/// use kinesis_lab::Text;
///
/// let key = Text::from("192.0.2.10\u{1b}[2J");
/// assert_eq!(format!("{key} and {key:?}"), r#"192.0.2.10\x1b[2J and "192.0.2.10\u{1b}[2J""#);
/// assert_eq!(key.raw().len(), 14);
///
/// let mut seen: BTreeMap<Text, u64> = BTreeMap::new();
/// *seen.entry("/login".into()).or_default() += 1;
/// assert_eq!(seen["/login"], 1);
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(String);

impl Text {
    /// The text itself, as it came: printed, it does what its writer wants.
    ///
    /// ```
    /// let address = kinesis_lab::Text::from("192.0.2.10");
    /// assert_eq!(address.raw().split('.').count(), 4);
    /// ```
    pub fn raw(&self) -> &str {
        &self.0
    }

    /// Whether it begins with this.
    ///
    /// ```
    /// assert!(kinesis_lab::Text::from("/static/a.css").starts_with("/static/"));
    /// ```
    pub fn starts_with(&self, start: &str) -> bool {
        self.0.starts_with(start)
    }

    /// Whether it ends with this.
    ///
    /// ```
    /// assert!(kinesis_lab::Text::from("/static/a.css").ends_with(".css"));
    /// ```
    pub fn ends_with(&self, end: &str) -> bool {
        self.0.ends_with(end)
    }

    /// Whether this is in it.
    ///
    /// ```
    /// assert!(kinesis_lab::Text::from("/wp-login.php?a").contains(".php"));
    /// ```
    pub fn contains(&self, part: &str) -> bool {
        self.0.contains(part)
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// What it says, as another type: a number, a [`Timestamp`](crate::Timestamp), an address.
    ///
    /// ```
    /// let count: u64 = kinesis_lab::Text::from("10").parse()?;
    /// # Ok::<(), std::num::ParseIntError>(())
    /// ```
    ///
    /// # Errors
    /// That type's own, when it is none.
    pub fn parse<T: FromStr>(&self) -> Result<T, T::Err> {
        self.0.parse()
    }
}

/// Honours width, alignment and precision, counted in what is shown.
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&printable(self.0.as_bytes()))
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&Quoted(&self.0), f)
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// The text itself, for what takes one: [`Stream::put`](crate::Stream::put), [`Windows::add`](crate::Windows::add).
impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

macro_rules! from_text {
    ($($from:ty),*) => { $(
        impl From<$from> for Text {
            fn from(text: $from) -> Text {
                Text(text.into())
            }
        }
    )* };
}
from_text!(&str, String, &String, Box<str>, std::borrow::Cow<'_, str>);

impl From<&Text> for Text {
    fn from(text: &Text) -> Text {
        text.clone()
    }
}

/// The text itself, to be sent on.
impl From<Text> for String {
    fn from(text: Text) -> String {
        text.0
    }
}

/// The text itself, to be sent on.
impl From<&Text> for String {
    fn from(text: &Text) -> String {
        text.0.clone()
    }
}

/// Its bytes, to be sent on.
impl From<Text> for Vec<u8> {
    fn from(text: Text) -> Vec<u8> {
        text.0.into_bytes()
    }
}

macro_rules! text_eq {
    ($($other:ty),*) => { $(
        impl PartialEq<$other> for Text {
            fn eq(&self, other: &$other) -> bool {
                self.0 == *other
            }
        }
        impl PartialEq<Text> for $other {
            fn eq(&self, other: &Text) -> bool {
                *self == other.0
            }
        }
    )* };
}
text_eq!(str, &str, String);

/// The bytes of a record, as its producer put them.
///
/// `{}` and `{:?}` show them as [`printable`](crate::printable) text, as they show a [`Text`]. For the rest it is a
/// slice of bytes.
///
/// ```
/// use kinesis_lab::Data;
///
/// let data = Data::from("sign out\u{7}");
/// assert_eq!(data.to_string(), r"sign out\x07");
/// assert!(data.starts_with(b"sign") && data == b"sign out\x07");
/// assert_eq!(data.text(), Some("sign out\u{7}"));
/// assert_eq!(std::str::from_utf8(&data), Ok("sign out\u{7}"));
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Data(Vec<u8>);

impl Data {
    /// The bytes as text, raw, where they are UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl Deref for Data {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Data {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Honours width, alignment and precision, counted in what is shown.
impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&printable(&self.0))
    }
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text() {
            Some(text) => fmt::Debug::fmt(&Quoted(text), f),
            None => write!(f, "\"{}\"", printable(&self.0)),
        }
    }
}

macro_rules! from_bytes {
    ($($from:ty),*) => { $(
        impl From<$from> for Data {
            fn from(bytes: $from) -> Data {
                Data(bytes.into())
            }
        }
    )* };
}
from_bytes!(&str, String, Text, &[u8], Vec<u8>, Box<[u8]>);

impl<const N: usize> From<&[u8; N]> for Data {
    fn from(bytes: &[u8; N]) -> Data {
        Data(bytes.to_vec())
    }
}

/// The bytes, to be sent on.
impl From<Data> for Vec<u8> {
    fn from(data: Data) -> Vec<u8> {
        data.0
    }
}

/// The bytes, to be sent on.
impl From<&Data> for Vec<u8> {
    fn from(data: &Data) -> Vec<u8> {
        data.0.clone()
    }
}

macro_rules! data_eq {
    ($($other:ty),*) => { $(
        impl PartialEq<$other> for Data {
            fn eq(&self, other: &$other) -> bool {
                let other: &[u8] = other.as_ref();
                self.0 == other
            }
        }
        impl PartialEq<Data> for $other {
            fn eq(&self, other: &Data) -> bool {
                other == self
            }
        }
    )* };
}
data_eq!([u8], &[u8], Vec<u8>, str, &str, String);

impl<const N: usize> PartialEq<[u8; N]> for Data {
    fn eq(&self, other: &[u8; N]) -> bool {
        self.0 == other
    }
}

impl<const N: usize> PartialEq<&[u8; N]> for Data {
    fn eq(&self, other: &&[u8; N]) -> bool {
        self.0 == *other
    }
}

#[cfg(test)]
mod tests;

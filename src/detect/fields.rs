//! The fields of events by which playbooks go, and what is asked of them.

use std::borrow::Cow;

use super::pattern::Pattern;
use crate::event::{ClientNetwork, Event, canonical_client, normal_page};

/// Fields that the events of agents and access logs have; others must be declared in a file of playbooks.
#[cfg_attr(not(feature = "playbooks"), allow(dead_code, reason = "for files"))]
pub(crate) const FIELDS: [&str; 10] =
    ["ip", "page", "path", "method", "status", "user_agent", "user", "referer", "bytes", "blocked"];

/// A field, and the patterns of which one is to match its value.
pub(super) type Condition = (String, Vec<Pattern>);

/// A client and a page are compared in the one form that each has; what is to be compared with them, too.
pub(super) fn condition<S: AsRef<str>>(field: &str, patterns: &[S]) -> Condition {
    let canonical = |pattern: &S| match (field, pattern.as_ref()) {
        (_, pattern) if pattern.contains('*') => Pattern::new(pattern),
        ("ip", client) => Pattern::new(&canonical_client(client)),
        ("page", page) if page.starts_with('/') => Pattern::new(&normal_page(page)),
        (_, pattern) => Pattern::new(pattern),
    };
    (field.to_owned(), patterns.iter().map(canonical).collect())
}

/// The value of a field of an event.
pub(super) fn value<'a>(event: &'a Event, field: &str) -> Option<Cow<'a, str>> {
    match field {
        "ip" => Some(canonical_client(client(event))),
        "page" => Some(normal_page(event.fields.get("path")?.raw())),
        field => match ClientNetwork::of_field(field) {
            Some(network) => Some(network.name_of(client(event))),
            None => event.fields.get(field).map(|value| Cow::Borrowed(value.raw())),
        },
    }
}

/// Of a format whose key is something else, the client is a field.
fn client(event: &Event) -> &str {
    event.fields.get("ip").unwrap_or(&event.key).raw()
}

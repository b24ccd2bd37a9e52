//! [`AgentFields`]: what the application itself has to say about a request.

use std::fmt;

use crate::text::{Quoted, shorten};

/// How many there may be; further ones are left out.
const MOST: usize = 32;
const NAME_CHARS: usize = 64;
const VALUE_CHARS: usize = 1_024;

/// The members that the agent writes.
const STANDARD: [&str; 9] = ["v", "id", "ip", "time", "method", "path", "status", "user_agent", "blocked"];

/// What the application itself has to say about a request, as further members of its event: up to 32,
/// each with a name of up to 64 characters and a value of up to 1,024 (longer ones are shortened).
///
/// A handler puts them into its answer's extensions; a layer around the agent may put them into the
/// request's, for example which server it is, so that a clock that is ahead can be named
/// ([`ClocksAhead`](crate::ClocksAhead)): `AgentFields::new().with("server", "web-3")`. Both count; of two with the same name, the answer's. A name that the agent uses itself
/// (`v`, `id`, `ip`, `time`, `method`, `path`, `status`, `user_agent`, `blocked`) is written with `app_`
/// before it.
///
/// ```
/// use axum::{Extension, response::IntoResponse};
/// use kinesis_lab::AgentFields;
///
/// async fn cart() -> impl IntoResponse {
///     (Extension(AgentFields::new().with("user", "alice").with("items", 3)), "your cart")
/// }
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AgentFields {
    members: Vec<(String, String)>,
}

impl AgentFields {
    /// Nothing to say yet.
    pub fn new() -> AgentFields {
        AgentFields::default()
    }

    /// The same, with one more, as text; in the place of an earlier one with this name.
    pub fn with(mut self, name: &str, value: impl fmt::Display) -> AgentFields {
        self.set(name, value.to_string());
        self
    }

    fn set(&mut self, name: &str, value: String) {
        let name = shorten(name, NAME_CHARS).into_owned();
        let name = if STANDARD.contains(&&*name) { format!("app_{name}") } else { name };
        let value = shorten(&value, VALUE_CHARS).into_owned();
        match self.members.iter().position(|member| member.0 == name) {
            Some(at) => self.members[at].1 = value,
            None if self.members.len() < MOST => self.members.push((name, value)),
            None => {}
        }
    }

    /// Takes over those of the answer.
    pub(crate) fn add(&mut self, more: &AgentFields) {
        if self.members.is_empty() {
            self.members.clone_from(&more.members);
        } else {
            more.members.iter().for_each(|(name, value)| self.set(name, value.clone()));
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.members.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl fmt::Debug for AgentFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(name, value)| (Quoted(name), Quoted(value)))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(fields: &AgentFields) -> Vec<(&str, &str)> {
        fields.iter().collect()
    }

    #[test]
    fn the_agents_own_names_stay_its_own() {
        let fields = AgentFields::new().with("ip", "1.2.3.4").with("user", "a").with("user", "b");
        assert_eq!(pairs(&fields), [("app_ip", "1.2.3.4"), ("user", "b")]);
        for name in STANDARD {
            assert!(AgentFields::new().with(name, 1).iter().all(|(name, _)| name.starts_with("app_")));
        }
    }

    #[test]
    fn the_answers_fields_come_after_the_requests() {
        let mut fields = AgentFields::new().with("user", "a").with("trace", 7);
        fields.add(&AgentFields::new().with("user", "b"));
        assert_eq!(pairs(&fields), [("user", "b"), ("trace", "7")]);
    }

    #[test]
    fn there_is_an_end_to_what_is_said() {
        let long = "x".repeat(5_000);
        let fields =
            (0..100).fold(AgentFields::new(), |fields, n| fields.with(&format!("{n} {long}"), &long));
        assert_eq!(fields.iter().count(), 32);
        assert!(fields.iter().all(|(name, value)| {
            name.chars().count() <= NAME_CHARS && value.chars().count() <= VALUE_CHARS
        }));
    }

    #[test]
    fn shown_they_command_nobody() {
        let fields = AgentFields::new().with("EVCXR_A", "EVCXR_BEGIN_CONTENT \u{1b}");
        let text = format!("{fields:?}{fields:#?}");
        assert!(!text.contains("EVCXR_") && !text.contains('\u{1b}'), "{text}");
    }
}

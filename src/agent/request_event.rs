//! What was seen of a request, and the record that is made of it.

use std::io::Write as _;

use http::{Method, Request};

use super::fields::AgentFields;
use crate::record::Entry;
use crate::text::shorten;
use crate::timestamp::Timestamp;

const PATH_CHARS: usize = 2_048;
const USER_AGENT_CHARS: usize = 512;
/// HTTP lets a stranger invent methods of any length.
const METHOD_CHARS: usize = 32;

/// What was seen of a request. The application's threads gather no more than this; its JSON is written by
/// the task that sends it.
pub(crate) struct RequestEvent {
    /// Which of this agent's requests.
    pub(crate) number: u64,
    pub(crate) ip: String,
    pub(crate) time: Timestamp,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) status: u16,
    pub(crate) user_agent: Option<String>,
    pub(crate) fields: AgentFields,
    pub(crate) blocked: bool,
}

impl RequestEvent {
    pub(crate) fn of<B>(request: &Request<B>, number: u64, ip: String, time: Timestamp) -> RequestEvent {
        let uri = request.uri();
        let path = uri.path_and_query().map_or_else(|| uri.path(), |path| path.as_str());
        let user_agent = request.headers().get(http::header::USER_AGENT).map(|value| {
            // It may be Latin-1, or anything.
            shorten(&String::from_utf8_lossy(value.as_bytes()), USER_AGENT_CHARS).into_owned()
        });
        RequestEvent {
            number,
            ip,
            time,
            method: request.method().clone(),
            path: shorten(path, PATH_CHARS).into_owned(),
            // Of a request that ends before anything is known of its end.
            status: 500,
            user_agent,
            fields: request.extensions().get::<AgentFields>().cloned().unwrap_or_default(),
            blocked: false,
        }
    }

    /// The event: JSON, with the client's address as partition key.
    pub(crate) fn entry(self, run: &str) -> Entry {
        let mut json =
            Vec::with_capacity(256 + self.path.len() + self.user_agent.as_ref().map_or(0, String::len));
        // Neither writing to a Vec nor a text as JSON can fail.
        let _ = write!(
            json,
            r#"{{"v":1,"id":"{run}{:012x}","ip":"{}","time":"{}""#,
            self.number, self.ip, self.time
        );
        member(&mut json, "method", &shorten(self.method.as_str(), METHOD_CHARS));
        member(&mut json, "path", &self.path);
        let _ = write!(json, r#","status":{}"#, self.status);
        if let Some(user_agent) = &self.user_agent {
            member(&mut json, "user_agent", user_agent);
        }
        if self.blocked {
            json.extend_from_slice(br#","blocked":true"#);
        }
        self.fields.iter().for_each(|(name, value)| member(&mut json, name, value));
        json.push(b'}');
        Entry::new(self.ip, json)
    }
}

fn member(json: &mut Vec<u8>, name: &str, value: &str) {
    json.push(b',');
    let _ = serde_json::to_writer(&mut *json, name);
    json.push(b':');
    let _ = serde_json::to_writer(json, value);
}

/// What the ids of one agent's events begin with: 80 random bits, so that no two agents, of whatever
/// process and machine, have the same. What follows counts its requests.
pub(crate) fn run_id(random: &[u8; 10]) -> String {
    random.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::record::Record;
    use proptest::prelude::*;

    fn record(entry: Entry) -> Record {
        Record::new(entry.partition_key, entry.data, "1", Timestamp::MIN)
    }

    #[test]
    fn an_event_is_what_the_agents_page_says() {
        let time = Timestamp::from_secs(1_536_220_800);
        let request = Request::get("/a?b").header("user-agent", "curl \"8\"").body(()).unwrap();
        let mut seen = RequestEvent::of(&request, 255, "192.0.2.7".into(), time);
        (seen.status, seen.blocked) = (403, true);
        seen.fields = AgentFields::new().with("user", "alice");
        let entry = seen.entry(&run_id(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 255]));
        assert_eq!(entry.partition_key, "192.0.2.7");
        assert_eq!(
            String::from_utf8(entry.data).unwrap(),
            r#"{"v":1,"id":"000102030405060708ff0000000000ff","ip":"192.0.2.7","time":"2018-09-06T08:00:00.000000Z","#
                .to_owned()
                + r#""method":"GET","path":"/a?b","status":403,"user_agent":"curl \"8\"","blocked":true,"user":"alice"}"#
        );
    }

    #[test]
    fn what_is_long_is_shortened() {
        let path = format!("/{}", "x".repeat(10_000));
        let agent = "é".repeat(600);
        let request = Request::builder()
            .method(&*"M".repeat(100))
            .uri(&path)
            .header("user-agent", agent.as_bytes())
            .body(())
            .unwrap();
        let entry = RequestEvent::of(&request, 1, "-".into(), Timestamp::MIN).entry("");
        let record = record(entry);
        let event = Event::parse(&record).unwrap();
        let chars = |name: &str| event.fields[name].raw().chars().count();
        assert_eq!([chars("path"), chars("user_agent"), chars("method")], [2_048, 512, 32]);
    }

    #[test]
    fn without_a_user_agent_there_is_none() {
        let seen = RequestEvent::of(&Request::new(()), 1, "-".into(), Timestamp::MIN);
        let record = record(seen.entry(""));
        let event = Event::parse(&record).unwrap();
        assert!(!event.fields.contains_key("user_agent") && !event.fields.contains_key("blocked"));
        assert_eq!((event.key.raw(), event.fields["path"].raw()), ("-", "/"));
    }

    proptest! {
        // 256 cases: any text must survive the way into JSON and back; there are no deep branches.
        #[test]
        fn whatever_strangers_say_is_read_back(agent: Vec<u8>, user: String, path in "/[ -~]{0,40}") {
            let mut request = Request::new(());
            if let Ok(value) = http::HeaderValue::from_bytes(&agent) {
                request.headers_mut().insert("user-agent", value);
            }
            if let Ok(uri) = path.parse() {
                *request.uri_mut() = uri;
            }
            let mut seen = RequestEvent::of(&request, 1, "192.0.2.7".into(), Timestamp::MIN);
            seen.fields = AgentFields::new().with("user", &user);
            let (path, agent) = (seen.path.clone(), seen.user_agent.clone());
            let record = record(seen.entry("00"));
            let event = Event::parse(&record).unwrap();
            prop_assert_eq!(event.fields["path"].raw(), path);
            prop_assert_eq!(event.fields.get("user_agent").map(String::from), agent);
            prop_assert_eq!(event.fields["user"].raw(), &*shorten(&user, 1_024));
            prop_assert_eq!(event.key.raw(), "192.0.2.7");
        }
    }
}

//! Keeps two embedded streams of one name apart.
//!
//! A stream is its name and the time of its creation, which Kinesis tells in whole seconds. On AWS no
//! stream is deleted and created again within one; here it takes 0.2 s, and the two could not be told
//! apart, not by their sequence numbers either. So a name that was used in this second is free again in
//! the next.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::call::Call;

/// The second in which the last stream of each name was created.
#[derive(Default)]
pub(crate) struct Names(Mutex<HashMap<String, u64>>);

impl Names {
    fn wait(&self, name: &str, now: Duration) -> Duration {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match names.get(name) {
            Some(second) => Duration::from_secs(second + 1).saturating_sub(now),
            None => Duration::ZERO,
        }
    }

    fn created(&self, name: String, now: Duration) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, now.as_secs());
    }
}

pub(crate) async fn space(State(names): State<Arc<Names>>, request: Request, next: Next) -> Response {
    let creates = Call::of(&request).filter(|call| &*call.operation == "CreateStream");
    let Some(name) = creates.and_then(|call| call.stream) else { return next.run(request).await };
    tokio::time::sleep(names.wait(&name, now())).await;
    let answer = next.run(request).await;
    if answer.status().is_success() {
        // The service took its time a moment before: at the turn of a second, this waits one too many.
        names.created(name.to_string(), now());
    }
    answer
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_free_again_in_the_next_second() {
        let (names, millis) = (Names::default(), Duration::from_millis);
        assert_eq!(names.wait("a", millis(7_300)), Duration::ZERO);
        names.created("a".into(), millis(7_300));
        assert_eq!(names.wait("a", millis(7_400)), millis(600));
        assert_eq!(names.wait("a", millis(8_000)), Duration::ZERO);
        assert_eq!(names.wait("b", millis(7_400)), Duration::ZERO);
    }
}

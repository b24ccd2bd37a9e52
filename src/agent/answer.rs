//! [`AgentAnswer`]: the answer to a request, and the event that is emitted with it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Response, StatusCode};
use pin_project_lite::pin_project;

use super::fields::AgentFields;
use super::request_event::RequestEvent;
use super::state::AgentState;

/// What nginx writes when the client went away before there was an answer. Not in any RFC.
const CLIENT_GONE: u16 = 499;
const FAILED: u16 = 500;

/// A request whose answer is not known yet. However it ends, its event is emitted when this is dropped.
pub(crate) struct UnansweredRequest {
    seen: Option<RequestEvent>,
    shared: Arc<AgentState>,
}

impl UnansweredRequest {
    pub(crate) fn new(seen: RequestEvent, shared: Arc<AgentState>) -> UnansweredRequest {
        UnansweredRequest { seen: Some(seen), shared }
    }

    fn ends_with(&mut self, status: u16) {
        if let Some(seen) = &mut self.seen {
            seen.status = status;
        }
    }

    fn answered<R>(&mut self, response: &Response<R>) {
        self.ends_with(response.status().as_u16());
        if let (Some(seen), Some(fields)) = (&mut self.seen, response.extensions().get::<AgentFields>()) {
            seen.fields.add(fields);
        }
    }
}

impl Drop for UnansweredRequest {
    fn drop(&mut self) {
        if let Some(seen) = self.seen.take() {
            self.shared.emit(seen);
        }
    }
}

pin_project! {
    /// The answer of a service with an [`AgentLayer`](crate::AgentLayer) around it, as a future.
    pub struct AgentAnswer<F> {
        // None when the request is refused: then the application never hears of it.
        #[pin]
        inner: Option<F>,
        request: Option<UnansweredRequest>,
    }
}

impl<F> AgentAnswer<F> {
    pub(crate) fn new(inner: Option<F>, mut request: UnansweredRequest) -> AgentAnswer<F> {
        if inner.is_some() {
            request.ends_with(CLIENT_GONE);
        }
        AgentAnswer { inner, request: Some(request) }
    }
}

impl<F, R, E> Future for AgentAnswer<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Default,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(inner) = this.inner.as_pin_mut() else {
            drop(this.request.take());
            let mut response = Response::new(R::default());
            *response.status_mut() = StatusCode::FORBIDDEN;
            return Poll::Ready(Ok(response));
        };
        // What it is if the application panics, or ends without an answer. Between two polls, a future
        // that is dropped is one whose client has gone.
        if let Some(request) = this.request {
            request.ends_with(FAILED);
        }
        let polled = inner.poll(cx);
        if let Some(request) = this.request
            && polled.is_pending()
        {
            request.ends_with(CLIENT_GONE);
        }
        let answer = ready!(polled);
        if let (Some(mut request), Ok(response)) = (this.request.take(), &answer) {
            request.answered(response);
        }
        Poll::Ready(answer)
    }
}

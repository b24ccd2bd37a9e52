//! [`AgentLayer`]: the agent around a service.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::answer::{AgentAnswer, UnansweredRequest};
use super::report::AgentReport;
use super::state::AgentState;
use crate::detect::BlockList;

/// What [`shutdown`](AgentLayer::shutdown) waits: less than the 30 s after which Kubernetes and Docker's
/// larger relatives kill.
const SHUTDOWN: Duration = Duration::from_secs(25);

/// An agent at work, as a [`tower_layer::Layer`]; made by [`Agent::layer`](crate::Agent::layer).
///
/// Clones are the same agent. When the last one is dropped, and the last service that it was laid around,
/// what is in the queue is still sent, if the process lives on; [`shutdown`](AgentLayer::shutdown) waits
/// for that.
///
/// ```
/// use axum::{Router, body::Body, http::Request, routing::get};
/// use kinesis_lab::{Agent, prelude::*};
/// use tower_service::Service;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
/// # runtime.block_on(async {
/// let stream = Kinesis::local()?.create_stream_async("events", 1).await?;
/// let agent = Agent::new(&stream).layer()?;
/// agent.blocks().block("192.0.2.66", Timestamp::now() + secs(600))?;
/// let mut app = Router::new().route("/", get(|| async { "hello" })).layer(agent.clone());
/// let answer = app.call(Request::new(Body::empty())).await.unwrap(); // a test of the application, say
/// assert_eq!(answer.status(), 200);
///
/// // The server has ended, and the machine goes off in ten seconds.
/// let report = agent.shutdown_within(secs(5));
/// assert_eq!((report.emitted, report.sent, report.refused), (1, 1, 0));
/// # Ok::<(), Error>(())
/// # })?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct AgentLayer {
    shared: Arc<AgentState>,
}

impl AgentLayer {
    pub(crate) fn new(shared: Arc<AgentState>) -> AgentLayer {
        AgentLayer { shared }
    }

    /// What became of the events so far.
    pub fn report(&self) -> AgentReport {
        self.shared.report()
    }

    /// Who is blocked: the list that the agent goes by, to be looked at and changed.
    pub fn blocks(&self) -> BlockList {
        self.shared.blocks.clone()
    }

    /// Sends what is in the queue and says what became of all events; to be called when the server has
    /// ended. It waits for 25 s at most, and for 5 s when nothing is acknowledged meanwhile; what is not sent by
    /// then has failed. It blocks its thread, and may be called in async code.
    ///
    /// Requests that still come are answered; their events are dropped.
    pub fn shutdown(&self) -> AgentReport {
        self.shutdown_within(SHUTDOWN)
    }

    /// [`shutdown`](Self::shutdown), waiting for so long at most, and still for no more than 5 s when nothing is
    /// acknowledged meanwhile. For a process that is killed earlier than 25 s after it was asked to end.
    pub fn shutdown_within(&self, limit: Duration) -> AgentReport {
        self.shared.close(limit);
        self.report()
    }
}

impl fmt::Debug for AgentLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "agent, {}", self.report())
    }
}

impl<S> Layer<S> for AgentLayer {
    type Service = AgentService<S>;

    fn layer(&self, inner: S) -> AgentService<S> {
        AgentService { inner, shared: self.shared.clone() }
    }
}

/// A service with an [`AgentLayer`] around it.
#[derive(Clone)]
pub struct AgentService<S> {
    inner: S,
    shared: Arc<AgentState>,
}

impl<S, B, R> Service<Request<B>> for AgentService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = AgentAnswer<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> AgentAnswer<S::Future> {
        let seen = self.shared.observe(&request);
        let blocked = seen.blocked;
        // Before the call: should that panic, the event is emitted all the same.
        let unanswered = UnansweredRequest::new(seen, self.shared.clone());
        let inner = if blocked { None } else { Some(self.inner.call(request)) };
        AgentAnswer::new(inner, unanswered)
    }
}

impl<S> fmt::Debug for AgentService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a service with an agent, {}", self.shared.report())
    }
}

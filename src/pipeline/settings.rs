//! [`PipelineSettings`]: what a pipeline was told.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::part::Part;
use crate::detect::{Alert, Playbooks};
use crate::event::Event;
use crate::format::AnyFormat;
use crate::stream::Stream;

/// How often a part is started again within an hour, if nothing else is said. With the back-off between
/// them, half an hour in which nothing works.
const MAX_RESTARTS: u32 = 20;

/// What a [`Pipeline`](crate::Pipeline) was told; its parts are made from it, now and when one is started
/// again.
#[derive(Clone)]
pub(super) struct PipelineSettings {
    pub(super) events: Stream,
    pub(super) format: AnyFormat,
    pub(super) folder: PathBuf,
    pub(super) keep: SharedPredicate,
    pub(super) playbooks: Option<Playbooks>,
    pub(super) on_alert: Option<SharedCallback>,
    pub(super) window: Duration,
    pub(super) lateness: Duration,
    pub(super) keep_for: Option<Duration>,
    pub(super) poll_every: Duration,
    pub(super) shards: u32,
    pub(super) only: Vec<Part>,
    pub(super) max_restarts: u32,
}

pub(super) type SharedPredicate = Arc<dyn Fn(&Event) -> bool + Send + Sync>;
pub(super) type SharedCallback = Arc<dyn Fn(&Alert) + Send + Sync>;

impl PipelineSettings {
    pub(super) fn over(events: &Stream) -> PipelineSettings {
        PipelineSettings {
            events: events.clone(),
            format: AnyFormat::default(),
            folder: PathBuf::from(format!("{}-state", events.name())),
            keep: Arc::new(|_| true),
            playbooks: None,
            on_alert: None,
            window: Duration::from_secs(60),
            lateness: Duration::from_secs(30),
            keep_for: None,
            poll_every: Duration::from_millis(500),
            shards: 1,
            only: Part::ALL.to_vec(),
            max_restarts: MAX_RESTARTS,
        }
    }

    /// The parts of this process, in the order of the stream.
    pub(super) fn parts(&self) -> Vec<Part> {
        Part::ALL.into_iter().filter(|part| self.only.contains(part)).collect()
    }
}

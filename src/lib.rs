//! Learn and do stream processing with Amazon Kinesis Data Streams.
//!
//! ```
//! use kinesis_lab::prelude::*;
//!
//! let kinesis = Kinesis::local()?; // or Kinesis::aws().profile("…").region("eu-west-1").connect()?
//! let stream = kinesis.create_stream("web-requests", 2)?; // waits until it is ACTIVE
//!
//! // Two visitors: partition key = IP address, data = time of the request. Ten minutes at once.
//! let busy = stream.producer("192.0.2.10").interval(secs(2)).at_once().limit(300).start();
//! let calm = stream.producer("192.0.2.20").interval(secs(5)).at_once().limit(120).start();
//! assert_eq!(busy.join().sent + calm.join().sent, 420);
//!
//! let mut counter = Counter::per_minute();
//! stream.consumer().trim_horizon().run_until_caught_up(&mut counter)?;
//! assert_eq!(
//!     counter.windows()[0].to_string(),
//!     "2018-09-06 08:00:00 : [('192.0.2.10', 30), ('192.0.2.20', 12)]"
//! );
//! stream.delete()?; // on AWS, a stream costs money until then
//! # Ok::<(), Error>(())
//! ```
//!
//! - [`Kinesis`] connects: to an embedded service ([`Kinesis::local`]), to AWS, to any endpoint.
//! - [`Stream`] puts records, makes [`Producer`]s (in the background) and [`Consumer`]s.
//! - [`RecordProcessor`] is what a consumer drives: [`Echo`], [`Counter`], or your own.
//!
//! Calls block, and may be made anywhere, also inside async code: what is asynchronous stays inside,
//! so that a notebook cell compiles in a second and a service chooses its own threads.
//!
//! Counts that survive: [`Counter::lateness`] completes windows as the [`Watermark`] passes them, and
//! [`Counter::stored_in`] keeps them in a database together with the consumer's checkpoints, so that a
//! crash at any moment neither loses a record nor counts one twice.
//!
//! Upon these, the pipeline that they are for: a [`Filter`] sends events on to a second stream, a
//! [`Detection`] watches it with [`Playbooks`] and tells of [`Alert`]s, a [`BlockList`] refuses whom they
//! name; a [`Pipeline`] wires them.
//!
//! What is *not* here: the shards of one stream spread over several workers. One process reads all of
//! them, and another takes over when it ends.
//!
//! # Features
//! `local` (the embedded service), `chart`, `sqlite`, `playbooks` (from TOML files) and `live` (a page that
//! shows counts and alerts as they change) are on by default; a service that needs none of them says
//! `default-features = false`. `agent` (a tower layer that makes an event of each request of a web
//! application) is for the application alone.

// All modules are reachable from the crate's root, because of how notebooks see this crate: to
// rust-analyzer it is a module of the face (notebooks/face), where `crate::x` is found only if
// `pub use library::*` can bring it there.
pub mod access_log;
#[cfg(feature = "agent")]
pub mod agent;
pub mod alert;
pub(crate) mod alert_store;
#[cfg(feature = "sqlite")]
pub mod alerts;
pub mod block_list;
#[cfg(feature = "chart")]
pub mod chart;
pub mod consumer;
pub mod consumer_handle;
pub(crate) mod consumer_run;
pub mod counter;
#[cfg(feature = "sqlite")]
pub mod counts;
pub mod detection;
pub(crate) mod detector;
pub mod echo;
pub mod error;
pub mod event;
pub mod filter;
pub(crate) mod identity;
pub mod kinesis;
pub mod late;
#[cfg(feature = "live")]
pub mod live;
#[cfg(feature = "local")]
pub mod local;
#[cfg(feature = "local")]
pub(crate) mod local_gate;
#[cfg(feature = "local")]
pub(crate) mod local_names;
pub mod log_line;
pub(crate) mod notice;
pub mod origin;
pub(crate) mod pace;
#[cfg(feature = "sqlite")]
pub mod pipeline;
#[cfg(feature = "sqlite")]
pub mod pipeline_run;
#[cfg(feature = "sqlite")]
pub mod pipeline_status;
pub mod playbook;
pub mod prelude;
pub mod printing;
pub mod processor;
pub mod producer;
pub mod producer_handle;
pub mod put;
pub(crate) mod put_queue;
pub(crate) mod putter;
pub(crate) mod recent_ids;
pub mod record;
pub mod replay;
pub mod runtime;
pub(crate) mod service_cause;
pub(crate) mod service_error;
pub mod shard;
pub(crate) mod shard_reader;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod store;
pub mod stored_counter;
pub mod stream;
pub mod stream_state;
pub mod text;
pub mod timestamp;
pub mod watermark;
pub mod window;

// The SDK's crates, for the calls that this crate doesn't wrap, in the version that it uses. A cell
// that names its own would get a second copy.
pub use aws_config;
pub use aws_sdk_kinesis;

pub use access_log::{AccessLog, LogRecord, UnparsedLine};
#[cfg(feature = "agent")]
pub use agent::{Agent, AgentFields, AgentLayer, AgentReport};
pub use alert::{Alert, Response};
#[cfg(feature = "sqlite")]
pub use alerts::Alerts;
pub use block_list::BlockList;
#[cfg(feature = "chart")]
pub use chart::{Chart, ChartError};
pub use consumer::{Consumer, ConsumerReport, Ended, Lost};
pub use consumer_handle::ConsumerHandle;
pub use counter::{Counter, Unparsed};
#[cfg(feature = "sqlite")]
pub use counts::{Counts, Rows};
pub use detection::{Detection, DetectionTotals};
pub use echo::Echo;
pub use error::{Error, ErrorKind, Result};
pub use event::{Event, EventError};
pub use filter::Filter;
pub use kinesis::{Aws, Kinesis};
pub use late::{Late, LateEvent, Refused, RefusedEvent};
#[cfg(feature = "live")]
pub use live::{Live, LiveView};
#[cfg(feature = "local")]
pub use local::Local;
pub use log_line::{LogLine, LogLineError};
pub use origin::{Origin, SavedOrigin};
#[cfg(feature = "sqlite")]
pub use pipeline::{Part, Pipeline};
#[cfg(feature = "sqlite")]
pub use pipeline_run::RunningPipeline;
#[cfg(feature = "sqlite")]
pub use pipeline_status::{PartStatus, PipelineStatus};
pub use playbook::{Playbook, Playbooks};
pub use printing::Printing;
pub use processor::{Checkpoint, Context, ProcessError, RecordProcessor, StreamId};
pub use producer::Producer;
pub use producer_handle::{ProducerHandle, ProducerReport};
pub use put::{FailedEntry, PutFailure, PutMany, PutReport};
pub use record::{Batch, Entry, Record};
pub use replay::Replay;
pub use runtime::block_on;
pub use shard::{Shard, hash_key};
#[cfg(feature = "sqlite")]
pub use sqlite::Sqlite;
pub use store::{Change, Fingerprint, SavedState, Store, Totals};
pub use stored_counter::StoredCounter;
pub use stream::{PutReceipt, Stream};
pub use stream_state::StreamDescription;
pub use text::{printable, shorten};
pub use timestamp::{Timestamp, TimestampError};
pub use watermark::{ShardProgress, Watermark};
pub use window::{Added, SavedPane, Window, Windows};

// The README's programs are compiled and run with the other doctests.
#[cfg(all(doctest, feature = "local"))]
#[doc = include_str!("../README.md")]
struct Readme;

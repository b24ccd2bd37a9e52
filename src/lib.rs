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
//! Calls block, and may be made anywhere, also inside async code. In a service, await their other forms, on
//! whatever tokio runtime you have: [`Stream::put_async`], [`PutMany`] and the handles as futures,
//! [`Consumer::batches`] as a stream of batches with their checkpoints (`examples/service.rs`).
//! What happens in the background is told to [tracing](https://docs.rs/tracing), in spans and events with
//! fields, or, where nobody has subscribed, as a sentence on stderr.
//!
//! Counts that survive: [`Counter::lateness`] completes windows as the [`Watermark`] passes them, and
//! [`Counter::stored_in`] keeps them in a database together with the consumer's checkpoints, so that a
//! crash at any moment neither loses a record nor counts one twice.
//!
//! Records that others write: [`JsonFormat`] reads any JSON, [`LogFormat`] the lines of any web server, [`Format`] is
//! for your own; counters, filters, detections and pipelines take one (`.reading(…)`). [`KnownForms`] is the default.
//!
//! Upon these, the pipeline that they are for: a [`Filter`] sends events on to a second stream, a
//! [`Detection`] watches it with [`Playbooks`] and tells of [`Alert`]s, a [`BlockList`] refuses whom they
//! name; a [`Pipeline`] wires them.
//!
//! One process reads all shards of a stream, and another takes over when it ends. Where that is not enough, the
//! Kinesis Client Library spreads them over workers, and drives the same processors (feature `kcl`); what they count into
//! one PostgreSQL database is exact (`Counter::shared_in`, feature `postgres`), and so are their alerts
//! (`Detection::shared_in`).
//!
//! # Features
//! None is on by default: a producer, a consumer and a counter against AWS need none.
//!
//! | feature | what it adds |
//! | --- | --- |
//! | `local` | an embedded Kinesis, [`Kinesis::local`]: for tests, and to begin without an account |
//! | `chart` | `Counter::chart`: PNG, SVG and text; [`WatermarkTrace`] and [`HashRing`]: figures that one can touch |
//! | `sqlite` | `Counter::stored_in`, `Detection::stored_in`, [`Pipeline`]: what survives a crash |
//! | `postgres` | the same in PostgreSQL, but for the pipeline: `stored_in("postgres://…")`, [`Postgres`] |
//! | `playbooks` | `Playbooks::read` and `AnyFormat::read`: from TOML files; built in code, they need no feature |
//! | `live` | `Live`: a page that shows counts and alerts as they change; with it come `chart` and `sqlite` |
//! | `agent` | `AgentLayer`: a tower layer that makes an event of each request of a web application |
//! | `archive` | [`Archive`]: records in gzipped files of JSON lines, each once, and back into a stream |
//! | `archive-s3` | the same in a bucket of S3; with it comes `archive` |
//! | `kcl` | `kcl::run`: a [`RecordProcessor`] under the Kinesis Client Library, on many machines (Unix) |
//! | `full` | all of them: what the notebooks run on |

#![cfg_attr(docsrs, feature(doc_cfg))]

// Each folder is a room: its `mod.rs` says what it is for and which rooms it may use (`cargo xtask rooms`
// draws them). The files beside this one are the ground, which everybody may use. Rooms are reachable from
// the crate's root, though by nobody outside, because of how notebooks see this crate: to rust-analyzer it
// is a module of the face (notebooks/face), where `crate::x` is found only if `pub use library::*` can bring
// it there.
pub(crate) mod backoff;
pub(crate) mod epoch;
pub(crate) mod error;
pub(crate) mod folder;
pub(crate) mod harmless;
pub(crate) mod hash_key;
pub(crate) mod into_duration;
pub(crate) mod json_elements;
pub(crate) mod json_text;
pub(crate) mod key_parts;
pub(crate) mod notice;
pub mod prelude;
pub(crate) mod record;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) mod rows;
pub(crate) mod runtime;
#[cfg(any(feature = "postgres", all(feature = "kcl", unix)))]
pub(crate) mod sequence_order;
pub(crate) mod stop;
pub(crate) mod strict_time;
pub(crate) mod text;
pub(crate) mod time_forms;
pub(crate) mod timestamp;
#[cfg(feature = "playbooks")]
pub(crate) mod toml_values;

#[cfg(feature = "agent")]
pub(crate) mod agent;
#[cfg(feature = "archive")]
pub(crate) mod archive;
#[cfg(feature = "chart")]
pub(crate) mod chart;
pub(crate) mod count;
pub(crate) mod detect;
pub(crate) mod event;
#[cfg(feature = "chart")]
pub(crate) mod figure;
#[cfg(feature = "postgres")]
pub(crate) mod fleet;
pub(crate) mod format;
#[cfg(all(feature = "kcl", unix))]
pub mod kcl;
#[cfg(feature = "live")]
pub(crate) mod live;
pub(crate) mod packed;
pub(crate) mod pipeline;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
pub(crate) mod put;
pub(crate) mod read;
pub(crate) mod service;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) mod stored;
pub(crate) mod stream;

// The SDK's crates, for the calls that this crate doesn't wrap, in the version that it uses. A cell
// that names its own would get a second copy.
pub use aws_config;
pub use aws_sdk_kinesis;

#[cfg(feature = "agent")]
pub use agent::{Agent, AgentAnswer, AgentFields, AgentLayer, AgentReport, AgentService, Peer};
#[cfg(feature = "archive")]
pub use archive::Archive;
#[cfg(feature = "chart")]
pub use chart::{Chart, ChartError};
pub use count::{
    Added, Change, ClockAhead, ClocksAhead, Counter, Fingerprint, Late, LateEvent, Printing, Refused,
    RefusedEvent, SavedOrigin, SavedPane, SavedState, Store, StoredCounter, Totals, Unparsed, Watermark,
    Window, Windows,
};
pub use detect::{Alert, BlockList, Detection, DetectionTotals, Playbook, Playbooks, Response};
pub use epoch::EpochUnit;
pub use error::{Error, ErrorKind, Result};
pub use event::{Event, EventError, LogLine, LogLineError, Origin};
#[cfg(feature = "chart")]
pub use figure::{Figure, HashRing, TraceStep, WatermarkTrace};
#[cfg(feature = "postgres")]
pub use fleet::{SharedCounter, SharedDetection};
pub use folder::temporary_folder;
pub use format::{
    AccessLog, AnyFormat, Brief, Format, JsonFormat, KnownForms, LinePrefix, LogFormat, LogRecord,
    UnparsedLine,
};
pub use harmless::{Data, Text};
pub use hash_key::hash_key;
pub use into_duration::IntoDuration;
#[cfg(feature = "live")]
pub use live::{Live, LiveView};
pub use packed::Parts;
pub use pipeline::Filter;
#[cfg(feature = "postgres")]
pub use pipeline::SharedFilter;
#[cfg(feature = "sqlite")]
pub use pipeline::{Part, PartStatus, Pipeline, PipelineStatus, RunningPipeline};
#[cfg(feature = "postgres")]
pub use postgres::Postgres;
pub use put::{
    FailedEntry, LeftOut, Producer, ProducerHandle, ProducerReport, PutFailure, PutMany, PutReceipt,
    PutReport, Replay,
};
pub use read::{
    Batches, Checkpoint, CheckpointedBatch, Consumer, ConsumerHandle, ConsumerReport, Context, Echo, Ended,
    Lost, ProcessError, RecordProcessor, StreamId,
};
pub use record::{Batch, Entry, MAX_RECORD_BYTES, Record};
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use rows::Rows;
pub use runtime::block_on;
#[cfg(feature = "local")]
pub use service::Local;
pub use service::{Aws, Kinesis};
#[cfg(feature = "sqlite")]
pub use sqlite::Sqlite;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use stored::{Alerts, Counts};
pub use stream::{NewStream, Shard, ShardProgress, Stream, StreamDescription};
pub use text::{printable, shorten};
pub use time_forms::TimestampError;
pub use timestamp::Timestamp;

// The README's programs are compiled and run with the other doctests.
#[cfg(all(doctest, feature = "full"))]
#[doc = include_str!("../README.md")]
struct Readme;

//! How the data of a record is read as events, whoever wrote it: by a format that is an argument.
//!
//! Uses the ground, `packed` and `event`.

mod access_log;
mod apache_pattern;
mod extended_fields;
mod file_kind;
#[expect(clippy::module_inception, reason = "the room is named after what it is for")]
mod format;
#[cfg(feature = "playbooks")]
mod format_file;
mod forwarded;
mod json_format;
mod json_path;
mod json_template;
mod json_values;
mod known_forms;
mod layouts;
mod line_prefix;
mod line_reader;
mod line_values;
mod log_format;
mod log_pattern;
mod meaning;
mod nginx_pattern;
mod parts;
mod unpacked;

pub use access_log::{AccessLog, LogRecord, UnparsedLine};
pub use format::{AnyFormat, Brief, Format};
pub use json_format::JsonFormat;
pub use known_forms::KnownForms;
pub use line_prefix::LinePrefix;
pub use log_format::LogFormat;

pub(crate) use forwarded::{ForwardedChunk, ForwardedEvents};

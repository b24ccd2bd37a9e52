//! The programs in `examples/`, with streams that are closed, full, or read by nobody any more, and with
//! signals: what they are for goes on, or ends with a status that says it.

#![cfg(all(feature = "full", unix))]

mod running;
mod statuses;
mod streams;
mod worker;

//! The library, once, in one shared object. Why: `notebooks/face/README.md`.
pub use kinesis_lab::*;

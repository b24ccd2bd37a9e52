//! What notebook cells name: the library, prebuilt. `README.md` in this package says how and why.

// rustc: everything is in the engine, a shared object that build.rs puts on the search path.
#[cfg(not(rust_analyzer))]
extern crate kinesis_lab_engine;
#[cfg(not(rust_analyzer))]
pub use kinesis_lab_engine::*;

// rust-analyzer, which evcxr asks for the types of variables: the library's own sources, through a
// symlink, because it cannot look into a shared object.
#[cfg(rust_analyzer)]
#[path = "library/lib.rs"]
mod library;
#[cfg(rust_analyzer)]
pub use library::*;

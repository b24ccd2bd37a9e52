//! What notebook cells name: the library, prebuilt. `README.md` in this package says how and why.

// rustc: everything is in the engine, a shared object that build.rs puts on the search path. The cfg is
// the build script's word that it did.
#[cfg(all(kinesis_lab_engine, not(rust_analyzer)))]
extern crate kinesis_lab_engine;
#[cfg(all(kinesis_lab_engine, not(rust_analyzer)))]
pub use kinesis_lab_engine::*;

// rust-analyzer, which evcxr asks for the types of variables: the library's own sources, through a
// symlink, because it cannot look into a shared object. Of a package from Git it doesn't set its own cfg;
// but it runs no build script there.
#[cfg(not(all(kinesis_lab_engine, not(rust_analyzer))))]
#[path = "library/lib.rs"]
mod library;
#[cfg(not(all(kinesis_lab_engine, not(rust_analyzer))))]
pub use library::*;

/// Where a program lies that was built with the engine, for `std::process::Command`: `count`.
pub fn program(name: &str) -> String {
    // Not there for rust-analyzer, which only looks at the signature.
    format!("{}/{name}", option_env!("KINESIS_LAB_ENGINE").unwrap_or("."))
}

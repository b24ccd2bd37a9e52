//! What `cargo xtask` does, as a library so that its tests reach it.

pub mod api;
pub mod bench;
pub mod book;
pub mod browser;
pub mod checks;
pub mod data;
mod deny;
mod example;
mod features;
pub mod fleet;
mod fuzz;
pub mod jupyter;
pub mod lab;
mod machine;
pub mod needs;
pub mod notebooks;
pub mod offline;
pub mod packages;
mod place;
mod reading;
pub mod release;
pub mod repl;
pub mod requirements;
pub mod rooms;
pub mod rustdoc;
pub mod scale;
mod semver;
pub mod setup;
pub mod slides;
pub mod soak;
mod steps;
mod tool;
mod words;
mod workflows;
pub mod working_copy;

// The same files that the face's build script compiles, so that both build the one engine.
#[allow(missing_docs)]
#[path = "../../notebooks/face"]
pub mod face {
    pub mod cache;
    pub mod compile;
    pub mod engine;
    pub mod fingerprint;
    pub mod packed;
    pub mod progress;
    pub mod sentences;
}

pub use place::Place;

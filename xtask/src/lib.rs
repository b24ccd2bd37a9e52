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
pub mod needs;
pub mod notebooks;
pub mod offline;
mod place;
pub mod release;
pub mod repl;
pub mod rooms;
pub mod setup;
pub mod soak;
mod steps;

mod words;
mod workflows;
pub mod working_copy;

// The same file that the face's build script compiles, so that both build the one engine.
#[allow(missing_docs)]
#[path = "../../notebooks/face/engine.rs"]
pub mod engine;

// Its other half, where there is no checkout.
#[allow(missing_docs)]
#[path = "../../notebooks/face/packed.rs"]
pub mod packed;

pub use place::Place;

//! Points rustc to the engine, and builds it when there is none for this library and this rustc.

mod cache;
mod compile;
mod engine;
mod fingerprint;
mod packed;
mod progress;
mod sentences;

use std::env::var_os;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    // Only on itself: a kernel keeps the engine it started with, whatever changes beneath it.
    println!("cargo:rerun-if-changed=build.rs");
    let path = |name| var_os(name).map(PathBuf::from).expect("cargo sets it for build scripts");
    let face = path("CARGO_MANIFEST_DIR");
    let tools = compile::Tools { cargo: path("CARGO"), rustc: path("RUSTC") };
    match engine(&face, &tools) {
        Ok(dir) => {
            println!("cargo:rustc-link-search=all={}", dir.display());
            println!("cargo:rustc-env=KINESIS_LAB_ENGINE={}", dir.display());
            println!("cargo:rustc-cfg=kinesis_lab_engine");
            ExitCode::SUCCESS
        }
        Err(sentence) => {
            eprintln!("{sentence}");
            // evcxr shows all that cargo wrote, hundreds of lines, unless a line of it reads like a
            // message of rustc's; then it shows the message alone.
            eprintln!("{{\"message\":{}}}", json(&sentence));
            ExitCode::FAILURE
        }
    }
}

/// Where the engine lies. The error is a sentence for the reader of a notebook.
fn engine(face: &Path, tools: &compile::Tools) -> Result<PathBuf, String> {
    sentences::check_features(var_os("CARGO_FEATURE_DEFAULT").is_some())?;
    let told = var_os("RUST_SRC_PATH").map(PathBuf::from);
    sentences::check_rust_sources(&compile::sysroot(tools)?, told.as_deref())?;
    let checkout = face.join("../..");
    // Of the registry, there is none around it.
    let sources = match checkout.join("notebooks/face/build.rs").is_file() {
        true => checkout,
        false => packed::workspace(face, env!("CARGO_PKG_VERSION"), &cache::cache_root()?, tools)?,
    };
    engine::ensure(&sources, tools, progress::Show::Terminal)
}

fn json(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            c if c.is_control() => quoted.push(' '),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

//! cargo, called from within a build of cargo's, and what it says of what it has built.

use std::env;
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::progress::{Progress, Show};
use super::sentences::explain;

/// The toolchain to build with: the one that will compile the cells.
pub struct Tools {
    pub cargo: PathBuf,
    pub rustc: PathBuf,
}

/// What `rustc -vV` prints.
pub fn rustc_version(tools: &Tools) -> Result<String, String> {
    of_rustc(tools, &["-vV"])
}

/// Where the toolchain lies.
#[allow(dead_code, reason = "for the build script alone")]
pub fn sysroot(tools: &Tools) -> Result<PathBuf, String> {
    Ok(PathBuf::from(of_rustc(tools, &["--print", "sysroot"])?.trim()))
}

fn of_rustc(tools: &Tools, arguments: &[&str]) -> Result<String, String> {
    match Command::new(&tools.rustc).args(arguments).output() {
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        _ => Err(format!(
            "cannot run {} {}: install Rust from https://rustup.rs",
            tools.rustc.display(),
            arguments.join(" ")
        )),
    }
}

/// The engine's own file.
pub fn library_name() -> String {
    format!("{DLL_PREFIX}kinesis_lab_engine{DLL_SUFFIX}")
}

/// Runs cargo, showing how far it is; gives its messages.
pub fn run(mut command: Command, tools: &Tools, progress: &mut Progress) -> Result<String, String> {
    scrub(&mut command);
    command.env("RUSTC", &tools.rustc).stdin(Stdio::null()).stdout(Stdio::piped());
    if progress.show != Show::Cargo {
        command.stderr(Stdio::piped());
    }
    let mut child = command.spawn().map_err(|e| format!("cannot run {}: {e}", tools.cargo.display()))?;

    let messages = child.stdout.take();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        messages.map(|mut pipe| pipe.read_to_string(&mut text));
        text
    });
    let complaints = child.stderr.take().map(|pipe| progress.follow(pipe)).unwrap_or_default();
    let status = child.wait().map_err(|e| e.to_string())?;
    let messages = reader.join().unwrap_or_default();
    if !status.success() {
        return Err(match progress.show {
            Show::Terminal | Show::Lines(_) => explain(&complaints),
            Show::Cargo => {
                "the engine could not be built: cargo says why, above. What was compiled is kept; \
                            run this again to go on from there"
                    .into()
            }
        });
    }
    Ok(messages)
}

/// Takes away what the caller's cargo (or evcxr) set for its own build and the engine's must not
/// see; keeps what the user set: proxies, registries, offline mode, the toolchain.
pub fn scrub(command: &mut Command) {
    const USERS: [&str; 8] = [
        "CARGO_HOME",
        "CARGO_NET_",
        "CARGO_HTTP_",
        "CARGO_REGISTR",
        "CARGO_SOURCE_",
        "CARGO_TERM_",
        "CARGO_HOST_",
        "RUSTUP_",
    ];
    const BUILDS: [&str; 11] = [
        "CARGO",
        "RUST",
        "EVCXR_",
        "DEP_",
        "OUT_DIR",
        "TARGET",
        "HOST",
        "NUM_JOBS",
        "OPT_LEVEL",
        "DEBUG",
        "PROFILE",
    ];
    for (name, _) in env::vars_os() {
        let bytes = name.as_encoded_bytes();
        let any = |prefixes: &[&str]| prefixes.iter().any(|prefix| bytes.starts_with(prefix.as_bytes()));
        if any(&BUILDS) && !any(&USERS) {
            command.env_remove(&name);
        }
    }
}

/// The files of cargo's `compiler-artifact` messages that rustc's crate loader reads. Metadata is
/// enough: the code of every crate is in the engine's shared object.
pub fn artifacts(messages: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in messages.lines().filter(|line| line.starts_with(r#"{"reason":"compiler-artifact""#)) {
        let Some((_, list)) = line.split_once(r#""filenames":["#) else { continue };
        let (mut of_crate, mut rest) = (Vec::new(), list);
        while let Some((file, after)) = rest.strip_prefix('"').and_then(json_string) {
            of_crate.push(file);
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        // Of a crate that is a library for C, too, cargo makes no metadata of their own, and a shared object that
        // is none of Rust's: rustc would take it for the crate, and find no metadata in it.
        let has = |ending: &str| of_crate.iter().any(|file| file.ends_with(ending));
        let (rmeta, rlib) = (has(".rmeta"), has(".rlib"));
        files.extend(of_crate.into_iter().map(PathBuf::from).filter(|file| {
            let is = |ending: &str| file.as_os_str().as_encoded_bytes().ends_with(ending.as_bytes());
            is(".rmeta")
                || (is(".rlib") && !rmeta)
                || (is(DLL_SUFFIX) && (!(rmeta || rlib) || file.ends_with(library_name())))
        }));
    }
    files
}

/// The JSON string that starts after an opening quote, and what follows its closing one.
pub fn json_string(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    loop {
        match chars.next()? {
            (end, '"') => return Some((value, &text[end + 1..])),
            // In a path, only the quote and the backslash come escaped.
            (_, '\\') => value.push(chars.next()?.1),
            (_, c) => value.push(c),
        }
    }
}

// Run by xtask's tests, which has this file as a module.
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_for_c_too_is_taken_by_its_metadata() {
        let message = |files: &[&str]| {
            let files: Vec<String> = files.iter().map(|file| format!("\"/t/{file}\"")).collect();
            format!(r#"{{"reason":"compiler-artifact","filenames":[{}],"fresh":true}}"#, files.join(","))
        };
        let shared = |name: &str| format!("{DLL_PREFIX}{name}{DLL_SUFFIX}");
        let messages = [
            message(&["libserde-1.rlib", "libserde-1.rmeta"]),
            message(&[&shared("derive-1")]),
            message(&["libcrc_fast-1.rlib", &shared("crc_fast-1"), "libcrc_fast-1.a"]),
            message(&[&library_name(), "libkinesis_lab_engine.rmeta"]),
            r#"{"reason":"build-script-executed"}"#.to_owned(),
        ];
        let found = artifacts(&messages.join("\n"));
        let names: Vec<_> = found.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
        let engine = [library_name(), "libkinesis_lab_engine.rmeta".to_owned()];
        let want = ["libserde-1.rmeta".to_owned(), shared("derive-1"), "libcrc_fast-1.rlib".to_owned()];
        assert_eq!(names, [&want[..], &engine].concat());
    }
}

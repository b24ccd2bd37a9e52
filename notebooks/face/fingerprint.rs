//! What names an engine: the library's sources and the compiler.

use std::fs;
use std::path::{Path, PathBuf};

/// Hashed with the sources: raise it when `engine.rs` builds or lays out the engine differently.
const RECIPE: &str = "3";
/// Marks a workspace that was made from the packed face, in place of a checkout.
pub const PACKED: &str = "from-the-packed-face";

/// Names the engine that belongs to the library in `checkout` and to this rustc.
///
/// The path of the checkout is not in it: two clones of the same state share an engine.
pub fn fingerprint(checkout: &Path, rustc_version: &str) -> Result<String, String> {
    let mut files = Vec::new();
    // `packed.rs` makes a workspace without the library, whose version is in Cargo.lock.
    let packed: &[&str] = &["Cargo.toml", "Cargo.lock", "examples", "notebooks/engine", "notebooks/programs"];
    let whole: &[&str] = &[
        "Cargo.toml",
        "Cargo.lock",
        "src",
        // What `Playbooks::shipped` has in it.
        "data/playbooks.toml",
        "examples/common",
        "examples/count.rs",
        "examples/pipeline.rs",
        "examples/visitors",
        "examples/visitors.rs",
        "examples/website.rs",
        "notebooks/engine",
        "notebooks/programs",
    ];
    for path in if checkout.join(PACKED).is_file() { packed } else { whole } {
        collect(&checkout.join(path), &mut files).map_err(|e| {
            format!(
                "{}: {e}\nThe engine is built from a whole checkout of kinesis-lab: clone it again.",
                checkout.join(path).display()
            )
        })?;
    }
    files.sort();
    let mut hash = Hash::new();
    hash.add(RECIPE.as_bytes());
    hash.add(rustc_version.as_bytes());
    for file in files {
        let content = fs::read(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        let name = file.strip_prefix(checkout).unwrap_or(&file);
        hash.add(name.as_os_str().as_encoded_bytes());
        hash.add(&content);
    }
    Ok(format!("{:032x}", hash.0))
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !path.is_dir() {
        fs::metadata(path)?;
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        // What editors leave behind is no reason to rebuild; nor is a target folder of the engine's.
        if !name.as_encoded_bytes().starts_with(b".") && name != "target" {
            collect(&entry.path(), files)?;
        }
    }
    Ok(())
}

/// FNV-1a, 128 bits: std's hashers promise no stable result, and a name needs no cryptography.
struct Hash(u128);

impl Hash {
    fn new() -> Hash {
        Hash(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }

    /// With its length, so that two fields cannot run into each other.
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes.len().to_le_bytes().iter().chain(bytes) {
            self.0 = (self.0 ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }
}

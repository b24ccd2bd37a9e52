//! Both crates as they would be sent: packed, verified by cargo, and unpacked outside of any checkout, where cargo's own
//! patching stands in for the registry.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::release::version_of;
use crate::{Place, setup};

/// With their manifests, in this order: the face makes its engine of the library that the registry has by then, and
/// cargo tries that before it sends it.
pub(crate) const CRATES: [(&str, &str); 2] =
    [("kinesis-lab", "Cargo.toml"), ("kinesis-lab-face", "notebooks/face/Cargo.toml")];

/// Packs both into `outside`, with verification: the library is compiled from its package, and of that package the
/// face's build script makes an engine, in `outside/cache`. In all folders below `outside`, cargo takes both for the
/// registry's. Nothing is sent. `dirty`: also what is not committed.
pub fn verify(place: &Place, outside: &Path, dirty: bool) -> Result<()> {
    let cache = outside.join("cache");
    fs::create_dir_all(cache.join("engine")).with_context(|| cache.display().to_string())?;
    // What this machine has compiled of the registry's crates, it need not compile again.
    let compiled = place.cache.join("engine/target");
    if compiled.is_dir() {
        let _ = Command::new("cp").arg("-al").arg(compiled).arg(cache.join("engine")).status();
    }
    // Not this program's own: a release has changed it since that was compiled.
    let manifest = fs::read_to_string(place.checkout.join("Cargo.toml")).context("Cargo.toml")?;
    let version = version_of(&manifest)?;
    let mut patches = String::from("[patch.crates-io]\n");
    for (name, manifest) in CRATES {
        let mut command = cargo(place, manifest, dirty);
        command.env("KINESIS_LAB_CACHE", &cache);
        ensure!(succeeds(&mut command)?, "{name} can't be packed, or not be compiled from its package");
        let folder = unpack(place, name, version, outside)?;
        patches += &format!("{name} = {{ path = {folder:?} }}\n");
        let config = outside.join(".cargo/config.toml");
        fs::create_dir_all(config.parent().context("a file has a folder")?)?;
        fs::write(&config, &patches).with_context(|| config.display().to_string())?;
    }
    Ok(())
}

/// Packs both, and compiles neither.
pub(crate) fn pack(place: &Place, dirty: bool) -> Result<bool> {
    let mut passed = true;
    for (_, manifest) in CRATES {
        passed &= succeeds(cargo(place, manifest, dirty).arg("--no-verify"))?;
    }
    Ok(passed)
}

fn cargo(place: &Place, manifest: &str, dirty: bool) -> Command {
    let mut command = setup::cargo_of_the_caller(place);
    command.args(["package", "--manifest-path", manifest, "--target-dir"]).arg(place.target());
    command.args(dirty.then_some("--allow-dirty"));
    command
}

fn succeeds(command: &mut Command) -> Result<bool> {
    let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
    println!("$ cargo {}", arguments.join(" "));
    Ok(command.stdin(Stdio::null()).status().context("cargo does not run")?.success())
}

/// The package that cargo has just made; gives its folder.
fn unpack(place: &Place, name: &str, version: &str, outside: &Path) -> Result<PathBuf> {
    let folder = format!("{name}-{version}");
    let package = place.target().join("package").join(format!("{folder}.crate"));
    let status = Command::new("tar").arg("xzf").arg(&package).arg("-C").arg(outside).status();
    ensure!(status.context("tar does not run")?.success(), "tar could not unpack {}", package.display());
    Ok(outside.join(folder))
}

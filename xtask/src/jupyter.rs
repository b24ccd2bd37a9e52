//! Python of the virtual environment, kept apart from whatever else of Jupyter the user has.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::Place;

/// Jupyter's own settings, its custom style among them.
pub(crate) fn config(place: &Place) -> PathBuf {
    place.venv().join("var").join("config")
}

/// A command of the virtual environment's Python, with the notebooks as its current folder.
///
/// The user's own Jupyter (its configuration, extensions, kernels named `rust`) has no part in it,
/// and this one writes nothing outside of the checkout.
pub fn python(place: &Place) -> Command {
    let own = place.venv().join("var");
    let mut command = Command::new(place.python());
    command.current_dir(place.notebooks());
    for (name, folder) in [
        ("JUPYTER_CONFIG_DIR", "config"),
        ("JUPYTER_DATA_DIR", "data"),
        ("JUPYTER_RUNTIME_DIR", "runtime"),
        ("IPYTHONDIR", "ipython"),
    ] {
        command.env(name, own.join(folder));
    }
    // JUPYTER_PATH must not be set at all: evcxr_jupyter takes it for the place of its own kernelspec.
    for name in ["JUPYTER_PATH", "JUPYTER_CONFIG_PATH", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP"] {
        command.env_remove(name);
    }
    // The kernel in .venv before any other of that name.
    command
        .env("JUPYTER_PREFER_ENV_PATH", "1")
        .env("PYTHONNOUSERSITE", "1")
        .env("JUPYTER_PLATFORM_DIRS", "1");
    // cargo sets these for this program; the kernel's cargo must not take them for its own.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") || text == "CARGO_TARGET_DIR"
        {
            command.env_remove(&name);
        }
    }
    command
}

/// In place of this process, so that Ctrl-C and signals reach that program alone.
#[cfg(unix)]
pub(crate) fn replace(mut command: Command) -> Result<()> {
    use std::os::unix::process::CommandExt;
    Err(command.exec().into())
}

#[cfg(not(unix))]
pub(crate) fn replace(mut command: Command) -> Result<()> {
    command.status()?;
    Ok(())
}

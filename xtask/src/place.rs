//! [`Place`]: where things lie.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::face::cache;

/// The version of the kernel that everything here was tried with, pinned like the rest.
pub(crate) const EVCXR: &str = "0.22.0";

/// The checkout, and the cache that it shares with the user's other checkouts.
#[derive(Clone, Debug)]
pub struct Place {
    /// The folder of the workspace's Cargo.toml.
    pub checkout: PathBuf,
    /// See `cache::cache_root`.
    pub cache: PathBuf,
}

impl Place {
    /// From what cargo tells a program that it runs.
    pub fn find() -> Result<Place> {
        // At run time: a target folder that two checkouts share holds the other one's compile-time path.
        let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or(env!("CARGO_MANIFEST_DIR").into());
        let checkout = Path::new(&package).parent().context("xtask lies in no folder")?.to_owned();
        Ok(Place { checkout, cache: cache::cache_root().map_err(anyhow::Error::msg)? })
    }

    /// The kernels' current folder, so that `path = "face"` in a cell is found.
    pub fn notebooks(&self) -> PathBuf {
        self.checkout.join("notebooks")
    }

    /// The copies that a reader works in; git does not look there.
    pub fn working_copy(&self) -> PathBuf {
        self.checkout.join("my-notebooks")
    }

    /// JupyterLab's virtual environment.
    pub fn venv(&self) -> PathBuf {
        self.checkout.join(".venv")
    }

    /// The interpreter with JupyterLab.
    pub fn python(&self) -> PathBuf {
        self.venv().join("bin/python")
    }

    /// Where evcxr is installed when this repository installs it; with the version in its name, so
    /// that another version is another folder.
    pub fn kernel_root(&self) -> PathBuf {
        self.cache.join(format!("evcxr-{EVCXR}"))
    }

    /// Where cargo builds; the caller's, which is a cached one in CI.
    pub fn target(&self) -> PathBuf {
        std::env::var_os("CARGO_TARGET_DIR").map_or(self.checkout.join("target"), |folder| {
            // Relative to the folder in which cargo was called, as it is for cargo.
            std::env::current_dir().unwrap_or_default().join(folder)
        })
    }
}

//! [`Objects`]: listing, reading and creating objects, in a folder or a bucket. Thin.

use std::path::Path as FilePath;
use std::sync::Arc;

use futures_util::TryStreamExt as _;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{GetOptions, ObjectStore, PutMode, PutOptions};

use super::explain::explain;
use super::target::Target;
use crate::error::{Error, ErrorKind, Result};
use crate::folder::make_private;
use crate::runtime::block_on;
use crate::service::{Aws, S3Answers};

/// What an object may have; one of ours has 64 MiB of lines, gzipped, and the largest record of all behind them.
const LARGEST: u64 = 256 << 20;

/// Where the objects of an archive are; clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    target: Target,
    answers: S3Answers,
}

impl Objects {
    /// Opens the place; a folder is made where there is none, if it may be.
    ///
    /// # Errors
    /// When the folder can't be made, is not there, or no credentials are found.
    pub(super) fn open(target: &Target, aws: &Aws, make: bool) -> Result<Objects> {
        match target {
            Target::Folder(folder) => {
                if make {
                    let failed =
                        |error| object_store::Error::Generic { store: "folder", source: Box::new(error) };
                    make_private(folder).map_err(|error| explain(target, failed(error), None))?;
                } else if !folder.is_dir() {
                    return Err(nothing_there(target));
                }
                Objects::in_folder(target, folder)
            }
            Target::Bucket { bucket, prefix } => {
                let (aws, bucket) = (aws.clone(), bucket.clone());
                let (store, answers) = block_on(async move { aws.bucket(&bucket).await })?;
                let prefix = Path::from(prefix.as_str());
                Ok(Objects { store, prefix, target: target.clone(), answers })
            }
        }
    }

    fn in_folder(target: &Target, folder: &FilePath) -> Result<Objects> {
        let store = LocalFileSystem::new_with_prefix(folder).map_err(|error| explain(target, error, None))?;
        // What was acknowledged is there after a power cut, too.
        let store = Arc::new(store.with_fsync(true));
        Ok(Objects { store, prefix: Path::default(), target: target.clone(), answers: S3Answers::default() })
    }

    /// Where an object is, for a sentence.
    pub(super) fn shown(&self, path: &str) -> String {
        format!("{}/{path}", self.target)
    }

    /// Writes an object, whole or not at all. False when there is one of this name: it stays as it is.
    pub(super) fn create(&self, path: &str, data: Vec<u8>) -> Result<bool> {
        let (store, path) = (self.store.clone(), self.path(path));
        let create = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match block_on(async move { store.put_opts(&path, data.into(), create).await }) {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(self.explain(error)),
        }
    }

    /// An object's bytes; `None` when there is none of this name.
    pub(super) fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        let (store, at, shown) = (self.store.clone(), self.path(path), self.shown(path));
        let read = async move {
            let found = store.get_opts(&at, GetOptions::default()).await?;
            match found.meta.size {
                0..=LARGEST => found.bytes().await.map(Ok),
                size => Ok(Err(size)),
            }
        };
        match block_on(read) {
            Ok(Ok(bytes)) => Ok(Some(bytes.into())),
            Ok(Err(size)) => Err(Error::new(
                ErrorKind::Store,
                format!("{shown} has {size} bytes: it is no object of an archive"),
            )),
            Err(object_store::Error::NotFound { .. }) if !self.answers.tells_of_the_bucket() => Ok(None),
            Err(error) => Err(self.explain(error)),
        }
    }

    /// Goes through the names of all objects in a folder, each as it is below it, in no order.
    pub(super) fn fold<T: Send + 'static>(
        &self,
        folder: &str,
        start: T,
        add: impl Fn(&mut T, &str) + Send + 'static,
    ) -> Result<T> {
        let (store, folder) = (self.store.clone(), self.path(folder));
        let listing = async move {
            let (mut all, mut listed) = (start, store.list(Some(&folder)));
            while let Some(found) = listed.try_next().await? {
                if let Some(name) = found.location.as_ref().strip_prefix(folder.as_ref()) {
                    add(&mut all, name.trim_start_matches('/'));
                }
            }
            Ok::<T, object_store::Error>(all)
        };
        block_on(listing).map_err(|error| self.explain(error))
    }

    /// The folders in a folder, sorted.
    pub(super) fn folders(&self, folder: &str) -> Result<Vec<String>> {
        let (store, folder) = (self.store.clone(), self.path(folder));
        let listing = async move {
            let below = (!folder.as_ref().is_empty()).then_some(&folder);
            let found = store.list_with_delimiter(below).await?;
            let mut names: Vec<String> =
                found.common_prefixes.iter().filter_map(|path| path.filename().map(str::to_owned)).collect();
            names.sort();
            Ok(names)
        };
        block_on(listing).map_err(|error| self.explain(error))
    }

    fn path(&self, path: &str) -> Path {
        let parts = self.prefix.as_ref().split('/').chain(path.split('/'));
        Path::from_iter(parts.filter(|part| !part.is_empty()))
    }

    fn explain(&self, error: object_store::Error) -> Error {
        explain(&self.target, error, self.answers.last())
    }
}

pub(super) fn nothing_there(target: &Target) -> Error {
    Error::new(
        ErrorKind::Store,
        format!("there is no archive in {target}: is that its folder, or its bucket and prefix?"),
    )
}

//! What a fleet costs and how quickly it mends, for BENCHMARKS.md: `cargo xtask bench --only fleet`. Nothing is asserted but
//! that the counts are right.

mod backlog;
mod child;
mod commits;
mod load;
mod losses;
mod notes;
mod takeover;
mod together;

use kinesis_lab::prelude::*;

use crate::Arguments;
use crate::common::say::tell;
use crate::control;
pub(crate) use child::{GATE, Measured};

/// Some eleven minutes; what was not as it must be.
pub(crate) fn run(arguments: &Arguments) -> Result<Vec<String>, Error> {
    let folder = std::path::absolute(&arguments.folder)?;
    if control::is_up(&folder) {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            "a fleet is up here: end it by `cargo xtask fleet down`",
        ));
    }
    let folder = folder.join("measured");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    let mut wrong = backlog::run(arguments, &folder)?;
    tell("");
    together::run()?;
    tell("");
    wrong.extend(takeover::run(arguments, &folder)?);
    Ok(wrong)
}

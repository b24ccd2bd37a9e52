//! [`Part`]: which part of a pipeline.

use std::fmt;

/// A part of a [`Pipeline`](crate::Pipeline).
///
/// ```
/// use kinesis_lab::Part;
///
/// let names: Vec<String> = Part::ALL.iter().map(Part::to_string).collect();
/// assert_eq!(names, ["filter", "counter", "detection"]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Sends on what is to be examined.
    Filter,
    /// Counts requests per address.
    Counter,
    /// Runs the playbooks.
    Detection,
}

impl Part {
    /// In the order of the stream.
    pub const ALL: [Part; 3] = [Part::Filter, Part::Counter, Part::Detection];
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Part::Filter => "filter",
            Part::Counter => "counter",
            Part::Detection => "detection",
        })
    }
}

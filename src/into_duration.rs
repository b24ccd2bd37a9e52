//! [`IntoDuration`]: a length of time, as an argument.

use std::time::Duration;

/// A length of time, as an argument: a [`Duration`] is one. A bare number is none, for nobody knows its unit, and the
/// compiler's error then says what to write.
///
/// ```
/// use kinesis_lab::{IntoDuration, prelude::*};
///
/// assert_eq!(secs(4).into_duration(), std::time::Duration::from_millis(4_000));
/// ```
///
/// ```compile_fail
/// # use kinesis_lab::prelude::*;
/// # let stream = Kinesis::local()?.create_stream("without-a-unit", 1)?;
/// stream.producer("192.0.2.10").interval(4); // `secs(4)`, or `millis(500)`
/// # Ok::<(), Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no length of time: it has no unit",
    label = "write `secs(4)`, or `millis(500)`"
)]
pub trait IntoDuration {
    /// The same, as a [`Duration`].
    ///
    /// ```
    /// use kinesis_lab::{IntoDuration, prelude::*};
    ///
    /// assert_eq!(millis(500).into_duration().as_secs_f64(), 0.5);
    /// ```
    fn into_duration(self) -> Duration;
}

impl IntoDuration for Duration {
    fn into_duration(self) -> Duration {
        self
    }
}

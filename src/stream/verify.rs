//! Making sure that the stream of a name is still the one that a handle was opened for.

use super::description::StreamDescription;
use super::stream::Stream;
use crate::error::{Error, ErrorKind, Result};
use crate::service::replaced;

impl Stream {
    /// Describes the stream, and makes sure that it is the one that this handle was opened for.
    pub(crate) async fn verify(&self) -> Result<StreamDescription> {
        match StreamDescription::fetch(self.kinesis(), self.address()).await {
            Ok(found) if self.identity().confirm(found.created) => Ok(found),
            Ok(found) => Err(Error::new(
                ErrorKind::StreamNotFound,
                replaced(self.name(), self.kinesis().region(), found.created),
            )),
            Err(error) => {
                if error.is_stream_not_found() {
                    self.identity().doubt();
                }
                Err(error)
            }
        }
    }

    /// The line on stderr with which whoever used it in the background ends.
    pub(crate) fn farewell(&self) -> String {
        match self.identity().is_replaced() {
            true => {
                format!("stream {} was deleted, and another was created under its name. Exiting", self.name())
            }
            false => format!("stream {} not found. Exiting", self.name()),
        }
    }

    /// Looks where there is a reason to.
    pub(crate) async fn verify_if_doubted(&self) -> Result<()> {
        match self.identity().is_doubted() {
            true => self.verify().await.map(drop),
            false => Ok(()),
        }
    }
}

//! [`ServiceTime`]: what the service's own clock said, in the head of an answer.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_kinesis::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_kinesis::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_kinesis::error::BoxError;
use aws_sdk_kinesis::primitives::{DateTime, DateTimeFormat};

use crate::timestamp::Timestamp;

/// Reads the `Date` of an answer; an interceptor of the call that it is given to.
///
/// Arrival times are the service's. A moment that they are to be compared with must be, too: a computer's
/// clock is wrong by minutes, and AWS refuses to begin reading in its own future.
#[derive(Debug, Clone, Default)]
pub(super) struct ServiceTime(Arc<Mutex<Option<Timestamp>>>);

impl ServiceTime {
    /// A lower bound of the service's time when it answered, to the second. An answer without a date comes
    /// from a server that has no clock (RFC 9110, 6.6.1): then it is this computer's.
    pub(super) fn get(&self) -> Timestamp {
        let told = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.unwrap_or_else(|| Timestamp::now().truncate(std::time::Duration::from_secs(1)))
    }
}

impl Intercept for ServiceTime {
    fn name(&self) -> &'static str {
        "ServiceTime"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date = date.and_then(|text| DateTime::from_str(text, DateTimeFormat::HttpDate).ok());
        if let Some(date) = date {
            let told = crate::record::timestamp(&date);
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
        }
        Ok(())
    }
}

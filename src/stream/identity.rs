//! [`Identity`]: which of the streams that bore a name, one after the other, a handle means.
//!
//! The calls of the data plane name a stream; none says when it was created. So a handle whose stream
//! was deleted would write to, or read, the one that was created under its name since. Asking before
//! each call would cost a call each, of which AWS allows 20 a second and account: a handle asks when
//! there is a reason to.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::timestamp::Timestamp;

const TRUSTED: u8 = 0;
const DOUBTED: u8 = 1;
const REPLACED: u8 = 2;

/// A stream is its name and the time of its creation. Shared by all clones of a handle.
#[derive(Debug)]
pub(crate) struct Identity {
    created: Timestamp,
    state: AtomicU8,
}

impl Identity {
    pub(crate) fn new(created: Timestamp) -> Identity {
        Identity { created, state: AtomicU8::new(TRUSTED) }
    }

    pub(crate) fn created(&self) -> Timestamp {
        self.created
    }

    /// A call found no stream of the name, or deleted it: before it is used again, it must be asked for.
    pub(crate) fn doubt(&self) {
        let _ = self.state.compare_exchange(TRUSTED, DOUBTED, Ordering::Relaxed, Ordering::Relaxed);
    }

    pub(crate) fn is_doubted(&self) -> bool {
        self.state.load(Ordering::Relaxed) != TRUSTED
    }

    /// Another stream bears the name. That stays so: a creation time does not come back.
    pub(crate) fn is_replaced(&self) -> bool {
        self.state.load(Ordering::Relaxed) == REPLACED
    }

    /// The name's stream was found, created at this time: whether it is still the same.
    pub(crate) fn confirm(&self, created: Timestamp) -> bool {
        match created == self.created {
            true => {
                let _ = self.state.compare_exchange(DOUBTED, TRUSTED, Ordering::Relaxed, Ordering::Relaxed);
            }
            false => self.state.store(REPLACED, Ordering::Relaxed),
        }
        !self.is_replaced()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doubt_is_dispelled_and_a_replacement_is_not() {
        let (ours, other) = (Timestamp::from_secs(1), Timestamp::from_secs(2));
        let identity = Identity::new(ours);
        assert!(!identity.is_doubted());
        identity.doubt();
        assert!(identity.is_doubted() && !identity.is_replaced());
        assert!(identity.confirm(ours) && !identity.is_doubted());

        assert!(!identity.confirm(other));
        identity.doubt();
        assert!(!identity.confirm(ours), "an answer that was late");
        assert!(identity.is_doubted() && identity.is_replaced());
    }
}

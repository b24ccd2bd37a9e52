//! [`PanicSentence`]: a panic of the processor is its own; what it means here is said beside it.

use std::sync::Arc;

use crate::notice::tell;

/// Says what a panic of the processor means, while it unwinds.
pub(super) struct PanicSentence {
    pub(super) shard: Arc<str>,
    pub(super) action: &'static str,
}

impl Drop for PanicSentence {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let PanicSentence { shard, action } = self;
            tell!(
                ERROR,
                [shard = &**shard],
                "the record processor panicked at `{action}` of {shard}: nothing of that is checkpointed, and it comes \
                 again. The KCL's daemon ends with this child, and so do its other shards here, until somebody starts it"
            );
        }
    }
}

//! The one bridge from blocking calls to tokio.
//!
//! Everything in this crate that talks to the network runs on one runtime of its own, and callers
//! wait for it on a plain channel. `Runtime::block_on` would panic when the caller is already inside
//! an async context, which a notebook is in from its first `.await` on (evcxr wraps later cells).

use std::future::Future;
use std::panic::resume_unwind;
use std::sync::OnceLock;
use std::sync::mpsc;

use tokio::runtime::{Builder, Handle, Runtime};

/// The runtime, started at the first use and kept until the process ends.
pub(crate) fn handle() -> &'static Handle {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME
        .get_or_init(|| {
            Builder::new_multi_thread()
                // Two are enough for I/O; processors run on their callers' threads.
                .worker_threads(2)
                .thread_name("kinesis-lab")
                .enable_all()
                .build()
                .expect("the operating system refused a thread or an event queue for the async runtime")
        })
        .handle()
}

/// Runs a future to its end on this crate's runtime and waits for it; works in any context, also
/// inside async code (where it blocks the thread that calls it).
///
/// Use it for the SDK's own futures, for calls that this crate doesn't wrap:
///
/// ```
/// # use kinesis_lab::prelude::*;
/// let kinesis = Kinesis::local()?;
/// let limits = block_on(kinesis.client().describe_limits().send()).expect("DescribeLimits");
/// assert!(limits.shard_limit() > 0);
/// # Ok::<(), Error>(())
/// ```
///
/// # Panics
/// When the future panics, with its panic.
pub fn block_on<F>(future: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let (done, result) = mpsc::sync_channel(1);
    let task = handle().spawn(future);
    handle().spawn(async move {
        // The receiver waits below for as long as this runs; it can't be gone.
        let _ = done.send(task.await);
    });
    match result.recv() {
        Ok(Ok(output)) => output,
        Ok(Err(join)) => match join.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(join) => panic!("a task of kinesis-lab was cancelled: {join}"),
        },
        Err(_) => panic!("the async runtime of kinesis-lab has been shut down"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_inside_an_async_context_too() {
        assert_eq!(block_on(async { 1 }), 1);
        let inside = Builder::new_current_thread().build().unwrap().block_on(async { block_on(async { 2 }) });
        assert_eq!(inside, 2);
        assert_eq!(handle().block_on(async { block_on(async { 3 }) }), 3);
    }

    #[test]
    fn a_panic_is_the_callers() {
        let panic = std::panic::catch_unwind(|| block_on(async { panic!("mine") })).unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"mine"));
    }
}

//! The bridges from blocking calls to tokio.
//!
//! What blocks in a cell is a façade: the work is a future, and runs on one runtime of this crate's own, while
//! the caller waits on a plain channel. `Runtime::block_on` would panic when the caller is already inside an
//! async context, which a notebook is in from its first `.await` on (evcxr wraps later cells).

use std::cell::Cell;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::mpsc;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor};
use tokio::task::JoinHandle;

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

/// Where the tasks of an async call run: on the runtime of whoever awaits it; on this crate's own where there
/// is none (another executor, a blocking call).
pub(crate) fn current() -> Handle {
    Handle::try_current().unwrap_or_else(|_| handle().clone())
}

/// Runs a future to its end on this crate's runtime and waits for it; works in any context, also inside async
/// code and inside a future that this runs already (where it blocks the thread that calls it, and no other).
///
/// Use it for the SDK's own futures, for calls that this crate doesn't wrap. In a service, await the calls'
/// own async forms instead.
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
    match blocking(|| result.recv()) {
        Ok(Ok(output)) => output,
        Ok(Err(join)) => match join.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(join) => panic!("a task of kinesis-lab was cancelled: {join}"),
        },
        Err(_) => panic!("the async runtime of kinesis-lab has been shut down"),
    }
}

/// What an async call does, for whoever awaits it: it runs where it is polled, if that is in a tokio runtime; else
/// (another executor) on this crate's own. It ends when this is dropped.
pub(crate) async fn hosted<F>(future: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    match Handle::try_current() {
        Ok(_) => future.await,
        Err(_) => on_ours(future).await,
    }
}

/// Runs on this crate's runtime, whoever awaits it: what must go on while the awaiting one's does not. It ends when
/// this is dropped.
pub(crate) async fn on_ours<F>(future: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let ours = handle();
    if Handle::try_current().is_ok_and(|current| current.id() == ours.id()) {
        return future.await;
    }
    joined(ours.spawn(future)).await
}

/// Runs beside its caller, on the same runtime, perhaps on another of its threads. It ends when this is dropped.
pub(crate) async fn beside<F>(future: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    joined(current().spawn(future)).await
}

async fn joined<T>(task: JoinHandle<T>) -> T {
    let mut task = AbortOnDrop(task);
    match (&mut task.0).await {
        Ok(output) => output,
        Err(join) => match join.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(join) => panic!("a task of kinesis-lab was cancelled: {join}"),
        },
    }
}

struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Polls a future on this very thread until it ends: for one that borrows what can't be sent to another thread,
/// such as a processor of a notebook cell. Its timers and tasks are this crate's runtime's.
pub(crate) fn wait_here<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let _alone = BlocksAlone::here();
    let _runtime = handle().enter();
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    // No budget: where it is used up, tokio wakes a task once its thread is back in the scheduler, and it is here.
    let mut future = pin!(tokio::task::unconstrained(future));
    // All of it, not only the waits: what a future calls in a poll (a processor) may block as well.
    blocking(|| {
        let mut context = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return output;
            }
            // A wake since the poll has left a token, with which this returns at once.
            match BLOCKS_ALONE.get() {
                false => std::thread::park(),
                // A `yield_now`, too, would wake us from the scheduler.
                true => std::thread::park_timeout(Duration::from_millis(10)),
            }
        }
    })
}

/// Set while this thread, the only one of somebody's current-thread runtime, waits here with our runtime
/// entered: tokio would then take it for one of ours, and refuse to let it block.
struct BlocksAlone(bool);

thread_local! {
    static BLOCKS_ALONE: Cell<bool> = const { Cell::new(false) };
}

impl BlocksAlone {
    fn here() -> BlocksAlone {
        let flavor = Handle::try_current().map(|handle| handle.runtime_flavor());
        let before = BLOCKS_ALONE.get();
        BLOCKS_ALONE.set(before || matches!(flavor, Ok(RuntimeFlavor::CurrentThread)));
        BlocksAlone(before)
    }
}

impl Drop for BlocksAlone {
    fn drop(&mut self) {
        BLOCKS_ALONE.set(self.0);
    }
}

/// Runs what blocks. On a worker of a multi-threaded runtime, its other tasks move to another thread first:
/// otherwise, one that the worker had just woken would wait behind this, perhaps the very one that is waited for.
pub(crate) fn blocking<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current() {
        Ok(handle) if handle.runtime_flavor() == RuntimeFlavor::MultiThread && !BLOCKS_ALONE.get() => {
            tokio::task::block_in_place(work)
        }
        // On a current-thread runtime, its one thread is what the caller blocks. The work is not on it.
        _ => work(),
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

    /// As many at once as there are workers, and more; each blocks the worker that it runs on.
    #[test]
    fn waits_inside_its_own_tasks() {
        assert_eq!(block_on(async { block_on(async { block_on(async { 4 }) }) }), 4);
        let tasks: Vec<_> =
            (0..8).map(|n| handle().spawn(async move { block_on(async move { n }) })).collect();
        let all = block_on(async {
            let mut all = Vec::new();
            for task in tasks {
                all.push(task.await.unwrap());
            }
            all
        });
        assert_eq!(all, (0..8).collect::<Vec<_>>());
        assert_eq!(block_on(async { wait_here(async { block_on(async { 5 }) }) }), 5);
    }

    #[test]
    fn what_can_not_be_sent_is_polled_here() {
        let mut here = std::rc::Rc::new(1);
        let future = async {
            tokio::task::yield_now().await;
            tokio::time::sleep(Duration::from_millis(1)).await;
            *std::rc::Rc::get_mut(&mut here).unwrap() += 1;
        };
        wait_here(future);
        assert_eq!(*here, 2);
    }

    #[test]
    fn waits_here_on_the_only_thread_of_a_runtime_and_once_more_inside() {
        let both = || {
            wait_here(async {
                tokio::task::yield_now().await;
                wait_here(async { block_on(async { 6 }) })
            })
        };
        let runtime = || Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime().block_on(async { both() }), 6);
        assert_eq!(Builder::new_multi_thread().build().unwrap().block_on(async { both() }), 6);
        assert_eq!(both(), 6);
    }

    #[test]
    fn an_executor_that_is_not_tokios_can_await_what_needs_tokio() {
        let mut future = pin!(hosted(async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            7
        }));
        let output = loop {
            match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(output) => break output,
                Poll::Pending => std::thread::yield_now(),
            }
        };
        assert_eq!(output, 7);
    }

    #[test]
    fn a_panic_is_the_callers() {
        let panic = std::panic::catch_unwind(|| block_on(async { panic!("mine") })).unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"mine"));
    }
}

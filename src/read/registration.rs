//! [`Registration`]: the registered consumer that a run reads by, for enhanced fan-out; or why it polls instead.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_kinesis::types::ConsumerStatus;
use tokio::time::Instant;

use super::report::SharedReport;
use crate::error::{Error, ErrorKind, Result};
use crate::notice::tell;
use crate::runtime::{hosted, wait_here};
use crate::stream::Stream;
use crate::text::{printable, shorten};

/// How long a registration may take to become ACTIVE, or to be gone. On AWS, some ten seconds.
const PATIENCE: Duration = Duration::from_secs(120);
/// Within 5 s of the last one that was made, another subscription to a shard is refused with
/// `ResourceInUseException` (API reference, SubscribeToShard).
const MADE_APART: Duration = Duration::from_secs(5);
/// How often a limit is met before it is believed: of 5 registrations a second and account, and 5 at a time, as
/// well as of 20 for a stream (API reference, RegisterStreamConsumer), it says the same.
const REFUSALS: u32 = 5;

/// What a consumer was told: the name that it is registered by. Clones of the consumer share it.
#[derive(Debug, Clone)]
pub(super) struct FanOut {
    name: Arc<str>,
    /// The ARN of a registration that was made here, not found.
    made: Arc<Mutex<Option<String>>>,
    /// When the last subscription to each shard was made, by a run before too: the next one keeps its distance.
    subscribed: Arc<Mutex<BTreeMap<Arc<str>, Instant>>>,
}

impl FanOut {
    pub(super) fn new(name: &str) -> FanOut {
        FanOut { name: name.into(), made: Arc::default(), subscribed: Arc::default() }
    }

    /// Takes back what was made here; false where nothing was, or somebody else has taken it back since.
    pub(super) async fn deregister(&self, stream: &Stream) -> Result<bool> {
        let made = lock(&self.made).clone();
        let Some(made) = made else { return Ok(false) };
        let removed = deregister(stream, &self.name, Some(&made)).await?;
        *lock(&self.made) = None;
        Ok(removed)
    }
}

/// What a run knows of its registration; all its readers share it.
pub(super) struct Registration {
    stream: Stream,
    fan_out: FanOut,
    arn: Mutex<Arc<str>>,
    polls: AtomicBool,
    taken_over: AtomicBool,
    report: SharedReport,
}

/// What became of a registration that the service did not find.
pub(super) enum Found {
    /// It is there.
    Same,
    /// There is another one of its name, which is taken from now on.
    Another,
    Gone,
}

impl Registration {
    /// Takes the one that is there, or registers, and waits until it is ACTIVE. Where it may not, the run polls.
    pub(super) async fn begin(
        fan_out: &FanOut,
        stream: &Stream,
        report: &SharedReport,
    ) -> Result<Arc<Registration>> {
        check_name(&fan_out.name)?;
        let registration = Registration {
            stream: stream.clone(),
            fan_out: fan_out.clone(),
            arn: Mutex::new("".into()),
            polls: AtomicBool::new(false),
            taken_over: AtomicBool::new(false),
            report: report.clone(),
        };
        match registration.register().await {
            Ok(arn) => *lock(&registration.arn) = arn,
            Err(error) if may_poll(&error) => registration.poll_instead(&why(&error)),
            Err(error) => return Err(error),
        }
        Ok(Arc::new(registration))
    }

    async fn register(&self) -> Result<Arc<str>> {
        let stream_arn = self.stream.verify().await?.arn;
        let (begun, mut refused) = (Instant::now(), 0);
        while begun.elapsed() < PATIENCE {
            match describe(&self.stream, &stream_arn, self.name()).await? {
                Some((arn, ConsumerStatus::Active)) => return Ok(arn.into()),
                Some(_) => {} // it is being registered, or still there
                None => match register(&self.stream, &stream_arn, self.name()).await {
                    Ok(arn) => *lock(&self.fan_out.made) = Some(arn),
                    // Somebody else was quicker, or the stream is being changed.
                    Err(error) if error.kind() == ErrorKind::StreamInUse => {}
                    Err(error) if error.kind() == ErrorKind::LimitExceeded && refused < REFUSALS => {
                        refused += 1
                    }
                    Err(error) => return Err(error),
                },
            }
            tokio::time::sleep(pause(&self.stream)).await;
        }
        Err(late(ErrorKind::StreamInUse, self.name(), "become ACTIVE"))
    }

    /// The one that was noted last was refused.
    pub(super) fn was_not_subscribed(&self, shard_id: &str) {
        lock(&self.fan_out.subscribed).remove(shard_id);
    }

    fn name(&self) -> &str {
        &self.fan_out.name
    }

    /// When a shard may be subscribed to, where that is not at once.
    pub(super) fn next_subscription(&self, shard_id: &str) -> Option<Instant> {
        lock(&self.fan_out.subscribed).get(shard_id).map(|made| *made + MADE_APART)
    }

    pub(super) fn note_subscribed(&self, shard_id: &Arc<str>, now: Instant) {
        let mut subscribed = lock(&self.fan_out.subscribed);
        subscribed.retain(|_, made| *made + MADE_APART > now);
        subscribed.insert(shard_id.clone(), now);
    }

    /// What subscriptions are made with.
    pub(super) fn arn(&self) -> Arc<str> {
        lock(&self.arn).clone()
    }

    /// Whether the shards are polled.
    pub(super) fn polls(&self) -> bool {
        self.polls.load(Ordering::Relaxed)
    }

    /// Looks for it by its name where this ARN was not found. One that somebody is registering is waited for.
    pub(super) async fn look_again(&self, used: &str) -> Result<Found> {
        if *self.arn() != *used {
            return Ok(Found::Another); // the reader of another shard has looked
        }
        let stream_arn = self.stream.verify().await?.arn;
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            match describe(&self.stream, &stream_arn, self.name()).await? {
                Some((arn, ConsumerStatus::Active)) if arn == used => return Ok(Found::Same),
                Some((arn, ConsumerStatus::Active)) => {
                    *lock(&self.arn) = arn.into();
                    return Ok(Found::Another);
                }
                Some((_, ConsumerStatus::Creating)) => {}
                _ => break,
            }
            tokio::time::sleep(pause(&self.stream)).await;
        }
        Ok(Found::Gone)
    }

    /// From now on, all readers of the run poll. Said once.
    pub(super) fn poll_instead(&self, why: &str) {
        if self.polls.swap(true, Ordering::Relaxed) {
            return;
        }
        let (consumer, stream) = (self.name(), self.stream.name());
        tell!(
            WARN,
            [stream = stream, consumer = consumer],
            "consumer {consumer} of stream {stream} polls, without enhanced fan-out: {why}"
        );
        self.report.lock().polls_because = Some(printable(why.as_bytes()).into_owned());
    }

    /// A subscription was ended because there is another to its shard. Said once.
    pub(super) fn taken_over(&self, shard_id: &str) {
        if self.taken_over.swap(true, Ordering::Relaxed) {
            return;
        }
        let (consumer, stream) = (self.name(), self.stream.name());
        tell!(
            WARN,
            [stream = stream, consumer = consumer, shard = shard_id],
            "another run reads {shard_id} of stream {stream} as consumer {consumer}, and each takes it from the other; \
             nothing is lost, but give each a name of its own"
        );
    }

    /// As [`poll_instead`](Self::poll_instead), for an error.
    pub(super) fn refused(&self, error: &Error) {
        self.poll_instead(&why(error));
    }
}

impl Stream {
    /// Takes back the registration of a consumer with enhanced fan-out, whoever made it, and waits until it is
    /// gone. False where there is none of this name. Readers that use it go on by polling.
    ///
    /// On AWS, a registered consumer costs money for each shard and hour. To take back none but one's own, see
    /// [`Consumer::deregister`](crate::Consumer::deregister).
    ///
    /// # Errors
    /// [`ErrorKind::StreamNotFound`]; [`ErrorKind::AccessDenied`] without the permission
    /// `kinesis:DeregisterStreamConsumer`; [`ErrorKind::Timeout`] after two minutes.
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// let stream = Kinesis::local()?.create_stream("visits", 1)?;
    /// stream.consumer().fan_out("dashboard").run_for(secs(1), &mut Echo::new())?;
    /// assert!(stream.deregister_consumer("dashboard")?);
    /// assert!(!stream.deregister_consumer("dashboard")?);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn deregister_consumer(&self, name: &str) -> Result<bool> {
        wait_here(self.deregister_consumer_async(name))
    }

    /// [`deregister_consumer`](Self::deregister_consumer) for async code.
    ///
    /// # Errors
    /// As `deregister_consumer`.
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// # block_on(async {
    /// let stream = Kinesis::local_async().await?.create_stream_async("visits", 1).await?;
    /// assert!(!stream.deregister_consumer_async("dashboard").await?);
    /// # Ok::<(), Error>(())
    /// # })?;
    /// # Ok::<(), Error>(())
    /// ```
    pub async fn deregister_consumer_async(&self, name: &str) -> Result<bool> {
        let (this, name) = (self.clone(), name.to_owned());
        hosted(async move { deregister(&this, &name, None).await }).await
    }
}

/// Takes it back, if it is `only` this one.
async fn deregister(stream: &Stream, name: &str, only: Option<&str>) -> Result<bool> {
    let stream_arn = stream.verify().await?.arn;
    let Some((arn, status)) = describe(stream, &stream_arn, name).await? else { return Ok(false) };
    if only.is_some_and(|only| only != arn) {
        return Ok(false);
    }
    if status != ConsumerStatus::Deleting {
        let call = stream.kinesis().client().deregister_stream_consumer().consumer_arn(&arn);
        call.send().await.map_err(|error| stream.kinesis().place().explain(stream.name(), error))?;
    }
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let found = describe(stream, &stream_arn, name).await?;
        if found.is_none_or(|(found, _)| found != arn) {
            return Ok(true);
        }
        tokio::time::sleep(pause(stream)).await;
    }
    Err(late(ErrorKind::Timeout, name, "be deregistered"))
}

/// Its ARN and status.
async fn describe(stream: &Stream, stream_arn: &str, name: &str) -> Result<Option<(String, ConsumerStatus)>> {
    let call = stream.kinesis().client().describe_stream_consumer();
    match call.stream_arn(stream_arn).consumer_name(name).send().await {
        Ok(answer) => {
            Ok(answer.consumer_description.map(|found| (found.consumer_arn, found.consumer_status)))
        }
        Err(error) => match stream.kinesis().place().explain(stream.name(), error) {
            // The stream has just been looked at.
            error if error.is_stream_not_found() => Ok(None),
            error => Err(error),
        },
    }
}

async fn register(stream: &Stream, stream_arn: &str, name: &str) -> Result<String> {
    let call = stream.kinesis().client().register_stream_consumer();
    let sent = call.stream_arn(stream_arn).consumer_name(name).send().await;
    let answer = sent.map_err(|error| stream.kinesis().place().explain(stream.name(), error))?;
    let registered = answer.consumer.map(|consumer| consumer.consumer_arn);
    registered.ok_or_else(|| Error::new(ErrorKind::Service, "the service registered no consumer"))
}

/// The service refuses it, or does not know it; polling needs no more than what a consumer without fan-out does.
fn may_poll(error: &Error) -> bool {
    use ErrorKind::*;
    matches!(error.kind(), AccessDenied | LimitExceeded | Refused | Service | StreamInUse | Throttled)
}

fn why(error: &Error) -> String {
    match error.kind() {
        ErrorKind::LimitExceeded => String::from(
            "its stream has as many registered consumers as it may (20), or five of the account are being registered \
             just now; take one back that nobody needs, with Stream::deregister_consumer",
        ),
        _ => error.to_string(),
    }
}

fn late(kind: ErrorKind, name: &str, what: &str) -> Error {
    Error::new(
        kind,
        format!("consumer {name} takes more than two minutes to {what}; look at it in the AWS console"),
    )
}

/// `[a-zA-Z0-9_.-]{1,128}` (API reference, RegisterStreamConsumer).
fn check_name(name: &str) -> Result<()> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    match (1..=128).contains(&name.len()) && name.bytes().all(fits) {
        true => Ok(()),
        false => Err(Error::invalid(format!(
            "`{}` can't be the name of a consumer with enhanced fan-out: one is made of 1 to 128 of a-z, A-Z, 0-9, \
             _, . and -",
            shorten(&printable(name.as_bytes()), 140)
        ))),
    }
}

/// DescribeStreamConsumer takes 20 calls a second and account; an emulator takes any number.
fn pause(stream: &Stream) -> Duration {
    match stream.kinesis().place().is_aws() {
        true => Duration::from_secs(1),
        false => Duration::from_millis(50),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

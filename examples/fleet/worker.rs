//! A worker: the KCL's daemon, told by a file of properties.

use std::fs::OpenOptions;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use kinesis_lab::prelude::*;

use crate::Arguments;
use crate::child;
use crate::counting;
use crate::journal;
use crate::measure;
use crate::storm::{Line, Network};

/// What all workers of the fleet have in common.
pub(crate) struct Fleet<'a> {
    pub(crate) arguments: &'a Arguments,
    pub(crate) folder: &'a Path,
    pub(crate) kinesis: &'a str,
    pub(crate) dynamodb: &'a str,
    /// The database that the children count into, with its password.
    pub(crate) postgres: Option<&'a str>,
    /// To that database, of each worker; none where all have the same.
    pub(crate) lines: &'a [Line],
    /// Each worker is on a host of its own.
    pub(crate) hosts: bool,
    /// Where the children are measured: the file for which they wait.
    pub(crate) gate: Option<&'a Path>,
}

pub(crate) struct Worker {
    daemon: Child,
    pub(crate) name: String,
    /// How it went, once it has.
    pub(crate) gone: Option<&'static str>,
    /// Until when it does nothing.
    paused: Option<Instant>,
}

impl Worker {
    pub(crate) fn start(fleet: &Fleet<'_>, number: usize) -> Result<Worker, Error> {
        let name = format!("worker-{number}");
        let program = std::env::current_exe()?;
        let program = program.to_str().filter(|path| !path.contains(' ')).ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidInput,
                "the daemon splits executableName at blanks, and this checkout's path has one: move it, or set \
                 CARGO_TARGET_DIR to a folder without",
            )
        })?;
        let file = fleet.folder.join(format!("{name}.properties"));
        std::fs::write(&file, fleet.properties(&name, program))?;
        // One that is started again goes on with the log.
        let log = fleet.folder.join(format!("{name}.log"));
        let log = OpenOptions::new().create(true).append(true).open(log)?;
        let java = &fleet.arguments.java;
        let mut command = if fleet.hosts { Network::command(number, java) } else { Command::new(java) };
        command.args(["-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"]);
        command.arg(fleet.arguments.jars.join("*"));
        command.args(["software.amazon.kinesis.multilang.MultiLangDaemon", "--properties-file"]).arg(&file);
        // An emulator takes any; and nobody's own are to be used by mistake.
        for name in ["AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"] {
            command.env_remove(name);
        }
        command.envs([
            ("AWS_ACCESS_KEY_ID", "any"),
            ("AWS_SECRET_ACCESS_KEY", "any"),
            ("AWS_REGION", "us-east-1"),
            (journal::WORKER, &name),
        ]);
        command.env(journal::FOLDER, fleet.folder.join("journals"));
        if let Some(database) = fleet.postgres {
            let database =
                fleet.lines.get(number - 1).map_or(database.to_owned(), |line| line.address(database));
            command.envs([(child::DATABASE, &*database), (child::ENDPOINT, fleet.kinesis)]);
        }
        if let Some(keys) = fleet.arguments.keys {
            command.env(counting::KEYS, keys.to_string());
        }
        if fleet.arguments.without_fence {
            command.env(child::WITHOUT_FENCE, "1");
        }
        if let Some(gate) = fleet.gate {
            command.env(measure::GATE, gate);
        }
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        // Ctrl-C is for the fleet, which ends its workers one after the other.
        command.process_group(0);
        let daemon = command.spawn().map_err(|error| {
            Error::new(ErrorKind::Io, format!("{} does not start: {error}", fleet.arguments.java.display()))
        })?;
        Ok(Worker { daemon, name, gone: None, paused: None })
    }

    /// With what, when it has ended by itself.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        if self.gone.is_some() { None } else { self.daemon.try_wait().ok()? }
    }

    pub(crate) fn process(&self) -> u32 {
        self.daemon.id()
    }

    /// The memory of the daemon, and of the largest of its children, in MiB.
    pub(crate) fn resident(&self) -> Option<(u64, u64)> {
        let processes = processes();
        let own = processes.iter().find(|one| one.id == self.process())?.kilobytes;
        let children = processes.iter().filter(|one| one.parent == self.process());
        Some((own / 1024, children.map(|one| one.kilobytes).max()? / 1024))
    }

    /// However it was ended, or ended itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.daemon.try_wait().is_ok_and(|status| status.is_some())
    }

    /// As a machine that loses its power.
    pub(crate) fn kill(&mut self) {
        // Its children end with its pipes.
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
        self.gone = Some("killed");
    }

    /// Hands its leases on.
    pub(crate) fn terminate(&mut self) {
        self.signal("-TERM", false);
        self.signal("-CONT", true);
        self.gone = Some("asked to end");
    }

    /// As a machine that stands still: it does not know that others have its shards when it goes on.
    pub(crate) fn pause(&mut self, seconds: u64) {
        self.signal("-STOP", true);
        self.paused = Some(Instant::now() + Duration::from_secs(seconds));
    }

    /// When its time is over.
    pub(crate) fn go_on(&mut self) {
        if self.paused.is_some_and(|until| until <= Instant::now()) {
            self.signal("-CONT", true);
            self.paused = None;
        }
    }

    /// To the daemon, or to its children, too.
    fn signal(&self, signal: &str, with_children: bool) {
        let sign = if with_children { "-" } else { "" };
        let whom = format!("{sign}{}", self.daemon.id());
        let _ = Command::new("kill").args([signal, "--", &whom]).status();
    }

    /// After [`terminate`](Worker::terminate); killed after a time.
    pub(crate) fn wait(&mut self) -> Result<Duration, String> {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(60) {
            if self.daemon.try_wait().is_ok_and(|status| status.is_some()) {
                return Ok(began.elapsed());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(format!("{} did not end within a minute after SIGTERM", self.name))
    }
}

/// Of all, what `ps` says.
pub(crate) struct Process {
    pub(crate) id: u32,
    pub(crate) parent: u32,
    kilobytes: u64,
}

pub(crate) fn processes() -> Vec<Process> {
    let output = Command::new("ps").args(["-A", "-o", "pid=,ppid=,rss="]).output();
    let listed =
        output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let read = |line: &str| {
        let mut numbers = line.split_whitespace().map_while(|word| word.parse().ok());
        let (id, parent, kilobytes): (u64, u64, u64) = (numbers.next()?, numbers.next()?, numbers.next()?);
        Some(Process { id: id.try_into().ok()?, parent: parent.try_into().ok()?, kilobytes })
    };
    listed.lines().filter_map(read).collect()
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

impl Fleet<'_> {
    /// Intervals are those of a test: leases move in seconds, not in half a minute. CBOR and HTTP/2 are what it speaks
    /// unless told otherwise. Why leases are not handed over gracefully, the example `worker` says.
    fn properties(&self, worker: &str, program: &str) -> String {
        let Fleet { kinesis, dynamodb, arguments, .. } = self;
        let leader = match arguments.compatible_with_2x {
            true => "clientVersionConfig = CLIENT_VERSION_CONFIG_COMPATIBLE_WITH_2X\n",
            false => "",
        };
        let retrieval = if arguments.fan_out { "FANOUT" } else { "POLLING" };
        format!(
            "executableName = {program}
streamName = fleet
applicationName = fleet-journal
workerId = {worker}
AwsCredentialsProvider = EnvironmentVariableCredentialsProvider
regionName = us-east-1
kinesisEndpoint = {kinesis}
dynamoDBEndpoint = {dynamodb}
initialPositionInStream = TRIM_HORIZON
metricsLevel = NONE
processingLanguage = rust
retrievalMode = {retrieval}
idleTimeBetweenReadsInMillis = 250
failoverTimeMillis = 3000
leaseAssignmentIntervalMillis = 1000
shardSyncIntervalMillis = 500
parentShardPollIntervalMillis = 500
inMemoryWorkerMetricsCaptureFrequencyMillis = 200
workerMetricsReporterFreqInMillis = 2000
disableWorkerMetrics = true
callProcessRecordsEvenForEmptyRecordList = true
shutdownGraceMillis = 10000
isGracefulLeaseHandoffEnabled = false
{leader}"
        )
    }
}

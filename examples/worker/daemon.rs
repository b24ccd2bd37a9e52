//! The daemon: started, started again when it ends by itself, and asked to end when this program is.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kinesis_lab::prelude::*;

use crate::back_off::BackOff;
use crate::common::ending::{asked_to_end, set_when_stdin_ends};
use crate::common::say::{ended, say};
use crate::daemon_log::DaemonLog;
use crate::property_file::PropertyFile;
use crate::{Arguments, command_line, parts, properties, work};

/// The daemon's own, for its children, is 10 s; then it hands its leases on.
const GRACE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(50);

/// Until this program is asked to end.
pub(crate) fn keep_alive(arguments: &Arguments, line: &[String]) -> ExitCode {
    // From the beginning: who is asked to end while it starts a daemon leaves none behind.
    let asked = asked_to_end();
    if arguments.end_with_stdin {
        set_when_stdin_ends(&asked);
    }
    ended(run(arguments, line, &asked))
}

fn run(arguments: &Arguments, line: &[String], asked: &AtomicBool) -> Result<(), Error> {
    let properties = properties::of_this_program(arguments)?;
    let mut command = Command::new(parts::java(arguments.java.as_deref()));
    let jars = parts::jars(arguments.jars.as_deref())?;
    work::check(arguments)?;
    let file = PropertyFile::write(&properties)?;
    command.args(["-Xmx192m", "-XX:+UseSerialGC", "-cp"]).arg(jars.join("*"));
    command.args(["software.amazon.kinesis.multilang.MultiLangDaemon", "--properties-file"]).arg(file.path());
    command.env(command_line::CHILD, command_line::joined(line));
    // Ctrl-C is for this program, which gives the daemon time to end.
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    end_with_this_program(&mut command);
    let (mut back_off, mut begun) = (BackOff::new(), false);
    while !asked.load(Ordering::Relaxed) {
        let (began, log) = (Instant::now(), DaemonLog::new(arguments.verbose));
        let why = match start(&mut command, &log) {
            // Where it never ran, it won't later.
            Err(error) if !begun => return Err(error),
            Err(error) => error.to_string(),
            Ok(mut daemon) => {
                begun = true;
                say(format_args!("the daemon runs, process {}", daemon.id()));
                let Some(status) = wait(&mut daemon, asked)? else { return end(daemon) };
                log.last_lines().iter().for_each(|line| say(format_args!("  {line}")));
                format!("the daemon has ended by itself, {status}")
            }
        };
        let wait = back_off.after(began.elapsed());
        say(format_args!("error: {why}; the next one starts in {} s", wait.as_secs()));
        let until = Instant::now() + wait;
        while Instant::now() < until && !asked.load(Ordering::Relaxed) {
            std::thread::sleep(LOOK);
        }
    }
    Ok(())
}

fn start(command: &mut Command, log: &DaemonLog) -> Result<Child, Error> {
    let mut daemon = command.spawn().map_err(|error| {
        let java = command.get_program().display();
        let advice = "install Java 11 or later, or name its program by --java";
        Error::new(ErrorKind::Io, format!("{java} does not start ({error}): {advice}"))
    })?;
    let (out, errors) = (daemon.stdout.take(), daemon.stderr.take());
    out.into_iter().for_each(|out| log.follow(out));
    errors.into_iter().for_each(|errors| log.follow(errors));
    Ok(daemon)
}

/// How it ended; nothing when this program is asked to end before.
fn wait(daemon: &mut Child, asked: &AtomicBool) -> Result<Option<std::process::ExitStatus>, Error> {
    while !asked.load(Ordering::Relaxed) {
        if let Some(status) = daemon.try_wait()? {
            return Ok(Some(status));
        }
        std::thread::sleep(LOOK);
    }
    Ok(None)
}

/// Its leases are handed on; where it does not end, others take them when they run out.
fn end(mut daemon: Child) -> Result<(), Error> {
    say("asked to end: the shards are handed on");
    let began = Instant::now();
    // Not the program `kill`, which small containers lack.
    // SAFETY: it sends a signal, to a process that was not waited for, so that its number is nobody else's.
    unsafe { libc::kill(daemon.id().cast_signed(), libc::SIGTERM) };
    while began.elapsed() < GRACE {
        if daemon.try_wait()?.is_some() {
            say(format_args!("the daemon has ended after {:.1} s", began.elapsed().as_secs_f64()));
            return Ok(());
        }
        std::thread::sleep(LOOK);
    }
    daemon.kill()?;
    daemon.wait()?;
    let sentence = format!("the daemon did not end within {} s, and was killed", GRACE.as_secs());
    Err(Error::new(ErrorKind::Timeout, sentence))
}

/// A daemon that outlived this program would go on beside that of the next one. Elsewhere than on Linux it does: it reads
/// its shards until somebody ends it.
fn end_with_this_program(command: &mut Command) {
    #[cfg(target_os = "linux")]
    {
        let parent = std::process::id().cast_signed();
        // SAFETY: both calls may be made between fork and exec, and touch no memory.
        unsafe {
            command.pre_exec(move || {
                // Of the thread that starts it: the main one, which this is, and which lasts.
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
                // Ended in between, it would be told nothing.
                if libc::getppid() == parent { Ok(()) } else { Err(std::io::ErrorKind::NotFound.into()) }
            });
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = command;
}

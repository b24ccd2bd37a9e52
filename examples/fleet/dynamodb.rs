//! DynamoDB's stand-in, where the leases are.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kinesis_lab::prelude::*;

use crate::common::cache;

/// Where `cargo xtask fleet parts` puts the program, in the version that this was tried with.
pub(crate) fn made() -> PathBuf {
    const PROGRAM: &str = "dynoxide-3.2.0/bin/dynoxide";
    cache().map_or_else(|| PROGRAM.into(), |folder| folder.join(PROGRAM))
}

/// The program dynoxide, which ends with this.
pub(crate) struct Dynamodb {
    program: Child,
    pub(crate) endpoint: String,
}

impl Dynamodb {
    /// At an address of this machine.
    pub(crate) fn start(program: &Path, folder: &Path, address: &str) -> Result<Dynamodb, Error> {
        // Free now; taken by somebody else in between, the program says so and this ends.
        let port = TcpListener::bind((address, 0))?.local_addr()?.port();
        let log = File::create(folder.join("dynamodb.log"))?;
        let mut command = Command::new(program);
        command.args(["--host", address, "--port", &port.to_string()]);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        end_with_this_program(&mut command);
        let program = command.spawn().map_err(|error| {
            Error::new(ErrorKind::Io, format!("{} does not start: {error}", command.get_program().display()))
        })?;
        let mut dynamodb = Dynamodb { program, endpoint: format!("http://{address}:{port}") };
        let until = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect((address, port)).is_err() {
            if dynamodb.program.try_wait()?.is_some() || Instant::now() > until {
                return Err(Error::new(
                    ErrorKind::Io,
                    "dynoxide does not listen; its log says why: dynamodb.log",
                ));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(dynamodb)
    }
}

impl Drop for Dynamodb {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// However that ends; on Linux.
fn end_with_this_program(command: &mut Command) {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::process::CommandExt as _;
        // SAFETY: the call may be made between fork and exec, and touches no memory.
        unsafe {
            command.pre_exec(|| {
                // Of the thread that starts it: the main one, which lasts.
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                Ok(())
            });
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = command;
}

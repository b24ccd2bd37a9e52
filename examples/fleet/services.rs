//! `--services`: what stands in for DynamoDB, and PostgreSQL, alone: for workers that others start.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use kinesis_lab::prelude::*;

use crate::Arguments;
use crate::common::ending::asked_to_end;
use crate::common::say::tell;
use crate::control::{self, Request};
use crate::dynamodb::Dynamodb;
use crate::postgres::Postgres;
use crate::server::private;

/// Where their addresses are, in the folder of the fleet; the password, too, so it is its owner's alone.
const FILE: &str = "services.json";

/// Until somebody asks it to end, or the process of this number is gone.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    let folder = std::path::absolute(&arguments.folder)?;
    let own = folder.join("services");
    if control::is_up(&own) {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            "the services are up already: end them by `cargo xtask fleet services --stop`",
        ));
    }
    let _ = std::fs::remove_dir_all(&own);
    std::fs::create_dir_all(&own)?;
    let signal = asked_to_end();
    let asked = control::listen(&own)?;
    if !arguments.dynamodb.is_file() {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            "what stands in for DynamoDB is not there: `cargo xtask fleet parts`, in the folder of the project, makes it, \
             and fetches the Kinesis Client Library",
        ));
    }
    let dynamodb = Dynamodb::start(&arguments.dynamodb, &own, "127.0.0.1")?;
    let postgres = Postgres::start("127.0.0.1", &[])?;
    arguments.database.iter().try_for_each(|name| postgres.create(name))?;
    let (leases, counts, password) = (&dynamodb.endpoint, postgres.url(), &postgres.password);
    let file = Found(&folder.join(FILE));
    // Whole or not there. None of the three has a character that JSON would have otherwise.
    let part = folder.join(format!("{FILE}.part"));
    private(
        &part,
        &format!(
            "{{\"dynamodb\": \"{leases}\", \"postgres\": \"{counts}\", \"password\": \"{password}\"}}\n"
        ),
    )?;
    std::fs::rename(&part, file.0)?;
    tell(format_args!("DYNAMODB={leases}\nPOSTGRES={counts}\nPGPASSWORD={password}"));
    loop {
        for asker in asked.try_iter() {
            match asker.request {
                Request::Down => {
                    drop((postgres, dynamodb, file));
                    asker.answer("the services have ended");
                    return Ok(());
                }
                _ => asker.answer("error: these are services alone, without workers: write down"),
            }
        }
        let is_gone = arguments.with_process.is_some_and(|process| !is_there(process));
        if signal.load(Ordering::Relaxed) || is_gone {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Gone with the services.
struct Found<'a>(&'a Path);

impl Drop for Found<'_> {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.0);
    }
}

fn is_there(process: i32) -> bool {
    // SAFETY: signal 0 is sent to nobody; it asks whether the process is there.
    let answer = unsafe { libc::kill(process, 0) };
    answer == 0 || std::io::Error::last_os_error().kind() == std::io::ErrorKind::PermissionDenied
}

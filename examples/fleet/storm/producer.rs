//! Who puts the records: a client in another language, with aggregates of its own making; or this program.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use kinesis_lab::prelude::*;

use crate::traffic::{self, PUT};

const PYTHON: &str = include_str!("producer.py");

pub(crate) struct Producer {
    put: Arc<AtomicU64>,
    ends: Arc<AtomicBool>,
    python: Option<Child>,
    thread: JoinHandle<()>,
}

impl Producer {
    /// By Python, where it is given, with boto3 and aws_kinesis_agg.
    pub(crate) fn start(python: Option<&Path>, endpoint: &str, stream: &Stream) -> Result<Producer, Error> {
        let (put, ends) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (counted, asked, stream) = (put.clone(), ends.clone(), stream.clone());
        let Some(python) = python else {
            let thread = std::thread::spawn(move || {
                while !asked.load(Ordering::Relaxed) {
                    let from = counted.load(Ordering::Relaxed);
                    if traffic::put_some(&stream, from).is_err() {
                        return;
                    }
                    counted.store(from + PUT, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(100));
                }
            });
            return Ok(Producer { put, ends, python: None, thread });
        };
        let mut command = Command::new(python);
        command.args(["-c", PYTHON, endpoint]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut python = command.spawn()?;
        let lines = python.stdout.take().map(BufReader::new);
        let thread = std::thread::spawn(move || {
            for line in lines.into_iter().flat_map(|lines| lines.lines().map_while(Result::ok)) {
                if let Ok(number) = line.parse() {
                    counted.store(number, Ordering::Relaxed);
                }
            }
        });
        Ok(Producer { put, ends, python: Some(python), thread })
    }

    pub(crate) fn put(&self) -> u64 {
        self.put.load(Ordering::Relaxed)
    }

    /// How many it has put, once it has ended.
    ///
    /// # Errors
    /// When it ended otherwise: nobody knows then what it has put.
    pub(crate) fn end(self) -> Result<u64, Error> {
        let Producer { put, ends, python, thread } = self;
        let failed = |why: String| Error::new(ErrorKind::Service, format!("the producer has failed: {why}"));
        let was_there = !thread.is_finished();
        ends.store(true, Ordering::Relaxed);
        if let Some(mut python) = python {
            drop(python.stdin.take());
            let status = python.wait()?;
            if !status.success() {
                return Err(failed(status.to_string()));
            }
        }
        thread.join().map_err(|_| failed("a panic".into()))?;
        if was_there { Ok(put.load(Ordering::Relaxed)) } else { Err(failed("it has ended by itself".into())) }
    }
}

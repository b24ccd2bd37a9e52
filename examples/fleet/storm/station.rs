//! A place for a worker, and its supervisor: who goes is started again, under the same name.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use kinesis_lab::prelude::*;

use super::network::{Line, Network};
use crate::worker::{Fleet, Worker, processes};

/// As a supervisor waits at first.
const AGAIN: Duration = Duration::from_secs(1);

pub(crate) struct Station {
    number: usize,
    worker: Option<Worker>,
    pub(crate) starts: usize,
    /// Since when it is nobody's.
    gone: Instant,
    cut_until: Option<Instant>,
    cut_from: Vec<&'static str>,
    held: Option<Line>,
    stays_until: Option<Instant>,
}

impl Station {
    pub(crate) fn start(fleet: &Fleet<'_>, number: usize) -> Result<Station, Error> {
        let worker = Some(Worker::start(fleet, number)?);
        let (cut_until, cut_from, gone) = (None, Vec::new(), Instant::now());
        Ok(Station { number, worker, starts: 1, gone, cut_until, cut_from, held: None, stays_until: None })
    }

    pub(crate) fn is(&self, name: &str) -> bool {
        self.worker.as_ref().is_some_and(|worker| worker.name == name)
    }

    pub(crate) fn kill(&mut self) {
        if let Some(worker) = &mut self.worker {
            worker.kill();
        }
    }

    pub(crate) fn kill_child(&mut self, draw: usize) {
        let Some(worker) = &self.worker else { return };
        let children = children(worker.process());
        if !children.is_empty() {
            let _ = Command::new("kill").args(["-9", &children[draw % children.len()].to_string()]).status();
        }
    }

    pub(crate) fn pause(&mut self, length: Duration) {
        if let Some(worker) = &mut self.worker {
            worker.pause(length.as_secs());
        }
    }

    pub(crate) fn end(&mut self) {
        if let Some(worker) = &mut self.worker {
            worker.terminate();
        }
    }

    /// It is started again when it has ended.
    pub(crate) fn end_and_start_again(&mut self) {
        self.end();
    }

    pub(crate) fn stays(&mut self, length: Duration) {
        self.stays_until = Some(Instant::now() + length);
    }

    pub(crate) fn cut(
        &mut self,
        network: &Network,
        services: &[&'static str],
        length: Duration,
    ) -> Result<(), Error> {
        self.mend(network)?;
        for service in services {
            network.cut(self.number, service, true)?;
        }
        self.cut_from = services.to_vec();
        self.cut_until = Some(Instant::now() + length);
        Ok(())
    }

    /// As long as it is cut off.
    pub(crate) fn hold(&mut self, line: &Line) {
        line.hold(true);
        self.held = Some(line.clone());
    }

    fn mend(&mut self, network: &Network) -> Result<(), Error> {
        self.held.take().iter().for_each(|line| line.hold(false));
        for service in std::mem::take(&mut self.cut_from) {
            network.cut(self.number, service, false)?;
        }
        self.cut_until = None;
        Ok(())
    }

    pub(crate) fn look_after(
        &mut self,
        fleet: &Fleet<'_>,
        network: Option<&Network>,
        is_over: bool,
    ) -> Result<(), Error> {
        let is_due = |until: Option<Instant>| until.is_some_and(|until| is_over || until <= Instant::now());
        if let Some(network) = network.filter(|_| is_due(self.cut_until)) {
            self.mend(network)?;
        }
        if is_due(self.stays_until) {
            self.end();
        }
        let stays = self.stays_until.is_none_or(|until| until > Instant::now());
        if let Some(worker) = &mut self.worker {
            worker.go_on();
            if !worker.has_ended() {
                return Ok(());
            }
            (self.worker, self.gone) = (None, Instant::now());
        }
        // One that has joined for a time, and is gone, is not missed.
        let is_missed = self.stays_until.is_none() || stays && !is_over;
        if is_missed && self.gone.elapsed() >= AGAIN {
            self.worker = Some(Worker::start(fleet, self.number)?);
            self.starts += 1;
        }
        Ok(())
    }

    /// After [`end`](Station::end).
    pub(crate) fn wait(&mut self) -> Option<String> {
        self.worker.as_mut()?.wait().err()
    }
}

fn children(process: u32) -> Vec<u32> {
    processes().into_iter().filter(|one| one.parent == process).map(|one| one.id).collect()
}

/// Who holds the KCL's lock of its leader, in the table of its coordinator.
pub(crate) fn leader(dynamodb: &str) -> Option<String> {
    let address = dynamodb.strip_prefix("http://")?;
    let mut socket = TcpStream::connect(address).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let body = r#"{"TableName":"fleet-journal-CoordinatorState"}"#;
    // The stand-in wants to see a signature, and does not look into it.
    let request = format!(
        "POST / HTTP/1.1\r\nHost: {address}\r\nX-Amz-Target: DynamoDB_20120810.Scan\r\nX-Amz-Date: 20260101T000000Z\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, \
         Signature=00\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).ok()?;
    leader_in(&answer)
}

fn leader_in(items: &str) -> Option<String> {
    let owner = items.split("\"ownerName\"").nth(1)?;
    let name = &owner[owner.find("worker-")?..];
    Some(name[..name.find('"')?].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_leader_is_whose_lock_it_is() {
        let items =
            r#"{"Items":[{"key":{"S":"Leader"},"ownerName":{"S":"worker-2"},"leaseDuration":{"S":"1"}}]}"#;
        assert_eq!(leader_in(items).as_deref(), Some("worker-2"));
        assert_eq!(leader_in("{\"Items\":[]}"), None);
    }
}

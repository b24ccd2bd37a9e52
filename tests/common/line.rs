//! A TCP proxy whose lines fail: reset, closed half-way, silent, slow.
//!
//! It looks into what it passes on only to see where a request of the data plane begins.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::{ATTEMPT_TIMEOUT, Faults, Plan, pick};

/// The address to call instead of the service's.
pub(super) async fn lay(
    service: SocketAddr,
    plan: Arc<Mutex<Plan>>,
    servers: &mut JoinSet<()>,
) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    servers.spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let plan = plan.clone();
            tokio::spawn(async move {
                let service = TcpStream::connect(service).await?;
                Line { client, service, plan }.run().await
            });
        }
    });
    address
}

struct Line {
    client: TcpStream,
    service: TcpStream,
    plan: Arc<Mutex<Plan>>,
}

enum Next {
    /// Bytes of the client.
    Request(Vec<u8>),
    /// Bytes of the service.
    Answer(Vec<u8>),
    /// One of them has closed the line.
    End,
}

impl Line {
    /// Carries requests and answers until either side closes, or a fault ends the line.
    async fn run(mut self) -> io::Result<()> {
        loop {
            let Some(request) = self.next_request().await? else { return Ok(()) };
            let (fault, mut rng) = self.draw(&request);
            match fault {
                Some("reset") => {
                    if rng.bool() {
                        self.ask(request).await?;
                    }
                    // Closed without lingering, a socket sends RST, not FIN.
                    return self.client.set_zero_linger();
                }
                Some("half-closed") => {
                    let answer = self.ask(request).await?;
                    self.client.write_all(&answer[..answer.len() / 2]).await?;
                    self.client.shutdown().await?;
                    return self.until_the_client_hangs_up().await;
                }
                Some("silent") => {
                    if rng.bool() {
                        self.ask(request).await?;
                    }
                    self.until_the_client_hangs_up().await?;
                    self.plan.lock().unwrap().met("given up");
                    return Ok(());
                }
                Some("slow") => {
                    let answer = self.ask(request).await?;
                    let delay = Duration::from_millis(rng.u64(1..=2 * ATTEMPT_TIMEOUT.as_millis() as u64));
                    tokio::select! {
                        () = tokio::time::sleep(delay) => self.client.write_all(&answer).await?,
                        _ = self.client.readable() => {
                            self.plan.lock().unwrap().met("given up");
                            return Ok(());
                        }
                    }
                }
                _ => self.service.write_all(&request).await?,
            }
        }
    }

    /// Passes on what belongs to the exchange before, up to the first bytes of the next request.
    async fn next_request(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            match self.next().await? {
                Next::End => return Ok(None),
                Next::Answer(bytes) => self.client.write_all(&bytes).await?,
                // A client sends one request at a time, and none of their bodies looks like this.
                Next::Request(bytes) if bytes.starts_with(b"POST ") => {
                    return self.head(bytes).await.map(Some);
                }
                Next::Request(bytes) => self.service.write_all(&bytes).await?,
            }
        }
    }

    /// The whole head of a request, and what came with it.
    async fn head(&mut self, mut bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        while !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
            if self.client.read_buf(&mut bytes).await? == 0 {
                break;
            }
        }
        Ok(bytes)
    }

    /// Sends a request on and gives the first bytes of its answer.
    async fn ask(&mut self, request: Vec<u8>) -> io::Result<Vec<u8>> {
        self.service.write_all(&request).await?;
        loop {
            match self.next().await? {
                Next::Answer(bytes) => return Ok(bytes),
                Next::Request(bytes) => self.service.write_all(&bytes).await?,
                Next::End => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }

    async fn until_the_client_hangs_up(&mut self) -> io::Result<()> {
        let mut ignored = vec![0; 64 << 10];
        while self.client.read(&mut ignored).await? > 0 {}
        Ok(())
    }

    /// What comes next, from either side.
    async fn next(&mut self) -> io::Result<Next> {
        let (mut request, mut answer) = (Vec::with_capacity(64 << 10), Vec::with_capacity(64 << 10));
        let next = tokio::select! {
            read = self.client.read_buf(&mut request) => read.map(|_| Next::Request(request))?,
            read = self.service.read_buf(&mut answer) => read.map(|_| Next::Answer(answer))?,
        };
        Ok(match next {
            Next::Request(bytes) | Next::Answer(bytes) if bytes.is_empty() => Next::End,
            next => next,
        })
    }

    fn draw(&self, request: &[u8]) -> (Option<&'static str>, Rng) {
        let mut plan = self.plan.lock().unwrap();
        let head = String::from_utf8_lossy(&request[..request.len().min(4_000)]);
        let data = ["PutRecords", "GetRecords", "GetShardIterator"];
        let fault = data.iter().any(|call| head.contains(&format!("Kinesis_20131202.{call}"))).then(|| {
            let Faults { reset, half_closed, silent, slow, .. } = plan.faults;
            let shares = [(reset, "reset"), (half_closed, "half-closed"), (silent, "silent"), (slow, "slow")];
            pick(plan.rng.u8(0..100), &shares)
        });
        let fault = fault.flatten();
        fault.inspect(|fault| plan.met(fault));
        (fault, plan.rng.fork())
    }
}

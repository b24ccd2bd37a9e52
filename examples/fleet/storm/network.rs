//! Workers as hosts of their own: network namespaces on one bridge, services at addresses of their own. Needs to be started
//! in namespaces of processes, mounts and network, as root of them; all of it is gone with them.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kinesis_lab::prelude::*;

pub(crate) const KINESIS: &str = "10.77.0.1";
pub(crate) const DYNAMODB: &str = "10.77.0.2";
pub(crate) const POSTGRES: &str = "10.77.0.3";

/// Made of so many workers' hosts, 1, 2 and so on.
pub(crate) struct Network;

impl Network {
    pub(crate) fn make(workers: usize) -> Result<Network, Error> {
        let mut script =
            String::from("mkdir -p /run/netns\nmount -t tmpfs none /run/netns\nip link set lo up\n");
        script += "ip link add lab type bridge\nip link set lab up\n";
        for address in [KINESIS, DYNAMODB, POSTGRES] {
            script += &format!("ip addr add {address}/24 dev lab\n");
        }
        // What is cut off is asked before the table of this machine's own addresses is.
        script += "ip rule add prio 100 lookup local\nip rule del prio 0 lookup local\n";
        for number in 1..=workers {
            let (host, address) = (host(number), address(number));
            script += &format!(
                "ip netns add {host}\nip link add v{number} type veth peer name eth0 netns {host}\n\
                 ip link set v{number} master lab up\nip -n {host} addr add {address}/24 dev eth0\n\
                 ip -n {host} link set eth0 up\nip -n {host} link set lo up\n"
            );
        }
        // The embedded Kinesis answers to no other name than its machine's; so that is its name on the workers' hosts, too.
        script += &format!(
            "printf '{KINESIS} localhost\\n' > /run/netns/hosts\nmount --bind /run/netns/hosts /etc/hosts\n"
        );
        run("sh", &["-e", "-c", &script])?;
        Ok(Network)
    }

    /// A command on a worker's host; the process is the command's own.
    pub(crate) fn command(number: usize, program: &std::path::Path) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", host(number))).arg("--").arg(program);
        command
    }

    /// What is sent between a worker and a service is lost from now on; or no longer.
    pub(crate) fn cut(&self, number: usize, service: &str, is_cut: bool) -> Result<(), Error> {
        let (word, worker) = (if is_cut { "add" } else { "del" }, address(number));
        for (from, to) in [(&*worker, service), (service, &*worker)] {
            run("ip", &["rule", word, "prio", "1", "from", from, "to", to, "blackhole"])?;
        }
        Ok(())
    }
}

pub(crate) fn address(number: usize) -> String {
    format!("10.77.0.{}", 10 + number)
}

fn host(number: usize) -> String {
    format!("worker-{number}")
}

/// Makes what listens on 127.0.0.1 known at the address of Kinesis, at the same port.
pub(crate) fn publish(port: u16) -> Result<(), Error> {
    forward(TcpListener::bind((KINESIS, port))?, ("127.0.0.1", port), Line::default());
    Ok(())
}

/// A worker's own way to PostgreSQL. It can hold what is sent on it, and deliver it later: as a network does that loses
/// packets for a while, which are sent again, and nobody gives the connection up.
#[derive(Clone, Default)]
pub(crate) struct Line {
    /// At the address of PostgreSQL.
    pub(crate) port: u16,
    is_held: Arc<AtomicBool>,
    /// By which PostgreSQL knows the connections of this worker.
    ports: Arc<Mutex<Vec<u16>>>,
}

impl Line {
    pub(crate) fn to_postgres(port: u16) -> Result<Line, Error> {
        let listener = TcpListener::bind((POSTGRES, 0))?;
        let line = Line { port: listener.local_addr()?.port(), ..Line::default() };
        forward(listener, (POSTGRES, port), line.clone());
        Ok(line)
    }

    /// Of a database, by this way to it.
    pub(crate) fn address(&self, url: &str) -> String {
        let (user, place) = url.split_once('@').unwrap_or(("", url));
        let (_, path) = place.split_once('/').unwrap_or((place, ""));
        format!("{user}@{POSTGRES}:{}/{path}", self.port)
    }

    pub(crate) fn hold(&self, is_held: bool) {
        self.is_held.store(is_held, Ordering::Relaxed);
    }

    pub(crate) fn ports(&self) -> Vec<u16> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn forward(listener: TcpListener, to: (&'static str, u16), line: Line) {
    std::thread::spawn(move || {
        for one in listener.incoming().flatten() {
            let Ok(other) = TcpStream::connect(to) else { continue };
            let port = other.local_addr().map(|address| address.port());
            line.ports.lock().unwrap_or_else(PoisonError::into_inner).extend(port);
            let (Ok(one_too), Ok(other_too)) = (one.try_clone(), other.try_clone()) else { continue };
            for (from, to) in [(one, other), (other_too, one_too)] {
                let is_held = line.is_held.clone();
                std::thread::spawn(move || copy(from, to, &is_held));
            }
        }
    });
}

fn copy(mut from: TcpStream, mut to: TcpStream, is_held: &AtomicBool) {
    let mut bytes = [0; 16_384];
    while let Ok(n) = from.read(&mut bytes) {
        while is_held.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(20));
        }
        if n == 0 || to.write_all(&bytes[..n]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
}

fn run(program: &str, arguments: &[&str]) -> Result<(), Error> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let failed = |why: String| Error::new(ErrorKind::Io, format!("no network of its own: {why}"));
    let output = output.map_err(|error| failed(format!("{program}: {error}")))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
    }
}

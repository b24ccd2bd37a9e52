//! The local service is for this machine alone.

#![cfg(feature = "full")]

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use kinesis_lab::prelude::*;

/// This machine's other addresses: that of the interface to the world, where there is one, and the rest
/// of 127.0.0.0/8, which Linux has and a service on all interfaces would answer at.
fn other_addresses() -> Vec<IpAddr> {
    // Connecting a UDP socket sends nothing; it only chooses the interface. 192.0.2.1 is for documentation.
    let outward = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket.connect("192.0.2.1:9")?;
        socket.local_addr()
    });
    let outward = outward.ok().map(|address| address.ip());
    outward.into_iter().chain([IpAddr::from([127, 0, 0, 2])]).collect()
}

fn answers(ip: IpAddr, port: u16) -> bool {
    TcpStream::connect_timeout(&SocketAddr::new(ip, port), Duration::from_secs(2)).is_ok()
}

#[test]
fn the_local_service_listens_on_loopback_only() {
    let everywhere = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = everywhere.local_addr().unwrap().port();
    let others: Vec<IpAddr> = other_addresses().into_iter().filter(|ip| answers(*ip, port)).collect();
    if others.is_empty() {
        // Past the test harness, which keeps what a passing test prints.
        let _ = writeln!(std::io::stderr(), "SKIPPED: this machine has no address but 127.0.0.1");
        return;
    }
    let chosen = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for local in [Local::new(), Local::new().port(chosen)] {
        let kinesis = local.open().unwrap();
        let url = kinesis.endpoint_url().unwrap();
        let port: u16 = url.strip_prefix("http://127.0.0.1:").unwrap().parse().unwrap();
        assert!(answers(Ipv4Addr::LOCALHOST.into(), port));
        for ip in &others {
            assert!(!answers(*ip, port), "the service answers at {ip}, which others may reach");
        }
    }
}

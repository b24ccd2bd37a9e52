//! The local service is for this machine alone.

#![cfg(feature = "full")]

use std::io::{Read, Write};
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

fn port(kinesis: &Kinesis) -> u16 {
    kinesis.endpoint_url().unwrap().rsplit(':').next().unwrap().parse().unwrap()
}

fn head(operation: &str, host: &str, key: &str, length: usize) -> String {
    format!(
        "POST / HTTP/1.1\r\nhost: {host}\r\nx-amz-target: Kinesis_20131202.{operation}\r\n\
         content-type: application/x-amz-json-1.1\r\nx-amz-date: 20180906T080000Z\r\n\
         authorization: AWS4-HMAC-SHA256 Credential={key}/20180906/us-east-1/kinesis/aws4_request, \
         SignedHeaders=host, Signature=0\r\ncontent-length: {length}\r\n"
    )
}

/// The whole answer to a raw request.
fn ask(port: u16, request: &str) -> String {
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    let (mut answer, mut part) = (Vec::new(), [0; 4096]);
    // Until it says no more for a moment: a connection may be kept open.
    while let Ok(n @ 1..) = socket.read(&mut part) {
        answer.extend_from_slice(&part[..n]);
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    }
    String::from_utf8_lossy(&answer).to_lowercase()
}

#[test]
fn a_page_in_a_browser_reads_nothing_and_deletes_nothing() {
    let kinesis = Local::new().open().unwrap();
    kinesis.create_stream("secret", 1).unwrap();
    let port = port(&kinesis);
    let list =
        |host: &str, more: &str| ask(port, &format!("{}{more}\r\n{{}}", head("ListStreams", host, "any", 2)));
    let ours = [format!("127.0.0.1:{port}"), format!("localhost:{port}"), format!("[::1]:{port}")];
    for host in &ours {
        let answer = list(host, "");
        assert!(answer.starts_with("http/1.1 200") && answer.contains("secret"), "{answer}");
        assert!(!answer.contains("access-control"), "{answer}");
    }
    for (host, more) in [
        (&*ours[0], "origin: https://evil.example\r\n"),
        (&*ours[0], "origin: null\r\n"),
        // A name of another site that resolves to this machine.
        (&*format!("evil.example:{port}"), ""),
        ("127.0.0.1:1", ""),
        ("127.0.0.1", ""),
    ] {
        let answer = list(host, more);
        assert!(answer.starts_with("http/1.1 403"), "{host} {more}: {answer}");
        assert!(!answer.contains("access-control") && !answer.contains("secret"), "{answer}");
        assert!(answer.contains("local kinesis"), "a sentence: {answer}");
    }
    let preflight = format!(
        "OPTIONS / HTTP/1.1\r\nhost: {}\r\norigin: https://evil.example\r\naccess-control-request-method: POST\r\n\r\n",
        ours[0]
    );
    let answer = ask(port, &preflight);
    assert!(answer.starts_with("http/1.1 403") && !answer.contains("access-control"), "{answer}");
}

#[test]
fn a_service_of_ones_own_takes_its_own_key_alone() {
    let kinesis = Kinesis::local().unwrap();
    kinesis.create_stream("mine", 1).unwrap();
    let list = |key: &str| {
        let head = head("ListStreams", &format!("127.0.0.1:{}", port(&kinesis)), key, 2);
        ask(port(&kinesis), &format!("{head}\r\n{{}}"))
    };
    for key in ["any", "local", ""] {
        let answer = list(key);
        assert!(answer.starts_with("http/1.1 403") && !answer.contains("mine"), "{answer}");
        assert!(answer.contains("unrecognizedclientexception"), "{answer}");
    }
    // A program of the same user finds it.
    assert_eq!(Kinesis::endpoint(kinesis.endpoint_url().unwrap()).unwrap().list_streams().unwrap(), ["mine"]);

    let shared = Local::new().access_key("WORKSHOP").open().unwrap();
    assert!(shared.list_streams().unwrap().is_empty());
    let of = |key: &str| {
        let head = head("ListStreams", &format!("127.0.0.1:{}", port(&shared)), key, 2);
        ask(port(&shared), &format!("{head}\r\n{{}}"))
    };
    assert!(of("WORKSHOP").starts_with("http/1.1 200") && of("other").starts_with("http/1.1 403"));
    for odd in ["", "a b", "a/b", "a\n"] {
        assert_eq!(Local::new().access_key(odd).open().unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}

#[test]
fn a_request_whose_other_half_never_comes_stalls_nobody() {
    let kinesis = Local::new().open().unwrap();
    let stream = kinesis.create_stream("halves", 1).unwrap();
    let mut halves = Vec::new();
    for operation in ["PutRecords", "GetRecords", "PutRecord", "GetShardIterator", "CreateStream"] {
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port(&kinesis))).unwrap();
        let head = head(operation, &format!("127.0.0.1:{}", port(&kinesis)), "any", 1_000);
        socket.write_all(format!("{head}\r\n{{\"Records\":").as_bytes()).unwrap();
        halves.push(socket);
    }
    std::thread::sleep(Duration::from_millis(200)); // for the service to have them
    let (done, result) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        stream.put("k", "1").unwrap();
        let read = stream.consumer().trim_horizon().run_until_caught_up(&mut Echo::new()).unwrap();
        let _ = done.send(read.records);
    });
    assert_eq!(result.recv_timeout(Duration::from_secs(5)).expect("it hangs"), 1);
    drop(halves);
}

//! Calls to AWS go through the proxy of the environment, but for the hosts that it names.

#![cfg(feature = "full")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use kinesis_lab::prelude::*;

/// Gives what each connection begins with, and closes it.
fn listener(
    first: impl Fn(TcpStream) -> Option<String> + Send + 'static,
) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (said, received) = mpsc::channel();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let socket = socket.unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            if let Some(line) = first(socket) {
                let _ = said.send(line);
            }
        }
    });
    (address, received)
}

/// The first line of a request, all of whose headers are read; it is refused.
fn refusing_proxy(socket: TcpStream) -> Option<String> {
    let mut reader = BufReader::new(socket);
    let (mut first, mut line) = (String::new(), String::new());
    reader.read_line(&mut first).ok()?;
    while reader.read_line(&mut line).ok()? > 2 {
        line.clear();
    }
    reader.get_mut().write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").ok()?;
    Some(first.trim().to_owned())
}

/// What a TLS client begins with: a handshake (22) of version 3.
fn tls(mut socket: TcpStream) -> Option<String> {
    let mut begin = [0; 2];
    socket.read_exact(&mut begin).ok()?;
    (begin == [22, 3]).then(|| "TLS".to_owned())
}

const ENDPOINT: &str = "KINESIS_LAB_TEST_ENDPOINT";

/// Not a test of its own: a process with an environment of its own.
#[test]
fn calls_in_a_process_of_its_own() {
    let Ok(endpoint) = std::env::var(ENDPOINT) else { return };
    let aws = Kinesis::aws().region("eu-west-1");
    let kinesis = if endpoint.is_empty() { aws } else { aws.endpoint_url(&endpoint) };
    let error = kinesis.connect().unwrap().list_streams().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    println!("{error}");
}

/// What it says.
fn call(endpoint: &str, environment: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "calls_in_a_process_of_its_own", "--nocapture"]);
    for name in
        ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy", "AWS_PROFILE"]
    {
        command.env_remove(name);
    }
    let environment = environment.iter().copied();
    let keys = [("AWS_ACCESS_KEY_ID", "any"), ("AWS_SECRET_ACCESS_KEY", "any"), ("AWS_MAX_ATTEMPTS", "1")];
    let output = command.env(ENDPOINT, endpoint).envs(keys.into_iter().chain(environment)).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[test]
fn a_proxy_sees_a_connect_and_no_proxy_does_not() {
    let (proxy, connects) = listener(refusing_proxy);
    let (service, handshakes) = listener(tls);
    let endpoint = format!("https://{service}");
    let url = format!("http://{proxy}");
    for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        call(&endpoint, &[(variable, &url)]);
        assert_eq!(connects.try_recv().as_deref(), Ok(&*format!("CONNECT {service} HTTP/1.1")), "{variable}");
    }
    assert!(handshakes.try_recv().is_err(), "past the proxy");
    // Of AWS itself, which the sentence takes into account.
    let said = call("", &[("HTTPS_PROXY", &url)]);
    let connect = "CONNECT kinesis.eu-west-1.amazonaws.com:443 HTTP/1.1";
    assert_eq!(connects.try_iter().last().as_deref(), Some(connect));
    assert!(said.contains("calls go through the proxy of HTTPS_PROXY"), "{said}");

    for hosts in ["127.0.0.1", "127.0.0.0/8", "*"] {
        call(&endpoint, &[("HTTPS_PROXY", &url), ("NO_PROXY", hosts)]);
        assert!(connects.try_recv().is_err(), "NO_PROXY={hosts}");
        assert_eq!(handshakes.try_iter().next().as_deref(), Some("TLS"), "NO_PROXY={hosts}");
    }
    // An emulator is asked directly.
    let local = Local::new().open().unwrap();
    assert!(local.list_streams().unwrap().is_empty());
}

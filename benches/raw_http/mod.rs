//! What the benches of puts and reads share: the records, and a client that sends the bytes of the same requests.

// Compiled into each bench, of which none uses all of it.
#![allow(dead_code)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use base64::Engine as _;
use kinesis_lab::prelude::*;

/// Records of 100 bytes: a timestamp, padded.
pub(crate) const SIZE: usize = 100;

pub(crate) fn entries(n: usize) -> Vec<Entry> {
    let start = Timestamp::from_secs(1_536_220_800);
    (0..n)
        .map(|n| {
            let time = start + millis(n as u64);
            Entry::new(
                format!("10.1.{}.{}", n % 1_000 / 250, n % 250),
                format!("{time:<27}{:SIZE$}", "")[..SIZE].to_owned(),
            )
        })
        .collect()
}

pub(crate) fn put_raw(stream: Stream, entries: &[Entry]) {
    let mut http = Http::to(&stream);
    for chunk in entries.chunks(500) {
        let records: Vec<String> = chunk
            .iter()
            .map(|entry| {
                let data = base64::engine::general_purpose::STANDARD.encode(&entry.data);
                format!(r#"{{"Data":"{data}","PartitionKey":"{}"}}"#, entry.partition_key)
            })
            .collect();
        let body = format!(r#"{{"StreamName":"{}","Records":[{}]}}"#, stream.name(), records.join(","));
        let answer = http.call("PutRecords", &body);
        assert!(answer.contains(r#""FailedRecordCount":0"#), "{answer}");
    }
}

/// HTTP/1.1 over one kept connection, by hand.
pub(crate) struct Http {
    host: String,
    connection: BufReader<TcpStream>,
}

impl Http {
    pub(crate) fn to(stream: &Stream) -> Http {
        let host = stream.kinesis().endpoint_url().unwrap().trim_start_matches("http://").to_owned();
        let connection = TcpStream::connect(&host).unwrap();
        connection.set_nodelay(true).unwrap();
        Http { host, connection: BufReader::with_capacity(1 << 20, connection) }
    }

    pub(crate) fn call(&mut self, operation: &str, body: &str) -> String {
        let head = format!(
            "POST / HTTP/1.1\r\nhost: {}\r\nx-amz-target: Kinesis_20131202.{operation}\r\n\
             content-type: application/x-amz-json-1.1\r\nx-amz-date: 20180906T080000Z\r\n\
             authorization: AWS4-HMAC-SHA256 Credential=a/20180906/us-east-1/kinesis/aws4_request, \
             SignedHeaders=host, Signature=0\r\ncontent-length: {}\r\n\r\n",
            self.host,
            body.len()
        );
        let socket = self.connection.get_mut();
        socket.write_all(head.as_bytes()).unwrap();
        socket.write_all(body.as_bytes()).unwrap();
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.connection.read_line(&mut line).unwrap();
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.is_empty() {
                break;
            }
        }
        let mut answer = vec![0; length];
        self.connection.read_exact(&mut answer).unwrap();
        String::from_utf8(answer).unwrap()
    }
}

pub(crate) fn rate(records: usize, work: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    work();
    records as f64 / begun.elapsed().as_secs_f64()
}

pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

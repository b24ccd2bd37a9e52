//! The table of leases: who may read which shard. Of what stands in for DynamoDB on this machine, which takes any
//! signature; a table of AWS is read by its own tools.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use kinesis_lab::prelude::*;
use serde_json::Value;

use crate::common::say::product;

/// A table is small, and its service is near.
const ANSWER: Duration = Duration::from_secs(10);
/// What is shown of a sequence number, of which the first digits are the same everywhere.
const DIGITS: usize = 8;

pub(crate) fn show(dynamodb: &str, table: &str) -> Result<(), Error> {
    let answer = scan(dynamodb, table)?;
    let leases = leases(&answer)?;
    product(|out| {
        writeln!(out, "{:<22}{:<12}{:>8}  checkpoint", "lease", "owner", "counter")?;
        leases.iter().try_for_each(|Lease { shard, owner, counter, checkpoint }| {
            writeln!(out, "{shard:<22}{owner:<12}{counter:>8}  {checkpoint}")
        })
    })
}

/// All text is a stranger's, and printed: so each is made harmless.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Lease {
    shard: Text,
    owner: Text,
    counter: Text,
    checkpoint: Text,
}

/// One request over HTTP/1.1: the whole table, as far as it fits into an answer of 1 MB.
fn scan(dynamodb: &str, table: &str) -> Result<String, Error> {
    let host = dynamodb.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
    let host = host.ok_or_else(|| failed("the address is none as http://127.0.0.1:8000"))?;
    let mut connection = TcpStream::connect(host).map_err(|error| failed(&error.to_string()))?;
    connection.set_read_timeout(Some(ANSWER))?;
    let body = serde_json::json!({ "TableName": table, "ConsistentRead": true }).to_string();
    write!(
        connection,
        "POST / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/x-amz-json-1.0\r\n\
         X-Amz-Target: DynamoDB_20120810.Scan\r\nX-Amz-Date: 20180906T080000Z\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=any/20180906/us-east-1/dynamodb/aws4_request, \
         SignedHeaders=host, Signature=any\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    let (head, body) =
        answer.split_once("\r\n\r\n").ok_or_else(|| failed("it hangs up without an answer"))?;
    match head.split(' ').nth(1) {
        Some("200") => Ok(body.to_owned()),
        _ if body.contains("ResourceNotFound") => Err(failed(&format!("there is no table {table} yet"))),
        _ => Err(failed(&printable(body.get(..200).unwrap_or(body).as_bytes()))),
    }
}

/// In the order of their shards.
fn leases(answer: &str) -> Result<Vec<Lease>, Error> {
    let answer: Value = serde_json::from_str(answer).map_err(|_| failed("its answer is no JSON"))?;
    let items = answer["Items"].as_array().ok_or_else(|| failed("its answer has no Items"))?;
    let mut leases: Vec<Lease> = items.iter().filter_map(lease).collect();
    leases.sort();
    Ok(leases)
}

fn lease(item: &Value) -> Option<Lease> {
    let text = |name: &str| item[name]["S"].as_str();
    let checkpoint = text("checkpoint").unwrap_or_default();
    let shown = match checkpoint.len().checked_sub(DIGITS) {
        Some(from) if checkpoint.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("…{}", &checkpoint[from..])
        }
        _ => checkpoint.to_owned(),
    };
    Some(Lease {
        shard: text("leaseKey")?.into(),
        owner: text("leaseOwner").unwrap_or("nobody").into(),
        counter: item["leaseCounter"]["N"].as_str().unwrap_or_default().into(),
        checkpoint: shown.into(),
    })
}

fn failed(why: &str) -> Error {
    Error::new(ErrorKind::Io, format!("the table of leases could not be read: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_in_the_order_of_its_shards() {
        let answer = r#"{"Items":[
            {"leaseKey":{"S":"shardId-000000000002"},"leaseCounter":{"N":"7"},"checkpoint":{"S":"SHARD_END"}},
            {"leaseKey":{"S":"shardId-000000000001"},"leaseOwner":{"S":"worker-\u001b[2J"},"leaseCounter":{"N":"12"},
             "checkpoint":{"S":"49680597319817581628945225719574227650954418397233807362"}},
            {"key":{"S":"no lease"}}],"Count":3}"#;
        let found = leases(answer).unwrap();
        let shown: Vec<String> = found
            .iter()
            .map(|lease| format!("{} {} {} {}", lease.shard, lease.owner, lease.counter, lease.checkpoint))
            .collect();
        assert_eq!(
            shown,
            ["shardId-000000000001 worker-\\x1b[2J 12 …33807362", "shardId-000000000002 nobody 7 SHARD_END"]
        );
    }

    #[test]
    fn what_is_no_table_is_a_sentence() {
        for answer in ["", "[]", "{}", r#"{"Items":7}"#] {
            assert!(
                leases(answer)
                    .unwrap_err()
                    .to_string()
                    .starts_with("the table of leases could not be read: its")
            );
        }
        assert!(scan("127.0.0.1:1", "a").unwrap_err().to_string().contains("none as http://"));
    }
}

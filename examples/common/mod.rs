//! What several of the programs have in common: how they connect, what they say, and how they end.

// Compiled into each program, of which none need use all of it.
#![allow(dead_code)]

pub(crate) mod ending;
pub(crate) mod say;

use std::path::PathBuf;
use std::time::Duration;

use kinesis_lab::prelude::*;

/// Where `cargo xtask fleet parts` puts what it makes: jars of the Kinesis Client Library, DynamoDB's stand-in.
pub(crate) fn cache() -> Option<PathBuf> {
    let path = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    path("KINESIS_LAB_CACHE")
        .or_else(|| path("XDG_CACHE_HOME").map(|folder| folder.join("kinesis-lab")))
        .or_else(|| path("HOME").map(|folder| folder.join(".cache/kinesis-lab")))
}

/// AWS in the region of the environment, or an endpoint. One on this machine is an emulator, which takes
/// any credentials: nobody should need an account for it.
pub(crate) fn connect(endpoint: Option<&str>) -> Result<Kinesis, Error> {
    match endpoint {
        None => Kinesis::aws().connect(),
        Some(url) if is_here(url) => Kinesis::endpoint(url),
        Some(url) => Kinesis::aws().endpoint_url(url).connect(),
    }
}

fn is_here(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // Without a name and a password before it, which are no part of the host.
    let host =
        host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(host, _)| host);
    ["127.0.0.1", "localhost", "[::1]"].contains(&host)
}

/// `500ms`, `60s`, `5m`, `1h`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("write a number and ms, s, m or h: 60s".into()),
    };
    let number: u64 = number.parse().map_err(|_| "write a number and ms, s, m or h: 60s".to_owned())?;
    number.checked_mul(millis).map(Duration::from_millis).ok_or("that is too long".into())
}

//! In which format a stream's records are, as several of the programs are told.

use std::path::PathBuf;

use clap::Args;
use kinesis_lab::prelude::*;
use kinesis_lab::{AnyFormat, EpochUnit, JsonFormat, LinePrefix, LogFormat};

/// Without any of these: a timestamp, JSON with `ip` and `time`, or a line of an access log, told apart by the data.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "Format of the records")]
pub(crate) struct FormatArguments {
    /// The table [format] of this TOML file says it, in place of the options below
    #[arg(long, value_name = "FILE", conflicts_with_all = ["log_format", "time", "epoch", "field", "key", "id", "behind"])]
    format: Option<PathBuf>,
    /// Lines of a log: a pattern of nginx or Apache, or combined, vhost_combined, alb, elb, caddy, traefik,
    /// nginx_json, w3c
    #[arg(long, value_name = "PATTERN", conflicts_with_all = ["time", "epoch", "field"])]
    log_format: Option<String>,
    /// What stands before each line, of a log or of JSON: syslog, docker, compose, cri
    #[arg(long, value_name = "WHAT")]
    behind: Option<LinePrefix>,
    /// A proxy, or a network of proxies, whose X-Forwarded-For names the client (more than one: repeat it)
    #[arg(long, value_name = "NETWORK", requires = "log_format")]
    trusted_proxy: Vec<String>,
    /// JSON: where the key is, such as client.addr; of a log: a field that is counted (more than one: repeat it)
    #[arg(long, value_name = "PATH")]
    key: Vec<String>,
    /// JSON: where the time is [default: time]
    #[arg(long, value_name = "PATH")]
    time: Option<String>,
    /// JSON: what a number that is a time counts: s, ms, us, ns [default: told by its size]
    #[arg(long, value_name = "UNIT", value_parser = unit)]
    epoch: Option<EpochUnit>,
    /// JSON: where the event's id is; of a log: the field that is one
    #[arg(long, value_name = "PATH")]
    id: Option<String>,
    /// JSON: a field for playbooks, and where it is (more than one: repeat it) [default: all members]
    #[arg(long, value_name = "NAME=PATH", value_parser = field)]
    field: Vec<(String, String)>,
}

impl FormatArguments {
    pub(crate) fn format(&self) -> Result<AnyFormat, Error> {
        if let Some(file) = &self.format {
            return AnyFormat::read(file);
        }
        let keys: Vec<&str> = self.key.iter().map(String::as_str).collect();
        if let Some(pattern) = &self.log_format {
            let mut format: LogFormat = pattern.parse()?;
            if let Some(prefix) = self.behind {
                format = format.behind(prefix);
            }
            if !self.trusted_proxy.is_empty() {
                let proxies: Vec<&str> = self.trusted_proxy.iter().map(String::as_str).collect();
                format = format.trusted_proxies(&proxies)?;
            }
            if let Some(id) = &self.id {
                format = format.id(id);
            }
            return Ok(format.key(&keys).into());
        }
        let is_json = !keys.is_empty()
            || self.time.is_some()
            || self.epoch.is_some()
            || self.id.is_some()
            || self.behind.is_some()
            || !self.field.is_empty();
        if !is_json {
            return Ok(AnyFormat::default());
        }
        let mut format = JsonFormat::new().key(&keys);
        if let Some(time) = &self.time {
            format = format.time(time);
        }
        if let Some(unit) = self.epoch {
            format = format.epoch(unit);
        }
        if let Some(id) = &self.id {
            format = format.id(id);
        }
        for (name, path) in &self.field {
            format = format.field(name, path);
        }
        if let Some(prefix) = self.behind {
            format = format.behind(prefix);
        }
        Ok(format.into())
    }
}

fn unit(text: &str) -> Result<EpochUnit, String> {
    match text {
        "s" => Ok(EpochUnit::Seconds),
        "ms" => Ok(EpochUnit::Millis),
        "us" => Ok(EpochUnit::Micros),
        "ns" => Ok(EpochUnit::Nanos),
        _ => Err("write s, ms, us or ns".into()),
    }
}

fn field(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, path)) if !name.is_empty() && !path.is_empty() => Ok((name.to_owned(), path.to_owned())),
        _ => Err("write its name and where it is: status=http.status".into()),
    }
}

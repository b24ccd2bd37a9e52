//! [`StreamAddress`]: how a call says which stream it means.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::service::Kinesis;
use crate::text::{printable, shorten};

/// A name, or the ARN of a stream, which may be another account's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamAddress {
    text: Arc<str>,
    /// Where in it the name begins: at 0, where it is no ARN.
    name: usize,
}

impl StreamAddress {
    pub(crate) fn named(name: &str) -> StreamAddress {
        StreamAddress { text: name.into(), name: 0 }
    }

    /// What somebody has given us: `clicks`, or `arn:aws:kinesis:eu-west-1:123456789012:stream/clicks`.
    pub(crate) fn parse(text: &str, kinesis: &Kinesis) -> Result<StreamAddress> {
        if !text.starts_with("arn:") {
            return Ok(StreamAddress::named(text));
        }
        let shown = || shorten(&printable(text.as_bytes()), 200).into_owned();
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let name = match parts[..] {
            [_, partition, "kinesis", region, account, resource]
                if partition.starts_with("aws") && !region.is_empty() && !account.is_empty() =>
            {
                resource.strip_prefix("stream/").filter(|name| !name.is_empty() && !name.contains('/'))
            }
            _ => None,
        };
        let Some(name) = name else {
            return Err(Error::invalid(format!(
                "`{}` is no ARN of a stream: one reads arn:aws:kinesis:eu-west-1:123456789012:stream/NAME",
                shown()
            )));
        };
        // AWS would look for it in the client's region, and say that there is none. An emulator has one of its own.
        if kinesis.place().is_aws() && parts[3] != kinesis.region() {
            return Err(Error::invalid(format!(
                "`{}` is a stream in region {region}, and this connection is to {}: connect with \
                 Kinesis::aws().region(\"{region}\")",
                shown(),
                kinesis.region(),
                region = shorten(&printable(parts[3].as_bytes()), 40),
            )));
        }
        Ok(StreamAddress { text: text.into(), name: text.len() - name.len() })
    }

    pub(crate) fn name(&self) -> &str {
        &self.text[self.name..]
    }

    /// For a call's `StreamName`: AWS wants one of the two.
    pub(crate) fn stream_name(&self) -> Option<String> {
        (self.name == 0).then(|| self.text.to_string())
    }

    /// For a call's `StreamARN`.
    pub(crate) fn stream_arn(&self) -> Option<String> {
        (self.name > 0).then(|| self.text.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_or_an_arn_of_the_connections_region() {
        let local = Kinesis::endpoint("http://127.0.0.1:9").unwrap();
        let config = aws_sdk_kinesis::Config::builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .region(aws_config::Region::new("eu-west-1"));
        let aws = Kinesis::from_client(aws_sdk_kinesis::Client::from_conf(config.build()));
        let arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/clicks";
        for kinesis in [&local, &aws] {
            let named = StreamAddress::parse("clicks", kinesis).unwrap();
            assert_eq!(
                (named.name(), named.stream_name().as_deref(), named.stream_arn()),
                ("clicks", Some("clicks"), None)
            );
            let by_arn = StreamAddress::parse(arn, kinesis).unwrap();
            assert_eq!(
                (by_arn.name(), by_arn.stream_name(), by_arn.stream_arn().as_deref()),
                ("clicks", None, Some(arn))
            );
        }
        let elsewhere = arn.replace("eu-west-1", "us-west-2");
        assert!(StreamAddress::parse(&elsewhere, &local).is_ok());
        let error = StreamAddress::parse(&elsewhere, &aws).unwrap_err().to_string();
        assert!(error.contains("region(\"us-west-2\")"), "{error}");
        for odd in [
            "arn:",
            "arn:aws:s3:::stream/clicks",
            &arn.replace("stream/clicks", "stream/"),
            &format!("{arn}/consumer/c:1"),
        ] {
            assert!(StreamAddress::parse(odd, &aws).unwrap_err().to_string().contains("is no ARN"), "{odd}");
        }
    }
}

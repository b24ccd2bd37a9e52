//! What the service's refusals mean: a sentence for each cause, which says what to do.

use super::cause::without_credentials;
use crate::error::ErrorKind;
use crate::timestamp::Timestamp;

/// What there is to know of an answer that refuses.
pub(super) struct Refusal<'a> {
    /// The stream of the call; empty where it names none.
    pub(super) stream: &'a str,
    pub(super) region: &'a str,
    /// Who answers.
    pub(super) service: &'a str,
    pub(super) profile: Option<&'a str>,
    pub(super) code: Option<&'a str>,
    pub(super) message: Option<&'a str>,
    pub(super) status: Option<u16>,
}

impl Refusal<'_> {
    pub(super) fn explain(&self) -> (ErrorKind, String) {
        let said = without_credentials(self.message.unwrap_or("no further message"));
        let (stream, region) = (self.stream, self.region);
        match self.code.unwrap_or("") {
            "ResourceNotFoundException" if stream.is_empty() => (ErrorKind::StreamNotFound, said.to_owned()),
            "ResourceNotFoundException" => (ErrorKind::StreamNotFound, not_found(stream, region)),
            "ResourceInUseException" => (
                ErrorKind::StreamInUse,
                format!("stream {stream} in region {region} is being changed or already exists: {said}"),
            ),
            // Of an embedded one (src/service/local/memory.rs): of no account, and it says what to do.
            "LimitExceededException" if said.starts_with("the local Kinesis") => {
                (ErrorKind::LimitExceeded, said.to_owned())
            }
            "LimitExceededException" => (
                ErrorKind::LimitExceeded,
                format!(
                    "a limit of the account was exceeded in region {region}: {said} Delete streams that you no \
                     longer need, ask for fewer shards, or wait a second when you call this often."
                ),
            ),
            "ProvisionedThroughputExceededException" | "ThrottlingException" | "KMSThrottlingException" => (
                ErrorKind::Throttled,
                format!(
                    "too much for a shard of stream {stream}: one takes 1,000 records and 1 MB a second and gives \
                     2 MB a second in 5 reads; spread the partition keys, add shards, or wait ({said})"
                ),
            ),
            "ExpiredIteratorException" => {
                (ErrorKind::ExpiredIterator, format!("the shard iterator is older than 5 minutes: {said}"))
            }
            "ExpiredTokenException" | "ExpiredToken" => (
                ErrorKind::ExpiredCredentials,
                self.refused("they have expired, and no others were found", self.sign_in()),
            ),
            "AccessDeniedException" | "AccessDenied" => {
                (ErrorKind::AccessDenied, clock(said).unwrap_or_else(|| self.not_allowed(said)))
            }
            "UnrecognizedClientException" | "InvalidClientTokenId" => (
                ErrorKind::AccessDenied,
                self.refused(
                    "it doesn't know the access key or the session token (mistyped, deleted, of another \
                     partition of AWS, or of a service that only takes its own)",
                    self.sign_in(),
                ),
            ),
            "RequestExpired" | "RequestTimeTooSkewed" | "RequestInTheFuture" => {
                (ErrorKind::AccessDenied, clock(said).unwrap_or_else(|| wrong_clock("", region)))
            }
            "InvalidSignatureException" | "SignatureDoesNotMatch" => (
                ErrorKind::AccessDenied,
                clock(said).or_else(|| self.wrong_scope(said)).unwrap_or_else(|| {
                    self.refused("the secret access key is not the one of the access key", self.sign_in())
                }),
            ),
            "IncompleteSignature" | "MissingAuthenticationTokenException" | "OptInRequired" => {
                (ErrorKind::AccessDenied, self.refused(&format!("it says: {said}"), self.sign_in()))
            }
            "InvalidArgumentException" | "ValidationException" => (ErrorKind::InvalidInput, said.to_owned()),
            code => (
                match self.status {
                    Some(400..500) => ErrorKind::Refused,
                    _ => ErrorKind::Service,
                },
                format!(
                    "{} answered {}{}: {said}",
                    self.service,
                    if code.is_empty() { "with an error" } else { code },
                    self.status.map(|status| format!(" (status {status})")).unwrap_or_default(),
                ),
            ),
        }
    }

    fn refused(&self, why: &str, what_to_do: String) -> String {
        format!(
            "the AWS credentials{} were refused in region {} ({}): {why}; {what_to_do}",
            self.profile.map(|name| format!(" of profile {name}")).unwrap_or_default(),
            self.region,
            self.code.unwrap_or("no code"),
        )
    }

    /// `Credential should be scoped to a valid region.`, which no other key changes.
    fn wrong_scope(&self, said: &str) -> Option<String> {
        said.contains("Credential should be scoped to").then(|| {
            format!(
                "{} is asked as if it were in region {}, and is not (it says: {said}); give the region of the \
                 endpoint, or leave the endpoint out",
                self.service, self.region
            )
        })
    }

    fn sign_in(&self) -> String {
        let flag = self.profile.map(|name| format!(" --profile {name}")).unwrap_or_default();
        format!("make new ones with `aws configure{flag}` or `aws sso login{flag}`")
    }

    /// `User: arn:…:user/x is not authorized to perform: kinesis:PutRecords on resource: arn:…:stream/s because no
    /// identity-based policy allows the kinesis:PutRecords action`, in all its forms.
    fn not_allowed(&self, said: &str) -> String {
        let parts = said.split_once(" is not authorized to perform: ").map(|(who, rest)| {
            let who = who.trim().strip_prefix("User:").unwrap_or(who).trim();
            let (action, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            let rest = rest.strip_prefix("on resource: ").unwrap_or(rest);
            let (resource, reason) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            (who, action, resource, reason)
        });
        match parts {
            Some((who, action, resource, reason)) => {
                let on = if resource.is_empty() { String::new() } else { format!(" on {resource}") };
                let because =
                    if reason.is_empty() { String::new() } else { format!(" (AWS says: {reason})") };
                if reason.contains("explicit deny") {
                    return format!(
                        "{who} may not do {action}{on}: a policy denies it, which no other policy can allow; ask \
                         whoever administers the account{because}"
                    );
                }
                format!(
                    "{who} may not do {action}{on}: add a policy to it that allows the action there, or ask \
                     whoever administers the account for one{because}"
                )
            }
            None => self.refused(
                &format!("it says: {said}"),
                "check their permissions for Kinesis, or ask whoever administers the account".to_owned(),
            ),
        }
    }
}

/// A sentence about the clock, where a service's words are about that:
/// `Signature expired: 20240301T101500Z is now earlier than 20240301T180000Z (20240301T180500Z - 5 min.)`,
/// `Signature not yet current: 20240301T231500Z is still later than … (… + 5 min.)`.
pub(super) fn clock(said: &str) -> Option<String> {
    let about_time =
        ["ignature expired", "ignature not yet current"].iter().any(|words| said.contains(words));
    if !about_time {
        return None;
    }
    let times: Vec<Timestamp> =
        said.split(|c: char| !c.is_ascii_alphanumeric()).filter_map(compact_time).collect();
    // Ours first, the service's own last; between the two, the limit that it has made of that.
    let by_how_much = match (times.first(), times.last()) {
        (Some(ours), Some(theirs)) if ours < theirs => {
            format!("{} behind ", span(theirs.since(*ours).as_secs()))
        }
        (Some(ours), Some(theirs)) if ours > theirs => {
            format!("{} ahead of ", span(ours.since(*theirs).as_secs()))
        }
        _ => String::new(),
    };
    Some(wrong_clock(&by_how_much, ""))
}

fn wrong_clock(by_how_much: &str, region: &str) -> String {
    let where_ = if region.is_empty() { String::new() } else { format!(" in region {region}") };
    let how = match by_how_much {
        "" => format!("the clock of this machine is wrong, more than five minutes off that of AWS{where_}"),
        off => format!("the clock of this machine is wrong: it is {off}that of AWS"),
    };
    format!(
        "{how}. The credentials may be right: set the clock (`sudo timedatectl set-ntp true` on Linux; a virtual \
         machine or WSL may need a restart after sleep), then try again"
    )
}

/// `20240301T101500Z`.
fn compact_time(word: &str) -> Option<Timestamp> {
    let digits = |range: std::ops::Range<usize>| word.get(range);
    let form = word.len() == 16
        && word.bytes().enumerate().all(|(at, byte)| match at {
            8 => byte == b'T',
            15 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        });
    if !form {
        return None;
    }
    let [year, month, day] = [digits(0..4)?, digits(4..6)?, digits(6..8)?];
    let [hour, minute, second] = [digits(9..11)?, digits(11..13)?, digits(13..15)?];
    format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z").parse().ok()
}

/// The two largest units: `7 h 50 min`.
fn span(seconds: u64) -> String {
    let (days, hours, minutes, seconds) =
        (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {seconds} s"),
        (0, ..) => format!("{hours} h {minutes} min"),
        (1, ..) => format!("1 day {hours} h"),
        _ => format!("{days} days {hours} h"),
    }
}

pub(super) fn not_found(stream: &str, region: &str) -> String {
    format!(
        "stream {stream} not found in region {region}: create it with create_stream(\"{stream}\", 1), or check \
         its name and the region"
    )
}

pub(crate) fn replaced(stream: &str, region: &str, created: Timestamp) -> String {
    format!(
        "the stream {stream} in region {region} that this was opened for is deleted; another was created under \
         its name at {created}: open that one with stream(\"{stream}\"), and read it from its beginning"
    )
}

#[cfg(test)]
mod tests;

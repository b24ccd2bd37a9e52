//! The profiles of `~/.aws`: whether the one that is meant is there, and can be used.

use std::collections::HashSet;

use aws_config::profile::{self, ProfileSet};
use aws_types::os_shim_internal::{Env, Fs};

use crate::error::{Error, ErrorKind, Result};
use crate::text::shorten;

/// How many profiles a sentence names.
const MAX_NAMED: usize = 10;

/// Looks at the profile of this name, or at the one that the environment names.
///
/// # Errors
/// For one that isn't there though others are (the SDK would go on, and miss the region), and for one whose kind
/// of sign-in the SDK's crates don't know. Where nothing can be said, the chain of credentials has its say.
pub(super) async fn check(named: Option<&str>) -> Result<()> {
    let env = Env::real();
    let asked = named.map(str::to_owned).or_else(|| env.get("AWS_PROFILE").ok());
    // A file that can't be read or parsed is told of by the chain, with what was looked for.
    let Ok(profiles) =
        profile::load(&Fs::real(), &env, &Default::default(), asked.clone().map(Into::into)).await
    else {
        return Ok(());
    };
    // Keys in the environment come before a profile that is only the environment's.
    if named.is_none() && env.get("AWS_ACCESS_KEY_ID").is_ok() {
        return Ok(());
    }
    match refusal(&profiles, asked.as_deref()) {
        Some(sentence) => Err(Error::new(ErrorKind::NoCredentials, sentence)),
        None => Ok(()),
    }
}

fn refusal(profiles: &ProfileSet, asked: Option<&str>) -> Option<String> {
    let name = asked.unwrap_or_else(|| profiles.selected_profile());
    // Where there are none at all, "no usable credentials" says it better.
    if asked.is_some() && !profiles.is_empty() && profiles.get_profile(name).is_none() {
        return Some(missing(profiles, name));
    }
    let mut name = name;
    let mut seen = HashSet::new();
    // A profile may take its keys from another, and that from a third.
    while seen.insert(name) {
        let profile = profiles.get_profile(name)?;
        if profile.get("login_session").is_some() && profile.get("aws_access_key_id").is_none() {
            return Some(format!(
                "profile {name} signs in with `aws login`, which the AWS SDK of this library was not built for: let \
                 the AWS CLI hand the credentials over, with a second profile in ~/.aws/config that has the line \
                 `credential_process = aws configure export-credentials --profile {name} --format process` (and a \
                 `region`), and connect with that one"
            ));
        }
        name = profile.get("source_profile")?;
        if profiles.get_profile(name).is_none() {
            return Some(missing(profiles, name));
        }
    }
    None
}

fn missing(profiles: &ProfileSet, name: &str) -> String {
    let mut names: Vec<&str> = profiles.profiles().collect();
    names.sort_unstable();
    let more = if names.len() > MAX_NAMED { ", …" } else { "" };
    let names: Vec<_> = names.iter().take(MAX_NAMED).map(|name| shorten(name, 64)).collect();
    format!(
        "there is no profile {name} in ~/.aws/config or ~/.aws/credentials (there are: {}{more}): check its \
         spelling, or make it with `aws configure --profile {name}`",
        names.join(", "),
    )
}

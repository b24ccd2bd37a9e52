//! [`BlockEntry`]: what is meant by an entry of a block list, however it is written. Pure.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net, Ipv4Subnets, Ipv6Subnets};

use crate::error::{Error, Result};
use crate::event::client_address;
use crate::text::shown;

/// Characters of an entry that an error quotes.
const SHOWN: usize = 100;

/// What is meant by an entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BlockEntry {
    /// Somebody, as it is written.
    Client(String),
    /// Each in its one form; of a range as many as it takes.
    Networks(Vec<IpNet>),
}

impl BlockEntry {
    /// What was meant to be addresses and is none is an error: as a name, it would refuse nobody.
    pub(super) fn parse(text: &str) -> Result<BlockEntry> {
        let text = text.trim_ascii();
        if client_address(text).is_some() {
            return Ok(BlockEntry::Client(text.to_owned()));
        }
        if text.contains('/') {
            let found = network(text).ok_or_else(|| {
                wrong(
                    text,
                    "network",
                    "write an address and /0 to /32 (of IPv6 to /128) behind it: 198.51.100.0/24",
                )
            })?;
            return Ok(BlockEntry::Networks(vec![found]));
        }
        if text.contains('*') {
            let found = wildcard(text).ok_or_else(|| {
                wrong(text, "network", "only the last numbers of an IPv4 address can be `*`: 198.51.100.*")
            })?;
            return Ok(BlockEntry::Networks(vec![found]));
        }
        if let Some(between) = range(text) {
            return between.map(BlockEntry::Networks).ok_or_else(|| {
                wrong(text, "range", "write its first and its last address: 198.51.100.8-198.51.100.11")
            });
        }
        match is_name(text) {
            true => Ok(BlockEntry::Client(text.to_owned())),
            false => {
                Err(wrong(text, "address", "write one address, network or range an entry: 198.51.100.7"))
            }
        }
    }
}

fn wrong(text: &str, what: &str, instead: &str) -> Error {
    Error::invalid(format!("`{}` is no {what}, and would refuse nobody: {instead}", shown(text, SHOWN)))
}

/// A network of several addresses, in its one form: of IPv4, also where it is written as IPv6.
fn network(text: &str) -> Option<IpNet> {
    let (address, length) = text.split_once('/')?;
    let address = parsed_address(address.trim_ascii())?;
    let length = length.trim_ascii();
    let network = match length.parse::<Ipv4Addr>() {
        // `198.51.100.0/255.255.255.0`, as older tools write it.
        Ok(mask) => IpNet::with_netmask(address, IpAddr::V4(mask)).ok()?,
        Err(_) => {
            IpNet::new(address, length.parse().ok().filter(|_| length.bytes().all(|b| b.is_ascii_digit()))?)
                .ok()?
        }
    };
    let network = match network {
        IpNet::V6(v6) if v6.prefix_len() >= 96 => match v6.network().to_ipv4_mapped() {
            Some(v4) => IpNet::V4(Ipv4Net::new(v4, v6.prefix_len() - 96).ok()?),
            None => network,
        },
        _ => network,
    };
    Some(network.trunc())
}

/// An address as it is, not in the one form of its spellings: the length of `::ffff:198.51.100.0/120` is IPv6's.
fn parsed_address(text: &str) -> Option<IpAddr> {
    let inside = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match inside {
        Some(inside) => inside.parse().ok().map(IpAddr::V6),
        None => text.parse().ok(),
    }
}

/// `198.51.100.*`, `198.51.*.*`, `198.51.*`.
fn wildcard(text: &str) -> Option<IpNet> {
    let known = text.trim_end_matches(['.', '*']);
    let stars = text[known.len()..].matches('*').count();
    let well_formed = text[known.len()..].bytes().all(|b| b == b'.' || b == b'*')
        && text.split('.').all(|part| part == "*" || !part.is_empty() && !part.contains('*'));
    let numbers: Vec<u8> = known
        .split('.')
        .map(|part| part.parse().ok().filter(|_| part.bytes().all(|b| b.is_ascii_digit())))
        .collect::<Option<_>>()?;
    if !well_formed || numbers.len() > 3 || numbers.len() + stars > 4 {
        return None;
    }
    let mut octets = [0; 4];
    octets[..numbers.len()].copy_from_slice(&numbers);
    let length = u8::try_from(numbers.len() * 8).ok()?;
    Ipv4Net::new(octets.into(), length).ok().map(IpNet::V4)
}

/// The networks of `198.51.100.8-198.51.100.11`; nothing where no address stands before a hyphen, `Some(None)` where
/// none stands behind it, or an earlier one.
fn range(text: &str) -> Option<Option<Vec<IpNet>>> {
    let (first, last) = text.split_once(['-', '–'])?;
    let first = client_address(first)?;
    let networks = || match (first, client_address(last)?) {
        (IpAddr::V4(first), IpAddr::V4(last)) if first <= last => {
            Some(Ipv4Subnets::new(first, last, 0).map(IpNet::V4).collect())
        }
        (IpAddr::V6(first), IpAddr::V6(last)) if first <= last => {
            Some(Ipv6Subnets::new(first, last, 0).map(IpNet::V6).collect())
        }
        _ => None,
    };
    Some(networks())
}

/// Whether it may be the name of a client: a word that is no list, no part of an address and no broken one. A number
/// may be a customer's.
fn is_name(text: &str) -> bool {
    let word = !text.is_empty()
        && !text.chars().any(|c| c.is_whitespace() || c.is_control() || ",;\"'[]%".contains(c));
    let last = text.rsplit('.').next().unwrap_or_default();
    let broken_v4 = text.contains('.') && last.bytes().all(|b| b.is_ascii_digit());
    let broken_v6 =
        text.contains(':') && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b':' || b == b'.');
    word && !broken_v4 && !broken_v6
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each was a name, in silence, and refused nobody.
    #[test]
    fn what_would_refuse_nobody_is_an_error() {
        for text in [
            "198.51.100.0/33",
            "198.51.100.0/-1",
            "198.51.100.0/24/8",
            "2001:db8::/129",
            "198.51.100/24",
            "host.example/24",
            "198.51.*.7",
            "198.51.10*",
            "*",
            "2001:db8:*",
            "198.51.100.*.*",
            "198.51.100.8-198.51.100.7",
            "198.51.100.8-11",
            "198.51.100.8-2001:db8::1",
            "198.51.100.8-",
            "198.51.100.300",
            "198.51.100",
            "198.51.100.",
            "2001:db8:::1",
            "[2001:db8::1",
            "198.51.100.7, 198.51.100.8",
            "198.51.100.7 198.51.100.8",
            "198.51.100.7\u{0}",
            "",
        ] {
            let error = BlockEntry::parse(text).unwrap_err().to_string();
            assert!(error.contains("would refuse nobody"), "{text}: {error}");
        }
    }

    #[test]
    fn networks_in_all_their_forms() {
        for (text, networks) in [
            ("198.51.100.*", "198.51.100.0/24"),
            ("198.51.*.*", "198.51.0.0/16"),
            ("198.51.*", "198.51.0.0/16"),
            ("198.*.*.*", "198.0.0.0/8"),
            ("198.51.100.8-198.51.100.11", "198.51.100.8/30"),
            ("198.51.100.8 - 198.51.100.12", "198.51.100.8/30 198.51.100.12/32"),
            ("198.51.100.7-198.51.100.7", "198.51.100.7/32"),
            ("2001:db8::-2001:db8::ffff", "2001:db8::/112"),
            ("0.0.0.0-255.255.255.255", "0.0.0.0/0"),
        ] {
            let BlockEntry::Networks(found) = BlockEntry::parse(text).unwrap() else { panic!("{text}") };
            let found: Vec<String> = found.iter().map(IpNet::to_string).collect();
            assert_eq!(found.join(" "), networks, "{text}");
        }
    }

    #[test]
    fn a_client_is_one() {
        for text in [
            "192.0.2.7",
            "192.0.2.7:443",
            "[2001:db8::1]:443",
            "fe80::1%eth0",
            "-",
            "cafe.de",
            "alice",
            "12345",
            "tenant:alice",
            "web-1.example",
            "10-0-0-1.example",
        ] {
            assert_eq!(BlockEntry::parse(text).unwrap(), BlockEntry::Client(text.to_owned()));
        }
    }
}

//! Whom trusted proxies name as their client: the walk through `X-Forwarded-For` or `Forwarded`. Pure.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

use crate::error::{Error, Result};

/// In which header the proxies say for whom they ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ForwardedHeader {
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
}

/// An address or a network, as it is written in a configuration.
pub(crate) fn trusted_network(text: &str) -> Result<IpNet> {
    let net = match text.parse::<IpAddr>() {
        // A peer that comes as ::ffff:10.0.0.1 is compared as 10.0.0.1.
        Ok(address) => Ok(IpNet::from(address.to_canonical())),
        Err(_) => text.parse::<IpNet>().map(|net| match net {
            // The same of ::ffff:10.0.0.0/104: it would trust nobody.
            IpNet::V6(v6) if v6.prefix_len() >= 96 => match v6.network().to_ipv4_mapped() {
                Some(v4) => IpNet::new(v4.into(), v6.prefix_len() - 96).unwrap_or(net),
                None => net,
            },
            net => net,
        }),
    };
    net.map_err(|_| {
        Error::invalid(format!(
            "`{text}` is no proxy's address; write an address or a network: 127.0.0.1, 10.0.0.0/8, fd00::/8"
        ))
    })
}

pub(crate) fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|net| net.contains(&address))
}

/// The client's address: the peer's; or, when that is a trusted proxy, what the header's last element
/// says; or, when that is another trusted proxy, what the one before it says; and so on. The header's lines come
/// from the last to the first. Where the peer is not known, the last element is taken for what one's own server
/// or its proxy wrote.
///
/// What is no address ends the walk at the last trusted one: what stands left of it is not known to be
/// written by a proxy. An IPv4 address in IPv6 clothes is an IPv4 address: one client, one key.
pub(crate) fn client_behind<'a>(
    peer: Option<IpAddr>,
    lines: impl Iterator<Item = &'a [u8]>,
    header: ForwardedHeader,
    trusted: &[IpNet],
) -> Option<IpAddr> {
    let mut last = peer.map(|peer| peer.to_canonical());
    if last.is_some_and(|peer| !is_trusted(peer, trusted)) {
        return last;
    }
    for line in lines {
        let mut rest = Some(line);
        while let Some(list) = rest {
            let (before, element) = split_last(list, b',', header == ForwardedHeader::Forwarded);
            let named = match header {
                ForwardedHeader::XForwardedFor => address(element),
                ForwardedHeader::Forwarded => forwarded_for(element),
            };
            let Some(address) = named else { return last };
            if !is_trusted(address, trusted) {
                return Some(address);
            }
            (last, rest) = (Some(address), before);
        }
    }
    last
}

/// What stands after the last separator, and what before it. From the right, because that is where the
/// trusted proxy wrote: a quote that a stranger opened further left and never closed does not swallow
/// it.
fn split_last(list: &[u8], separator: u8, quotes: bool) -> (Option<&[u8]>, &[u8]) {
    let mut quoted = false;
    for at in (0..list.len()).rev() {
        if quotes && list[at] == b'"' {
            let backslashes = list[..at].iter().rev().take_while(|byte| **byte == b'\\').count();
            quoted ^= backslashes % 2 == 0;
        } else if list[at] == separator && !quoted {
            return (Some(&list[..at]), &list[at + 1..]);
        }
    }
    (None, list)
}

/// `for` of an element such as `by=10.0.0.1; For="[2001:db8::1]:4711";proto=https`.
fn forwarded_for(element: &[u8]) -> Option<IpAddr> {
    let mut rest = Some(element);
    while let Some(pairs) = rest {
        let (before, pair) = split_last(pairs, b';', true);
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        if pair[..equals].trim_ascii().eq_ignore_ascii_case(b"for") {
            let value = pair[equals + 1..].trim_ascii();
            let unquoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
            return address(unquoted.unwrap_or(value));
        }
        rest = before;
    }
    None
}

/// An address, with a port or without; IPv6 in brackets or not.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok();
    let address = text
        .parse::<IpAddr>()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
        .or_else(|| bracketed().map(IpAddr::from));
    address.map(|address| address.to_canonical())
}

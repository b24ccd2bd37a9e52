//! [`ClientNetwork`]: clients counted by their network. Pure.

use std::borrow::Cow;
use std::net::IpAddr;

use ipnet::IpNet;

use super::client::{canonical_client, client_address};

/// What stands before the lengths in a field such as `ip/64`.
const FIELD: &str = "ip/";

/// By how many bits clients are told apart.
///
/// Whoever has one address of IPv6 has 2⁶⁴ of them: providers give customers networks of 64 bits or fewer
/// (RFC 6177), and no counter of single addresses will ever see the same one twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientNetwork {
    v4: u8,
    v6: u8,
}

impl ClientNetwork {
    /// Lengths beyond those of addresses are these.
    pub(crate) fn of(v4: u8, v6: u8) -> ClientNetwork {
        ClientNetwork { v4: v4.min(32), v6: v6.min(128) }
    }

    /// What a field `ip/64` (of IPv6 alone), `ip/24` (of IPv4 alone: up to 32) or `ip/24/64` asks for.
    pub(crate) fn of_field(field: &str) -> Option<ClientNetwork> {
        let length = |text: &str| {
            let plain =
                !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
            text.parse::<u8>().ok().filter(|_| plain)
        };
        let lengths = field.strip_prefix(FIELD)?;
        let (v4, v6) = match lengths.split_once('/') {
            Some((v4, v6)) => (length(v4)?, length(v6)?),
            None => match length(lengths)? {
                v4 @ ..=32 => (v4, 128),
                v6 => (32, v6),
            },
        };
        (v4 <= 32 && v6 <= 128).then_some(ClientNetwork { v4, v6 })
    }

    /// The lengths, of IPv4 and of IPv6.
    pub(crate) fn lengths(self) -> (u8, u8) {
        (self.v4, self.v6)
    }

    /// The network in which a client is: `2001:db8:1:2::/64`. Of a network that is one address, the address; what
    /// is no address stays as it is.
    pub(crate) fn name_of(self, client: &str) -> Cow<'_, str> {
        let Some(address) = client_address(client) else { return Cow::Borrowed(client) };
        let length = match address {
            IpAddr::V4(_) => self.v4,
            IpAddr::V6(_) => self.v6,
        };
        match IpNet::new(address, length) {
            Ok(network) if length < network.max_prefix_len() => Cow::Owned(network.trunc().to_string()),
            _ => canonical_client(client),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn neighbours_are_one() {
        for (field, client, name) in [
            ("ip/64", "2001:db8:1:2::7", "2001:db8:1:2::/64"),
            ("ip/64", "[2001:DB8:1:2:FFFF::]:443", "2001:db8:1:2::/64"),
            ("ip/64", "192.0.2.7", "192.0.2.7"),
            ("ip/64", "::ffff:192.0.2.7", "192.0.2.7"),
            ("ip/24", "192.0.2.7", "192.0.2.0/24"),
            ("ip/24", "2001:db8::7", "2001:db8::7"),
            ("ip/24/48", "::ffff:192.0.2.7", "192.0.2.0/24"),
            ("ip/24/48", "2001:db8:1:2::7", "2001:db8:1::/48"),
            ("ip/32/128", "192.0.2.7:80", "192.0.2.7"),
            ("ip/24/64", "host.example", "host.example"),
            ("ip/24/64", "-", "-"),
        ] {
            assert_eq!(ClientNetwork::of_field(field).unwrap().name_of(client), name, "{field} {client}");
        }
    }

    #[test]
    fn what_is_no_length_is_none() {
        for field in
            ["ip", "ip/", "ip/0", "ip/129", "ip/33/64", "ip/24/", "ip/+24", "ip/24/64/1", "ip/064", "page/64"]
        {
            assert_eq!(ClientNetwork::of_field(field), None, "{field}");
        }
    }

    proptest! {
        /// Two clients are one exactly when they agree in so many bits; and a name is its own.
        #[test]
        fn as_many_bits_as_asked_for(a: u128, flip in 0u32..128, v6 in 33u8..=128) {
            let (one, other) = (std::net::Ipv6Addr::from(a), std::net::Ipv6Addr::from(a ^ (1 << (127 - flip))));
            prop_assume!(one.to_ipv4_mapped().is_none() && other.to_ipv4_mapped().is_none());
            let network = ClientNetwork::of(32, v6);
            let same = network.name_of(&one.to_string()) == network.name_of(&other.to_string());
            prop_assert_eq!(same, flip >= u32::from(v6));
        }
    }
}

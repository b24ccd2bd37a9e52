//! Whose request it is: the peer, or whom a trusted proxy names.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::{FORWARDED, HeaderName};
use ipnet::IpNet;

use crate::event::{ForwardedHeader, client_behind};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client's address: the peer's, or whom the trusted proxies name in the header, from the right.
pub(crate) fn client(
    peer: Option<IpAddr>,
    headers: &HeaderMap,
    header: ForwardedHeader,
    trusted: &[IpNet],
) -> Option<IpAddr> {
    let peer = peer?;
    let name = match header {
        ForwardedHeader::XForwardedFor => X_FORWARDED_FOR,
        ForwardedHeader::Forwarded => FORWARDED,
    };
    // A header in several lines is one list, in their order (RFC 9110, 5.3).
    let lines = headers.get_all(name).iter().rev().map(|line| line.as_bytes());
    client_behind(Some(peer), lines, header, trusted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::trusted_network as network;
    use http::HeaderValue;
    use proptest::prelude::*;

    const HEADERS: [ForwardedHeader; 2] = [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded];

    fn name(header: ForwardedHeader) -> HeaderName {
        if header == ForwardedHeader::Forwarded { FORWARDED } else { X_FORWARDED_FOR }
    }

    fn lines(header: ForwardedHeader, lines: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name(header), HeaderValue::from_bytes(line).unwrap());
        }
        headers
    }

    fn trusted() -> Vec<IpNet> {
        ["127.0.0.1", "10.0.0.0/8", "fd00::/8", "::ffff:192.168.0.1"]
            .map(|net| network(net).unwrap())
            .to_vec()
    }

    #[test]
    fn the_first_address_from_the_right_that_is_not_trusted_is_the_clients() {
        #[rustfmt::skip]
        let table: &[(&str, &[&str], &str)] = &[
            // Whom nobody trusts speaks for himself only.
            ("192.0.2.7", &[], "192.0.2.7"),
            ("192.0.2.7", &["198.51.100.1"], "192.0.2.7"),
            ("::ffff:192.0.2.7", &["198.51.100.1"], "192.0.2.7"),
            // One proxy, two, all of them.
            ("127.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("::ffff:127.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("192.168.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("127.0.0.1", &["198.51.100.1, 10.1.2.3"], "198.51.100.1"),
            ("127.0.0.1", &["198.51.100.1,10.1.2.3", "10.9.9.9"], "198.51.100.1"),
            ("127.0.0.1", &["10.1.2.3, 10.9.9.9"], "10.1.2.3"),
            ("127.0.0.1", &[], "127.0.0.1"),
            // What a stranger wrote before the proxy did.
            ("127.0.0.1", &["1.2.3.4, 198.51.100.1"], "198.51.100.1"),
            ("127.0.0.1", &["1.2.3.4", "198.51.100.1, 10.0.0.1"], "198.51.100.1"),
            ("127.0.0.1", &["\", 198.51.100.1"], "198.51.100.1"),
            // Ports, brackets, IPv4 in IPv6.
            ("127.0.0.1", &["198.51.100.1:443"], "198.51.100.1"),
            ("127.0.0.1", &["2001:DB8::1"], "2001:db8::1"),
            ("127.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
            ("127.0.0.1", &["[2001:db8::1]:443"], "2001:db8::1"),
            ("127.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1"),
            ("127.0.0.1", &["[::ffff:198.51.100.1]:80"], "198.51.100.1"),
            ("fd00::1", &["2001:db8::1, fd00::2"], "2001:db8::1"),
            // Garbage ends it.
            ("127.0.0.1", &[""], "127.0.0.1"),
            ("127.0.0.1", &["unknown"], "127.0.0.1"),
            ("127.0.0.1", &["198.51.100.1, unknown, 10.0.0.7"], "10.0.0.7"),
            ("127.0.0.1", &["198.51.100.1,"], "127.0.0.1"),
            ("127.0.0.1", &["198.51.100.256"], "127.0.0.1"),
            ("127.0.0.1", &["198.51.100.1:99999"], "127.0.0.1"),
        ];
        for (peer, sent, want) in table {
            let sent: Vec<&[u8]> = sent.iter().map(|line| line.as_bytes()).collect();
            let headers = lines(ForwardedHeader::XForwardedFor, &sent);
            let found = client(peer.parse().ok(), &headers, ForwardedHeader::XForwardedFor, &trusted());
            assert_eq!(found, want.parse().ok(), "{peer} {sent:?}");
        }
    }

    #[test]
    fn rfc_7239_is_read() {
        #[rustfmt::skip]
        let table: &[(&[&str], &str)] = &[
            (&["for=198.51.100.1"], "198.51.100.1"),
            (&["For=\"[2001:db8:cafe::17]:4711\""], "2001:db8:cafe::17"),
            (&["for=192.0.2.60;proto=http;by=203.0.113.43"], "192.0.2.60"),
            (&["by=10.0.0.1; for = \"198.51.100.1:80\" ;host=\"a;b,c\""], "198.51.100.1"),
            (&["for=1.2.3.4, for=198.51.100.1, for=10.0.0.1"], "198.51.100.1"),
            (&["for=1.2.3.4", "for=198.51.100.1"], "198.51.100.1"),
            // A quote that a stranger left open.
            (&["for=\", for=198.51.100.1"], "198.51.100.1"),
            (&["for=\"\\\", for=198.51.100.1;host=\"\\\\\""], "198.51.100.1"),
            (&["for=_hidden"], "127.0.0.1"),
            (&["for=unknown, for=10.0.0.1"], "10.0.0.1"),
            (&["proto=https"], "127.0.0.1"),
            (&["198.51.100.1"], "127.0.0.1"),
        ];
        for (sent, want) in table {
            let sent: Vec<&[u8]> = sent.iter().map(|line| line.as_bytes()).collect();
            let headers = lines(ForwardedHeader::Forwarded, &sent);
            let found = client("127.0.0.1".parse().ok(), &headers, ForwardedHeader::Forwarded, &trusted());
            assert_eq!(found, want.parse().ok(), "{sent:?}");
        }
    }

    #[test]
    fn a_proxy_that_is_none_is_named() {
        assert!(network("proxy.example").unwrap_err().to_string().contains("`proxy.example`"));
        assert!(network("10.0.0.0/33").is_err());
    }

    #[test]
    fn nobody_known_is_nobody() {
        let headers = lines(ForwardedHeader::XForwardedFor, &[b"198.51.100.1"]);
        assert_eq!(client(None, &headers, ForwardedHeader::XForwardedFor, &trusted()), None);
    }

    /// What may stand in a header's value, with what matters here more often than chance has it.
    fn hostile() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            proptest::collection::vec(prop_oneof![Just(b'\t'), 32u8..=126, 128u8..=255], 0..6),
            prop::sample::select(vec![
                "for=",
                "\"",
                "\\",
                ",",
                ";",
                "10.0.0.1",
                "127.0.0.1",
                "198.51.100.9",
                "[",
                "]",
                ":80",
                " ",
                "unknown",
                "fd00::1",
            ])
            .prop_map(|text| text.as_bytes().to_vec()),
        ];
        proptest::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        // 1,000 cases: what breaks a walk is two or three particular pieces side by side.
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn without_a_trusted_proxy_nothing_a_stranger_sends_matters(
            peer: [u8; 4],
            sent in proptest::collection::vec(hostile(), 0..4),
        ) {
            let peer = IpAddr::from(peer);
            let sent: Vec<&[u8]> = sent.iter().map(Vec::as_slice).collect();
            for header in HEADERS {
                let mut headers = lines(header, &sent);
                prop_assert_eq!(client(Some(peer), &headers, header, &[]), Some(peer));
                // The other header is never looked at.
                headers = lines(if header == HEADERS[0] { HEADERS[1] } else { HEADERS[0] }, &sent);
                let proxy = IpAddr::from([127, 0, 0, 1]);
                prop_assert_eq!(client(Some(proxy), &headers, header, &trusted()), Some(proxy));
            }
        }

        #[test]
        fn behind_a_proxy_that_appends_it_does_not_either(
            stranger in any::<[u8; 4]>().prop_filter("a stranger", |a| ![10, 127, 192].contains(&a[0])),
            sent in proptest::collection::vec(hostile(), 0..4),
            on_a_line_of_its_own: bool,
            proxies in 1usize..4,
        ) {
            let stranger = IpAddr::from(stranger);
            for header in HEADERS {
                let mut sent = sent.clone();
                for proxy in 0..proxies {
                    // The first one names the stranger, each further one the proxy before it.
                    let named = if proxy == 0 { stranger } else { IpAddr::from([10, 0, 0, proxy as u8]) };
                    let element = match header {
                        ForwardedHeader::XForwardedFor => named.to_string(),
                        ForwardedHeader::Forwarded => format!("for=\"{named}:4711\";proto=http"),
                    };
                    match sent.last_mut().filter(|_| !on_a_line_of_its_own) {
                        Some(line) => line.extend(format!(", {element}").bytes()),
                        None => sent.push(element.into_bytes()),
                    }
                }
                let sent: Vec<&[u8]> = sent.iter().map(Vec::as_slice).collect();
                let found = client(Some([127, 0, 0, 1].into()), &lines(header, &sent), header, &trusted());
                prop_assert_eq!(found, Some(stranger), "{:?}", sent);
            }
        }
    }
}

//! A client has one name, however it is written. Pure.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr};

/// Room for the longest spelling of an address: an IPv6 one with an IPv4 tail has 45 characters, a zone
/// and a port come on top. What is longer is none, and is not looked at further.
const LONGEST: usize = 128;
/// RFC 1123 § 2.1, with the dots.
const LONGEST_NAME: usize = 253;
/// RFC 1035 § 2.3.4.
const LONGEST_LABEL: usize = 63;

/// The one form of a client that others are compared with: an address as RFC 5952 writes it, without its
/// port, brackets or zone; one of IPv4 that came through a socket of IPv6 (`::ffff:192.0.2.66`) as IPv4.
/// What is no address stays as it is: keys may be anything.
///
/// Without the zone of `fe80::1%eth0`, because it names an interface of the machine that wrote the line,
/// and a socket's peer, with which it is compared, says none.
pub(crate) fn canonical_client(client: &str) -> Cow<'_, str> {
    // Nearly all are this, which has one form.
    if is_plain_ipv4(client) {
        return Cow::Borrowed(client);
    }
    match client_address(client) {
        Some(address) => match address.to_string() {
            same if same == client => Cow::Borrowed(client),
            other => Cow::Owned(other),
        },
        None => Cow::Borrowed(client),
    }
}

/// Whether std's parser reads it as an address of IPv4: four numbers up to 255, without leading zeros. It is asked
/// of nearly every event.
fn is_plain_ipv4(text: &str) -> bool {
    let bytes = text.as_bytes();
    if !(7..=15).contains(&bytes.len()) {
        return false;
    }
    let digit = |at: usize| bytes.get(at).map(|b| b.wrapping_sub(b'0')).filter(|digit| *digit <= 9);
    let mut at = 0;
    for group in 0..4 {
        let Some(first) = digit(at) else { return false };
        let mut number = u32::from(first);
        at += 1;
        // A zero at the beginning stands alone.
        if first > 0 {
            for _ in 0..2 {
                let Some(next) = digit(at) else { break };
                number = number * 10 + u32::from(next);
                at += 1;
            }
        }
        let dot = group < 3;
        if number > 255 || (dot && bytes.get(at) != Some(&b'.')) {
            return false;
        }
        at += usize::from(dot);
    }
    at == bytes.len()
}

/// Whether a client is written as an address, in any of its forms.
pub(crate) fn is_client_address(client: &str) -> bool {
    is_plain_ipv4(client) || client_address(client).is_some()
}

/// The one form of a text that should be one client, or what is wrong with it: [`canonical_client`] of what
/// [`not_one_client`] passes.
#[inline]
pub(crate) fn one_client(text: &str) -> Result<Cow<'_, str>, &'static str> {
    if is_plain_ipv4(text) {
        return Ok(Cow::Borrowed(text));
    }
    match not_one_client(text) {
        None => Ok(canonical_client(text)),
        Some(what) => Err(what),
    }
}

/// The address that a client is written as: alone, in brackets, with a zone, with a port.
pub(crate) fn client_address(client: &str) -> Option<IpAddr> {
    let client = client.trim_ascii();
    if client.len() > LONGEST {
        return None;
    }
    let address = match client.strip_prefix('[') {
        Some(rest) => {
            let (inside, behind) = rest.split_once(']')?;
            let plain = behind.is_empty() || behind.strip_prefix(':').is_some_and(is_port);
            IpAddr::V6(address_of_version_6(inside).filter(|_| plain)?)
        }
        None => match client.split_once(':') {
            None => IpAddr::V4(client.parse().ok()?),
            // Of IPv6 when there is a second colon.
            Some((address, port)) if is_port(port) && address.contains('.') => {
                IpAddr::V4(address.parse().ok()?)
            }
            Some(_) => IpAddr::V6(address_of_version_6(client)?),
        },
    };
    Some(address.to_canonical())
}

fn address_of_version_6(text: &str) -> Option<Ipv6Addr> {
    let (address, zone) = text.split_once('%').unwrap_or((text, "any"));
    address
        .parse()
        .ok()
        .filter(|_| !zone.is_empty() && zone.bytes().all(|b| b.is_ascii_graphic() && b != b'/'))
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

/// What a server may have written as the client of a line, in one form: an address, a host name in lower
/// case, or `-`, which is nobody. `None` for anything else: a word of another layout, a list, a broken line.
///
/// A host name has letters, digits and hyphens in labels between dots (RFC 1123), 253 characters at most.
/// Underscores too: names of containers and of Windows machines have them, and reverse look-ups give them.
/// Hyphens at the ends of labels, because providers' reverse zones have those. Its last label is no number
/// (RFC 3696 § 2; `0x7f000001` is one, as browsers read it), or a broken address would be a name. Lower case, because who owns the reverse zone of an
/// address chooses the case, anew for each request if he likes.
pub(crate) fn client_of_line(client: &str) -> Option<Cow<'_, str>> {
    if client == "-" {
        return Some(Cow::Borrowed(client));
    }
    if is_plain_ipv4(client) {
        return Some(Cow::Borrowed(client));
    }
    if client_address(client).is_some() {
        return Some(canonical_client(client));
    }
    let name = client.strip_suffix('.').unwrap_or(client);
    let is_label = |label: &str| {
        (1..=LONGEST_LABEL).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && label.bytes().any(|b| b.is_ascii_alphanumeric())
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_name = name.len() <= LONGEST_NAME && name.split('.').all(is_label) && !is_number(last);
    is_name.then(|| match name.bytes().any(|b| b.is_ascii_uppercase()) {
        true => Cow::Owned(name.to_ascii_lowercase()),
        false => Cow::Borrowed(name),
    })
}

fn is_number(label: &str) -> bool {
    let hex = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    hex.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
        || label.bytes().all(|b| b.is_ascii_digit())
}

/// What is wrong with a text that should be one client: a list of addresses (`X-Forwarded-For`, `Forwarded`), or
/// one among quotes, NUL bytes or a byte order mark. `None` for one client, and for keys that are something else:
/// `acme,192.0.2.10` is whatever its producer means by it.
pub(crate) fn not_one_client(text: &str) -> Option<&'static str> {
    if is_client_address(text) {
        return None;
    }
    let between = |c: char| {
        c.is_whitespace()
            || c.is_control()
            || ",;='\"".contains(c)
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{feff}')
    };
    let mut addresses = 0;
    for piece in text.split(between).filter(|piece| !piece.is_empty()) {
        if is_client_address(piece) {
            addresses += 1;
        } else if !["-", "unknown", "for", "by", "host", "proto", "http", "https"]
            .iter()
            .any(|word| piece.eq_ignore_ascii_case(word))
        {
            return None;
        }
    }
    match addresses {
        0 => None,
        1 if !text.contains([',', ';', '=']) => Some("an address with other characters around it"),
        _ => Some("a list of addresses"),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_client_has_one_form() {
        for (spellings, form) in [
            (
                &[
                    "192.0.2.66",
                    "192.0.2.66:443",
                    "192.0.2.66:0",
                    "::ffff:192.0.2.66",
                    "::FFFF:192.0.2.66",
                    "::ffff:c000:242",
                    "0:0:0:0:0:ffff:192.0.2.66",
                    "0000:0000:0000:0000:0000:ffff:c000:0242",
                    "[::ffff:192.0.2.66]:65535",
                    " 192.0.2.66 ",
                ][..],
                "192.0.2.66",
            ),
            (
                &[
                    "2001:db8::1",
                    "2001:DB8::1",
                    "[2001:db8::1]",
                    "[2001:DB8:0::1]:443",
                    "2001:0db8:0000:0000:0000:0000:0000:0001",
                    "2001:db8:0:0:0:0:0.0.0.1",
                ],
                "2001:db8::1",
            ),
            (&["fe80::1", "fe80::1%eth0", "[fe80::1%25eth0]:80"], "fe80::1"),
            (&["::1", "0::1"], "::1"),
        ] {
            for spelling in spellings {
                assert_eq!(canonical_client(spelling), form, "{spelling}");
                assert_eq!(canonical_client(&canonical_client(spelling)), form);
            }
        }
    }

    #[test]
    fn what_is_no_address_stays() {
        for key in [
            "",
            "-",
            "User-7",
            "192.0.2.066",
            "192.0.2.300",
            "192.0.2.6:66666",
            "192.0.2.6:+1",
            "192.0.2.6:",
            "[192.0.2.6]",
            "[2001:db8::1",
            "[2001:db8::1]x",
            "[2001:db8::1]:http",
            "2001:db8::1%",
            "Host.Example:443",
            "192.0.2.10, 10.0.0.1",
            "2001:db8:::1",
            "2001:db8::1%eth0/64",
        ] {
            assert_eq!(canonical_client(key), key);
        }
        let long = format!("2001:db8::1%{}", "x".repeat(200));
        assert_eq!(canonical_client(&long), long.as_str());
    }

    #[test]
    fn the_common_case_is_borrowed() {
        for client in ["192.0.2.10", "2001:db8::1", "host.example"] {
            assert!(matches!(canonical_client(client), Cow::Borrowed(same) if same == client));
        }
    }

    #[test]
    fn the_client_of_a_line_is_an_address_a_name_or_nobody() {
        for (client, form) in [
            ("-", "-"),
            ("::ffff:192.0.2.66", "192.0.2.66"),
            ("192.0.2.66:443", "192.0.2.66"),
            ("Host-7.Example.COM.", "host-7.example.com"),
            ("localhost", "localhost"),
            ("web_app_1.front", "web_app_1.front"),
            ("1-2-3-4.dyn.example", "1-2-3-4.dyn.example"),
            ("7.in-addr.example", "7.in-addr.example"),
        ] {
            assert_eq!(client_of_line(client).as_deref(), Some(form), "{client}");
        }
        let long = format!("{}.example", "a.".repeat(130));
        for client in [
            "",
            ".",
            "--",
            "a..b",
            "192.0.2.300",
            "192.0.2",
            "12",
            "192.0.2.10,",
            "192.0.2.10,10.0.0.1",
            "\"a\"",
            "shop.example:443",
            "nginx[2869]:",
            "\x00\x00192.0.2.10",
            "\u{feff}192.0.2.10",
            "käse.example",
            "a/b",
            "<1>1",
            "2024-03-01T10:15:00Z",
            "a@b",
            "0xC0000201",
            "host.0x1f",
            &"a".repeat(64),
            &long,
        ] {
            assert_eq!(client_of_line(client), None, "{client:?}");
        }
    }

    proptest! {
        #[test]
        fn any_address_in_any_form_is_itself(address: std::net::IpAddr, port: u16) {
            let want = address.to_canonical().to_string();
            let socket = std::net::SocketAddr::new(address, port).to_string();
            for spelling in [address.to_string(), address.to_string().to_uppercase(), socket] {
                prop_assert_eq!(canonical_client(&spelling), want.as_str());
            }
        }

        #[test]
        fn plain_ipv4_is_what_std_reads(text in "([0-9]{0,3}\\.){2,4}[0-9]{0,3}|(25[0-9]|[01]?[0-9]{1,2})(\\.(0|25[0-9]|[1-9][0-9]?)){3}|[0-9a-f:. ]{0,16}") {
            prop_assert_eq!(is_plain_ipv4(&text), text.parse::<Ipv4Addr>().is_ok(), "{}", text);
        }

        #[test]
        fn any_text_has_one_form(text in ".{0,30}") {
            let once = canonical_client(&text).into_owned();
            prop_assert_eq!(canonical_client(&once), once.as_str());
            if let Some(client) = client_of_line(&text) {
                prop_assert_eq!(client_of_line(&client), Some(client.clone()));
                prop_assert!((1..=253).contains(&client.len()), "a partition key");
            }
        }
    }
}

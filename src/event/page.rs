//! A page has one name, however it is asked for. Pure.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The page that a request's target names, in the one form that others are compared with (RFC 3986 § 6.2.2):
/// without its query, and without the scheme and host of the absolute form; escapes in capitals, and none for
/// what needs none (`%77` is `w`, `%2F` stays); dot segments and empty segments taken out. What is not ASCII is
/// written as escapes.
///
/// That is how a server finds the file, so that `/a/..//%77p-login.php` is no way around a rule for
/// `/wp-login.php`. A target that is no path (`*`, `host:443`) stays as it is.
pub(crate) fn normal_page(target: &str) -> Cow<'_, str> {
    let path = path_of(target);
    if !path.starts_with('/') {
        return Cow::Borrowed(path);
    }
    let odd = |bytes: &[u8]| bytes[0] == b'/' && matches!(bytes[1], b'/' | b'.');
    let plain = path.bytes().all(|b| b.is_ascii() && b != b'%') && !path.as_bytes().windows(2).any(odd);
    if plain { Cow::Borrowed(path) } else { Cow::Owned(without_dots(&unescape(path))) }
}

/// Without what stands before the path, and behind it.
fn path_of(target: &str) -> &str {
    let target = &target[..target.find(['?', '#']).unwrap_or(target.len())];
    match target.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => rest.find('/').map_or("/", |slash| &rest[slash..]),
        _ => target,
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

fn unescape(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut bytes = path.as_bytes().iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'%' => match escaped(bytes.as_slice()) {
                Some(byte) => {
                    push(&mut out, byte, is_unreserved(byte));
                    bytes.nth(1);
                }
                None => out.push('%'),
            },
            byte => push(&mut out, byte, byte.is_ascii()),
        }
    }
    out
}

/// The byte that the two digits after a `%` mean.
fn escaped(rest: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*rest.get(at)?).to_digit(16);
    Some((digit(0)? * 16 + digit(1)?) as u8)
}

fn push(out: &mut String, byte: u8, plain: bool) {
    match plain {
        true => out.push(char::from(byte)),
        // Writing to a String cannot fail.
        false => drop(write!(out, "%{byte:02X}")),
    }
}

/// RFC 3986 § 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// Empty segments go first, as in a file system: `/a//../b` is `/b`.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    let is_folder = matches!(path.rsplit('/').next(), Some("" | "." | ".."));
    let slash = if is_folder && !kept.is_empty() { "/" } else { "" };
    format!("/{}{slash}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_page_has_one_form() {
        for target in [
            "/wp-login.php",
            "/wp-login.php?a=/../b",
            "/wp-login.php#top",
            "http://shop.example/wp-login.php",
            "HTTPS://shop.example:443/wp-login.php?x",
            "//wp-login.php",
            "/./wp-login.php",
            "/a/../wp-login.php",
            "/static/..//wp-login.php",
            "/../../wp-login.php",
            "/%77p-login.php",
            "/wp%2dlogin%2Ephp",
            "/a/%2e%2E/wp-login.php",
            "/a//../wp-login.php",
        ] {
            assert_eq!(normal_page(target), "/wp-login.php", "{target}");
        }
    }

    #[test]
    fn other_pages_stay_others() {
        for (target, page) in [
            ("/", "/"),
            ("/?a", "/"),
            ("http://shop.example", "/"),
            ("http://shop.example?x=/y", "/"),
            ("/a/", "/a/"),
            ("/a/.", "/a/"),
            ("/a/b/..", "/a/"),
            ("/a/..", "/"),
            ("/.well-known/x", "/.well-known/x"),
            ("/a%2fb", "/a%2Fb"),
            ("/%2577p", "/%2577p"),
            ("/%", "/%"),
            ("/%4", "/%4"),
            ("/%zz%7e", "/%zz~"),
            ("/café", "/caf%C3%A9"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/go?u=http://x/y", "/go"),
            ("/go/http://x/y", "/go/http:/x/y"),
            ("*", "*"),
            ("shop.example:443", "shop.example:443"),
            ("", ""),
        ] {
            assert_eq!(normal_page(target), page, "{target}");
        }
        assert!(matches!(normal_page("/index.html?a=b"), Cow::Borrowed(_)));
    }

    proptest! {
        // 1,000 cases, of the pieces that matter.
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn the_form_of_a_form_is_itself(
            pieces in prop::collection::vec(
                prop::sample::select(vec!["/", ".", "..", "%", "2", "e", "%2e", "%2F", "a", "é", "?", "#", "http:", "\\"]),
                0..10,
            ),
        ) {
            let target = pieces.concat();
            let once = normal_page(&target).into_owned();
            prop_assert_eq!(normal_page(&once), once.as_str());
        }
    }
}

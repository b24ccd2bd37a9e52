use std::collections::BTreeMap;

use super::*;
use crate::timestamp::Timestamp;

fn event(fields: &[(&str, &str)]) -> Event {
    Event {
        key: "192.0.2.7".into(),
        time: Timestamp::from_secs(0),
        id: None,
        origin: None,
        fields: fields
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect::<BTreeMap<_, _>>(),
    }
}

#[test]
fn what_counts_and_for_whom() {
    let playbook = Playbook::new("a", 1)
        .when("status", &["401", "404"])
        .when("page", &["/wp-*"])
        .unless("user", &["alice"])
        .key(&["ip", "page"]);
    let key = |fields: &[(&str, &str)]| playbook.key_of(&event(fields));
    assert_eq!(key(&[("status", "404"), ("path", "/wp-login?x=1")]).as_deref(), Some("192.0.2.7 /wp-login"));
    assert_eq!(key(&[("status", "200"), ("path", "/wp-login")]), None);
    assert_eq!(key(&[("status", "404"), ("path", "/")]), None);
    assert_eq!(key(&[("status", "404"), ("path", "/wp-a"), ("user", "alice")]), None);
    assert_eq!(key(&[("status", "404")]), None, "no page, no match");
}

#[test]
fn one_client_and_one_page_however_they_are_written() {
    let at_login = Playbook::new("a", 1).when("page", &["/wp-login.php"]).key(&["ip", "page"]);
    for path in [
        "/wp-login.php?x",
        "http://shop.example/wp-login.php",
        "//wp-login.php",
        "/./wp-login.php",
        "/a/../wp-login.php",
        "/%77p-login.php",
    ] {
        for client in ["2001:db8::1", "2001:DB8:0::1", "[2001:db8::1]:443"] {
            let event = Event { key: client.into(), ..event(&[("path", path)]) };
            assert_eq!(at_login.key_of(&event).as_deref(), Some("2001:db8::1 /wp-login.php"), "{path}");
        }
    }
    let flood = Playbook::new("a", 1).unless("page", &["/static/*"]);
    assert!(flood.key_of(&event(&[("path", "/static/../wp-login.php")])).is_some());
    let written = Playbook::new("a", 1).when("ip", &["::ffff:192.0.2.7"]).when("page", &["/%61/./b"]);
    assert!(written.key_of(&event(&[("path", "/a/b")])).is_some());
}

#[test]
fn a_long_key_is_bounded_and_stays_itself() {
    let (one, other) = ("x".repeat(500_000), "x".repeat(500_001));
    let key = |text: &str| {
        let event = Event { key: text.to_owned().into(), ..event(&[]) };
        Playbook::new("a", 1).key_of(&event).unwrap()
    };
    assert!(key(&one).len() <= 256);
    assert_ne!(key(&one), key(&other));
}

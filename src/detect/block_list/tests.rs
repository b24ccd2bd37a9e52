use super::*;
use crate::record::Record;

#[test]
fn the_later_end_stands_and_the_expired_leave() {
    let at = Timestamp::from_secs;
    let list = BlockList::new();
    list.block("a", at(20)).unwrap();
    list.block("a", at(10)).unwrap();
    list.block("b", at(5)).unwrap();
    assert_eq!(list.blocked(at(7)), [("a".into(), at(20))]);
    list.sweep(at(7));
    assert_eq!(format!("{list:?}"), "block list of 1 entries");
    list.pardon("a").unwrap();
    assert!(!list.is_blocked("a", at(7)));
}

/// Each was an entry that nobody's address is, in silence.
#[test]
fn one_network_however_it_is_written() {
    let until = Timestamp::from_secs(9);
    for (spelling, form) in [
        ("198.51.100.0/255.255.255.0", "198.51.100.0/24"),
        ("198.51.100.0 / 24", "198.51.100.0/24"),
        ("::ffff:198.51.100.0/120", "198.51.100.0/24"),
        ("[2001:DB8::]/64", "2001:db8::/64"),
    ] {
        let list = BlockList::new();
        list.block(spelling, until).unwrap();
        assert_eq!(list.blocked(Timestamp::MIN), [(form.into(), until)], "{spelling}");
        list.pardon(spelling).unwrap();
        assert!(list.blocked(Timestamp::MIN).is_empty());
    }
}

#[test]
fn one_client_however_it_is_written() {
    let (at, spellings) = (
        Timestamp::from_secs,
        [
            ("192.0.2.66", ["::ffff:192.0.2.66", "::FFFF:c000:242", "192.0.2.66:443"]),
            ("2001:db8::1", ["2001:DB8::1", "[2001:db8::1]:443", "2001:db8:0:0::1"]),
        ],
    );
    for (client, others) in spellings {
        for other in others {
            let list = BlockList::new();
            list.block(other, at(20)).unwrap();
            assert_eq!(list.blocked(at(7)), [(client.into(), at(20))]);
            assert!(list.is_blocked(client, at(7)) && list.is_blocked(other, at(7)));
            list.pardon(client).unwrap();
            list.block(client, at(20)).unwrap();
            list.pardon(other).unwrap();
            assert!(!list.is_blocked(client, at(7)), "{other}");
        }
    }
}

#[test]
fn a_network_is_all_its_addresses() {
    let at = Timestamp::from_secs;
    let list = BlockList::new();
    for network in ["198.51.100.7/24", "2001:DB8::/64", "::ffff:203.0.113.0/120"] {
        list.block(network, at(20)).unwrap();
    }
    for inside in ["198.51.100.255", "::ffff:198.51.100.1", "2001:db8::ffff", "203.0.113.9"] {
        assert!(list.is_blocked(inside, at(7)) && !list.is_blocked(inside, at(20)), "{inside}");
    }
    for outside in ["198.51.101.1", "2001:db8:0:1::1", "-", "198.51.100.0/24x"] {
        assert!(!list.is_blocked(outside, at(7)), "{outside}");
    }
    let names: Vec<Text> = list.blocked(at(7)).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["198.51.100.0/24", "2001:db8::/64", "203.0.113.0/24"]);
    list.pardon("198.51.100.0/24").unwrap();
    assert!(!list.is_blocked("198.51.100.255", at(7)));
}

/// Whoever may write to the stream of alerts names no large network, and blocks nobody for ever.
#[test]
fn an_alert_blocks_one_network_for_a_day_at_most() {
    let came = Timestamp::from_secs(1_536_220_800);
    let alert = |ip: &str| {
        let data = format!(
            r#"{{"v":1,"id":"1","playbook":"p","key":"k","ip":"{ip}","time":"{came}","start":"{came}",
                "end":"{came}","count":1,"threshold":1,"response":"block","until":"9999-01-01T00:00:00Z",
                "evidence":""}}"#
        );
        Record::new("k", data, "1", came)
    };
    let named = [
        "0.0.0.0/0",
        "10.0.0.0/15",
        "10.*",
        "0.0.0.0-255.255.255.255",
        "::/0",
        "2001:d00::/31",
        "::ffff:0.0.0.0/96",
        "0.0.0.0/0.0.0.0",
        "198.51.100.0/24",
        "2001:db8:1:2::/64",
        "::ffff:192.0.2.66",
    ];
    let batch = Batch::new("alerts", "s", named.map(alert).to_vec());
    let mut list = BlockList::new();
    list.process(&batch, &mut Context::at(came)).unwrap();
    let blocked: Vec<String> = list.blocked(came).into_iter().map(|(name, _)| name.into()).collect();
    assert_eq!(blocked, ["192.0.2.66", "198.51.100.0/24", "2001:db8:1:2::/64"]);
    assert!(list.is_blocked("2001:db8:1:2:3::4", came) && !list.is_blocked("2001:db8:1:3::4", came));
    assert!(!list.is_blocked("192.0.2.7", came));
    let last = came + LONGEST_BLOCK;
    assert!(
        list.is_blocked("192.0.2.66", last - Duration::from_secs(1)) && !list.is_blocked("192.0.2.66", last)
    );
}

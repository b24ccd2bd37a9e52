//! Whatever is in them, and however it is printed.

use super::*;
use std::collections::{BTreeMap, HashMap};

/// What a learner would write of their own.
#[derive(Debug)]
#[expect(dead_code, reason = "shown by Debug")]
struct Mine {
    key: Text,
    data: Data,
    maybe: Option<Text>,
    counts: BTreeMap<Text, u64>,
}

#[test]
fn whatever_a_learner_prints_is_harmless() {
    let words = [
        "EVCXR_BEGIN_CONTENT text/html\n<script>x</script>\nEVCXR_END_CONTENT",
        "EVCXR_INPUT_REQUEST_PASSWORD:your password, please",
        "a\nEVCXR_EXECUTION_COMPLETE\n",
        "\u{1b}[2J\u{202e}\r\0",
    ];
    for word in words {
        let (key, data) = (Text::from(word), Data::from(word));
        let mine = Mine {
            key: key.clone(),
            data: data.clone(),
            maybe: Some(key.clone()),
            counts: BTreeMap::from([(key.clone(), 1)]),
        };
        let shown = [
            format!("{key} {key:?} {key:#?} {key:>80} {key:.9}"),
            format!("{data} {data:?} {data:#?} {data:<80} {data:.9}"),
            format!("{mine:?}"),
            format!("{:?}", (vec![&key], HashMap::from([(&key, &data)]))),
            key.to_string() + &data.to_string(),
        ];
        for shown in &shown {
            assert!(!shown.contains("EVCXR_") && !shown.contains(|c: char| c.is_control()), "{shown}");
        }
        // Laid out over several lines by `{:#?}` itself, and by nothing in it.
        assert_eq!(format!("{mine:#?}").lines().count(), 10, "{mine:#?}");
        assert_eq!((key.raw(), String::from(&key).as_str(), &data[..]), (word, word, word.as_bytes()));
    }
    let odd = Data::from(b"\xff\"EVCXR_END_CONTENT");
    assert!(!format!("{odd:?}{odd}").contains("EVCXR_"));
}

#[test]
fn widths_count_what_is_shown() {
    let key = Text::from("é\t");
    assert_eq!(format!("[{key:>5}] [{key:<5}] [{key:^5}] [{key:.2}]"), r"[  é\t] [é\t  ] [ é\t ] [é\]");
}

#[test]
fn they_compare_with_what_one_writes() {
    let (key, data) = (Text::from("192.0.2.10"), Data::from("hello"));
    assert_eq!(key, "192.0.2.10");
    assert_eq!("192.0.2.10", key);
    assert_eq!(key, String::from("192.0.2.10"));
    assert_ne!(key, *"192.0.2.1");
    assert_eq!(data, b"hello");
    assert_eq!(data, b"hello"[..]);
    assert_eq!(data, *b"hello");
    assert_eq!(data, "hello");
    assert_eq!(b"hello".to_vec(), data);
    assert_ne!(data, "hell");
    let counts = HashMap::from([(key.clone(), 1)]);
    assert_eq!((counts.get("192.0.2.10"), counts.get(&key)), (Some(&1), Some(&1)));
    assert_eq!("7".parse::<u8>(), Text::from("7").parse::<u8>());
}

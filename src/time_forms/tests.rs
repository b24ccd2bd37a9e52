use proptest::prelude::*;

use super::*;
use crate::epoch::EpochUnit;

fn micros(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap_or_else(|error| panic!("{text}: {error}")).as_micros()
}

#[test]
fn one_instant_in_the_forms_that_producers_write() {
    let noon = micros("2024-03-01T10:15:00Z");
    for form in [
        "2024-03-01 10:15:00 +0000",
        "2024-03-01T10:15Z",
        "2024-03-01T10:15",
        "2024-03-01 10:15",
        "2024-03-01T11:15+01:00",
        "2024-03-01T11:15+01",
        "2024-03-01 10:15:00 UTC",
        "2024-03-01 10:15 UTC",
        "2024-03-01 10:15:00 GMT",
        "2024-03-01 10:15:00 Z",
        "2024-03-01 11:15:00 +01:00",
        "2024-03-01 11:15:00.000000000 +0100 CET",
        "2024-03-01 10:15:00 +0000 UTC",
        "2024-03-01 11:15:00.000000001 +0100 CET m=+0.000012345",
        "2024/03/01 10:15:00",
        "2024-03-01T11:15:00+01:00[Europe/Paris]",
        "2024-03-01T10:15:00Z[UTC]",
        "2024-03-01T10:15:00[Etc/UTC]",
        "2024-03-01T10:15:00.000000000000Z",
        "2024-03-01T10:15:00,0000000000",
        "20240301T101500Z",
        "20240301T1015Z",
        "20240301T101500.000Z",
        "20240301T111500+0100",
        "20240301 101500",
        "20240301101500",
        "2024-03-01T101500Z",
        "01/Mar/2024:10:15:00 +0000",
        "[01/Mar/2024:11:15:00 +0100]",
        "Fri, 01 Mar 2024 10:15:00 GMT",
        "Fri, 1 Mar 2024 11:15:00 +0100",
        "1709288100",
        "1709288100.000",
        "1.7092881e9",
        "1.7092881E+09",
        "1709288100000",
        "1709288100000.0",
        "1709288100000000",
        "1709288100000000000",
    ] {
        assert_eq!(micros(form), noon, "{form}");
    }
    assert_eq!(micros("2024-03-01T24:00:00Z"), micros("2024-03-02T00:00:00Z"));
    assert_eq!(micros("2024-12-31 24:00"), micros("2025-01-01T00:00:00Z"));
    assert_eq!(micros("2024-03-01T10:15:00.123456999999999999999Z"), noon + 123_456);
    assert_eq!(micros("1709288100.9999999999"), noon + 999_999);
    assert_eq!(micros("1709288100123456789"), noon + 123_456);
    assert_eq!(micros("20161231T235960Z"), micros("2016-12-31T23:59:60Z"));
}

/// The borders that the documentation names.
#[test]
fn units_are_told_by_the_number_of_digits() {
    for (first, last, unit) in [
        ("100000000", "9999999999", EpochUnit::Seconds),
        ("100000000000", "9999999999999", EpochUnit::Millis),
        ("100000000000000", "9999999999999999", EpochUnit::Micros),
        ("100000000000000000", "9999999999999999999", EpochUnit::Nanos),
    ] {
        assert_eq!(first.parse(), unit.parse(first), "{first}");
        assert_eq!(last.parse(), unit.parse(last), "{last}");
        assert_eq!(micros(first), micros("1973-03-03T09:46:40Z"), "{first}");
        for beyond in [&first[1..], &format!("{last}9")] {
            assert!(beyond.parse::<Timestamp>().is_err(), "{beyond}");
        }
    }
}

#[test]
fn a_unit_that_is_told_takes_any_number() {
    for (unit, text, want) in [
        (EpochUnit::Seconds, "0", 0),
        (EpochUnit::Seconds, "12", 12_000_000),
        (EpochUnit::Seconds, "-0.0000001", -1),
        (EpochUnit::Millis, "1709288100", 1_709_288_100_000),
        (EpochUnit::Millis, "1.5", 1_500),
        (EpochUnit::Micros, "2018", 2018),
        (EpochUnit::Nanos, "999", 0),
        (EpochUnit::Nanos, "1e-900", 0),
        (EpochUnit::Seconds, "0e999", 0),
    ] {
        assert_eq!(unit.parse(text).map(Timestamp::as_micros), Ok(want), "{unit:?} {text}");
    }
    for text in
        ["", "-", ".", "1.", ".5", "1e", "1e99999", "1e30", "0x10", "1 2", "+1", "--1", "NaN", "inf", "９"]
    {
        assert!(EpochUnit::Seconds.parse(text).is_err(), "{text}");
    }
}

#[test]
fn what_is_no_time_stays_none() {
    for text in [
        "",
        "2024",
        "20240301",
        "2024-03-01",
        "12345678",
        "-1709288100",
        "0001709288100",
        "200",
        "2024-03-01T10",
        "2024-03-01T24:00:01Z",
        "2024-03-01T24:01Z",
        "2024-03-01T25:00:00Z",
        "2024-02-30T10:15Z",
        "2024-03-01T10:15.5Z",
        "2024-03-01T10:15:00.Z",
        "2024-03-0110:15:00",
        "2024/03-01T10:15:00Z",
        "2024/0301T10:15:00Z",
        "2024-03-01T10:15:00Z m=+1 ",
        "2024-03-01T10:15:00Z m=1",
        "2024-0301T10:15:00Z",
        "2024-03-01T10:15:00 +",
        "2024-03-01T10:15:00+-01:00",
        "2024-03-01T10:15:00+01:00[]",
        "2024-03-01T10:15:00+01:00[Europe/Paris",
        "2024-03-01T10:15:00+01:00 x y",
        "2024-03-01T10:15:00Z ",
        "9999-12-31T24:00:00Z",
        "20241301101500",
        "192.0.2.10",
        "17/May/2015:10:05:03",
        "Fri, 01 Mar 2024",
        "Fri, 01 Mar 2024 10:15:00 XYZ garbage",
    ] {
        assert_eq!(text.parse::<Timestamp>(), Err(TimestampError::no_time()), "{text}");
    }
}

#[test]
fn a_zone_without_its_offset_says_so() {
    for text in ["2024-03-01T10:15:00[Europe/Paris]", "2024-03-01 10:15:00 CET", "20240301T101500 EST"] {
        let error = text.parse::<Timestamp>().unwrap_err();
        assert_eq!(error, TimestampError::without_offset(), "{text}");
        assert!(error.to_string().contains("offset"), "{error}");
    }
}

/// Pieces of times, which chance would seldom put side by side.
fn nearly() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "2024",
        "-",
        "03",
        "01",
        "T",
        " ",
        "10",
        ":",
        "15",
        "00",
        ".",
        "123456789",
        "Z",
        "+",
        "UTC",
        "[Europe/Paris]",
        "24",
        "e",
        "1709288100",
        "0",
        ",",
        "Mar",
        "/",
        "[",
        "]",
        "Fri, ",
        "60",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    // 2,000 cases: times of twelve pieces, of which some fit together.
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_read_is_the_same_when_written(text in nearly()) {
        if let Ok(time) = text.parse::<Timestamp>() {
            prop_assert_eq!(time.to_string().parse(), Ok(time));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
    }

    /// As chrono writes an instant in other forms, it is the same instant.
    #[test]
    fn each_form_of_an_instant_is_it(secs in 100_000_000i64..7_258_118_400, micros in 0i64..1_000_000, east in -14i32..=14) {
        let time = Timestamp::from_micros(secs * 1_000_000 + micros);
        let zone = chrono::FixedOffset::east_opt(east * 3_600).unwrap();
        let there = DateTime::from_timestamp_micros(time.as_micros()).unwrap().with_timezone(&zone);
        for form in [
            "%Y-%m-%dT%H:%M:%S%.6f%:z", "%Y-%m-%d %H:%M:%S%.6f %z", "%Y%m%dT%H%M%S%.6f%z", "%Y-%m-%d %H:%M:%S%.9f %z XYZ",
            "%Y-%m-%dT%H:%M:%S%.6f000000000%:z[Europe/Paris]", "%Y%m%d %H:%M:%S,%6f%:z",
        ] {
            let text = there.format(form).to_string();
            prop_assert_eq!(text.parse(), Ok(time), "{}", text);
        }
        let whole = Timestamp::from_secs(secs);
        for form in ["%d/%b/%Y:%H:%M:%S %z", "%a, %d %b %Y %H:%M:%S %z"] {
            let text = there.format(form).to_string();
            prop_assert_eq!(text.parse(), Ok(whole), "{}", text);
        }
        let plain = time.as_micros();
        for text in [plain.to_string(), format!("{secs}.{micros:06}"), format!("{secs}.{micros:06}123"), format!("{plain}000")] {
            prop_assert_eq!(text.parse(), Ok(time), "{}", text);
        }
    }
}

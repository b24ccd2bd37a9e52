use proptest::prelude::*;

use super::super::{apache_pattern, nginx_pattern};
use super::*;

fn pattern(text: &str) -> LogPattern {
    LogPattern::new(nginx_pattern::pieces(text, &["own"]).unwrap())
}

fn values<'a>(pattern: &LogPattern, line: &'a str) -> Result<Vec<&'a str>, String> {
    Ok(pattern.find(line.as_bytes())?.into_iter().map(|range| &line[range]).collect())
}

#[test]
fn values_end_where_what_follows_them_begins() {
    for (text, line, want) in [
        ("$remote_addr", "192.0.2.1", &["192.0.2.1"][..]),
        ("$remote_addr:$remote_port x", "2001:db8::1:443 x", &["2001:db8::1", "443"]),
        ("$remote_addr:$remote_port", "192.0.2.1:443", &["192.0.2.1", "443"]),
        (
            "[$own] \"$request\"",
            "[a [b] c] \"GET / \\\"x\\\" HTTP/1.1\"",
            &["a [b] c", "GET / \\\"x\\\" HTTP/1.1"],
        ),
        ("\"$request\" $status", "\"a \" b\" 200", &["a \" b", "200"]),
        (
            "$own [$time_local] $status",
            "x [y] [17/May/2015:10:05:00 +0000] 200",
            &["x [y]", "17/May/2015:10:05:00 +0000", "200"],
        ),
        (
            "$upstream_addr $request_time",
            "10.0.0.1:80, 10.0.0.2:80 0.5",
            &["10.0.0.1:80, 10.0.0.2:80", "0.5"],
        ),
        (
            "$upstream_addr $upstream_status $upstream_response_time",
            "10.0.0.1:80, 10.0.0.2:80 : unix:/s 502, 504 : 200 0.1, - : 0.3",
            &["10.0.0.1:80, 10.0.0.2:80 : unix:/s", "502, 504 : 200", "0.1, - : 0.3"],
        ),
        ("$upstream_status $upstream_addr", "200 10.0.0.1:80", &["200", "10.0.0.1:80"]),
        ("$uri$is_args$args $status", "/a b?c 200", &["/a b?c", "200"]),
        ("a$status", "a200", &["200"]),
        ("$status,$bytes_sent,$own", "200,5,x,y", &["200", "5", "x,y"]),
        ("$own\t$own", "a b\tc", &["a b", "c"]),
        ("\"$own\"", "\"\"", &[""]),
        ("$own é $status", "ü é 200", &["ü", "200"]),
    ] {
        assert_eq!(values(&pattern(text), line), Ok(want.to_vec()), "{text}: {line}");
    }
}

#[test]
fn the_first_value_that_is_not_there_is_named() {
    let pattern = pattern("$remote_addr - [$time_local] \"$request\" $status");
    for (line, sentence) in [
        ("", "`$remote_addr` is not where the pattern has it, at the beginning"),
        ("192.0.2.1 [", "`$remote_addr` is not where"),
        (
            "192.0.2.1 - [17/Foo/2015:10:05:00 +0000] \"\" 200",
            "`$time_local` is not where the pattern has it, behind `$remote_addr`",
        ),
        ("192.0.2.1 - [17/May/2015:10:05:00 +0000] \"GET", "`$request` is not where"),
        ("192.0.2.1 - [17/May/2015:10:05:00 +0000] \"GET\" x", "`$status` is not where"),
        ("192.0.2.1 - [17/May/2015:10:05:00 +0000] \"GET\" 200 x", "`$status` is not where"),
    ] {
        let error = pattern.find(line.as_bytes()).unwrap_err();
        assert!(error.contains(sentence), "{line}: {error}");
    }
}

/// A time in a form of one's own, before bytes that are no text, and before a character at the end of what is looked
/// at.
#[test]
fn a_time_ends_before_what_is_no_text() {
    let pattern = LogPattern::new(apache_pattern::pieces("%{%FT%TZ}t %U").unwrap());
    for behind in [&b"\xff"[..], "\u{e9}".repeat(100).as_bytes(), "a\u{e9}".repeat(100).as_bytes()] {
        let line = [b"2024-03-01T10:15:00Z ", behind].concat();
        assert_eq!(pattern.find(&line).map(|found| found[1].len()), Ok(behind.len()));
    }
}

/// Without a budget it took longer than anybody waits.
#[test]
fn a_hostile_line_is_given_up() {
    let many = "$own ".repeat(20) + "$status";
    let begun = std::time::Instant::now();
    assert!(pattern(&many).find(("x ".repeat(100_000) + "y").as_bytes()).is_err());
    let line = " [17/May/2015:10:05:00 +0000] \"".repeat(30_000);
    assert!(pattern("$own [$time_local] \"$request\" $status").find(line.as_bytes()).is_err());
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

proptest! {
    // 1,000 cases of up to six values: each pair of neighbours is met often.
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// What is written by a pattern whose values hold none of what parts them is read as it was.
    #[test]
    fn what_is_written_is_read(
        parts in prop::collection::vec((prop::sample::select(vec![" ", " - ", "\" \"", "] [", ",", "\t"]), "[a-z0-9.:/]{0,8}"), 1..6),
    ) {
        let text: String = parts.iter().map(|(literal, _)| format!("{literal}$own")).collect();
        let line: String = parts.iter().map(|(literal, value)| format!("{literal}{value}")).collect();
        let found = pattern(&text).find(line.as_bytes());
        let want: Vec<&str> = parts.iter().map(|(_, value)| value.as_str()).collect();
        let found: Vec<&str> = found.unwrap().into_iter().map(|range| &line[range]).collect();
        prop_assert_eq!(found, want);
    }

    #[test]
    fn any_line_is_read_or_refused(
        text in prop::collection::vec(prop::sample::select(vec!["$own", "$status", "[$time_local]", "\"$request\"", " ", ":", "$remote_addr"]), 0..8),
        line in prop::collection::vec(prop::sample::select(vec![" ", ":", "\"", "\\", "[", "17/May/2015:10:05:00 +0000", "]", "200", "é", "a"]), 0..20),
    ) {
        let line = line.concat();
        if let Ok(found) = pattern(&text.concat()).find(line.as_bytes()) {
            let mut before = 0;
            for range in found {
                prop_assert!(range.start >= before && range.end >= range.start && range.end <= line.len());
                before = range.end;
            }
        }
    }
}

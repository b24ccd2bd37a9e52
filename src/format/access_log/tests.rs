//! Logs as they are found, and as nobody would write them.

use super::*;
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

const LINE: &str = r#"192.0.2.10 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 512"#;

fn log(text: impl Into<Vec<u8>>) -> AccessLog {
    AccessLog::from_reader(io::Cursor::new(text.into())).quiet()
}

/// How many records, how many lines left out.
fn counts(text: impl Into<Vec<u8>>) -> (usize, u64) {
    let mut log = log(text);
    let records: Vec<LogRecord> = log.by_ref().map(|r| r.unwrap()).collect();
    assert!(records.iter().all(|r| r.line == LINE.as_bytes()));
    (records.len(), log.unparsed())
}

#[test]
fn line_endings_and_byte_order_marks() {
    assert_eq!(counts(""), (0, 0));
    assert_eq!(counts("\n\r\n \n"), (0, 0));
    assert_eq!(counts(LINE), (1, 0));
    assert_eq!(counts(format!("\u{feff}{LINE}\r\n\r\n{LINE}\n{LINE}")), (3, 0));
    assert_eq!(counts([b"\xff\n", LINE.as_bytes(), b"\n\xc3"].concat()), (1, 2));
}

#[test]
fn what_is_left_out_is_counted_and_told() {
    let mut log = log(format!("{LINE}\n\n\u{1b}[2J EVCXR_END_CONTENT\n{}{LINE}", "x\n".repeat(10)));
    assert_eq!(log.by_ref().count(), 2);
    assert_eq!((log.lines(), log.unparsed(), log.samples().len()), (13, 11, MAX_SAMPLES));
    let want = r"11 of 13 lines did not parse; the first: line 3: it does not begin with one client's address or host name: \x1b[2J EVCXR\u{5f}END_CONTENT";
    assert_eq!(log.summary().unwrap(), want);
}

#[test]
fn overlong_lines_are_skipped_without_being_kept() {
    /// A line, then one of as many bytes, then a line again.
    fn with_a_line_of(bytes: u64) -> AccessLog {
        let line = || io::Cursor::new(format!("{LINE}\n"));
        let long = BufReader::with_capacity(1 << 16, io::repeat(b'x').take(bytes));
        let middle = long.chain(io::Cursor::new("\n"));
        AccessLog::from_reader(line().chain(middle).chain(line())).quiet()
    }
    let mut log = with_a_line_of(40 * 1024 * 1024);
    assert_eq!((log.by_ref().count(), log.unparsed()), (2, 1));
    assert_eq!(log.samples()[0].reason, None);
    assert!(log.samples()[0].to_string().starts_with("line 2: longer than 1 MiB: xxx"));
    assert_eq!(log.samples()[0].text.chars().count(), MAX_SAMPLE_CHARS);

    // At the limit: the longest line that is looked at, and some bytes more.
    let was_read = [0, 1, 2, 3, 4].map(|more| {
        let mut log = with_a_line_of(MAX_LINE as u64 + more);
        assert_eq!((log.by_ref().count(), log.lines()), (2, 3));
        log.samples()[0].reason.is_some()
    });
    assert_eq!(was_read, [true, false, false, false, false]);
}

#[test]
fn errors_say_what_to_do() {
    let error = AccessLog::open("/nowhere/access.log").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert!(error.to_string().starts_with("cannot open /nowhere/access.log: "), "{error}");
    let mut broken = log(b"\x1f\x8b\x08\x00".to_vec());
    assert!(broken.next().unwrap().is_err());
    assert!(broken.next().is_none());
    for (start, unpack) in [
        (&b"BZh91AY&SY"[..], "bunzip2"),
        (b"\xfd7zXZ\0", "unxz"),
        (b"\x28\xb5\x2f\xfd", "unzstd"),
        (b"PK\x03\x04", "unzip"),
        (b"\x04\x22\x4d\x18", "unlz4"),
        (b"\x1f\x9d\x90", "uncompress"),
        (b"7z\xbc\xaf\x27\x1c\0", "7z x"),
        (&[&[b'a'; 257][..], b"ustar\x0000", LINE.as_bytes()].concat(), "tar -xf"),
    ] {
        let error = log(start).next().unwrap().unwrap_err().to_string();
        assert!(error.contains("unpack it first") && error.contains(unpack), "{error}");
    }
    for start in [&b"\xff\xfe1\0"[..], b"\xfe\xff\x001", b"1\x009\x00", b"\x001\x009"] {
        let error = log(start).next().unwrap().unwrap_err().to_string();
        assert!(error.contains("UTF-16") && error.contains("iconv"), "{error}");
    }
    // A folder opens like a file on Unix; reading it fails, which must not look like an empty log.
    if let Ok(mut folder) = AccessLog::open(env!("CARGO_MANIFEST_DIR")) {
        assert!(folder.next().unwrap().is_err());
    }
}

#[test]
fn a_real_log() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/apache_access.log");
    if !path.exists() {
        // Not `println!`, which the test harness swallows.
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "SKIPPED: a_real_log: {} is not there", path.display());
        return;
    }
    let mut log = AccessLog::open(path).unwrap();
    let mut clients: HashMap<Text, u32> = HashMap::new();
    let mut minutes = HashSet::new();
    for record in log.by_ref() {
        let record = record.unwrap();
        *clients.entry(record.client).or_default() += 1;
        minutes.insert(record.time.truncate(Duration::from_secs(60)));
    }
    assert_eq!((log.lines(), log.unparsed(), log.summary()), (10_000, 0, None));
    assert_eq!((clients.len(), minutes.len()), (1_753, 84));
    for (client, count) in [("66.249.73.135", 482), ("46.105.14.53", 364), ("130.237.218.86", 357)] {
        assert_eq!(clients[client], count);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_and_every_line_accounted_for(
        parts in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..60),
                Just([LINE.as_bytes(), b"\n"].concat()),
            ],
            0..20,
        ),
    ) {
        let bytes = parts.concat();
        let lines = bytes.split(|b| *b == b'\n').filter(|l| !l.trim_ascii().is_empty()).count();
        prop_assume!(packing(&bytes).is_none() && !bytes.starts_with(b"\xef\xbb\xbf"));
            prop_assume!(!is_utf16(&bytes));
        let mut log = log(bytes);
        let parsed = log.by_ref().filter(Result::is_ok).count();
        prop_assert_eq!(parsed as u64 + log.unparsed(), lines as u64);
        prop_assert_eq!(log.lines(), lines as u64);
    }
}

#[test]
fn gzip_is_unpacked_also_several_one_behind_the_other() {
    let packed = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let two = [packed(&format!("\u{feff}{LINE}\n{LINE}\n")), packed(&format!("{LINE}\n"))].concat();
    assert_eq!(counts(two.clone()), (3, 0));
    // Cut short, it is no log that has ended.
    for (cut, lines) in [(two.len() - 9, 2), (two.len() - 30, 2), (5, 0)] {
        let error = log(&two[..cut]).find_map(Result::err).unwrap().to_string();
        let sentence = format!("packed by gzip, and broken or cut off behind line {lines} (");
        assert!(error.contains(&sentence) && error.contains("gunzip -c"), "{cut}: {error}");
    }
    let mut within = log(packed("\u{1f}"));
    assert_eq!((within.next().is_none(), within.unparsed()), (true, 1));
    assert!(log(packed("BZh91AY&SY")).next().unwrap().unwrap_err().to_string().contains("bunzip2"));
}

#[test]
fn a_log_in_another_layout_says_which() {
    let mut other = log(format!("shop.example:443 {LINE}\nshop.example:80 {LINE}\n"));
    assert_eq!(other.by_ref().count(), 0);
    let summary = other.summary().unwrap();
    assert!(summary.starts_with("2 of 2 lines did not parse; the first: line 1: "), "{summary}");
    assert!(summary.contains("LogFormat::vhost_combined(), --log-format vhost_combined"), "{summary}");
    // A few odd lines among others of the format are in none.
    let mut odd = log(format!("{LINE}\n???\n"));
    assert_eq!(odd.by_ref().count(), 1);
    assert!(!odd.summary().unwrap().contains("--log-format"));
}

#[test]
fn columns_are_named_for_each_line() {
    let text = "#Version: 1.0\n#Fields: date time c-ip\n2024-03-01 10:15:00 192.0.2.10\n#Fields: c-ip date time\n\
                192.0.2.20 2024-03-01 10:15:01\n";
    let records: Vec<LogRecord> = log(text).format(LogFormat::w3c()).map(Result::unwrap).collect();
    assert_eq!(records[1].client, "192.0.2.20");
    assert_eq!(records[1].line, *b"#Fields: c-ip date time\n192.0.2.20 2024-03-01 10:15:01");
}

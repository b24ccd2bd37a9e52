//! The live view over real HTTP: who is let in, what is sent when, and that words stay words.

#![cfg(feature = "full")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kinesis_lab::prelude::*;
use kinesis_lab::{Detection, Live, LiveView, Playbook, Playbooks, StoredCounter};
use serde_json::{Value, json};

/// Attacks on pages, on their scripts, on the notebook's kernel, and on the event stream itself.
const HOSTILE: [&str; 5] = [
    "<script>window.pwned = 1</script>",
    "</text></svg><img src=x onerror=window.pwned=1>",
    "\"}</script><script>window.pwned = 2</script>",
    "EVCXR_BEGIN_CONTENT text/html\n<b>bold</b>\nEVCXR_END_CONTENT",
    "\n\nevent: end\r\ndata: gone\n\n",
];

fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("live").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn counter(folder: &Path) -> StoredCounter {
    Counter::per_minute().lateness(secs(30)).stored_in(folder.join("counts.db")).unwrap()
}

fn stream() -> Stream {
    Kinesis::local().unwrap().create_stream("live", 1).unwrap()
}

/// So many requests from 08:00 on, one every ten seconds, and what the counter makes of them.
fn count(stream: &Stream, key: &str, events: u64, counter: &mut StoredCounter) {
    stream.producer(key).interval(secs(10)).at_once().limit(events).start().join();
    stream.consumer().trim_horizon().run_until_caught_up(counter).unwrap();
}

fn view(folder: &Path) -> LiveView {
    Live::of(folder.join("counts.db")).alerts(folder.join("alerts.db")).title("Shop").start().unwrap()
}

/// `http://127.0.0.1:1234/token/` as `127.0.0.1:1234` and `/token/`.
fn parts(live: &LiveView) -> (String, String) {
    let url = live.url();
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    (host.to_owned(), format!("/{path}"))
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// What is answered to these very bytes.
fn raw(address: &str, request: &str) -> Answer {
    let mut line = TcpStream::connect(address).unwrap();
    line.set_read_timeout(Some(secs(30))).unwrap();
    line.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    line.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

fn ask(live: &LiveView, method: &str, host: &str, path: &str) -> Answer {
    let (address, _) = parts(live);
    raw(&address, &format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
}

/// Somebody who looks at the page: what its script is sent.
struct Viewer {
    line: BufReader<TcpStream>,
    text: String,
}

impl Viewer {
    fn of(live: &LiveView, query: &str) -> Viewer {
        let (address, path) = parts(live);
        let mut line = TcpStream::connect(&address).unwrap();
        line.set_read_timeout(Some(secs(30))).unwrap();
        write!(line, "GET {path}events{query} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
        let mut line = BufReader::new(line);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(line.read_line(&mut head).unwrap(), 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(head.to_lowercase().contains("content-type: text/event-stream"), "{head}");
        Viewer { line, text: String::new() }
    }

    /// The next event: its name and its data. None at the end.
    fn event(&mut self) -> Option<(String, String)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let lines = event.lines().filter_map(|line| line.strip_prefix(name));
                    lines.map(str::trim_start).collect::<Vec<_>>().join("\n")
                };
                let event = (field("event:"), field("data:"));
                self.text = rest.to_owned();
                if event != Default::default() {
                    return Some(event);
                }
                continue; // a comment, which keeps the line alive
            }
            // The parts that HTTP/1.1 makes of an answer without a length.
            let mut size = String::new();
            self.line.read_line(&mut size).unwrap();
            let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
            if size == 0 {
                return None;
            }
            let mut part = vec![0; size + 2];
            self.line.read_exact(&mut part).unwrap();
            self.text += std::str::from_utf8(&part[..size]).unwrap();
        }
    }

    fn state(&mut self) -> Value {
        let (name, data) = self.event().expect("an event");
        assert_eq!(name, "");
        serde_json::from_str(&data).unwrap()
    }

    /// The next state in which this holds; a commit may be seen in two steps.
    fn until(&mut self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + secs(30);
        loop {
            let state = self.state();
            if holds(&state) {
                return state;
            }
            assert!(Instant::now() < deadline, "never {what}: {state}");
        }
    }
}

fn text<'a>(state: &'a Value, name: &str) -> &'a str {
    state[name].as_str().unwrap()
}

#[test]
fn only_who_knows_the_address_is_let_in() {
    let live = view(&scratch("address"));
    let (host, path) = parts(&live);
    let port = host.strip_prefix("127.0.0.1:").unwrap();
    assert_eq!((path.len(), live.url()), (34, format!("http://{host}{path}")));
    assert!(path[1..33].chars().all(|c| c.is_ascii_hexdigit()), "{path}");
    for name in ["", "page.css", "page.js"] {
        assert_eq!(ask(&live, "GET", &host, &format!("{path}{name}")).status, 200);
    }
    assert_eq!(ask(&live, "GET", &format!("localhost:{port}"), &path).status, 200);

    let token = &path[1..33];
    let other: String = token.chars().map(|c| if c == '0' { '1' } else { '0' }).collect();
    for wrong in [
        "/".to_owned(),
        "/page.js".to_owned(),
        "/events".to_owned(),
        "/favicon.ico".to_owned(),
        format!("/{token}"),
        format!("/{}/", &token[..31]),
        format!("/{token}0/"),
        format!("/{}/", token.to_uppercase().replace(|c: char| c.is_ascii_digit(), "A")),
        format!("/{other}/"),
        format!("/{other}/events"),
        format!("//{token}/"),
        format!("{path}other"),
        format!("{path}../{token}/"),
        format!("/?{token}/"),
    ] {
        for method in ["GET", "POST", "OPTIONS"] {
            let answer = ask(&live, method, &host, &wrong);
            // Not a word about what would be there.
            assert_eq!((answer.status, answer.body.as_str()), (404, ""), "{method} {wrong}");
            assert_eq!(answer.header("allow"), None);
        }
    }
}

#[test]
fn only_this_machine_s_names_are_answered() {
    let live = view(&scratch("host"));
    let (host, path) = parts(&live);
    let port: u16 = host.strip_prefix("127.0.0.1:").unwrap().parse().unwrap();
    let other_port = port.wrapping_add(1);
    for foreign in [
        "attacker.example".to_owned(),
        format!("attacker.example:{port}"),
        format!("127.0.0.1:{other_port}"),
        "127.0.0.1".to_owned(),
        "localhost".to_owned(),
        format!("127.0.0.1:{port}.attacker.example"),
        format!("localhost:{port}@attacker.example"),
        format!("[::1]:{port}"),
        format!("0.0.0.0:{port}"),
        String::new(),
    ] {
        for path in [path.as_str(), "/"] {
            let answer = ask(&live, "GET", &foreign, path);
            assert!([400, 421].contains(&answer.status), "{foreign}: {}", answer.status);
            assert!(!answer.body.contains("<html"), "{foreign}");
        }
    }
    let refused = [
        format!("GET {path} HTTP/1.1\r\nConnection: close\r\n\r\n"),
        format!("GET {path} HTTP/1.0\r\n\r\n"),
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nHost: attacker.example\r\nConnection: close\r\n\r\n"),
        format!("GET http://attacker.example{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
    ];
    for request in refused {
        let answer = raw(&host, &request);
        assert!([400, 421].contains(&answer.status), "{request}: {}", answer.status);
    }
}

#[test]
fn nothing_but_reading() {
    let live = view(&scratch("methods"));
    let (host, path) = parts(&live);
    for method in ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "X"] {
        for name in ["", "page.js", "events"] {
            let answer = ask(&live, method, &host, &format!("{path}{name}"));
            assert_eq!((answer.status, answer.header("allow")), (405, Some("GET")), "{method} {name}");
        }
    }
}

#[test]
fn answers_say_what_a_browser_may_do_with_them() {
    let live = view(&scratch("headers"));
    let (host, path) = parts(&live);
    for (path, kind) in [
        (path.clone(), "text/html"),
        (format!("{path}page.css"), "text/css"),
        (format!("{path}page.js"), "text/javascript"),
        ("/".to_owned(), ""),
    ] {
        let answer = ask(&live, "GET", &host, &path);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'; "), "{policy}");
        let ancestors = "frame-ancestors 'self' http://127.0.0.1:* http://localhost:*";
        assert!(policy.ends_with(ancestors) && !policy.contains("unsafe"), "{policy}");
        assert!(answer.header("content-type").unwrap_or_default().starts_with(kind));
        assert!(!answer.head.to_lowercase().contains("access-control-"), "{}", answer.head);
        // What would be refused anyway: code and style in the page itself, and anything from elsewhere.
        if kind == "text/html" {
            for word in ["<style", "style=", "onload", "http:", "https:", "<script>"] {
                assert!(!answer.body.contains(word), "{word}");
            }
        }
    }
}

#[test]
fn a_commit_is_sent_to_everybody() {
    let folder = scratch("commits");
    let live = view(&folder);
    let mut viewers = [Viewer::of(&live, ""), Viewer::of(&live, "?narrow")];
    for viewer in &mut viewers {
        let state = viewer.state();
        assert_eq!((text(&state, "title"), text(&state, "chart")), ("Shop", "<svg/>"));
        let counts = text(&state, "counts");
        assert!(
            counts.starts_with("Waiting for counts: ") && counts.ends_with(" is not there yet."),
            "{counts}"
        );
        assert!(text(&state, "watch").starts_with("Waiting for alerts: "), "{state}");
        assert_eq!(state["alerts"], json!([]));
    }
    let (stream, mut counter) = (stream(), counter(&folder));
    // It has made its tables, and has not run.
    viewers[0].until("opened", |state| text(state, "chart").contains("No counts yet"));
    count(&stream, "192.0.2.10", 15, &mut counter);
    // 08:00:00 to 08:02:20: with 30 s of lateness, the first minute is complete.
    let note = "Windows from 08:01 on are still open: their bars may grow.";
    let first = viewers.each_mut().map(|viewer| viewer.until("counted", |state| state["counts"] == note));
    assert!(
        text(&first[0], "chart").contains("width=\"900\"")
            && text(&first[1], "chart").contains("width=\"400\"")
    );
    for state in &first {
        assert!(text(state, "chart").contains("\nRequests per minute\n"), "{state}");
        assert!(text(state, "chart").contains("192.0.2.10"), "{state}");
    }
    count(&stream, "192.0.2.20", 15, &mut counter);
    for (viewer, first) in viewers.iter_mut().zip(&first) {
        let state = viewer.until("counted again", |state| text(state, "chart").contains("192.0.2.20"));
        assert_ne!(state["chart"], first["chart"]);
    }
    // And to who comes now, without a new commit.
    Viewer::of(&live, "").until("seen", |state| text(state, "chart").contains("192.0.2.20"));
    let chart = live.chart().unwrap();
    assert!(chart.text().starts_with("Requests per minute, still open from 08:0"), "{chart}");

    counter.flush().unwrap();
    assert!(live.chart().unwrap().text().starts_with("Requests per minute\n"));
    for viewer in &mut viewers {
        // The second client's first minute, which was complete when it came.
        viewer.until("complete", |state| state["counts"] == "6 times an event came too late for its window.");
    }
}

#[test]
fn no_more_windows_than_asked_for() {
    let folder = scratch("windows");
    let (stream, mut counter) = (stream(), counter(&folder));
    count(&stream, "192.0.2.10", 61, &mut counter);
    let live = Live::of(folder.join("counts.db")).windows(4).start().unwrap();
    // 08:00 to 08:10; with a lateness of 30 s, 08:09 and 08:10 are open.
    let text = live.chart().unwrap().text();
    let starts: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("2018-09-06 ")).map(|l| &l[..5]).collect();
    assert_eq!(starts, ["08:07", "08:08", "08:09", "08:10"], "{text}");
    assert!(text.starts_with("Requests per minute, still open from 08:09"), "{text}");
    let one = Live::of(folder.join("counts.db")).windows(0).start().unwrap().chart().unwrap().text();
    assert!(one.contains("08:10") && !one.contains("08:09 "), "{one}");
    assert_eq!(Viewer::of(&live, "").state()["alerts"], Value::Null, "nobody asked for alerts");
}

#[test]
fn words_of_strangers_stay_words() {
    let folder = scratch("hostile");
    let live = Live::of(folder.join("counts.db"))
        .alerts(folder.join("alerts.db"))
        .title(HOSTILE[2])
        .start()
        .unwrap();
    let (stream, mut counter) = (stream(), counter(&folder));
    let playbooks = Playbooks::new(vec![
        Playbook::new(HOSTILE[0], 1).key(&["ip", "path"]).block_for(secs(600)),
        Playbook::new("paths", 1).key(&["path"]).monitor(),
    ])
    .unwrap();
    let mut detection = Detection::new(&playbooks).stored_in(folder.join("alerts.db")).unwrap();
    for (at, word) in HOSTILE.iter().enumerate() {
        let event = json!({
            "v": 1, "id": format!("{at}"), "ip": word, "time": "2018-09-06T08:00:00Z", "method": "GET", "path": word,
            "status": 404, "user_agent": word,
        });
        stream.put(word, event.to_string()).unwrap();
    }
    stream.consumer().trim_horizon().run_until_caught_up(&mut counter).unwrap();
    stream.consumer().trim_horizon().run_until_caught_up(&mut detection).unwrap();
    let alerts = 2 * HOSTILE.len();
    let mut viewer = Viewer::of(&live, "");
    let state = viewer.until("all there", |state| {
        text(state, "chart").contains("window.pwned") && state["alerts"].as_array().unwrap().len() == alerts
    });
    let chart = text(&state, "chart");
    for word in ["<script", "<img", "<b>", "EVCXR_"] {
        assert!(!chart.contains(word), "{word}: {chart}");
    }
    assert!(chart.contains("&lt;script&gt;window.pwned = 1"), "{chart}");
    let elements = chart.matches('<').count();
    let known = ["<rect", "<text", "</text", "<svg", "</svg"].map(|tag| chart.matches(tag).count());
    assert_eq!(elements, known.iter().sum::<usize>(), "{chart}");
    // The page makes text of it; what no eye sees, and what the kernel obeys, is spelled out here.
    let all = state.to_string();
    assert!(!all.contains("EVCXR_") && !all.contains("\\u001b"), "{all}");
    for alert in state["alerts"].as_array().unwrap() {
        for (name, value) in alert.as_object().unwrap() {
            assert!(!value.as_str().unwrap().contains(['\n', '\r']), "{name}: {value}");
        }
    }
    let first = &state["alerts"][0];
    assert!(["block", "monitor"].contains(&text(first, "response")), "{first}");
    let blocked = "blocked until 08:10:00";
    assert!(state["alerts"].as_array().unwrap().iter().any(|alert| alert["does"] == blocked), "{state}");
}

#[test]
fn the_newest_alerts_come_first_and_not_all_of_them() {
    let folder = scratch("alerts");
    let live = view(&folder);
    let (stream, playbooks) = (stream(), Playbooks::new(vec![Playbook::new("seen", 1)]).unwrap());
    let mut detection = Detection::new(&playbooks).stored_in(folder.join("alerts.db")).unwrap();
    let run = |from: u64, to: u64, detection: &mut Detection| {
        for n in from..to {
            let time = Timestamp::from_secs(1_536_220_800 + n as i64).to_string();
            stream
                .put(format!("192.0.2.{n}"), json!({"time": time, "ip": format!("192.0.2.{n}")}).to_string())
                .unwrap();
        }
        stream.consumer().trim_horizon().run_until_caught_up(detection).unwrap();
    };
    let mut viewer = Viewer::of(&live, "");
    run(0, 3, &mut detection);
    let keys = |state: &Value| -> Vec<String> {
        state["alerts"].as_array().unwrap().iter().map(|alert| text(alert, "key").to_owned()).collect()
    };
    let state = viewer.until("three", |state| keys(state).len() == 3);
    assert_eq!(
        (keys(&state), text(&state, "watch")),
        (["192.0.2.2", "192.0.2.1", "192.0.2.0"].map(str::to_owned).to_vec(), "")
    );
    run(3, 60, &mut detection);
    let state = viewer.until("the newest", |state| keys(state)[0] == "192.0.2.59");
    assert_eq!((keys(&state).len(), text(&state, "watch")), (50, "The latest 50; the database has all."));
    stream.put("192.0.2.99", r#"{"time":"2018-09-06T07:00:00Z"}"#).unwrap();
    stream.consumer().trim_horizon().run_until_caught_up(&mut detection).unwrap();
    // For each of the windows that it would have been in.
    let said = " times an event came too late for its window.";
    viewer.until("late", |state| text(state, "watch").ends_with(said));
}

#[test]
fn a_folder_that_is_cleared_is_seen() {
    let folder = scratch("cleared");
    let live = view(&folder);
    let (first, mut counting) = (stream(), counter(&folder));
    count(&first, "192.0.2.10", 15, &mut counting);
    let mut viewer = Viewer::of(&live, "");
    viewer.until("counted", |state| text(state, "chart").contains("192.0.2.10"));
    drop(counting);
    fs::remove_dir_all(&folder).unwrap();
    viewer.until("gone", |state| text(state, "counts").starts_with("Waiting for counts: "));
    assert!(live.chart().unwrap().text().contains("no events yet"));
    fs::create_dir_all(&folder).unwrap();
    count(&stream(), "192.0.2.20", 15, &mut counter(&folder));
    let state = viewer.until("counted anew", |state| text(state, "chart").contains("192.0.2.20"));
    assert!(!text(&state, "chart").contains("192.0.2.10"), "{state}");
}

#[test]
fn what_cannot_be_read_is_said_and_waited_for() {
    let folder = scratch("broken");
    fs::write(folder.join("counts.db"), "no database, but as long as the head of one: ".repeat(9)).unwrap();
    let live = view(&folder);
    let mut viewer = Viewer::of(&live, "");
    let state = viewer.state();
    assert!(text(&state, "counts").contains("is no SQLite database"), "{state}");
    assert!(live.chart().unwrap_err().to_string().contains("is no SQLite database"));
    fs::remove_file(folder.join("counts.db")).unwrap();
    count(&stream(), "192.0.2.10", 15, &mut counter(&folder));
    viewer.until("counted", |state| text(state, "chart").contains("192.0.2.10"));
}

#[test]
fn it_ends_when_it_is_dropped() {
    let live = view(&scratch("dropped"));
    let (address, path) = parts(&live);
    let mut viewer = Viewer::of(&live, "");
    viewer.state();
    live.stop();
    assert_eq!(viewer.event(), Some(("end".to_owned(), String::new())));
    assert_eq!(viewer.event(), None);
    let deadline = Instant::now() + secs(10);
    while TcpStream::connect(&address).is_ok() {
        assert!(Instant::now() < deadline, "{address} still answers");
        std::thread::sleep(Duration::from_millis(10));
    }
    // Its port is free again, for the next one, which has another address.
    let port = address.rsplit(':').next().unwrap().parse().unwrap();
    let next = Live::of("nothing.db").port(port).start().unwrap();
    assert_eq!(parts(&next).0, address);
    assert_ne!(parts(&next).1, path);
    let taken = Live::of("nothing.db").port(port).start().unwrap_err().to_string();
    assert!(taken.contains(&format!("cannot listen on {address}")), "{taken}");
}

#[test]
fn what_is_printed_does_not_let_anybody_in() {
    let live = view(&scratch("debug"));
    let (address, path) = parts(&live);
    let printed = format!("{live:?}");
    assert!(printed.contains(&address) && !printed.contains(&path[1..33]), "{printed}");
}

/// Each half-open connection was kept for ever, and took a file descriptor of the process that counts.
#[test]
fn those_who_say_nothing_stop_no_reader() {
    let folder = scratch("half open");
    let (stream, mut counter) = (stream(), counter(&folder));
    count(&stream, "192.0.2.10", 12, &mut counter);
    let live = view(&folder);
    let (address, path) = parts(&live);
    let mut viewer = Viewer::of(&live, "");
    viewer.state();
    let began = Instant::now();
    let half = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nX-Slow: ");
    let mut idle = Vec::new();
    for n in 0..1_000 {
        let mut line = TcpStream::connect(&address).unwrap();
        if n % 2 == 0 {
            let _ = line.write_all(half.as_bytes()); // it may be at its end already
        }
        idle.push(line);
        if n % 100 == 0 {
            assert_eq!(ask(&live, "GET", &address, &path).status, 200, "after {n}");
        }
    }
    assert_eq!(ask(&live, "GET", &address, &path).status, 200);
    // All but the last of them are gone, and who was let in before is not.
    let open = |line: &mut TcpStream| {
        line.set_nonblocking(true).unwrap();
        matches!(line.read(&mut [0; 16]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    };
    // Who is sent away hears of it a moment later; by themselves they would stay for 5 s.
    loop {
        let left = idle.iter_mut().map(open).filter(|open| *open).count();
        if left <= 64 {
            break;
        }
        assert!(began.elapsed() < secs(4), "{left} are left after {:?}", began.elapsed());
        std::thread::sleep(millis(10));
    }
    count(&stream, "192.0.2.20", 12, &mut counter);
    viewer.state();

    // One that sends a letter a second has no more time than one that sends none.
    let mut slow = TcpStream::connect(&address).unwrap();
    let began = Instant::now();
    slow.set_read_timeout(Some(millis(500))).unwrap();
    slow.write_all(half.as_bytes()).unwrap();
    loop {
        assert!(began.elapsed() < secs(20), "it is never cut off");
        let written = slow.write_all(b"x");
        match slow.read(&mut [0; 512]) {
            Ok(0) => break,
            Ok(_) => {} // 408
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock && written.is_ok() => {}
            Err(_) => break,
        }
    }
    assert!(began.elapsed() > secs(3), "{:?}", began.elapsed());
}

/// A viewer's answer goes on and on.
#[test]
fn there_are_only_so_many_viewers() {
    let folder = scratch("viewers");
    let live = view(&folder);
    let (address, path) = parts(&live);
    let viewers: Vec<Viewer> = (0..100).map(|_| Viewer::of(&live, "")).collect();
    assert_eq!(ask(&live, "GET", &address, &path).status, 503);
    drop(viewers);
    let began = Instant::now();
    while ask(&live, "GET", &address, &path).status != 200 {
        assert!(began.elapsed() < secs(60), "no room when all have gone");
        std::thread::sleep(millis(100));
    }
}

/// A head without end fills no memory.
#[test]
fn a_long_head_is_refused() {
    let folder = scratch("long head");
    let live = view(&folder);
    let (address, path) = parts(&live);
    let mut line = TcpStream::connect(&address).unwrap();
    line.set_read_timeout(Some(secs(30))).unwrap();
    // Whole, so that it would be answered if it were read.
    let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nX-Long: {}\r\n\r\n", "x".repeat(100_000));
    let _ = line.write_all(head.as_bytes());
    let mut answer = Vec::new();
    let _ = line.read_to_end(&mut answer); // reset, when it has not read all
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
}

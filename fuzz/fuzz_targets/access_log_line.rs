//! Any bytes are a line of an access log or refused; what was read of one is what a server would write.
#![no_main]

use kinesis_lab::{LogLine, Text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    match LogLine::parse(data) {
        Ok(line) => {
            let text = written(&line);
            if text.contains("\\\"") {
                return; // a field that ends with a backslash would take its own quote for text
            }
            let again = LogLine::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text:?}: {error}"));
            assert_eq!(again.time.plain(0), line.time.plain(0));
            // Leap seconds have a fraction, and a log has none.
            let mut again = again;
            again.time = line.time;
            assert_eq!(again, line, "{text:?}");
        }
        Err(error) => assert!(!error.to_string().contains(char::is_control)),
    }
});

fn written(line: &LogLine) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let time = line.time.plain(0);
    let month = MONTHS[time[5..7].parse::<usize>().unwrap() - 1];
    let time = format!("{}/{month}/{}:{} +0000", &time[8..10], &time[..4], &time[11..]);
    // As they are: what `Display` shows of them is for people.
    let or_dash = |field: &Option<Text>| field.as_ref().map_or("-", Text::raw).to_owned();
    let mut request = or_dash(&line.method);
    for part in [&line.path, &line.protocol].into_iter().flatten() {
        request = format!("{request} {}", part.raw());
    }
    format!(
        "{} {} {} [{time}] \"{request}\" {} {} \"{}\" \"{}\"",
        line.client.raw(),
        or_dash(&line.ident),
        or_dash(&line.user),
        line.status,
        line.bytes.map_or("-".to_owned(), |bytes| bytes.to_string()),
        or_dash(&line.referer),
        or_dash(&line.user_agent),
    )
}

//! [`Summary`]: what a part says of itself in a status.

use super::filter::Filter;
use super::part::Part;
use crate::count::StoredCounter;
use crate::detect::Detection;
use crate::read::RecordProcessor;
use crate::text::grouped;
use crate::timestamp::Timestamp;

/// A part, and what it says of itself in a status.
pub(super) trait Summary: RecordProcessor + Send + 'static {
    const PART: Part;
    fn summary(&self) -> String;
}

/// `, 3 late` unless there is none.
fn more(number: u64, what: &str) -> String {
    if number == 0 { String::new() } else { format!(", {} {what}", grouped(number)) }
}

impl Summary for Filter {
    const PART: Part = Part::Filter;

    fn summary(&self) -> String {
        let unparsed = more(self.unparsed(), "did not parse");
        format!("{} kept, {} dropped{unparsed}", grouped(self.kept()), grouped(self.dropped()))
    }
}

impl Summary for StoredCounter {
    const PART: Part = Part::Counter;

    fn summary(&self) -> String {
        let watermark = match self.watermark() {
            Timestamp::MIN => "no watermark yet".to_owned(),
            time => format!("watermark {}", time.plain(0)),
        };
        let rest = more(self.late().count(), "late")
            + &more(self.refused().count(), "from the future")
            + &more(self.duplicates(), "duplicates")
            + &more(self.unparsed(), "did not parse");
        format!("{watermark}, {} in open windows{rest}", grouped(self.total()))
    }
}

impl Summary for Detection {
    const PART: Part = Part::Detection;

    fn summary(&self) -> String {
        let totals = self.totals();
        let beyond: Vec<String> = self
            .beyond_memory()
            .map(|(playbook, events)| format!(", {} of `{playbook}` beyond the memory", grouped(events)))
            .collect();
        let rest = more(self.undelivered() as u64, "not delivered yet")
            + &more(self.undeliverable(), "can't be delivered")
            + &more(self.callback_panics(), "panics of a callback")
            + &more(totals.late, "late")
            + &more(totals.refused, "from the future")
            + &more(totals.duplicates, "duplicates")
            + &more(totals.unparsed, "did not parse")
            + &beyond.concat();
        let plural = if totals.alerts == 1 { "alert" } else { "alerts" };
        format!("{} {plural}{rest}", grouped(totals.alerts))
    }
}

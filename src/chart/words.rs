//! What a chart shows, in words: for a screen reader, and where there is no picture.

use super::panel::Panel;
use super::scale::{TimeFormat, date, slots};
use crate::text::grouped;

/// So many names are read out; who needs more has the text.
const NAMED: usize = 9;

pub(super) fn description(panel: &Panel) -> String {
    if panel.columns.is_empty() {
        let notes = panel.notes.iter().map(|note| format!(" {note}."));
        return format!("A chart: no events yet.{}", notes.collect::<String>());
    }
    let series = panel.series();
    let axis = slots(panel, &series, usize::MAX);
    let format = TimeFormat::of(&axis.slots);
    let time = |at: usize| match format.days {
        true => date(axis.slots[at].start),
        false => format!("{} {}", date(axis.slots[at].start), format.clock(axis.slots[at].start)),
    };
    let kind = if panel.as_lines { "A line chart" } else { "A bar chart" };
    let mut words = match panel.columns.len() {
        1 => format!("{kind}: requests in one window, {} UTC.", time(0)),
        n => format!(
            "{kind}: requests in {} windows, from {} to {} UTC.",
            grouped(n),
            time(0),
            time(axis.slots.len() - 1)
        ),
    };
    let counts: Vec<Vec<u128>> = panel.columns.iter().map(|column| series.counts(column)).collect();
    for (k, name) in series.names.iter().enumerate().take(NAMED + 1) {
        let of_key = || counts.iter().map(|counts| counts[k]);
        let (sum, most) = (of_key().sum::<u128>(), of_key().max().unwrap_or_default());
        words += &match panel.as_lines && (series.named..series.named + series.others).contains(&k) {
            // A sum of who is the highest at a time would be nobody's.
            true => format!(" {name}: at most {} in a window.", grouped(most)),
            false => format!(" {name}: {} in all, at most {} in a window.", grouped(sum), grouped(most)),
        };
    }
    panel.notes.iter().for_each(|note| words += &format!(" {note}."));
    for line in &panel.lines {
        words += &format!(" A line at {}.", line.name());
    }
    words
}

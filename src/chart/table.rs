//! A chart as text: bars of block characters, columns aligned.

use super::panel::{Line, Panel, Series};
use super::scale::{Slots, TimeFormat, date, slots};
use crate::text::grouped;

/// More lines than these are too many to read; windows are summed up then.
const MAX_LINES: usize = 100;
/// Up to so many lines each key has its own bar; beyond, each window has one.
const MAX_BARS: usize = 40;
/// In characters.
const BAR: usize = 36;

pub(super) fn text(panel: &Panel) -> String {
    // evcxr drops empty lines at the start of a text, so that there had better be none.
    let title = if panel.title.is_empty() { "Chart" } else { &panel.title };
    if panel.columns.is_empty() {
        return format!("{title}\n\nno events yet");
    }
    let series = panel.series();
    let axis = slots(panel, &series, MAX_LINES);
    let format = TimeFormat::of(&axis.slots);
    let times: Vec<String> = axis
        .slots
        .iter()
        .map(|slot| match format.days {
            true => date(slot.start),
            false => format!("{} {}", date(slot.start), format.clock(slot.start)),
        })
        .collect();
    let mut notes = vec!["UTC".to_owned()];
    if axis.merged > 1 {
        let how = if panel.as_lines { "each line has the highest of" } else { "each line sums up" };
        notes.push(format!("{how} {} windows", grouped(axis.merged)));
    }
    if axis.gaps_left_out {
        notes.push("windows without events left out".to_owned());
    }
    notes.extend(panel.lines.iter().map(Line::name));
    notes.extend(panel.notes.iter().cloned());
    let lines = match axis.slots.len() * series.names.len() {
        0..=MAX_BARS => by_key(&axis, &times, &series),
        _ => by_window(&axis, &times, &series, panel.as_lines),
    };
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    format!("{title}\n({})\n\n{}", notes.join("; "), lines.join("\n"))
}

/// One line for each window and key.
fn by_key(axis: &Slots, times: &[String], series: &Series) -> Vec<String> {
    let counts = || axis.slots.iter().filter_map(|slot| slot.counts.as_deref()).flatten().copied();
    let max = counts().max().unwrap_or(0);
    let number = counts().map(|count| grouped(count).len()).max().unwrap_or(1);
    let name = series.names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let time = times.iter().map(String::len).max().unwrap_or(0);
    let mut lines = Vec::new();
    for (slot, start) in axis.slots.iter().zip(times) {
        let Some(counts) = &slot.counts else {
            lines.push(format!("{start}  –"));
            continue;
        };
        for (k, (count, key)) in counts.iter().zip(&series.names).enumerate() {
            let start = if k == 0 { start } else { "" };
            lines.push(format!(
                "{start:time$}  {key:name$}  {:>number$}  {}",
                grouped(count),
                bar(*count, max)
            ));
        }
    }
    lines
}

/// One line for each window: a column for each key, then their sum as a bar; or the highest of them, where keys are
/// compared.
fn by_window(axis: &Slots, times: &[String], series: &Series, highest: bool) -> Vec<String> {
    let mut rows = vec![
        [&["start".to_owned()], &series.names[..], &[if highest { "highest" } else { "all" }.to_owned()]]
            .concat(),
    ];
    let mut sums = vec![0];
    for (slot, start) in axis.slots.iter().zip(times) {
        let counts = slot.counts.clone().unwrap_or_else(|| vec![0; series.names.len()]);
        let sum: u128 = match highest {
            true => counts[..series.named + series.others].iter().copied().max().unwrap_or(0),
            false => counts.iter().sum(),
        };
        sums.push(sum);
        let mut row = vec![start.clone()];
        row.extend(counts.iter().chain([&sum]).map(grouped));
        rows.push(row);
    }
    let max = sums.iter().copied().max().unwrap_or(0);
    let columns = rows[0].len();
    let width = |c: usize| rows.iter().map(|row| row[c].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    rows.iter()
        .zip(sums)
        .map(|(row, sum)| {
            let mut line = format!("{:width$}", row[0], width = widths[0]);
            for (cell, width) in row.iter().zip(&widths).skip(1) {
                line += &format!("  {cell:>width$}");
            }
            format!("{line}  {}", bar(sum, max))
        })
        .collect()
}

/// Whole blocks, then an eighth to seven eighths of one. Never empty for what is not 0.
fn bar(count: u128, max: u128) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if count == 0 {
        return String::new();
    }
    let eighths = (count as f64 / max.max(1) as f64 * (BAR * 8) as f64).round().max(1.0) as usize;
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

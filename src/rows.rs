//! [`Rows`]: what a query gave, lined up in columns.

use std::fmt;

use crate::harmless::Text;
use crate::text::shown;

/// How many rows of a query are shown.
pub(crate) const ROWS: usize = 1_000;
/// How many characters of a cell: a path can be as long as a request.
const CELL_CHARS: usize = 200;

/// What a query gave; [`Display`](fmt::Display) lines it up in columns.
///
/// In `rows` each cell is whole. Shown, it has at most 200 characters (the last one is `…` where there are more),
/// and no two spaces side by side, nor one at an end (`\x20` there): those are between columns.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rows {
    /// The columns' names.
    pub columns: Vec<Text>,
    /// Their values as text; NULL is empty.
    pub rows: Vec<Vec<Text>>,
    /// There were more rows than these.
    pub more: bool,
}

/// As [`Display`](fmt::Display): what a query found comes from strangers.
impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A cell as it is shown, and its width in characters.
struct Cell {
    text: String,
    width: usize,
}

/// What the cells of a column have in common.
#[derive(Clone)]
struct Alignment {
    width: usize,
    /// All of its values are: they stand on the right.
    numbers: bool,
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut columns = vec![Alignment { width: 0, numbers: true }; self.columns.len()];
        let mut lines: Vec<Vec<Cell>> = Vec::with_capacity(self.rows.len() + 1);
        for (n, row) in [&self.columns].into_iter().chain(&self.rows).enumerate() {
            let cells: Vec<Cell> = row.iter().map(|text| cell(text.raw())).collect();
            for ((column, cell), text) in columns.iter_mut().zip(&cells).zip(row) {
                column.width = column.width.max(cell.width);
                // The first line has the names.
                column.numbers &= n == 0 || (text.len() <= CELL_CHARS && text.parse::<f64>().is_ok());
            }
            lines.push(cells);
        }
        for (n, line) in lines.iter().enumerate() {
            let mut text = String::new();
            for (at, (column, cell)) in columns.iter().zip(line).enumerate() {
                text += if at == 0 { "" } else { "  " };
                // Not by a width in a format, which has an end at 65,535.
                let space = " ".repeat(column.width - cell.width);
                match column.numbers {
                    true => text.extend([space.as_str(), &cell.text]),
                    false => text.extend([cell.text.as_str(), &space]),
                }
            }
            f.write_str(if n == 0 { "" } else { "\n" })?;
            f.write_str(text.trim_end_matches(' '))?;
        }
        match self.more {
            true => write!(f, "\n… (the first {ROWS} rows)"),
            false => Ok(()),
        }
    }
}

fn cell(text: &str) -> Cell {
    let text = shown(text, CELL_CHARS);
    let mut shown = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    let mut before = ' ';
    while let Some(c) = characters.next() {
        let last = characters.peek().is_none();
        match c == ' ' && (before == ' ' || last) {
            true => shown.push_str(r"\x20"),
            false => shown.push(c),
        }
        before = c;
    }
    Cell { width: shown.chars().count(), text: shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(columns: &[&str], rows: &[&[&str]]) -> Rows {
        let owned = |row: &[&str]| row.iter().map(|cell| Text::from(*cell)).collect();
        Rows { columns: owned(columns), rows: rows.iter().map(|row| owned(row)).collect(), more: false }
    }

    #[test]
    fn numbers_stand_on_the_right() {
        let shown = rows(&["key", "n", "none"], &[&["192.0.2.10", "9", ""], &["b", "10.5", ""]]).to_string();
        assert_eq!(shown, "key            n  none\n192.0.2.10     9\nb           10.5");
    }

    /// It panicked: a width in a format has 16 bits.
    #[test]
    fn a_long_cell_is_cut() {
        let long = "x".repeat(1 << 20);
        let shown = rows(&[&long, "count"], &[&[&long, "1"], &["a", "2"]]).to_string();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[1], format!("{}…      1", "x".repeat(199)));
        assert!(lines.iter().all(|line| line.chars().count() == 207), "{shown}");
    }

    /// It took the square of the rows.
    #[test]
    fn a_thousand_rows_of_a_hundred_columns_are_soon_lined_up() {
        let (cell, began) = ("x".repeat(150), std::time::Instant::now());
        let row: Vec<&str> = vec![&cell; 100];
        let shown = rows(&row, &vec![row.as_slice(); 1_000]).to_string();
        assert_eq!(shown.lines().count(), 1_001);
        assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
    }

    #[test]
    fn a_cell_is_neither_two_nor_a_line() {
        let shown =
            rows(&["key", "count"], &[&["a  7\nb  9", "1"], &[" c ", "2"], &["d e", "3"]]).to_string();
        assert_eq!(
            shown.lines().map(str::to_owned).collect::<Vec<_>>(),
            [
                r"key               count",
                r"a \x207\nb \x209      1",
                r"\x20c\x20             2",
                r"d e                   3",
            ]
        );
    }
}

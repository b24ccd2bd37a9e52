//! [`Measured`]: what PostgreSQL did on one machine, from `xtask/scale/measured.json`.

use anyhow::{Context, Result};
use serde_json::Value;

/// `cargo xtask scale --measure` writes it.
pub(crate) const FILE: &str = "xtask/scale/measured.json";

#[derive(Clone, Debug)]
pub(crate) struct Measured {
    /// `2026-11-26, 2 cores, …, PostgreSQL 15.18`.
    pub(crate) where_and_when: String,
    batch_of_one: f64,
    batch_of_hundred: f64,
    move_a_row: f64,
    delete_a_row: f64,
    drop: f64,
    look_a_row: f64,
    pub(crate) bytes_a_row: f64,
}

impl Measured {
    pub(crate) fn read(text: &str) -> Result<Measured> {
        let json: Value = serde_json::from_str(text).context(FILE)?;
        let text = |name: &str| json[name].as_str().unwrap_or("?").to_owned();
        let number = |name: &str| {
            let value = json[name].as_f64().filter(|value| *value > 0.0);
            value.with_context(|| format!("{FILE} has no number above 0 at {name}"))
        };
        let rows = number("completed_rows")?;
        Ok(Measured {
            where_and_when: format!(
                "{}, {}, PostgreSQL {}",
                text("date"),
                text("machine"),
                text("postgresql")
            ),
            batch_of_one: 1.0 / number("batches_a_second_of_1_key")?,
            batch_of_hundred: 1.0 / number("batches_a_second_of_100_keys")?,
            move_a_row: number("move_ms")? / 1000.0 / rows,
            delete_a_row: number("delete_ms")? / 1000.0 / rows,
            drop: number("drop_ms")? / 1000.0,
            look_a_row: 1.0 / number("looks_a_second_at_10000_shards")? / 10_000.0,
            bytes_a_row: number("bytes_a_window_and_key")?,
        })
    }

    /// On a straight line through the two that were measured.
    pub(crate) fn batch_seconds(&self, keys: f64) -> f64 {
        let a_key = ((self.batch_of_hundred - self.batch_of_one) / 99.0).max(0.0);
        self.batch_of_one + a_key * (keys - 1.0).max(0.0)
    }

    pub(crate) fn completion_seconds(&self, rows: f64, by_pane: bool) -> f64 {
        rows * self.move_a_row + if by_pane { self.drop } else { rows * self.delete_a_row }
    }

    pub(crate) fn seconds_a_row_looked_at(&self) -> f64 {
        self.look_a_row
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Round numbers, to reckon with by hand.
    pub(crate) fn round() -> Measured {
        Measured::read(
            r#"{"batches_a_second_of_1_key": 1000, "batches_a_second_of_100_keys": 500, "completed_rows": 1000,
            "move_ms": 1000, "delete_ms": 2000, "drop_ms": 100, "looks_a_second_at_10000_shards": 100,
            "bytes_a_window_and_key": 80}"#,
        )
        .unwrap()
    }

    #[test]
    fn costs_by_hand() {
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} is not {b}");
        near(round().batch_seconds(1.0), 0.001);
        near(round().batch_seconds(100.0), 0.002);
        near(round().completion_seconds(10.0, false), 0.03);
        near(round().completion_seconds(10.0, true), 0.11);
        near(round().seconds_a_row_looked_at(), 1e-6);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let error = Measured::read(r#"{"completed_rows": 0}"#).unwrap_err();
        assert!(error.to_string().contains("completed_rows"), "{error}");
    }
}

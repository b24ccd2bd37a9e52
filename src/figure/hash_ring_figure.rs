//! The figure of a [`HashRing`]: what drives its script, and its still picture. Pure.

use std::collections::HashMap;
use std::f64::consts::TAU;

use serde_json::json;

use super::figure::Figure;
use super::hash_ring::{HashRing, KEY_CHARS, number};
use super::paint::{Anchor, COMPLETE, Drawing, FAINT_INK, INK, OPEN, Point, Stroke};
use crate::stream::Shard;
use crate::text::shown;

const MAX_SHARDS: usize = 64;
const MAX_KEYS: usize = 100;
const SCRIPTS: [&str; 2] = [include_str!("hash_ring_model.js"), include_str!("hash_ring_view.js")];
const SIZE: (u32, u32) = (900, 420);
const CENTER: (f64, f64) = (450.0, 224.0);
const HUB: f64 = 44.0;
const RIM: f64 = 160.0;

impl HashRing {
    /// A figure of it. In a cell it is one that can be touched. Of more than 64 shards it shows the open ones alone,
    /// the first 64 by their hashes.
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// # use kinesis_lab::HashRing;
    /// let stream = Kinesis::local()?.create_stream("visits", 4)?;
    /// let figure = HashRing::of(&stream.shards()?).keys(&["192.0.2.10"]).figure();
    /// assert!(figure.html().contains("<script>") && figure.text().contains("192.0.2.10"));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn figure(&self) -> Figure {
        of(self)
    }
}

fn of(ring: &HashRing) -> Figure {
    let title = "A hash ring".to_owned();
    let shards = kept(ring);
    let open = shards.iter().filter(|shard| shard.is_open()).count();
    let mut text = format!("{title}\n({open} open shards, {} closed)\n\n", shards.len() - open);
    text += &match open {
        0 => "no open shard".to_owned(),
        _ => ring.to_string(),
    };
    Figure {
        drawing: still(&shards, ring, &title),
        data: data(&shards, ring),
        title,
        text,
        scripts: &SCRIPTS,
    }
}

/// Those that are drawn.
fn kept(ring: &HashRing) -> Vec<Shard> {
    match ring.shards().len() {
        0..=MAX_SHARDS => ring.shards().to_vec(),
        _ => ring.open().into_iter().take(MAX_SHARDS).cloned().collect(),
    }
}

/// What the scripts are told; hashes as texts, of which JavaScript makes whole numbers.
pub(super) fn data(shards: &[Shard], ring: &HashRing) -> serde_json::Value {
    let shards: Vec<_> = shards
        .iter()
        .map(|shard| {
            let (low, high) = shard.hash_range;
            json!({
                "id": shown(&shard.id, KEY_CHARS), "low": low.to_string(), "high": high.to_string(),
                "parents": shard.parent_ids(), "open": shard.is_open(),
            })
        })
        .collect();
    let keys: Vec<_> = ring
        .all_keys()
        .take(MAX_KEYS)
        .map(|(key, hash)| json!({ "key": shown(key, KEY_CHARS), "hash": hash.to_string() }))
        .collect();
    json!({ "shards": shards, "keys": keys })
}

/// How many splits and merges lie before each. Parents are listed before their children; one that is not counts for
/// none.
fn generations(shards: &[Shard]) -> Vec<usize> {
    let mut found: HashMap<&str, usize> = HashMap::new();
    for shard in shards {
        let parents = shard.parent_ids();
        let above = parents.iter().filter_map(|parent| found.get(parent.as_str())).max();
        found.insert(&shard.id, above.map_or(0, |above| above + 1));
    }
    shards.iter().map(|shard| found.get(shard.id.as_str()).copied().unwrap_or(0)).collect()
}

fn still(shards: &[Shard], ring: &HashRing, title: &str) -> Drawing {
    let mut marks = vec![Stroke::Text((24, 26), Anchor::Left, 20, INK, title.to_owned())];
    let generations = generations(shards);
    let rings = generations.iter().max().map_or(1, |most| most + 1);
    let thick = ((RIM - HUB) / rings as f64).min(46.0);
    for (shard, generation) in shards.iter().zip(&generations) {
        let inner = HUB + thick * *generation as f64;
        // As far as to its children, where there are any.
        let is_child = |child: &Shard| child.parent_ids().contains(&shard.id);
        let children = shards.iter().zip(&generations).filter(|(child, _)| is_child(child));
        let end = children.map(|(_, generation)| *generation).min().unwrap_or(rings);
        let (outer, color) = if shard.is_open() { (RIM, OPEN) } else { (HUB + thick * end as f64, COMPLETE) };
        arc(shard, (inner, outer.max(inner + 2.0)), color, &mut marks);
    }
    for (_, hash) in ring.all_keys().take(MAX_KEYS) {
        marks.push(Stroke::Line(vec![point(part(hash), RIM), point(part(hash), RIM + 12.0)], 1, FAINT_INK));
        marks.push(Stroke::Circle(point(part(hash), RIM + 12.0), 4, INK));
    }
    let (x, y) = point(0.0, RIM + 30.0);
    marks.push(Stroke::Text((x, y), Anchor::Center, 14, FAINT_INK, "0".into()));
    Drawing { size: SIZE, marks }
}

fn arc(shard: &Shard, (inner, outer): (f64, f64), color: (u8, u8, u8), marks: &mut Vec<Stroke>) {
    let (from, to) = (part(shard.hash_range.0), part(shard.hash_range.1));
    let steps = ((to - from) * 180.0).ceil().max(2.0);
    let along = |radius: f64| -> Vec<Point> {
        (0..=steps as u32).map(|n| point(from + (to - from) * f64::from(n) / steps, radius)).collect()
    };
    let mut outline = along(outer);
    outline.extend(along(inner).into_iter().rev());
    marks.push(Stroke::Polygon(outline.clone(), color));
    outline.extend(outline.first().copied());
    marks.push(Stroke::Line(outline, 1, FAINT_INK));
    if to - from > 0.02 {
        let at = point((from + to) / 2.0, (inner + outer) / 2.0);
        marks.push(Stroke::Text(at, Anchor::Center, 16, INK, number(&shard.id)));
    }
}

/// Of the whole ring, from 0 to 1.
fn part(hash: u128) -> f64 {
    hash as f64 / u128::MAX as f64
}

fn point(part: f64, radius: f64) -> Point {
    let (sin, cos) = (part * TAU).sin_cos();
    ((CENTER.0 + sin * radius).round() as i32, (CENTER.1 - cos * radius).round() as i32)
}

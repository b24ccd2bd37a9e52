//! Charts of one question: a threshold, a line for each key, several in one picture, with one scale and one time axis.

use super::chart::Chart;
use super::layout::{highest, layout};
use super::panel::Panel;
use super::plot::Colors;
use super::scale::shared;
use super::scene::Scene;
use super::spacing::{DENSE, LEAST, LEAST_BELOW, NARROW_PLACE, NARROW_WIDTH};
use super::{key_colors, paint};

/// One of several charts in a picture, beside others.
const SMALL: (u32, u32) = (450, 300);
const SMALL_COLUMNS: usize = 2;

impl Chart {
    /// A dashed line across the chart, to compare with, and its label at the right: `threshold: 20`. At most 4 lines.
    ///
    /// It is compared with what stands on the axis: a key's count where bars stand side by side, and the sum of all
    /// keys where they are stacked.
    ///
    /// ```
    /// use kinesis_lab::{Chart, Timestamp};
    ///
    /// let minute: Timestamp = "2018-09-06T08:04:00Z".parse()?;
    /// let chart = Chart::bars("Requests per minute", vec![(minute, vec![("192.0.2.66", 30)])]);
    /// let chart = chart.line_at(20, "threshold");
    /// assert!(chart.svg()?.contains("threshold: 20"));
    /// assert!(chart.text().contains("(UTC; threshold: 20)"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn line_at(mut self, value: u64, label: &str) -> Chart {
        self.panel.add_line(value, label);
        self
    }

    /// A line for each key instead of bars: which one is above a threshold, where bars would be stacked.
    ///
    /// Of the keys without a name, the highest one of each window is drawn, and not their sum. Where there are more
    /// windows than room, each point is the highest of several. Late events are in no line: a black square marks the
    /// windows that have some.
    ///
    /// ```
    /// use kinesis_lab::{Chart, Timestamp};
    ///
    /// let minute: Timestamp = "2018-09-06T08:04:00Z".parse()?;
    /// let counts = |attacker: u64| vec![("203.0.113.66", attacker), ("192.0.2.1", 3), ("192.0.2.2", 3), ("192.0.2.3", 2)];
    /// let rows = vec![(minute, counts(0)), (minute + std::time::Duration::from_secs(60), counts(30))];
    /// let chart = Chart::bars("Wrong passwords", rows).top(1).lines().line_at(10, "threshold");
    /// assert!(chart.text().contains("highest of 3 others"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lines(mut self) -> Chart {
        self.panel.as_lines = true;
        self
    }

    /// A remark in small print, below the time axis: what the bars don't show. At most 4.
    ///
    /// ```
    /// # use kinesis_lab::Chart;
    /// let chart = Chart::bars::<&str>("Requests per minute", Vec::new()).note("3 from the future are in no window");
    /// assert!(chart.description().contains("3 from the future"));
    /// ```
    pub fn note(mut self, words: &str) -> Chart {
        self.panel.add_note(words);
        self
    }

    /// Another chart below this one, in the same picture: a notebook cell shows only one.
    pub fn above(mut self, other: Chart) -> Chart {
        self.more.push(other);
        self
    }

    /// The axis of counts is the same for all charts in this picture: that of the highest.
    ///
    /// ```
    /// use kinesis_lab::{Chart, Timestamp};
    ///
    /// let minute: Timestamp = "2018-09-06T08:04:00Z".parse()?;
    /// let chart = |count: u64| Chart::bars("Requests", vec![(minute, vec![("192.0.2.10", count)])]);
    /// let both = chart(1_000).above(chart(10)).same_scale().same_time();
    /// assert_eq!(both.svg()?.matches(">\n1,000\n<").count(), 9); // on each axis, and on the bar; in narrow places, too
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn same_scale(mut self) -> Chart {
        self.same_scale = true;
        self
    }

    /// The time axis is the same for all charts in this picture: from the first window of any to the last, so that
    /// what happened at the same time stands at the same place. See [`same_scale`](Self::same_scale).
    ///
    /// Where their windows are too far apart for one axis (20,000 places), each keeps its own.
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// let (mut minutes, mut sliding) = (Counter::per_minute(), Counter::sliding(secs(60), secs(10)));
    /// let stream = Kinesis::local()?.create_stream("compared", 1)?;
    /// stream.producer("192.0.2.10").interval(secs(10)).at_once().limit(12).start().join();
    /// stream.consumer().trim_horizon().run_until_caught_up(&mut minutes)?;
    /// stream.consumer().trim_horizon().run_until_caught_up(&mut sliding)?;
    /// minutes.chart().above(sliding.chart()).same_time() // in a cell: one below the other
    /// # ;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn same_time(mut self) -> Chart {
        self.same_time = true;
        self
    }

    /// Several charts in one picture, two in a row, with the same scale and the same time axis.
    ///
    /// In a narrow place, as [`svg`](Self::svg) has it, they stand below each other.
    ///
    /// ```
    /// use kinesis_lab::{Chart, Timestamp};
    ///
    /// let minute: Timestamp = "2018-09-06T08:04:00Z".parse()?;
    /// let chart = |title: &str, count: u64| Chart::bars(title, vec![(minute, vec![("192.0.2.10", count)])]);
    /// let all = Chart::small_multiples(vec![chart("Before", 30), chart("After", 10), chart("A day later", 12)]);
    /// assert!(all.svg()?.contains(r#"viewBox="0 0 900 600""#)); // 450 × 300 each
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn small_multiples(charts: Vec<Chart>) -> Chart {
        let mut all = charts.iter().flat_map(Chart::panels).map(|panel| {
            let mut small = panel.clone();
            small.size = SMALL;
            Chart::of_panel(small)
        });
        let first = all.next().unwrap_or_else(|| Chart::of_panel(Panel::new("", &[])));
        Chart { more: all.collect(), columns: SMALL_COLUMNS, ..first }.same_scale().same_time()
    }

    /// This chart, and those that follow it, and those that follow them.
    pub(super) fn panels(&self) -> Vec<&Panel> {
        let mut panels = vec![&self.panel];
        panels.extend(self.more.iter().flat_map(Chart::panels));
        panels
    }

    pub(super) fn whole_size(&self) -> (u32, u32) {
        self.place((0, 0), &mut Vec::new())
    }

    /// Where each of [`panels`](Self::panels) has its upper left corner, and the size of all.
    fn place(&self, at: (u32, u32), places: &mut Vec<(i32, i32)>) -> (u32, u32) {
        let ((mut width, mut height), mut row) = ((0, 0), (0, 0));
        for n in 0..=self.more.len() {
            if n % self.columns == 0 {
                (height, row) = (height + row.1, (0, 0));
            }
            let corner = (at.0 + row.0, at.1 + height);
            let size = match n.checked_sub(1) {
                None => {
                    places.push((corner.0 as i32, corner.1 as i32));
                    self.panel.size
                }
                Some(n) => self.more[n].place(corner, places),
            };
            row = (row.0 + size.0, row.1.max(size.1));
            width = width.max(row.0);
        }
        (width, height + row.1)
    }

    /// The same charts for a narrow place, in the same proportions, with letters that can be read there. `None` where
    /// the picture is narrow itself, and where a chart would become too small for its words.
    pub(super) fn narrow(&self) -> Option<Chart> {
        let width = self.whole_size().0;
        let mut narrow = self.clone();
        (width > NARROW_PLACE && narrow.shrink(width)).then_some(narrow)
    }

    /// Several charts for a narrow place that may be as high as they need: one below the other, each as wide as the
    /// place. `None` where there is one chart alone, and where the picture has these proportions itself.
    pub(super) fn below_each_other(&self) -> Option<Chart> {
        let (width, height) = self.whole_size();
        let mut high = self.clone();
        high.stack();
        let whole = high.whole_size().1 * width / NARROW_WIDTH;
        (width > NARROW_PLACE && !self.more.is_empty() && whole > height + height / 20).then_some(high)
    }

    fn stack(&mut self) {
        let (wide, high) = self.panel.size;
        self.panel.size = (NARROW_WIDTH, (high * NARROW_WIDTH / wide).max(LEAST_BELOW));
        self.panel.spacing = &DENSE;
        self.columns = 1;
        self.more.iter_mut().for_each(Chart::stack);
    }

    /// From so wide to [`NARROW_WIDTH`]. False where it is too much.
    fn shrink(&mut self, width: u32) -> bool {
        let (wide, high) = self.panel.size;
        self.panel.size = (wide * NARROW_WIDTH / width, high * NARROW_WIDTH / width);
        self.panel.spacing = &DENSE;
        let fits = self.panel.size.0 >= LEAST.0 && self.panel.size.1 >= LEAST.1;
        fits && self.more.iter_mut().all(|chart| chart.shrink(width))
    }

    pub(super) fn scene(&self) -> Scene {
        let measure = &paint::text_width;
        let mut panels: Vec<Panel> = self.panels().into_iter().cloned().collect();
        if self.same_time {
            let span = shared(&panels.iter().collect::<Vec<_>>());
            panels.iter_mut().for_each(|panel| panel.span = span);
        }
        if self.same_scale {
            let highest = panels.iter().map(|panel| highest(panel, measure)).max().unwrap_or(0);
            panels.iter_mut().for_each(|panel| panel.at_least = highest);
        }
        let (mut whole, mut places) = (Scene::default(), Vec::new());
        let size = self.place((0, 0), &mut places);
        whole.paper(size);
        for (panel, place) in panels.iter().zip(places) {
            let series = panel.series();
            let colors = Colors::new(&series, &key_colors::choose(&series.keys));
            whole.add(layout(panel, &series, &colors, measure), place);
        }
        whole
    }
}

//! How large letters are, and what stands how far from what: in a picture with room, and in one for a narrow place.

use super::scene::Font;

/// All in pixels; baselines are counted from the upper edge, or from the lower edge of the plot.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Spacing {
    pub(super) title: Font,
    /// Keys, and what stands at the axes.
    pub(super) label: Font,
    /// Dates, captions, the numbers on bars.
    pub(super) small: Font,
    pub(super) margin: i32,
    pub(super) title_line: i32,
    pub(super) legend_line: i32,
    pub(super) legend_pitch: i32,
    /// From the legend's last line to the plot.
    pub(super) above_plot: i32,
    /// What is counted stands above its axis, and not in the caption.
    pub(super) names_counts: bool,
    pub(super) time_line: i32,
    pub(super) date_line: i32,
    /// Without dates; with them it is as much lower as they are below the times.
    pub(super) caption_line: i32,
    /// Below the caption.
    pub(super) below_caption: i32,
}

impl Spacing {
    /// Where the caption stands, below the plot.
    pub(super) fn caption(&self, with_dates: bool) -> i32 {
        self.caption_line + if with_dates { self.date_line - self.time_line - 1 } else { 0 }
    }

    /// From the plot's lower edge to the picture's.
    pub(super) fn below_plot(&self, with_dates: bool) -> i32 {
        self.caption(with_dates) + self.below_caption
    }
}

pub(super) static ROOMY: Spacing = Spacing {
    title: Font { size: 22, bold: true },
    label: Font { size: 16, bold: false },
    small: Font { size: 14, bold: false },
    margin: 18,
    title_line: 34,
    legend_line: 62,
    legend_pitch: 21,
    above_plot: 44,
    names_counts: true,
    time_line: 20,
    date_line: 37,
    caption_line: 40,
    below_caption: 10,
};

/// For pictures as wide as [`NARROW_WIDTH`]: on a telephone, which has 350 pixels or so for them, letters of 14 pixels
/// (an em of 11.3) still have more than 9.
pub(super) static DENSE: Spacing = Spacing {
    title: Font { size: 18, bold: true },
    label: Font { size: 14, bold: false },
    small: Font { size: 14, bold: false },
    margin: 6,
    title_line: 17,
    legend_line: 35,
    legend_pitch: 17,
    above_plot: 10,
    names_counts: false,
    time_line: 16,
    date_line: 31,
    caption_line: 31,
    below_caption: 5,
};

/// A picture for a narrow place is laid out at this width, and drawn as wide as the place is.
pub(super) const NARROW_WIDTH: u32 = 420;
/// Where there is less room for it than this, it is that picture which is seen.
pub(super) const NARROW_PLACE: u32 = 520;
/// So high at least is each of several charts that stand below each other there.
pub(super) const LEAST_BELOW: u32 = 220;
/// A chart that would be smaller than this has no room for its words.
pub(super) const LEAST: (u32, u32) = (200, 130);

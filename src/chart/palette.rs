//! The colours of a picture, on white paper and in a dark theme.

pub(super) type Color = (u8, u8, u8);

/// How many keys can have a colour of their own.
pub(super) const KEY_COLORS: usize = 8;

/// Okabe and Ito's palette, which people with any colour vision can tell apart. Its yellow comes
/// last, being hard to see on white.
pub(super) const KEYS: [Color; KEY_COLORS] = [
    (0, 114, 178),
    (230, 159, 0),
    (0, 158, 115),
    (213, 94, 0),
    (204, 121, 167),
    (86, 180, 233),
    (70, 70, 70),
    (240, 228, 66),
];
pub(super) const PAPER: Color = (255, 255, 255);
pub(super) const OTHERS: Color = (190, 190, 190);
/// Late events: black, which no key has.
pub(super) const LATE: Color = (0, 0, 0);
pub(super) const INK: Color = (34, 34, 34);
pub(super) const FAINT_INK: Color = (95, 95, 95);
pub(super) const GRID: Color = (228, 228, 228);
pub(super) const AXIS: Color = (120, 120, 120);

/// What each of them is in a dark theme, where it is another one. Those that are not named are bright enough.
pub(super) const DARK: [(Color, Color); 9] = [
    (PAPER, (20, 23, 27)),
    (OTHERS, (107, 113, 120)),
    (LATE, (255, 255, 255)),
    (INK, (232, 234, 237)),
    (FAINT_INK, (169, 177, 186)),
    (GRID, (43, 49, 56)),
    (AXIS, (134, 142, 150)),
    (KEYS[0], (30, 136, 201)),
    (KEYS[6], (205, 205, 205)),
];

/// `#0072B2`, as plotters writes it.
pub(super) fn hex((r, g, b): Color) -> String {
    format!("#{r:02X}{g:02X}{b:02X}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The contrast of two colours, 1 to 21, as the Web Content Accessibility Guidelines reckon it.
    fn contrast(a: Color, b: Color) -> f64 {
        let linear = |c: u8| match f64::from(c) / 255.0 {
            c if c <= 0.04045 => c / 12.92,
            c => ((c + 0.055) / 1.055).powf(2.4),
        };
        let luminance = |(r, g, b)| 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
        let (a, b) = (luminance(a) + 0.05, luminance(b) + 0.05);
        a.max(b) / a.min(b)
    }

    fn dark(color: Color) -> Color {
        DARK.iter().find(|(light, _)| *light == color).map_or(color, |(_, dark)| *dark)
    }

    #[test]
    fn words_can_be_read_in_both_themes() {
        for ink in [INK, FAINT_INK] {
            assert!(contrast(ink, PAPER) >= 4.5 && contrast(dark(ink), dark(PAPER)) >= 4.5, "{ink:?}");
        }
    }

    #[test]
    fn every_bar_can_be_seen_in_the_dark() {
        for bar in KEYS.into_iter().chain([OTHERS, LATE]) {
            assert!(contrast(dark(bar), dark(PAPER)) >= 3.0, "{bar:?}: {}", contrast(dark(bar), dark(PAPER)));
        }
    }

    #[test]
    fn no_two_are_the_same_in_either() {
        let all: Vec<Color> =
            KEYS.into_iter().chain([PAPER, OTHERS, LATE, INK, FAINT_INK, GRID, AXIS]).collect();
        for (i, a) in all.iter().enumerate() {
            assert!(all[..i].iter().all(|b| a != b && dark(*a) != dark(*b)), "{a:?}");
        }
    }
}

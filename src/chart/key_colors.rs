//! [`KeyColors`]: a key has one colour in all pictures of a notebook.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::palette::KEY_COLORS;

/// Of so many keys the colour is remembered; then all is forgotten, so that a page that shows counts for months
/// takes no more than some hundred kilobytes for it.
const REMEMBERED: usize = 4_096;

/// Which key has which colour. A key that is seen for the first time is given the one that the fewest have.
#[derive(Default)]
pub(super) struct KeyColors {
    /// By the key's [`identity`](super::panel::Key::identity).
    of: HashMap<u64, usize>,
    users: [usize; KEY_COLORS],
}

impl KeyColors {
    /// A colour for each key of one picture, the most important first; no two have the same.
    ///
    /// Where two of them had the same before, in two pictures, the first keeps it. The other has another in this
    /// picture alone, and the same one each time that it is drawn.
    pub(super) fn choose(&mut self, keys: &[u64]) -> Vec<usize> {
        if self.of.len() + keys.len() > REMEMBERED {
            *self = KeyColors::default();
        }
        let mut taken = [false; KEY_COLORS];
        let mut chosen: Vec<Option<usize>> = Vec::with_capacity(keys.len());
        for key in keys {
            let color = self.of.get(key).copied().filter(|color| !taken[*color]);
            color.into_iter().for_each(|color| taken[color] = true);
            chosen.push(color);
        }
        let colors = keys.iter().zip(chosen).map(|(key, color)| {
            let color = color.unwrap_or_else(|| match self.of.get(key) {
                Some(own) => {
                    let next = (1..KEY_COLORS).map(|n| (own + n) % KEY_COLORS).find(|color| !taken[*color]);
                    next.unwrap_or(*own)
                }
                None => {
                    let free = (0..KEY_COLORS).filter(|color| !taken[*color]);
                    let color = free.min_by_key(|color| self.users[*color]).unwrap_or_default();
                    self.of.insert(*key, color);
                    self.users[color] += 1;
                    color
                }
            });
            taken[color] = true;
            color
        });
        colors.collect()
    }
}

/// The colours of this process' pictures: in Jupyter, of one notebook's.
pub(super) fn choose(keys: &[u64]) -> Vec<usize> {
    static ALL: Mutex<Option<KeyColors>> = Mutex::new(None);
    // Whatever a panic of another thread left is still a colour for each.
    let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    all.get_or_insert_default().choose(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_keeps_its_color_whatever_its_rank() {
        let mut colors = KeyColors::default();
        assert_eq!(colors.choose(&[10, 20, 30]), [0, 1, 2]);
        assert_eq!(colors.choose(&[30, 10]), [2, 0]);
        // A new one gets a colour that nobody has, also where nobody else is in the picture.
        assert_eq!(colors.choose(&[40]), [3]);
        assert_eq!(colors.choose(&[40, 50, 20]), [3, 4, 1]);
    }

    #[test]
    fn more_keys_than_colors_share_them_but_not_in_one_picture() {
        let mut colors = KeyColors::default();
        colors.choose(&[0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(colors.choose(&[8]), [0], "the ninth has the first one's");
        let both = colors.choose(&[8, 0]);
        assert_eq!(both, [0, 1]);
        assert_eq!(colors.choose(&[8, 0]), both);
        assert_eq!(colors.choose(&[0]), [0], "for that picture alone");
    }

    proptest! {
        #[test]
        fn no_two_in_one_picture_and_the_same_twice(
            pictures in proptest::collection::vec(proptest::collection::hash_set(0u64..40, 0..=8), 1..40)
        ) {
            let mut colors = KeyColors::default();
            for keys in pictures {
                let keys: Vec<u64> = keys.into_iter().collect();
                let chosen = colors.choose(&keys);
                prop_assert_eq!(&chosen, &colors.choose(&keys));
                let mut sorted = chosen.clone();
                sorted.sort_unstable();
                sorted.dedup();
                prop_assert_eq!(sorted.len(), keys.len());
            }
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut colors = KeyColors::default();
        (0..100_000).for_each(|key| assert!(colors.choose(&[key])[0] < KEY_COLORS));
        assert!(colors.of.len() <= REMEMBERED);
    }
}

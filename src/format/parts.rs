//! What the parts of a record that are no events come to. Pure.

use crate::event::{Event, EventError};

/// What takes the events of a record, or why a part of it is none.
pub(super) type Each<'a> = dyn FnMut(Result<Event, EventError>) + 'a;

/// Hands over what is read of a record's parts (its lines, its JSON values): where any of them is an event, each of
/// the others is one that is none. Where none is, the record is one that is none, for the reason of its first part:
/// bytes of another kind have as many lines as they have newlines.
///
/// `read` is asked again for what came before the first event, so that no list of it is kept.
pub(super) fn each_part(read: &dyn Fn(&mut Each<'_>), each: &mut Each<'_>) {
    let (mut first, mut withheld, mut is_any) = (None, 0_u64, false);
    read(&mut |found| match found {
        Err(error) if !is_any => {
            first.get_or_insert(error);
            withheld += 1;
        }
        found => {
            if !is_any && withheld > 0 {
                let mut left = withheld;
                read(&mut |again| {
                    if left > 0 {
                        left -= 1;
                        each(again);
                    }
                });
            }
            is_any = true;
            each(found);
        }
    });
    if let Some(error) = first.filter(|_| !is_any) {
        each(Err(error));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::timestamp::Timestamp;

    proptest! {
        #[test]
        fn all_in_their_order_or_the_first_alone(parts in prop::collection::vec(any::<bool>(), 0..8)) {
            let part = |n: usize| match parts[n] {
                true => Ok(Event::new(n.to_string(), Timestamp::MIN)),
                false => Err(EventError::new(&n.to_string())),
            };
            let mut found = Vec::new();
            each_part(&|each| (0..parts.len()).for_each(|n| each(part(n))), &mut |part| found.push(part));
            let told = if parts.contains(&true) { parts.len() } else { parts.len().min(1) };
            prop_assert_eq!(found, (0..told).map(part).collect::<Vec<_>>());
        }
    }
}

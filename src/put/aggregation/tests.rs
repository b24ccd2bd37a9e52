//! Of packing by shards.

use super::*;
use crate::hash_key::hash_key;
use crate::stream::Shard;

fn shard(id: &str, first: u128, last: u128) -> Shard {
    Shard {
        id: id.into(),
        parent: None,
        adjacent_parent: None,
        hash_range: (first, last),
        starting_sequence_number: "0".into(),
        ending_sequence_number: None,
    }
}

fn halves() -> ShardMap {
    let middle = 1 << 127;
    let gone = Shard { ending_sequence_number: Some("9".into()), ..shard("gone", 0, u128::MAX) };
    ShardMap::new(&[shard("high", middle, u128::MAX), gone, shard("low", 0, middle - 1)])
}

fn entries(n: usize) -> Vec<Entry> {
    (0..n).map(|n| Entry::new(format!("192.0.2.{}", n % 20), format!("number {n}"))).collect()
}

fn aggregate(entries: Vec<Entry>, map: &ShardMap, max_bytes: usize) -> Vec<Parcel> {
    let (mut parcels, mut aggregation) = (Vec::new(), Aggregation::default());
    entries.into_iter().for_each(|entry| aggregation.add(entry, map, max_bytes, &mut parcels));
    parcels.extend(aggregation.close());
    assert_eq!(aggregation.len(), 0);
    parcels
}

#[test]
fn a_hash_is_one_open_shards() {
    let map = halves();
    let of = |hash| map.shard_of(hash).map(|id| &**id);
    assert_eq!([of(0), of((1 << 127) - 1)], [Some("low"); 2]);
    assert_eq!([of(1 << 127), of(u128::MAX)], [Some("high"); 2]);
    assert_eq!((map.range_of("gone"), map.range_of("?")), (Some((0, u128::MAX)), None));
    let hole = ShardMap::new(&[shard("a", 10, 20)]);
    assert!(hole.shard_of(9).is_none() && hole.shard_of(21).is_none() && hole.shard_of(20).is_some());
}

#[test]
fn aggregates_are_filled_shard_by_shard_and_in_order() {
    let map = halves();
    let parcels = aggregate(entries(500), &map, 1_000);
    let mut of_shards = BTreeMap::<Arc<str>, Vec<Entry>>::new();
    for parcel in parcels {
        let (entry, line) = (parcel.entry(), parcel.line(false).unwrap());
        assert!((950..=1_000).contains(&entry.data.len()) || parcel.records() < 40, "{}", entry.data.len());
        assert_eq!(map.shard_of(entry.hash()), Some(&line));
        of_shards.entry(line).or_default().extend(parcel.into_entries());
    }
    for (shard_id, packed) in of_shards {
        let (first, last) = map.range_of(&shard_id).unwrap();
        let here = |entry: &Entry| (first..=last).contains(&hash_key(&entry.partition_key));
        assert!(packed == entries(500).into_iter().filter(here).collect::<Vec<_>>());
    }
}

#[test]
fn one_alone_and_one_that_fits_into_none_are_no_aggregates() {
    let map = halves();
    let large = Entry::new("k", vec![0; 2_000]);
    let parcels =
        aggregate(vec![Entry::new("k", "before"), large.clone(), Entry::new("k", "behind")], &map, 1_000);
    let sent: Vec<&Entry> = parcels.iter().map(Parcel::entry).collect();
    assert_eq!(sent, [&Entry::new("k", "before"), &large, &Entry::new("k", "behind")]);
    let lines: Vec<_> = parcels.iter().map(|parcel| parcel.line(false)).collect();
    assert!(lines[0].is_some() && lines[0] == lines[1] && lines[1] == lines[2]);
}

#[test]
fn an_explicit_hash_decides_and_is_kept() {
    let map = halves();
    let low = |n: u64| Entry::new("k", n.to_string()).explicit_hash_key(u128::from(n));
    let high = Entry::new("k", "").explicit_hash_key(u128::MAX);
    let parcels = aggregate(vec![low(1), high.clone(), low(2)], &map, 1_000);
    assert_eq!(parcels.len(), 2);
    let (high_alone, both) = (&parcels[0], &parcels[1]);
    assert_eq!((high_alone.entry(), both.records()), (&high, 2));
    assert_eq!(both.entry().explicit_hash_key, Some(1));
    let mut parcels = parcels;
    assert!(parcels.remove(1).into_entries() == [low(1), low(2)]);
}

#[test]
fn what_no_shard_takes_goes_as_it_is() {
    let parcels = aggregate(entries(3), &ShardMap::default(), 1_000);
    assert!(parcels.len() == 3 && parcels.iter().all(|parcel| parcel.line(false).is_none()));
}

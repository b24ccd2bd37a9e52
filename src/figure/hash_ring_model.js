// The hash ranges of a stream's shards, over splits and merges: Stream::split_shard and merge_shards in another
// language. Pure; `tests.rs` holds it to the library, for 200 seeded histories.
"use strict";

// Of a list of shards { id, number, low, high, parents, open }, with hashes as BigInt.
function ringOf(shards) {
    return shards.map((shard, number) => ({ ...shard, number, low: BigInt(shard.low), high: BigInt(shard.high) }));
}

function child(shards, low, high, parents) {
    const number = shards.length;
    const id = `shardId-${String(number).padStart(12, "0")}`;
    return { id, number, low, high, parents, open: true };
}

const closed = (shards, ids) => shards.map((shard) => ids.includes(shard.id) ? { ...shard, open: false } : shard);

// In the middle of its range. The same list where there is no such open shard, or one hash alone in it.
function splitShard(shards, id) {
    const shard = shards.find((each) => each.id === id && each.open);
    if (!shard || shard.low === shard.high) {
        return shards;
    }
    const middle = shard.low + (shard.high - shard.low) / 2n + 1n;
    const after = closed(shards, [id]);
    after.push(child(after, shard.low, middle - 1n, [id]));
    after.push(child(after, middle, shard.high, [id]));
    return after;
}

// Two neighbours, whichever is named first. The same list where they are none.
function mergeShards(shards, one, other) {
    const [a, b] = [one, other].map((id) => shards.find((each) => each.id === id && each.open));
    if (!a || !b || (a.high + 1n !== b.low && b.high + 1n !== a.low)) {
        return shards;
    }
    const [lower, upper] = a.low < b.low ? [a, b] : [b, a];
    const after = closed(shards, [lower.id, upper.id]);
    after.push(child(after, lower.low, upper.high, [lower.id, upper.id]));
    return after;
}

// The open shards in the order of their hashes.
const openShards = (shards) => shards.filter(({ open }) => open).sort((a, b) => a.low < b.low ? -1 : 1);

const ownerOf = (shards, hash) => shards.find(({ open, low, high }) => open && low <= hash && hash <= high);

// How many splits and merges lie before each. Parents are listed before their children; one that is not counts for none.
function generationsOf(shards) {
    const found = new Map();
    for (const { id, parents } of shards) {
        found.set(id, Math.max(0, ...parents.map((parent) => (found.get(parent) ?? -1) + 1)));
    }
    return shards.map(({ id }) => found.get(id));
}

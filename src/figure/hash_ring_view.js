// The figure of a hash ring: from the top clockwise all hashes, from the inside outwards the generations of shards.
// What a split or a merge does, `hash_ring_model.js` knows.
function mount(root, data) {
    const given = ringOf(data.shards);
    const keys = data.keys.map(({ key, hash }) => ({ key, hash: BigInt(hash) }));
    const most = 64;
    let shards = given;
    let chosen = openShards(shards)[0]?.id;

    root.setAttribute("role", "group");
    root.setAttribute("aria-label", "The hash ring of a stream, whose shards can be split and merged");
    placed(root, "h3", {}, "A hash ring that one can split and merge");
    const controls = placed(root, "div", { class: "controls" });
    const split = placed(controls, "button", { type: "button" }, "Split");
    const merge = placed(controls, "button", { type: "button" }, "Merge with the next");
    const reset = placed(controls, "button", { type: "button" }, "As it was");
    const svg = placed(root, "div", { class: "plot" }).appendChild(document.createElementNS(SVG, "svg"));
    svg.setAttribute("role", "group");
    svg.setAttribute("aria-label", "All hashes, from 0 at the top clockwise; grey shards are closed, outer ones their children");
    svg.setAttribute("viewBox", "-230 -230 460 460");
    svg.setAttribute("style", "max-height: 440px");
    const said = placed(root, "p", { class: "said", "aria-live": "polite" });
    const table = placed(root, "table", {});
    placed(root, "p", { class: "hint" },
        "Click a shard, or go to it with Tab, ← and →, and choose it with Enter; then split it, or merge it with the one " +
        "that follows clockwise. A dot is a partition key, at its hash.");

    const part = (hash) => Number(hash >> 76n) / 2 ** 52;
    const point = (hash, radius) => {
        const angle = 2 * Math.PI * part(hash);
        return [Math.sin(angle) * radius, -Math.cos(angle) * radius].map((each) => each.toFixed(2));
    };
    const hex = (hash) => `${hash.toString(16).padStart(32, "0").slice(0, 8)}…`;
    const name = (shard) => shard.id.replace(/^shardId-0*(?=\d)/, "");
    const keysOf = (shard) => keys.filter(({ hash }) => ownerOf(shards, hash) === shard).map(({ key }) => key);

    function path(shard, inner, outer) {
        // A whole circle begins and ends at one point, which is no arc.
        const high = shard.high - shard.low === (1n << 128n) - 1n ? shard.high - (1n << 90n) : shard.high;
        const large = part(high) - part(shard.low) > 0.5 ? 1 : 0;
        return `M${point(shard.low, outer)} A${outer},${outer} 0 ${large} 1 ${point(high, outer)} ` +
            `L${point(high, inner)} A${inner},${inner} 0 ${large} 0 ${point(shard.low, inner)} Z`;
    }

    function draw(focus) {
        svg.replaceChildren();
        const generations = generationsOf(shards);
        const rings = Math.max(...generations, 0) + 1;
        const [hub, rim] = [50, 190];
        const thick = Math.min(46, (rim - hub) / rings);
        shards.forEach((shard, n) => {
            const inner = hub + thick * generations[n];
            // As far as to its children, where there are any.
            const children = generations.filter((_, child) => shards[child].parents.includes(shard.id));
            const outer = shard.open ? rim : hub + thick * Math.min(...children, rings);
            const arc = drawn(svg, "path", { class: `arc${shard.open ? " is-open" : ""}`, d: path(shard, inner, outer) });
            const middle = shard.low + (shard.high - shard.low) / 2n;
            const [x, y] = point(middle, (inner + outer) / 2);
            if (part(shard.high) - part(shard.low) > 0.02) {
                const marked = shard.id === chosen ? " chosen" : "";
                drawn(svg, "text", { class: `on-arc${marked}`, x, y: Number(y) + 4 }, name(shard));
            }
            if (!shard.open) {
                arc.setAttribute("aria-hidden", "true");
                return;
            }
            const held = keysOf(shard);
            arc.dataset.id = shard.id;
            arc.setAttribute("role", "button");
            arc.setAttribute("tabindex", shard.id === chosen ? 0 : -1);
            arc.setAttribute("aria-pressed", String(shard.id === chosen));
            arc.setAttribute("aria-label", `shard ${name(shard)}, ${hex(shard.low)} to ${hex(shard.high)}, ` +
                `${held.length} of ${keys.length} keys`);
            arc.addEventListener("click", () => choose(shard.id));
            arc.addEventListener("keydown", (event) => keyed(event, shard.id));
        });
        for (const { key, hash } of keys) {
            const [[x1, y1], [cx, cy]] = [point(hash, rim), point(hash, rim + 12)];
            drawn(svg, "line", { class: "spoke", x1, y1, x2: cx, y2: cy });
            const dot = drawn(svg, "circle", { class: "key", cx, cy, r: 4 });
            drawn(dot, "title", {}, key);
        }
        drawn(svg, "text", { class: "faint", x: 0, y: -212, "text-anchor": "middle" }, "0");
        rows();
        const shard = shards.find(({ id }) => id === chosen);
        split.disabled = !shard || shard.low === shard.high || shards.length + 2 > most;
        merge.disabled = !next(shard) || shards.length + 1 > most;
        if (focus) {
            [...svg.querySelectorAll(".arc")].find((arc) => arc.dataset.id === chosen)?.focus();
        }
    }

    function rows() {
        table.replaceChildren();
        const head = placed(table, "tr", {});
        ["open shard", "hashes from", "to", "keys"].forEach((word) => placed(head, "th", { scope: "col" }, word));
        for (const shard of openShards(shards)) {
            const row = placed(table, "tr", shard.id === chosen ? { class: "chosen" } : {});
            [name(shard), hex(shard.low), hex(shard.high), String(keysOf(shard).length)]
                .forEach((word) => placed(row, "td", {}, word));
        }
    }

    const next = (shard) => shard && openShards(shards).find(({ low }) => low === shard.high + 1n);

    function choose(id) {
        chosen = id;
        draw(true);
        const shard = shards.find((each) => each.id === id);
        const held = keysOf(shard);
        said.textContent = `Shard ${name(shard)}: ${held.length ? held.join(", ") : "no key"}.`;
    }

    function keyed(event, id) {
        const open = openShards(shards);
        const at = open.findIndex((shard) => shard.id === id);
        const to = { ArrowRight: at + 1, ArrowLeft: at - 1 + open.length }[event.key];
        if (to !== undefined || event.key === "Enter" || event.key === " ") {
            event.preventDefault();
            event.stopPropagation();
            choose(to === undefined ? id : open[to % open.length].id);
        }
    }

    split.addEventListener("click", () => {
        const before = shards.find(({ id }) => id === chosen);
        shards = splitShard(shards, chosen);
        const [lower, upper] = shards.slice(-2);
        chosen = lower.id;
        draw(false);
        said.textContent = `Shard ${name(before)} is closed; its children are ${name(lower)} with ` +
            `${keysOf(lower).length} and ${name(upper)} with ${keysOf(upper).length} of its keys.`;
    });
    merge.addEventListener("click", () => {
        const lower = shards.find(({ id }) => id === chosen);
        const upper = next(lower);
        shards = mergeShards(shards, lower.id, upper.id);
        chosen = shards.at(-1).id;
        draw(false);
        said.textContent = `Shards ${name(lower)} and ${name(upper)} are closed; ${name(shards.at(-1))} has both as ` +
            `parents, and ${keysOf(shards.at(-1)).length} keys.`;
    });
    reset.addEventListener("click", () => {
        shards = given;
        chosen = openShards(shards)[0]?.id;
        draw(false);
        said.textContent = "";
    });
    draw(false);
}

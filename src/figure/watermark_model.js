// What a watermark does to windows, event by event: WatermarkTrace::observe in another language, so that a reader can
// move events and lateness without a server. Pure; `tests.rs` holds it to the library, for 200 seeded traces.
"use strict";

// An event that claims to be from later than this after its arrival is refused. All times are in microseconds.
const FUTURE = 600e6;

// The starts of all windows that a time lies in, the earliest first.
function windowStarts(time, size, slide) {
    const starts = [];
    for (let start = Math.floor(time / slide) * slide; start + size > time; start -= slide) {
        starts.unshift(start);
    }
    return starts;
}

// `events` are { key, time, arrival }; where arrivals are equal, the one that is named first comes first.
function watermarkModel({ size, slide, lateness, events }) {
    const order = events.map((event, n) => ({ ...event, n })).sort((a, b) => a.arrival - b.arrival || a.n - b.n);
    const open = new Map();
    const model = { steps: [], windows: [], completed: 0, waited: 0, late: 0, counted: 0, refused: 0 };
    let [newest, watermark] = [-Infinity, -Infinity];
    for (const { n, key, time, arrival } of order) {
        const step = { n, arrival, refused: time > arrival + FUTURE, late: [], completed: [] };
        if (step.refused) {
            model.refused += 1;
        } else {
            for (const start of windowStarts(time, size, slide)) {
                if (start + size <= watermark) {
                    step.late.push(start);
                    continue;
                }
                if (!open.has(start)) {
                    open.set(start, { start, end: start + size, opened: arrival, closed: null, total: 0, counts: {} });
                }
                const window = open.get(start);
                window.total += 1;
                // Not a member as such: a key may be called `__proto__`.
                const before = Object.hasOwn(window.counts, key) ? window.counts[key] : 0;
                Object.defineProperty(window.counts, key,
                    { value: before + 1, configurable: true, enumerable: true, writable: true });
                model.counted += 1;
            }
            // Nobody sends events before they happen: what is ahead of its arrival is a clock.
            newest = Math.max(newest, Math.min(time, arrival));
        }
        watermark = Math.max(watermark, newest - lateness);
        for (const start of [...open.keys()].sort((a, b) => a - b)) {
            const window = open.get(start);
            if (window.end <= watermark) {
                window.closed = arrival;
                open.delete(start);
                step.completed.push(window);
                model.windows.push(window);
                model.completed += 1;
                model.waited += arrival - window.end;
            }
        }
        model.late += step.late.length;
        model.steps.push({ ...step, watermark });
    }
    model.windows.push(...[...open.values()].sort((a, b) => a.start - b.start));
    return model;
}

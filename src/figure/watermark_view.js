// The figure of a watermark: event time upwards, processing time to the right. It draws what `watermarkModel` says and
// knows no rule of its own. Words of strangers become text and nothing else.
// The largest of 1, 2, 5, 10, 15, 30 … seconds (and their like below) that is no more than this.
function round(micros) {
    const steps = [1e3, 1e4, 1e5, 5e5, 1e6, 2e6, 5e6, 10e6, 15e6, 30e6, 60e6, 300e6, 600e6, 1800e6, 3600e6, 86400e6];
    return steps.findLast((step) => step <= micros) ?? 1;
}

// The smallest of them that is no less.
function roundUp(micros) {
    const steps = [1e5, 1e6, 2e6, 5e6, 10e6, 15e6, 30e6, 60e6, 120e6, 300e6, 600e6, 900e6, 1800e6, 3600e6, 7200e6,
        21600e6];
    return steps.find((step) => step >= micros) ?? Math.ceil(micros / 86400e6) * 86400e6;
}

const seconds = (micros) => `${Math.round(micros / 1e4) / 100} s`;

function mount(root, data) {
    const { base, size, slide } = data;
    const given = data.events;
    let events = given.map((event) => ({ ...event }));
    let lateness = data.lateness;
    const snap = round(size / 60);
    const stride = round(size / 12);

    // The axes are those of the events as they were given: what one moves doesn't move the rest.
    const arrivals = given.map((event) => event.arrival);
    const first = Math.min(...arrivals, Infinity) === Infinity ? 0 : Math.min(...arrivals);
    const last = Math.max(first, ...arrivals);
    const span = Math.max(last - first, size);
    const oldest = Math.min(first, ...given.map((event) => event.time).filter((time) => time > first - 2 * span));
    const bottom = Math.floor(oldest / slide) * slide;
    const top = Math.floor(last / slide) * slide + size;
    const [left, right] = [first - span / 25, Math.max(last, first + size / 4) + span / 25];

    const clock = (micros) => {
        const text = new Date(base + micros / 1e3).toISOString();
        return text.slice(11, 19);
    };
    const most = Math.max(2 * size, 2 * data.lateness);

    root.setAttribute("role", "group");
    root.setAttribute("aria-label", "A watermark: events in event time and processing time, which can be moved");
    placed(root, "h3", {}, "A watermark that one can touch");
    const controls = placed(root, "div", { class: "controls" });
    const label = placed(controls, "label", {}, "Lateness");
    const step = data.lateness % snap === 0 ? snap : 1;
    const slider = placed(label, "input", { type: "range", min: 0, max: most, step, value: lateness });
    const told = placed(label, "output", {});
    const reset = placed(controls, "button", { type: "button" }, "As it was");
    const svg = placed(root, "div", { class: "plot" }).appendChild(document.createElementNS(SVG, "svg"));
    svg.setAttribute("role", "group");
    svg.setAttribute("aria-label", "Event time upwards, processing time to the right; the line is the watermark");
    const back = drawn(svg, "g", { "aria-hidden": "true" });
    const front = drawn(svg, "g", {});
    const meters = placed(root, "div", { class: "meters" });
    const meter = (name, hint) => {
        const whole = placed(meters, "div", { class: `meter ${name.toLowerCase()}` });
        const words = placed(whole, "div", {});
        placed(words, "strong", {}, name);
        const value = placed(words, "span", {});
        const bar = placed(whole, "div", { class: "bar", role: "meter", "aria-label": name, "aria-valuemin": 0 });
        const full = placed(bar, "div", { class: "full" });
        placed(whole, "div", { class: "hint" }, hint);
        return (said, part, now, max) => {
            value.textContent = `: ${said}`;
            full.style.width = `${Math.min(1, part) * 100}%`;
            bar.setAttribute("aria-valuenow", now);
            bar.setAttribute("aria-valuemax", max);
            bar.setAttribute("aria-valuetext", said);
        };
    };
    const waiting = meter("Waiting", "how long after a window's end its count comes, on average, in processing time");
    const loss = meter("Loss", "how many came too late for their window");
    const said = placed(root, "p", { class: "said", "aria-live": "polite" });
    placed(root, "p", { class: "hint" },
        "Drag an event, or go to it with Tab: ↑ ↓ change when it happened, ← → when it arrived; with Shift in small " +
        "steps. The dashed line is where an event would be that arrives as it happens.");

    // Elements stay: an event that is being dragged, or has the focus, would lose its hold.
    const dots = events.map((_, n) => {
        const group = drawn(front, "g", { class: "event", tabindex: 0, role: "button", "aria-roledescription": "event" });
        drawn(group, "circle", { class: "reach", r: 16 });
        drawn(group, "circle", { class: "ring", r: 12 });
        drawn(group, "circle", { class: "dot", r: 7 });
        drawn(group, "path", { class: "cross", d: "M-6,-6 L6,6 M-6,6 L6,-6" });
        group.addEventListener("keydown", (event) => keyed(event, n));
        group.addEventListener("pointerdown", (event) => grabbed(event, n));
        return group;
    });

    let place = null;
    let model = null;

    function layout() {
        const width = Math.max(280, svg.parentElement.clientWidth);
        const narrow = width < 560;
        const height = narrow ? 360 : 400;
        const box = { left: 62, right: width - (narrow ? 80 : 118), top: 22, bottom: height - 42 };
        const along = (value, from, to) => Math.min(1, Math.max(0, (value - from) / (to - from)));
        place = {
            ...box, width, height, narrow,
            x: (time) => box.left + along(time, left, right) * (box.right - box.left),
            y: (time) => box.bottom - along(time, bottom, top) * (box.bottom - box.top),
            time: (y) => bottom + (box.bottom - y) / (box.bottom - box.top) * (top - bottom),
            arrival: (x) => left + (x - box.left) / (box.right - box.left) * (right - left),
        };
        svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
        svg.setAttribute("height", height);
    }

    function grid() {
        const every = Math.max(slide, Math.ceil((top - bottom) / slide / 8) * slide);
        for (let edge = bottom; edge <= top; edge += every) {
            const y = place.y(edge);
            drawn(back, "line", { class: "grid", x1: place.left, x2: place.right, y1: y, y2: y });
            drawn(back, "text", { class: "faint", x: place.left - 6, y: y + 4, "text-anchor": "end" }, clock(edge));
        }
        const apart = roundUp((right - left) * 56 / (place.right - place.left));
        for (let time = Math.ceil(left / apart) * apart; time <= right; time += apart) {
            const x = place.x(time);
            drawn(back, "line", { class: "axis", x1: x, x2: x, y1: place.bottom, y2: place.bottom + 4 });
            drawn(back, "text", { class: "faint", x, y: place.bottom + 17, "text-anchor": "middle" }, clock(time));
        }
        drawn(back, "path", {
            class: "axis", fill: "none",
            d: `M${place.left},${place.top} V${place.bottom} H${place.right}`,
        });
        drawn(back, "text", { class: "faint", x: 0, y: 12 }, "event time");
        drawn(back, "text", { class: "faint", x: place.right, y: place.bottom + 34, "text-anchor": "end" }, "processing time");
        const [from, to] = [Math.max(left, bottom), Math.min(right, top)];
        drawn(back, "line", { class: "on-time", x1: place.x(from), y1: place.y(from), x2: place.x(to), y2: place.y(to) });
    }

    // Each window beside the others that it overlaps, as many lanes as there may be.
    function windows() {
        const lanes = Math.min(6, Math.ceil(size / slide));
        const lane = (start) => ((start / slide) % lanes + lanes) % lanes;
        const late = new Map();
        for (const start of model.steps.flatMap((each) => each.late)) {
            late.set(start, (late.get(start) ?? 0) + 1);
        }
        for (const window of model.windows) {
            const [y, end] = [place.y(window.end), place.y(window.start)];
            const closed = window.closed === null ? place.right : place.x(window.closed);
            if (lanes === 1) {
                const opened = place.x(window.opened);
                drawn(back, "rect", { class: "open", x: opened, y, width: Math.max(0, closed - opened), height: end - y });
                drawn(back, "rect", { class: "complete", x: closed, y, width: place.right - closed, height: end - y });
            }
            const wide = (place.width - place.right - 8) / lanes;
            const x = place.right + 6 + wide * lane(window.start);
            const state = window.closed === null ? "open" : "complete";
            if (lanes > 1) {
                drawn(back, "rect", { class: state, x, y: y + 1, width: wide - 2, height: Math.max(1, end - y - 2) });
            }
            if (end - y < 14) {
                continue;
            }
            const rejected = late.get(window.start) ?? 0;
            const words = lanes > 1 ? `${window.total}` : `${window.total} ${state}`;
            drawn(back, "text", { x: x + 2, y: (y + end) / 2 + (rejected && lanes === 1 ? -3 : 4) }, words);
            if (rejected && lanes === 1) {
                drawn(back, "text", { x: x + 2, y: (y + end) / 2 + 12, style: "fill: var(--lost)" }, `${rejected} too late`);
            }
        }
    }

    function line() {
        const steps = model.steps.filter((each) => each.watermark > -Infinity);
        if (!steps.length) {
            return;
        }
        const corners = steps.map(({ arrival, watermark }) => [place.x(arrival), place.y(watermark)]);
        const path = corners.map(([x, y], n) => n ? `H${x} V${y}` : `M${x},${y}`).join(" ");
        drawn(back, "path", { class: "watermark", d: `${path} H${place.right}` });
        // Its name stands below its longest step.
        const lengths = corners.map(([x], n) => (corners[n + 1]?.[0] ?? place.right) - x);
        const longest = lengths.indexOf(Math.max(...lengths));
        const [x, y] = corners[longest];
        const below = y + 16 < place.bottom ? y + 16 : y - 6;
        drawn(back, "text", { x: x + lengths[longest] / 2, y: below, "text-anchor": "middle" }, "watermark");
    }

    function sentence(n) {
        const step = model.steps.find((each) => each.n === n);
        const [event, starts] = [events[n], step.late.map(clock)];
        const what = step.refused ? "refused: from the future" :
            starts.length ? `too late for the window of ${starts.join(" and ")}` : "counted";
        const completes = step.completed.length
            ? `; it completes ${step.completed.map((window) => `${clock(window.start)} with ${window.total}`).join(" and ")}`
            : "";
        return `${event.key}, happened at ${clock(event.time)}, arrived at ${clock(event.arrival)}: ${what}${completes}`;
    }

    function draw() {
        model = watermarkModel({ size, slide, lateness, events });
        back.replaceChildren();
        grid();
        // Behind the lines.
        const behind = [...back.children];
        windows();
        back.append(...behind);
        line();
        for (const step of model.steps) {
            const event = events[step.n];
            const dot = dots[step.n];
            dot.setAttribute("transform", `translate(${place.x(event.arrival)},${place.y(event.time)})`);
            dot.dataset.state = step.refused ? "refused" : step.late.length ? "late" : "counted";
            dot.setAttribute("aria-label", sentence(step.n));
        }
        told.textContent = seconds(lateness);
        slider.setAttribute("aria-valuetext", seconds(lateness));
        const mean = model.completed ? Math.floor(model.waited / model.completed) : 0;
        waiting(model.completed ? seconds(mean) : "no window is complete", mean / (1.5 * most), mean / 1e6, 1.5 * most / 1e6);
        const all = model.late + model.counted;
        loss(`${model.late} of ${all}`, all ? model.late / all : 0, model.late, all);
    }

    function moved(n, time, arrival) {
        const to = (value, from, end) => Math.round(Math.min(end, Math.max(from, value)) / snap) * snap;
        // What is beyond the edge stays there until it is moved.
        events[n].time = time === null ? events[n].time : to(time, bottom, top);
        events[n].arrival = arrival === null ? events[n].arrival : to(arrival, left, right);
        draw();
        said.textContent = sentence(n);
    }

    function keyed(event, n) {
        const by = event.shiftKey ? snap : stride;
        const { time, arrival } = events[n];
        const to = {
            ArrowUp: [time + by, null], ArrowDown: [time - by, null],
            ArrowRight: [null, arrival + by], ArrowLeft: [null, arrival - by],
        }[event.key];
        if (to) {
            event.preventDefault();
            event.stopPropagation();
            moved(n, ...to);
        }
    }

    function grabbed(event, n) {
        const dot = dots[n];
        event.preventDefault();
        event.stopPropagation();
        dot.focus();
        dot.setPointerCapture(event.pointerId);
        // Its own distance to the pointer: it doesn't jump when it is taken.
        const scale = () => place.width / svg.getBoundingClientRect().width;
        const from = { x: event.clientX, y: event.clientY, time: events[n].time, arrival: events[n].arrival };
        const follow = (now) => {
            const [dx, dy] = [(now.clientX - from.x) * scale(), (now.clientY - from.y) * scale()];
            moved(n, Math.abs(dy) < 1 ? from.time : place.time(place.y(from.time) + dy),
                Math.abs(dx) < 1 ? from.arrival : place.arrival(place.x(from.arrival) + dx));
        };
        const done = () => {
            dot.removeEventListener("pointermove", follow);
            dot.removeEventListener("pointerup", done);
            dot.removeEventListener("pointercancel", done);
        };
        dot.addEventListener("pointermove", follow);
        dot.addEventListener("pointerup", done);
        dot.addEventListener("pointercancel", done);
    }

    slider.addEventListener("input", () => {
        lateness = Number(slider.value);
        draw();
        said.textContent = `With a lateness of ${seconds(lateness)}, ${model.late} of ${model.late + model.counted} too late.`;
    });
    reset.addEventListener("click", () => {
        events = given.map((event) => ({ ...event }));
        lateness = data.lateness;
        slider.value = lateness;
        draw();
        said.textContent = "";
    });
    layout();
    draw();
    new ResizeObserver(() => { layout(); draw(); }).observe(svg.parentElement);
}

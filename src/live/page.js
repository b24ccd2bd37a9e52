// Shows what the server sends, whenever it sends. All words in it come from strangers, so they become text
// and nothing else: no innerHTML, and of the drawing only shapes and letters, built anew.
"use strict";

const SVG = "http://www.w3.org/2000/svg";
const MARKS = new Map([
    ["rect", ["x", "y", "width", "height", "fill"]],
    ["text", ["x", "y", "dy", "text-anchor", "font-size", "font-weight", "fill"]],
]);
const element = (id) => document.getElementById(id);
// Another drawing, not the same one smaller: its letters would be too small to read.
const narrow = matchMedia("(max-width: 620px)");

let source = null;
let updated = "";
// The alerts that have been seen; null before the first ones, which are not news.
let known = null;

function connect() {
    source?.close();
    source = new EventSource(narrow.matches ? "events?narrow" : "events");
    source.onopen = () => say("live");
    source.onmessage = (event) => show(JSON.parse(event.data));
    // The browser tries again by itself, except where somebody else answers at this address by now.
    source.onerror = () => say(source.readyState === EventSource.CLOSED ? "ended" : "lost");
    source.addEventListener("end", () => {
        source.close();
        say("ended");
    });
}

function say(state) {
    const words = {
        live: updated ? `updated ${updated}` : "connected",
        lost: `connection lost; trying again${updated ? ` (as of ${updated})` : ""}`,
        ended: `this view has ended${updated ? ` (as of ${updated})` : ""}`,
    };
    element("status").dataset.state = state;
    element("said").textContent = words[state];
}

function show(state) {
    updated = state.updated;
    say("live");
    document.title = state.title;
    element("title").textContent = state.title;
    draw(state.chart);
    note("counts", state.counts);
    element("alerts").hidden = !state.alerts;
    if (state.alerts) {
        list(state.alerts);
        note("watch", state.watch);
    }
}

function note(id, words) {
    element(id).textContent = words;
    element(id).hidden = !words;
}

function draw(text) {
    const chart = element("chart");
    const drawing = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
    const marks = [...drawing.children].filter((mark) => MARKS.has(mark.localName));
    // `hidden` as a property is for elements of HTML alone.
    chart.toggleAttribute("hidden", marks.length === 0);
    chart.setAttribute("viewBox", drawing.getAttribute("viewBox") ?? "0 0 900 420");
    // The same bars as before move to their new heights; others are drawn where they are.
    const layout = marks.map((mark) => [mark.localName, mark.getAttribute("x"), mark.getAttribute("fill")]).join();
    if (chart.dataset.layout !== layout) {
        chart.classList.remove("moving");
        chart.replaceChildren(...marks.map((mark) => document.createElementNS(SVG, mark.localName)));
        chart.dataset.layout = layout;
    } else {
        chart.classList.add("moving");
    }
    marks.forEach((mark, at) => {
        const shown = chart.children[at];
        for (const name of MARKS.get(mark.localName)) {
            if (mark.hasAttribute(name)) {
                shown.setAttribute(name, mark.getAttribute(name));
            } else {
                shown.removeAttribute(name);
            }
        }
        if (mark.localName === "text") {
            shown.textContent = mark.textContent.trim();
        }
    });
}

function list(alerts) {
    element("number").textContent = alerts.length ? `(${alerts.length})` : "";
    const before = known;
    known = new Set(alerts.map((alert) => alert.id));
    element("list").replaceChildren(...alerts.map((alert) => {
        const item = document.createElement("li");
        // One of three words, whatever it says.
        item.className = ["block", "notify"].find((word) => word === alert.response) ?? "monitor";
        item.classList.toggle("new", before !== null && !before.has(alert.id));
        const who = part("div", "who", `${alert.playbook} `);
        who.append(part("span", "key", alert.key));
        const why = part("div", "why", `${alert.count} `);
        why.append(part("span", "evidence", alert.evidence));
        item.append(who, part("div", "when", alert.time), why, part("div", "response", alert.does));
        return item;
    }));
}

function part(kind, name, words) {
    const made = document.createElement(kind);
    made.className = name;
    made.textContent = words;
    return made;
}

narrow.addEventListener("change", connect);
// A browser keeps few connections to one address; a page that nobody sees leaves its own to another.
document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
        source.close();
    } else {
        connect();
    }
});
connect();

// What figures are drawn with: words become text, and nothing else.
const SVG = "http://www.w3.org/2000/svg";

function drawn(parent, name, attributes, words) {
    const element = document.createElementNS(SVG, name);
    for (const [attribute, value] of Object.entries(attributes)) {
        element.setAttribute(attribute, value);
    }
    if (words !== undefined) {
        element.textContent = words;
    }
    parent.append(element);
    return element;
}

function placed(parent, name, attributes, words) {
    const element = document.createElement(name);
    for (const [attribute, value] of Object.entries(attributes)) {
        element.setAttribute(attribute, value);
    }
    element.append(words ?? "");
    parent.append(element);
    return element;
}

// Where a figure finds its place: a root of its own, in which the page's style doesn't reach and from which its own
// doesn't leave, in place of the still picture.
function isDark() {
    // JupyterLab's word, then the book's; then the system's.
    const lab = document.body?.dataset.jpThemeLight;
    const book = document.documentElement.dataset.theme;
    if (lab !== undefined) {
        return lab === "false";
    }
    return book ? book === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function show(script, style, data) {
    const host = script.parentElement;
    // A page that was saved with the figure in it, or a script that is run twice.
    if (!host || host.shadowRoot) {
        return;
    }
    const shadow = host.attachShadow({ mode: "open" });
    const root = document.createElement("div");
    root.className = "figure";
    const looks = document.createElement("style");
    looks.textContent = style;
    shadow.append(looks, root);
    const theme = () => { root.dataset.theme = isDark() ? "dark" : "light"; };
    theme();
    const observer = new MutationObserver(theme);
    for (const element of [document.documentElement, document.body]) {
        observer.observe(element, { attributes: true, attributeFilter: ["data-theme", "data-jp-theme-light"] });
    }
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", theme);
    host.addEventListener("focusin", () => window.addEventListener("keydown", share, true));
    host.addEventListener("focusout", () => window.removeEventListener("keydown", share, true));
    mount(root, data);

    // While the figure has the focus, a key alone is the figure's: an arrow moves an event, and a D must not delete the
    // cell. With Ctrl, Alt or Cmd it is JupyterLab's, Ctrl-S say, which looks at this attribute after us.
    function share(event) {
        host.toggleAttribute("data-lm-suppress-shortcuts", !(event.ctrlKey || event.metaKey || event.altKey));
    }
}

"""What is seen at several widths, and in both themes: a chart that is not cut, an error that can be read."""

from urllib.parse import unquote

from looking import PAGE, RUN, require, wait_for

WIDTHS = (700, 1280, 1920)
USUAL = {"width": 1400, "height": 900}
# The least for text, by the Web Content Accessibility Guidelines (1.4.3).
LEAST = 4.5
# The picture, against the place in which it is shown.
BOX = """image => {
    const place = image.closest(".jp-OutputArea-output"), box = image.getBoundingClientRect();
    const seen = place.getBoundingClientRect();
    return {cut: Math.max(seen.left - box.left, box.right - seen.right, place.scrollWidth - place.clientWidth,
                          box.right - innerWidth),
            width: box.width, height: box.height, room: seen.width};
}"""
# A telephone is 390 wide, of which a page keeps some for its margins: how high the letters are there, in pixels.
TELEPHONE, LETTERS_AT_LEAST = 358, 9
LETTERS = """async ([svg, width]) => {
    const frame = document.createElement("iframe");
    frame.style = `position: fixed; top: 0; left: 0; border: 0; width: ${width}px; height: 400px`;
    frame.srcdoc = `<body style="margin: 0">${svg}`;
    const loaded = new Promise((done) => frame.onload = done);
    document.body.append(frame);
    await loaded;
    const seen = [...frame.contentDocument.querySelectorAll("text")].filter((text) => text.getClientRects().length);
    const sizes = seen.map((text) =>
        parseFloat(frame.contentWindow.getComputedStyle(text).fontSize) * text.getScreenCTM().a);
    frame.remove();
    return sizes;
}"""
# Each piece of text, and its contrast to what is under it, 1 to 21.
CONTRASTS = """element => {
    const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
    const over = (top, under) => under.map((c, i) => top[i] * (top[3] ?? 1) + c * (1 - (top[3] ?? 1)));
    const ground = (at) => at ? over(rgb(getComputedStyle(at).backgroundColor), ground(at.parentElement)) : [255, 255, 255];
    const linear = (c) => c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4;
    const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b) + 0.05;
    const shows = (e) => [...e.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    return [element, ...element.querySelectorAll("*")].filter(shows).map((e) => {
        const under = ground(e), [a, b] = [light(over(rgb(getComputedStyle(e).color), under)), light(under)];
        return [Math.max(a, b) / Math.min(a, b), e.textContent.slice(0, 30)];
    });
}"""


def chart_at_widths(page, name):
    """The first chart of a notebook that has run."""
    chart = page.panel(name).locator(".jp-RenderedSVG img").first
    try:
        for width in WIDTHS:
            page.page.set_viewport_size({"width": width, "height": 900})
            page.show(chart)
            page.picture(f"chart-{width}")
            box = chart.evaluate(BOX)
            require(f"at {width} pixels the chart is cut: {box}", box["cut"] <= 1)
            # And it uses the room that there is, up to what it needs.
            require(f"at {width} pixels the chart is small: {box}", box["width"] >= min(box["room"], 900) - 2)
            require(f"at {width} pixels the chart is bent: {box}", 2.0 < box["width"] / box["height"] < 2.3)
    finally:
        page.page.set_viewport_size(USUAL)
    letters = page.page.evaluate(LETTERS, [unquote(chart.get_attribute("src").split(",", 1)[1]), TELEPHONE])
    require(f"on a telephone, letters are {min(letters, default=0):.1f} pixels high",
            len(letters) > 5 and min(letters) >= LETTERS_AT_LEAST)


def error_in_both_themes(page, checkout, name):
    """The compiler's own words, and the reader's code in them."""
    page.open_fixture(checkout, name)
    page.run_all(name)
    page.wait_for_end(name)
    error = page.panel(name).locator('[data-mime-type="application/vnd.jupyter.stderr"] pre').first
    wait_for("an error", RUN, error.count)
    for theme, is_light in (("Dark", "false"), ("Light", "true")):
        page.palette(f"Use Theme: JupyterLab {theme}")
        wait_for(f"the theme {theme}", PAGE, lambda: page.page.evaluate("document.body.dataset.jpThemeLight") == is_light)
        page.page.wait_for_timeout(1000)
        page.show(error)
        page.picture(f"error-{theme.lower()}")
        found = error.evaluate(CONTRASTS)
        require(f"no colours in the error: {found}", len(found) > 5)
        faint = [f"{contrast:.1f} to 1: {text}" for contrast, text in found if contrast < LEAST]
        require(f"can't be read in {theme}: {faint}", not faint)
    # The next stage closes what is open; a notebook that is not saved would ask.
    page.save(name)

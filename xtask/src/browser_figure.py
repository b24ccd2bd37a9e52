"""The figures that can be touched, in a real browser: by keyboard and by mouse, in JupyterLab and in the book.

What they show is the library's (`src/figure/tests.rs` holds the scripts to it); here it is whether a hand can reach it.
"""

import nbformat

from looking import PAGE, require, wait_for

NOTEBOOK, FIGURE = "10-late-events.ipynb", "figure.ipynb"
# Of that notebook: the crate, the nine events, the figure.
CELLS = {"cell-02", "cell-04", "touch-trace", "touch-figure"}
FOCUSED = "host => host.shadowRoot.activeElement?.getAttribute('aria-label')"


def figure(page, checkout, _):
    notebook = nbformat.read(checkout / "notebooks" / NOTEBOOK, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if cell.id in CELLS]
    for cell in notebook.cells:
        # What is stored would be there without a run.
        cell.outputs, cell.execution_count = [], None
    page.open_notebook(notebook, checkout, FIGURE)
    page.run_all(FIGURE)
    page.wait_for_end(FIGURE)
    host = page.panel(FIGURE).locator(".kinesis-figure").last
    page.show(host)
    watermark(host, lambda state: page.picture(f"figure-{state}"))
    # A key alone is the figure's, which has the focus (twice D would delete its cell); with Ctrl it is JupyterLab's.
    host.locator(".event").first.focus()
    page.page.keyboard.press("d")
    page.page.keyboard.press("d")
    require("D deletes the figure's cell", host.locator(".event").count() == 9)
    # From the disk, where the output is signed as one of the reader's own.
    page.save(FIGURE)
    page.page.reload()
    page.ready(FIGURE)
    # Its panel is another one now.
    host = page.panel(FIGURE).locator(".kinesis-figure").last
    page.show(host)
    wait_for("the figure, opened again", PAGE, lambda: host.locator(".event").count() == 9)


def watermark(host, picture):
    """The nine events of notebook 10, with a lateness of 30 s: one is late."""
    page, events = host.page, host.locator(".event")
    late = host.locator('.event[data-state="late"]')
    slider = host.locator('input[type="range"]')
    wait_for("nine events, of which one is late", PAGE, lambda: (events.count(), late.count()) == (9, 1))
    require("the still picture is there, too", not host.locator("img").is_visible())
    picture("1-as-recorded")

    slider.focus()
    for key, wanted, state in (("Home", 2, "2-no-lateness"), ("End", 0, "3-two-minutes")):
        page.keyboard.press(key)
        require(f"{late.count()} are late after {key} on the lateness, not {wanted}", late.count() == wanted)
        said = host.locator(".loss [role=meter]").get_attribute("aria-valuetext")
        require(f"the meter of loss says {said}", said == f"{wanted} of 9")
        picture(state)
    host.get_by_role("button", name="As it was").click()
    require("it is not as it was", late.count() == 1)

    # The one from the tunnel: five seconds up, and with Tab to the next.
    events.nth(6).focus()
    page.keyboard.press("ArrowUp")
    label = events.nth(6).get_attribute("aria-label")
    require(f"after an arrow, the event is: {label}", "happened at 08:00:50, arrived at 08:01:44: too late" in label)
    require("the event has lost the focus", host.evaluate(FOCUSED) == label)
    require("the focus is not to be seen", events.nth(6).locator(".ring").is_visible())
    picture("4-focus")
    page.keyboard.press("Tab")
    require("Tab leads elsewhere", host.evaluate(FOCUSED) == events.nth(7).get_attribute("aria-label"))

    # By mouse to when the fifth arrived, before the event that completes its window.
    def middle(element):
        box = element.locator(".reach").bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    (x, y), (earlier, _) = middle(events.nth(6)), middle(events.nth(4))
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(earlier, y, steps=8)
    page.mouse.up()
    require(f"after it was pulled: {events.nth(6).get_attribute('aria-label')}", late.count() == 0)
    picture("5-pulled")

"""A notebook presented live, as jupyterlab-rise shows it in the JupyterLab of `cargo xtask lab`.

A cell runs on its slide; the notes are in the speaker's window alone; each slide fits on 1280 × 720.
"""

import re

import nbformat
from playwright.sync_api import TimeoutError as BrowserTimeout

from looking import PAGE, RUN, require, wait_for

NOTEBOOK, TALK = "01-streams-producers-consumers-counters.ipynb", "talk.ipynb"
# A slide that lies on others has one of its own in it.
HERE = ".reveal .slides section.present:not(.stack)"
MOST = 40
ERRORS = ", ".join(f'[data-mime-type="application/vnd.jupyter.{kind}"]' for kind in ("error", "stderr"))


def forward(slide):
    """The next slide, or what comes into sight on this one."""
    before = slide.url
    slide.locator("body").press("Space")
    wait_for(f"something behind {before}", PAGE, lambda: slide.url != before)


def run_on_a_slide(slide):
    """Runs the cell that makes a stream, where it is: on a slide."""
    cell = slide.locator(f"{HERE} .jp-CodeCell", has_text="create_stream(").first
    for _ in range(MOST):
        try:
            # It comes into sight by and by: one that were gone on from too early would not be seen again.
            cell.wait_for(timeout=8_000)
        except BrowserTimeout:
            forward(slide)
            continue
        cell.locator(".cm-content").click()
        slide.keyboard.press("Control+Enter")
        wait_for("its number", RUN, lambda: re.search(r"\d", cell.locator(".jp-InputPrompt").inner_text()))
        return cell
    return None


def live_faults(slide):
    """What does not fit on 1280 × 720, with all of each slide shown; the page is done with after it."""
    return slide.evaluate("""async () => {
        const faults = [];
        document.querySelectorAll(".fragment").forEach(part => part.classList.add("visible"));
        for (const one of document.querySelectorAll(".reveal .slides section section")) {
            for (const section of [one.parentElement, one]) {
                section.style.setProperty("display", "block", "important");
                section.style.setProperty("top", "0", "important");
            }
            // An editor that was not in sight gets its height now.
            await new Promise(done => setTimeout(done, 50));
            const cells = [...one.querySelectorAll(".jp-Cell")].filter(cell => !cell.closest("aside, .reveal-skip"));
            const top = one.getBoundingClientRect().top;
            const bottom = Math.max(...cells.map(cell => cell.getBoundingClientRect().bottom - top));
            const wide = cells.flatMap(cell => [...cell.querySelectorAll("pre, table, img, .cm-scroller")])
                .filter(part => part.clientWidth && part.scrollWidth > part.clientWidth + 1);
            if (bottom > 712 || wide.length)
                faults.push(`${one.id} is ${Math.round(bottom)} pixels high, and ${wide.length} of its parts are too wide`);
            one.style.display = one.parentElement.style.display = "";
        }
        return faults;
    }""")


def speaker(slide, folder):
    """The notes, in a window of their own: after a click on the slide, `T` opens it."""
    slide.keyboard.press("Escape")
    with slide.context.expect_page() as opened:
        slide.keyboard.press("t")
    window = opened.value
    # It is told of what changes from here on, when its two pictures of the talk are there.
    for picture in ("current", "upcoming"):
        window.frame_locator(f"#{picture}-slide iframe").locator(HERE).first.wait_for()
    note = slide.locator(f"{HERE} aside.notes")
    for _ in range(MOST):
        forward(slide)
        if note.count():
            break
    words = " ".join(note.first.locator(".jp-RenderedMarkdown").text_content().replace("¶", "").split())[:60]
    said = window.locator(".speaker-controls-notes .value")
    wait_for(f"the speaker's window says: {words}", PAGE,
             lambda: words in " ".join((said.text_content() or "").replace("¶", "").split()))
    window.screenshot(path=folder / "slides-3-speaker.png")
    require("the audience sees a note", slide.locator("aside.notes:visible").count() == 0)
    window.close()


def number(prompt):
    return int(re.search(r"\d+", prompt)[0])


def run(page):
    """The first cell; a kernel that is not yet there takes nothing, and JupyterLab says nothing of that."""
    prompt = page.prompts(TALK)[0]
    if "*" not in prompt and not re.search(r"\d", prompt):
        page.page.keyboard.press("Control+Enter")
        page.page.wait_for_timeout(2000)
    return re.search(r"\d", page.prompts(TALK)[0])


def slides(page, checkout, address):
    notebook = nbformat.read(checkout / "notebooks" / NOTEBOOK, as_version=4)
    # What is stored would be there without a run.
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    page.open_notebook(notebook, checkout, TALK)
    # As who presents does it: the library is there before the first slide.
    page.panel(TALK).locator(".jp-CodeCell .cm-content").first.click()
    wait_for("the library", RUN, lambda: run(page))
    before = page.prompts(TALK)[0]

    server, token = re.fullmatch(r"(http://[^/]+)/.*token=(\w+)", address).groups()
    slide = page.page.context.new_page()
    slide.on("request", page.request)
    slide.set_viewport_size({"width": 1280, "height": 720})
    slide.goto(f"{server}/rise/{TALK}?token={token}")
    slide.locator(f"{HERE} h1").wait_for()
    slide.wait_for_timeout(1000)
    slide.screenshot(path=page.folder / "slides-1-title.png")
    cell = run_on_a_slide(slide)
    require("the cell that makes a stream is on no slide", cell is not None)
    cell.locator(".jp-OutputArea-output:visible").wait_for()
    slide.wait_for_timeout(500)
    slide.screenshot(path=page.folder / "slides-2-run.png")
    require("what it shows is an error", cell.locator(ERRORS).count() == 0)
    after = cell.locator(".jp-InputPrompt").inner_text()
    require(f"it did not run in the notebook's own kernel: {before}, then {after}", number(after) == number(before) + 1)
    speaker(slide, page.folder)
    faults = live_faults(slide)
    require("\n".join(faults), not faults)
    slide.close()

"""A notebook presented live, as jupyterlab-rise shows it in the JupyterLab of `cargo xtask lab`."""

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
    slide.close()

"""The notebooks in a real browser: what a reader sees after `cargo xtask lab`, looked at by a program.

In a copy of the checkout, so that nothing that is run or saved here reaches the notebooks themselves:

1. `cargo xtask lab` gives an address; behind it is notebook 1, with a Rust kernel and no question to
   answer first, without outputs and with its answers folded. *Run All Cells* gives the outputs that are
   stored, the chart is a picture, and what Ctrl-S writes holds them.
   Its chart is not cut at 700, 1280 and 1920 pixels (`browser_look.py`).
2. Notebook 2 beside it: both run at the same time, and neither disturbs the other.
3. A notebook whose records are attacks on whoever shows them (`tests/fixtures/hostile.ipynb`), trusted
   and run: they are text, and nothing else.
   A compile error (`compile_error.ipynb`) can be read in both themes: 4.5 to 1 at least.
4. The live view (`browser_live.py`): in its frame and alone, at work and after its end.
5. A figure that can be touched (`browser_figure.py`), by keyboard and by mouse.
6. Notebook 1 as live slides (`browser_slides.py`), a cell of which is run; with the speaker's window.
7. Ctrl-C in the terminal leaves no process behind; nor does closing its window.

No page may ask another host for anything. Pictures of each stage are kept for people to look at.
"""

import argparse
import fcntl
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
import urllib.request
import uuid
from pathlib import Path

import nbformat
import psutil
from playwright.sync_api import Error as BrowserError
from playwright.sync_api import TimeoutError as BrowserTimeout
from playwright.sync_api import sync_playwright

from browser_figure import figure
from browser_live import LIVE, live, live_exported
from browser_look import chart_at_widths, error_in_both_themes
from browser_slides import slides
from looking import PAGE, RUN, WORK, Fault, require, wait_for
from run_notebook import RAISES, STDERR, as_stored, difference, title

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"]
# In the environment of all that is started here, so that none of it is overlooked at the end.
MARK = "KINESIS_LAB_BROWSER_TEST"
FIRST, SECOND = "01-streams-producers-consumers-counters.ipynb", "02-the-log.ipynb"
HOSTILE, ERROR = "hostile.ipynb", "compile_error.ipynb"


def link(source, target):
    """Costs no disk; a copy where the folders lie on two of them."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def copy(checkout, to):
    """The checkout with its set-up, as if it had been made there."""
    shutil.rmtree(to, ignore_errors=True)
    top = {".git", ".venv", "target", WORK}
    shutil.copytree(checkout, to, symlinks=True, ignore=lambda folder, names:
                    top & set(names) if Path(folder) == checkout else
                    {".ipynb_checkpoints"} & set(names))
    # Without what JupyterLab remembered of the user's own last visit, and what is for tests alone.
    venv = checkout / ".venv"
    shutil.copytree(venv, to / ".venv", symlinks=True, copy_function=link, ignore=lambda folder, names:
                    {"var", "for-tests", "for-browser"} & set(names) if Path(folder) == venv else
                    {"kernels"} & set(names) if Path(folder).name == "jupyter" else set())


class Lab:
    """`cargo xtask lab`, as it is typed; and Ctrl-C."""

    def __init__(self, checkout, build, log):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        self.mark, self.log = uuid.uuid4().hex, log
        log.unlink(missing_ok=True)
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        environment |= {MARK: self.mark, "CARGO_TARGET_DIR": str(build)}
        # On a terminal of its own, as a reader has it: without one, JupyterLab takes Ctrl-C otherwise.
        self.terminal, end = pty.openpty()
        self.process = subprocess.Popen(
            ["cargo", "xtask", "lab", "--no-browser", "--port", str(port)], cwd=checkout, env=environment,
            stdin=end, stdout=end, stderr=end, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(end)
        threading.Thread(target=self.keep, daemon=True).start()

    def keep(self):
        """What it writes, into the log, until the terminal has no other end."""
        with open(self.log, "wb", buffering=0) as file:
            try:
                while text := os.read(self.terminal, 4096):
                    file.write(text)
            except OSError:
                pass

    def said(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def address(self):
        def look():
            require(f"`cargo xtask lab` ended:\n{self.said()[-3000:]}", self.process.poll() is None)
            address = re.search(r"http://127\.0\.0\.1:(\d+)/\S*token=\w+", self.said())
            # It is told a moment before anybody listens there.
            with socket.socket() as door:
                return address and door.connect_ex(("127.0.0.1", int(address[1]))) == 0 and address[0]
        return wait_for("an address from `cargo xtask lab`", RUN, look)

    def processes(self):
        """All that came of it and is alive."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except (psutil.Error, OSError):
                # It ended while it was looked at, or is somebody else's.
                continue
        return found

    def interrupt(self):
        os.write(self.terminal, b"\x03")

    def close_window(self):
        # What the kernel of the system sends to the terminal's processes when its window goes.
        os.killpg(self.process.pid, signal.SIGHUP)

    def end(self):
        """Whatever happened before: nothing stays."""
        for process in self.processes():
            try:
                process.kill()
            except psutil.Error:
                continue
        self.process.wait()


class Page:
    """JupyterLab's page, with what a reader does there."""

    def __init__(self, context, folder):
        self.page, self.folder = context.new_page(), folder
        self.dialogs, self.strangers = [], []
        self.page.set_default_timeout(PAGE * 1000)
        self.page.on("dialog", self.dialog)
        self.page.on("request", self.request)

    def dialog(self, dialog):
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def request(self, request):
        if not re.match(r"(http|ws)://(localhost|127\.0\.0\.1):\d+/|data:|blob:", request.url):
            self.strangers.append(request.url)

    def picture(self, name):
        self.page.screenshot(path=self.folder / f"{name}.png")

    def picture_of_failure(self):
        try:
            self.picture("failed")
        except BrowserError:
            # A page that never came has no picture; what is wrong has been said.
            pass

    def show(self, element):
        """Scrolled to the middle; twice, because cells get their heights as they come into sight."""
        for _ in range(2):
            element.evaluate("element => element.scrollIntoView({block: 'center'})")
            self.page.wait_for_timeout(500)

    def panel(self, name):
        """The part of the page with this notebook, visible or not."""
        identity = self.page.locator(".lm-DockPanel-tabBar .lm-TabBar-tab", has_text=name).get_attribute(
            "data-id")
        return self.page.locator(f'[id="{identity}"]')

    def activate(self, name):
        """What menus act on is this notebook then: beside one that still runs, a click can be too early."""
        tab = self.page.locator(".lm-DockPanel-tabBar .lm-TabBar-tab", has_text=name)

        def current():
            tab.click()
            self.page.wait_for_timeout(300)
            return "jp-mod-current" in (tab.get_attribute("class") or "").split()

        wait_for(f"{name} is what menus act on", PAGE, current)
        self.panel(name).locator(".jp-Notebook").wait_for()

    def menu(self, menu, command):
        self.page.locator("#jp-MainMenu .lm-MenuBar-item", has_text=re.compile(f"^{menu}$")).click()
        self.page.locator(f'.lm-Menu li[data-command="{command}"]').click()

    def palette(self, command):
        # A notebook that becomes ready takes the focus, and that closes the palette.
        def done():
            self.menu("View", "apputils:activate-command-palette")
            try:
                self.page.locator(".lm-CommandPalette-input:visible").fill(command, timeout=3_000)
                self.page.locator(".lm-CommandPalette-item", has_text=command).first.click(timeout=3_000)
            except BrowserTimeout:
                return False
            return True

        wait_for(f"{command}, by the palette", PAGE, done)

    def accept(self):
        self.page.locator(".jp-Dialog .jp-mod-accept").click()
        self.page.locator(".jp-Dialog").wait_for(state="detached")

    def open(self, name):
        """By a double click in the list of files."""
        self.page.locator(".jp-DirListing-item", has_text=name).dblclick()
        self.page.locator(".lm-DockPanel-tabBar .lm-TabBar-tab", has_text=name).wait_for()
        self.ready(name)

    def open_fixture(self, checkout, name):
        """A notebook that is for tests alone, in place of all that is open."""
        self.open_notebook(nbformat.read(checkout / "xtask/tests/fixtures" / name, as_version=4), checkout, name)

    def open_notebook(self, notebook, checkout, name):
        # With the whole width to itself: in a narrow panel JupyterLab folds away what tells that it is ready.
        self.palette("Close All Tabs")
        self.page.locator(".lm-DockPanel-tabBar .lm-TabBar-tab", has_text=".ipynb").first.wait_for(state="detached")
        # Only now: the first screen is to be a reader's.
        nbformat.write(notebook, checkout / WORK / name)
        self.page.locator('button[data-command="filebrowser:refresh"], .jp-FileBrowser [title*="Refresh"]').first.click()
        self.open(name)

    def to_the_right(self, name):
        """By dragging its tab to the right edge."""
        tab = self.page.locator(".lm-DockPanel-tabBar .lm-TabBar-tab", has_text=name).bounding_box()
        main = self.page.locator("#jp-main-dock-panel").bounding_box()
        mouse = self.page.mouse
        mouse.move(tab["x"] + tab["width"] / 2, tab["y"] + tab["height"] / 2)
        mouse.down()
        mouse.move(main["x"] + main["width"] / 2, main["y"] + main["height"] / 2, steps=10)
        mouse.move(main["x"] + main["width"] - 30, main["y"] + main["height"] / 2, steps=10)
        mouse.up()

    def ready(self, name):
        panel = self.panel(name)
        panel.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
        # In a narrow panel it is there, but not shown.
        panel.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').wait_for(state="attached")

    def prompts(self, name):
        return self.panel(name).locator(".jp-CodeCell .jp-InputPrompt").all_text_contents()

    def run_all(self, name):
        """*Run All Cells* after *Clear Outputs of All Cells*: what is there then is of this run."""
        def cleared():
            self.activate(name)
            self.menu("Edit", "editmenu:clear-all")
            self.page.wait_for_timeout(500)
            return self.outputs(name).count() == 0

        wait_for(f"{name} without outputs", PAGE, cleared)
        self.activate(name)
        self.menu("Run", "runmenu:run-all")

    def outputs(self, name):
        return self.panel(name).locator(".jp-OutputArea-output")

    def has_run(self, name):
        prompts = self.prompts(name)
        return prompts and all(re.fullmatch(r"\[\d+\]:", prompt) for prompt in prompts)

    def wait_for_end(self, *names):
        wait_for(f"all cells run of {', '.join(names)}", RUN, lambda: all(map(self.has_run, names)))

    def save(self, name):
        self.activate(name)
        self.page.keyboard.press("Control+s")
        dirty = self.page.locator(".lm-DockPanel-tabBar .lm-TabBar-tab.jp-mod-dirty", has_text=name)
        wait_for(f"{name} saved", PAGE, lambda: dirty.count() == 0)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def on_disk(path):
    """A notebook as it was saved, its outputs in the order in which the runner stores them."""
    notebook = nbformat.read(path, as_version=4)
    late = None
    for cell in code_cells(notebook):
        cell.outputs = as_stored([(o.output_type, o) for o in cell.outputs], cell.execution_count)
        stderr = [o for o in cell.outputs if o.get("name") == "stderr"]
        # The kernel may pass on what a cell wrote to stderr after it has begun with the next one, where
        # JupyterLab then shows it.
        if late is not None and stderr:
            cell.outputs = [o for o in cell.outputs if o not in stderr]
            late.outputs = stderr + late.outputs
        late = cell if {RAISES, STDERR} & set(cell.metadata.get("tags", [])) and not stderr else None
    return notebook


def require_same(before, after):
    """What was saved is what is stored in the repository."""
    require("a cell has gone", len(code_cells(before)) == len(code_cells(after)))
    for old, new in zip(code_cells(before), code_cells(after)):
        said = difference(old.outputs, new.outputs, new.metadata.get("tags", []))
        require(f"`{title(new)}`: {said}", said is None)


def require_no_errors(page, name, notebook):
    """Nothing red but where a cell is tagged so."""
    red = 'application/vnd.jupyter.{}'
    errors = page.panel(name).locator(f'[data-mime-type="{red.format("error")}"]').count()
    require(f"{name}: {errors} cell(s) show an error", errors == 0)
    shown = page.panel(name).locator(f'[data-mime-type="{red.format("stderr")}"]').count()
    meant = sum(1 for cell in code_cells(notebook)
                if {RAISES, STDERR} & set(cell.metadata.get("tags", []))
                and any(o.get("name") == "stderr" for o in cell.outputs))
    require(f"{name}: {shown} cells show errors, {meant} are meant to", shown == meant)


def first_notebook(page, checkout, address):
    before = on_disk(checkout / "notebooks" / FIRST)
    page.page.goto(address)
    page.ready(FIRST)
    kernel = page.panel(FIRST).locator(".jp-KernelName")
    wait_for("a Rust kernel", PAGE, lambda: kernel.inner_text().strip().startswith("Rust"))
    page.page.locator("#jp-main-statusbar", has_text="Rust | Idle").wait_for()
    # What JupyterLab would ask or tell, it does within a moment.
    page.page.wait_for_timeout(1500)
    page.picture("1-first-screen")
    for nag in (".jp-Dialog", ".Toastify__toast"):
        texts = page.page.locator(nag).all_inner_texts()
        require(f"before anything else one is asked or told: {texts}", not texts)
    require("outputs are there before a cell has run", page.outputs(FIRST).count() == 0)
    answers = page.panel(FIRST).locator("details", has_text="Guess first")
    wait_for("answers", PAGE, lambda: answers.count())
    require("an answer is open before the guess", all(answers.nth(n).get_attribute("open") is None for n in range(answers.count())))
    figure = page.panel(FIRST).locator(".jp-MarkdownOutput img").first
    page.show(figure)
    wait_for("a figure", PAGE, lambda: figure.evaluate("image => image.naturalWidth") > 0)
    listed = set(page.page.locator(".jp-DirListing-itemText").all_inner_texts())
    require(f"folders of ours in the list of files: {listed}", FIRST in " ".join(listed) and not {"face", "figures", "rise.css"} & listed)

    page.run_all(FIRST)
    page.wait_for_end(FIRST)
    chart = page.panel(FIRST).locator(".jp-OutputArea-output img").first
    page.show(chart)
    page.picture("2-chart")
    require("the chart is no picture", chart.is_visible() and chart.evaluate("image => image.naturalWidth") > 0)
    page.save(FIRST)
    after = on_disk(checkout / WORK / FIRST)
    require_no_errors(page, FIRST, after)
    require_same(before, after)
    line = next(o.text for cell in code_cells(after) for o in cell.outputs if o.output_type == "stream")
    shown = page.outputs(FIRST).filter(has_text=line.splitlines()[0]).first
    page.show(shown)
    require(f"its text is not to be seen: {line}", shown.is_visible())


def side_by_side(page, checkout, _):
    before = on_disk(checkout / "notebooks" / SECOND)
    page.open(SECOND)
    page.to_the_right(SECOND)
    page.activate(FIRST)
    page.menu("Run", "runmenu:restart-and-run-all")
    page.accept()
    page.run_all(SECOND)
    wait_for("both at work", PAGE, lambda: all("[*]:" in page.prompts(name) for name in (FIRST, SECOND)))
    page.picture("3-side-by-side-at-work")
    page.wait_for_end(FIRST, SECOND)
    page.picture("4-side-by-side")
    for name in (FIRST, SECOND):
        require(f"{name} is not to be seen", page.panel(name).is_visible())
        page.save(name)
        require_no_errors(page, name, on_disk(checkout / WORK / name))
    require_same(before, on_disk(checkout / WORK / SECOND))


def hostile(page, checkout, _):
    page.open_fixture(checkout, HOSTILE)
    page.palette("Trust Notebook")
    page.accept()
    page.run_all(HOSTILE)
    page.wait_for_end(HOSTILE)
    page.save(HOSTILE)
    require_harmless(page)
    require_no_errors(page, HOSTILE, on_disk(checkout / WORK / HOSTILE))
    shown = page.outputs(HOSTILE)
    for number, text in enumerate(("<script>window.pwned", "<img src=x onerror", "<svg onload=")):
        element = shown.filter(has_text=text).first
        page.show(element)
        require(f"not to be seen as text: {text}", element.is_visible())
    page.page.set_viewport_size({"width": 1400, "height": 2600})
    page.show(page.panel(HOSTILE).locator(".jp-OutputArea-output img").first)
    page.picture("hostile")
    # Once more from the disk, where the outputs are signed as trusted.
    page.page.reload()
    page.ready(HOSTILE)
    page.show(page.panel(HOSTILE).locator(".jp-OutputArea-output img").first)
    require_harmless(page)


def require_harmless(page):
    """None of the attacks has become more than text."""
    done = page.page.evaluate("window.pwned")
    require(f"a record's script has run: {done}", done is None)
    require(f"a record has opened a dialog: {page.dialogs}", not page.dialogs)
    for element in ("script", "iframe", "object", "embed", "form", "input", "[onerror]", "[onload]", "[onclick]",
                    '[href^="javascript:" i]', "image[href]", "foreignObject"):
        found = page.outputs(HOSTILE).locator(element).count()
        require(f"records have become {found} element(s) `{element}`", found == 0)
    asked = page.page.locator(".jp-Stdin, .jp-Dialog").count()
    require("a record asks the reader for input", asked == 0)


def start_kernel(address):
    """As the page does it."""
    server, token = re.fullmatch(r"(http://[^/]+)/.*token=(\w+)", address).groups()
    request = urllib.request.Request(f"{server}/api/kernels", method="POST", data=b'{"name": "rust"}',
                                     headers={"Authorization": f"token {token}"})
    # Not through a proxy, whatever the environment says: it is on this machine.
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=PAGE):
        pass


def leave(lab, how):
    wait_for("a kernel at work, to be ended", PAGE, lambda: any("evcxr" in p.name() for p in lab.processes()))
    how()
    try:
        wait_for("all of it ended", 30, lambda: not lab.processes())
    except Fault as fault:
        raise Fault(f"{fault}; there are {[p.cmdline() for p in lab.processes()]}") from None


def stage(what, work):
    """One line a stage; false when it failed."""
    began, said = time.monotonic(), None
    try:
        work()
    except Fault as fault:
        said = str(fault)
    except BrowserError as error:
        said = f"the browser says: {error}"
    print(f"  {'ok  ' if said is None else 'FAIL'} {time.monotonic() - began:6.1f} s  {what}", flush=True)
    if said is not None:
        print("\n".join("       | " + line for line in said.splitlines()), flush=True)
    return said is None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chromium", required=True, help="the browser's program")
    parser.add_argument("--checkout", required=True, type=Path, help="what is copied")
    parser.add_argument("--folder", required=True, type=Path, help="for the copy and the pictures")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))

    folder = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    # With a space, which many a reader's path has.
    checkout = folder / "a checkout"
    copy(arguments.checkout, checkout)
    lab = Lab(checkout, folder / "build", folder / "lab.log")
    passed = True
    try:
        address = []
        passed &= stage("`cargo xtask lab` gives an address", lambda: address.append(lab.address()))
        if passed:
            passed &= in_browser(arguments.chromium, lab, checkout, folder, address[0])
            passed &= stage("Ctrl-C leaves nothing behind", lambda: leave(lab, lab.interrupt))
        lab.end()
        if passed:
            saved = (checkout / WORK / FIRST).read_bytes()
            lab = Lab(checkout, folder / "build", folder / "lab.log")
            start_kernel(lab.address())
            passed &= stage("what was saved is kept at the next start", lambda: require(
                "it is another one", (checkout / WORK / FIRST).read_bytes() == saved))
            passed &= stage("a closed terminal leaves nothing behind", lambda: leave(lab, lab.close_window))
    finally:
        lab.end()
    return 0 if passed else 1


def in_browser(chromium, lab, checkout, folder, address):
    passed = True
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, headless=True, args=FLAGS, env={**os.environ, MARK: lab.mark})
        try:
            context = browser.new_context(viewport={"width": 1400, "height": 900})
            page = Page(context, folder)
            for what, work in (
                ("notebook 1: run from top to bottom, seen and saved", first_notebook),
                ("its chart at three widths: not cut", lambda page, *_: chart_at_widths(page, FIRST)),
                ("notebooks 1 and 2 side by side, both at once", side_by_side),
                ("records that attack whoever shows them are text", hostile),
                ("an error can be read in both themes", lambda page, *_: error_in_both_themes(page, checkout, ERROR)),
                ("the live view moves, in its frame and alone", live),
                ("when its kernel has ended, its picture is seen", live_exported),
                ("a figure can be touched, by keyboard and by mouse", figure),
                ("live slides: a cell runs on one, the notes are the speaker's, all of them fit", slides),
            ):
                if not stage(what, lambda: work(page, checkout, address)):
                    passed = False
                    page.picture_of_failure()
                    break
            passed &= stage("nothing was asked of another host", lambda: require(
                "\n".join(page.strangers), not page.strangers))
        finally:
            browser.close()
    return passed


if __name__ == "__main__":
    sys.exit(main())

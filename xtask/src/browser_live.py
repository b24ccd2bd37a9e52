"""The live view in a real browser: `tests/fixtures/live.ipynb` in JupyterLab, whose kernel serves the page.

1. In its frame and alone in a tab, bars move and alerts appear while a later cell is at work.
2. Keys and paths that attack the page are text in it.
3. Who says another host, or does not know the token, gets nothing.
4. When the kernel has ended, a page that is open says so; one that is opened, in JupyterLab or in an exported
   notebook, has the last picture where the frame was.
"""

import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from looking import PAGE, RUN, WORK, require, wait_for

LIVE = "live.ipynb"
# In the page: all that there may be in the drawing, and what of it moves.
HEIGHTS = """() => [...document.querySelectorAll("#chart rect")].map(bar => bar.getAttribute("height")).join()"""
ELEMENTS = """() => [...new Set([...document.querySelectorAll("body *")].map(element => element.localName))]"""
KNOWN = {"header", "main", "section", "h1", "h2", "p", "span", "div", "ol", "li", "svg", "rect", "text", "noscript"}
HANDLERS = """() => [...document.querySelectorAll("*")].flatMap(element => element.getAttributeNames())
    .filter(name => name.startsWith("on") || name === "style")"""
ATTACKS = ("<script>window.pwned = 'script'", "</text></svg><img src=x", "<a href=\"javascript:window.pwned",
           r"\n\nevent: end\ndata: window.pwned")


def live(page, checkout, _):
    page.open_fixture(checkout, LIVE)
    page.run_all(LIVE)
    frame = wait_for("the page in its frame", RUN, lambda: framed(page))
    element = page.panel(LIVE).locator("object").first
    require("the frame is not to be seen", element.is_visible())

    alone = page.page.context.new_page()
    alone.on("request", page.request)
    alone.on("dialog", page.dialog)
    said = []
    alone.on("console", lambda message: said.append(message.text))
    alone.on("pageerror", lambda error: said.append(str(error)))
    alone.goto(frame.url)
    for what, where in (("in its frame", frame), ("alone", alone)):
        where.locator('[data-state="live"]').wait_for()
        before = wait_for(f"bars {what}", PAGE, lambda: where.evaluate(HEIGHTS))
        wait_for(f"bars {what} that move", PAGE, lambda: where.evaluate(HEIGHTS) != before)
    require("the cells were through before the bars were seen to move", "[*]:" in page.prompts(LIVE))
    page.picture("live-1-in-its-frame")
    for where in (frame, alone):
        wait_for("an alert", PAGE, lambda: where.locator("#list .block", has_text="password guesser").count())
        wait_for("the attacks", PAGE, lambda: where.locator("#list .notify").count() >= 5)
        require_text(where)
    page.picture("live-2-alerts")
    require_refused(frame.url)
    page.wait_for_end(LIVE)
    pictures(page, alone)
    # Requests that its policy forbids would be said here.
    require(f"the page's console says: {said}", not said)
    alone.close()
    page.save(LIVE)
    shown = page.panel(LIVE).locator(".jp-OutputArea-output img").last
    page.show(shown)
    require("the last cell shows no picture", shown.evaluate("image => image.naturalWidth") > 0)


def framed(page):
    """The frame, if it is there: JupyterLab has no outputs of cells that are out of sight."""
    cell = page.panel(LIVE).locator(".jp-CodeCell").nth(4)
    cell.evaluate("cell => cell.scrollIntoView({block: 'start'})")
    page.page.wait_for_timeout(500)
    return next((f for f in page.page.frames if f.parent_frame and f.locator("#chart").count()), None)


def pictures(page, alone):
    """By day, by night, and on a telephone."""
    alone.evaluate("scrollTo(0, 0)")
    for name, width, height, scheme in (("3-light", 1100, 1000, "light"), ("4-dark", 1100, 1000, "dark"),
                                        ("5-narrow", 400, 1000, "light")):
        alone.set_viewport_size({"width": width, "height": height})
        alone.emulate_media(color_scheme=scheme)
        box = 'svg[viewBox="0 0 400 340"]' if width < 600 else 'svg[viewBox="0 0 900 420"]'
        alone.locator(box).wait_for()
        alone.wait_for_timeout(600)
        wide = alone.evaluate("document.documentElement.scrollWidth")
        require(f"{name}: {wide} pixels wide on a page of {width}", wide <= width)
        alone.screenshot(path=page.folder / f"live-{name}.png")


def require_text(where):
    """Whoever chose keys and paths has not written anything but text."""
    require("a key's script has run", where.evaluate("window.pwned") is None)
    found = set(where.evaluate(ELEMENTS)) - KNOWN
    require(f"keys or paths have become elements: {found}", not found)
    found = where.evaluate(HANDLERS)
    require(f"keys or paths have become attributes: {found}", not found)
    scripts = where.evaluate("[...document.scripts].map(script => script.getAttribute('src'))")
    require(f"there are scripts: {scripts}", scripts == ["page.js"])
    everything = where.locator("#list").inner_text()
    for attack in ATTACKS:
        require(f"not there as text: {attack}", attack in everything)
    require("the kernel's words have been passed on", "EVCXR_" not in everything)


def require_refused(url):
    """By urllib, which sends what it is told to."""
    host, token = url.split("/")[2:4]
    port = host.split(":")[1]
    for path, said, wanted in (
        (f"/{token}/", host, 200), (f"/{token}/", f"localhost:{port}", 200),
        (f"/{token}/", "attacker.example", 421), (f"/{token}/events", f"attacker.example:{port}", 421),
        (f"/{token}/", f"127.0.0.1:{int(port) ^ 1}", 421), (f"/{token}/page.js", "127.0.0.1", 421),
        ("/", host, 404), ("/events", host, 404), (f"/{token[:-1]}/", host, 404), (f"/{token[::-1]}/", host, 404),
    ):
        request = urllib.request.Request(f"http://{host}{path}", headers={"Host": said})
        try:
            # Not through a proxy, whatever the environment says: it is on this machine.
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=PAGE) as answer:
                status = answer.status
        except urllib.error.HTTPError as error:
            status = error.code
        require(f"{path} of {said}: {status}, not {wanted}", status == wanted)


def live_exported(page, checkout, _):
    frame = wait_for("the page in its frame", PAGE, lambda: framed(page))
    alone = page.page.context.new_page()
    alone.goto(frame.url)
    alone.locator('[data-state="live"]').wait_for()
    page.page.bring_to_front()
    page.activate(LIVE)
    page.menu("Kernel", "kernelmenu:shutdown")
    for what, where in (("in its frame", frame), ("alone", alone)):
        wait_for(f"{what}, the page says that nobody answers", PAGE, lambda: "connection lost" in where.locator(
            "#said").inner_text())
        require(f"{what}, the last bars have gone", where.evaluate(HEIGHTS))
    alone.screenshot(path=page.folder / "live-6-lost.png")
    alone.close()

    page.page.reload()
    page.ready(LIVE)
    page.show(page.panel(LIVE).locator(".kinesis-lab-live").first)
    require_picture(page.page, page.panel(LIVE).locator(".kinesis-lab-live").first)
    page.picture("live-7-after-its-kernel")

    notebook = checkout / WORK / LIVE
    done = subprocess.run([sys.executable, "-m", "nbconvert", "--to", "html", "--output-dir", str(page.folder),
                           str(notebook)], capture_output=True, text=True)
    require(f"nbconvert says: {done.stderr}", done.returncode == 0)
    exported = page.page.context.new_page()
    # Its template asks others for scripts, which it does not need here.
    exported.goto((Path(page.folder) / "live.html").as_uri(), wait_until="commit")
    require_picture(exported, exported.locator(".kinesis-lab-live").first)
    exported.screenshot(path=page.folder / "live-8-exported.png")
    exported.close()


def require_picture(page, frame):
    """Under a frame in which nobody answers; nothing lies over it."""
    picture = frame.locator("img")
    wait_for("the last picture", PAGE, lambda: picture.is_visible() and picture.bounding_box()["width"] > 300)
    require("the last picture is broken", picture.evaluate("image => image.naturalWidth") == 900)
    inside = 'image => [30, 60, 90].every(y => { const box = image.getBoundingClientRect();' \
        ' const top = document.elementFromPoint(box.x + 30, box.y + y); return !top || ["IMG", "OBJECT"].includes(top.tagName) })'
    require("something else lies over the picture", picture.evaluate(inside))
    require("there is a frame still", not any(f.parent_frame and "127.0.0.1" in f.url for f in page.frames))

"""The book in a real browser, opened as a file: every page, on a desk and on a telephone, by day and by night.

1. No page asks another host for anything, fails to find what it asks for, or has a script that fails.
2. At 390 pixels no page is wider than the screen; in dark mode the page is dark, and its charts with it.
3. What follows a guess is folded, and unfolds to a picture that is drawn.
4. The figure of notebook 10 can be touched.
5. The search finds `watermark`; the ways to the notebooks before and after bear their titles.

Pictures of four pages are kept for people to look at.
"""

import argparse
import functools
import http.server
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Error as BrowserError
from playwright.sync_api import sync_playwright

from browser_figure import watermark
from looking import PAGE, Fault, require, wait_for

PICTURES = ["index", "01-streams-producers-consumers-counters", "06-shards-and-partition-keys", "TEACHING"]
GUESSED, TOUCHED = "06-shards-and-partition-keys", "10-late-events"
SIZES = [("desk", 1280, 900), ("telephone", 390, 844)]
LIGHTNESS = """element => {
    const [r, g, b] = getComputedStyle(element).backgroundColor.match(/[0-9.]+/g).map(Number);
    return (r + g + b) / 765;
}"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Book:
    def __init__(self, context, book):
        self.page, self.book, self.wrong, self.server = context.new_page(), book, [], None
        self.page.set_default_timeout(PAGE * 1000)
        self.page.on("request", self.request)
        self.page.on("requestfailed", lambda request: self.wrong.append(f"{request.url} failed: {request.failure}"))
        self.page.on("pageerror", lambda error: self.wrong.append(f"a script failed: {error}"))

    def request(self, request):
        address = urlsplit(request.url)
        if address.scheme not in ("file", "data") and address.netloc != self.server:
            self.wrong.append(f"asked for {request.url}")

    def open(self, name):
        # When it is loaded; and a moment, for what its scripts ask for then.
        self.page.goto((self.book / f"{name}.html").as_uri())
        self.page.wait_for_timeout(200)


def every_page(book, names, size, theme, folder):
    for name in names:
        book.open(name)
        width, screen = book.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        require(f"{name} is {width} pixels wide on a screen of {screen}", width <= screen)
        lightness = book.page.locator("body").evaluate(LIGHTNESS)
        require(f"in {theme} mode, the ground of {name} has the lightness {lightness:.2f}",
                lightness < 0.25 if theme == "dark" else lightness > 0.75)
        if name in PICTURES:
            book.page.screenshot(path=folder / f"{name.partition('-')[0]}-{size}-{theme}.png")
    require("\n".join(book.wrong), not book.wrong)


def a_guess(book, theme, folder):
    book.open(GUESSED)
    hidden = book.page.locator("details:has(.cell_output img)").first
    picture = hidden.locator("img").first
    require("the answer to a guess is there before the guess", not picture.is_visible())
    hidden.locator("summary").first.click()
    picture.scroll_into_view_if_needed()
    wait_for("the chart is drawn", PAGE, lambda: picture.evaluate("image => image.naturalWidth > 0"))
    require("a chart without a name, for those who can't see it", picture.get_attribute("alt"))
    scheme, turned = picture.evaluate("image => [getComputedStyle(image).colorScheme, getComputedStyle(image).filter]")
    require(f"in {theme} mode, a chart is {scheme}, its filter {turned}", (scheme, turned) == (theme, "none"))
    require("what is said of the result is not with it", hidden.locator(".answer").first.is_visible())
    book.page.screenshot(path=folder / f"guess-{theme}.png")


def small_multiples(book, size, theme, folder):
    """Beside each other where there is room; on a telephone below each other, where each has some."""
    book.open(GUESSED)
    # Answers are folded, and what is folded has no size.
    book.page.evaluate("document.querySelectorAll('details').forEach((details) => details.open = true)")
    picture = book.page.locator(".cell_output img[style*='--high']").first
    picture.scroll_into_view_if_needed()
    wait_for("the chart is drawn", PAGE, lambda: picture.evaluate("image => image.naturalWidth > 0"))
    shown = picture.bounding_box()
    book.page.screenshot(path=folder / f"multiples-{size}-{theme}.png")
    higher = shown["height"] / shown["width"]
    require(f"on a {size}, small multiples are {shown['width']:.0f} x {shown['height']:.0f}",
            higher > 1 if size == "telephone" else higher < 0.5)


def a_figure(book, size, theme, folder):
    book.open(TOUCHED)
    host = book.page.locator(".kinesis-figure").first
    host.scroll_into_view_if_needed()
    wide = host.evaluate("host => host.shadowRoot.querySelector('.figure').scrollWidth - host.clientWidth")
    require(f"the figure is {wide} pixels too wide", wide <= 0)
    watermark(host, lambda state: book.page.screenshot(path=folder / f"figure-{state}-{size}-{theme}.png"))
    ground = host.evaluate("host => getComputedStyle(host.shadowRoot.querySelector('.figure')).backgroundColor")
    require(f"in {theme} mode, the ground of the figure is {ground}", (ground == "rgb(255, 255, 255)") == (theme == "light"))


def search(context, book, folder):
    """As a file, and from a server, where it shows the words as well: a page may not read another file. Each on a page
    of its own: what a search still asks for when it has been left fails, whenever that is noticed."""
    as_file = Book(context, book.book)
    as_file.page.goto((book.book / "search.html").as_uri() + "?q=watermark")
    found = as_file.page.locator("#search-results li", has_text="Late events")
    wait_for("the search finds `watermark` in notebook 10", PAGE, found.count)
    elsewhere = [wrong for wrong in as_file.wrong if wrong.startswith("asked for")]
    as_file.page.close()
    handler = functools.partial(Quiet, directory=book.book)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        served = Book(context, book.book)
        served.server = f"127.0.0.1:{server.server_port}"
        served.page.goto(f"http://{served.server}/search.html?q=watermark")
        found = served.page.locator("#search-results li", has_text="Late events")
        wait_for("the search shows words around `watermark`", PAGE,
                 lambda: "watermark" in found.first.inner_text() if found.count() else False)
        served.page.wait_for_timeout(1000)
        served.page.screenshot(path=folder / "search.png")
        wrong = elsewhere + served.wrong
        served.page.close()
        server.shutdown()
    book.open("02-the-log")
    for way, title in ((".left-prev", "1 · Streams, producers"), (".right-next", "3 · Streams and their life")):
        said = book.page.locator(way).inner_text()
        require(f"the way on is called {said!r}, without `{title}`", title in said)
    wrong = wrong + book.wrong
    require("\n".join(wrong), not wrong)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chromium", required=True)
    parser.add_argument("--book", required=True, type=Path)
    parser.add_argument("--folder", required=True, type=Path)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    names = sorted(path.stem for path in arguments.book.glob("*.html"))
    require(f"no book in {arguments.book}", {"index", "search", *PICTURES} <= set(names))
    passed = True
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=arguments.chromium, args=["--no-sandbox", "--disable-gpu"])
        for size, width, height in SIZES:
            for theme in ("light", "dark"):
                context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme)
                book = Book(context, arguments.book)
                try:
                    every_page(book, names, size, theme, arguments.folder)
                    a_guess(book, theme, arguments.folder)
                    small_multiples(book, size, theme, arguments.folder)
                    a_figure(book, size, theme, arguments.folder)
                    if (size, theme) == ("desk", "light"):
                        search(context, book, arguments.folder)
                    print(f"  ok: {len(names)} pages, {width} pixels, {theme}: 0 requests to other hosts", flush=True)
                except (Fault, BrowserError) as fault:
                    passed = False
                    print(f"  FAILED: {width} pixels, {theme}: {fault}", flush=True)
                context.close()
        browser.close()
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())

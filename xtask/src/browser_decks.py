"""The talks in a real browser, opened as files, on a screen of 1280 × 720.

1. Each slide fits, with all of it shown: nothing below its edge, nothing wider than its place.
2. No page asks for anything but itself, and no script fails.
3. A guess comes before its code, and that before its output.
4. The speaker's window shows the notes; on the audience's screen there are none.
5. A PDF has a page for each slide.

Pictures are kept for people to look at.
"""

import argparse
import re
import sys
from pathlib import Path

from playwright.sync_api import Error as BrowserError
from playwright.sync_api import sync_playwright

from looking import PAGE, Fault, require, wait_for

# What is shown by and by is there from the start, and has its place.
TOO_LARGE = """() => Reveal.getSlides().flatMap(slide => {
    const {h, v} = Reveal.getIndices(slide);
    Reveal.slide(h, v, 1000);
    const inside = [...slide.querySelectorAll(".jp-Cell")].filter(cell => !cell.closest("aside"));
    const bottom = Math.max(...inside.map(cell => cell.getBoundingClientRect().bottom));
    const wide = inside.flatMap(cell => [...cell.querySelectorAll("pre, table, img")])
        .filter(part => part.scrollWidth > part.clientWidth + 1 || part.getBoundingClientRect().right > innerWidth);
    const what = (bottom > innerHeight - 8 ? [`ends at ${Math.round(bottom)} of ${innerHeight} pixels`] : [])
        .concat(wide.map(part => `has a <${part.localName.toLowerCase()}> wider than its place`));
    return what.map(fault => `slide ${h + 1}.${v + 1} (${slide.innerText.trim().slice(0, 40)}) ${fault}`);
})"""
# The first slide with a note on which one thing is to be guessed, and nothing else comes by and by.
GUESS = """() => {
    const slide = Reveal.getSlides().find(slide => slide.querySelector("aside.notes") &&
        slide.querySelectorAll(".fragment").length === 2 && slide.querySelector(".fragment .fragment"));
    const {h, v} = Reveal.getIndices(slide);
    Reveal.slide(h, v, -1);
    return slide.querySelector("aside.notes").textContent;
}"""
CURRENT = ".slides section.present:not(.stack)"


class Deck:
    def __init__(self, context, path):
        self.path, self.wrong, self.page = path, [], context.new_page()
        self.page.set_default_timeout(PAGE * 1000)
        context.on("request", self.request)
        self.page.on("pageerror", lambda error: self.wrong.append(f"a script failed: {error}"))
        self.page.goto(path.as_uri())
        self.page.wait_for_function("Reveal.isReady()")

    def request(self, request):
        if request.url.partition("?")[0].partition("#")[0] != self.path.as_uri() and not request.url.startswith("data:"):
            self.wrong.append(f"asked for {request.url}")


def seen(deck, what):
    """Whether it is on this slide for all to see: reveal.js keeps a place for what comes later."""
    return deck.page.locator(f"{CURRENT} {what}").first.is_visible()


def a_guess(context, deck, folder):
    note = " ".join(deck.page.evaluate(GUESS).split())
    code, output = ".jp-CodeCell .highlight", ".jp-Cell-outputWrapper .jp-OutputArea-output"
    steps = []
    for presses in range(3):
        if presses:
            deck.page.keyboard.press("Space")
        deck.page.wait_for_timeout(300)
        steps.append((seen(deck, code), seen(deck, output)))
    require(f"code and output are in sight, step by step: {steps}",
            steps == [(False, False), (True, False), (True, True)])
    with context.expect_page() as opened:
        deck.page.keyboard.press("s")
    speaker = opened.value
    said = speaker.locator(".speaker-controls-notes .value")
    wait_for("the note in the speaker's window", PAGE, lambda: note in " ".join((said.text_content() or "").split()))
    speaker.wait_for_timeout(500)
    speaker.screenshot(path=folder / "speaker.png")
    deck.page.screenshot(path=folder / "audience.png")
    require("the audience sees a note", deck.page.locator("aside.notes:visible, .speaker-notes:visible").count() == 0)
    require("the audience's screen says what the note says", note not in " ".join(deck.page.locator("body").inner_text().split()))


def look(browser, path, folder):
    """The number of its slides, and what is wrong with it."""
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    deck = Deck(context, path)
    wrong = deck.page.evaluate(TOO_LARGE)
    number = deck.page.evaluate("Reveal.getTotalSlides()")
    pages = len(re.findall(rb"/Type\s*/Page\b", path.with_suffix(".pdf").read_bytes()))
    if pages != number:
        wrong.append(f"{number} slides, and {pages} pages in its PDF")
    try:
        a_guess(context, deck, folder)
    except Fault as fault:
        wrong.append(str(fault))
    except BrowserError as error:
        wrong.append(f"the browser says: {error}")
    context.close()
    return number, wrong + sorted(set(deck.wrong))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chromium", required=True, help="the browser's program")
    parser.add_argument("--decks", required=True, type=Path)
    parser.add_argument("--folder", required=True, type=Path, help="for the pictures")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    total, passed = 0, True
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=arguments.chromium, headless=True, args=["--no-sandbox", "--disable-gpu"])
        for path in sorted(arguments.decks.resolve().glob("*.html")):
            number, wrong = look(browser, path, arguments.folder)
            total, passed = total + number, passed and not wrong
            print(f"  {'FAIL' if wrong else 'ok  '} {number:4} slides  {path.stem}", flush=True)
            print("".join(f"       | {line}\n" for line in wrong), end="", flush=True)
        browser.close()
    print(f"{total} slides on 1280 × 720")
    return 0 if passed and total else 1


if __name__ == "__main__":
    sys.exit(main())

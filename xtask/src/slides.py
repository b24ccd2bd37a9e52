"""A talk of each notebook, made from its cells' slide_type: `cargo xtask slides`, and `cargo xtask book --slides`.

  OUT/NN-….html   reveal.js with all that it needs inside: no request to any server
  OUT/NN-….pdf    with --pdf: a page a slide, as it is when all of it has been shown, printed by Chromium

Answers to the questions, hints and solutions are the speaker's notes: `s` opens them in a window of their own.
"""

import argparse
import base64
import copy
import importlib.util
import mimetypes
import re
from html import escape
from pathlib import Path

import nbformat
from jinja2 import DictLoader
from nbconvert.exporters import SlidesExporter

from folding import is_note
from links import for_book

HERE = Path(__file__).resolve().parent
# nbconvert's own template loads reveal.js from another server, and require.js, MathJax and Mermaid, which nothing here
# needs (the notebooks have no formulas); a classroom may have no network. reveal.js is from a package that carries it.
DECK = """{%- extends 'reveal/index.html.j2' -%}
{%- block header -%}
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ resources['metadata']['title'] | escape_html }}</title>
{{ resources.include_css("static/index.css") }}
{{ resources.include_css("static/theme-light.css") }}
{% for css in resources.inlining.css %}<style>{{ css }}</style>{% endfor %}
{% for css in resources.deck.styles %}<style>{{ css }}</style>{% endfor %}</head>
{%- endblock -%}
{%- block output_group -%}
{%- if "hide-output" in cell.metadata.get("tags", []) -%}<div class="fragment">{{ super() }}</div>
{%- else -%}{{ super() }}{%- endif -%}
{%- endblock -%}
{%- block footer -%}
{% for script in resources.deck.scripts %}<script>{{ script }}</script>{% endfor %}</html>
{%- endblock -%}
"""


def title(notebook):
    return next((line[2:].strip() for cell in notebook.cells for line in cell.source.splitlines()
                 if cell.cell_type == "markdown" and line.startswith("# ")), "")


def notes_first(cells):
    """A slide's notes behind its first cell: within a fragment, the speaker would see them when it has been shown."""
    slides = [[]]
    for cell in cells:
        if cell.metadata.get("slideshow", {}).get("slide_type") in ("slide", "subslide"):
            slides.append([])
        slides[-1].append(cell)
    return [cell for slide in slides for part in (
        slide[:1], filter(is_note, slide[1:]), (cell for cell in slide[1:] if not is_note(cell))) for cell in part]


def as_deck(notebook, pages):
    notebook = copy.deepcopy(notebook)
    notebook.cells = notes_first(notebook.cells)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = for_book(cell.source, pages)
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            # One picture is enough, and an <img> runs no script; a frame would ask a server that has ended.
            data.pop("text/html", None)
            if "image/png" in data:
                data.pop("image/svg+xml", None)
    return notebook


def with_pictures(page, folder):
    """Pictures from files into the page. nbconvert's own `embed_images` closes each <details> at once."""
    def embed(found):
        path = folder / found.group(1)
        data = base64.b64encode(path.read_bytes()).decode("ascii")
        return f'src="data:{mimetypes.guess_type(path)[0]};base64,{data}"'
    return re.sub(r'src="(figures/[^"]+)"', embed, page)


def with_titles(page, notebook):
    """What a chart is called, for those who can't see it: nbconvert's template names none."""
    for output in [output for cell in notebook.cells for output in cell.get("outputs", [])]:
        data = output.get("data", {})
        if "image/png" in data:
            words = data.get("text/plain", "").partition("\n")[0]
            page = page.replace("No description has been provided for this image", escape(words), 1)
    return page


def parts():
    """reveal.js, its speaker's window, and what is ours, to stand within the page."""
    # Found and not imported: that would need Sphinx.
    reveal = Path(importlib.util.find_spec("sphinx_revealjs").origin).parent / "_static/revealjs"
    styles = [reveal / "dist/reveal.css", HERE / "deck/deck.css"]
    scripts = [reveal / "dist/reveal.js", reveal / "plugin/notes/notes.js", HERE / "deck/deck.js"]
    read = [[path.read_text(encoding="utf-8") for path in paths] for paths in (styles, scripts)]
    # The speaker's window is a page within a string: its end is not the script's.
    return {"styles": read[0], "scripts": [script.replace("</script", "<\\/script") for script in read[1]]}


def decks(folder, notebooks, out, pages):
    """Writes `out/NAME.html` for each of the notebooks; `pages` are what links between them lead to."""
    exporter = SlidesExporter(
        extra_loaders=[DictLoader({"kinesis_lab.html.j2": DECK})], template_file="kinesis_lab.html.j2",
        exclude_input_prompt=True, exclude_output_prompt=True)
    exporter.log.setLevel("ERROR")
    out.mkdir(parents=True, exist_ok=True)
    for name, notebook in notebooks.items():
        resources = {"metadata": {"name": name, "title": title(notebook)}, "deck": parts()}
        deck = as_deck(notebook, pages)
        page = with_titles(exporter.from_notebook_node(deck, resources=resources)[0], deck)
        (out / f"{name}.html").write_text(with_pictures(page, folder), encoding="utf-8")


def print_decks(chromium, paths):
    """A PDF beside each of the decks."""
    # Only here: a talk without a PDF needs no browser.
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # These pages are our own, and a container's root has no sandbox.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        try:
            for path in paths:
                page = browser.new_page()
                page.goto(f"{path.as_uri()}?print-pdf")
                page.wait_for_selector("html.pdf-ready")
                page.pdf(path=path.with_suffix(".pdf"), prefer_css_page_size=True, print_background=True)
                page.close()
        finally:
            browser.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("notebooks", type=Path, nargs="+")
    parser.add_argument("--pdf", metavar="CHROMIUM", help="print them, by this browser")
    arguments = parser.parse_args()
    out = arguments.out.resolve()
    notebooks = {path.stem: nbformat.read(path, as_version=4) for path in arguments.notebooks}
    decks(arguments.notebooks[0].parent, notebooks, out, {f"{name}.ipynb": f"{name}.html" for name in notebooks})
    paths = [out / f"{name}.html" for name in notebooks]
    if arguments.pdf:
        print_decks(arguments.pdf, paths)
        paths += [path.with_suffix(".pdf") for path in paths]
    print("\n".join(str(path) for path in sorted(paths)))


if __name__ == "__main__":
    main()

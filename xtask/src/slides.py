"""A talk of each notebook, made from its cells' slide_type: one file each, with all that it needs inside."""

import base64
import copy
import mimetypes
import re
from html import escape
from pathlib import Path

from jinja2 import DictLoader
from nbconvert.exporters import SlidesExporter

HERE = Path(__file__).resolve().parent
# nbconvert's own template loads require.js, MathJax, Mermaid and reveal.js from other servers. None is needed
# here (the notebooks have no formulas), and a classroom may have no network.
DECK = """{%- extends 'reveal/index.html.j2' -%}
{%- block header -%}
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ resources['metadata']['title'] | escape_html }}</title>
{{ resources.include_css("static/index.css") }}
{{ resources.include_css("static/theme-light.css") }}
{% for css in resources.inlining.css %}<style>{{ css }}</style>{% endfor %}
<style>STYLE</style></head>
{%- endblock -%}
{%- block footer -%}<script>SCRIPT</script></html>{%- endblock -%}
"""


def title(notebook):
    return next((line[2:].strip() for cell in notebook.cells for line in cell.source.splitlines()
                 if cell.cell_type == "markdown" and line.startswith("# ")), "")


def as_deck(notebook, for_book, pages):
    notebook = copy.deepcopy(notebook)
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


def decks(folder, notebooks, out, for_book, pages):
    """Writes `out/NAME.html` for each of the notebooks."""
    read = {name: (HERE / "book" / name).read_text(encoding="utf-8") for name in ("slides.css", "slides.js")}
    template = DECK.replace("STYLE", read["slides.css"]).replace("SCRIPT", read["slides.js"])
    exporter = SlidesExporter(
        extra_loaders=[DictLoader({"kinesis_lab.html.j2": template})], template_file="kinesis_lab.html.j2",
        exclude_input_prompt=True, exclude_output_prompt=True)
    exporter.log.setLevel("ERROR")
    out.mkdir(parents=True, exist_ok=True)
    for name, notebook in notebooks.items():
        resources = {"metadata": {"name": name, "title": title(notebook)}}
        deck = as_deck(notebook, for_book, pages)
        page = with_titles(exporter.from_notebook_node(deck, resources=resources)[0], deck)
        (out / f"{name}.html").write_text(with_pictures(page, folder), encoding="utf-8")

"""Makes what a teacher hands out, from the notebooks as they are: `cargo xtask book`.

  OUT/index.html, OUT/NN-….html   a book to read: outputs and pictures inside, no request to any server
  OUT/student/NN-….ipynb          the notebooks without solutions and outputs
  OUT/slides/NN-….html            with --slides: a talk, in one file each, made from the cells' slide_type
"""

import argparse
import base64
import copy
import mimetypes
import os
import re
import shutil
import sys

import nbformat
from jinja2 import DictLoader
from nbconvert.exporters import HTMLExporter, SlidesExporter
from nbconvert.filters import markdown2html

HERE = os.path.dirname(os.path.abspath(__file__))
# nbconvert's own templates load require.js, MathJax, Mermaid and reveal.js from other servers. None is
# needed here (the notebooks have no formulas), and a classroom may have no network.
PAGE = """{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block html_head_css -%}<style>STYLE</style>{%- endblock -%}
{%- block body_header -%}
<body class="jp-Notebook" data-jp-theme-light="true" data-jp-theme-name="JupyterLab Light">
<main><nav>NAVIGATION</nav>
{%- endblock -%}
{% block body_footer %}<nav>NAVIGATION</nav></main></body>{% endblock body_footer %}
"""
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
INDEX = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>kinesis-lab</title><style>STYLE</style></head>
<body class="index"><main>BODY</main></body></html>
"""
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)")


def read(name):
    with open(os.path.join(HERE, "book", name), encoding="utf-8") as file:
        return file.read()


def has(cell, tag):
    return tag in cell.metadata.get("tags", [])


def student(notebook):
    """Without solutions and outputs."""
    notebook = copy.deepcopy(notebook)
    notebook.cells = [cell for cell in notebook.cells if not has(cell, "solution")]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def for_book(text, pages):
    """Links between notebooks lead to pages of the book; one to a file that the book lacks is its text."""
    def link(found):
        words, target = found.groups()
        path, mark, fragment = target.partition("#")
        if path in pages:
            return f"[{words}]({pages[path]}{mark}{fragment})"
        return found.group(0) if not path or "://" in path else words
    # Not in code: an index such as `shards[0](…)` is no link.
    parts = re.split(r"(```.*?```|`[^`\n]*`)", text, flags=re.DOTALL)
    return "".join(part if n % 2 else LINK.sub(link, part) for n, part in enumerate(parts))


def title(notebook):
    return next((line[2:].strip() for cell in notebook.cells for line in cell.source.splitlines()
                 if cell.cell_type == "markdown" and line.startswith("# ")), "")


def with_links(notebook, pages):
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = for_book(cell.source, pages)
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            # One picture is enough, and an <img> runs no script.
            if "image/png" in data:
                data.pop("image/svg+xml", None)
    return notebook


def render(exporter, template, notebook, name, folder):
    exporter = exporter(
        extra_loaders=[DictLoader({"kinesis_lab.html.j2": template})], template_file="kinesis_lab.html.j2",
        exclude_input_prompt=True, exclude_output_prompt=True)
    resources = {"metadata": {"name": name, "title": title(notebook)}}
    return with_pictures(exporter.from_notebook_node(notebook, resources=resources)[0], folder)


def with_pictures(page, folder):
    """Pictures from files into the page. nbconvert's own `embed_images` closes each <details> at once."""
    def embed(found):
        path = os.path.join(folder, found.group(1))
        with open(path, "rb") as file:
            data = base64.b64encode(file.read()).decode("ascii")
        return f'src="data:{mimetypes.guess_type(path)[0]};base64,{data}"'
    return re.sub(r'src="(figures/[^"]+)"', embed, page)


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="the folder of the notebooks and their README.md")
    parser.add_argument("out")
    parser.add_argument("--slides", action="store_true")
    arguments = parser.parse_args()
    folder, out = os.path.abspath(arguments.folder), os.path.abspath(arguments.out)

    names = sorted(name[:-6] for name in os.listdir(folder) if name.endswith(".ipynb"))
    others = sorted(name for name in os.listdir(folder) if name.endswith(".md") and name != "README.md")
    pages = {f"{name}.ipynb": f"{name}.html" for name in names}
    pages |= {name: name[:-3] + ".html" for name in others} | {"README.md": "index.html"}
    style = read("page.css")

    os.makedirs(out, exist_ok=True)
    figures = os.path.join(folder, "figures")
    if os.path.isdir(figures):
        # The pages have them inside.
        shutil.copytree(figures, os.path.join(out, "student", "figures"), dirs_exist_ok=True)
    for number, name in enumerate(names):
        notebook = nbformat.read(os.path.join(folder, f"{name}.ipynb"), as_version=4)
        handed_out = nbformat.writes(student(notebook), version=nbformat.NO_CONVERT)
        write(os.path.join(out, "student", f"{name}.ipynb"), handed_out + "\n")
        before = f'<a href="{names[number - 1]}.html">before</a>' if number else ""
        after = f'<a href="{names[number + 1]}.html">next</a>' if number + 1 < len(names) else ""
        navigation = " · ".join(filter(None, [before, '<a href="index.html">all notebooks</a>', after]))
        template = PAGE.replace("STYLE", style).replace("NAVIGATION", navigation)
        linked = with_links(notebook, pages)
        linked.metadata["title"] = title(notebook)
        write(os.path.join(out, f"{name}.html"), render(HTMLExporter, template, linked, name, folder))
        if arguments.slides:
            template = DECK.replace("STYLE", read("slides.css")).replace("SCRIPT", read("slides.js"))
            linked = with_links(notebook, {page: "../" + to for page, to in pages.items()})
            deck = render(SlidesExporter, template, linked, name, folder)
            write(os.path.join(out, "slides", f"{name}.html"), deck)
        print(f"  {name}", flush=True)
    for name in ["README.md", *others]:
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            body = with_pictures(markdown2html(for_book(file.read(), pages)), folder)
        if name == "README.md" and arguments.slides:
            decks = " · ".join(f'<a href="slides/{name}.html">{name[:2]}</a>' for name in names)
            body += f"<p>As slides: {decks} (arrow keys; <kbd>n</kbd> shows the speaker's notes)</p>"
        write(os.path.join(out, pages[name]), INDEX.replace("STYLE", style).replace("BODY", body))
    print(f"the book: {os.path.join(out, 'index.html')}")
    print(f"for students: {os.path.join(out, 'student')}")
    if arguments.slides:
        print(f"slides: {os.path.join(out, 'slides')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Makes what a teacher hands out, from the notebooks as they are: `cargo xtask book`.

  OUT/index.html, OUT/NN-….html   a book to read, made by Sphinx (`book/conf.py`); no request to any server
  OUT/student/NN-….ipynb          the notebooks without solutions and outputs
  OUT/slides/NN-….html            with --slides: a talk, in one file each (`slides.py`)

In the book, what comes after a question in bold is folded, so that a reader can guess first; so are checks,
hints and solutions. Each link and each picture is looked up, and a warning is a failure.
"""

import argparse
import copy
import os
import re
import shutil
import sys
import tempfile
import time
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
from sphinx.cmd.build import main as sphinx

from folding import asks, fold, is_note
from links import for_book
from slides import decks

HERE = Path(__file__).resolve().parent
# By the numbers of their notebooks, to and with the last.
PARTS = [("The basic course", 9), ("The second half", 14), ("The pipeline", 16), ("Further on", 99)]
# Sections of the project's README that say how one comes to run a notebook.
RUN = ["Two commands", "Where it runs", "When something goes wrong"]
# What the HTML of a figure that can be touched begins with.
FIGURE = '<div class="kinesis-figure"'
# What stands on a fold.
FOLDED = {"hide-cell": "The check", "hide-output": "Guess, then look"}
HOW = """:::{admonition} Run it
:class: run-it
`cargo xtask lab` in a checkout of kinesis-lab opens this notebook: [how](run.md). To read it is fine, too: what
follows a question in bold is folded, so that you can guess first.
:::"""


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


def page(notebook, pages):
    """The notebook as Sphinx reads it."""
    notebook = copy.deepcopy(notebook)
    notebook.metadata["language_info"] = {"name": "evcxr", "pygments_lexer": "evcxr"}
    fold(notebook)
    asked = False
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            cell.source = for_book(cell.source, pages)
            if is_note(cell):
                if asked:
                    # Sphinx puts it to the output before it (`fold_answers`).
                    cell.source = f"::::{{container}} answer\n{cell.source}\n::::"
            else:
                asked = asks(cell)
            if not number:
                cell.source += f"\n\n{HOW}"
            continue
        for tag, show in FOLDED.items():
            if has(cell, tag):
                cell.metadata.setdefault("mystnb", {}).update(code_prompt_show=show, code_prompt_hide=show)
        for output in cell.outputs:
            data = output.get("data", {})
            # A figure that can be touched is whole in its HTML.
            if FIGURE in data.get("text/html", ""):
                data.pop("image/png", None)
                continue
            # A picture stands for itself, and a frame would ask a server that has ended.
            data.pop("text/html", None)
            if "image/svg+xml" in data:
                data.pop("image/png", None)
            if {"image/png", "image/svg+xml"} & set(data):
                title = data.get("text/plain", "").partition("\n")[0]
                cell.metadata.setdefault("mystnb", {})["image"] = {"alt": title}
    return notebook


def sections(text, wanted):
    """Those with these headings, of a file in Markdown."""
    found = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", text, flags=re.DOTALL | re.MULTILINE))
    return "\n".join(f"## {name}\n{found[name]}" for name in wanted)


def contents(names, api):
    """The table of contents, in parts."""
    text, first = "", 0
    for part, last in PARTS:
        pages = [name for name in names if first < int(name[:2]) <= last]
        if pages:
            text += f"\n```{{toctree}}\n:hidden:\n:caption: {part}\n\n" + "\n".join(pages) + "\n```\n"
        first = last
    more = "run\nTEACHING" + ("\napi" if api else "")
    return text + f"\n```{{toctree}}\n:hidden:\n:caption: Beside the notebooks\n\n{more}\n```\n"


def pages_of(notebooks):
    """What a link in the folder of the notebooks leads to, in the book."""
    pages = {f"{name}.ipynb": f"{name}.ipynb" for name in notebooks}
    return pages | {"README.md": "index.md", "TEACHING.md": "TEACHING.md", "../README.md": "run.md"}


def sources(folder, notebooks, into, api):
    """What Sphinx reads."""
    pages = pages_of(notebooks)
    shutil.copytree(folder / "figures", into / "figures")
    for name, notebook in notebooks.items():
        (into / f"{name}.ipynb").write_text(nbformat.writes(page(notebook, pages)), encoding="utf-8")
    for name in ("README.md", "TEACHING.md"):
        text = for_book((folder / name).read_text(encoding="utf-8"), pages)
        (into / pages[name]).write_text(text + (contents(notebooks, api) if name == "README.md" else ""), encoding="utf-8")
    readme = (folder.parent / "README.md").read_text(encoding="utf-8")
    text = for_book(sections(readme, RUN), {name.replace("../", ""): to for name, to in pages.items()})
    (into / "run.md").write_text("# Run the notebooks\n\nFrom a checkout of kinesis-lab.\n\n" + text, encoding="utf-8")
    if api:
        link = "<p><a href=\"api/kinesis_lab/index.html\">The library's documentation</a>, as <code>cargo doc</code> makes it.</p>"
        (into / "api.md").write_text(f"# The API\n\n{link}\n", encoding="utf-8")


class Links(HTMLParser):
    """What a page names, and the names that it gives."""

    def __init__(self, text):
        super().__init__()
        self.targets, self.names = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "id" or (tag == "a" and name == "name"):
                self.names.add(value)
            elif name in ("href", "src", "data", "poster") and value:
                # A link is followed by whoever wants to; everything else is fetched by the page.
                self.targets.append((tag == "a", value))


def faults(pages):
    """Links and pictures of `pages` that lead nowhere, and what a page would fetch from another server."""
    read = {path: Links(path.read_text(encoding="utf-8")) for path in pages}
    found = []
    for path, links in read.items():
        for followed, target in links.targets:
            parts = urlsplit(target)
            if parts.scheme == "data" or (followed and parts.scheme in ("http", "https", "mailto")):
                continue
            to = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if parts.scheme or parts.netloc:
                found.append(f"{path.name} fetches {target}")
            elif not to.is_file():
                found.append(f"{path.name}: there is no {target}")
            elif parts.fragment and to in read and unquote(parts.fragment) not in read[to].names:
                found.append(f"{path.name}: nothing in {to.name} is named #{parts.fragment}")
    return sorted(set(found))


def give_height(made):
    """A chart of several says in its style which proportions it would have in a narrow place. As an image it can't take
    them: the page gives them (`book.css`)."""
    for page in made.glob("*.html"):
        def with_style(image):
            path = made / unquote(image[1])
            chart = path.read_text(encoding="utf-8") if path.is_file() else ""
            high = re.search(r"\.kinesis-lab-chart[^{]*\{aspect-ratio:(\d+/\d+)\}", chart)
            return f'{image[0]} style="--high: {high[1]}"' if high else image[0]
        text = page.read_text(encoding="utf-8")
        page.write_text(re.sub(r'<img\b[^>]*?\bsrc="([^":]+\.svg)"', with_style, text), encoding="utf-8")


def site(folder, notebooks, work, out, api):
    """The book, made in `work` and laid over what lies in `out`; gives what is wrong with it."""
    pages, made = work / "pages", work / "made"
    sources(folder, notebooks, pages, api is not None)
    options = ["-W", "--keep-going", "-q", "-b", "html", "-c", str(HERE / "book"), "-d", str(work / "read")]
    wrong = ["Sphinx has said above what is wrong"] if sphinx([*options, str(pages), str(made)]) else []
    give_height(made)
    if api:
        shutil.copytree(api, made / "api")
    wrong += faults(sorted(made.glob("*.html")))
    shutil.copytree(made, out, dirs_exist_ok=True)
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="the folder of the notebooks and their README.md", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--api", type=Path, help="what `cargo doc` made, to stand beside the book")
    parser.add_argument("--slides", action="store_true")
    arguments = parser.parse_args()
    folder, out = arguments.folder.resolve(), arguments.out.resolve()
    began = time.monotonic()

    notebooks = {path.stem: nbformat.read(path, as_version=4) for path in sorted(folder.glob("*.ipynb"))}
    (out / "student").mkdir(parents=True, exist_ok=True)
    shutil.copytree(folder / "figures", out / "student/figures", dirs_exist_ok=True)
    for name, notebook in notebooks.items():
        handed_out = nbformat.writes(student(notebook), version=nbformat.NO_CONVERT)
        (out / f"student/{name}.ipynb").write_text(handed_out + "\n", encoding="utf-8")
    with tempfile.TemporaryDirectory() as work:
        wrong = site(folder, notebooks, Path(work), out, arguments.api)
    if arguments.slides:
        to = {name: f"../{Path(page).stem}.html" for name, page in pages_of(notebooks).items()}
        decks(folder, notebooks, out / "slides", to)
        print(f"slides: {out / 'slides'}")
    print("\n".join([*wrong, f"the book, in {time.monotonic() - began:.1f} s: {out / 'index.html'}"]))
    print(f"for students: {out / 'student'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

"""The book's configuration for Sphinx; `../book.py` writes the pages that it reads."""

import os
import re

from docutils import nodes
from pygments.lexer import inherit
from pygments.lexers.rust import RustLexer
from pygments.token import Comment

project = author = html_title = "kinesis-lab"
extensions = ["myst_nb"]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}

# The outputs are those that the notebooks store: whoever makes a book needs no kernel.
nb_execution_mode = "off"
nb_merge_streams = True
# Hints are in the notebooks' own words, `<details>`; `#…` in a link is a heading, by GitHub's rule.
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4

html_theme = "sphinx_book_theme"
html_static_path = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "static")]
html_css_files = ["book.css"]
html_copy_source = html_show_sourcelink = html_use_index = False
html_theme_options = {
    "home_page_in_toc": True,
    "show_toc_level": 2,
    "toc_title": "On this page",
    "navbar_persistent": [],
    "use_fullscreen_button": False,
    # What it downloads is a page's source here. The notebooks come with the checkout.
    "use_download_button": False,
    "footer_content_items": [],
}


class Cell(RustLexer):
    """Rust with evcxr's commands, which stand in lines of their own."""

    name, aliases = "evcxr", ["evcxr"]
    tokens = {"root": [(r"(?m)^:[a-z].*$", Comment.Preproc), inherit]}


def fold_answers(app, doctree):
    """What the notebook says of a guess's result is folded with it."""
    for answer in list(doctree.findall(lambda node: isinstance(node, nodes.container) and "answer" in node["classes"])):
        before = answer.parent[answer.parent.index(answer) - 1]
        outputs = [node for node in before.findall(nodes.container) if "cell_output" in node["classes"]]
        if outputs:
            answer.parent.remove(answer)
            outputs[0].append(answer)


def setup(app):
    app.add_lexer("evcxr", Cell)
    app.connect("doctree-read", fold_answers)

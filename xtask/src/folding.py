"""What a reader guesses before looking: which cells of a notebook are folded, as tags that Jupyter Book understands.

`hide-output`: what the cells after a question in bold say. `hide-cell`: the check of an exercise. (Hints and
solutions fold themselves, by <details>.)
"""

import re

FOLDS = ["hide-output", "hide-cell"]
GUESS = re.compile(r"\*\*[^*]*\?\*\*")


def is_note(cell):
    """An answer, shown to the speaker alone where the notebook is a talk."""
    return cell.cell_type == "markdown" and cell.metadata.get("slideshow", {}).get("slide_type") == "notes"


def asks(cell):
    return bool(GUESS.search(cell.source))


def fold(notebook):
    """Tags the cells that are to be folded, and no others; gives those that were tagged otherwise."""
    asked, changed = False, []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            # An answer follows the output: more output may follow the answer.
            asked = asked if is_note(cell) else asks(cell)
            continue
        before = cell.metadata.get("tags", [])
        tags = [tag for tag in before if tag not in FOLDS]
        if "check" in tags:
            tags.append("hide-cell")
        elif asked and cell.get("outputs"):
            tags.append("hide-output")
        if tags != before:
            changed.append(cell)
        if tags or before:
            cell.metadata["tags"] = tags
    return changed

"""Pastes the code cells of a notebook into the evcxr REPL, as a reader would, on a pseudo-terminal.

A cell passes when the REPL shows, in order, every line that the notebook has stored for it on stdout
and as text of its value, and no error. Of a cell tagged `raises`, the stored error must be shown. Of
a volatile cell, and of what is printed from the background, only the absence of errors is checked.
"""

import json
import os
import re
import sys
import time

import pexpect

TERMINAL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b\][^\x07]*\x07|\r")
# evcxr's compile errors, panics, and commands that failed.
ERROR = re.compile(r"^\[E\d+\]|^\s*(?:error|Error)\b.*:|panicked at", re.MULTILINE)
# rustyline turns bracketed paste on when it waits for input, and off when it has got it.
WAITS, TAKEN = "\x1b[?2004h", "\x1b[?2004l"
SECONDS = 300


class Repl:
    def __init__(self, program, cwd):
        env = dict(os.environ, TERM="xterm-256color", NO_COLOR="1")
        # Wide enough that no line is wrapped and cut apart.
        self.child = pexpect.spawn(program, cwd=cwd, env=env, encoding="utf-8", dimensions=(60, 400),
                                   timeout=SECONDS)
        self.child.expect_exact(WAITS)

    def paste(self, cell):
        # Bracketed, as terminals do it: the REPL takes the lines as one input.
        self.child.send("\x1b[200~" + cell + "\x1b[201~")
        self.child.send("\r")
        self.child.expect_exact(TAKEN)
        self.child.expect_exact(WAITS)
        return TERMINAL.sub("", self.child.before)


def expected(cell):
    """The lines that must be shown, in order."""
    tags = cell["metadata"].get("tags", [])
    if "volatile" in tags:
        return []
    lines = []
    for output in cell["outputs"]:
        if output["output_type"] == "stream" and (output["name"] == "stdout" or "raises" in tags):
            lines += "".join(output["text"]).splitlines()
        elif "data" in output:
            lines += "".join(output["data"].get("text/plain", "")).splitlines()
    return [line.rstrip() for line in lines if line.strip()]


def missing(lines, shown):
    """The first line that is not shown after the ones before it."""
    rest = iter(line.rstrip() for line in shown.splitlines())
    return next((line for line in lines if line not in rest), None)


def main(program, path):
    with open(path, encoding="utf-8") as file:
        cells = [cell for cell in json.load(file)["cells"] if cell["cell_type"] == "code"]
    repl = Repl(program, os.path.dirname(os.path.abspath(path)))
    for number, cell in enumerate(cells, 1):
        source, began = "".join(cell["source"]), time.monotonic()
        try:
            shown = repl.paste(source)
        except (pexpect.TIMEOUT, pexpect.EOF):
            sys.exit(f"  FAIL {number:3}  the REPL ended or hangs:\n{repl.child.before[-2000:]}")
        line = missing(expected(cell), shown)
        error = None if "raises" in cell["metadata"].get("tags", []) else ERROR.search(shown)
        if line is not None or error:
            why = f"not shown: {line}" if line is not None else "an error"
            sys.exit(f"  FAIL {number:3}  {why}\n{source}\n--- shown:\n{shown[-3000:]}")
        title = source.splitlines()[0][:60] if source else ""
        print(f"  ok   {number:3}  {time.monotonic() - began:5.1f} s  {title}")
    repl.child.sendeof()


main(sys.argv[1], sys.argv[2])

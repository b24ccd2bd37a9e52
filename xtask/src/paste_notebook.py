"""Pastes the code cells of a notebook into the evcxr REPL, as a reader would, on a pseudo-terminal.

A cell passes when the REPL shows, in order, every line that the notebook has stored for it on stdout
and as text of its value, and nothing in bright red: so the REPL shows stderr, where a failed `?` and
nothing else tells of itself.
Of a cell tagged `raises-exception`, the stored error must be there. Of a volatile cell only the absence of
errors is checked.
"""

import json
import os
import re
import sys
import time

import pexpect

RED = re.compile(r"\x1b\[91m(.*?)\x1b\[0m", re.DOTALL)
TERMINAL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b\][^\x07]*\x07|\r")
# Before a line that came after it.
PROMPT = re.compile(r"^(?:>> )+", re.MULTILINE)
# evcxr's compile errors, panics, and commands that failed.
ERROR = re.compile(r"^\[E\d+\]|^\s*(?:error|Error)\b.*:|panicked at", re.MULTILINE)
# rustyline turns bracketed paste on when it waits for input, and off when it has got it.
WAITS, TAKEN = "\x1b[?2004h", "\x1b[?2004l"
SECONDS = 300
# Lines on stderr come by a thread of the REPL's, some time after the prompt: a deliberate mistake is
# waited for, one that nobody expects is found when the next cell or the end comes.
QUIET_SECONDS, LATE_SECONDS, LAST_SECONDS = 0.15, 15, 2


class Repl:
    def __init__(self, program, cwd):
        env = dict(os.environ, TERM="xterm-256color", CLICOLOR_FORCE="1")
        env.pop("NO_COLOR", None)
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
        self.raw = self.child.before
        self.more(QUIET_SECONDS)

    def more(self, seconds):
        """Reads on until nothing comes for so long."""
        # The REPL may print after its prompt. What came in one read with the prompt is in pexpect's
        # buffer, which `read_nonblocking` passes over.
        self.raw += self.child.buffer
        self.child.buffer = ""
        try:
            while True:
                self.raw += self.child.read_nonblocking(1 << 16, timeout=seconds)
        except pexpect.TIMEOUT:
            pass

    def shown(self):
        return PROMPT.sub("", TERMINAL.sub("", self.raw))

    def errors(self):
        return TERMINAL.sub("", "\n".join(RED.findall(self.raw)))


def expected(cell, stream):
    """The lines that must be shown, in order."""
    lines = []
    for output in cell["outputs"]:
        if output["output_type"] == "stream" and output["name"] == stream:
            lines += "".join(output["text"]).splitlines()
        elif "data" in output and stream == "stdout":
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
            repl.paste(source)
            why = verdict(cell, repl)
            while why and time.monotonic() - began < LATE_SECONDS and not ERROR.search(repl.shown()):
                repl.more(0.5)
                why = verdict(cell, repl)
            if number == len(cells) and not why:
                repl.more(LAST_SECONDS)
                why = verdict(cell, repl)
        except (pexpect.TIMEOUT, pexpect.EOF):
            sys.exit(f"  FAIL {number:3}  the REPL ended or hangs:\n{repl.child.before[-2000:]}")
        if why:
            sys.exit(f"  FAIL {number:3}  {why}\n{source}\n--- shown:\n{repl.shown()[-4000:]}")
        title = source.splitlines()[0][:60] if source else ""
        print(f"  ok   {number:3}  {time.monotonic() - began:5.1f} s  {title}")
    repl.child.sendeof()


def verdict(cell, repl):
    """What is wrong with what the REPL has shown of a cell so far; None when it is all right."""
    tags, shown, errors = cell["metadata"].get("tags", []), repl.shown(), repl.errors()
    line = None if "volatile" in tags else missing(expected(cell, "stdout"), shown)
    if "raises-exception" in tags or "stderr" in tags:
        line = line or missing(expected(cell, "stderr"), errors)
        # A compile error is not among the errors here; rustc's words are.
        if "raises-exception" in tags and not errors.strip() and not ERROR.search(shown):
            return "nothing went wrong, and something should have"
    elif errors.strip() or ERROR.search(shown):
        return "an error"
    return None if line is None else f"not shown: {line}"


main(sys.argv[1], sys.argv[2])

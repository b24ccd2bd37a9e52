"""Runs one notebook in the real kernel, cell by cell, and stores or compares its outputs.

Its own loop over jupyter_client, not nbclient: the Rust kernel (evcxr) reports a panic and a failed
`?` as success, and prints lines after it has said that it is idle. So a cell passes only if
  - the kernel reports no error,
  - nothing is on stderr (a failed `?` prints its error there, and nothing else tells it apart),
  - no output that is stored is missing, and with --check each is as stored.

A cell's tags change that:
  raises-exception  a deliberate mistake: an error, a panic or a failed `?` is required
                    (nbclient, nbmake and Jupyter Book go on after such a cell, too)
  stderr            writes to stderr on purpose (a panic still fails)
  volatile          prints what differs from run to run: only the kinds of its outputs are compared
  fleet             needs what not every machine has (Java, the Kinesis Client Library, PostgreSQL): where its stdout begins
                    with SKIPPED, the stored outputs stay as they are, and nothing is compared
  check             prints one line about the reader's work: it must begin with ✘, for the text as it is
                    handed out is unsolved. With --solutions the code of the `solution` is run then, and
                    the check once more, as a reader does who has found it: now it must begin with ✔

It sets two more when it stores, for Jupyter Book, and --check wants them (`folding.py`): `hide-output` where
a question was asked, `hide-cell` on a check.

Before the solution, --solutions runs the exercise's stored *wrong* answers, as learners would write
them, each with the check: it must say ✘ of all of them. They lie in xtask/wrong-answers/, in a file
with the notebook's name: `## ` and the id of the `exercise` cell, then for each answer `### ` and
what is wrong with it, and one block of Rust.

Exercises come as four tagged cells, in this order: `exercise` (code, with a TODO), `check` (code),
`hints` (markdown), `solution` (markdown with one block of Rust).
"""

import argparse
import base64
import binascii
import copy
import difflib
import json
import os
import queue
import re
import shutil
import struct
import sys
import tempfile
import time
import zlib
from pathlib import Path

import nbformat
from jupyter_client import KernelManager

from folding import fold

# The kernel's pipes run beside its messages: lines of a cell can come after its "idle".
QUIET_SECONDS = 0.1
RAISES, STDERR, VOLATILE = "raises-exception", "stderr", "volatile"
FLEET, SKIPPED = "fleet", "SKIPPED: "
CHECK, EXERCISE = "check", "exercise"
# The cells of an exercise, in their order, and what each is.
PARTS = {EXERCISE: "code", CHECK: "code", "hints": "markdown", "solution": "markdown"}
UNSOLVED, SOLVED = "✘", "✔"
WRONG_ANSWERS = Path(__file__).resolve().parent.parent / "wrong-answers"
RUST_BLOCK = re.compile(r"^```rust\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PANIC = re.compile(r"^thread .* panicked at ", re.MULTILINE)
ANSI = re.compile(r"\x1b\[[0-9;]*m")
BACKTRACE = re.compile(r"^stack backtrace:\n(?:\s+(?:\d+:|at ).*\n?|note: .*\n?)*", re.MULTILINE)
PNG_IN_HTML = re.compile(r"data:image/png;base64,[A-Za-z0-9+/=]*")
THREAD_ID = re.compile(r"^(thread '.*?') \(\d+\) panicked", re.MULTILINE)


class Dead(Exception):
    """The kernel is gone or does not answer: no further cell can run."""


class Kernel:
    def __init__(self, name, cwd):
        self.manager = KernelManager(kernel_name=name)
        self.log = tempfile.TemporaryFile(mode="w+")
        # What cells compile to, some 55 MB. A kernel that is killed leaves it there.
        self.folder = tempfile.mkdtemp(prefix="kinesis-lab-kernel-")
        environment = {**os.environ, "TMPDIR": self.folder}
        self.manager.start_kernel(cwd=cwd, stdout=self.log, stderr=self.log, env=environment)
        self.client = self.manager.client()
        self.client.start_channels()
        try:
            self.client.wait_for_ready(timeout=120)
        except RuntimeError as error:
            raise Dead(f"the kernel did not start: {error}\n{self.said()}") from error

    def said(self):
        """What the kernel itself wrote to its terminal: the place where it reports its own faults."""
        self.log.seek(0)
        return self.log.read()[-2000:]

    def execute(self, code, timeout):
        """Runs a cell; gives its raw outputs, in the order of their arrival."""
        request = self.client.execute(code, store_history=True, allow_stdin=False)
        deadline = time.monotonic() + timeout
        outputs, idle_at = [], None
        while True:
            now = time.monotonic()
            if idle_at is None and now > deadline:
                raise Dead(f"no end after {timeout} s")
            try:
                message = self.client.get_iopub_msg(timeout=QUIET_SECONDS)
            except queue.Empty:
                if idle_at is not None:
                    break
                if not self.manager.is_alive():
                    raise Dead(f"the kernel died\n{self.said()}") from None
                continue
            if message["parent_header"].get("msg_id") != request:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                idle_at = now
            elif kind in ("stream", "execute_result", "display_data", "error"):
                outputs.append((kind, content))
            # A background thread may print for ever; it is the cell's only for so long.
            if idle_at is not None and now - idle_at > 10 * QUIET_SECONDS:
                break
        failed = self.client.get_shell_msg(timeout=10)["content"].get("status") != "ok"
        return outputs, failed

    def stop(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def tidy(text):
    """Takes out what would differ between machines: the backtrace and the number of a thread."""
    return THREAD_ID.sub(r"\1 panicked", BACKTRACE.sub("", ANSI.sub("", text)))


def as_stored(raw, count):
    """Outputs as they are stored: the streams whole and first (they arrive interleaved by chance)."""
    streams, rest = {"stdout": "", "stderr": ""}, []
    for kind, content in raw:
        if kind == "stream":
            streams[content["name"]] += content["text"]
        elif kind == "error":
            traceback = [ANSI.sub("", line) for line in content["traceback"]]
            rest.append(nbformat.v4.new_output(
                "error", ename=content["ename"], evalue=ANSI.sub("", content["evalue"]), traceback=traceback))
        elif kind == "execute_result":
            rest.append(nbformat.v4.new_output(
                "execute_result", data=content["data"], metadata={}, execution_count=count))
        else:
            rest.append(nbformat.v4.new_output("display_data", data=content["data"], metadata={}))
    streams["stderr"] = tidy(streams["stderr"])
    return [nbformat.v4.new_output("stream", name=name, text=text)
            for name, text in streams.items() if text] + rest


def text_of(outputs, name):
    return "".join(o.text for o in outputs if o.output_type == "stream" and o.name == name)


def parts(notebook):
    """The cells that belong to exercises, each with its part."""
    for cell in notebook.cells:
        for part in PARTS:
            if part in cell.metadata.get("tags", []):
                yield part, cell


def code_of(solution):
    """The code that a `solution` cell holds, or None when it doesn't hold exactly one block."""
    blocks = RUST_BLOCK.findall(solution.source)
    return blocks[0].rstrip("\n") if len(blocks) == 1 else None


def disorder(notebook):
    """What is wrong with the notebook's exercises, before anything runs, or None."""
    order, before, unsolved = list(PARTS), "solution", None
    for part, cell in parts(notebook):
        where = f"the `{part}` cell {cell.get('id', '')} ({title(cell)})"
        if cell.cell_type != PARTS[part]:
            return f"{where} is no {PARTS[part]} cell"
        due = order[(order.index(before) + 1) % len(order)]
        if part != due:
            return f"{where} comes where a `{due}` cell is due: the order is {', '.join(order)}"
        if part == EXERCISE:
            unsolved = cell.source
            if "TODO" not in unsolved:
                return f"{where} does not say what is TODO"
        if part == "solution":
            if code_of(cell) is None:
                return f"{where} must hold one block of Rust: ```rust … ```"
            if code_of(cell).strip() == unsolved.strip():
                return f"{where} is the unsolved text"
        before = part
    return None if before == "solution" else f"an exercise ends with its `{before}` cell"


def solutions(notebook):
    """The code of each solution, by the id of the `check` cell before it."""
    found, check = {}, None
    for part, cell in parts(notebook):
        if part == CHECK:
            check = cell.id
        elif part == "solution":
            found[check] = code_of(cell)
    return found


def wrong_answers(text):
    """The stored wrong answers of a notebook: by the id of the exercise, what is wrong with each, and its code."""
    found = {}
    for exercise in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        identifier, *answers = re.split(r"^### ", exercise, flags=re.MULTILINE)
        identifier = identifier.split("\n", 1)[0].strip()
        if identifier in found:
            raise ValueError(f"{identifier} has two headings")
        found[identifier] = {}
        for answer in answers:
            title, body = answer.split("\n", 1)
            blocks = RUST_BLOCK.findall(body)
            if len(blocks) != 1 or title.strip() in found[identifier]:
                raise ValueError(f"{identifier}: \"{title.strip()}\" must be one heading with one block of Rust")
            found[identifier][title.strip()] = blocks[0].rstrip("\n")
    return found


def by_check(notebook, wrong):
    """The wrong answers by the id of the `check` cell that must refuse them."""
    found, exercise = {}, None
    for part, cell in parts(notebook):
        if part == EXERCISE:
            exercise = cell.get("id")
        elif part == CHECK and exercise in wrong:
            found[cell.id] = wrong[exercise]
    if missing := set(wrong) - {cell.get("id") for part, cell in parts(notebook) if part == EXERCISE}:
        raise ValueError(f"wrong answers to no exercise: {', '.join(sorted(missing))}")
    return found


def drawn(wrong, seed):
    """One wrong answer of each exercise; with as many seeds in a row, each of them."""
    found = {}
    for exercise, answers in wrong.items():
        if not answers:
            continue
        title = sorted(answers)[(seed + zlib.crc32(exercise.encode())) % len(answers)]
        found[exercise] = {title: answers[title]}
    return found


def answer(kernel, code, check, timeout, wanted):
    """Runs an answer to an exercise, and its check; gives what the check says, and what is wrong or None."""
    outputs, failed = kernel.execute(code, timeout)
    said = fault(as_stored(outputs, 0), failed, [])
    if said is not None:
        return "", said
    outputs, failed = kernel.execute(check, timeout)
    outputs = as_stored(outputs, 0)
    return text_of(outputs, "stdout").strip(), fault(outputs, failed, [CHECK], wanted)


def refuse(kernel, wrong, check, timeout):
    """Gives each wrong answer to the check; what it says of each, and what is wrong with that or None."""
    verdicts, faults = {}, []
    for title, code in wrong.items():
        verdicts[title], said = answer(kernel, code, check, timeout, UNSOLVED)
        if said is not None:
            faults.append(f"a wrong answer ({title}): {said}")
    return verdicts, "\n".join(faults) or None


def solve(kernel, solution, check, timeout):
    """Runs a solution and its check after the unsolved text; gives what is wrong, or None."""
    _, said = answer(kernel, solution, check, timeout, SOLVED)
    return said and "the solution: " + said


def verdict_fault(outputs, wanted):
    """What is wrong with what a `check` cell says, or None."""
    said = text_of(outputs, "stdout").splitlines()
    if len(outputs) != 1 or len(said) != 1:
        return f"a `check` cell prints one line, and nothing else; this is {len(outputs)} output(s) of " \
               f"{len(said)} line(s)"
    if not said[0].startswith(wanted + " "):
        return f"the check must begin with {wanted}; it says: {said[0]}"
    return None


def fault(outputs, failed, tags, wanted=UNSOLVED):
    """Why the cell as such fails, or None. It looks at the cell alone, not at what is stored."""
    stderr = text_of(outputs, "stderr")
    errors = [o for o in outputs if o.output_type == "error"]
    wrong = failed or errors or PANIC.search(stderr) or (stderr and STDERR not in tags)
    if RAISES in tags:
        return None if wrong or stderr else f"it is tagged `{RAISES}`, and nothing went wrong"
    if errors:
        return "error: " + "\n".join(line for o in errors for line in dict.fromkeys([o.evalue, *o.traceback]))
    if failed:
        return "the kernel reports an error"
    if PANIC.search(stderr):
        return "panic: " + stderr
    if wrong:
        return ("it wrote to stderr, as a failed `?` does (meant? tag the cell `stderr`):\n" + stderr)
    for output in outputs:
        # What `Debug` of a chart says: the kernel shows that where the last expression moves the cell's own variables.
        if "(text, no picture: " in output.get("data", {}).get("text/plain", ""):
            return "its chart is shown as text: give what its last expression moves a .clone(), or a cell of its own"
        if "image/png" in output.get("data", {}):
            try:
                png_size(output.data["image/png"])
            except ValueError as error:
                return f"its PNG cannot be decoded: {error}"
    return verdict_fault(outputs, wanted) if CHECK in tags else None


def png_size(text):
    """Width and height of a base64 PNG, decoded as far as the standard library can: to its pixels."""
    try:
        data = base64.b64decode(text, validate=False)
    except binascii.Error as error:
        raise ValueError(f"not base64: {error}") from error
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError("no PNG signature")
    at, size, pixels, ended = 8, None, b"", False
    while at + 12 <= len(data):
        (length,), kind = struct.unpack(">I", data[at:at + 4]), data[at + 4:at + 8]
        body = data[at + 8:at + 8 + length]
        if struct.unpack(">I", data[at + 8 + length:at + 12 + length] or b"\0\0\0\0")[0] != zlib.crc32(kind + body):
            raise ValueError(f"chunk {kind!r} is damaged")
        if kind == b"IHDR":
            size = struct.unpack(">II", body[:8])
        elif kind == b"IDAT":
            pixels += body
        ended = kind == b"IEND"
        at += 12 + length
    if size is None or not ended:
        raise ValueError("it is cut off")
    try:
        if len(zlib.decompress(pixels)) < size[1]:
            raise ValueError("pixels are missing")
    except zlib.error as error:
        raise ValueError(str(error)) from error
    return size


def shape(output):
    """What a volatile cell's output must still be."""
    kind = output.output_type
    if kind == "stream":
        return f"stream {output.name}"
    return f"{kind} {sorted(output.get('data', {}))}" if kind != "error" else kind


def comparable(output):
    """An output as text to compare. Of a PNG only the size: its bytes depend on the zlib that wrote it."""
    if output.output_type == "stream":
        return f"[{output.name}]\n{output.text}"
    if output.output_type == "error":
        return f"[error]\n{output.evalue}"
    parts = []
    for mime, value in sorted(output.data.items()):
        if mime == "image/png":
            try:
                value = "{} x {} pixels".format(*png_size(value))
            except ValueError as error:
                value = f"cannot be decoded: {error}"
        elif mime == "text/html":
            value = PNG_IN_HTML.sub("data:", value)
        parts.append(f"[{mime}]\n{value if isinstance(value, str) else json.dumps(value, sort_keys=True)}")
    return "\n".join(parts)


def difference(stored, outputs, tags):
    """How the outputs differ from the stored ones, or None."""
    how = shape if VOLATILE in tags else comparable
    before = "\n".join(map(how, stored)).splitlines()
    after = "\n".join(map(how, outputs)).splitlines()
    if before == after:
        return None
    diff = difflib.unified_diff(before, after, "stored", "this run", lineterm="", n=1)
    return "its output is not the stored one (right now? `cargo xtask notebooks` stores it):\n" + "\n".join(
        list(diff)[:40])


def tidy_notebook(notebook):
    """The same bytes from every machine and every front end."""
    notebook.metadata = nbformat.from_dict({
        "kernelspec": {"display_name": "Rust", "language": "rust", "name": "rust"},
        "language_info": {
            "codemirror_mode": "rust", "file_extension": ".rs", "mimetype": "text/rust", "name": "Rust",
            "pygment_lexer": "rust", "version": "",
        },
    })
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    fold(notebook)
    for number, cell in enumerate(notebook.cells, 1):
        cell.setdefault("id", f"cell-{number:02}")
        cell.metadata = nbformat.from_dict(
            {name: cell.metadata[name] for name in ("slideshow", "tags") if cell.metadata.get(name)})


def write(notebook, path):
    """Whole or not at all: a notebook is somebody's text."""
    nbformat.validate(notebook)
    text = nbformat.writes(notebook, version=nbformat.NO_CONVERT)
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text.rstrip("\n") + "\n")
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def title(cell):
    lines = [line.strip() for line in cell.source.splitlines() if line.strip()]
    code = [line for line in lines if not line.startswith("//")]
    return ((code or lines or ["(empty)"])[0])[:60]


def run(notebook, kernel, arguments):
    """Runs all cells; gives one line of report a cell, and the faults found."""
    report, faults = [], []
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    solved = solutions(notebook) if arguments.solutions else {}
    wrong = by_check(notebook, arguments.wrong) if arguments.solutions else {}
    for number, cell in enumerate(cells, 1):
        tags = cell.metadata.get("tags", [])
        stored, began = copy.deepcopy(cell.outputs), time.monotonic()
        never_ran = cell.execution_count is None and cell.source.strip()
        said, fatal, verdicts = None, False, {}
        try:
            raw, failed = kernel.execute(cell.source, arguments.timeout)
            cell.execution_count, cell.outputs = number, as_stored(raw, number)
            said = fault(cell.outputs, failed, tags)
            fatal = said is not None
            skipped = FLEET in tags and said is None and text_of(cell.outputs, "stdout").startswith(SKIPPED)
            if skipped:
                print(f"       {text_of(cell.outputs, 'stdout').splitlines()[0]}", flush=True)
                cell.outputs = stored
            elif said is None and arguments.check:
                said = difference(stored, cell.outputs, tags)
                if never_ran:
                    said = "it was never run: `cargo xtask notebooks` runs it and stores its output"
            if said is None and cell.get("id") in wrong:
                verdicts, said = refuse(kernel, wrong[cell.id], cell.source, arguments.timeout)
            if said is None and cell.get("id") in solved:
                said = solve(kernel, solved[cell.id], cell.source, arguments.timeout)
        except Dead as error:
            said, fatal = str(error), True
        seconds = time.monotonic() - began - QUIET_SECONDS
        mark = "ok  " if said is None else "FAIL"
        print(f"  {mark} {number:3}/{len(cells)} {seconds:6.1f} s  {title(cell)}", flush=True)
        for mistake, verdict in verdicts.items():
            print(f"       {mistake}: {verdict}", flush=True)
        report.append({"cell": number, "seconds": round(seconds, 3), "fault": said,
                       "stdout": text_of(cell.outputs, "stdout")})
        if said is not None:
            faults.append(said)
            print("\n".join("       | " + line for line in said.splitlines()), flush=True)
        if fatal:
            # What follows builds on this cell; its faults would only hide this one.
            break
    return report, faults


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebook")
    parser.add_argument("--check", action="store_true", help="compare with the stored outputs, store nothing")
    parser.add_argument("--dry", action="store_true", help="neither compare nor store")
    parser.add_argument("--solutions", action="store_true",
                        help="run each solution too and require its check to agree; store nothing")
    parser.add_argument("--timeout", type=float, default=300, help="seconds that one cell may take")
    parser.add_argument("--cwd", default=".", help="the folder in which the kernel runs")
    parser.add_argument("--wrong-answers", type=Path, default=WRONG_ANSWERS, metavar="FOLDER",
                        help="where the wrong answers to the exercises lie")
    parser.add_argument("--seed", type=int,
                        help="of the wrong answers to each exercise, run one alone, drawn by this number")
    parser.add_argument("--report", help="write the seconds until the kernel was ready, and of each cell its seconds, its fault and "
                        "its stdout, there, as JSON")
    arguments = parser.parse_args()

    notebook = nbformat.read(arguments.notebook, as_version=4)
    if said := disorder(notebook):
        print("  FAIL " + said)
        return 1
    if arguments.check and (unfolded := fold(copy.deepcopy(notebook))):
        print(f"  FAIL the tags of {', '.join(cell.get('id', '') for cell in unfolded)} are not those of `folding.py`: "
              "`cargo xtask notebooks` sets them")
        return 1
    stored = arguments.wrong_answers / (Path(arguments.notebook).stem + ".md")
    try:
        arguments.wrong = wrong_answers(stored.read_text(encoding="utf-8")) if stored.is_file() else {}
        by_check(notebook, arguments.wrong)
        if arguments.seed is not None:
            arguments.wrong = drawn(arguments.wrong, arguments.seed)
    except ValueError as error:
        print(f"  FAIL {stored.name}: {error}")
        return 1
    kernel, started = None, None
    try:
        began = time.monotonic()
        kernel = Kernel("rust", arguments.cwd)
        started = time.monotonic() - began
        report, faults = run(notebook, kernel, arguments)
    except Dead as error:
        print(error)
        report, faults = [], [str(error)]
    finally:
        if kernel is not None:
            kernel.stop()
    if arguments.report:
        with open(arguments.report, "w", encoding="utf-8") as file:
            json.dump({"start": started, "cells": report}, file)
    if faults:
        return 1
    if not (arguments.check or arguments.dry or arguments.solutions):
        tidy_notebook(notebook)
        write(notebook, arguments.notebook)
    return 0


if __name__ == "__main__":
    sys.exit(main())

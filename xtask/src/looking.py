"""How a page is looked at: what is wanted, and for how long it is waited for."""

import time

# Loading the page takes seconds; a busy machine may take many times as long.
# Where a reader's own copies of the notebooks are.
WORK = "my-notebooks"
PAGE, RUN = 60, 300


class Fault(Exception):
    """What is not as a reader should find it."""


def require(what, wanted):
    if not wanted:
        raise Fault(what)


def wait_for(what, seconds, look):
    """Asks again and again until `look` gives something true; gives that."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        require(f"after {seconds} s, not yet: {what}", time.monotonic() < deadline)
        time.sleep(0.2)
    return found

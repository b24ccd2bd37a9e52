"""JupyterLab, ended in good order also where it would leave its kernels behind.

It ends them at Ctrl-C in a terminal, and when it is asked to by a SIGTERM. A terminal window that is
closed (SIGHUP) and a Ctrl-C where its input is no terminal end it at once, and a Rust kernel, which looks
after no parent, would go on for ever.
"""

import os
import signal
import sys

from jupyterlab.labapp import main


def end(*_):
    os.kill(os.getpid(), signal.SIGTERM)


# JupyterLab takes SIGINT for itself later, where there is a terminal.
for signal_number in (signal.SIGHUP, signal.SIGINT):
    signal.signal(signal_number, end)
sys.exit(main())

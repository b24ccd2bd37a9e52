"""JupyterLab, ended in good order also where it would leave its kernels behind.

It ends them at Ctrl-C in a terminal, and when it is asked to by a SIGTERM. A terminal window that is
closed (SIGHUP) and a Ctrl-C where its input is no terminal end it at once, and a Rust kernel, which looks
after no parent, would go on for ever.

And with a server that does not end a Rust kernel by asking how it is: see Connection.
"""

import os
import signal
import sys

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from jupyterlab.labapp import main


class Connection(ZMQChannelsWebsocketConnection):
    """Asks a kernel that starts on its shell channel alone.

    The server asks twice a second, on two channels, and closes both at the first answer. The Rust kernel
    answers all that was asked as soon as it has started; when one of its answers on the control channel finds
    nobody, it ends (evcxr_jupyter 0.22: `handle_control`). Then a notebook's restart hangs, cells and all. On
    the shell channel it says so and goes on.
    """

    def nudge(self):
        manager = self.kernel_manager
        manager.connect_control = manager.connect_shell
        try:
            return super().nudge()
        finally:
            # The method of its class is back.
            del manager.connect_control


def end(*_):
    os.kill(os.getpid(), signal.SIGTERM)


# JupyterLab takes SIGINT for itself later, where there is a terminal.
for signal_number in (signal.SIGHUP, signal.SIGINT):
    signal.signal(signal_number, end)
sys.argv.append("--ServerApp.kernel_websocket_connection_class=__main__.Connection")
sys.exit(main())

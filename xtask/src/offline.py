"""Runs a command without a network: in a network namespace of its own, where only loopback is up.

    unshare --net … python offline.py PROGRAM ARGUMENT…

It first makes sure that the network is away, so that a green run means what it says.
"""

import errno
import fcntl
import os
import socket
import struct
import sys

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1
# An address for documentation (RFC 5737): nobody's, and routed like any public one.
PUBLIC = ("192.0.2.1", 443)


def loopback_up():
    """What `ip link set lo up` does, also where there is no `ip`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = fcntl.ioctl(any_socket, SIOCGIFFLAGS, struct.pack("16sh14x", b"lo", 0))
        flags = struct.unpack("16sh14x", request)[1] | IFF_UP
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags))


def why_it_is_not_away():
    """None when there is no way out and loopback works."""
    interfaces = [name for _, name in socket.if_nameindex()]
    # Looked at before anything is sent: outside of a namespace, nothing may be.
    if interfaces != ["lo"]:
        return f"there are the interfaces {', '.join(interfaces)}"
    with socket.socket() as there:
        there.settimeout(5)
        got = there.connect_ex(PUBLIC)
    if got != errno.ENETUNREACH:
        return f"a connection to {PUBLIC[0]} gave {errno.errorcode.get(got, got)}, not ENETUNREACH"
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname(), timeout=5):
            return None


def main():
    loopback_up()
    if fault := why_it_is_not_away():
        sys.exit(f"offline: the network is still there: {fault}")
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()

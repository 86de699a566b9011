"""A child process that starts one of its own, tells its number, and leaves: `python -m ... FD`."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

if __name__ == "__main__":
    told = socket.socket(fileno=int(sys.argv[1]))
    left = subprocess.Popen(["sleep", "60"], start_new_session="LEAVING_APART" in os.environ)
    print("gone away", file=sys.stderr)
    told.sendall(str(left.pid).encode())
    # Nobody may wait for the other one here.
    os._exit(3)

"""The reference endpoint in a process of its own, which measures the memory that it takes.

python measured.py PACE        prints its port; at the end of standard input by how many KiB it has grown
"""

from __future__ import annotations

import sys
from pathlib import Path

from tokenwire.endpoint import ReferenceEndpoint, background


def largest() -> int:
    """The most that this process has had in memory so far, in KiB, as Linux tells it."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def main() -> None:
    with background(ReferenceEndpoint(pace=float(sys.argv[1])).connection) as port:
        before = largest()
        print(port, flush=True)
        sys.stdin.read()
        print(largest() - before, flush=True)


if __name__ == "__main__":
    main()

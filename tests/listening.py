"""Other people's servers, started for a test: a port for them, and waiting until they listen."""

from __future__ import annotations

import socket
import time


def free_port() -> int:
    """A port on loopback that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(port: int) -> None:
    """Waits until somebody listens there.

    :raises TimeoutError: when nobody does within 20 seconds.
    """
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(f"nothing listens at {port}")

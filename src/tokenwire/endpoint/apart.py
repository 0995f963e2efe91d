"""A server in a process of its own: what it costs is not charged to the client that is measured here."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, Protocol

__all__ = ["Serving", "apart"]

#: Seconds in which a new interpreter has started and listens, on the slowest machine.
START = 60.0


class Serving(Protocol):
    """Serves until it is cancelled, and tells the port; something that can be pickled, such as a `partial`."""

    def __call__(self, *, ready: Callable[[int], None]) -> Coroutine[Any, Any, None]: ...


@contextmanager
def apart(serving: Serving) -> Iterator[int]:
    """Runs a server in a new process for the life of the context.

    :return: the port.
    :raises OSError: when it does not start.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(serving, theirs), name="tokenwire server", daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(START):
            raise OSError("the server that should be measured with does not start")
        yield _port(ours)
    finally:
        process.kill()
        process.join()
        ours.close()


def _port(pipe: Connection) -> int:
    try:
        port: int = pipe.recv()
    except EOFError:
        raise OSError("the server that should be measured with ended before it listened") from None
    return port


def _serve(serving: Serving, pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the client, which then ends us
    threading.Thread(target=_end_with, args=(pipe,), daemon=True).start()
    asyncio.run(serving(ready=pipe.send))


def _end_with(pipe: Connection) -> None:
    """The client is gone, however it ended: nobody is left to serve."""
    try:
        pipe.recv()
    except (EOFError, OSError):
        os._exit(0)

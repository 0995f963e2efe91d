"""Both drivers before a server that pushes more than they are asked for: nothing piles up, and nothing is dropped.

The server is another process (`flood.py`), so that what is measured is the client's memory alone.
"""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flood import PIECE

import tokenwire
from tokenwire import TimeoutExceeded, Timeouts

FLOOD = Path(__file__).with_name("flood.py")

#: Bytes that the server pushes.
PUSHED = 200 * 1024 * 1024

#: Bytes that a client may hold at once. asyncio reads 256 KiB at a time and stops when twice our 64 KiB wait; those
#: are in memory as bytes, as half a message in the parser, and as strings: 1.5 MiB by measurement. With room for what
#: Python itself keeps that is a fiftieth of what is pushed.
BOUND = 4 * 1024 * 1024

#: Seconds that a client takes over each message. The server could push a hundred in that time.
SLOWNESS = 0.001

pytestmark = pytest.mark.timeout(200)


@contextmanager
def flood(kind: str, size: int = PUSHED) -> Iterator[str]:
    """A server that pushes so many bytes; gives the URL without its scheme."""
    with subprocess.Popen([sys.executable, str(FLOOD), kind, str(size)], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            yield f"127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.kill()


@contextmanager
def bounded() -> Iterator[None]:
    """What is allocated within never exceeds the bound."""
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        yield
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert peak < BOUND, f"{peak / 1024 / 1024:.1f} MiB at once"


def blocking_events(url: str) -> int:
    """Bytes of the events, slowly read by the blocking driver."""
    size = 0
    with tokenwire.stream(f"http://{url}", dialect="eventsource") as stream:
        for event in stream:
            if isinstance(event, tokenwire.Other):
                size += len(event.raw)
            time.sleep(SLOWNESS)
    return size


def asyncio_events(url: str) -> int:
    """The same by the asyncio driver."""

    async def run() -> int:
        size = 0
        async with tokenwire.astream(f"http://{url}", dialect="eventsource") as stream:
            async for event in stream:
                if isinstance(event, tokenwire.Other):
                    size += len(event.raw)
                await asyncio.sleep(SLOWNESS)
        return size

    return asyncio.run(run())


def blocking_messages(url: str, *, timeouts: Timeouts | None = None, most: int = PUSHED) -> int:
    """Bytes of the messages, slowly read by the blocking driver until there are enough."""
    size = 0
    with tokenwire.connect(f"ws://{url}", timeouts=timeouts) as websocket:
        for message in websocket:
            size += len(message)
            if size >= most:
                break
            time.sleep(SLOWNESS)
    return size


def asyncio_messages(url: str, *, timeouts: Timeouts | None = None, most: int = PUSHED) -> int:
    """The same by the asyncio driver."""

    async def run() -> int:
        size = 0
        async with tokenwire.aconnect(f"ws://{url}", timeouts=timeouts) as websocket:
            async for message in websocket:
                size += len(message)
                if size >= most:
                    break
                await asyncio.sleep(SLOWNESS)
        return size

    return asyncio.run(run())


@pytest.mark.parametrize("read", [blocking_events, asyncio_events])
def test_events_do_not_pile_up_before_a_slow_reader(read: Callable[[str], int]) -> None:
    """A stream keeps its events for whom it is interrupted; a program that drops them is left with none."""
    with flood("sse") as url, bounded():
        assert read(url) == PUSHED


@pytest.mark.parametrize("read", [blocking_messages, asyncio_messages])
@pytest.mark.parametrize(("kind", "size"), [("websocket", PUSHED), ("websocket-deflate", PUSHED // 8)])
def test_messages_do_not_pile_up_before_a_slow_reader(kind: str, size: int, read: Callable[[str], int]) -> None:
    with flood(kind, size) as url, bounded():
        assert read(url) == size


@pytest.mark.parametrize("read", [blocking_messages, asyncio_messages])
def test_nothing_piles_up_for_a_reader_who_leaves(read: Callable[..., int]) -> None:
    """While it waits for the server's Close, what the server still pushes is read and dropped."""
    with flood("websocket") as url, bounded():
        assert read(url, most=1) == PIECE


@pytest.mark.parametrize("read", [blocking_messages, asyncio_messages])
def test_pongs_do_not_pile_up_before_a_server_that_does_not_read_them(read: Callable[..., int]) -> None:
    with flood("pings") as url, bounded(), pytest.raises(TimeoutExceeded) as caught:
        read(url, timeouts=Timeouts(keepalive=0.5))
    assert caught.value.timer == "keepalive"

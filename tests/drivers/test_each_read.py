"""What a read costs where each event comes alone: the library's calls, from the socket to the event, are counted.

The socket keeps the boundaries of what was written, so that each read gives one event, and all is written beforehand.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import tokenwire
from tokenwire.drivers import asyncio as asyncio_driver
from tokenwire.drivers import blocking as blocking_driver

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs sockets that keep boundaries (SOCK_SEQPACKET)")

LIBRARY = str(Path(tokenwire.__file__).parent)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


class Keeping(socket.socket):
    """A socket that keeps boundaries, and that asyncio takes for a stream."""

    @property
    def type(self) -> socket.SocketKind:  # type: ignore[override]
        return socket.SOCK_STREAM


def response(count: int) -> list[bytes]:
    """So many events, each in a chunk and a read of its own."""
    deltas: list[dict[str, Any]] = [{"delta": {"content": "ab"}, "finish_reason": None}] * count
    choices = [*deltas, {"delta": {}, "finish_reason": "stop"}]
    data = [json.dumps({"id": "1", "choices": [{"index": 0, **choice}]}) for choice in choices]
    blocks = [f"data: {each}\n\n".encode() for each in [*data, "[DONE]"]]
    return [HEAD, *(b"%x\r\n%s\r\n" % (len(block), block) for block in blocks), b"0\r\n\r\n"]


def connected(count: int) -> tuple[Keeping, socket.socket]:
    """A connection with the whole response in it, and its other end."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    theirs.setblocking(False)
    for piece in response(count):
        theirs.send(piece)
    keeping = Keeping(socket.AF_UNIX, socket.SOCK_SEQPACKET, fileno=ours.detach())
    keeping.setblocking(False)
    return keeping, theirs


def blocking(count: int, monkeypatch: pytest.MonkeyPatch) -> str:
    ours, theirs = connected(count)
    monkeypatch.setattr(blocking_driver, "dial", lambda *_: ours)
    with theirs, tokenwire.stream("http://127.0.0.1/", json={"model": "m"}, proxy=None) as stream:
        for _ in stream:
            pass
        return stream.text


def under_asyncio(count: int, monkeypatch: pytest.MonkeyPatch) -> str:
    async def run() -> str:
        ours, theirs = connected(count)

        async def dial(*_: object) -> socket.socket:
            return ours

        monkeypatch.setattr(asyncio_driver, "dial", dial)
        with theirs:
            async with tokenwire.astream("http://127.0.0.1/", json={"model": "m"}, proxy=None) as stream:
                async for _ in stream:
                    pass
                return stream.text

    return asyncio.run(run())


def calls(run: Callable[[], str]) -> int:
    """Of functions of the library, while it runs."""
    counted = 0

    def count(frame: FrameType, event: str, _: object) -> None:
        nonlocal counted
        counted += event == "call" and frame.f_code.co_filename.startswith(LIBRARY)

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        run()
    finally:
        sys.setprofile(before)
    return counted


@pytest.mark.parametrize(("drive", "most"), [(blocking, 32), (under_asyncio, 39)])
def test_a_read_in_mid_stream_takes_few_calls(
    drive: Callable[[int, pytest.MonkeyPatch], str], most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert drive(300, monkeypatch) == "ab" * 300  # and all that is imported late has been
    each = (calls(lambda: drive(300, monkeypatch)) - calls(lambda: drive(100, monkeypatch))) / 200
    assert each <= most, f"{each:.1f} calls a read"

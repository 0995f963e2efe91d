"""A proxy that does harm: it passes connections on, and cuts, stalls, resets or throttles them, or drops idle ones."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Queue
from typing import Literal

__all__ = ["FaultProxy", "Harm", "harming"]


@dataclass(frozen=True)
class Harm:
    """What one connection suffers.

    :ivar cut: bytes from the server after which it ends; None for never.
    :ivar how: by FIN, by RST, or it stalls for ever.
    :ivar piece: bytes that are passed on at once.
    :ivar pause: seconds between two of them.
    :ivar idle_drop: seconds without a byte from the server after which it ends.
    """

    cut: int | None = None
    how: Literal["fin", "reset", "stall"] = "fin"
    piece: int = 65536
    pause: float = 0.0
    idle_drop: float | None = None


class FaultProxy:
    """Each connection takes the next harm, and none where there are no more.

    :ivar sent: by connection, what the client sent.
    """

    def __init__(self, port: int, harms: Iterable[Harm] = ()) -> None:
        self.sent: list[bytearray] = []
        self.counts: Counter[str] = Counter()
        self._port = port
        self._harms = deque(harms)
        self._tasks: set[asyncio.Task[None]] = set()

    def next(self, *harms: Harm) -> None:
        """From now on the harms are these, and what was sent is forgotten."""
        self.sent = []
        self._harms = deque(harms)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        harm = self._harms.popleft() if self._harms else Harm()
        sent = bytearray()
        self.sent.append(sent)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._pass_on(reader, writer, harm, sent)
        except (OSError, asyncio.CancelledError):
            pass  # one of them is gone, or we are to go
        finally:
            self._tasks.discard(task)
            writer.close()

    async def close(self) -> None:
        """Ends what is still open."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, harm: Harm, sent: bytearray
    ) -> None:
        server, onward = await asyncio.open_connection("127.0.0.1", self._port)
        up = asyncio.create_task(self._up(reader, onward, sent))
        try:
            ending = await self._down(server, writer, harm)
            self.counts[ending] += 1
            if ending == "stall":
                await up  # until the client has had enough
            elif ending == "reset":
                raw = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        finally:
            up.cancel()
            onward.transport.abort()

    async def _up(self, reader: asyncio.StreamReader, onward: asyncio.StreamWriter, sent: bytearray) -> None:
        try:
            while data := await reader.read(65536):
                sent += data
                onward.write(data)
                await onward.drain()
            onward.write_eof()
        except OSError:
            pass

    async def _down(self, server: asyncio.StreamReader, writer: asyncio.StreamWriter, harm: Harm) -> str:
        left = harm.cut
        while left is None or left > 0:
            try:
                async with asyncio.timeout(harm.idle_drop):
                    data = await server.read(harm.piece if left is None else min(harm.piece, left))
            except TimeoutError:
                return "idle"
            if not data:
                return "end"
            writer.write(data)
            await writer.drain()
            if left is not None:
                left -= len(data)
            if harm.pause:
                await asyncio.sleep(harm.pause)
        return harm.how


@contextmanager
def harming(proxy: FaultProxy) -> Iterator[int]:
    """Runs the proxy in a thread of its own; gives its port."""
    started: Queue[tuple[asyncio.AbstractEventLoop, asyncio.Task[None], int]] = Queue()

    async def main() -> None:
        server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
        task = asyncio.current_task()
        assert task is not None
        started.put((asyncio.get_running_loop(), task, server.sockets[0].getsockname()[1]))
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            server.close()
            await proxy.close()

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    loop, task, port = started.get()
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()

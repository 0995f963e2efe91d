"""The asyncio shell: carries bytes and times between sockets and connections that do no I/O themselves."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Queue
from time import monotonic
from typing import Literal, Protocol

__all__ = ["ServerConnection", "background", "serve"]

#: Bytes asked of a socket at once.
READ_SIZE = 64 * 1024

#: Seconds in which a client that is still sending may read why it was refused: closing at once would reset the
#: connection, and the answer would be lost (RFC 9112, 9.6).
LINGER = 2.0


class ServerConnection(Protocol):
    """The server's side of a connection as a state machine. Times are monotonic seconds."""

    @property
    def ending(self) -> Literal["", "close", "reset"]:
        """How the server must end the connection, once all that is due has been drained; "" while it goes on."""
        ...

    @property
    def full(self) -> bool:
        """So much waits to go out later that nothing more should be read before some of it has."""
        ...

    def receive_data(self, data: bytes, now: float) -> None: ...
    def receive_eof(self, now: float) -> None:
        """The client sends no more. Once nothing more is due, `ending` must say how to end."""

    def shut_down(self, now: float) -> None:
        """The server goes away: what there is to say to that is the last that is sent."""

    def data_to_send(self, now: float) -> bytes: ...
    def next_deadline(self) -> float | None: ...


async def serve(
    make_connection: Callable[[], ServerConnection],
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    ready: Callable[[int], None] | None = None,
    ssl_context: ssl.SSLContext | None = None,
) -> None:
    """Serves until it is cancelled. Whoever is connected then is told by what `shut_down` gives.

    :param port: 0 takes a free one.
    :param ready: is told the port when connections can be made.
    :param ssl_context: with the server's certificate, for https and wss.
    :raises OSError: when the address cannot be had.
    """

    handlers: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handlers.add(task)
        try:
            await _drive(make_connection(), reader, writer)
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            handlers.discard(task)

    server = await asyncio.start_server(handle, host, port, ssl=ssl_context)
    if ready is not None:
        ready(server.sockets[0].getsockname()[1])
    try:
        # Not serve_forever: from Python 3.12 on its end waits for clients that keep their connections open.
        await asyncio.Event().wait()
    finally:
        server.close()
        for task in handlers:
            task.cancel()
        if handlers:
            await asyncio.wait(handlers)


@contextmanager
def background(
    make_connection: Callable[[], ServerConnection], *, ssl_context: ssl.SSLContext | None = None
) -> Iterator[int]:
    """Serves on a free port of the loopback interface, in a thread of its own, for the life of the context.

    :param ssl_context: as for `serve`.
    :return: the port.
    """
    started: Queue[tuple[asyncio.AbstractEventLoop, asyncio.Task[None], int]] = Queue()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        try:
            await serve(make_connection, ready=lambda port: started.put((loop, task, port)), ssl_context=ssl_context)
        except asyncio.CancelledError:
            pass

    thread = threading.Thread(target=lambda: asyncio.run(main()), name="tokenwire endpoint", daemon=True)
    thread.start()
    loop, task, port = started.get()
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()


async def _drive(connection: ServerConnection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    reading: asyncio.Future[bytes] = asyncio.ensure_future(reader.read(READ_SIZE))
    try:
        while True:
            data = connection.data_to_send(monotonic())
            if data:
                writer.write(data)
                await writer.drain()
                await asyncio.sleep(0)  # drain does not yield while there is room, and others wait too
                continue
            if connection.ending:
                await _end(connection.ending, reading, reader, writer)
                return
            deadline = connection.next_deadline()
            if connection.full or (reader.at_eof() and reading.done()):
                await asyncio.sleep(_wait(deadline) or 0.0)
            else:
                await asyncio.wait({reading}, timeout=_wait(deadline))
                reading = _received(connection, reading, reader)
    except asyncio.CancelledError:
        connection.shut_down(monotonic())
        last = connection.data_to_send(monotonic())
        if not last:
            raise
        writer.write(last)
        await _end("close", reading, reader, writer)
    finally:
        reading.cancel()


def _received(
    connection: ServerConnection, reading: asyncio.Future[bytes], reader: asyncio.StreamReader
) -> asyncio.Future[bytes]:
    """Hands in what was read, if anything was, and reads on until the client's end."""
    if not reading.done():
        return reading
    data = reading.result()
    if not data:
        connection.receive_eof(monotonic())
        return reading
    connection.receive_data(data, monotonic())
    return asyncio.ensure_future(reader.read(READ_SIZE))


def _wait(deadline: float | None) -> float | None:
    return None if deadline is None else max(deadline - monotonic(), 0.0)


async def _end(
    how: Literal["close", "reset"],
    reading: asyncio.Future[bytes],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    if how == "reset":
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        return
    if not writer.can_write_eof():  # TLS, which says goodbye by itself and waits for the client's
        writer.close()
        return
    writer.write_eof()
    try:
        async with asyncio.timeout(LINGER):
            while await reading:
                reading = asyncio.ensure_future(reader.read(READ_SIZE))
    except TimeoutError:
        pass
    writer.close()

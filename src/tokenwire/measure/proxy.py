"""A proxy that does to a stream what proxies in between do: holds it back, cuts it, or knows no WebSocket. A test tool.

It forwards one request a connection, and what follows, byte for byte; of the head it changes what RFC 9110 7.6.1 makes
a proxy's own business.
"""

from __future__ import annotations

import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

from ..drivers.route import route_to
from ..drivers.trust import Trust
from ..errors import ConnectionFailed
from ..protocol.url import Target

__all__ = ["BUFFER", "Proxy", "Upstream", "serve_proxy"]

#: Bytes that a buffering proxy collects: a page, as nginx does by default (`proxy_buffer_size`).
BUFFER = 4096

_READ_SIZE = 64 * 1024
_MAX_HEAD = 64 * 1024


@dataclass(frozen=True, slots=True)
class Proxy:
    """What stands in between.

    :ivar buffers: the body of a response goes on when `BUFFER` bytes of it have come, or its end; frames are not held.
    :ivar upgrades: the fields Upgrade and Connection are forwarded, as a proxy must be told to; without them the server
        sees a plain GET.
    :ivar idle: seconds without a byte in either direction after which both connections are closed.
    :ivar cut: bytes from the server after which both connections are closed.
    """

    buffers: bool = False
    upgrades: bool = True
    idle: float | None = None
    cut: int | None = None

    def forwarded(self, head: bytes, authority: str) -> bytes:
        """The head of a request as the server gets it. What is no WebSocket asks for the end of the connection."""
        first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        fields = [(line.partition(b":")[0].lower(), line) for line in lines]
        websocket = self.upgrades and any(name == b"upgrade" for name, _ in fields)
        own = {b"host"} if websocket else {b"host", b"upgrade", b"connection"}
        kept = [line for name, line in fields if name not in own]
        closing = [] if websocket else [b"Connection: close"]
        return b"\r\n".join([first, b"Host: " + authority.encode(), *kept, *closing]) + b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Upstream:
    """The server that it stands before, and the way there.

    :ivar proxy: through which that goes, as `tokenwire.stream` takes it.
    """

    target: Target
    trust: Trust = field(default_factory=Trust)
    proxy: str | None = "env"

    async def connect(self, tls: ssl.SSLContext | None) -> tuple[StreamReader, StreamWriter]:
        """A connection to it.

        :param tls: what TLS is begun with; None for a server in the clear.
        :raises OSError: when there is none.
        :raises ConnectionFailed: when the proxy on the way refuses.
        """
        route = route_to(self.target, self.proxy)
        reader, writer = await asyncio.open_connection(route.host, route.port)
        try:
            while route.tunnel is not None and not route.tunnel.open:
                writer.write(route.tunnel.data_to_send())
                await writer.drain()
                route.tunnel.receive_data(await reader.read(_READ_SIZE))
            if tls is not None:
                await writer.start_tls(tls, server_hostname=self.target.host)
        except BaseException:
            writer.transport.abort()
            raise
        return reader, writer


async def serve_proxy(proxy: Proxy, upstream: Upstream, *, ready: Callable[[int], None]) -> None:
    """Serves on a free port of loopback until it is cancelled.

    :param ready: is told the port.
    """
    # To load the authorities takes tens of milliseconds, which are none of the server's.
    tls = upstream.trust.context() if upstream.target.tls else None

    async def handle(reader: StreamReader, writer: StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            answers, requests = await upstream.connect(tls)
        except (OSError, ConnectionFailed, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            writer.transport.abort()
            return
        requests.write(proxy.forwarded(head, upstream.target.authority))
        try:
            await _carry(proxy, reader, writer, answers, requests)
        except OSError:
            pass
        finally:
            writer.close()
            requests.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, limit=_MAX_HEAD)
    ready(server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def _carry(
    proxy: Proxy, client: StreamReader, to_client: StreamWriter, server: StreamReader, to_server: StreamWriter
) -> None:
    """Both ways, until one side ends, the proxy cuts, or loses patience (TimeoutError, an OSError)."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(proxy.idle) as patience:

        def alive() -> None:
            if proxy.idle is not None:
                patience.reschedule(loop.time() + proxy.idle)

        up = asyncio.create_task(_requests(client, to_server, alive))
        try:
            await _answers(proxy, server, to_client, alive)
        finally:
            up.cancel()


async def _requests(client: StreamReader, to_server: StreamWriter, alive: Callable[[], None]) -> None:
    while data := await client.read(_READ_SIZE):
        alive()
        to_server.write(data)
        await to_server.drain()
    to_server.close()


async def _answers(proxy: Proxy, server: StreamReader, to_client: StreamWriter, alive: Callable[[], None]) -> None:
    left = inf if proxy.cut is None else proxy.cut
    held = b""
    holds = proxy.buffers
    while data := await server.read(_READ_SIZE):
        alive()
        holds = holds and not data.startswith(b"HTTP/1.1 101")
        held += data[: int(min(left, len(data)))]
        left -= len(data)
        if not holds or len(held) >= BUFFER:
            to_client.write(held)
            await to_client.drain()
            held = b""
        if left <= 0:
            break
    to_client.write(held)

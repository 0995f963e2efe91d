"""What the asyncio driver uses of asyncio: to dial, a `Protocol` that carries bytes, over TLS or without, and a timer.

What comes is given to the link's owner as it comes. What the owner does not want now is held, and beyond a limit not
read any more, so that a slow consumer slows the server down.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Hashable
from contextlib import suppress
from time import monotonic
from typing import Literal, Protocol

from ..protocol.proxy import ConnectTunnel
from .addresses import ATTEMPT_DELAY, Address, Addresses, interleaved, known_addresses
from .opening import READ_SIZE
from .outgoing import Outgoing
from .pool import Idle, Pool
from .tls import TLS

__all__ = ["Ending", "Keeper", "Link", "Owner", "Timer", "dial", "is_fit"]

#: Turns of the event loop in which it reads what lies in a socket: in the first it finds it, in the second it reads it.
_TURNS = 2

#: How a connection ended: as TCP and TLS, if any, announce it, or broken.
Ending = Literal["eof", "reset"]


class Owner(Protocol):
    """Who uses a link. All of this is called from within the event loop."""

    def received(self, data: bytes) -> bool:
        """These bytes came; whether they were taken. Where they were not, the link holds them for `Link.take`."""
        ...

    def ended(self, how: Ending) -> None:
        """The connection ended; what came before was taken."""

    def sent(self) -> None:
        """Nothing is to be sent any more."""


async def dial(host: str, port: int) -> socket.socket:
    """A connection to the first address of the host that answers (RFC 8305).

    :raises OSError: when the name is not known, or no address can be reached.
    """
    left = deque(interleaved(await _resolve(host, port)))
    failure = OSError("the name has no address")
    attempts: set[asyncio.Task[socket.socket | OSError]] = set()
    connected: socket.socket | None = None
    try:
        while connected is None and (left or attempts):
            if left:
                attempts.add(asyncio.create_task(_attempt(left.popleft())))
            delay = ATTEMPT_DELAY if left else None
            done, attempts = await asyncio.wait(attempts, timeout=delay, return_when=asyncio.FIRST_COMPLETED)
            for attempt in done:
                result = attempt.result()
                if isinstance(result, OSError):
                    failure = result
                elif connected is None:
                    connected = result
                else:
                    result.close()
    finally:
        for attempt in attempts:
            attempt.add_done_callback(_close)
            attempt.cancel()
    if connected is None:
        raise failure
    return connected


async def _attempt(address: Address) -> socket.socket | OSError:
    family, kind, protocol, _, place = address
    try:
        attempt = socket.socket(family, kind, protocol)
    except OSError as error:
        return error
    try:
        attempt.setblocking(False)
        await asyncio.get_running_loop().sock_connect(attempt, place)
        attempt.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        attempt.close()
        return error
    except BaseException:
        attempt.close()
        raise
    return attempt


def _close(attempt: asyncio.Task[socket.socket | OSError]) -> None:
    """Nobody waits for this attempt any more."""
    if not attempt.cancelled() and isinstance(connected := attempt.result(), socket.socket):
        connected.close()


async def _resolve(host: str, port: int) -> Addresses:
    known = known_addresses(host, port)
    if known is not None:
        return known
    found: Addresses = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return found


class Link(asyncio.Protocol):
    """One connection: a transport of asyncio, TLS on it or not, what is still to be sent, and what was not taken yet.

    Made by `Link.over`.
    """

    transport: asyncio.Transport

    def __init__(self, connected: socket.socket) -> None:
        #: TLS, where there is any, once its handshake is done.
        self.tls: TLS | None = None
        #: How the peer ended the connection; None while it has not.
        self.ending: Ending | None = None
        #: Something is still to be sent.
        self.sending: bool = False
        #: The loop that it belongs to.
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self._socket = connected
        self._owner: Owner | None = None
        self._wrote: Callable[[bytes], None] | None = None
        self._outgoing = Outgoing()
        self._writable = True
        self._reading = True
        self._held: list[bytes] = []
        self._held_size = 0
        self._news: asyncio.Future[None] | None = None  # while there is no owner: something came

    @classmethod
    async def over(cls, connected: socket.socket, tunnel: ConnectTunnel | None, tls: TLS | None) -> Link:
        """The link over a socket that is connected, after the tunnel, if any, and then TLS, if any, is open.

        :raises ConnectionFailed: when the proxy refuses.
        :raises OSError: when the connection breaks or TLS fails.
        """
        link = cls(connected)
        try:
            await link.loop.create_connection(lambda: link, sock=connected)
        except BaseException:
            connected.close()
            raise
        try:
            await link._establish(tunnel, tls)
        except BaseException:
            link.close()
            raise
        return link

    def attach(self, owner: Owner, wrote: Callable[[bytes], None] | None) -> None:
        """Somebody uses the link from now on.

        :param wrote: is told of each piece that is sent.
        """
        self._owner = owner
        self._wrote = wrote

    # What an owner does.

    @property
    def has_news(self) -> bool:
        """Something is held for the owner, or the connection has ended."""
        return bool(self._held) or self.ending is not None

    def send(self, data: bytes, *, answer: bool = False) -> None:
        """Sends what the transport takes now; the rest follows as it takes more.

        :param answer: as in `Outgoing.add`.
        """
        if self.ending is None:
            self._outgoing.add(data, answer=answer)
            self._push()

    def drop(self) -> None:
        """What was not sent yet is not sent any more."""
        self._outgoing.clear()
        self.sending = not self._writable

    def take(self) -> bytes:
        """What is held, and more will come; empty where nothing is."""
        if not self._held:
            return b""
        held, self._held, self._held_size = self._held, [], 0
        self._read_or_not()
        return held[0] if len(held) == 1 else b"".join(held)

    def has_come(self) -> bool:
        """Whether something lies in the socket that asyncio has not read yet: bytes, an end, or a failure."""
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            return True
        return True

    def close(self) -> None:
        """Closes the connection at once."""
        self._owner = None
        self.drop()
        if self.loop.is_closed():
            self._socket.close()
        else:
            self.transport.abort()

    # What asyncio tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.set_write_buffer_limits(0)  # it is writable when it has sent all
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.ending is not None:
            return
        if self.tls is not None:
            data = self._decrypted(self.tls, data)
        if data:
            self._deliver(data)
        if self.tls is not None and self.tls.ended:
            self._end("eof")

    def eof_received(self) -> bool:
        self._end("eof" if self.tls is None or self.tls.ended else "reset")
        return True  # what is still to be done is ours

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None and self.ending is None:
            # It may have been found while writing: what the server said before that is still to be read.
            with suppress(OSError):
                while (data := self._socket.recv(READ_SIZE)) and self.ending is None:
                    self.data_received(data)
        self._end("reset")

    def pause_writing(self) -> None:
        self._writable = False
        self.sending = True

    def resume_writing(self) -> None:
        self._writable = True
        self._push()

    # What follows from it.

    def _deliver(self, data: bytes) -> None:
        if not self._held and self._owner is not None and self._owner.received(data):
            if self.sending:
                self._read_or_not()
            return
        self._held.append(data)
        self._held_size += len(data)
        self._tell()
        self._read_or_not()

    def _end(self, how: Ending) -> None:
        if self.ending is None:
            self.ending = how
            self.drop()
            if self._owner is not None and not self._held:
                self._owner.ended(how)
            self._tell()

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def _read_or_not(self) -> None:
        """Reads unless enough is held, or too many answers wait to be sent."""
        wanted = self._held_size < READ_SIZE and not self._outgoing.crowded
        if wanted != self._reading and self.ending is None and not self.transport.is_closing():
            self._reading = wanted
            if wanted:
                self.transport.resume_reading()
            else:
                self.transport.pause_reading()

    def _decrypted(self, tls: TLS, data: bytes) -> bytes:
        try:
            plain = tls.receive_data(data)
        except OSError:
            self._end("reset")
            return b""
        if answer := tls.data_to_send():  # to an update of keys, or the like
            self.transport.write(answer)
        return plain

    def _push(self) -> None:
        """Hands the transport one piece, if it takes any: between two pieces is time to read."""
        if self._writable and self._outgoing:
            piece = self._outgoing.take()
            if self._wrote is not None:
                self._wrote(piece)
            try:
                self.transport.write(piece if self.tls is None else self.tls.encrypt(piece))
            except OSError:  # of TLS
                self.drop()
            if self._writable and self._outgoing:
                self.loop.call_soon(self._push)
        self.sending = bool(self._outgoing) or not self._writable
        self._read_or_not()
        if not self.sending and self._owner is not None:
            self._owner.sent()

    async def _establish(self, tunnel: ConnectTunnel | None, tls: TLS | None) -> None:
        if tunnel is not None:
            while not tunnel.open:
                tunnel.receive_data(await self._ask(tunnel.data_to_send()))
        if tls is not None:
            early = b""
            try:
                while not tls.open:
                    early += tls.receive_data(await self._ask(tls.data_to_send()))
            finally:  # the end of the handshake, or the alert that says what is wrong
                self.transport.write(tls.data_to_send())
            self.tls = tls
            if early:
                self._deliver(early)

    async def _ask(self, data: bytes) -> bytes:
        """Sends, and waits for something to come; empty for the end.

        :raises ConnectionResetError: when the connection was broken.
        """
        self.transport.write(data)
        while not (answer := self.take()):
            if self.ending is not None:
                if self.ending == "reset":
                    raise ConnectionResetError
                return b""
            self._news = self.loop.create_future()
            await self._news
        return answer


class Timer:
    """Rings at the time that was set last, or earlier: it is moved only when it has to ring earlier than it would.

    So nothing is done at each read, which moves a deadline on; whoever is rung too early sets it again.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._handle: asyncio.TimerHandle | None = None
        self._at = 0.0

    @property
    def running(self) -> bool:
        """It will ring."""
        return self._handle is not None

    def set(self, deadline: float | None) -> None:
        """Rings at that time at the latest; monotonic seconds, None for never."""
        if deadline is None or (self._handle is not None and self._at <= deadline):
            return
        self.cancel()
        self._at = deadline
        self._handle = asyncio.get_running_loop().call_later(max(deadline - monotonic(), 0.0), self._call)

    def cancel(self) -> None:
        """Does not ring any more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _call(self) -> None:
        self._handle = None
        self._ring()


class Keeper:
    """Owns a link that is idle: feeds what still comes of its last body, and drops it when it ends."""

    def __init__(self, pool: Pool[Link], origin: Hashable, idle: Idle[Link]) -> None:
        self._pool = pool
        self._origin = origin
        self._idle = idle

    def received(self, data: bytes) -> bool:
        self._idle.take_in(data)
        if self._idle.spoilt:
            self._pool.drop(self._origin, self._idle)
        return True

    def ended(self, how: Ending) -> None:
        self._pool.drop(self._origin, self._idle)

    def sent(self) -> None:
        """There is nothing to send."""


async def is_fit(idle: Idle[Link]) -> bool:
    """Whether the idle connection can take a request: it has not ended, and all that came belongs to its last body."""
    link = idle.link
    if link.loop is not asyncio.get_running_loop():
        return False
    for _ in range(_TURNS):
        if link.has_come():
            await asyncio.sleep(0)
    return link.ending is None and not link.has_come() and idle.fit

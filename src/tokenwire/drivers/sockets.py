"""Sockets for the blocking driver: to wait for them, to be woken, to dial, to send and read over TLS or without.

Sockets do not block. A stream has one `Poll`, at which one thread waits at a time and can be woken by others.
"""

from __future__ import annotations

import os
import select
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from math import ceil
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from ..errors import LocalProtocolError
from .addresses import ATTEMPT_DELAY, Address, Addresses, interleaved, known_addresses
from .opening import READ_SIZE
from .outgoing import Outgoing
from .pool import Idle

if TYPE_CHECKING:
    from ..protocol.proxy import ConnectTunnel
    from .tls import TLS

__all__ = ["CLOSED", "Link", "Poll", "dial", "is_fit"]

#: What is said to a program that goes on with a stream that it has closed.
CLOSED = "the stream is closed"

#: What to wait for, and what has come: as `select.poll` has it.
_IN, _OUT = 1, 4

#: Milliseconds of the longest wait; whoever wants to wait longer waits again.
_LONGEST = 24 * 3600 * 1000


class _Poller(Protocol):
    def register(self, fd: int, eventmask: int, /) -> None: ...
    def unregister(self, fd: int, /) -> None: ...
    def poll(self, timeout: int | None = None, /) -> list[tuple[int, int]]: ...


class _Select:
    """What `select.poll` does, for Windows, which has none. A connection that fails is told as an exception there."""

    def __init__(self) -> None:
        self._masks: dict[int, int] = {}

    def register(self, fd: int, eventmask: int) -> None:
        self._masks[fd] = eventmask

    def unregister(self, fd: int) -> None:
        del self._masks[fd]

    def poll(self, timeout: int | None = None) -> list[tuple[int, int]]:
        readers = [fd for fd, mask in self._masks.items() if mask & _IN]
        writers = [fd for fd, mask in self._masks.items() if mask & _OUT]
        seconds = None if timeout is None else timeout / 1000
        readable, writable, failed = select.select(readers, writers, writers, seconds)
        ready = dict.fromkeys(readable, _IN)
        for fd in {*writable, *failed}:
            ready[fd] = ready.get(fd, 0) | _OUT
        return list(ready.items())


def _poller() -> _Poller:
    return _Select() if sys.platform == "win32" else select.poll()


class Poll:
    """Where a stream waits.

    :param lock: whoever calls `wait` holds it; while it waits, others may.
    """

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._poller = _poller()
        self._woken, self._waking = socket.socketpair()
        self._woken.setblocking(False)
        self._waking.setblocking(False)
        self._woken_fd = self._woken.fileno()
        self._poller.register(self._woken_fd, _IN)
        self._stopped = False

    def watch(self, fd: int, wanted: int) -> None:
        """Waits for this socket too, or for something else of it. What breaks is told in either case.

        :param wanted: `_IN`, `_OUT` or both.
        """
        self._poller.register(fd, wanted)

    def forget(self, fd: int) -> None:
        """Waits for this socket no more."""
        self._poller.unregister(fd)

    def wait(self, deadline: float | None) -> list[tuple[int, int]]:
        """Waits until a socket is ready, somebody wakes us or the time has come; gives sockets and what they are for.

        :raises LocalProtocolError: when the stream was stopped.
        """
        milliseconds = None if deadline is None else ceil((deadline - monotonic()) * 1000)
        if milliseconds is not None and not 0 <= milliseconds <= _LONGEST:
            milliseconds = 0 if milliseconds < 0 else _LONGEST
        self._lock.release()
        try:
            ready = self._poller.poll(milliseconds)
        finally:
            self._lock.acquire()
        if self._stopped:
            raise LocalProtocolError(CLOSED)
        for each in ready:
            if each[0] == self._woken_fd:
                with suppress(OSError):
                    self._woken.recv(READ_SIZE)
                ready.remove(each)
                break
        return ready

    def wake(self) -> None:
        """Ends a wait. May be called from any thread."""
        with suppress(OSError):  # it is full, so that it wakes anyway, or closed
            self._waking.send(b"\0")

    def stop(self) -> None:
        """Ends a wait, and those that begin before `go_on`."""
        self._stopped = True
        self.wake()

    def go_on(self) -> None:
        """Whoever waited has left."""
        self._stopped = False

    def close(self) -> None:
        self._woken.close()
        self._waking.close()


def dial(host: str, port: int, poll: Poll, deadline: float | None) -> socket.socket:
    """A connection to the first address of the host that answers (RFC 8305).

    :raises TimeoutError: at the deadline, without an `errno`.
    :raises OSError: when the name is not known, or no address can be reached.
    :raises LocalProtocolError: when the stream was stopped.
    """
    left = interleaved(_resolve(host, port, poll, deadline))
    failure = OSError("the name has no address")
    attempts: dict[int, socket.socket] = {}
    due = 0.0
    try:
        while left or attempts:
            if left and (not attempts or monotonic() >= due):
                try:
                    attempt = _begin(left.pop(0))
                except OSError as refused:
                    failure = refused
                    continue
                attempts[attempt.fileno()] = attempt
                poll.watch(attempt.fileno(), _OUT)
                due = monotonic() + ATTEMPT_DELAY
            for fd, _ in _ready(poll, deadline, due if left else None):
                attempt = attempts.pop(fd)
                poll.forget(fd)
                error = attempt.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if not error:
                    attempt.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    return attempt
                attempt.close()
                failure = OSError(error, os.strerror(error))
    finally:
        for fd, attempt in attempts.items():
            poll.forget(fd)
            attempt.close()
    raise failure


def _begin(address: Address) -> socket.socket:
    family, kind, protocol, _, place = address
    attempt = socket.socket(family, kind, protocol)
    try:
        attempt.setblocking(False)
        with suppress(BlockingIOError):
            attempt.connect(place)
    except OSError:
        attempt.close()
        raise
    return attempt


def _ready(poll: Poll, deadline: float | None, until: float | None = None) -> list[tuple[int, int]]:
    """What is ready; nothing when `until` has come before.

    :raises TimeoutError: at the deadline.
    """
    moments = [moment for moment in (deadline, until) if moment is not None]
    ready = poll.wait(min(moments, default=None))
    if not ready and deadline is not None and monotonic() >= deadline:
        raise TimeoutError
    return ready


def _resolve(host: str, port: int, poll: Poll, deadline: float | None) -> Addresses:
    """The addresses of a host. The system's resolver knows no timeout, so it is asked in a thread that may be left."""
    known = known_addresses(host, port)
    if known is not None:
        return known
    answers: list[Addresses | OSError] = []

    def ask() -> None:
        try:
            answers.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except OSError as error:
            answers.append(error)
        poll.wake()

    threading.Thread(target=ask, name="tokenwire resolver", daemon=True).start()
    while not answers:
        _ready(poll, deadline)
    answer = answers[0]
    if isinstance(answer, OSError):
        raise answer
    return answer


class Link:
    """One connection: a socket, TLS on it or not, and what is still to be sent.

    :param wrote: is told of each piece that is sent.
    """

    def __init__(self, connected: socket.socket, poll: Poll, wrote: Callable[[bytes], None] | None) -> None:
        #: TLS, where there is any, once its handshake is done.
        self.tls: TLS | None = None
        #: The peer has ended the connection, or broken it.
        self.hung_up = False
        #: Something is still to be sent.
        self.sending: bool = False
        self._socket = connected
        self._fd = connected.fileno()
        self._outgoing = Outgoing()
        self._piece = memoryview(b"")  # of the last piece, what the socket has not taken yet
        self._filled = False  # by the last read, its buffer
        self._early = b""  # what came with the end of TLS's handshake
        self.attach(poll, wrote)

    def attach(self, poll: Poll, wrote: Callable[[bytes], None] | None) -> None:
        """Another stream uses the connection from now on."""
        self._poll = poll
        self._wrote = wrote
        self._watch(_IN)

    def detach(self) -> None:
        """The stream that used the connection leaves it as it is."""
        self._poll.forget(self._fd)

    def establish(self, tunnel: ConnectTunnel | None, tls: TLS | None, deadline: float | None) -> None:
        """Opens the tunnel, if any, and then TLS, if any.

        :raises ConnectionFailed: when the proxy refuses.
        :raises OSError: when the connection breaks or TLS fails; `TimeoutError` as in `dial`.
        """
        if tunnel is not None:
            while not tunnel.open:
                tunnel.receive_data(self._ask(tunnel.data_to_send(), deadline))
        if tls is not None:
            try:
                while not tls.open:
                    self._early += tls.receive_data(self._ask(tls.data_to_send(), deadline))
            finally:  # the end of the handshake, or the alert that says what is wrong
                self._send_all(tls.data_to_send(), deadline)
            self.tls = tls

    # What a stream does.

    def send(self, data: bytes, *, answer: bool = False) -> None:
        """Sends what the socket takes now; the rest follows in `transfer`.

        :param answer: as in `Outgoing.add`.
        """
        if data and not self.hung_up:
            self._outgoing.add(data, answer=answer)
            self._push()

    def drop(self) -> None:
        """What was not sent yet is not sent any more."""
        self._outgoing.clear()
        self._piece = memoryview(b"")
        self.sending = False

    def transfer(self, deadline: float | None) -> bytes | None:
        """Sends and reads. Gives what came, empty at the end; None when nothing came before the deadline or a wake.

        :raises OSError: when the connection was reset, or ended without TLS having said so.
        """
        if self._early:
            early, self._early = self._early, b""
            return early
        if self.tls is not None and self.tls.ended:
            return b""
        wanted = _IN
        if self.sending:
            wanted = _OUT if self._outgoing.crowded else _IN | _OUT
        if self._filled and wanted & _IN:
            return self._receive()
        if wanted != self._watched:
            self._watch(wanted)
        ready = 0
        for _, events in self._poll.wait(deadline):
            ready |= events
        if ready & ~_IN and self.sending:
            self._push()
        return self._receive() if ready & ~_OUT else None

    def look(self) -> bytes | None:
        """What has come by now, empty at the end; None for nothing. Waits for nothing; errors as in `transfer`."""
        return b"" if self.tls is not None and self.tls.ended else self._receive()

    def close(self) -> None:
        """Closes the connection at once."""
        self._socket.close()

    # What follows from it.

    def _watch(self, wanted: int) -> None:
        self._watched = wanted
        self._poll.watch(self._fd, wanted)

    def _receive(self) -> bytes | None:
        try:
            data = self._socket.recv(READ_SIZE)
        except (BlockingIOError, InterruptedError):
            self._filled = False
            return None
        self._filled = len(data) == READ_SIZE
        return data if self.tls is None else self._decrypted(self.tls, data)

    def _decrypted(self, tls: TLS, data: bytes) -> bytes | None:
        plain = tls.receive_data(data)
        if answer := tls.data_to_send():  # to an update of keys, or the like
            self._piece = memoryview(bytes(self._piece) + answer)
            self._push()
        return plain if plain or tls.ended else None

    def _push(self) -> None:
        """Sends a piece, or as much of it as the socket takes: between two pieces is time to read."""
        try:
            if not self._piece and self._outgoing:
                self._piece = memoryview(self._next_piece())
            self._piece = self._piece[self._socket.send(self._piece) :]
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            # The server may have refused and closed while the request was on its way: its answer is still to be read.
            self.drop()
        self.sending = bool(self._piece) or bool(self._outgoing)

    def _next_piece(self) -> bytes:
        piece = self._outgoing.take()
        if self._wrote is not None:
            self._wrote(piece)
        return piece if self.tls is None else self.tls.encrypt(piece)

    def _ask(self, data: bytes, deadline: float | None) -> bytes:
        """Sends, and waits for something to come; empty for the end."""
        self._send_all(data, deadline)
        while True:
            self._watch(_IN)
            _ready(self._poll, deadline)
            with suppress(BlockingIOError, InterruptedError):
                return self._socket.recv(READ_SIZE)

    def _send_all(self, data: bytes, deadline: float | None) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._socket.send(rest) :]
            except (BlockingIOError, InterruptedError):
                self._watch(_OUT)
                _ready(self._poll, deadline)


def is_fit(idle: Idle[Link]) -> bool:
    """Whether the idle connection can take a request: it has not ended, and all that came belongs to its last body."""
    try:
        while not idle.spoilt and (data := idle.link.look()) is not None:
            if not data:
                return False
            idle.take_in(data)
    except OSError:
        return False
    return idle.fit

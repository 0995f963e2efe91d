"""A small server that does as its script says, over real sockets on loopback."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

__all__ = ["Peer", "Proxy", "ScriptedServer"]

#: Seconds after which a test that waits is taken to hang.
PATIENCE = 20.0


class Peer:
    """One connection, as the server sees it."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._unread = b""

    def request(self) -> bytes:
        """Reads one request, its body included."""
        while b"\r\n\r\n" not in self._unread:
            self._unread += self._receive()
        head, blank, rest = self._unread.partition(b"\r\n\r\n")
        size = 0
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                size = int(line[15:])
        while len(rest) < size:
            rest += self._receive()
        self._unread = rest[size:]
        return head + blank + rest[:size]

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def wait_for_close(self) -> bool:
        """Whether the client closes, cleanly or not, while we wait."""
        try:
            while self.connection.recv(65536):
                pass
        except TimeoutError:
            return False
        except OSError:
            pass
        return True

    def reset(self) -> None:
        """Ends the connection with RST."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def start_tls(self, context: ssl.SSLContext) -> None:
        self.connection = context.wrap_socket(self.connection, server_side=True)

    def _receive(self) -> bytes:
        data = self.connection.recv(65536)
        if not data:
            raise ConnectionResetError("the client closed")
        return data


class ScriptedServer:
    """Listens, and plays `script` to each connection in a thread of its own.

    :ivar requests: what the script got by `peer.request`, if it kept it there.
    :ivar failures: what went wrong in a script; a test that expects none looks.
    """

    def __init__(self, script: Callable[[Peer], None], *, tls: ssl.SSLContext | None = None) -> None:
        self.failures: list[BaseException] = []
        self.connections = 0
        self._script = script
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"http{'s' if self._tls else ''}://localhost:{self.port}"

    def __enter__(self) -> ScriptedServer:
        self._accepting.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(PATIENCE)
        for thread in self._threads:
            thread.join(PATIENCE)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(PATIENCE)
        peer = Peer(connection)
        try:
            if self._tls is not None:
                peer.start_tls(self._tls)
            self._script(peer)
        except BaseException as error:
            self.failures.append(error)
        finally:
            peer.connection.close()
            connection.close()


class Proxy:
    """A proxy that knows one way only: to `port`, whatever it is asked for."""

    def __init__(self, port: int, answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n") -> None:
        self.asked: list[bytes] = []
        self._port = port
        self._answer = answer

    def __call__(self, peer: Peer) -> None:
        self.asked.append(peer.request())
        peer.send(self._answer)
        if b" 200 " not in self._answer:
            return
        with socket.create_connection(("127.0.0.1", self._port), PATIENCE) as onward:
            back = threading.Thread(target=pump, args=(onward, peer.connection), daemon=True)
            back.start()
            pump(peer.connection, onward)
            back.join(PATIENCE)


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Carries bytes until one side is gone, however it went, and then tells the other."""
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)

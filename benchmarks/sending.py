"""A server in a process of its own, so that only the client is measured: it sends what was prepared, and reads nothing
but where a request ends.

    with sent({"burst": Plan(writes)}) as address: ...     # http://…/burst, https://…/burst, ws://…/burst

The first segment of a path names the plan. A WebSocket begins to be told when the client has said something.
"""

from __future__ import annotations

import base64
import hashlib
import multiprocessing
import re
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

__all__ = ["HEAD", "Address", "Plan", "chunked", "sent"]

#: What RFC 6455 1.3 has hashed with the key.
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

#: Below this, in seconds, the server spins: to sleep takes longer.
_SHORT = 0.001

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


@dataclass(frozen=True)
class Plan:
    """What is sent after the head of a response, or after the handshake.

    :ivar gap: seconds between two writes; 0 sends all at once.
    :ivar repeated: how often the second write is sent, where a stream is too long to be kept.
    """

    writes: Sequence[bytes]
    gap: float = 0.0
    repeated: int = 1


@dataclass(frozen=True)
class Address:
    """Where it listens, and the file of the certificate's authority."""

    plain: int
    tls: int
    authority: str

    def url(self, scheme: str, plan: str) -> str:
        port = self.tls if scheme in ("https", "wss") else self.plain
        return f"{scheme}://localhost:{port}/{plan}" if scheme[-1] == "s" else f"{scheme}://127.0.0.1:{port}/{plan}"


def chunked(blocks: Sequence[bytes]) -> list[bytes]:
    """Each block as a chunk of its own; the last one ends the body (RFC 9112 7.1)."""
    return [b"%x\r\n%s\r\n" % (len(block), block) for block in blocks] + [b"0\r\n\r\n"]


@contextmanager
def sent(plans: Mapping[str, Plan]) -> Iterator[Address]:
    """Serves the plans for the life of the context."""
    import trustme

    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with tempfile.TemporaryDirectory() as folder:
        authority, certificate = trustme.CA(), Path(folder, "server.pem")
        authority.cert_pem.write_to_path(f"{folder}/authority.pem")
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(certificate))
        process = context.Process(target=_serve, args=(dict(plans), str(certificate), theirs), daemon=True)
        process.start()
        try:
            plain, tls = ours.recv()
            yield Address(plain, tls, f"{folder}/authority.pem")
        finally:
            process.kill()
            process.join()


def _serve(plans: Mapping[str, Plan], certificate: str, pipe: Connection) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listeners = [socket.create_server(("127.0.0.1", 0), backlog=512) for _ in range(2)]
    for listener, tls in zip(listeners, (None, context), strict=True):
        threading.Thread(target=_accept, args=(listener, tls, plans), daemon=True).start()
    pipe.send([listener.getsockname()[1] for listener in listeners])
    pipe.poll(None)  # until the client is gone


def _accept(listener: socket.socket, tls: ssl.SSLContext | None, plans: Mapping[str, Plan]) -> None:
    while True:
        client, _ = listener.accept()
        threading.Thread(target=_answer_all, args=(client, tls, plans), daemon=True).start()


def _answer_all(client: socket.socket, tls: ssl.SSLContext | None, plans: Mapping[str, Plan]) -> None:
    """One request after the other, until the client hangs up."""
    try:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            client = tls.wrap_socket(client, server_side=True)
        with client:
            while head := _request(client):
                plan = plans[head.split(b"/", 2)[1].split(b" ", 1)[0].split(b"?", 1)[0].decode()]
                key = re.search(rb"(?i)\r\nsec-websocket-key: *([^\r]*)", head)
                client.sendall(HEAD if key is None else _switching(key[1]))
                if key is not None:
                    client.recv(65536)
                _send(client, plan)
                if key is not None:
                    client.recv(65536)  # its Close; the server is the one who hangs up (RFC 6455 7.1.1)
                    return
    except OSError:
        pass  # the client has what it wanted


def _request(client: socket.socket) -> bytes:
    """The head of the next request, whose body is read too; empty when there is none."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = client.recv(65536)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    missing = int(length[1]) - len(body) if length else 0
    while missing > 0:
        missing -= len(client.recv(missing))
    return head


def _switching(key: bytes) -> bytes:
    accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
    fields = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept
    return b"HTTP/1.1 101 Switching Protocols\r\n" + fields + b"\r\n\r\n"


def _send(client: socket.socket, plan: Plan) -> None:
    if plan.repeated > 1:
        client.sendall(plan.writes[0])
        for _ in range(plan.repeated):
            client.sendall(plan.writes[1])
        client.sendall(b"".join(plan.writes[2:]))
        return
    if not plan.gap:
        client.sendall(b"".join(plan.writes))
        return
    due = time.perf_counter()
    for write in plan.writes:
        client.sendall(write)
        due = max(due + plan.gap, time.perf_counter())
        if plan.gap > _SHORT:
            time.sleep(max(due - time.perf_counter(), 0.0))
        while time.perf_counter() < due:
            pass

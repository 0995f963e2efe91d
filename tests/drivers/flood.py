"""A server, in a process of its own, that pushes one long stream to one client as fast as it is taken.

    python flood.py sse|websocket|websocket-deflate|pings BYTES          prints its port

All kinds but the last are pieces of PIECE bytes; over WebSocket a ping goes before each. What the client says is not
read before all is sent.
"""

from __future__ import annotations

import random
import socket
import sys

from tokenwire.framing.sse import encode
from tokenwire.protocol.websocket import Asked, ConnectionState, WebSocketConnection

#: Bytes of one event, or message.
PIECE = 64 * 1024


def push_events(client: socket.socket, size: int) -> None:
    """Server-sent events in chunks."""
    while b"\r\n\r\n" not in client.recv(65536):
        pass
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    event = encode("x" * PIECE)
    chunk = b"%x\r\n%s\r\n" % (len(event), event)
    for _ in range(size // PIECE):
        client.sendall(chunk)
    client.sendall(b"0\r\n\r\n")


def push_messages(client: socket.socket, size: int, *, compression: bool) -> None:
    """Text messages, and a Close."""
    connection = opened(client, compression=compression)
    # Text that deflate makes half as small: what it makes tiny would be a test of something else.
    message = "".join(random.Random(1).choices("0123456789abcdef", k=PIECE))
    for _ in range(size // PIECE):
        connection.ping()
        connection.send(message)
        client.sendall(connection.data_to_send())
    connection.close()
    client.sendall(connection.data_to_send())
    while data := client.recv(65536):
        connection.receive_data(data)


def push_pings(client: socket.socket, size: int) -> None:
    """Pings, whose answers are never read."""
    connection = opened(client, compression=False)
    while len(pings := connection.data_to_send()) < PIECE:
        for _ in range(1000):
            connection.ping(b"x" * 125)
    for _ in range(size // len(pings)):
        client.sendall(pings)


def opened(client: socket.socket, *, compression: bool) -> WebSocketConnection:
    """The connection after its handshake."""
    connection = WebSocketConnection.server(compression=compression)
    while connection.state is ConnectionState.CONNECTING:
        if any(isinstance(event, Asked) for event in connection.receive_data(client.recv(65536))):
            connection.accept()
    client.sendall(connection.data_to_send())
    return connection


def main() -> None:
    kind, size = sys.argv[1], int(sys.argv[2])
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        client, _ = server.accept()
    with client:
        try:
            if kind == "sse":
                push_events(client, size)
            elif kind == "pings":
                push_pings(client, size)
            else:
                push_messages(client, size, compression=kind == "websocket-deflate")
        except OSError:
            pass  # the client has gone


if __name__ == "__main__":
    main()

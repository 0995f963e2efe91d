"""The asyncio shell of the reference endpoint: how it ends a connection, in the clear and through TLS."""

from __future__ import annotations

import socket
import ssl

import pytest
import trustme

from tokenwire.endpoint import ReferenceEndpoint, background, server

REQUEST = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("tls", [False, True])
def test_a_client_hears_at_once_that_the_answer_was_the_last(tls: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The endpoint lingers for what the client may still send, which must not keep the end from it."""
    monkeypatch.setattr(server, "LINGER", 60.0)
    authority = trustme.CA()
    ours, theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(ours)
    authority.configure_trust(theirs)
    with background(ReferenceEndpoint().connection, ssl_context=ours if tls else None) as port:
        plain = socket.create_connection(("127.0.0.1", port), 20.0)
        with theirs.wrap_socket(plain, server_hostname="localhost") if tls else plain as client:
            client.sendall(REQUEST)
            answer = b""
            while data := client.recv(65536):
                answer += data
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"}")

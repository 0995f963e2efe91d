"""The CONNECT tunnel through a proxy (RFC 9110, 9.3.6)."""

from __future__ import annotations

import pytest

from cutting import every_way
from tokenwire.errors import ConnectionFailed
from tokenwire.protocol.proxy import ConnectTunnel


@pytest.mark.parametrize(
    ("tunnel", "request_bytes"),
    [
        (ConnectTunnel("a.test", 443), b"CONNECT a.test:443 HTTP/1.1\r\nhost: a.test:443\r\n\r\n"),
        (ConnectTunnel("::1", 8443), b"CONNECT [::1]:8443 HTTP/1.1\r\nhost: [::1]:8443\r\n\r\n"),
        (
            ConnectTunnel("a.test", 443, "me:s3cret"),
            b"CONNECT a.test:443 HTTP/1.1\r\nhost: a.test:443\r\nproxy-authorization: Basic bWU6czNjcmV0\r\n\r\n",
        ),
    ],
)
def test_a_tunnel_is_asked_for_once(tunnel: ConnectTunnel, request_bytes: bytes) -> None:
    assert tunnel.data_to_send() == request_bytes
    assert tunnel.data_to_send() == b""
    assert not tunnel.open


OPENED = [
    b"HTTP/1.1 200 Connection established\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nVia: 1.1 squid\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
]


@pytest.mark.parametrize("answer", OPENED)
def test_a_tunnel_opens_with_any_success_however_it_is_cut(answer: bytes) -> None:
    for pieces in every_way(answer):
        tunnel = ConnectTunnel("a.test", 443)
        for number, piece in enumerate(pieces):
            assert not tunnel.open, pieces[:number]
            tunnel.receive_data(piece)
        assert tunnel.open, pieces


# (the proxy's bytes, what the message says)
REFUSED = [
    (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "refused a tunnel to a.test:443: 407 Proxy Auth"),
    (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\noops", "502 Bad Gateway"),
    (b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", "302 Found"),
    (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "does not speak HTTP"),
    (b"", "closed the connection"),
    (b"HTTP/1.1 200 O", "closed the connection"),
    (b"HTTP/1.1 100 Continue\r\n\r\n", "closed the connection"),
    (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000, "does not speak HTTP"),
]


@pytest.mark.parametrize(("answer", "words"), REFUSED)
def test_a_refused_tunnel_says_why(answer: bytes, words: str) -> None:
    tunnel = ConnectTunnel("a.test", 443, "me:s3cret")
    with pytest.raises(ConnectionFailed, match=words) as caught:
        answered(tunnel, answer)
    assert caught.value.phase == "proxy"
    assert "s3cret" not in str(caught.value)
    assert not tunnel.open


def test_bytes_that_come_with_the_opening_are_refused() -> None:
    """The client speaks first in TLS: whoever speaks before it is not the server."""
    tunnel = ConnectTunnel("a.test", 443)
    with pytest.raises(ConnectionFailed, match="before the tunnel was used"):
        tunnel.receive_data(b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")


def answered(tunnel: ConnectTunnel, answer: bytes) -> None:
    if answer:
        tunnel.receive_data(answer)
    tunnel.receive_data(b"")

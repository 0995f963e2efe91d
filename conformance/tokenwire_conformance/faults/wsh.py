"""Faults of the WebSocket handshake."""

from __future__ import annotations

import re

from tokenwire.endpoint import Call, Exchange

from .editing import Editing
from .fault import edit_head, socket_fault

_NONCE = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="


def _with_field(head: bytes, field: bytes) -> bytes:
    return head.replace(b"\r\n\r\n", b"\r\n" + field + b"\r\n\r\n")


def _without_field(head: bytes, name: bytes) -> bytes:
    return re.sub(rb"(?im)^" + name + rb":[^\r\n]*\r\n", b"", head)


def _is_granted(head: bytes) -> bool:
    return head.startswith(b"HTTP/1.1 101")


@socket_fault("wrong-accept", trips="wsh.accept")
class WrongAccept(Editing):
    def answer(self, head: bytes) -> bytes:
        return re.sub(rb"(?i)(sec-websocket-accept: ).", rb"\1_", head)


@socket_fault("no-connection-header", trips="wsh.upgrade-headers")
class NoConnectionHeader(Editing):
    def answer(self, head: bytes) -> bytes:
        return _without_field(head, b"connection") if _is_granted(head) else head


@socket_fault("unoffered-protocol", trips="wsh.subprotocol")
class UnofferedProtocol(Editing):
    def answer(self, head: bytes) -> bytes:
        fits = _is_granted(head) and b"sec-websocket-protocol" not in head.lower()
        return _with_field(head, b"Sec-WebSocket-Protocol: chat") if fits else head


@socket_fault("unoffered-deflate", trips="wsh.extension")
class UnofferedDeflate(Editing):
    offered = False

    def request(self, head: bytes) -> bytes:
        self.offered = b"permessage-deflate" in head
        return head

    def answer(self, head: bytes) -> bytes:
        fits = _is_granted(head) and not self.offered
        return _with_field(head, b"Sec-WebSocket-Extensions: permessage-deflate") if fits else head


@socket_fault("accept-v12", trips="wsh.version")
class AcceptV12(Editing):
    def request(self, head: bytes) -> bytes:
        return head.replace(b"Sec-WebSocket-Version: 12", b"Sec-WebSocket-Version: 13")


@socket_fault("accept-no-key", trips="wsh.bad-key")
class AcceptNoKey(Editing):
    def request(self, head: bytes) -> bytes:
        asks = b"Upgrade: websocket" in head
        return _with_field(head, _NONCE) if asks and b"Sec-WebSocket-Key" not in head else head


@socket_fault("accept-short-key", trips="wsh.bad-key")
class AcceptShortKey(Editing):
    def request(self, head: bytes) -> bytes:
        return re.sub(rb"Sec-WebSocket-Key: \S{1,23}\r", _NONCE + rb"\r", head)


@socket_fault("accept-post", trips="wsh.method")
class AcceptPost(Editing):
    def request(self, head: bytes) -> bytes:
        return re.sub(rb"\APOST ", b"GET ", head)


@socket_fault("accept-http10", trips="wsh.http10")
class AcceptHttp10(Editing):
    def request(self, head: bytes) -> bytes:
        return head.replace(b" HTTP/1.0\r\n", b" HTTP/1.1\r\n")


@socket_fault("accept-no-upgrade", trips="wsh.tokens-required")
class AcceptNoUpgrade(Editing):
    def request(self, head: bytes) -> bytes:
        asks = b"Sec-WebSocket-Key" in head
        return _with_field(_without_field(head, b"upgrade"), b"Upgrade: websocket") if asks else head


@socket_fault("accept-no-connection", trips="wsh.tokens-required")
class AcceptNoConnection(Editing):
    def request(self, head: bytes) -> bytes:
        return head.replace(b"Connection: keep-alive\r\n", b"Connection: Upgrade\r\n")


@socket_fault("case-sensitive", trips="wsh.token-case")
class CaseSensitive(Editing):
    def request(self, head: bytes) -> bytes:
        return head.replace(b"Upgrade: WebSocket\r\n", b"")


@socket_fault("ignore-bad-extension", trips="wsh.bad-extension")
class IgnoreBadExtension(Editing):
    def request(self, head: bytes) -> bytes:
        return re.sub(rb"Sec-WebSocket-Extensions: [^\r]*=,[^\r]*\r\n", b"", head)


@socket_fault("any-origin", trips="wsh.origin")
class AnyOrigin(Editing):
    """Over HTTP one page may ask, over WebSocket any."""

    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        return edit_head(exchange, lambda head: re.sub(rb"(?i)(allow-origin: )\*", rb"\1https://app.test", head))


@socket_fault("200-on-upgrade", trips="wsh.no-plain-200")
class PlainAnswer(Editing):
    def answer(self, head: bytes) -> bytes:
        return re.sub(rb"\AHTTP/1.1 404 [^\r]*", b"HTTP/1.1 200 OK", head)


@socket_fault("empty-403", trips="wsh.reject-envelope")
class EmptyRefusal(Editing):
    def outgoing(self, data: bytes) -> bytes:
        head, _, _ = data.partition(b"\r\n\r\n")
        if not re.match(rb"HTTP/1.1 40[14] ", head):
            return super().outgoing(data)
        head = _without_field(head + b"\r\n", b"content-(length|type)").removesuffix(b"\r\n") + b"\r\n\r\n"
        return _with_field(re.sub(rb"\AHTTP/1.1 40[14] [^\r]*", b"HTTP/1.1 403 Forbidden", head), b"Content-Length: 0")


@socket_fault("426-no-upgrade", trips="wsh.426-upgrade")
class NoUpgradeIn426(Editing):
    def answer(self, head: bytes) -> bytes:
        return head if _is_granted(head) else _without_field(head, b"upgrade")

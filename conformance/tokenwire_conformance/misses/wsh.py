"""Near misses of the opening handshake."""

from __future__ import annotations

import re

from tokenwire.endpoint import Call, Exchange, Seams

from ..faults import all_faults
from ..faults.editing import CLOSE, Editing, RawFrame
from ..faults.fault import edit_head
from ..faults.wsh import IgnoreBadExtension
from ..probes.websocket import FOREIGN_ORIGIN
from .edits import HINTS, answer_head, code, granted
from .miss import Undo, near_miss

_HANDSHAKE = "checks.wsh"


class _OneForeignOrigin(Editing):
    """Over HTTP the very page may ask that gets a WebSocket."""

    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        allowed = rb"\1" + FOREIGN_ORIGIN.encode()
        return edit_head(exchange, lambda head: re.sub(rb"(?i)(allow-origin: )\*", allowed, head))


class _Hints(Editing):
    """A handshake in other capitals gets an interim answer first."""

    _odd = False

    def request(self, head: bytes) -> bytes:
        self._odd = b"\r\nUpgrade: WebSocket\r\n" in head
        return head

    def answer(self, head: bytes) -> bytes:
        return HINTS + head if self._odd else head


class _FailsBadExtension(IgnoreBadExtension):
    """Behind the 101 to an offer that is malformed stands a Close."""

    _malformed = False

    def request(self, head: bytes) -> bytes:
        sound = super().request(head)
        self._malformed = sound != head
        return sound

    def answer(self, head: bytes) -> bytes:
        return head + RawFrame(CLOSE, code(1010)).encode() if self._malformed else head


class _OtherError(Seams):
    """A refusal has an object of another form."""

    def outgoing(self, data: bytes) -> bytes:
        return data.replace(b'{"error":', b'{"fault":')


near_miss(
    "wsh.accept",
    of="wrong-accept",
    what="A key that is none is granted, and answered as if it were another: that is for another check.",
    seams=all_faults()["accept-short-key"].seams,
    undo=Undo(_HANDSHAKE, "_NONCE.fullmatch(_nonce(socket.response)) is not None", "True"),
    seen_in="ws-answer ws-nonce-short",
)
near_miss(
    "wsh.subprotocol",
    of="unoffered-protocol",
    what="The second of two subprotocols is taken.",
    seams=granted(lambda head: head.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Protocol: tokenwire.two\r\n\r\n")),
    undo=Undo(_HANDSHAKE, "offered = {name.strip() for name in", "offered = {name for name in"),
    seen_in="ws-subprotocol",
)
near_miss(
    "wsh.extension",
    of="unoffered-deflate",
    what="An extension is agreed with a parameter that the offer has not.",
    seams=granted(lambda head: head.replace(b"permessage-deflate", b"permessage-deflate; server_no_context_takeover")),
    undo=Undo(_HANDSHAKE, "if agreed.name not in offered:", "if agreed not in socket.offered:"),
)
near_miss(
    "wsh.token-case",
    of="case-sensitive",
    what="An interim answer comes before the 101.",
    seams=_Hints,
    undo=Undo("reading.http", "if not 100 <= response.status < 200 or response.status == 101:", "if response.status:"),
)
near_miss(
    "wsh.bad-extension",
    of="ignore-bad-extension",
    what="The WebSocket is granted, and failed at once.",
    seams=_FailsBadExtension,
    undo=Undo(_HANDSHAKE, ' and not case.socket("ws-bad-extension").failed:', ":"),
)
near_miss(
    "wsh.upgrade-headers",
    of="no-connection-header",
    what="Connection has another option too.",
    seams=answer_head(lambda head: re.sub(rb"(?i)(\r\nconnection: )upgrade", rb"\1keep-alive, UPGRADE", head)),
    undo=Undo(_HANDSHAKE, "if wanted not in response.tokens(name):", "if wanted != response.header(name).lower():"),
)
near_miss(
    "wsh.version",
    of="accept-v12",
    what="Version 12 is refused with 400, which lists 13.",
    seams=answer_head(lambda head: head.replace(b"HTTP/1.1 426 ", b"HTTP/1.1 400 ")),
    undo=Undo(_HANDSHAKE, "    if not 400 <= response.status < 500:\n", "    if response.status != 426:\n"),
)
for _check, _fault in (
    ("wsh.bad-key", "accept-no-key"),
    ("wsh.method", "accept-post"),
    ("wsh.http10", "accept-http10"),
    ("wsh.tokens-required", "accept-no-upgrade"),
):
    near_miss(
        _check,
        of=_fault,
        what="The request gets no WebSocket, but a 200: whether that is well said is for another check.",
        seams=answer_head(lambda head: re.sub(rb"\AHTTP/1\.1 4[0-9]{2} ", b"HTTP/1.1 200 ", head)),
        undo=Undo(
            _HANDSHAKE,
            'status == 101:\n        yield Finding(f"a WebSocket is granted to {what}',
            'status < 300:\n        yield Finding(f"a WebSocket is granted to {what}',
        ),
    )
near_miss(
    "wsh.origin",
    of="any-origin",
    what="Over HTTP the endpoint is for the very page that gets a WebSocket.",
    seams=_OneForeignOrigin,
    undo=Undo(_HANDSHAKE, 'if allowed not in ("*", FOREIGN_ORIGIN):', 'if allowed != "*":'),
)
near_miss(
    "wsh.no-plain-200",
    of="200-on-upgrade",
    what="A handshake is answered by a redirect.",
    seams=answer_head(lambda head: re.sub(rb"\AHTTP/1\.1 404 ", b"HTTP/1.1 302 ", head)),
    undo=Undo(_HANDSHAKE, "        if 200 <= response.status < 300:", "        if 200 <= response.status < 400:"),
)
near_miss(
    "wsh.reject-envelope",
    of="empty-403",
    what="The object in a refusal has another form.",
    seams=_OtherError,
    undo=Undo(
        _HANDSHAKE,
        "if not isinstance(said, dict) or not said:",
        'if not isinstance(said, dict) or "error" not in said:',
    ),
)
near_miss(
    "wsh.426-upgrade",
    of="426-no-upgrade",
    what="A 426 names another protocol too.",
    seams=answer_head(
        lambda head: re.sub(rb"(?i)(\r\nupgrade: )websocket", rb"\1h2c, websocket", head) if b" 426 " in head else head
    ),
    undo=Undo(
        _HANDSHAKE,
        'if "websocket" not in response.tokens("upgrade"):',
        'if response.header("upgrade").lower() != "websocket":',
    ),
)

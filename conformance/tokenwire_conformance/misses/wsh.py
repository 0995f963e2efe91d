"""Near misses of the opening handshake."""

from __future__ import annotations

import re

from tokenwire.endpoint import Call, Exchange, Seams

from ..faults.editing import Editing
from ..faults.fault import edit_head
from ..probes.websocket import FOREIGN_ORIGIN
from .edits import answer_head
from .miss import Undo, near_miss

_HANDSHAKE = "checks.wsh"


class _OneForeignOrigin(Editing):
    """Over HTTP the very page may ask that gets a WebSocket."""

    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        allowed = rb"\1" + FOREIGN_ORIGIN.encode()
        return edit_head(exchange, lambda head: re.sub(rb"(?i)(allow-origin: )\*", allowed, head))


class _OtherError(Seams):
    """A refusal has an object of another form."""

    def outgoing(self, data: bytes) -> bytes:
        return data.replace(b'{"error":', b'{"fault":')


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

"""WebSocket frames (RFC 6455, 5)."""

from __future__ import annotations

from collections.abc import Iterator

from ..case import Case, at, at_frame
from ..registry import active, passive
from ..sockets import Socket
from ..verdict import Finding, Level

MUST, SHOULD, INFO = Level.MUST, Level.SHOULD, Level.INFO


def _noted(socket: Socket, rule: str) -> Iterator[Finding]:
    """What the reading of the server's frames has noted under the id of a check."""
    for problem in socket.wrong:
        if problem.rule == rule:
            yield Finding(problem.message, at_frame(socket, problem.offset))


def _not_taken(case: Case, probe: str, what: str) -> Iterator[Finding]:
    """What is invalid was not taken for valid, and the connection failed."""
    case.talking()
    socket = case.socket(probe)
    if socket.messages:
        yield Finding(f"{what} is taken as if it were valid", at_frame(socket, socket.messages[0].offset))
    elif not socket.failed:
        yield Finding(f"after {what} the connection goes on", at(socket.response))


@passive(
    "wsf.server-unmasked",
    MUST,
    "RFC 6455 5.1",
    "The server's frames are not masked.",
    on="sockets",
    shown_by=("ws-answer",),
    breaks="a client must close the connection (RFC 6455, 5.1)",
)
def server_unmasked(socket: Socket) -> Iterator[Finding]:
    yield from _noted(socket, "wsf.server-unmasked")


@active(
    "wsf.need-mask",
    MUST,
    "RFC 6455 5.1",
    "A frame of a client that is not masked ends the connection.",
    probes=("ws-answer", "ws-unmasked"),
)
def need_mask(case: Case) -> Iterator[Finding]:
    yield from _not_taken(case, "ws-unmasked", "a frame that is not masked")

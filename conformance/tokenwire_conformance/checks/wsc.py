"""The closing of a WebSocket (RFC 6455, 5.5.1 and 7)."""

from __future__ import annotations

from collections.abc import Iterator

from ..case import Case, at
from ..registry import active
from ..verdict import Finding, Level

MUST, SHOULD, INFO = Level.MUST, Level.SHOULD, Level.INFO


@active(
    "wsc.echo",
    MUST,
    "RFC 6455 5.5.1",
    "A Close is answered by a Close.",
    probes=("ws-answer",),
)
def echo(case: Case) -> Iterator[Finding]:
    socket = case.talking()
    if socket.close is None:
        yield Finding("the client's Close is not answered by one", at(socket.response))

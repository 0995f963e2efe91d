"""A server that says no Close: what judges its Close has nothing to judge, and nothing is left open."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hand_made import handshake, verdict

from tokenwire.endpoint import Ending
from tokenwire.framing.websocket import CLOSE, PING, TEXT, close_payload
from tokenwire_conformance.faults.editing import Editing, RawFrame
from tokenwire_conformance.judging.case import given_up
from tokenwire_conformance.matrix import examine
from tokenwire_conformance.probes.asking import FORGIVING
from tokenwire_conformance.probes.socket_talk import frame
from tokenwire_conformance.reading.transcript import Transcript


class Endless(Editing):
    """It says no Close, and leaves every connection open."""

    def sent(self, frame: RawFrame) -> Iterable[RawFrame]:
        return [] if frame.opcode == CLOSE else [frame]

    def ending(self, ending: Ending) -> Ending:
        return ""


class Curt(Endless):
    """It says no Close, and ends the connection where one was due."""

    def ending(self, ending: Ending) -> Ending:
        return ending


#: What judges the Close of a server.
OF_CLOSE = ("wsc.code-sent", "wsc.silent-after", "wsc.server-tcp-first")


@pytest.mark.parametrize("seams", [Endless, Curt])
@pytest.mark.parametrize("dialect", FORGIVING)
def test_what_judges_a_close_does_not_apply_without_one(dialect: str, seams: type[Editing]) -> None:
    results = {one.id: one for one in examine(seams, dialect, ["wsc."], "websocket")}
    assert {check: results[check].verdict for check in OF_CLOSE} == dict.fromkeys(OF_CLOSE, "NOT-APPLICABLE")
    assert results["wsc.echo"].verdict == "FAIL"


GOODBYE = (">", frame(CLOSE, close_payload(1000)))
QUESTION = (">", frame(TEXT, b'{"messages":[]}'))
PINGED = (">", frame(PING, b"p"))
ANSWER = ("<", frame(TEXT, b'{"type":"done"}', masked=False))


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (handshake("ws-close", GOODBYE), False),
        (handshake("ws-close", PINGED, GOODBYE), False),
        (handshake("ws-close", QUESTION, GOODBYE), True),
        (handshake("ws-close", QUESTION, ANSWER, GOODBYE), False),
        (handshake("ws-close", QUESTION, end="eof"), False),
        (handshake("ws-close"), False),
    ],
)
def test_an_answer_is_awaited_where_something_was_asked(made: Transcript, expected: bool) -> None:
    assert given_up(made) is expected


def test_a_connection_that_was_gone_before_it_could_be_closed_leaves_it_open() -> None:
    result = verdict("wsc.server-tcp-first", handshake("ws-close", end="reset"))
    assert (result.verdict, "was gone before" in result.message) == ("INCONCLUSIVE", True)

"""A recording that ends before the answer does: that nothing of a kind was seen is not known before the end."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hand_made import answer, choice, chunk, events, handshake

from capturing import curl_i
from tokenwire.recording import Recording
from tokenwire.recording.captures import read_captures
from tokenwire_conformance.judging.case import Case
from tokenwire_conformance.judging.judge import judge_run, select
from tokenwire_conformance.judging.judged import Run
from tokenwire_conformance.judging.verdict import Verdict
from tokenwire_conformance.probes.socket_talk import frame
from tokenwire_conformance.reading.frames import TEXT
from tokenwire_conformance.reading.transcript import Transcript

BEGUN = events(chunk(choice("Hel")))

#: What no head can tell, and what one has told: its absence is known before the end.
IN_THE_BODY = ["chat.tool-index", "sse.retry-digits", "sse.id-nul"]
IN_THE_HEAD = ["http.vary", "err.retry-after", "wsh.accept", "wsc.code-sent"]


def lint(made: Transcript) -> Run:
    case = Case([made])
    return judge_run(case, [check for check in select(passive_only=True) if check.fits(case.dialects)])


def verdicts(made: Transcript, checks: Iterable[str]) -> dict[str, Verdict]:
    found = {result.id: result.verdict for result in lint(made).results}
    return {check: found[check] for check in checks if check in found}


@pytest.mark.parametrize(("end", "open_"), [("left", True), ("cut", False), ("whole", False)])
def test_nothing_of_the_kind_is_said_only_of_a_recording_with_an_end(end: str, open_: bool) -> None:
    made = answer(BEGUN, "a recording", end=end)
    in_the_body = set(verdicts(made, IN_THE_BODY).values())
    assert in_the_body == {Verdict.INCONCLUSIVE if open_ else Verdict.NOT_APPLICABLE}
    assert set(verdicts(made, IN_THE_HEAD).values()) == {Verdict.NOT_APPLICABLE}


@pytest.mark.parametrize("end", ["closed by us", "timeout", "left open"])
def test_a_websocket_whose_answer_has_no_end_is_open_too(end: str) -> None:
    said = ((">", frame(TEXT, b'{"messages":[]}')), ("<", frame(TEXT, b'{"type":"content_delta"}', masked=False)))
    checks = ["wsc.code-sent", "wsl.error-envelope", "sse.retry-digits", "http.vary"]
    open_ = verdicts(handshake("a recording", *said, end=end), checks)
    assert list(open_.values()) == ["INCONCLUSIVE", "INCONCLUSIVE", "NOT-APPLICABLE", "NOT-APPLICABLE"]
    assert set(verdicts(handshake("a recording", *said, end="eof"), checks).values()) == {Verdict.NOT_APPLICABLE}


def test_a_recording_that_was_left_is_no_run_that_is_incomplete() -> None:
    assert lint(answer(BEGUN, "a recording", end="left")).exit_code != 7


def test_what_a_source_does_not_show_does_not_apply_though_the_end_is_missing() -> None:
    own = answer(BEGUN, "own", end="left").recording
    [capture] = read_captures(curl_i(Recording({}, own.entries)), "FILE")
    results = lint(Transcript.of("FILE", capture)).results
    assert Verdict.INCONCLUSIVE not in {result.verdict for result in results}

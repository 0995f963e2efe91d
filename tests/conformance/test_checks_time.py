"""The checks of time, over all dialects in which a model is asked, and where they must not judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hand_made import answer, events

from tokenwire.endpoint import Call, Exchange, Reply, Seams, Write
from tokenwire.recording import Entry, Recording
from tokenwire_conformance.faults.time import gathered, held, is_coded, timed
from tokenwire_conformance.judging.case import Case
from tokenwire_conformance.judging.judge import judge_all, select
from tokenwire_conformance.matrix import examine
from tokenwire_conformance.probes.asking import PROMPTED
from tokenwire_conformance.reading.transcript import Transcript

#: The dialects whose framing is text. The words of Amazon's binary framing are not read by the suite.
TEXTUAL = tuple(dialect for dialect in PROMPTED if dialect != "bedrock-converse")

FAULTS = {
    "time.headers-early": timed(head=1.0, first=0.0),
    "time.progressive": timed(body=held),
    "time.gzip-flush": timed(body=held, when=is_coded),
    "time.coalescing": timed(body=gathered(6)),
    "time.terminal-prompt": timed(last=2.0),
    "time.close-after-terminal": timed(end=5.0),
    "time.keepalive": timed(first=30.0),
}


def told(seams: type[Seams], dialect: str = "openai-chat", *, check: str = "time.") -> dict[str, tuple[str, str]]:
    return {result.id: (str(result.verdict), result.message) for result in examine(seams, dialect, [check])}


@pytest.mark.parametrize("dialect", TEXTUAL)
@pytest.mark.parametrize("check", FAULTS)
def test_each_fault_of_time_is_told_in_every_dialect(check: str, dialect: str) -> None:
    found = {name for name, (verdict, _) in told(FAULTS[check], dialect).items() if verdict in ("WARN", "INFO", "FAIL")}
    without_comments = check == "time.keepalive" and dialect == "ollama"  # JSON lines have none
    assert found == (set() if without_comments else {check})


def test_a_response_that_lingers_until_we_leave_is_told() -> None:
    verdict, message = told(timed(end=700.0), check="time.close-after-terminal")["time.close-after-terminal"]
    assert verdict == "WARN"
    assert "had not ended" in message


@pytest.mark.parametrize("pace", [0.008, 0.02, 0.05, 0.2])
def test_a_stream_in_pieces_has_the_same_verdicts_however_quick_it_is(pace: float) -> None:
    found = told(timed(body=lambda writes: [replace(write, delay=pace) for write in writes]))
    assert (found["time.progressive"][0], found["time.coalescing"][0]) == ("PASS", "PASS")


@pytest.mark.parametrize(("first", "wanted"), [(0.01, "NOT-APPLICABLE"), (0.2, "PASS"), (0.45, "PASS"), (2.0, "PASS")])
def test_a_head_that_comes_early_is_seen_before_anybody_waits_for_long(first: float, wanted: str) -> None:
    assert told(timed(head=0.0, first=first), check="time.headers-early")["time.headers-early"][0] == wanted


@pytest.mark.parametrize("check", ["time.headers-early", "time.terminal-prompt", "time.close-after-terminal"])
def test_what_is_slow_once_is_no_finding(check: str) -> None:
    """A server that has just started loads what it needs for its first answer."""

    def seams(answers: int) -> type[Seams]:
        class Cold(FAULTS[check]):  # type: ignore[misc, valid-type]
            asked = 0

            def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
                Cold.asked += call is not None and call.method == "POST"
                return super().exchange(call, exchange) if Cold.asked <= answers else exchange

        return Cold

    once = told(seams(1), check=check)[check][0]
    assert once == told(seams(0), check=check)[check][0]
    assert told(seams(2), check=check)[check][0] == "WARN"


def test_answers_that_are_made_in_a_moment_are_not_held_back() -> None:
    """A server that thinks for two seconds, and then says everything at once, whatever is asked."""
    verdict, message = told(timed(first=2.0, body=_hurried), check="time.progressive")["time.progressive"]
    assert verdict == "NOT-APPLICABLE"
    assert "made in a moment" in message


def test_a_first_answer_that_is_late_is_not_held_back() -> None:
    """A model that has to be loaded first."""

    class Cold(Seams):
        asked = 0

        def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
            Cold.asked += 1
            writes = [replace(write, delay=0.0) for write in exchange.writes]
            first = [replace(writes[0], delay=5.0), *writes[1:]]
            return replace(exchange, writes=first if Cold.asked == 1 else writes)

    assert told(Cold, check="time.progressive")["time.progressive"][0] == "NOT-APPLICABLE"


def test_one_stream_of_several_that_came_at_once_is_no_finding() -> None:
    """A machine that is busy may be late for one of them."""
    assert (
        told(timed(body=held, when=lambda call: call.header("connection") == "close"))["time.progressive"][0] == "PASS"
    )


def test_a_stream_that_pauses_between_comments_is_kept_alive() -> None:
    class Commented(Seams):
        def reply(self, call: Call, reply: Reply) -> Reply:
            if not reply.pieces:
                return reply
            comments = [replace(reply.pieces[0], delay=14.0, data=b": keep-alive\n\n") for _ in range(3)]
            return replace(reply, pieces=[*comments, *reply.pieces])

    assert told(Commented, check="time.keepalive")["time.keepalive"][0] == "PASS"


CHUNKS = [{"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
           "choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": None}]}] * 12  # fmt: skip


def test_a_recording_of_one_answer_that_came_at_once_is_not_enough() -> None:
    made = answer(events(*CHUNKS)).recording
    entries = [Entry(each.seconds + 3.0 * (each.kind != ">"), each.kind, each.data) for each in made.entries]
    case = Case([Transcript("late", Recording({}, entries))])
    (result,) = judge_all(case, select(["time.progressive"]))
    assert str(result.verdict) == "INCONCLUSIVE"
    assert "no shorter one" in result.message


def _hurried(writes: Sequence[Write]) -> list[Write]:
    return [replace(write, delay=0.0) for write in writes]

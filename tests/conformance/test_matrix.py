"""The kill matrix: what keeps the suite honest."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache

import pytest

from tokenwire.endpoint import Seams
from tokenwire_conformance.faults import FAULTS, all_faults
from tokenwire_conformance.faults.rate import MANY
from tokenwire_conformance.judging.judge import select
from tokenwire_conformance.judging.verdict import Verdict
from tokenwire_conformance.matrix import EXAMINED, examine, row
from tokenwire_conformance.probes.talk import Transport

CHECKS = [check.id for check in select()]


@cache
def clean(dialect: str, transport: Transport) -> dict[str, Verdict]:
    """The verdicts on the clean endpoint; of the checks that compare, those on it as a hop before another, and of those
    that count, those on many answers.
    """
    alone = examine(dialect=dialect, transport=transport)
    behind = examine(dialect=dialect, transport=transport, origin=Seams)
    counted = examine(dialect=dialect, transport=transport, many=MANY)
    return {result.id: result.verdict for result in [*alone, *behind, *counted]}


@pytest.mark.parametrize(("dialect", "transport"), EXAMINED)
def test_the_clean_endpoint_passes_everything_that_applies(dialect: str, transport: Transport) -> None:
    verdicts = clean(dialect, transport)
    assert set(verdicts.values()) == {Verdict.PASS, Verdict.NOT_APPLICABLE}, verdicts


#: What a sound endpoint has no need of over HTTP: a compressed answer to GET, a stream for GET, ids, `retry`, a 429; a
#: long silence before an answer, or within it; an answer that breaks off; a Close.
UNSEEN = {
    "http.vary",
    "http.cache-control",
    "sse.id-no-nul",
    "sse.retry-digits",
    "err.retry-after",
    "time.headers-early",
    "time.keepalive",
    "hop.cut",
    "hop.close-code",
    "resume.ids-monotonic",
    "resume.last-event-id",
}

#: What an endpoint can have only where its dialect lets a stream be asked for again.
RESUMED = {"resume.starting-after", "resume.no-gap-no-dup", "resume.unknown-id", "resume.cross-tenant"}
SILENT = {"wsk.long-prefill"}

#: What OpenAI's Responses alone have on a WebSocket.
STATE = {
    f"wsl.{name}"
    for name in ("continuation", "prev-not-found", "evict", "lanes-fifo", "lanes-isolated", "no-multiplex")
}


@pytest.mark.parametrize(
    ("dialect", "transport", "idle", "passed"),
    [
        ("openai-chat", "http/1.1", UNSEEN | RESUMED, 105),
        ("openai-responses", "http/1.1", UNSEEN - {"http.cache-control"} | {"sse.nothing-after-terminal"}, 100),
        ("anthropic-messages", "http/1.1", {*UNSEEN, *RESUMED, "sse.nothing-after-terminal", "auth.scheme-case"}, 90),
        ("openai-responses", "websocket", SILENT, 80),
        ("openai-realtime", "websocket", SILENT | STATE | {"wsl.parity"}, 70),
        ("holysheep", "websocket", SILENT | STATE, 70),
    ],
)
def test_the_clean_endpoint_leaves_few_checks_of_its_own_without_a_verdict(
    dialect: str, transport: Transport, idle: set[str], passed: int
) -> None:
    over_websocket = transport == "websocket"
    own = {
        check.id
        for check in select()
        if check.fits({dialect}) and check.id.startswith(("ws", "auth.ws-")) == over_websocket
    }
    verdicts = {check: verdict for check, verdict in clean(dialect, transport).items() if check in own}
    assert {check for check, verdict in verdicts.items() if verdict is Verdict.NOT_APPLICABLE} == idle
    assert sum(verdict is Verdict.PASS for verdict in verdicts.values()) >= passed


def test_every_check_has_something_to_pass_unless_its_fault_stages_it() -> None:
    passed = {check for over in EXAMINED for check, verdict in clean(*over).items() if verdict is Verdict.PASS}
    staged = [check for fault in all_faults().values() for check in fault.stages]
    assert passed.isdisjoint(staged)
    assert passed | set(staged) == set(CHECKS)
    assert all(fault.stages <= fault.trips for fault in all_faults().values())


@pytest.mark.parametrize(
    ("group", "dialect"),
    [("resp.", "openai-responses"), ("anth.", "anthropic-messages"), ("gem.", "gemini"), ("ollama.", "ollama")],
)
def test_every_check_of_a_dialect_has_something_to_judge(group: str, dialect: str) -> None:
    assert {r.verdict for r in examine(only=[group], dialect=dialect)} == {Verdict.PASS}


@pytest.mark.parametrize("fault", sorted(all_faults()))
def test_a_fault_trips_what_it_declares_and_nothing_else(fault: str) -> None:
    result = row(FAULTS[fault])
    assert result.tripped == FAULTS[fault].trips
    assert not result.harness_errors


@pytest.mark.parametrize("check", CHECKS)
def test_every_check_is_tripped_by_some_fault(check: str) -> None:
    assert any(check in fault.trips for fault in all_faults().values())


@pytest.mark.parametrize("fault", sorted(all_faults()))
def test_no_fault_names_a_check_that_does_not_exist(fault: str) -> None:
    assert FAULTS[fault].trips <= set(CHECKS)


def test_the_same_run_twice_gives_the_same_verdicts() -> None:
    assert [r.as_json() for r in examine()] == [r.as_json() for r in examine()]


@pytest.mark.timeout(280)
def test_the_command_prints_the_matrix_as_json() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tokenwire_conformance.matrix", "--json"], capture_output=True, text=True, check=False
    )
    matrix = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout[-2000:]
    assert set(matrix["checks"]) == set(CHECKS)
    assert set(matrix["faults"]) == set(all_faults())
    assert all(matrix["killed"].values())
    assert matrix["collateral"] == {}
    assert matrix["never passed"] == []

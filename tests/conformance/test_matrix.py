"""The kill matrix: what keeps the suite honest."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tokenwire_conformance.faults import FAULTS, all_faults
from tokenwire_conformance.judging.judge import select
from tokenwire_conformance.judging.verdict import Verdict
from tokenwire_conformance.matrix import EXAMINED, examine, row
from tokenwire_conformance.probes.talk import Transport

CHECKS = [check.id for check in select()]


@pytest.mark.parametrize(("dialect", "transport"), EXAMINED)
def test_the_clean_endpoint_passes_everything_that_applies(dialect: str, transport: Transport) -> None:
    results = examine(dialect=dialect, transport=transport)
    bad = [
        f"{r.id} {r.verdict}: {r.message}" for r in results if r.verdict not in (Verdict.PASS, Verdict.NOT_APPLICABLE)
    ]
    assert not bad


def test_the_clean_endpoint_leaves_few_checks_without_a_verdict() -> None:
    results = [result for result in examine() if not result.id.startswith(("ws", "auth.ws-"))]
    idle = {r.id for r in results if r.verdict is Verdict.NOT_APPLICABLE}
    # A chat has no ids, is no answer to GET, and the endpoint is not overloaded.
    assert idle == {"http.vary", "http.cache-control", "sse.id-no-nul", "sse.retry-digits", "err.retry-after"}
    assert sum(r.verdict is Verdict.PASS for r in results) >= 60


@pytest.mark.parametrize(
    ("group", "dialect"),
    [("resp.", "openai-responses"), ("anth.", "anthropic-messages"), ("gem.", "gemini"), ("ollama.", "ollama")],
)
def test_every_check_of_a_dialect_has_something_to_judge(group: str, dialect: str) -> None:
    assert {r.verdict for r in examine(only=[group], dialect=dialect)} == {Verdict.PASS}


#: What OpenAI's Responses alone have on a WebSocket.
STATE = {
    f"wsl.{name}"
    for name in ("continuation", "prev-not-found", "evict", "lanes-fifo", "lanes-isolated", "no-multiplex")
}


@pytest.mark.parametrize(("dialect", "foreign"), [("holysheep", STATE), ("openai-responses", set())])
def test_the_clean_endpoint_leaves_few_checks_of_websockets_without_a_verdict(dialect: str, foreign: set[str]) -> None:
    results = examine(only=["ws", "auth.ws-"], dialect=dialect, transport="websocket")
    idle = {r.id for r in results if r.verdict is Verdict.NOT_APPLICABLE}
    # It answers at once.
    assert idle - foreign == {"wsk.long-prefill", "wsk.pong-latency"}
    assert sum(r.verdict is Verdict.PASS for r in results) >= 70


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

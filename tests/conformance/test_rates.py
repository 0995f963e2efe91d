"""The plain question asked many times: how often, whose fault, and what it costs."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import inf
from threading import Barrier
from typing import Any

import pytest

from tokenwire.cli import main
from tokenwire.endpoint import ReferenceEndpoint, Seams, background
from tokenwire_conformance.faults import all_faults
from tokenwire_conformance.judging.rates import often
from tokenwire_conformance.matrix import EXAMINED, examine
from tokenwire_conformance.probes.asking import PROMPTED
from tokenwire_conformance.probes.many import ask_many, probes_of_many
from tokenwire_conformance.probes.reference import reference_plan
from tokenwire_conformance.probes.rehearsal import Budget
from tokenwire_conformance.probes.talk import all_probes
from tokenwire_conformance.probes.wire import MemoryWire
from tokenwire_conformance.reading.outcome import Became

RATES = {fault.id: fault for fault in all_faults().values() if fault.many}


@pytest.mark.parametrize(
    ("found", "of", "words"),
    [
        (0, 10, "0 of 10 answers (0.0%; 95 %: 0.0% to 27.8%)"),
        (1, 10, "1 of 10 answers (10.0%; 95 %: 1.8% to 40.4%)"),
        (5, 10, "5 of 10 answers (50.0%; 95 %: 23.7% to 76.3%)"),
        (10, 10, "10 of 10 answers (100.0%; 95 %: 72.2% to 100.0%)"),
        (3, 1000, "3 of 1000 answers (0.3%; 95 %: 0.1% to 0.9%)"),
    ],
)
def test_how_often_has_the_interval_of_wilson(found: int, of: int, words: str) -> None:
    assert often(found, of) == words


@pytest.mark.parametrize(("dialect", "transport"), [row for row in EXAMINED if row[0] != "eventsource"])
def test_the_clean_endpoint_mixes_no_answers_in_any_dialect(dialect: str, transport: Any) -> None:
    verdicts = {result.id: str(result.verdict) for result in examine(dialect=dialect, transport=transport, many=8)}
    assert verdicts.pop("rate.tools") in ("PASS", "NOT-APPLICABLE")
    assert set(verdicts.values()) == {"PASS"}


@pytest.mark.parametrize("dialect", PROMPTED)
@pytest.mark.parametrize("fault", ["now-and-then-a-reset", "now-and-then-a-limit", "now-and-then-a-cut"])
def test_faults_of_the_transport_are_counted_in_every_dialect(fault: str, dialect: str) -> None:
    results = examine(RATES[fault].seams, dialect, many=12)
    found = {result.id: result.message for result in results if str(result.verdict) in ("WARN", "FAIL")}
    (check,) = RATES[fault].trips
    assert set(found) == {check}
    assert found[check].startswith("3 of 12 answers (25.0%; ")


def checked(seams: Callable[[], Seams], capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, dict[str, Any]]:
    with background(ReferenceEndpoint(seams=seams).connection) as port:
        code = main(["check", f"http://127.0.0.1:{port}", "--only", "rate.", *more, "--format", "json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_rule_that_is_broken_now_and_then_says_how_often(capsys: pytest.CaptureFixture[str]) -> None:
    cut = RATES["now-and-then-a-cut"].seams
    code, document = checked(cut, capsys, "--only", "http.chunk-terminator", "-n", "16", "-c", "4")
    found = {each["id"]: each for each in document["results"] if each["verdict"] in ("FAIL", "WARN")}
    assert code == 1
    assert set(found) == {"rate.whole", "http.chunk-terminator"}
    assert " of 16 answers (" in found["http.chunk-terminator"]["often"]


def test_so_many_are_asked_at_a_time() -> None:
    """Three questions wait for each other: with fewer at a time none would be asked."""
    together = Barrier(3, timeout=20)
    endpoint = ReferenceEndpoint(key="k")

    class Waiting(MemoryWire):
        def connect(self) -> None:
            together.wait()
            super().connect()

    plan = reference_plan("openai-chat", "http/1.1", "k")
    probes = probes_of_many(all_probes()["stream"], "openai-chat", 9)
    many = ask_many(plan, lambda: Waiting(endpoint), probes, 3, deadline=inf, budget=Budget())
    assert [asked.outcome.became for asked in many.asked if asked.outcome] == [Became.WHOLE] * 9
    assert len({asked.mark for asked in many.asked}) == 9


def test_without_a_number_no_rate_is_judged(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "http://127.0.0.1:9", "--only", "rate."]) == 2
    assert "--requests N" in capsys.readouterr().err


def test_the_cost_is_told_and_bounded(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "http://127.0.0.1:9", "--only", "rate.", "-n", "100", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "100 times the plain question" in said
    _, document = checked(Seams, capsys, "-n", "100", "--max-tokens-total", "2000")
    assert document["about"][0]["requests"] < 30


@pytest.mark.parametrize("number", ["0", "x", "1.5", "10000000"])
def test_what_is_no_number_of_requests_is_refused(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "-n", number]) == 2
    assert "no number of requests" in capsys.readouterr().err

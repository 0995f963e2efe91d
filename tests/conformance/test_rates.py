"""The plain question asked many times: how often, whose fault, and what it costs."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count
from math import inf
from threading import Barrier, Event
from typing import Any

import pytest

from tokenwire.cli import main
from tokenwire.endpoint import Call, ReferenceEndpoint, Reply, Seams, background
from tokenwire.exit_codes import INCOMPLETE, Terminated
from tokenwire_conformance.faults import all_faults
from tokenwire_conformance.judging.case import Case
from tokenwire_conformance.judging.judge import judge_all, judge_run, select
from tokenwire_conformance.judging.judged import Course, Ended
from tokenwire_conformance.judging.rates import often
from tokenwire_conformance.matrix import EXAMINED, examine
from tokenwire_conformance.probes.asking import PROMPTED
from tokenwire_conformance.probes.many import Many, ask_many, probes_of_many
from tokenwire_conformance.probes.reference import reference_plan
from tokenwire_conformance.probes.rehearsal import Budget
from tokenwire_conformance.probes.talk import OutOfTime, Probe, all_probes
from tokenwire_conformance.probes.wire import MemoryWire
from tokenwire_conformance.reading.outcome import Became
from tokenwire_conformance.run import make_many, make_probes

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
    asked = list(ask_many(plan, lambda: Waiting(endpoint), probes, 3, deadline=inf, budget=Budget()))
    assert [each.outcome.became for each in asked if each.outcome] == [Became.WHOLE] * 9
    assert len({each.mark for each in asked}) == 9


def test_without_a_number_no_rate_is_judged(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "http://127.0.0.1:9", "--only", "rate."]) == 2
    assert "--requests N" in capsys.readouterr().err


def test_the_cost_is_told_and_bounded(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "http://127.0.0.1:9", "--only", "rate.", "-n", "100", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "100 times a short question" in said
    _, document = checked(Seams, capsys, "-n", "100", "--max-tokens-total", "2000")
    assert document["about"][0]["requests"] < 30


def test_no_more_are_asked_at_a_time_than_files_can_be_open(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "-n", "9", "-c", "201"]) == 2
    assert "at most 200 can be asked at a time" in capsys.readouterr().err


@pytest.mark.parametrize("number", ["0", "x", "1.5", "10000000"])
def test_what_is_no_number_of_requests_is_refused(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "-n", number]) == 2
    assert "no number of requests" in capsys.readouterr().err


PLAN = reference_plan("openai-chat", "http/1.1", "k")


def probes(count: int) -> list[Probe]:
    return probes_of_many(all_probes()["stream"], "openai-chat", count)


def clean_case() -> Case:
    return make_probes([all_probes()["stream"]], PLAN, lambda: MemoryWire(ReferenceEndpoint(key="k")))


def stopped(raised: Exception, endpoint: ReferenceEndpoint) -> Case:
    """The fifth connection raises something."""
    numbers = count(1)

    class Stopping(MemoryWire):
        def connect(self) -> None:
            if next(numbers) == 5:
                raise raised
            super().connect()

    asking = ask_many(PLAN, lambda: Stopping(endpoint), probes(9), 1, deadline=inf, budget=Budget())
    return make_many(clean_case(), asking, 9)


@pytest.mark.parametrize(
    ("raised", "ended", "said"),
    [
        (OutOfTime(), Ended.OUT_OF_TIME, "stopped by --timeout after 4 of 9 questions"),
        (ValueError("x"), Ended.CRASHED, "Please report it: ValueError: x"),
    ],
)
def test_what_was_answered_is_judged_however_the_questions_end(raised: Exception, ended: Ended, said: str) -> None:
    case = stopped(raised, ReferenceEndpoint(key="k"))
    assert case.many is not None
    assert (len(case.many.asked), case.course.ended) == (4, ended)
    assert said in case.course.headline


@pytest.mark.parametrize(
    ("raised", "ended"),
    [
        (KeyboardInterrupt(), Ended.INTERRUPTED),
        (Terminated(15), Ended.TERMINATED),
        (Terminated(1), Ended.HUNG_UP),
    ],
)
def test_what_was_answered_is_judged_when_the_run_is_stopped(raised: BaseException, ended: Ended) -> None:
    def tell(answered: int) -> None:
        if answered == 3:
            raise raised

    endpoint = ReferenceEndpoint(key="k")
    asking = ask_many(PLAN, lambda: MemoryWire(endpoint), probes(9), 1, deadline=inf, budget=Budget())
    case = make_many(clean_case(), asking, 9, tell)
    assert case.many is not None
    assert (len(case.many.asked), case.course.ended) == (3, ended)
    assert "after 3 of 9 questions" in case.course.headline


def test_whoever_stops_waits_for_no_answer_that_hangs() -> None:
    """The second question is never answered."""
    never, numbers = Event(), count(1)

    class Hanging(MemoryWire):
        def connect(self) -> None:
            if next(numbers) > 1:
                never.wait()
            super().connect()

    endpoint = ReferenceEndpoint(key="k")
    asking = ask_many(PLAN, lambda: Hanging(endpoint), probes(9), 2, deadline=inf, budget=Budget())

    def tell(_: int) -> None:
        raise KeyboardInterrupt

    case = make_many(clean_case(), asking, 9, tell)
    never.set()
    assert case.course.ended is Ended.INTERRUPTED


def test_an_endpoint_that_tells_no_usage_is_paid_by_what_it_might_have_used() -> None:
    budget = Budget(1000, {"once": 100, "tools": 100})

    class Silent(Seams):
        def reply(self, call: Call, reply: Reply) -> Reply:
            return Reply(500)

    endpoint = ReferenceEndpoint(key="k", seams=Silent)
    asking = ask_many(PLAN, lambda: MemoryWire(endpoint), probes(99), 1, deadline=inf, budget=budget)
    case = make_many(clean_case(), asking, 99)
    assert case.many is not None
    assert len(case.many.asked) == 10
    assert case.course.headline == "10 of 99 questions were asked: --max-tokens-total 1000 might have been passed."


def test_answers_that_are_too_large_to_be_kept_end_the_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokenwire_conformance.probes.many.MOST_RECEIVED_BY_MANY", 20_000)
    endpoint = ReferenceEndpoint(key="k")
    asking = ask_many(PLAN, lambda: MemoryWire(endpoint), probes(99), 1, deadline=inf, budget=Budget())
    case = make_many(clean_case(), asking, 99)
    assert case.many is not None
    assert 0 < len(case.many.asked) < 20
    assert "too many or too large to be kept" in case.course.headline


def test_a_must_of_many_answers_that_none_gave_is_left_open() -> None:
    case = clean_case().asked_again(Many([]), Course(Ended.OUT_OF_TIME, "stopped"))
    assert judge_run(case, select(["rate."])).exit_code == INCOMPLETE


def test_what_befalls_one_of_many_questions_by_chance_is_not_compared_with_the_origin() -> None:
    def asked(seams: Any) -> Many:
        endpoint = ReferenceEndpoint(key="k", seams=seams)
        return Many(list(ask_many(PLAN, lambda: MemoryWire(endpoint), probes(8), 1, deadline=inf, budget=Budget())))

    origin, hop = (
        clean_case().asked_again(asked(seams), Course()) for seams in (Seams, RATES["now-and-then-a-cut"].seams)
    )
    results = judge_all(hop.behind(origin), select(["hop.whole", "rate.whole"]))
    assert [(result.id, str(result.verdict)) for result in results] == [("hop.whole", "PASS"), ("rate.whole", "WARN")]

"""A run at an endpoint that dies, stalls, limits or dawdles: its headline, its exit code, and no verdict that lies."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

import pytest
from mortal import Fate, Refusing, World

from tokenwire.endpoint import Call, Exchange, Reply, Seams
from tokenwire.exit_codes import Terminated
from tokenwire_conformance.judging.judged import Ended, Run
from tokenwire_conformance.judging.verdict import Level, Verdict
from tokenwire_conformance.matrix import EXAMINED
from tokenwire_conformance.probes.talk import PATIENCE, Transport
from tokenwire_conformance.rounds import Pace, Progress

HTTP: tuple[str, Transport] = ("openai-chat", "http/1.1")
SOCKET: tuple[str, Transport] = ("holysheep", "websocket")

#: How many there are over HTTP; a test holds it.
PROBES = 39


@cache
def clean(over: tuple[str, Transport]) -> tuple[list[str], dict[str, Verdict]]:
    """The probes of a run at a sound endpoint, and its verdicts."""
    world = World(*over)
    run = world.run()
    return [probe.name for probe in world.probes], {result.id: result.verdict for result in run.results}


def assert_honest(run: Run, over: tuple[str, Transport]) -> None:
    """Every verdict is that of the sound endpoint, or open. A run that leaves a MUST open is not sound."""
    _, verdicts = clean(over)
    changed = {result.id: result.verdict for result in run.results if result.verdict is not verdicts[result.id]}
    assert set(changed.values()) <= {Verdict.INCONCLUSIVE}
    left = [result.id for result in run.results if result.id in changed and result.level is Level.MUST]
    assert run.exit_code == (7 if left else 0)
    assert run.headline


@pytest.mark.parametrize("over", EXAMINED)
def test_a_sound_endpoint_is_asked_each_question_once(over: tuple[str, Transport]) -> None:
    world = World(*over)
    run = world.run()
    assert (run.exit_code, run.headline) == (0, None)
    assert world.connections == len(world.probes)
    assert over != HTTP or len(world.probes) == PROBES


CASES = [(HTTP, at) for at in range(1, PROBES)] + [(SOCKET, at) for at in (1, 14, 16, 17, 22, 38, 53, 61, 62)]


@pytest.mark.parametrize(("over", "at"), CASES)
def test_an_endpoint_that_dies_is_gone_since_that_probe(over: tuple[str, Transport], at: int) -> None:
    names, _ = clean(over)
    run = World(*over, fate=Fate.DIES_UNHEARD, at=at).run()
    assert_honest(run, over)
    assert f"The endpoint is gone since probe {names[at]} (" in (run.headline or "")
    assert "refused the connection from there on" in (run.headline or "")
    assert f"after {at} of {len(names)} probes" in (run.headline or "")


@pytest.mark.parametrize("fate", [Fate.DIES_BEFORE, Fate.DIES_WITHIN, Fate.STALLS])
@pytest.mark.parametrize("says", [1, 6])
@pytest.mark.parametrize(
    ("over", "at"), [(HTTP, at) for at in (1, 5, 11, 12, 21, 27, PROBES - 1)] + [(SOCKET, at) for at in (1, 17, 22, 54)]
)
def test_wherever_it_dies_or_stalls_nothing_is_judged_that_was_not_said(
    fate: Fate, says: int, over: tuple[str, Transport], at: int
) -> None:
    names, _ = clean(over)
    world = World(*over, fate=fate, at=at, says=says)
    run = world.run()
    if world.connections == len(names):  # it had said all there was to say
        assert (run.exit_code, run.headline) == (0, None)
    else:
        assert_honest(run, over)
        assert "The endpoint is gone since probe " in (run.headline or "")


@pytest.mark.parametrize(("over", "says"), [(HTTP, 6), (SOCKET, 5)])
@pytest.mark.parametrize("fate", [Fate.DIES_WITHIN, Fate.STALLS])
def test_an_end_within_the_plain_answer_leaves_it_open(fate: Fate, over: tuple[str, Transport], says: int) -> None:
    run = World(*over, fate=fate, says=says).run()
    assert_honest(run, over)
    assert run.exit_code == 7
    assert f"gone since probe {clean(over)[0][0]} (" in (run.headline or "")


@pytest.mark.parametrize(("over", "says"), [(HTTP, 6), (SOCKET, 5)])
def test_a_plain_answer_that_never_ended_leaves_it_open_though_the_others_ended(
    over: tuple[str, Transport], says: int
) -> None:
    run = World(*over, fate=Fate.STALLS_ONCE, says=says).run()
    assert run.exit_code == 7
    assert f"did not come to their end: {clean(over)[0][0]}." in (run.headline or "")


@pytest.mark.parametrize("probe", ["usage", "tools", "whole"])
def test_one_answer_that_never_ended_is_told(probe: str) -> None:
    run = World(*HTTP, fate=Fate.STALLS_ONCE, at=clean(HTTP)[0].index(probe)).run()
    assert run.exit_code == 7
    assert f"did not come to their end: {probe}." in (run.headline or "")
    assert_honest(run, HTTP)


# Rate limits.

BODY = b'{"error":{"message":"slow down","type":"rate_limit","code":null}}'
JSON = ("Content-Type", "application/json")


def limit(*fields: tuple[str, str], status: int = 429) -> Reply:
    return Reply(status, [JSON, *fields], BODY)


@pytest.mark.parametrize("status", [401, 404, 429, 500, 502, 503])
@pytest.mark.parametrize("after", [1, 2, 3, 7, 12])
def test_a_refusal_from_the_nth_request_on_is_told_and_never_judged(after: int, status: int) -> None:
    run = World(*HTTP, seams=Refusing(after, limit(("WWW-Authenticate", "Bearer"), status=status))).run()
    assert "The plain question is no longer answered since probe " in (run.headline or "")
    assert f"refused with {status}: slow down" in (run.headline or "")
    assert_honest(run, HTTP)


def test_the_first_request_that_is_limited_is_a_refusal() -> None:
    run = World(*HTTP, seams=Refusing(0, limit())).run()
    assert run.exit_code == 5


def test_a_limit_that_says_when_is_waited_for() -> None:
    world = World(*HTTP, seams=Refusing(5, limit(("Retry-After", "20")), 2))
    run = world.run()
    assert (run.exit_code, run.headline) == (0, None)
    assert 40 <= world.clock.seconds < 60
    waits = [progress.waiting for progress in world.told if progress.waiting]
    assert [wait.partition(":")[0] for wait in waits] == ["waiting 20 s, as a 429 asks for"] * 2
    assert {result.id: result.verdict for result in run.results} == clean(HTTP)[1]


@pytest.mark.parametrize("patience", [0, 19])
def test_a_limit_beyond_the_patience_is_not_waited_for(patience: float) -> None:
    world = World(*HTTP, seams=Refusing(6, limit(("Retry-After", "20")), 1))
    run = world.run(Pace(patience=patience))
    assert world.clock.seconds < 19
    assert "A rate limit (429) stood in the way of these probes: tools." in (run.headline or "")
    verdicts = {result.id: result.verdict for result in run.results}
    assert {check for check in verdicts if verdicts[check] is not clean(HTTP)[1][check]} >= {"err.retry-after"}
    assert not {Verdict.FAIL, Verdict.WARN} & set(verdicts.values())


def test_an_endpoint_that_comes_back_is_asked_on() -> None:
    class Restarting(World):
        def is_dead(self, number: int) -> bool:
            return number in (7, 8)

    world = Restarting(*HTTP)
    run = world.run()
    assert (run.exit_code, run.headline) == (0, None)
    assert any("to come back" in progress.waiting for progress in world.told)


# Time.


def test_a_delay_is_kept_between_two_probes() -> None:
    world = World(*HTTP)
    world.run()
    undelayed = world.clock.seconds
    world = World(*HTTP)
    world.run(Pace(delay=10.0))
    assert world.clock.seconds == pytest.approx(undelayed + 10.0 * (len(world.probes) - 1))


@pytest.mark.parametrize("timeout", [0.1, 15.0, 100.0, 349.0])
def test_the_time_for_the_run_is_kept_and_what_came_is_judged(timeout: float) -> None:
    world = World(*HTTP)
    run = world.run(Pace(delay=10.0, timeout=timeout))
    assert world.clock.seconds <= timeout + 2.0  # a request that is sent slowly is sent to its end
    assert run.course.ended is Ended.OUT_OF_TIME
    begun = world.told[-1].number
    assert re.search(
        f"stopped by --timeout after ({begun - 1}|{begun}) of {len(world.probes)} probes", run.headline or ""
    )
    assert_honest(run, HTTP)


@pytest.mark.parametrize(
    ("stop", "code", "words"),
    [
        (KeyboardInterrupt(), 130, f"stopped by Ctrl-C after 8 of {PROBES} probes"),
        (Terminated(1), 129, f"stopped by SIGHUP after 8 of {PROBES} probes"),
        (Terminated(15), 143, f"stopped by SIGTERM after 8 of {PROBES} probes"),
        (
            ValueError("oops"),
            3,
            f"stopped by a fault of the suite itself after 8 of {PROBES} probes. .* ValueError: oops",
        ),
    ],
)
def test_what_was_judged_before_the_run_was_stopped_is_told(stop: BaseException, code: int, words: str) -> None:
    class Stopped(World):
        def tell(self, progress: Progress) -> None:
            if progress.number == 9:
                raise stop

    run = Stopped(*HTTP).run()
    assert run.exit_code == code
    assert re.search(words, run.headline or "")
    verdicts = {result.id: result.verdict for result in run.results}
    assert verdicts["sse.utf8"] is Verdict.PASS
    assert verdicts["http.host-missing"] is Verdict.INCONCLUSIVE


#: Seconds between two pieces of a stream.
PAUSE = 5.0


class Slow(Seams):
    """Tokens that take their time: a stream comes piece by piece, and a whole answer when all its tokens are made."""

    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        if call is None or call.method != "POST":
            return exchange
        if b'"stream": true' in call.body:
            return replace(exchange, writes=[replace(write, delay=PAUSE) for write in exchange.writes])
        first, *others = exchange.writes
        return replace(exchange, writes=[replace(first, delay=2 * PATIENCE), *others])


def test_a_whole_answer_may_take_as_long_as_its_tokens() -> None:
    world = World(*HTTP, seams=Slow, only=["sse.", "chat."])
    run = world.run()
    assert (run.exit_code, run.headline) == (0, None)
    assert world.clock.seconds > 2 * PATIENCE * len(world.probes)

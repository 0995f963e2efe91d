"""A run of the suite: which probes are made, and what happens when nobody answers."""

from __future__ import annotations

import subprocess
import sys
from typing import get_args

import pytest

from tokenwire.dialects import dialect_named
from tokenwire.errors import LocalProtocolError
from tokenwire.protocol.url import parse_url
from tokenwire_conformance.judging.judge import select
from tokenwire_conformance.judging.judged import Ended
from tokenwire_conformance.matrix import examine
from tokenwire_conformance.probes.asking import PROMPTED
from tokenwire_conformance.probes.talk import PATIENCE, Plan, Probe, all_probes, probes_for, run_probe
from tokenwire_conformance.run import Given, choose_probes, make_probes, transports_of

CHAT = dialect_named("openai-chat")
PLAN = Plan(parse_url("http://endpoint.test/v1/chat/completions"), CHAT, model="m", key="a-key-of-some-length")


class DumbWire:
    """An endpoint that takes the connection and says nothing; or hangs up."""

    def __init__(self, *, hangs_up: bool) -> None:
        self._hangs_up = hangs_up
        self.clock = 0.0
        self.connections = 0

    def now(self) -> float:
        return self.clock

    def connect(self) -> None:
        self.connections += 1

    def send(self, data: bytes) -> bool:
        return True

    def receive(self, timeout: float) -> bytes | None:
        self.clock += timeout
        return b"" if self._hangs_up else None

    def sleep(self, seconds: float) -> None:
        self.clock += seconds

    def drain(self) -> bool:
        return False

    def close(self) -> None: ...


@pytest.mark.parametrize(("hangs_up", "words"), [(False, f"within {PATIENCE:g} s"), (True, "without a word")])
def test_an_endpoint_that_says_nothing_is_asked_once(hangs_up: bool, words: str) -> None:
    wire = DumbWire(hangs_up=hangs_up)
    probes = choose_probes("openai-chat", select(), given=("key",))
    course = make_probes(probes, PLAN, lambda: wire).course
    assert course.ended is Ended.SILENT
    assert words in course.headline
    assert wire.connections == 1


#: Gemini has the model in its path, and this one has no place for it.
ELSEWHERE = Plan(
    parse_url("http://gateway.test/stream"), dialect_named("gemini"), "m", failing_model="f", cut_model="c"
)


def test_a_run_that_cannot_name_another_model_is_a_mistake_of_usage_and_asks_nothing() -> None:
    wire = DumbWire(hangs_up=False)
    with pytest.raises(LocalProtocolError, match="/stream has no place for it"):
        make_probes(choose_probes("gemini", select()), ELSEWHERE, lambda: wire)
    assert wire.connections == 0


@pytest.mark.parametrize("probe", probes_for("gemini", all_probes()), ids=lambda probe: probe.name)
def test_a_probe_declares_that_it_asks_for_another_model(probe: Probe) -> None:
    if probe.other_model:
        with pytest.raises(LocalProtocolError, match="has no place for it"):
            run_probe(probe, DumbWire(hangs_up=False), ELSEWHERE)
    else:
        run_probe(probe, DumbWire(hangs_up=False), ELSEWHERE)


@pytest.mark.parametrize("dialect", PROMPTED)
def test_all_checks_need_all_probes_of_the_dialect(dialect: str) -> None:
    chosen = choose_probes(dialect, select(), given=get_args(Given))
    over_http = [name for name, probe in all_probes().items() if dialect in probe.dialects]
    assert {probe.name for probe in chosen} == {n for n in over_http if all_probes()[n].transport == "http/1.1"}
    assert chosen[0].name == "stream"


@pytest.mark.parametrize("dialect", ["holysheep", "openai-responses"])
def test_all_checks_need_all_probes_over_websocket(dialect: str) -> None:
    names = {probe.name for probe in choose_probes(dialect, select(), given=("key",), transport="websocket")}
    assert names == {
        name
        for name, probe in all_probes().items()
        if probe.transport == "websocket" and dialect in (probe.dialects or [dialect])
    }


def test_probes_that_wait_for_minutes_can_be_left_out() -> None:
    left = choose_probes("holysheep", select(), given=("key",), transport="websocket", slow=False)
    assert "ws-idle" not in {probe.name for probe in left}


@pytest.mark.parametrize(
    ("only", "transports"),
    [
        (["sse."], {"http/1.1"}),
        (["http.date"], {"http/1.1"}),
        (["wsf.need-mask"], {"websocket"}),
        (["wsl.parity"], {"websocket"}),
        (["sse.", "wsf."], {"http/1.1", "websocket"}),
    ],
)
def test_an_endpoint_is_asked_over_the_transports_that_the_checks_need(only: list[str], transports: set[str]) -> None:
    assert transports_of(select(only)) == transports


def test_no_check_of_websockets_is_without_a_probe() -> None:
    assert transports_of(select(["ws"])) == {"websocket"}


def test_without_a_key_nobody_is_asked_for_one() -> None:
    names = {probe.name for probe in choose_probes("openai-chat", select())}
    assert not names & {"no-key", "wrong-key", "bearer-lower"}


def test_without_a_model_that_fails_nobody_is_asked_to_fail() -> None:
    names = {probe.name for probe in choose_probes("openai-chat", select(), given=("key",))}
    assert not names & {"failure", "upstream-cut"}


@pytest.mark.parametrize("check", [check for check in select() if check.probes or check.shown_by], ids=lambda c: c.id)
def test_a_check_names_only_probes_that_there_are(check: object) -> None:
    assert {*check.probes, *check.shown_by} <= set(all_probes())  # type: ignore[attr-defined]


def test_a_dialect_without_probes_says_so() -> None:
    with pytest.raises(LocalProtocolError, match="no probes for the dialect raw"):
        choose_probes("raw", select())


def test_some_checks_alone_get_the_verdicts_that_they_get_among_all() -> None:
    everything = {result.id: result.verdict for result in examine()}
    for group in ("http.", "chat."):
        assert {r.id: r.verdict for r in examine(only=[group])} == {
            check: verdict for check, verdict in everything.items() if check.startswith(group)
        }


@pytest.mark.parametrize(
    "first", ["http", "resuming", "leaving", "websocket", "deflate", "sessions", "many", "rehearsal"]
)
def test_probes_have_one_order_whichever_module_is_imported_first(first: str) -> None:
    code = f"import tokenwire_conformance.probes.{first}\n"
    code += "from tokenwire_conformance.probes.talk import all_probes\nprint(*all_probes())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == list(all_probes())

"""The session against the reference endpoint over a simulated network: the story that it all began with, and others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from network import Fault, Simulation

from tokenwire.dialects import DIALECTS
from tokenwire.dialects.events import End, Other
from tokenwire.endpoint import ReferenceEndpoint
from tokenwire.endpoint.story import MODELS, STORY
from tokenwire.errors import ConnectionFailed, StreamInterrupted, TimeoutExceeded
from tokenwire.session import (
    BROWSER,
    DEFAULT,
    FIXED,
    NEVER,
    PATIENT,
    DurableSession,
    Policy,
    Timeouts,
    build_request,
    over_the_other_transport,
)

TEXT = "".join(STORY)
CHAT = {"model": MODELS[0], "messages": [{"role": "user", "content": "go"}]}
BACKGROUND = {"model": MODELS[0], "input": "go", "background": True}


def simulate(
    dialect: str,
    json: dict[str, Any],
    *faults: Fault,
    url: str = "http://host",
    policy: Policy = DEFAULT,
    timeouts: Timeouts | None = None,
    endpoint: ReferenceEndpoint | None = None,
    seed: int = 0,
) -> tuple[Simulation, DurableSession]:
    kind = DIALECTS[dialect]
    fallback = over_the_other_transport(url, kind, json=json)
    session = DurableSession(
        build_request(url, kind, json=json, headers={"accept-encoding": "identity"}),
        kind,
        timeouts,
        policy=policy,
        random=lambda: 0.5,
        fallback=fallback,
    )
    simulation = Simulation(session, (endpoint or ReferenceEndpoint(clock=lambda: 0.0)).connection, faults, seed=seed)
    simulation.run()
    return simulation, session


# The story: "SSE stream dropped after 12 seconds". Tokens that take 15 seconds to think of, and a proxy in between.

SLOW: dict[str, Any] = {"pace": 15.0, "clock": lambda: 0.0}
TWELVE = [Fault(idle_drop=12.0)] * 100


def test_plain_sse_loses_the_answer_after_12_seconds_of_silence() -> None:
    simulation, session = simulate("openai-chat", CHAT, *TWELVE, policy=NEVER, endpoint=ReferenceEndpoint(**SLOW))
    assert isinstance(session.error, StreamInterrupted), simulation.story()
    assert len(session.error.text) < len(TEXT)
    assert simulation.now < 16


@pytest.mark.parametrize(
    ("dialect", "json"), [("openai-chat", CHAT), ("anthropic-messages", {**CHAT, "max_tokens": 1000})]
)
def test_with_comments_that_keep_it_alive_the_whole_answer_comes(dialect: str, json: dict[str, Any]) -> None:
    endpoint = ReferenceEndpoint(**SLOW, keepalive=10.0)
    simulation, session = simulate(dialect, json, *TWELVE, policy=NEVER, endpoint=endpoint)
    assert session.error is None, simulation.story()
    assert session.answer.text == TEXT
    assert len(simulation.sent) == 1


@pytest.mark.parametrize(("dialect", "json"), [("holysheep", {"model": MODELS[0]}), ("openai-responses", BACKGROUND)])
def test_with_resume_the_whole_answer_comes_over_connections_that_are_dropped(
    dialect: str, json: dict[str, Any]
) -> None:
    simulation, session = simulate(dialect, json, *TWELVE, policy=PATIENT, endpoint=ReferenceEndpoint(**SLOW))
    assert session.error is None, simulation.story()
    assert session.answer.text == TEXT
    assert len(simulation.sent) > len(STORY) // 2
    assert simulation.posts <= 1


def test_over_websocket_pings_keep_it_alive() -> None:
    simulation, session = simulate(
        "holysheep",
        CHAT,
        *TWELVE,
        url="ws://host",
        policy=NEVER,
        timeouts=Timeouts(keepalive=5.0),
        endpoint=ReferenceEndpoint(**SLOW),
    )
    assert session.error is None, simulation.story()
    assert session.answer.text == TEXT


# Other networks.


def test_a_proxy_that_buffers_delays_the_answer_and_loses_nothing() -> None:
    simulation, session = simulate(
        "openai-chat", CHAT, Fault(held=4096), endpoint=ReferenceEndpoint(pace=0.1, clock=lambda: 0.0)
    )
    assert session.error is None, simulation.story()
    assert session.answer.text == TEXT


def test_silence_that_nobody_tells_of_is_found_by_a_timer_and_the_network_has_changed() -> None:
    simulation, session = simulate(
        "holysheep",
        {"model": MODELS[0]},
        Fault(cut=1500, how="silence"),
        Fault(delay=0.5, bandwidth=2000, pieces=0),
        timeouts=Timeouts(idle=20),
    )
    assert session.error is None, simulation.story()
    assert session.answer.text == TEXT
    assert simulation.now > 20


def test_over_websocket_such_silence_is_found_by_the_keepalive() -> None:
    simulation, session = simulate(
        "holysheep", CHAT, Fault(cut=600, how="silence"), url="ws://host", timeouts=Timeouts(keepalive=5)
    )
    assert isinstance(session.error, TimeoutExceeded), simulation.story()
    assert session.error.timer == "keepalive"


def test_connections_that_are_refused_cost_nothing_but_time() -> None:
    simulation, session = simulate("openai-chat", CHAT, Fault(refused=True), Fault(refused=True), policy=FIXED)
    assert session.answer.text == TEXT
    assert simulation.posts == 1
    _, session = simulate("openai-chat", CHAT, *[Fault(refused=True)] * 3, policy=FIXED)
    assert isinstance(session.error, ConnectionFailed)


def test_an_overloaded_server_is_asked_again_when_it_said() -> None:
    simulation, session = simulate("openai-chat", {**CHAT, "model": MODELS[1]})
    assert simulation.posts == 3
    assert simulation.now > 4  # Retry-After: 2, twice
    assert "503" in str(session.error)


@pytest.mark.parametrize("cut", range(0, 700, 23))
def test_a_websocket_that_breaks_in_its_handshake_falls_back_and_nothing_is_paid_twice(cut: int) -> None:
    simulation, session = simulate(
        "openai-responses", {"model": MODELS[0], "input": "go"}, Fault(cut=cut), url="ws://h"
    )
    if session.error is None:
        assert session.answer.text == TEXT
    else:
        assert TEXT.startswith(session.answer.text)
    assert simulation.posts == 1, simulation.story()


@pytest.mark.parametrize("interrupted", ["restart", "continue"])
def test_what_cannot_be_resumed_is_asked_again_only_by_a_policy_that_says_so(interrupted: Any) -> None:
    policy = replace(DEFAULT, interrupted=interrupted)
    simulation, session = simulate("openai-chat", CHAT, Fault(cut=2500), policy=policy)
    assert session.error is None, simulation.story()
    assert simulation.posts == 2
    told = [event.type for event in simulation.events if isinstance(event, Other)]
    assert told == [f"tokenwire.{'restart' if interrupted == 'restart' else 'continuation'}"]
    assert session.answer.text.endswith(TEXT)  # the endpoint tells its story whatever it is asked
    assert (session.answer.text == TEXT) == (interrupted == "restart")


def test_a_browser_reads_an_event_stream_until_it_is_told_to_stop() -> None:
    simulation, session = simulate("eventsource", {"model": MODELS[0]}, Fault(cut=900), policy=BROWSER)
    assert session.error is None, simulation.story()
    assert len(simulation.sent) == 3  # cut, the rest, 204
    assert simulation.events[-1] == End(True)
    assert sum(isinstance(event, Other) for event in simulation.events) == len(STORY) + 1


def test_the_same_seed_is_the_same_run() -> None:
    def once() -> tuple[list[str], list[bytes]]:
        simulation, _ = simulate("holysheep", {"model": MODELS[0]}, Fault(cut=1000, pieces=0), Fault(pieces=0), seed=7)
        return simulation.log, simulation.received

    assert once() == once()

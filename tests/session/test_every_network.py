"""The session against the reference endpoint: any network, drawn from a seed; WebSockets, and connections that are used
again, cut at every byte.

What must come out is in `judge`. A failure prints the seed and the conversation. A test run takes a sample. All of it,
with the number of scenarios, or as many seeds as the argument says:

    python tests/session/test_every_network.py
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from math import inf
from random import Random

import pytest
from kept import Kept
from network import Fault, Simulation

from tokenwire.dialects import DIALECTS
from tokenwire.dialects.dialect import Prompt
from tokenwire.dialects.events import End, Other
from tokenwire.endpoint import ReferenceEndpoint
from tokenwire.endpoint.story import MODELS, STORY
from tokenwire.errors import BodyTruncated, TokenwireError
from tokenwire.session import POLICIES, DurableSession, Policy, Timeouts, build_request, over_the_other_transport

TEXT = "".join(STORY)

#: (dialect, scheme)
STREAMS = [
    ("openai-chat", "http"),
    ("anthropic-messages", "http"),
    ("openai-responses", "http"),
    ("gemini-interactions", "http"),
    ("holysheep", "http"),
    ("holysheep", "ws"),
    ("openai-responses", "ws"),
    ("openai-realtime", "ws"),
    ("gemini-live", "ws"),
]

#: Seeds that are run when all are, and those of a test run.
ALL, SOME = 20_000, 150

#: Of how many offsets of a WebSocket a test run takes one, and of a connection that is used again.
SAMPLE, SAMPLE_KEPT = 127, 307

#: Seconds between two conversations: an idle connection is dropped by some proxies after 12, by the endpoint after 75.
#: At 11.985 the end is on its way when the request is sent.
GAPS = (0.0, 5.0, 11.985, 20.0, 80.0)


def simulate(
    dialect: str,
    scheme: str,
    faults: list[Fault],
    policy: Policy,
    *,
    seed: int = 0,
    pace: float = 0.0,
    keepalive: float | None = None,
    jitter: float = 0.0,
    kept: Kept | None = None,
    now: float = 0.0,
) -> tuple[Simulation, DurableSession]:
    """One conversation. Its timers are such that no silence is waited for in vain, and what is slow is not cut off."""
    kind = DIALECTS[dialect]
    json = kind.ask(Prompt("go", MODELS[0])) if dialect != "holysheep" or scheme == "ws" else {"model": MODELS[0]}
    if dialect == "openai-responses" and scheme == "http":
        json["background"] = True
    url, headers = f"{scheme}://host", {"accept-encoding": "identity"}
    session = DurableSession(
        build_request(url, kind, json=json, headers=headers),
        kind,
        Timeouts(idle=40.0, keepalive=5.0),
        policy=policy,
        random=lambda: jitter,
        keep_events=True,
        fallback=over_the_other_transport(url, kind, json=json, headers=headers),
    )
    endpoint = ReferenceEndpoint(pace=pace, keepalive=keepalive, clock=lambda: 0.0)
    simulation = Simulation(session, endpoint.connection, faults, seed=seed, kept=kept, now=now)
    simulation.run()
    return simulation, session


def judge(simulation: Simulation, session: DurableSession) -> str:
    """What went wrong, with the conversation; empty for nothing."""
    text, error = session.answer.text, session.error
    told = getattr(error, "answer", None)
    whole = text == TEXT and simulation.events[-1] == End(True)
    wrong = {
        "more than one generation was asked for": simulation.posts > 1,
        "the answer has other events than were given": session.answer.events != simulation.events,
        "the text is no beginning of what was said": not TEXT.startswith(text),
        "it is said to be whole, and is not": error is None and not whole,
        "what is whole is said to be broken": error is not None and End(True) in simulation.events,
        "the error is none of ours": error is not None and not isinstance(error, TokenwireError),
        "the error does not have what had arrived": told is not None and told is not session.answer,
        "a gap was told where there is none": any(
            isinstance(event, Other) and event.type == "tokenwire.gap" for event in simulation.events
        ),
    }
    return "".join(f"{problem}\n{simulation.story()}" for problem, there in wrong.items() if there)


# Any network.


def draw(random: Random) -> Fault:
    """What one connection suffers."""
    if random.random() < 0.1:
        return Fault(refused=True)
    return Fault(
        cut=random.choice([None, random.randrange(4000), random.randrange(4000)]),
        cut_up=random.choice([None, None, None, random.randrange(700)]),
        how=random.choice(["fin", "reset", "silence"]),
        delay=random.choice([0.001, 0.05, 0.6]),
        bandwidth=random.choice([inf, 500, 20_000]),
        idle_drop=random.choice([None, 12.0]),
        held=random.choice([0, 0, 4096]),
        pieces=random.choice([0, 1 << 16]),
    )


def from_seed(seed: int) -> str:
    """What went wrong in the conversations of a seed: one, and another one over what connection that has left."""
    random = Random(seed)
    dialect, scheme = random.choice(STREAMS)
    faults = [draw(random) for _ in range(random.randrange(6))]
    policy = random.choice(list(POLICIES.values()))
    pace, keepalive = random.choice([0.0, 0.02, 15.0]), random.choice([None, 10.0])
    jitter, kept, now = random.random(), Kept(), 0.0
    for _ in range(2):
        simulation, session = simulate(
            dialect,
            scheme,
            faults,
            policy,
            seed=seed,
            pace=pace,
            keepalive=keepalive,
            jitter=jitter,
            kept=kept,
            now=now,
        )
        if problem := judge(simulation, session):
            return problem
        faults = [draw(random) for _ in range(random.randrange(3))]
        now = simulation.now + random.choice(GAPS)
    return ""


@pytest.mark.parametrize("seed", range(SOME))
def test_on_any_network_all_comes_or_what_came_is_told(seed: int) -> None:
    problem = from_seed(seed)
    assert not problem, problem


# WebSockets, cut at every byte in both directions.

Cut = tuple[str, str, Fault]


def cuts(step: int) -> Iterator[Cut]:
    for dialect, _ in (stream for stream in STREAMS if stream[1] == "ws"):
        simulation, _ = simulate(dialect, "ws", [], POLICIES["never"])
        sizes = {"cut": len(simulation.received[0]), "cut_up": len(simulation.sent[0])}
        for way, policy in product(sizes, POLICIES):
            for place in range(0, sizes[way], step):
                yield dialect, policy, Fault(**{way: place}, how="reset" if place % 2 else "fin")  # type: ignore[arg-type]


def cut_there(cut: Cut) -> str:
    """What went wrong with a WebSocket that was cut."""
    dialect, policy, fault = cut
    problem = judge(*simulate(dialect, "ws", [fault], POLICIES[policy]))
    return f"{dialect}, {policy}, {fault}: {problem}" if problem else ""


@pytest.mark.parametrize("cut", list(cuts(SAMPLE)), ids=lambda cut: f"{cut[0]}-{cut[1]}-{cut[2].cut}-{cut[2].cut_up}")
def test_a_websocket_may_be_cut_anywhere(cut: Cut) -> None:
    problem = cut_there(cut)
    assert not problem, problem


# Connections that are used again, cut at every byte in both directions.


def twice(dialect: str, fault: Fault, policy: Policy, gap: float = 1.0) -> tuple[Simulation, DurableSession, Kept]:
    """The second of two conversations, and the connections that the first, which came whole, has left."""
    kept = Kept()
    first, session = simulate(dialect, "http", [fault], POLICIES["never"], kept=kept)
    assert session.error is None, first.story()
    simulation, session = simulate(dialect, "http", [], policy, kept=kept, now=first.now + gap)
    return simulation, session, kept


def kept_cuts(step: int) -> Iterator[Cut]:
    """Of all that goes over the connection for the second time."""
    for dialect, _ in (stream for stream in STREAMS if stream[1] == "http"):
        _, _, kept = twice(dialect, Fault(), POLICIES["never"])
        (line, again) = kept.lines
        assert line is again
        for way, pipe in {"cut": line.down, "cut_up": line.up}.items():
            first = pipe.sent // 2  # both are alike but for ids, of one length
            for policy, place in product(POLICIES, range(first + 1, pipe.sent, step)):
                yield dialect, policy, Fault(**{way: place}, how="reset" if place % 2 else "fin")  # type: ignore[arg-type]


def cut_again_there(cut: Cut) -> str:
    """What went wrong with a connection that was cut when it was used again."""
    dialect, policy, fault = cut
    simulation, session, _ = twice(dialect, fault, POLICIES[policy])
    problem = judge(simulation, session) if simulation.reused else f"it was not used again\n{simulation.story()}"
    return f"{dialect}, {policy}, {fault}: {problem}" if problem else ""


def test_a_connection_that_is_used_again_may_be_cut_anywhere() -> None:
    wrong = [problem for cut in kept_cuts(SAMPLE_KEPT) if (problem := cut_again_there(cut))]
    assert not wrong, "\n".join(wrong[:3])


#: What happens to the connection, and seconds between the conversations; whether it is used again, and all comes.
STALE: list[tuple[str, Fault, float, bool, bool]] = [
    ("it stands", Fault(), 1.0, True, True),
    ("a proxy has closed it", Fault(idle_drop=12.0), 20.0, False, True),
    ("the server has closed it", Fault(), 80.0, False, True),
    ("a proxy closes it while the request is on its way", Fault(idle_drop=12.0), 11.985, True, False),
]


@pytest.mark.parametrize("policy", ["default", "patient", "fixed", "never"])
@pytest.mark.parametrize(("fault", "gap", "used", "whole"), [row[1:] for row in STALE], ids=[row[0] for row in STALE])
@pytest.mark.parametrize("dialect", ["openai-chat", "anthropic-messages", "openai-responses", "gemini-interactions"])
def test_a_stale_connection_costs_a_new_one_and_after_the_request_no_second_post(
    dialect: str, fault: Fault, gap: float, used: bool, whole: bool, policy: str
) -> None:
    simulation, session, _ = twice(dialect, fault, POLICIES[policy], gap)
    assert not judge(simulation, session)
    assert (simulation.reused == 1, session.answer.text == TEXT) == (used, whole), simulation.story()
    assert (simulation.posts, len(simulation.sent)) == (1, 1), simulation.story()
    assert whole or isinstance(session.error, BodyTruncated), session.error


@pytest.mark.parametrize("policy", ["default", "patient", "fixed"])
def test_a_get_over_a_stale_connection_is_asked_again(policy: str) -> None:
    simulation, session, _ = twice("holysheep", Fault(idle_drop=12.0), POLICIES[policy], 11.985)
    assert (simulation.reused, len(simulation.sent), session.error) == (1, 2, None), simulation.story()
    assert session.answer.text == TEXT


def main() -> int:
    """Every cut, and many seeds."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else ALL
    found = 0
    with ProcessPoolExecutor() as processes:
        places, again = list(cuts(1)), list(kept_cuts(1))
        for what, problems in (
            (f"{len(places):,} cuts of WebSockets", processes.map(cut_there, places, chunksize=500)),
            (f"{len(again):,} of connections used again", processes.map(cut_again_there, again, chunksize=500)),
            (f"{seeds:,} seeds", processes.map(from_seed, range(seeds), chunksize=500)),
        ):
            wrong = [problem for problem in problems if problem]
            found += len(wrong)
            print(f"{what}, {len(wrong)} wrong", flush=True)
            for problem in wrong[:3]:
                print(problem[:3000])
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())

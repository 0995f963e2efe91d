"""Any network, drawn from a seed, and WebSockets cut at every byte: the session against the reference endpoint.

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
from network import Fault, Simulation

from tokenwire.dialects import DIALECTS
from tokenwire.dialects.dialect import Prompt
from tokenwire.dialects.events import End, Other
from tokenwire.endpoint import ReferenceEndpoint
from tokenwire.endpoint.story import MODELS, STORY
from tokenwire.errors import TokenwireError
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

#: Of how many offsets of a WebSocket a test run takes one.
SAMPLE = 127


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
    simulation = Simulation(session, endpoint.connection, faults, seed=seed)
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
    """What went wrong in the conversation of a seed."""
    random = Random(seed)
    dialect, scheme = random.choice(STREAMS)
    simulation, session = simulate(
        dialect,
        scheme,
        [draw(random) for _ in range(random.randrange(6))],
        random.choice(list(POLICIES.values())),
        seed=seed,
        pace=random.choice([0.0, 0.02, 15.0]),
        keepalive=random.choice([None, 10.0]),
        jitter=random.random(),
    )
    return judge(simulation, session)


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


def main() -> int:
    """Every cut, and many seeds."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else ALL
    found = 0
    with ProcessPoolExecutor() as processes:
        places = list(cuts(1))
        for what, problems in (
            (f"{len(places):,} cuts of WebSockets", processes.map(cut_there, places, chunksize=500)),
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

"""The cut test over real sockets: streams through the fault proxy, by each driver, over both transports.

What must come out is in `judge`. A test run takes a sample of the harms. All of them, with the number of scenarios,
and the story with its own twelve seconds:

    python tests/drivers/test_every_harm.py
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import chain, product
from queue import SimpleQueue
from typing import Any

import pytest
from drives import DRIVES, Outcome
from fault_proxy import FaultProxy, Harm, harming

import tokenwire
from tokenwire.endpoint import ReferenceEndpoint, background
from tokenwire.endpoint.story import MODELS, STORY
from tokenwire.session import POLICIES

TEXT = "".join(STORY)
CHAT: dict[str, Any] = {"model": MODELS[0], "messages": [{"role": "user", "content": "go"}]}

#: Of how many scenarios a test run takes one. It has no divisor in common with the numbers of drivers and policies.
SAMPLE = 43

#: What is in progress at once, when all of them are run.
AT_ONCE = 12


@dataclass(frozen=True)
class Asked:
    """A stream that is asked for.

    :ivar begun: bytes of its response after which it can be resumed; None where it never can.
    """

    dialect: str
    scheme: str
    json: dict[str, Any]
    begun: int | None = None


STREAMS = [
    Asked("holysheep", "http", {"model": MODELS[0]}, begun=500),
    Asked("openai-responses", "http", {"model": MODELS[0], "input": "go", "background": True}, begun=1000),
    Asked("gemini-interactions", "http", {"model": MODELS[0], "input": "go"}, begun=1000),
    Asked("openai-chat", "http", CHAT),
    Asked("holysheep", "ws", CHAT),
    Asked("openai-responses", "ws", {"model": MODELS[0], "input": "go"}),
]

HARMS = [
    *(harm for cut in range(0, 3000, 29) for harm in (Harm(cut=cut), Harm(cut=cut, how="reset"))),
    *(Harm(cut=cut, how="stall") for cut in range(0, 3000, 500)),
    *(Harm(piece=piece, pause=0.0005) for piece in (20, 50, 111)),
]


@dataclass(frozen=True)
class Scenario:
    drive: str
    asked: Asked
    harm: Harm
    policy: str

    def __str__(self) -> str:
        asked, harm = self.asked, self.harm
        return f"{self.drive} {asked.dialect}-{asked.scheme} {harm.how}-{harm.cut}-{harm.piece} {self.policy}"


def scenarios() -> Iterator[Scenario]:
    """Each policy takes its turn, with every driver and stream: there are five of the one and six of the other."""
    policies = list(POLICIES)
    for number, (harm, asked, drive) in enumerate(product(HARMS, STREAMS, DRIVES)):
        turn = number // len(DRIVES)  # the drivers are given the same
        yield Scenario(drive, asked, harm, policies[turn % len(policies)])


def play(scenario: Scenario, proxy: FaultProxy, port: int) -> Outcome:
    """The first connection suffers the harm, all others none; waits are so short that it is quick."""
    asked, harm = scenario.asked, scenario.harm
    proxy.next(harm)
    silence = 0.5 if harm.how == "stall" else 60.0
    return DRIVES[scenario.drive](
        f"{asked.scheme}://127.0.0.1:{port}",
        json=asked.json,
        dialect=asked.dialect,
        policy=replace(POLICIES[scenario.policy], base=0.001, longest=0.01),
        timeouts=tokenwire.Timeouts(first_byte=silence, idle=silence, keepalive=silence / 2),
    )


def judge(scenario: Scenario, outcome: Outcome, proxy: FaultProxy) -> str:
    """What went wrong; empty for nothing."""
    asked, harm, error = scenario.asked, scenario.harm, outcome.error
    generations = sum(map(_begins_a_generation, proxy.sent))
    if generations > 1:
        return f"{generations} generations were asked for: {proxy.sent}"
    if error is None:
        return "" if outcome.text == TEXT else f"it is said to be whole, and is {outcome.text!r}"
    goes_on = asked.begun is not None and scenario.policy != "never"
    if harm.cut is None or (goes_on and harm.cut >= (asked.begun or 0)):
        return f"it is lost: {error!r}"
    if not TEXT.startswith(outcome.text):
        return f"{outcome.text!r} is no beginning"
    arrived = getattr(error, "answer", None)
    if arrived is not None and arrived.text != outcome.text:
        return f"the error has {arrived.text!r}, and {outcome.text!r} was given"
    return ""


def _begins_a_generation(sent: bytearray) -> bool:
    """A POST, or what was said on a WebSocket: a text message, which may be compressed."""
    said = bytes(sent).partition(b"\r\n\r\n")[2]
    return sent.startswith(b"POST") or (b"upgrade: websocket" in sent.lower() and said[:1] in (b"\x81", b"\xc1"))


@pytest.fixture(scope="module")
def endpoint() -> Iterator[int]:
    with background(ReferenceEndpoint().connection) as port:
        yield port


@pytest.mark.parametrize("scenario", list(scenarios())[::SAMPLE], ids=str)
def test_harm_on_the_way_is_borne_as_the_dialect_can(scenario: Scenario, endpoint: int) -> None:
    proxy = FaultProxy(endpoint)
    with harming(proxy) as port:
        outcome = play(scenario, proxy, port)
    assert not judge(scenario, outcome, proxy)


# The story with its own twelve seconds. Three tokens take longer to think of than the proxy waits.

TWELVE = [Harm(idle_drop=12.0)] * 50
THINKING = 13.0

#: (what keeps the answer, the stream, what it is asked with, seconds after which the endpoint says a comment)
TOLD: list[tuple[str, Asked, dict[str, Any], float | None]] = [
    ("nothing", Asked("openai-chat", "http", {**CHAT, "max_tokens": 3}), {}, None),
    ("comments", Asked("openai-chat", "http", {**CHAT, "max_tokens": 3}), {}, 5.0),
    (
        "pings",
        Asked("holysheep", "ws", {**CHAT, "max_tokens": 3}),
        {"timeouts": tokenwire.Timeouts(keepalive=5.0)},
        None,
    ),
    ("resume", Asked("openai-responses", "http", {**STREAMS[1].json, "max_output_tokens": 3}), {}, None),
]


def tell_the_story(drive: str, keeps: str, asked: Asked, options: dict[str, Any], keepalive: float | None) -> str:
    """What went wrong; empty for nothing."""
    with background(ReferenceEndpoint(pace=THINKING, keepalive=keepalive).connection) as endpoint:
        proxy = FaultProxy(endpoint, TWELVE)
        with harming(proxy) as port:
            url = f"{asked.scheme}://127.0.0.1:{port}"
            outcome = DRIVES[drive](url, json=asked.json, dialect=asked.dialect, policy=POLICIES["patient"], **options)
    whole = outcome.error is None and outcome.text == "".join(STORY[:3])
    lost = isinstance(outcome.error, tokenwire.StreamInterrupted)
    fine = lost if keeps == "nothing" else whole
    return "" if fine else f"the story, {drive}, kept by {keeps}: {outcome.error!r} after {outcome.text!r}"


def main() -> int:
    """Every scenario, and the story."""
    wrong: list[str] = []
    counts: Counter[str] = Counter()
    with ExitStack() as stack:
        endpoint = stack.enter_context(background(ReferenceEndpoint().connection))
        free: SimpleQueue[tuple[FaultProxy, int]] = SimpleQueue()
        for _ in range(AT_ONCE):
            proxy = FaultProxy(endpoint)
            free.put((proxy, stack.enter_context(harming(proxy))))

        def run(scenario: Scenario) -> tuple[str, str]:
            proxy, port = free.get()
            try:
                problem = judge(scenario, play(scenario, proxy, port), proxy)
            finally:
                free.put((proxy, port))
            return scenario.drive, f"{scenario}: {problem}" if problem else ""

        stories = stack.enter_context(ThreadPoolExecutor(len(DRIVES) * len(TOLD)))
        told = [stories.submit(tell_the_story, drive, *told) for drive, told in product(DRIVES, TOLD)]
        threads = stack.enter_context(ThreadPoolExecutor(AT_ONCE))
        for drive, problem in chain(threads.map(run, scenarios()), (("the story", each.result()) for each in told)):
            counts[drive] += 1
            if problem:
                wrong.append(problem)
                print("   ", problem[:600], flush=True)
            if not counts.total() % 500:
                print(f"{counts.total():7,} scenarios, {len(wrong)} wrong", flush=True)
    each = ", ".join(f"{count:,} of {name}" for name, count in counts.items())
    print(f"{counts.total():7,} scenarios in all, {len(wrong)} wrong: {each}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())

"""The same question many times, several at a time: for what goes wrong now and then.

Each question bears a mark, a word of its own that is to be repeated: an answer that reached somebody else shows by it.
Every fourth asks for tools, where the dialect has them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import sha256

from tokenwire.errors import ConnectionFailed

from ..reading.outcome import Outcome
from ..reading.transcript import Transcript
from .asking import PROMPTED
from .rehearsal import Budget
from .talk import OutOfTime, Plan, Probe, Talk, all_probes, run_probe
from .wire import Wire

__all__ = ["Asked", "Many", "ask_many", "probes_of_many"]

#: Short, with the mark first: an answer that hits its limit has it.
_QUESTION = "Repeat this exactly: {} naïve café, Привет, 日本語, 😀"

#: One question of so many asks for tools.
_TOOLS_EACH = 4


def _once(talk: Talk) -> None:
    talk.send(talk.plan.request(asked=talk.plan.ask(stream=True)))
    talk.read_answers()


_ONCE = Probe("once", "generation", "a plain stream, and nothing else", _once, PROMPTED)


@dataclass(frozen=True, slots=True)
class Asked:
    """One question.

    :ivar mark: the word in it that no other question has.
    :ivar outcome: None where no connection could be made.
    """

    mark: str
    outcome: Outcome | None


@dataclass(frozen=True, slots=True)
class Many:
    """Many questions, in the order in which they were asked.

    :ivar at_once: how many were asked at a time.
    """

    asked: Sequence[Asked]
    at_once: int

    @property
    def transcripts(self) -> list[Transcript]:
        return [asked.outcome.transcript for asked in self.asked if asked.outcome is not None]


def probes_of_many(plain: Probe, dialect: str, count: int) -> list[Probe]:
    """The probes that ask, one for each question.

    :param plain: that of the plain question; over HTTP without its second request.
    """
    if plain.transport == "websocket" or dialect not in PROMPTED:
        return [plain] * count
    tools = all_probes()["tools"]
    offers = dialect in tools.dialects
    each = [_ONCE] * (_TOOLS_EACH - 1) + [tools if offers else _ONCE]
    return [each[number % _TOOLS_EACH] for number in range(count)]


def ask_many(
    plan: Plan,
    make_wire: Callable[[], Wire],
    probes: Sequence[Probe],
    at_once: int,
    *,
    deadline: float,
    budget: Budget,
    tell: Callable[[int], None] = lambda _: None,
) -> Many:
    """Asks, as long as the time and the tokens last.

    :param deadline: on the clock of the wires.
    :param tell: is told how many were answered.
    """

    def ask(number: int) -> Asked:
        mark = "#" + sha256(f"{plan.target.authority} {number}".encode()).hexdigest()[:10]
        marked = replace(plan, question=_QUESTION.format(mark))
        try:
            made = run_probe(probes[number], make_wire(), marked, deadline)
        except ConnectionFailed:
            return Asked(mark, None)
        made = Transcript(f"many-{number + 1:04}", made.recording)
        budget.pay(made)
        return Asked(mark, Outcome(made, plan.dialect))

    asked: list[Asked] = []
    with ThreadPoolExecutor(at_once) as pool:
        try:
            for future in _in_order(pool, ask, probes, at_once, budget):
                asked.append(future.result())
                tell(len(asked))
        except OutOfTime:
            pool.shutdown(cancel_futures=True)
    return Many(asked, at_once)


def _in_order(
    pool: ThreadPoolExecutor, ask: Callable[[int], Asked], probes: Sequence[Probe], at_once: int, budget: Budget
) -> Iterator[Future[Asked]]:
    """So many at a time, and no more than are allowed: what was begun is waited for."""
    begun: list[Future[Asked]] = []
    for number, probe in enumerate(probes):
        if len(begun) >= at_once:
            yield begun.pop(0)
        if not budget.allows(*[probe] * (len(begun) + 1)):
            break
        begun.append(pool.submit(ask, number))
    yield from begun

"""The same question many times, several at a time: for what goes wrong now and then.

Each question bears a mark, a word of its own that is to be repeated: an answer that reached somebody else shows by it.
Every fourth asks for tools, where the dialect has them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from queue import SimpleQueue
from threading import Thread

from tokenwire.errors import ConnectionFailed

from ..reading.outcome import Outcome
from ..reading.transcript import Transcript
from .asking import PROMPTED
from .limits import LEAST_RECEIVED, MOST_RECEIVED_BY_MANY, Room
from .rehearsal import Budget
from .talk import Plan, Probe, Talk, all_probes, run_probe
from .wire import Wire

__all__ = ["Asked", "Many", "NoMore", "ask_many", "marks_in", "probes_of_many"]

#: Short, with the mark first: an answer that hits its limit has it.
_QUESTION = "Repeat this exactly: {} naïve café, Привет, 日本語, 😀"

#: Hexadecimal digits of a mark, behind its number sign.
_MARK_DIGITS = 10
_MARK = re.compile(rf"#[0-9a-f]{{{_MARK_DIGITS}}}")

#: One question of so many asks for tools.
_TOOLS_EACH = 4


def _once(talk: Talk) -> None:
    talk.send(talk.plan.request(asked=talk.plan.ask(stream=True)))
    talk.read_answers()


_ONCE = Probe("once", "generation", "a plain stream, and nothing else", _once, PROMPTED)


class NoMore(Exception):
    """No more questions can be asked; the message says why."""


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
    """Many questions, in the order in which they were answered."""

    asked: Sequence[Asked]

    @property
    def outcomes(self) -> list[Outcome]:
        """Of those for which there was a connection."""
        return [asked.outcome for asked in self.asked if asked.outcome is not None]

    @property
    def transcripts(self) -> list[Transcript]:
        return [outcome.transcript for outcome in self.outcomes]


def marks_in(text: str) -> set[str]:
    """What may be marks in what was said."""
    return set(_MARK.findall(text))


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
    plan: Plan, make_wire: Callable[[], Wire], probes: Sequence[Probe], at_once: int, *, deadline: float, budget: Budget
) -> Iterator[Asked]:
    """Asks so many at a time. Whoever stops here waits for none that is still being asked.

    :param deadline: on the clock of the wires.
    :raises OutOfTime: when the time for the whole run is up.
    :raises NoMore: when what may be used or received does not reach for the next; what was begun is given before.
    """
    asking = _Asking(replace(plan, room=Room(MOST_RECEIVED_BY_MANY, most=LEAST_RECEIVED)), make_wire, deadline, budget)
    for probe in probes:
        if len(asking.begun) >= at_once:
            yield asking.answered()
        if asking.obstacle(probe):
            break
        asking.begin(probe)
    while asking.begun:
        yield asking.answered()
    if asking.stopped_by:
        raise NoMore(asking.stopped_by)


class _Asking:
    """The questions that are being asked, each in a thread of its own."""

    def __init__(self, plan: Plan, make_wire: Callable[[], Wire], deadline: float, budget: Budget) -> None:
        #: By number.
        self.begun: dict[int, Probe] = {}
        #: Why no more can be asked; empty as long as they can.
        self.stopped_by = ""
        self._plan = plan
        self._make_wire = make_wire
        self._deadline = deadline
        self._budget = budget
        self._heard: SimpleQueue[tuple[int, Transcript | Exception]] = SimpleQueue()
        self._count = 0

    def obstacle(self, probe: Probe) -> str:
        """Why this one cannot be asked; empty where it can."""
        if not self._budget.allows(probe, *self.begun.values()):
            self.stopped_by = f"--max-tokens-total {self._budget.limit:.0f} might have been passed"
        elif not self._plan.room.left:
            self.stopped_by = "the answers are too many or too large to be kept"
        return self.stopped_by

    def begin(self, probe: Probe) -> None:
        self._count += 1
        self.begun[self._count] = probe
        # A daemon, so that none that hangs is waited for when the run is stopped.
        Thread(target=self._ask, args=(self._count, probe), daemon=True).start()

    def _ask(self, number: int, probe: Probe) -> None:
        marked = replace(self._plan, question=_QUESTION.format(self._mark(number)))
        try:
            self._heard.put((number, run_probe(probe, self._make_wire(), marked, self._deadline)))
        except Exception as error:
            self._heard.put((number, error))

    def _mark(self, number: int) -> str:
        return "#" + sha256(f"{self._plan.target.authority} {number}".encode()).hexdigest()[:_MARK_DIGITS]

    def answered(self) -> Asked:
        """The next that is answered."""
        number, made = self._heard.get()
        del self.begun[number]
        if isinstance(made, ConnectionFailed):
            return Asked(self._mark(number), None)
        if isinstance(made, Exception):
            raise made
        self._budget.pay(made)
        named = Transcript(f"many-{number:04}", made.recording)
        return Asked(self._mark(number), Outcome(named, self._plan.dialect))

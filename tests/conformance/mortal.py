"""An endpoint in memory that dies, falls silent or refuses at a certain point of a run, on a simulated clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from math import inf

from tokenwire.endpoint import Call, ReferenceEndpoint, Reply, Seams
from tokenwire.errors import ConnectionFailed
from tokenwire_conformance.judging.case import Case
from tokenwire_conformance.judging.judge import judge_run, select
from tokenwire_conformance.judging.judged import Run
from tokenwire_conformance.probes.reference import reference_plan
from tokenwire_conformance.probes.talk import Probe, Transport
from tokenwire_conformance.probes.wire import MemoryWire, SimulatedClock
from tokenwire_conformance.rounds import Pace, Progress, Round, make_rounds
from tokenwire_conformance.run import choose_probes

__all__ = ["KEY", "Fate", "Refusing", "World"]

#: Bytes of a piece.
_PIECE = 100

PACE = Pace()

KEY = "a-key-that-is-long-enough"


class Fate(Enum):
    """What happens to the endpoint."""

    NONE = "nothing"
    DIES_BEFORE = "it dies before the connection"
    DIES_WITHIN = "it dies when it has said something"
    DIES_UNHEARD = "it dies when it is asked, before it says a word"
    STALLS = "it falls silent for good when it has said something"
    STALLS_ONCE = "it falls silent on this connection alone"


class World:
    """An endpoint, its fate, and everybody's clock.

    :param fate: what happens on the connection of the number `at` (from 0), and to those after it.
    :param says: how many pieces are read on that connection before it happens.
    """

    def __init__(
        self,
        dialect: str = "openai-chat",
        transport: Transport = "http/1.1",
        *,
        fate: Fate = Fate.NONE,
        at: int = 0,
        says: int = 1,
        seams: Callable[[], Seams] = Seams,
        only: Sequence[str] = (),
    ) -> None:
        self.clock = SimulatedClock()
        self.fate, self.at, self.says = fate, at, says
        self.connections = 0
        self.told: list[Progress] = []
        self.plan = reference_plan(dialect, transport, KEY)
        self.checks = [check for check in select(only) if check.fits({dialect})]
        given = ("key", "failing-model", "cut-model")
        self.probes: list[Probe] = choose_probes(dialect, self.checks, given=given, transport=transport, named=False)
        self._endpoint = ReferenceEndpoint(key=KEY, seams=seams, clock=lambda: 1_700_000_000.0)

    def tell(self, progress: Progress) -> None:
        """Is told what comes next."""
        self.told.append(progress)

    def is_dead(self, number: int) -> bool:
        """There is nobody for the connection of this number."""
        if self.fate not in (Fate.DIES_BEFORE, Fate.DIES_WITHIN, Fate.DIES_UNHEARD):
            return False
        return number > self.at or (number == self.at and self.fate is Fate.DIES_BEFORE)

    def ask(self, pace: Pace = PACE) -> Case:
        wires = Round(self.plan, self.probes, lambda: MortalWire(self._endpoint, self))
        return make_rounds([wires], self.tell, pace, self.clock)

    def run(self, pace: Pace = PACE) -> Run:
        return judge_run(self.ask(pace), self.checks)


class MortalWire(MemoryWire):
    """A connection to an endpoint that has a fate."""

    def __init__(self, endpoint: ReferenceEndpoint, world: World) -> None:
        super().__init__(endpoint, world.clock)
        self._world = world
        self._heard = 0
        self._read = b""
        self._fate = Fate.NONE
        self._later = False

    def connect(self) -> None:
        world = self._world
        number, world.connections = world.connections, world.connections + 1
        if world.is_dead(number):
            raise ConnectionFailed("reference.test:80 refused the connection: does a server listen there?", phase="")
        if number == world.at or (number > world.at and world.fate is Fate.STALLS):
            self._fate = world.fate
        self._later = number > world.at
        super().connect()

    def receive(self, timeout: float) -> bytes | None:
        said_enough = self._heard >= self._world.says or self._later
        match self._fate:
            case Fate.DIES_UNHEARD:
                return b""
            case Fate.DIES_WITHIN if said_enough:
                return b""
            case Fate.STALLS | Fate.STALLS_ONCE if said_enough:
                self.sleep(timeout)
                return None
        data = self._read or super().receive(timeout)
        if not data or self._fate is Fate.NONE:
            return data
        piece, self._read = data[:_PIECE], data[_PIECE:]
        self._heard += 1
        return piece


class Refusing(Seams):
    """Answers so many requests as they should be, and then so many with another reply (for ever, by default)."""

    def __init__(self, after: int, reply: Reply, times: float = inf) -> None:
        self._asked = 0
        self._after, self._times, self._reply = after, times, reply

    def __call__(self) -> Refusing:
        """One for all connections."""
        return self

    def reply(self, call: Call, reply: Reply) -> Reply:
        number, self._asked = self._asked, self._asked + 1
        return self._reply if self._after <= number < self._after + self._times else reply

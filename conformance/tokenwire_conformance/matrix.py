"""The kill matrix: every fault against every check, in one process, without a network and without waiting.

    python -m tokenwire_conformance.matrix [--json]

The clean endpoint must pass everything, and in one dialect at least every check has something to pass, unless its fault
stages what it judges; every check must be tripped by at least one fault; every fault must trip the checks that it
declares and no others; every check must have a near miss, judge it and stay silent. Exit code 0 when all that holds,
1 when it does not.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any

from tokenwire.endpoint import ReferenceEndpoint, Seams

from .faults import Fault, all_faults
from .faults.rate import MANY
from .judging.case import Case
from .judging.gate import plain_probe
from .judging.judge import judge_all, select
from .judging.registry import Sees
from .judging.verdict import Result, Verdict
from .misses import NearMiss, all_near_misses
from .probes.asking import ASKING, FORGIVING
from .probes.many import Many, ask_many, probes_of_many
from .probes.reference import reference_plan
from .probes.rehearsal import Budget
from .probes.talk import Plan, Probe, Transport, all_probes, probes_for, run_probe
from .probes.wire import MemoryWire
from .reading.transcript import Transcript

__all__ = ["EXAMINED", "Row", "examine", "kill_matrix", "main", "verdict_on"]

#: What the clean endpoint is judged as.
EXAMINED: tuple[tuple[str, Transport], ...] = (
    *((dialect, "http/1.1") for dialect in ASKING),
    *((dialect, "websocket") for dialect in FORGIVING),
)

#: What the matrix lists and should not hold.
_MUST_BE_EMPTY = (
    "clean",
    "survivors",
    "missed",
    "collateral",
    "harness errors",
    "never passed",
    "without a near miss",
    "not silent",
)

_KEY = "kill-matrix-key-0123456789"
_OTHER_KEY = "kill-matrix-other-key-0123456789"

#: Seconds between two pieces of a stream, so that its time can be judged. The clock is simulated: nobody waits.
_PACE = 0.05
_TRIPPED = {Verdict.FAIL, Verdict.WARN, Verdict.INFO}
_BAD_WHEN_CLEAN = _TRIPPED | {Verdict.HARNESS_ERROR}


@dataclass(frozen=True, slots=True)
class Row:
    """One fault: what it should trip and what it did."""

    fault: Fault
    tripped: frozenset[str]
    harness_errors: frozenset[str]

    @property
    def missed(self) -> frozenset[str]:
        return self.fault.trips - self.tripped

    @property
    def collateral(self) -> frozenset[str]:
        return self.tripped - self.fault.trips

    @property
    def holds(self) -> bool:
        return not self.missed and not self.collateral and not self.harness_errors


def examine(
    seams: type[Seams] | Any = Seams,
    dialect: str = "openai-chat",
    only: Sequence[str] = (),
    transport: Transport = "http/1.1",
    asked: Collection[str] = (),
    *,
    origin: Callable[[], Seams] | None = None,
    many: int = 0,
) -> list[Result]:
    """Judges the reference endpoint with these seams, in memory; by the answers to the probes `asked`, or to all.

    :param origin: the seams of an endpoint behind it: it is judged as a hop, by what compares the two alone.
    :param many: it is judged by what so many questions show alone.
    """
    fitting = [check for check in select(only) if check.fits({dialect})]
    if many:
        return judge_all(
            _case_of_many(seams, dialect, transport, many), [check for check in fitting if check.sees is Sees.MANY]
        )
    case = _case(seams, dialect, transport, asked)
    if origin is None:
        return judge_all(case, fitting)
    case = case.behind(_case(origin, dialect, transport, asked))
    return judge_all(case, [check for check in fitting if check.sees is Sees.HOP])


def _case_of_many(seams: type[Seams] | Any, dialect: str, transport: Transport, count: int) -> Case:
    plan, endpoint = _reference(seams, dialect, transport)
    probes = probes_of_many(all_probes()[plain_probe(dialect, transport)], dialect, count)
    # One at a time: the endpoint has one thread.
    asked = list(ask_many(plan, lambda: MemoryWire(endpoint), probes, 1, deadline=inf, budget=Budget()))
    return Case([], many=Many(asked))


def _case(seams: type[Seams] | Any, dialect: str, transport: Transport, asked: Collection[str]) -> Case:
    plan, endpoint = _reference(seams, dialect, transport)
    probes = [probe for probe in probes_for(dialect, all_probes(), transport) if not asked or probe.name in asked]
    return Case(_asked(probe, MemoryWire(endpoint), plan) for probe in probes)


def _asked(probe: Probe, wire: MemoryWire, plan: Plan) -> Transcript:
    return run_probe(probe, wire, replace(plan, running=wire.running))


def _reference(seams: type[Seams] | Any, dialect: str, transport: Transport) -> tuple[Plan, ReferenceEndpoint]:
    plan = reference_plan(dialect, transport, _KEY, other_key=_OTHER_KEY)
    # The clock of the endpoint stands still, so that two runs give the same bytes.
    return plan, ReferenceEndpoint(
        key=_KEY, other_key=_OTHER_KEY, pace=_PACE, seams=seams, clock=lambda: 1_700_000_000.0
    )


def tripped(results: Iterable[Result]) -> frozenset[str]:
    return frozenset(result.id for result in results if result.verdict in _TRIPPED)


def row(fault: Fault) -> Row:
    """Runs one fault against all checks."""
    results = examine(fault.seams, fault.dialect, transport=fault.transport, origin=fault.origin, many=fault.many)
    broken = frozenset(result.id for result in results if result.verdict is Verdict.HARNESS_ERROR)
    return Row(fault, tripped(results), broken)


def near_misses() -> dict[str, str]:
    """What each check says of its near miss: its verdict, which should be PASS."""
    return {miss.check: verdict_on(miss) for miss in all_near_misses().values()}


def verdict_on(miss: NearMiss, seams: Callable[[], Seams] | None = None) -> str:
    """The verdict of the check on its near miss, or on other seams in the same place."""
    fault = miss.fault
    results = examine(
        seams or miss.seams,
        fault.dialect,
        [miss.check],
        fault.transport,
        miss.probes,
        origin=fault.origin,
        many=fault.many,
    )
    return str(next(result.verdict for result in results if result.id == miss.check))


def _clean(dialect: str, transport: Transport) -> list[Result]:
    """What is said of the clean endpoint: by itself, as a hop in front of another, and by many answers."""
    return [
        *examine(dialect=dialect, transport=transport),
        *examine(dialect=dialect, transport=transport, origin=Seams),
        *examine(dialect=dialect, transport=transport, many=MANY),
    ]


def kill_matrix() -> dict[str, Any]:
    """The whole matrix as JSON: checks, faults, which fault killed which check, and what else it tripped."""
    clean = [result for dialect, transport in EXAMINED for result in _clean(dialect, transport)]
    rows = [row(fault) for fault in all_faults().values()]
    checks = [check.id for check in select()]
    killers = {check: [r.fault.id for r in rows if check in r.tripped & r.fault.trips] for check in checks}
    passed = {result.id for result in clean if result.verdict is Verdict.PASS}
    staged = {check for r in rows for check in r.fault.stages}
    return {
        "checks": checks,
        "faults": {r.fault.id: sorted(r.fault.trips) for r in rows},
        "killed": killers,
        "survivors": [check for check, faults in killers.items() if not faults],
        "missed": {r.fault.id: sorted(r.missed) for r in rows if r.missed},
        "collateral": {r.fault.id: sorted(r.collateral) for r in rows if r.collateral},
        "harness errors": {r.fault.id: sorted(r.harness_errors) for r in rows if r.harness_errors},
        "clean": sorted(f"{r.id} {r.verdict}: {r.message}" for r in clean if r.verdict in _BAD_WHEN_CLEAN),
        "never passed": [check for check in checks if check not in passed | staged],
        "without a near miss": [check for check in checks if check not in all_near_misses()],
        "near misses": {miss.check: f"{miss.of}: {miss.what}" for miss in all_near_misses().values()},
        "not silent": {check: verdict for check, verdict in near_misses().items() if verdict != Verdict.PASS},
    }


def holds(matrix: dict[str, Any]) -> bool:
    return not any(matrix[name] for name in _MUST_BE_EMPTY)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tokenwire_conformance.matrix", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the whole matrix as JSON")
    options = parser.parse_args(arguments)
    matrix = kill_matrix()
    if options.json:
        print(json.dumps(matrix, indent=2, ensure_ascii=False))  # noqa: T201 - a command's output
    else:
        print(_summary(matrix))  # noqa: T201 - a command's output
    return 0 if holds(matrix) else 1


def _summary(matrix: dict[str, Any]) -> str:
    killed = sum(bool(faults) for faults in matrix["killed"].values())
    lines = [f"{len(matrix['checks'])} checks, {len(matrix['faults'])} faults, {killed} checks killed"]
    lines[0] += f", {len(matrix['near misses'])} with a near miss"
    for name in _MUST_BE_EMPTY:
        if matrix[name]:
            lines.append(f"{name}: {json.dumps(matrix[name], ensure_ascii=False)}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

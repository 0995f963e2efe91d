"""What `check` tells of a run: whom it asked, how, when, and what that cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING

from .access import Access

if TYPE_CHECKING:
    from tokenwire_conformance.judging.case import Case
    from tokenwire_conformance.judging.judged import Run
    from tokenwire_conformance.judging.registry import Check
    from tokenwire_conformance.probes.talk import Plan, Transport
    from tokenwire_conformance.reports.questions import Variable
    from tokenwire_conformance.reports.report import Report

__all__ = ["Began", "make_report", "variables_of"]

#: The variable, in a command, for a key that came from none.
_KEY = "KEY"

_TRANSPORTS: Mapping[Transport, str] = {"http/1.1": "HTTP/1.1", "websocket": "WebSocket"}


@dataclass(slots=True)
class Began:
    """When a run began, and what was asked since.

    :ivar listings: how often the models were listed.
    :ivar connections: that were made for probes.
    """

    listings: int = 0
    connections: int = 0
    date: str = field(default_factory=lambda: f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
    at: float = field(default_factory=monotonic)

    def connected(self) -> None:
        """A connection for a probe stands."""
        self.connections += 1


def make_report(
    target: str,
    case: Case,
    run: Run,
    checks: Iterable[Check],
    *,
    began: Began,
    plans: Mapping[Transport, Plan],
    variables: Mapping[str, Variable],
) -> Report:
    """The report of a run.

    :param plans: whom was asked, by transport.
    :param variables: as `Questions` wants them.
    """
    from tokenwire_conformance.reading.usage import tokens_told
    from tokenwire_conformance.reports.questions import Questions
    from tokenwire_conformance.reports.report import About, Report

    transcripts = case.transcripts
    told = [tokens for made in transcripts.values() if (tokens := tokens_told(made)) is not None]
    more = sum(max(len(made.requests) - 1, 0) for made in transcripts.values())
    plan = next(iter(plans.values()))
    about = About(
        dialects=[plan.dialect.name for plan in plans.values()],
        model=", ".join(dict.fromkeys(plan.model for plan in plans.values() if plan.model)),
        transports=[_TRANSPORTS[transport] for transport in plans],
        date=began.date,
        requests=began.listings + began.connections + more if began.connections else 0,
        tokens=sum(told) if told else None,
        tellers=len(told),
        seconds=monotonic() - began.at,
    )
    origin = f"{'https' if plan.target.tls else 'http'}://{plan.target.authority}"
    took = {check.id: _took(check, case) for check in checks}
    return Report(target, run, about=about, transcripts=transcripts, questions=Questions(origin, variables), took=took)


def _took(check: Check, case: Case) -> float:
    """Seconds of the exchanges that a check judged; of a passive one, those that show its subject, or the plain one."""
    probes = [*check.probes, *check.shown_by] or list(case.transcripts)[:1]
    return sum(case.transcripts[name].ending_time for name in probes if name in case.transcripts)


def variables_of(key_variable: str | None, access: Access, plan: Plan) -> dict[str, Variable]:
    """The environment variables that hold what is secret, by the field or parameter that it goes in.

    :param key_variable: that of the key, where it came from one.
    """
    from tokenwire_conformance.reports.questions import Variable

    whole = {name: Variable(variable, whole=True) for name, variable in access.variables.items()}
    return {access.key_header or plan.key_field: Variable(key_variable or _KEY), **whole}

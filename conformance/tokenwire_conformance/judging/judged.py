"""What became of a run: how it went, the verdicts, what is said first and last, and the exit code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from tokenwire import exit_codes

from .verdict import Level, Result, Verdict

__all__ = ["Course", "Ended", "Run"]


class Ended(StrEnum):
    """How a run ended."""

    WHOLE = "whole"  #: every probe was made
    REFUSED = "refused"  #: the plain question was refused, or answered with something else
    SILENT = "silent"  #: there was no connection, or no answer to the plain question
    BROKEN = "broken"  #: the answer to the plain question is no HTTP
    GONE = "gone"  #: the endpoint no longer answered the plain question
    OUT_OF_TIME = "out of time"  #: the time for the whole run was up
    INTERRUPTED = "interrupted"  #: Ctrl-C
    TERMINATED = "terminated"  #: SIGTERM
    HUNG_UP = "hung up"  #: SIGHUP
    CRASHED = "crashed"  #: the suite itself failed


#: Ways to end in which the plain question got no answer, so that little can be judged.
_SHUT = frozenset({Ended.REFUSED, Ended.SILENT, Ended.BROKEN})

#: Ways to end that say the exit code, whatever was judged.
_CODES = {
    Ended.REFUSED: exit_codes.REFUSED,
    Ended.SILENT: exit_codes.UNREACHABLE,
    Ended.BROKEN: exit_codes.PROTOCOL_BROKEN,
    Ended.INTERRUPTED: exit_codes.INTERRUPTED,
    Ended.TERMINATED: exit_codes.TERMINATED,
    Ended.HUNG_UP: exit_codes.HUNG_UP,
    Ended.CRASHED: exit_codes.UNREACHABLE,
}


@dataclass(frozen=True, slots=True)
class Course:
    """How a run went.

    :ivar headline: what happened and what to do, in a sentence or two; empty where nothing stood in the way.
    """

    ended: Ended = Ended.WHOLE
    headline: str = ""

    @property
    def whole(self) -> bool:
        """Every probe was made, and the endpoint still answers: more can be asked."""
        return self.ended is Ended.WHOLE

    @property
    def shut(self) -> bool:
        """The plain question got no answer."""
        return self.ended in _SHUT


@dataclass(frozen=True, slots=True)
class Run:
    """The verdicts of one run, and how it went.

    :ivar results: one for each check, in the order of the catalogue.
    :ivar news: what differs from the baseline, in lines that begin with the id of a check; None without a baseline.
    """

    results: Sequence[Result]
    course: Course = field(default_factory=Course)
    news: Sequence[str] | None = None

    @classmethod
    def of_all(cls, runs: Sequence[Run]) -> Run:
        """One run of several, as of several files: the first that did not go well says how it went."""
        courses = [run.course for run in runs if run.course.headline]
        results = [result for run in runs for result in run.results]
        news = [line for run in runs for line in run.news or ()] if any(run.news is not None for run in runs) else None
        return cls(results, courses[0] if courses else Course(), news)

    @property
    def headline(self) -> str | None:
        """What stood in the way and what to do; None where nothing did."""
        return self.course.headline or None

    @property
    def exit_code(self) -> int:
        """0 sound, 1 findings (with a baseline: what is new or stale), 3 nobody answered or the suite failed, 4 nothing
        was judged, 5 the plain question was refused, 6 no HTTP, 7 a MUST was left open because an answer did not come,
        more than 128 stopped by a signal.
        """
        if self.course.ended in _CODES:
            return _CODES[self.course.ended]
        verdicts = {result.verdict for result in self.results}
        if Verdict.FAIL in verdicts if self.news is None else self.news:
            return exit_codes.FINDINGS
        if Verdict.HARNESS_ERROR in verdicts:
            return exit_codes.UNREACHABLE
        if any(result.incomplete and result.level is Level.MUST for result in self.results):
            return exit_codes.INCOMPLETE
        if not verdicts & {Verdict.PASS, Verdict.FAIL, Verdict.WARN, Verdict.INFO}:
            return exit_codes.NOTHING_JUDGED
        return exit_codes.FINE

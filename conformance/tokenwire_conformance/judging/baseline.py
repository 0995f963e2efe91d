"""A baseline: the findings that are expected of an endpoint, each with its reason.

    [[expected]]
    id = "http.vary"
    reason = "our gateway compresses nothing"
    until = 2027-03-31

With a baseline, what is new is a finding, be it a breach of MUST or of SHOULD; and so is an entry of which nothing is
found any more, so that the file never says more than is true. Behind its last day an entry holds no longer.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from tokenwire.errors import LocalProtocolError

from .judged import Run
from .registry import catalogue
from .verdict import Result, Verdict

__all__ = ["Baseline", "Expected", "baseline_of", "read_baseline"]

#: Verdicts that a baseline may expect.
_FOUND = frozenset({Verdict.FAIL, Verdict.WARN})

_MEMBERS = frozenset({"id", "reason", "until"})


@dataclass(frozen=True, slots=True)
class Expected:
    """One entry.

    :ivar until: the last day on which it holds; None where it holds for good.
    """

    id: str
    reason: str
    until: date | None = None

    def holds_on(self, day: date) -> bool:
        return self.until is None or day <= self.until


@dataclass(frozen=True, slots=True)
class Baseline:
    """The findings that are expected."""

    entries: Sequence[Expected]

    def applied(self, runs: Sequence[Run], today: date) -> list[Run]:
        """The same runs: what is expected says so, and `news` has what differs. An entry holds for all of them."""
        marked = [self._marked(run, today) for run in runs]
        results = [result for run in marked for result in run.results]
        stale = [f"{entry.id} is in the baseline, and is not found: take it out" for entry in self._stale(results)]
        return [*marked[:-1], replace(marked[-1], news=[*(marked[-1].news or []), *stale])]

    def _marked(self, run: Run, today: date) -> Run:
        by_id = {entry.id: entry for entry in self.entries}
        results, news = [], []
        for result in run.results:
            entry = by_id.get(result.id)
            if result.verdict not in _FOUND:
                results.append(result)
            elif entry is not None and entry.holds_on(today):
                results.append(replace(result, expected=entry.reason))
            else:
                results.append(result)
                lapsed = f"was expected until {entry.until}" if entry is not None else "is not in the baseline"
                news.append(f"{result.id} ({result.verdict}) {lapsed}")
        return replace(run, results=results, news=news)

    def _stale(self, results: Iterable[Result]) -> list[Expected]:
        verdicts: dict[str, set[Verdict]] = {}
        for result in results:
            verdicts.setdefault(result.id, set()).add(result.verdict)
        judged = ((entry, verdicts.get(entry.id, set())) for entry in self.entries)
        return [entry for entry, found in judged if Verdict.PASS in found and not found & _FOUND]

    def renewed(self, runs: Sequence[Run], today: date) -> Baseline:
        """What is found now, with the reasons that stand here, and what was not judged this time as it stands here."""
        known = {entry.id: entry for entry in self.entries}
        stale = {entry.id for entry in self._stale(result for run in runs for result in run.results)}
        found = [known.get(entry.id, entry) for entry in baseline_of(runs, today).entries]
        borne = [entry if entry.holds_on(today) else replace(entry, until=None) for entry in found]
        unjudged = known.keys() - stale - {entry.id for entry in found}
        return Baseline([*borne, *(entry for entry in self.entries if entry.id in unjudged)])

    def as_toml(self) -> str:
        """The file that `read_baseline` reads."""
        return "\n".join(_entry(entry) for entry in self.entries)


def baseline_of(runs: Iterable[Run], today: date) -> Baseline:
    """All that was found, as a baseline. The reasons are what was found; somebody has to say why it is borne."""
    found: dict[str, str] = {}
    for run in runs:
        for result in run.results:
            if result.verdict in _FOUND:
                found.setdefault(result.id, f"found on {today}: {result.message}")
    return Baseline([Expected(id_, reason) for id_, reason in found.items()])


def read_baseline(path: Path) -> Baseline:
    """Reads a baseline.

    :raises LocalProtocolError: where it is none, with the entry that is wrong and what to write instead.
    :raises OSError: where it cannot be read.
    """
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LocalProtocolError(f"the baseline {path} is no TOML: {error}") from None
    entries = document.get("expected", [])
    if document.keys() - {"expected"} or not isinstance(entries, list):
        raise LocalProtocolError(f"the baseline {path} has something else than entries [[expected]]")
    expected = [_expected(entry, f"the baseline {path}, entry {number}") for number, entry in enumerate(entries, 1)]
    twice = {entry.id for entry in expected if sum(other.id == entry.id for other in expected) > 1}
    if twice:
        raise LocalProtocolError(f"the baseline {path} expects these twice: {', '.join(sorted(twice))}")
    return Baseline(expected)


def _expected(entry: Any, where: str) -> Expected:
    if not isinstance(entry, Mapping) or entry.keys() - _MEMBERS:
        raise LocalProtocolError(f"{where}: an entry has the members id, reason and, if wished, until")
    check, reason, until = entry.get("id"), entry.get("reason"), entry.get("until")
    if not isinstance(check, str) or check not in catalogue():
        raise LocalProtocolError(f"{where}: there is no check {check!r}; `tokenwire check --list` names them all")
    if not isinstance(reason, str) or not reason.strip():
        raise LocalProtocolError(f"{where}: {check} has no reason: say why it is borne")
    if isinstance(until, datetime) or not isinstance(until, date | None):
        raise LocalProtocolError(f"{where}: until is a date without quotes, as in until = 2027-03-31")
    return Expected(check, reason, until)


def _entry(entry: Expected) -> str:
    # A string of JSON is one of TOML, but for DEL.
    reason = json.dumps(entry.reason, ensure_ascii=False).replace("\x7f", "\\u007f")
    until = f"until = {entry.until}\n" if entry.until is not None else ""
    return f'[[expected]]\nid = "{entry.id}"\nreason = {reason}\n{until}'

"""`tokenwire check --list` and `--explain ID`: what the checks are, without asking anybody."""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ..errors import LocalProtocolError
from ..exit_codes import FINE
from ..secrecy import escaped
from .screen import Screen

if TYPE_CHECKING:
    from tokenwire_conformance.judging.registry import Check

__all__ = ["explain", "list_checks", "named"]

_STYLES = {"MUST": "bold", "SHOULD": "", "INFO": "dim"}


def list_checks(checks: Sequence[Check], form: str) -> int:
    """Prints ids, levels and clauses.

    :raises LocalProtocolError: for a form in which only verdicts are told.
    """
    from tokenwire_conformance.explaining import listed

    if form not in ("text", "json"):
        raise LocalProtocolError(f"--list prints text or JSON; {form} has no form for what is not judged yet")
    if form == "json":
        sys.stdout.write(escaped(json.dumps({"checks": listed(checks)}, indent=2, ensure_ascii=False)) + "\n")
        return FINE
    screen = Screen(sys.stdout)
    for check in checks:
        screen.line(f"{check.id:<30} {check.level.value:<6} {check.clause}", _STYLES[check.level.value])
    return FINE


def explain(check: str, form: str) -> int:
    """Prints all about one check.

    :raises LocalProtocolError: when there is none of this id, or for a form in which only verdicts are told.
    """
    from tokenwire_conformance.explaining import as_markdown, as_text, explained
    from tokenwire_conformance.judging.registry import catalogue
    from tokenwire_conformance.reports.text import broken

    if form == "junit":
        raise LocalProtocolError("--explain prints text, JSON or Markdown; junit has no form for what is not judged")
    if check not in catalogue():
        raise LocalProtocolError(f"there is no check {check!r}{_nearest(check, catalogue())}; --list names them all")
    about = explained(check)
    if form == "json":
        sys.stdout.write(escaped(json.dumps(about.as_json(), indent=2, ensure_ascii=False)) + "\n")
        return FINE
    if form == "markdown":
        sys.stdout.write(as_markdown(about))
        return FINE
    screen = Screen(sys.stdout)
    for text, style in as_text(about):
        for piece in broken(text, screen.width):
            screen.line(piece, style)
    return FINE


def named(option: str, ids: Iterable[str]) -> None:
    """The ids that were given with an option are those of checks, or begin some.

    :raises LocalProtocolError: for one that is not; the message has the nearest name.
    """
    from tokenwire_conformance.judging.registry import GROUPS, catalogue

    for given in ids:
        if not any(check.startswith(given) for check in catalogue()):
            known = [*catalogue(), *(f"{group}." for group in GROUPS)]
            raise LocalProtocolError(
                f"no check has an id that begins with {given!r}, as {option} says{_nearest(given, known)};"
                " `tokenwire check --list` names them all"
            )


def _nearest(given: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(given, list(known), n=1, cutoff=0.5)
    return f" (did you mean {near[0]}?)" if near else ""

"""The verdicts on a hop: what it breaks that is whole before it. What is broken there already is not its fault."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .case import Case
from .judge import judge_run
from .judged import Run
from .registry import Check
from .verdict import Result, Verdict

__all__ = ["judge_hop"]

_FOUND = frozenset({Verdict.FAIL, Verdict.WARN, Verdict.INFO})


def judge_hop(case: Case, checks: Iterable[Check], before: Run) -> tuple[Run, list[str]]:
    """Judges what came through a hop. A breach of SHOULD is a FAIL, for the hop alone made it.

    :param case: of the hop, with that of what stands behind it.
    :param before: the verdicts on what stands behind it.
    :returns: the verdicts, without findings that were there before; and what else there is to say, in lines.
    """
    run = judge_run(case, checks, strict=True)
    found = {result.id for result in before.results if result.verdict in _FOUND}
    same = [result.id for result in run.results if result.id in found and result.verdict in _FOUND]
    mended = [result.id for result in run.results if result.id in found and result.verdict is Verdict.PASS]
    kept: Sequence[Result] = [result for result in run.results if result.id not in same]
    notes = [
        *_named("Found before this hop already, and not its fault", same),
        *_named("Found before this hop, and not behind it", mended),
    ]
    return Run(kept, run.course), notes


def _named(what: str, ids: Sequence[str]) -> list[str]:
    return [f"{what}: {', '.join(ids)}"] if ids else []

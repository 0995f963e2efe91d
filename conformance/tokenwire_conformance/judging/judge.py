"""Checks and a case in, results out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ..probes.talk import all_probes
from .case import Case
from .judged import Run
from .rates import often
from .registry import Check, Ground, Sees, catalogue
from .verdict import Finding, Inconclusive, Level, NotApplicable, NotAsked, NotShown, Result, Verdict

__all__ = ["judge", "judge_all", "judge_run", "select"]

#: Why a check does not judge; the headline of the run says what stood in the way.
NOT_ANSWERED = "the plain question was not answered"

_VERDICTS = {Level.MUST: Verdict.FAIL, Level.SHOULD: Verdict.WARN, Level.INFO: Verdict.INFO}


def select(only: Sequence[str] = (), skip: Sequence[str] = (), *, passive_only: bool = False) -> list[Check]:
    """The checks whose ids begin with one of `only` (all, where there is none) and with none of `skip`."""
    checks: Iterable[Check] = catalogue().values()
    return [
        check
        for check in checks
        if (not only or check.id.startswith(tuple(only)))
        and not (skip and check.id.startswith(tuple(skip)))
        and not (passive_only and (check.probes or check.sees is not Sees.ENDPOINT))
    ]


def judge_all(case: Case, checks: Iterable[Check], *, strict: bool = False) -> list[Result]:
    """The verdict of every check. `strict` makes a breach of SHOULD a FAIL."""
    return [judge(case, check, strict=strict) for check in checks]


def judge_run(case: Case, checks: Iterable[Check], *, strict: bool = False) -> Run:
    """The verdicts of all checks, and how the run went in which they were asked for."""
    return Run(judge_all(case, checks, strict=strict), case.course)


def judge(case: Case, check: Check, *, strict: bool = False) -> Result:
    """The verdict of one check. Whatever goes wrong in the check itself is a HARNESS-ERROR, never a finding."""
    if case.course.shut and check.rests_on is Ground.PLAIN_ANSWER:
        return _result(check, Verdict.INCONCLUSIVE, NOT_ANSWERED)
    findings: list[Finding] = []
    try:
        findings.extend(check.judge(case))
    except (NotApplicable, Inconclusive) as reason:
        # What was found before the check could not go on is found all the same.
        if not findings:
            return _without_finding(case, check, reason)
    except Exception as error:
        return _result(check, Verdict.HARNESS_ERROR, f"the check itself failed: {type(error).__name__}: {error}")
    if not findings:
        return _result(check, Verdict.PASS, check.says)
    verdict = _VERDICTS[check.level]
    if strict and verdict is Verdict.WARN:
        verdict = Verdict.FAIL
    return replace(_result(check, verdict, _message(findings), findings), often=_often(case, check, findings))


def _often(case: Case, check: Check, findings: Sequence[Finding]) -> str:
    """In how many of the many answers it was found. What counts them says so itself."""
    if case.many is None or check.sees is Sees.MANY:
        return ""
    asked = {transcript.name for transcript in case.many.transcripts}
    found = {finding.evidence.transcript for finding in findings if finding.evidence is not None}
    return often(len(asked & found), len(asked)) if asked & found else ""


def _without_finding(case: Case, check: Check, reason: NotApplicable | Inconclusive) -> Result:
    if case.course.shut:
        return _result(check, Verdict.INCONCLUSIVE, NOT_ANSWERED)
    if isinstance(reason, NotAsked | NotShown):
        return _result(check, Verdict.NOT_APPLICABLE, str(reason))
    unread = [name for name in case.unread if check.may_be_seen_in(all_probes()[name])]
    owed = [name for name in unread if name in case.failures or all_probes()[name].cost == "generation"]
    if isinstance(reason, Inconclusive):
        return replace(
            _result(check, Verdict.INCONCLUSIVE, str(reason)), incomplete=bool(owed) or check.sees is Sees.MANY
        )
    if not owed and not {*unread} & {*check.probes, *check.shown_by}:
        cut = next((made for made in case.cut if check.may_follow_in(made, case)), None)
        if cut is None:
            return _result(check, Verdict.NOT_APPLICABLE, str(reason))
        return _result(check, Verdict.INCONCLUSIVE, f"the recording {cut.name!r} ends before the answer does")
    # There is nothing of the kind in what was read; in what was not there may be.
    return replace(_result(check, Verdict.INCONCLUSIVE, case.unread[[*owed, *unread][0]]), incomplete=bool(owed))


def _message(findings: Sequence[Finding]) -> str:
    """The different words; how often something is so, is said of the first place alone."""
    firsts: dict[str, Finding] = {}
    for finding in findings:
        firsts.setdefault(finding.message, finding)
    return "; ".join(finding.counted for finding in firsts.values())


def _result(check: Check, verdict: Verdict, message: str, findings: Sequence[Finding] = ()) -> Result:
    breaks = check.breaks if findings else ""
    shown = [replace(finding, message=_harmless(finding.message)) for finding in findings]
    return Result(check.id, check.level, verdict, _harmless(message), check.clause, check.says, breaks, shown)


def _harmless(message: str) -> str:
    """A message quotes the endpoint: what a terminal would obey instead of showing is escaped."""
    if message.isprintable():
        return message
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in message)

"""A report as JSON, for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tokenwire._version import __version__
from tokenwire.secrecy import escaped

from ..judging.judged import Run
from ..judging.verdict import Result
from .report import Report, overall, summary

__all__ = ["as_json"]


def as_json(reports: Sequence[Report]) -> str:
    """One object for all. Where there are several targets, each result says in `target` which one it is of."""
    results: list[Mapping[str, Any]] = [
        {**_result(report, result), **({"target": report.target} if len(reports) > 1 else {})}
        for report in reports
        for result in report.results
    ]
    everything = Run.of_all([report.run for report in reports])
    document = {
        "tool": {"name": "tokenwire", "version": __version__},
        "target": ", ".join(report.target for report in reports),
        "headline": everything.headline,
        "notes": {report.target: list(report.notes) for report in reports if report.notes},
        "about": [report.about.as_json() for report in reports if report.about is not None],
        **({"baseline": {"news": list(everything.news)}} if everything.news is not None else {}),
        "results": results,
        "summary": summary(everything.results),
        "exit_code": overall(reports).exit_code,
    }
    return escaped(json.dumps(document, indent=2, ensure_ascii=False)) + "\n"


def _result(report: Report, result: Result) -> dict[str, Any]:
    """A result, and each of its findings with the command that asks for it again."""
    findings = [{**finding.as_json(), "again": report.again(finding)} for finding in result.findings]
    return {**result.as_json(), "findings": findings, "explain": f"tokenwire check --explain {result.id}"}

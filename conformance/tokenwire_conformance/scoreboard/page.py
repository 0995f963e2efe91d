"""The scoreboard in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..reports.markdown import shown
from .running import Found
from .servers import Server

__all__ = ["NOT_JUDGED", "page"]

#: What stands where a judgement is wanted.
NOT_JUDGED = "not gone through yet"

_HEAD = """\
# Scoreboard

Servers that can be installed by anybody, as `tokenwire check` judges them. Each FAIL and WARN is gone through by hand
against the bytes: *true* where the server does what the finding says, *false* where the check is wrong. Most of the
servers are mocks, or settings as somebody begins with; a finding is no judgement on who wrote them.

This page is made: `python -m tokenwire_conformance.scoreboard docs/scoreboard.toml --out docs/scoreboard.md`. How each
server is installed and set up, and what was said of its findings, stands in `docs/scoreboard.toml`.
"""

_VERDICTS = ("FAIL", "WARN")
_COUNTED = ("PASS", *_VERDICTS, "INCONCLUSIVE")

#: Characters of a finding that are shown. Some repeat what a server sent.
_TOLD = 200


@dataclass(frozen=True, slots=True)
class _Row:
    """One finding, in the dialects in which it has the same words."""

    verdict: str
    id: str
    message: str
    dialects: Sequence[str]


def page(servers: Mapping[str, Server], found: Sequence[Found]) -> str:
    """The whole page.

    :param found: of servers by their names, in the order of the page.
    """
    there = [each for each in found if "missing" not in each]
    parts = [
        _HEAD,
        *_made(there),
        *_table(there),
        *_missing(found),
        *(line for each in there for line in _section(servers[each["name"]], servers, each)),
        *_meanings(there),
    ]
    return "\n".join(parts).rstrip("\n") + "\n"


def _made(there: Sequence[Found]) -> Iterator[str]:
    reports = [report for each in there for report in each["reports"].values()]
    dates = sorted({about["date"][:10] for report in reports for about in report["about"]})
    versions = sorted({report["tool"]["version"] for report in reports})
    yield f"Judged on {' and '.join(dates)} by tokenwire {' and '.join(versions)}.\n"


def _table(there: Sequence[Found]) -> Iterator[str]:
    yield f"| server | version | dialect | {' | '.join(_COUNTED)} | findings |"
    yield f"| --- | --- | --- | {'---: | ' * len(_COUNTED)}--- |"
    for each in there:
        for dialect, report in each["reports"].items():
            counts = (str(report["summary"].get(verdict, 0)) for verdict in _COUNTED)
            none = "see below" if report["headline"] else "none"
            ids = " ".join(_link(result["id"]) for result in _findings(report)) or none
            cells = (shown(each["name"]), shown(each["version"]), dialect, *counts, ids)
            yield f"| {' | '.join(cells)} |"
    yield ""


def _missing(found: Sequence[Found]) -> Iterator[str]:
    missing = [f"- {shown(each['name'])}: {shown(each['missing'])}" for each in found if "missing" in each]
    if missing:
        yield "Not judged this time:\n"
        yield from missing
        yield ""


def _section(server: Server, servers: Mapping[str, Server], found: Found) -> Iterator[str]:
    """Each finding on a server, with its words and the judgement on it. A proxy inherits those on what is behind it."""
    inherited = servers[server.behind].judged if server.behind else {}
    judged = {**inherited, **server.judged}
    rows = _rows(found["reports"])
    yield f"## {shown(server.name)} {shown(found['version'])}\n"
    yield f"A proxy before {shown(server.behind)}. `{server.start}`\n" if server.behind else f"`{server.start}`\n"
    yield from _headlines(found["reports"])
    if rows:
        yield "| verdict | check | dialect | what was found | by hand |\n| --- | --- | --- | --- | --- |"
    for row in rows:
        cells = (row.verdict, _link(row.id), ", ".join(row.dialects), shown(_cut(row.message)))
        yield f"| {' | '.join(cells)} | {judged.get(row.id, NOT_JUDGED)} |"
    yield ""
    gone = sorted(server.judged.keys() - {row.id for row in rows})
    if gone:
        yield f"Judged earlier, and not found this time: {', '.join(f'`{id_}`' for id_ in gone)}.\n"


def _headlines(reports: Mapping[str, Any]) -> Iterator[str]:
    for dialect, report in reports.items():
        if report["headline"]:
            yield f"{dialect}: {shown(_cut(report['headline']))}\n"


def _rows(reports: Mapping[str, Any]) -> list[_Row]:
    rows: dict[tuple[str, str, str], list[str]] = {}
    for dialect, report in reports.items():
        for result in _findings(report):
            rows.setdefault((result["verdict"], result["id"], result["message"]), []).append(dialect)
    return [_Row(*key, dialects) for key, dialects in sorted(rows.items())]


def _findings(report: Mapping[str, Any]) -> list[Any]:
    return [result for verdict in _VERDICTS for result in report["results"] if result["verdict"] == verdict]


def _meanings(there: Sequence[Found]) -> Iterator[str]:
    """What each check that found something asks for."""
    meanings = {
        result["id"]: f"{result['level']}, {shown(result['clause'])}: {shown(result['says'])}"
        for each in there
        for report in each["reports"].values()
        for result in _findings(report)
    }
    if meanings:
        yield "## What the checks ask for\n\n`tokenwire check --explain ID` says more.\n"
        yield from (f'- <a id="{id_}"></a>`{id_}`: {meaning}' for id_, meaning in sorted(meanings.items()))


def _link(id_: str) -> str:
    return f"[{id_}](#{id_})"


def _cut(text: str) -> str:
    return text if len(text) <= _TOLD else text[:_TOLD] + "…"

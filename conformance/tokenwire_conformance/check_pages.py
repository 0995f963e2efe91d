"""The documentation of the checks: a page for each, and one that lists them by group.

    python -m tokenwire_conformance.check_pages FOLDER

The pages are what `tokenwire check --explain ID --format markdown` prints.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from .explaining import about_group, as_markdown, explained
from .judging.registry import catalogue

__all__ = ["main", "pages"]


def pages() -> Iterator[tuple[str, str]]:
    """The name of each file, and its text."""
    yield "index.md", _index()
    for check in catalogue():
        yield f"{check}.md", as_markdown(explained(check))


def _index() -> str:
    lines = ["# The checks", ""]
    for group, checks in groupby(catalogue().values(), key=lambda check: check.group):
        lines += [f"## {group}", "", about_group(group), "", "| check | level | rule |", "|---|---|---|"]
        lines += [f"| [{check.id}]({check.id}.md) | {check.level} | {_cell(check.says)} |" for check in checks]
        lines.append("")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="tokenwire_conformance.check_pages", description="Writes a page for each check."
    )
    parser.add_argument("folder", type=Path, help="where the pages are written; it is made where there is none")
    folder: Path = parser.parse_args(arguments).folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages():
        (folder / name).write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

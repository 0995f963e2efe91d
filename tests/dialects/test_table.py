"""What each dialect supports, as the README says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tokenwire.dialects import DIALECTS, Dialect

README = Path(__file__).parent.parent.parent / "README.md"

HEAD = """\
| dialect | framing | over | tools | reasoning | usage | ends with | resumed by |
|---|---|---|---|---|---|---|---|
"""


def row(dialect: Dialect) -> str:
    has = ["yes" if it else "" for it in (dialect.tools, dialect.reasoning, dialect.usage)]
    framing = "" if dialect.websocket_only else dialect.framing
    cells = [f"`{dialect.name}`", framing, ", ".join(dialect.transports), *has, dialect.terminator, dialect.resume]
    return f"| {' | '.join(cells)} |\n"


def test_the_readme_has_the_table_of_all_dialects() -> None:
    """Where this fails, the table that belongs there is the first of the two texts."""
    table = HEAD + "".join(map(row, DIALECTS.values()))
    text = README.read_text(encoding="utf-8")
    assert HEAD in text
    start = text.index(HEAD)
    assert table == text[start : start + len(table)]


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=list(DIALECTS))
def test_every_dialect_says_what_ends_it(dialect: Dialect) -> None:
    assert dialect.terminator
    assert dialect.transports
    assert "auto" not in DIALECTS  # a way to choose one, and none itself

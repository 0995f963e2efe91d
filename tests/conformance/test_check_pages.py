"""The documentation of the checks is made of the checks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tokenwire.cli import main as tokenwire
from tokenwire_conformance.check_pages import main, pages
from tokenwire_conformance.judging.registry import GROUPS, catalogue


def test_every_check_has_its_page_and_stands_in_the_index(tmp_path: Path) -> None:
    assert main([str(tmp_path / "checks")]) == 0
    written = {path.stem for path in (tmp_path / "checks").iterdir()}
    assert written == {"index", *catalogue()}
    index = (tmp_path / "checks" / "index.md").read_text("utf-8")
    assert re.findall(r"\]\((.*)\.md\)", index) == list(catalogue())
    assert re.findall(r"^## (.*)$", index, re.MULTILINE) == list(GROUPS)


def test_a_page_is_what_explain_prints(capsys: pytest.CaptureFixture[str]) -> None:
    text = dict(pages())
    for check in ("http.date", "hop.flush", "rate.whole"):
        assert tokenwire(["check", "--explain", check, "--format", "markdown"]) == 0
        assert capsys.readouterr().out == text[f"{check}.md"]

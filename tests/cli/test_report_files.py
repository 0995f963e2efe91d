"""`--also FORM=FILE`: one run, told in several forms."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tokenwire.cli import main
from tokenwire.endpoint import ReferenceEndpoint, background
from tokenwire_conformance.faults import all_faults

ONLY = ["--only", "http.date", "--skip", "http.date-on-malformed"]

FORMS: dict[str, Callable[[str], Any]] = {
    "json": lambda text: json.loads(text)["summary"],
    "junit": lambda text: len(ElementTree.fromstring(text).findall(".//failure")),
    "markdown": lambda text: "1 checks: 1 FAIL" in text,
}


class Place:
    """An endpoint without Date, which counts its connections."""

    connections = 0
    url = ""

    def connection(self) -> Any:
        self.connections += 1
        return self._endpoint.connection()

    _endpoint = ReferenceEndpoint(seams=all_faults()["no-date"].seams)


@pytest.fixture
def place() -> Iterator[Place]:
    place = Place()
    with background(place.connection) as port:
        place.url = f"http://127.0.0.1:{port}"
        yield place


@pytest.mark.parametrize("printed", ["text", *FORMS])
def test_a_run_is_told_in_every_form(
    printed: str, place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    also = [argument for form in FORMS for argument in ("--also", f"{form}={tmp_path / form}")]
    assert main(["check", place.url, *ONLY, "--format", printed, *also]) == 1
    told = {form: read((tmp_path / form).read_text("utf-8")) for form, read in FORMS.items()}
    assert told == {"json": {"FAIL": 1}, "junit": 1, "markdown": True}
    if printed in FORMS:
        assert capsys.readouterr().out == (tmp_path / printed).read_text("utf-8")


def test_recordings_too(place: Place, tmp_path: Path) -> None:
    main(["check", place.url, *ONLY, "--record-dir", str(tmp_path / "kept")])
    files = [str(path) for path in (tmp_path / "kept").iterdir()]
    assert main(["lint", *files, "--only", "http.date", "--also", f"junit={tmp_path / 'report.xml'}"]) == 1
    assert FORMS["junit"]((tmp_path / "report.xml").read_text("utf-8")) > 0


@pytest.mark.parametrize(
    ("also", "words"),
    [
        ("xml=report.xml", "is not FORM=FILE, with one of the forms json, junit, markdown"),
        ("text=report.txt", "is not FORM=FILE"),
        ("junit", "is not FORM=FILE"),
        ("junit=", "is not FORM=FILE"),
        ("junit=no/folder/report.xml", "No such file or directory"),
    ],
)
def test_what_cannot_be_written_is_said_before_anything_is_asked(
    also: str, words: str, place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", place.url, *ONLY, "--also", also]) == 2
    assert words in capsys.readouterr().err
    assert place.connections == 0


def test_where_nothing_is_judged_an_older_report_stays(tmp_path: Path) -> None:
    older = tmp_path / "report.xml"
    older.write_text("older")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "something").touch()
    assert main(["check", "--record-dir", str(tmp_path / "kept"), "--also", f"junit={older}"]) == 2
    assert older.read_text() == "older"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "report.xml"]

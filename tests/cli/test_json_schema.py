"""`--format json` is what its schema says, for every kind of report; and the schema lets nothing else pass."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from copy import deepcopy
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tokenwire.cli import main
from tokenwire.endpoint import ReferenceEndpoint, Seams, background
from tokenwire.recording import Entry, Recording, dump
from tokenwire_conformance.faults import all_faults
from tokenwire_conformance.judging.judged import Run
from tokenwire_conformance.judging.verdict import Level, Result, Verdict
from tokenwire_conformance.reports.json import as_json
from tokenwire_conformance.reports.report import Report

SCHEMA: Mapping[str, Any] = json.loads(
    files("tokenwire_conformance.reports").joinpath("report.schema.json").read_text()
)
VALIDATOR = Draft202012Validator(SCHEMA)

FEW = ["--only", "http.date", "--only", "sse.content-type", "--only", "hop."]
BASELINE = '[[expected]]\nid = "http.date"\nreason = "it has no clock"\n'


class Stage:
    """Endpoints and files for one run."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._stack = stack
        self.folder = folder

    def url(self, fault: str = "", key: str | None = None) -> str:
        seams = all_faults()[fault].seams if fault else Seams
        endpoint = ReferenceEndpoint(seams=seams, key=key, pace=0.01)  # type: ignore[arg-type]
        return f"http://127.0.0.1:{self._stack.enter_context(background(endpoint.connection))}"

    def file(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text)
        return str(self.folder / name)

    def recording(self, name: str) -> str:
        asked = Entry(0.0, ">", b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        answer = Entry(0.1, "<", b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: \xff\n\n")
        dump(Recording({}, [asked, answer, Entry(0.2, "eof")]), self.folder / name)
        return str(self.folder / name)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with ExitStack() as stack:
        yield Stage(stack, tmp_path)


#: By the kind of report: the command, and how it ends.
KINDS: Mapping[str, tuple[Callable[[Stage], list[str]], int]] = {
    "sound": (lambda stage: ["check", stage.url(), *FEW[:4]], 0),
    "findings": (lambda stage: ["check", stage.url("no-date"), *FEW[:4]], 1),
    "over WebSocket": (lambda stage: ["check", stage.url().replace("http:", "ws:"), "--only", "wsh."], 0),
    "refused": (lambda stage: ["check", stage.url(key="a-key-0123456789"), *FEW[:4]], 5),
    "unreachable": (lambda stage: ["check", "http://127.0.0.1:1", *FEW[:4]], 3),
    "stopped": (lambda stage: ["check", stage.url(), *FEW[:4], "--timeout", "0.000001"], 7),
    "via": (lambda stage: ["check", stage.url(), "--via", stage.url("request-id-lost"), *FEW], 1),
    "baseline": (
        lambda stage: ["check", stage.url("no-date"), *FEW[:4], "--baseline", stage.file("baseline.toml", BASELINE)],
        0,
    ),
    "stale baseline": (
        lambda stage: ["check", stage.url(), *FEW[:4], "--baseline", stage.file("baseline.toml", BASELINE)],
        1,
    ),
    "asked many times": (lambda stage: ["check", stage.url("no-date"), *FEW[:4], "--requests", "3"], 1),
    "lint": (lambda stage: ["lint", stage.recording("a.wire.jsonl"), stage.recording("b.wire.jsonl")], 1),
    "lint of a body": (lambda stage: ["lint", "--from", "body", stage.file("body", "data: {}\n\n")], 0),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_report_is_what_the_schema_says(
    kind: str, stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    command, code = KINDS[kind]
    assert main([*command(stage), "--format", "json"]) == code
    document = json.loads(capsys.readouterr().out)
    VALIDATOR.validate(document)
    assert document["exit_code"] == code


def test_the_schema_is_a_schema_and_no_object_in_it_is_open() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    open_ones = [where for where, part in _objects(SCHEMA, "") if part.get("additionalProperties", True) in (True, {})]
    assert not open_ones


def _objects(part: Any, where: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(part, dict):
        if "object" in (part.get("type"), *part.get("type", ())):
            yield where, part
        for name, member in part.items():
            yield from _objects(member, f"{where}/{name}")


def test_every_verdict_and_level_is_in_it() -> None:
    for verdict in Verdict:
        for level in Level:
            result = Result("sse.json", level, verdict, "why", "RFC", "A rule.")
            VALIDATOR.validate(json.loads(as_json([Report("target", Run([result]))])))


def _members(part: Any, where: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of all objects in a document."""
    if isinstance(part, dict):
        yield where
    items = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for name, member in items:
        yield from _members(member, (*where, name))


def test_a_member_more_or_less_is_refused(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    main([*KINDS["findings"][0](stage), "--format", "json"])
    document = json.loads(capsys.readouterr().out)
    by_name = {"notes", "summary"}  # their members have names of their own
    places = [where for where in _members(document) if not by_name & set(where)]
    assert len(places) > 5
    for where in places:
        changed = deepcopy(document)
        found = changed
        for step in where:
            found = found[step]
        found["more"] = 1
        assert not VALIDATOR.is_valid(changed), where
        for name in set(found) - {"more"}:
            less = {member: value for member, value in found.items() if member not in ("more", name)}
            assert not VALIDATOR.is_valid(_with(document, where, less)), (where, name)


def _with(document: Any, where: tuple[Any, ...], value: Any) -> Any:
    """The document with another value at a place."""
    if not where:
        return value
    copy = deepcopy(document)
    found = copy
    for step in where[:-1]:
        found = found[step]
    found[where[-1]] = value
    return copy

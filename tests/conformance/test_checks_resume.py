"""The checks of resuming, in all dialects whose streams can be gone on with, and when they are asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tokenwire.cli import main
from tokenwire.endpoint import Call, ReferenceEndpoint, Reply, Seams, background
from tokenwire_conformance.faults.resume import counted, with_cursor, with_field
from tokenwire_conformance.matrix import examine
from tokenwire_conformance.probes.resuming import RESUMED

KEY, OTHER = "first-key-0123456789abcdef", "other-key-0123456789abcdef"


def told(seams: type[Seams], dialect: str) -> dict[str, tuple[str, str]]:
    results = examine(seams, dialect, ["resume."], asked=["events", "stream", "resume"])
    return {result.id: (str(result.verdict), result.message) for result in results}


def tripped(seams: type[Seams], dialect: str) -> set[str]:
    return {check for check, (verdict, _) in told(seams, dialect).items() if verdict not in ("PASS", "NOT-APPLICABLE")}


class AnyonesKey(Seams):
    """The first key on a connection counts, wherever the dialect has it."""

    first = ""

    def call(self, call: Call) -> Call:
        for name in ("authorization", "x-goog-api-key"):
            if call.header(name):
                self.first = self.first or call.header(name)
                return with_field(call, name, lambda _: self.first)
        return call


class NotOffered(Seams):
    """What was told is forgotten."""

    def reply(self, call: Call, reply: Reply) -> Reply:
        again = call.header("last-event-id") or "stream" in call.query
        return replace(reply, status=404, pieces=None) if again else reply


@pytest.mark.parametrize("dialect", RESUMED)
def test_each_fault_is_told_in_every_dialect(dialect: str) -> None:
    continues = "resume.starting-after" if dialect == "openai-responses" else "resume.last-event-id"
    assert tripped(Seams, dialect) == set()
    assert tripped(with_cursor(counted(None)), dialect) == {continues}
    assert tripped(with_cursor(counted(1)), dialect) == {"resume.no-gap-no-dup"}
    assert tripped(AnyonesKey, dialect) == {"resume.cross-tenant"}


@pytest.mark.parametrize("dialect", RESUMED)
def test_where_nothing_can_be_gone_on_with_nothing_is_judged(dialect: str) -> None:
    verdicts = told(NotOffered, dialect)
    del verdicts["resume.ids-monotonic"]
    assert {verdict for verdict, _ in verdicts.values()} == {"NOT-APPLICABLE"}
    assert "404" in verdicts["resume.no-gap-no-dup"][1]


def test_the_probe_is_made_where_its_check_is_named_and_not_else(capsys: pytest.CaptureFixture[str]) -> None:
    place = "http://127.0.0.1:9/v1/responses"
    assert main(["check", place, "--model", "m", "--dry-run"]) == 0
    assert "follows its middle" not in capsys.readouterr().out
    for more in (["--only", "resume."], ["--costly"]):
        assert main(["check", place, "--model", "m", "--dry-run", *more]) == 0
        assert "follows its middle" in capsys.readouterr().out


def test_the_key_of_another_user_is_taken_from_a_variable_and_never_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRST", KEY)
    monkeypatch.setenv("OTHER", OTHER)
    with background(ReferenceEndpoint(key=KEY, other_key=OTHER, seams=AnyonesKey).connection) as port:
        arguments = ["check", f"http://127.0.0.1:{port}/v1/responses", "--key-env", "FIRST", "--only", "resume.", "-v"]
        assert main(arguments) == 0
        assert "no other key was given (--other-key-env NAME)" in " ".join(capsys.readouterr().out.split())
        assert main([*arguments, "--other-key-env", "OTHER", "--format", "json"]) == 1
    out, err = capsys.readouterr()
    assert "another key gets the events" in out
    assert OTHER not in out + err
    assert main([*arguments, "--other-key-env", "FIRST"]) == 2
    assert "of another user" in capsys.readouterr().err

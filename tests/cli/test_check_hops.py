"""`tokenwire check ORIGIN --via HOP`, as an operator runs it; the endpoints stand for an origin and for hops."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from signal import SIGINT, raise_signal
from typing import Any

import pytest

from tokenwire.cli import main
from tokenwire.endpoint import Call, ReferenceEndpoint, Reply, Seams, background
from tokenwire_conformance.faults import all_faults

FEW = ["--only", "hop.", "--only", "sse.content-type", "--only", "http.date"]


def seams(fault: str) -> Any:
    return all_faults()[fault].seams


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def served(stack: ExitStack, made: Any = Seams, key: str | None = None) -> str:
    endpoint = ReferenceEndpoint(pace=0.01, seams=made, key=key)
    return f"http://127.0.0.1:{stack.enter_context(background(endpoint.connection))}"


def checked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code = main(["check", *arguments, *FEW, "--format", "json"])
    return code, json.loads(capsys.readouterr().out)


def found(document: dict[str, Any], url: str) -> dict[str, str]:
    bad = ("FAIL", "WARN", "INFO")
    results = [each for each in document["results"] if each["target"].startswith(url) and each["verdict"] in bad]
    return {each["id"]: each["verdict"] for each in results}


def test_a_hop_that_adds_nothing_is_sound(stack: ExitStack, capsys: pytest.CaptureFixture[str]) -> None:
    origin, hop = served(stack), served(stack)
    code, document = checked(capsys, origin, "--via", hop)
    assert (code, document["exit_code"], found(document, hop)) == (0, 0, {})


def test_what_a_hop_breaks_is_a_finding_whatever_its_level(
    stack: ExitStack, capsys: pytest.CaptureFixture[str]
) -> None:
    origin, hop = served(stack), served(stack, seams("request-id-lost"))
    code, document = checked(capsys, origin, "--via", hop)
    assert (code, document["exit_code"], found(document, hop)) == (1, 1, {"hop.fields": "FAIL"})


def test_what_the_origin_breaks_is_told_and_is_not_the_fault_of_the_hop(
    stack: ExitStack, capsys: pytest.CaptureFixture[str]
) -> None:
    origin, hop = served(stack, seams("no-date")), served(stack, seams("no-date"))
    code, document = checked(capsys, origin, "--via", hop)
    assert (code, document["exit_code"]) == (0, 0)
    assert found(document, origin)
    assert not found(document, hop)
    assert "not its fault: http.date" in str(document["notes"])


def test_what_a_hop_mends_is_told(stack: ExitStack, capsys: pytest.CaptureFixture[str]) -> None:
    origin, hop = served(stack, seams("no-date")), served(stack)
    code, document = checked(capsys, origin, "--via", hop)
    assert code == 0
    assert "not behind it: http.date" in str(document["notes"])


def test_each_hop_is_compared_with_the_one_before_it(stack: ExitStack, capsys: pytest.CaptureFixture[str]) -> None:
    origin, first, second = (
        served(stack),
        served(stack, seams("request-id-lost")),
        served(stack, seams("request-id-lost")),
    )
    code, document = checked(capsys, origin, "--via", first, "--via", second)
    assert (code, found(document, first), found(document, second)) == (1, {"hop.fields": "FAIL"}, {})


def test_an_origin_that_refuses_is_told_and_its_hops_are_not_asked(
    stack: ExitStack, capsys: pytest.CaptureFixture[str]
) -> None:
    origin = served(stack, key="a-key-0123456789")
    code = main(["check", origin, "--via", served(stack), *FEW, "--format", "json"])
    captured = capsys.readouterr()
    assert (code, len(json.loads(captured.out)["about"])) == (5, 1)
    assert f"{origin}/v1/chat/completions: The plain question is refused with 401" in captured.err


class Busy(Seams):
    """Of each three questions it refuses one, with a status that tells of the moment."""

    status = 429
    asked = 0

    def reply(self, call: Call, reply: Reply) -> Reply:
        Busy.asked += 1
        return Reply(self.status) if Busy.asked % 3 == 0 else reply


class Starting(Busy):
    status = 503


@pytest.mark.parametrize("busy", [Busy, Starting])
@pytest.mark.parametrize("before", [True, False])
def test_who_is_busy_for_a_moment_says_nothing_of_the_hop(
    busy: Any, before: bool, stack: ExitStack, capsys: pytest.CaptureFixture[str]
) -> None:
    Busy.asked = 0
    pair = (busy, Seams) if before else (Seams, busy)
    origin, hop = (served(stack, seams) for seams in pair)
    _, document = checked(capsys, origin, "--via", hop, "--patience", "0.1")
    assert "hop.status" not in found(document, hop)


class Late(Seams):
    """An endpoint on which a run is stopped within: the third question is not answered."""

    asked = 0

    def reply(self, call: Call, reply: Reply) -> Reply:
        Late.asked += 1
        if Late.asked > 3:
            raise_signal(SIGINT)
        return reply


def test_a_run_that_is_stopped_at_the_origin_asks_no_hop(stack: ExitStack, capsys: pytest.CaptureFixture[str]) -> None:
    Late.asked = 0
    code, document = checked(capsys, served(stack, Late), "--via", (hop := served(stack)), "-n", "50")
    assert (code, len(document["about"])) == (130, 1)
    assert f"Not asked, for what stands behind it was not asked to the end: {hop}" in str(document["notes"])
    assert document["about"][0]["requests"] < 20


def test_a_parameter_beside_the_url_goes_to_the_hop_too_and_is_not_shown(
    stack: ExitStack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY", "canary-7c1f0e5b2d9a4836")
    heard = []

    class Noting(Seams):
        def reply(self, call: Call, reply: Reply) -> Reply:
            heard.append(call.query.get("sig"))
            return reply

    main(["check", served(stack), "--via", served(stack, Noting), "--query-env", "sig=CANARY", *FEW])
    captured = capsys.readouterr()
    assert "canary" not in captured.out + captured.err
    assert "canary-7c1f0e5b2d9a4836" in heard


def test_recordings_lie_in_a_folder_for_each(
    stack: ExitStack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checked(capsys, served(stack), "--via", served(stack), "--via", served(stack), "--record-dir", str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["origin", "via-1", "via-2"]
    assert all(list(path.glob("01-stream.wire.jsonl")) for path in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--via", "http://127.0.0.1:9"], "give the URL of that too"),
        (["http://127.0.0.1:9", "--via", "ws://127.0.0.1:9"], "over the same transport"),
        (["http://127.0.0.1:9", "--via", "nonsense"], "nonsense"),
        (["http://127.0.0.1:9", "--only", "hop."], "--via URL"),
    ],
)
def test_wrong_usage_is_one_clear_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_dry_run_counts_the_hops(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "http://127.0.0.1:9", "--via", "http://127.0.0.1:10", "--dry-run"]) == 0
    assert "once more for each hop (1)" in capsys.readouterr().out

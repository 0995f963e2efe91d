"""`tokenwire check` and `tokenwire lint`, as an operator runs them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tokenwire.cli import main
from tokenwire.endpoint import Call, ReferenceEndpoint, Reply, Seams, background
from tokenwire.recording import Entry, Recording, dump
from tokenwire_conformance import run

CANARY = "canary-key-7c1f0e5b2d9a4836"


class EchoKey(Seams):
    """An endpoint that gives the key back, in a field and in a body."""

    def reply(self, call: Call, reply: Reply) -> Reply:
        key = call.header("authorization")
        if reply.pieces is None and reply.status >= 400:
            return Reply(reply.status, reply.headers, reply.body.replace(b'"message":"', b'"message":"' + key.encode()))
        return reply.with_header("X-Echo", key)


@pytest.fixture
def clean() -> Iterator[str]:
    with background(ReferenceEndpoint(key=CANARY).connection) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def leaky() -> Iterator[str]:
    with background(ReferenceEndpoint(key=CANARY, seams=EchoKey).connection) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY_KEY", CANARY)


@pytest.mark.parametrize(
    ("dialect", "group"),
    [("openai-responses", "resp."), ("anthropic-messages", "anth."), ("gemini", "gem."), ("ollama", "ollama.")],
)
def test_the_reference_endpoint_is_sound_in_each_dialect(
    dialect: str, group: str, capsys: pytest.CaptureFixture[str]
) -> None:
    only = ["--only", group, "--only", "err.midstream", "--only", "auth.missing", "--only", "chat."]
    assert main(["check", "--dialect", dialect, *only, "--format", "json"]) == 0
    verdicts = {result["id"]: result["verdict"] for result in json.loads(capsys.readouterr().out)["results"]}
    assert set(verdicts.values()) == {"PASS"}
    assert {check.partition(".")[0] + "." for check in verdicts} == {group, "err.", "auth."}


def test_the_url_tells_the_dialect_and_its_endpoint_lists_the_model(
    clean: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--key-env", "CANARY_KEY", "--only", "anth.", "--failing-model", "tokenwire-fails-midstream"]
    assert main(["check", clean + "/v1/messages", *arguments, "--format", "json"]) == 0
    results = json.loads(capsys.readouterr().out)["results"]
    assert {result["verdict"] for result in results} == {"PASS"}


def test_checks_of_another_dialect_are_not_made(clean: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", clean, "--only", "anth."]) == 2
    assert "of another dialect" in capsys.readouterr().err


def test_the_reference_endpoint_is_sound(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    verdicts = {result["id"]: result["verdict"] for result in report["results"]}
    assert set(verdicts.values()) <= {"PASS", "NOT-APPLICABLE"}
    assert sum(verdict == "PASS" for verdict in verdicts.values()) >= 160
    assert [verdicts[check] for check in ("sse.utf8", "wsf.need-mask", "wsl.parity", "wsc.drain")] == ["PASS"] * 4
    assert report["exit_code"] == 0
    assert report["summary"]["PASS"] == sum(verdict == "PASS" for verdict in verdicts.values())
    assert {"id", "level", "verdict", "message", "clause", "evidence"} <= set(report["results"][0])


def test_it_runs_as_a_command_without_a_terminal_and_without_colour() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tokenwire", "check", "--only", "sse."], capture_output=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr.decode()
    assert b"\x1b" not in done.stdout + done.stderr
    assert {line.partition(b" ")[0] for line in done.stderr.splitlines()} == {b"judging"}
    assert b"PASS" in done.stdout


def test_a_finding_has_words_a_clause_and_the_bytes(leaky: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", leaky, "--key-env", "CANARY_KEY", "--only", "auth.key-not-echoed"]) == 1
    out = capsys.readouterr().out
    assert "FAIL          auth.key-not-echoed: the key comes back" in out
    assert "MUST:" in out
    assert ", byte " in out


@pytest.mark.parametrize("form", ["text", "json", "junit", "markdown"])
def test_the_key_stands_in_no_report(leaky: str, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", leaky, "--key-env", "CANARY_KEY", "--format", form]) == 1
    captured = capsys.readouterr()
    assert CANARY not in captured.out + captured.err
    assert "auth.key-not-echoed" in captured.out


def test_junit_is_xml_with_a_case_a_check(clean: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", clean, "--key-env", "CANARY_KEY", "--only", "sse.", "--format", "junit"]) == 0
    suite = ElementTree.fromstring(capsys.readouterr().out)[0]
    assert next(suite.iter("testcase")).get("name") == "sse.content-type"
    assert suite.get("failures") == "0"


def test_junit_counts_a_finding_as_a_failure(leaky: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["check", leaky, "--key-env", "CANARY_KEY", "--only", "auth.key-not-echoed", "--format", "junit"]
    assert main(arguments) == 1
    [suite] = ElementTree.fromstring(capsys.readouterr().out)
    assert suite.get("failures") == "1"


def test_strict_makes_a_breach_of_should_a_finding(capsys: pytest.CaptureFixture[str]) -> None:
    class NoKeyWanted(Seams):
        pass

    with background(ReferenceEndpoint(seams=NoKeyWanted).connection) as port:
        url = f"http://127.0.0.1:{port}"
        arguments = ["check", url, "--key-env", "CANARY_KEY", "--only", "auth.missing-401"]
        assert main(arguments) == 0
        assert "WARN" in capsys.readouterr().out
        assert main([*arguments, "--strict"]) == 1


def test_dry_run_tells_the_cost_and_asks_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.0)
        assert main(["check", f"http://127.0.0.1:{server.getsockname()[1]}", "--dry-run"]) == 0
        with pytest.raises(BlockingIOError):
            server.accept()
    out = capsys.readouterr().out
    assert "requests" in out
    assert "unknown-model" in out


def test_without_a_url_only_the_transports_that_the_checks_need_are_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--dry-run", "--only", "wsf.", "--model", "m"]) == 0
    over_websocket = capsys.readouterr().out
    assert main(["check", "--dry-run", "--only", "wsf.", "--only", "sse.", "--model", "m"]) == 0
    over_both = capsys.readouterr().out
    assert "a plain stream" not in over_websocket
    assert "a question, its answer, and a Close" in over_websocket
    assert "a plain stream" in over_both


def test_a_probe_that_waits_for_minutes_is_made_for_an_endpoint_that_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["check", "--dry-run"]) == 0
    assert "ws-idle" not in capsys.readouterr().out
    assert main(["check", "ws://127.0.0.1:1", "--dry-run"]) == 0
    assert "ws-idle" in capsys.readouterr().out


def test_a_websocket_is_judged(clean: str, capsys: pytest.CaptureFixture[str]) -> None:
    url = clean.replace("http:", "ws:")
    arguments = ["check", url, "--key-env", "CANARY_KEY", "--only", "wsf.need-mask", "--only", "wsk.unsolicited"]
    assert main([*arguments, "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["target"] == url + "/v1/chat/stream"
    assert [result["verdict"] for result in report["results"]] == ["PASS"] * 2


def test_an_echo_of_no_dialect_is_judged_as_raw(clean: str, capsys: pytest.CaptureFixture[str]) -> None:
    url = clean.replace("http:", "ws:") + "/echo"
    assert main(["check", url, "--dialect", "raw", "--only", "wsf.need-mask", "--only", "wsf.fragments"]) == 0
    assert "2 checks: 2 PASS" in capsys.readouterr().out


class Masked(Seams):
    """A server that masks its frames."""

    def outgoing(self, data: bytes) -> bytes:
        if data.startswith(b"HTTP/"):
            return data
        return bytes([data[0], data[1] | 0x80]) + b"\0\0\0\0" + data[2:] if data[1] < 126 else data


def test_a_finding_on_a_websocket_shows_its_frame(capsys: pytest.CaptureFixture[str]) -> None:
    with background(ReferenceEndpoint(seams=Masked).connection) as port:
        assert main(["check", f"ws://127.0.0.1:{port}", "--only", "wsf.server-unmasked"]) == 1
    out = capsys.readouterr().out
    assert "FAIL          wsf.server-unmasked: a frame of the server is masked" in out
    assert "ws-answer, byte" in out


@pytest.mark.parametrize(
    ("url", "asked"),
    [("ws://host", True), ("ws://host/own/path", True), ("ws://host/v1/realtime?model=m", False)],
)
def test_the_path_says_which_dialect_a_websocket_speaks(
    url: str, asked: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", url, "--dry-run", "--only", "wsl.parity"]) == 0
    # Realtime is not spoken over HTTP, so there is no event stream to compare with.
    assert ("ws-twin" in capsys.readouterr().out) is asked


def test_only_what_the_chosen_checks_need_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--dry-run", "--only", "sse.utf8", "--model", "m"]) == 0
    assert "1 checks need 2 requests" in capsys.readouterr().out


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["check", "ftp://host/"], 2, "must begin with http:// or https://"),
        (["check", "http://"], 2, "names no host"),
        (["check", "http://127.0.0.1:1", "--key-env", "NOT_SET_ANYWHERE"], 2, "NOT_SET_ANYWHERE"),
        (["check", "--only", "nothing."], 2, "no check"),
        (["check", "--dialect", "no-such"], 2, "no dialect"),
        (["check", "ws://host", "--dialect", "openai-chat"], 2, "not spoken over WebSocket"),
        (["check", "http://host", "--dialect", "openai-realtime"], 2, "over WebSocket alone"),
        (["lint", "no-such-file.wire.jsonl"], 2, "no-such-file"),
    ],
)
@pytest.mark.parametrize("only", [[], ["--fast"], ["--dry-run"]])
def test_wrong_usage_is_one_clear_line(
    arguments: list[str], code: int, words: str, only: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, *(only if arguments[0] == "check" else [])]) == code
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_what_is_asked_is_chosen_once(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[str] = []
    choose = run.choose_probes

    def choosing(dialect: str, *arguments: Any, **options: Any) -> Any:
        chosen.append(dialect)
        return choose(dialect, *arguments, **options)

    monkeypatch.setattr(run, "choose_probes", choosing)
    assert main(["check", "--only", "sse.utf8", "--only", "wsf.rsv-sent", "--fast"]) == 0
    assert chosen == ["openai-chat", "holysheep"]


def test_an_endpoint_that_is_not_there_is_exit_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", f"http://127.0.0.1:{_closed_port()}", "--model", "m"]) == 3
    assert "refused the connection" in capsys.readouterr().err


def test_a_locked_endpoint_is_told_once_and_is_exit_5(capsys: pytest.CaptureFixture[str]) -> None:
    with background(ReferenceEndpoint(key="another-key-entirely").connection) as port:
        assert main(["check", f"http://127.0.0.1:{port}", "--key-env", "CANARY_KEY"]) == 5
    captured = capsys.readouterr()
    assert "refused with 401" in captured.err
    assert captured.err.count("is it the right one (--key-env") == 1
    lines = captured.out.splitlines()
    assert lines[0] == lines[-1] == captured.err.splitlines()[-1].removeprefix("tokenwire: ")


@pytest.mark.parametrize("form", ["text", "json", "junit", "markdown"])
def test_where_the_time_is_up_there_is_a_report_all_the_same(
    clean: str, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["check", clean, "--key-env", "CANARY_KEY", "--only", "sse.", "--timeout", "0.000001"]
    assert main([*arguments, "--format", form]) == 7
    captured = capsys.readouterr()
    assert "stopped by --timeout after 0 of 2 probes" in captured.err
    assert "sse.utf8" in captured.out or form in ("text", "markdown")
    if form == "json":
        report = json.loads(captured.out)
        assert report["exit_code"] == 7
        assert report["headline"] in captured.err
        assert set(report["summary"]) == {"INCONCLUSIVE"}


class ListsNone(Seams):
    """An endpoint that does not tell its models, and wants one named."""

    def reply(self, call: Call, reply: Reply) -> Reply:
        return Reply(404, [], b"") if call.method == "GET" else reply


def test_an_endpoint_that_names_no_model_wants_one(capsys: pytest.CaptureFixture[str]) -> None:
    with background(ReferenceEndpoint(seams=ListsNone).connection) as port:
        assert main(["check", f"http://127.0.0.1:{port}", "--format", "json"]) == 5
    report = json.loads(capsys.readouterr().out)
    assert "name a model with --model" in report["headline"]
    assert report["exit_code"] == 5


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    head = b"HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 18:00:00 GMT\r\nContent-Type: text/event-stream\r\n"
    stream = b"data: {broken\n\n"
    body = head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(stream), stream)
    request = b'POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 16\r\n\r\n{"stream": true }'[:-1]
    path = tmp_path / "broken.wire.jsonl"
    dump(Recording({}, [Entry(0.0, ">", request), Entry(0.1, "<", body), Entry(0.2, "eof")]), path)
    return path


def test_lint_judges_a_file(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", str(recording)]) == 1
    out = capsys.readouterr().out
    assert "FAIL          sse.json" in out
    assert "broken.wire.jsonl, byte" in out


def test_lint_judges_every_recording_in_a_folder(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (recording.parent / "copy.wire.jsonl").write_bytes(recording.read_bytes())
    assert main(["lint", str(recording.parent), "--format", "json"]) == 1
    report = json.loads(capsys.readouterr().out)
    failed = [result for result in report["results"] if result["id"] == "sse.json"]
    assert sorted(os.path.basename(result["target"]) for result in failed) == ["broken.wire.jsonl", "copy.wire.jsonl"]


def test_lint_judges_the_recording_of_a_websocket(capsys: pytest.CaptureFixture[str]) -> None:
    recordings = Path(__file__).parents[2] / "fixtures" / "node-ws"
    assert main(["lint", str(recordings / "plain.wire.jsonl"), "--only", "ws"]) == 0
    assert "WARN" not in capsys.readouterr().out
    assert main(["lint", str(recordings / "break_off.wire.jsonl"), "--only", "ws"]) == 0
    assert "WARN          wsc.clean: the server ends the connection without a Close" in capsys.readouterr().out


def test_lint_of_nothing_that_can_be_judged_is_exit_4(tmp_path: Path) -> None:
    path = tmp_path / "empty.wire.jsonl"
    dump(Recording({}, [Entry(0.0, "connected")]), path)
    assert main(["lint", str(path)]) == 4


def test_lint_of_a_file_that_is_no_recording_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello\n")
    assert main(["lint", str(path)]) == 2
    assert "is no recording" in capsys.readouterr().err

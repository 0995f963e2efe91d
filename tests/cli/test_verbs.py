"""stream, record, replay and serve, as people run them."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tokenwire.cli import main
from tokenwire.dialects import DIALECTS
from tokenwire.endpoint import ReferenceEndpoint, background
from tokenwire.endpoint.story import STORY
from tokenwire.recording import load
from tokenwire.recording.replay import PACES, Pace, ReplayConnection

FIXTURES = Path(__file__).parent.parent.parent / "fixtures"
EXPECTED = json.loads((FIXTURES / "expected.json").read_text(encoding="utf-8"))
CANARY = "canary-key-7c1f0e5b2d9a4836"
TOKENWIRE = [sys.executable, "-c", "import sys; from tokenwire.cli import main; sys.exit(main())"]


@contextmanager
def replayed(name: str, pace: Pace = "fast") -> Iterator[str]:
    recording = load(FIXTURES / f"{name}.wire.jsonl")
    with background(lambda: ReplayConnection(recording, pace)) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def reference() -> Iterator[str]:
    with background(ReferenceEndpoint(key=CANARY).connection) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A verb that serves, and the URL that it prints."""
    process = subprocess.Popen(
        [*TOKENWIRE, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("name", ["aimock/normal", "llama-server/multibyte", "aimock/http10"])
@pytest.mark.parametrize("pace", PACES)
def test_text_comes_out_as_it_was_said(name: str, pace: Pace, capfd: pytest.CaptureFixture[str]) -> None:
    with replayed(name, pace) as url:
        assert main(["stream", url, "-p", "hello"]) == 0
    assert capfd.readouterr() == (EXPECTED[name]["text"], "")


def test_a_tool_call_is_told_in_words(capfd: pytest.CaptureFixture[str]) -> None:
    with replayed("aimock/tools") as url:
        assert main(["stream", url, "-p", "weather"]) == 0
    assert capfd.readouterr().out == 'get_weather({"city":"Zürich","unit":"celsius"})\n'


def test_reasoning_stays_out_of_a_pipe(capfd: pytest.CaptureFixture[str]) -> None:
    with replayed("aimock/thinking") as url:
        assert main(["stream", url, "-p", "think"]) == 0
    assert capfd.readouterr().out == "Seven."


def test_events_are_lines_of_json(capfd: pytest.CaptureFixture[str]) -> None:
    with replayed("aimock/normal") as url:
        assert main(["stream", url, "-p", "hello", "--events"]) == 0
    events = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    text = "".join(event["text"] for event in events if event["type"] == "TextDelta")
    assert text == EXPECTED["aimock/normal"]["text"]
    assert events[-1] == {"type": "End", "clean": True}
    assert all("raw" not in event for event in events)


def test_usage_and_timing_go_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    with replayed("aimock/usage") as url:
        assert main(["stream", url, "-p", "hello", "--usage", "--timing"]) == 0
    out, err = capfd.readouterr()
    assert out == EXPECTED["aimock/usage"]["text"]
    usage, timing = err.splitlines()
    assert json.loads(usage.removeprefix("usage: ")) == EXPECTED["aimock/usage"]["usage"]
    assert re.search(r"first delta after [\d.]+ m?s; 11 deltas of 77 characters", timing)


def test_what_had_arrived_stays_when_the_stream_breaks_off(capfd: pytest.CaptureFixture[str]) -> None:
    with replayed("aimock/break_off") as url:
        assert main(["stream", url, "-p", "hello", "--timing"]) == 6
    out, err = capfd.readouterr()
    assert out == "This ans"
    assert "timing:" in err


def test_what_nobody_knows_is_not_printed_as_text(capfd: pytest.CaptureFixture[str]) -> None:
    with replayed("aimock/ollama_thinking") as url:
        assert main(["stream", url, "--dialect", "ollama", "-p", "x"]) == 0
        assert capfd.readouterr().out == "Seven."
    with replayed("aimock/ollama_thinking") as url:
        assert main(["stream", url, "--dialect", "ollama", "-p", "x", "--events"]) == 0
        assert "reasoning_content" in capfd.readouterr().out


def test_the_data_of_plain_events_is_the_text_whatever_their_name(capfd: pytest.CaptureFixture[str]) -> None:
    with replayed("aimock/anthropic-messages_text") as url:
        assert main(["stream", url + "/v1/messages", "--dialect", "eventsource"]) == 0
    assert '{"type":"message_stop"}' in capfd.readouterr().out


def test_the_dialect_may_be_another(capfd: pytest.CaptureFixture[str], reference: str) -> None:
    with replayed("aimock/normal") as url:
        assert main(["stream", url + "/v1/chat/completions", "--dialect", "eventsource"]) == 0
    assert capfd.readouterr().out.splitlines()[-1] == "[DONE]"


def test_the_dialect_may_be_guessed_and_the_reason_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with replayed("aimock/normal") as url:
        assert main(["stream", url + "/v1/chat/completions", "--dialect", "auto", "-p", "x"]) == 0
        captured = capfd.readouterr()
        assert captured.out == EXPECTED["aimock/normal"]["text"]
        assert captured.err == "dialect: openai-chat, for the path ends in /chat/completions\n"
        output = str(tmp_path / "x.wire.jsonl")
        assert main(["record", url + "/v1/messages", "--dialect", "auto", "-p", "x", "-o", output]) == 0


def test_the_dialects_are_listed_in_the_help(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["stream", "--help"]) == 0
    said = "".join(capfd.readouterr().out.split())  # wrapped, also at hyphens
    assert f"{','.join(DIALECTS)};orauto" in said


@pytest.mark.parametrize("given", ["--key-env", "--key-file", "--key-file -"])
def test_the_key_comes_from_a_variable_a_file_or_standard_input(
    given: str, reference: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "key").write_text(CANARY + "\n")
    monkeypatch.setenv("CANARY_KEY", CANARY)
    monkeypatch.setattr(sys, "stdin", io.StringIO(CANARY + "\n"))
    options = {"--key-env": ["CANARY_KEY"], "--key-file": [str(tmp_path / "key")], "--key-file -": ["-"]}[given]
    arguments = ["stream", reference, "-p", "hello", "--model", "tokenwire-reference", given.split()[0], *options]
    assert main(arguments) == 0
    assert CANARY not in "".join(capfd.readouterr())
    assert not any(CANARY in value for name, value in os.environ.items() if name != "CANARY_KEY")


def test_no_key_leaves_a_trace_in_a_recording(
    reference: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CANARY_KEY", CANARY)
    file = tmp_path / "kept.wire.jsonl"
    key = ["--key-env", "CANARY_KEY"]
    assert main(["stream", reference, "-p", CANARY, "--model", "tokenwire-reference", *key, "--record", str(file)]) == 0
    assert CANARY not in file.read_text()
    assert main(["record", reference, "-p", CANARY, "--model", "tokenwire-reference", *key, "-o", str(file)]) == 0
    assert CANARY not in file.read_text()
    assert "kept" in capfd.readouterr().out


def test_the_body_may_be_a_file(reference: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY_KEY", CANARY)
    body = {"model": "nobody", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}
    (tmp_path / "body.json").write_text(json.dumps(body))
    arguments = ["stream", reference, "--json", str(tmp_path / "body.json"), "--key-env", "CANARY_KEY"]
    assert main(arguments) == 5
    assert main([*arguments, "--model", "tokenwire-reference"]) == 0


@pytest.mark.parametrize("name", ["aimock/usage", "llama-server/normal", "aimock/wrong_key", "aimock/break_off"])
def test_what_is_recorded_from_a_replay_is_the_recording(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kept.wire.jsonl"
    with replayed(name) as url:
        code = main(["record", url, "-p", "hello", "-o", str(kept)])
    assert load(kept).received == load(FIXTURES / f"{name}.wire.jsonl").received
    assert code in {"aimock/wrong_key": (5,), "aimock/break_off": (6,)}.get(name, (0,))
    assert f"{len(load(kept).received)} bytes" in capfd.readouterr().out


def test_record_says_when_nothing_came(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["record", "http://127.0.0.1:1", "-p", "x", "-o", str(tmp_path / "f")]) == 3
    assert "nothing was received" in capfd.readouterr().out


@pytest.mark.usefixtures("interruptible")
def test_replay_serves_until_it_is_stopped_and_ends_quietly() -> None:
    with started("replay", str(FIXTURES / "aimock/normal.wire.jsonl"), "--pace", "bytes") as (process, url):
        assert url.endswith("/v1/chat/completions")
        for _ in range(2):
            done = subprocess.run(
                [*TOKENWIRE, "stream", url, "-p", "x"], capture_output=True, timeout=60, check=True, encoding="utf-8"
            )
            assert done.stdout == EXPECTED["aimock/normal"]["text"]
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert process.communicate() == ("", "")


def test_serve_demands_its_key_and_keeps_its_pace(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "key").write_text(CANARY)
    key = ["--key-file", str(tmp_path / "key")]
    with started("serve", "--pace", "0.001", *key) as (_, url):
        arguments = ["stream", url, "-p", "hello", "--model", "tokenwire-reference"]
        assert main(arguments) == 5
        assert main([*arguments, *key]) == 0
    assert capfd.readouterr().out


def test_serve_drops_what_a_request_says_and_fills_its_silence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kept.wire.jsonl"
    with started("serve", "--drops", "--pace", "0.02", "--keepalive", "0.005") as (_, url):
        asked = [url, "-p", "hello", "--model", "tokenwire-reference", "--header", "accept-encoding=identity"]
        assert main(["stream", *asked, "--record", str(kept)]) == 0
        assert b": keepalive\n\n" in load(kept).received
        assert main(["stream", *asked, "--header", "X-Drop-After=1000", "--record", str(kept)]) == 6
        assert len(load(kept).received) == 1000
    assert "1000" in capfd.readouterr().err


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_in_a_stream_ends_it_quietly_and_keeps_the_text() -> None:
    with started("serve", "--pace", "0.3") as (_, url):
        process = subprocess.Popen(
            [*TOKENWIRE, "stream", url, "-p", "hello", "--model", "tokenwire-reference"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout is not None
        first = process.stdout.read(1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, b"")
    assert first


def test_the_processes_of_a_test_hear_ctrl_c_though_the_tests_themselves_do_not(
    request: pytest.FixtureRequest,
) -> None:
    heard = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert subprocess.check_output([sys.executable, "-c", heard]).strip() == b"False"
        request.getfixturevalue("interruptible")
        assert subprocess.check_output([sys.executable, "-c", heard]).strip() == b"True"
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="the platform has no SIGHUP")
def test_what_is_ignored_as_by_nohup_stays_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []

    def run(_: object) -> int:
        told.extend(signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGTERM))
        return 0

    monkeypatch.setattr("tokenwire.cli.replay.run", run)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert main(["replay", "f"]) == 0
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    assert told[0] is signal.SIG_IGN
    assert callable(told[1])


def test_a_reader_that_leaves_ends_it_quietly() -> None:
    with replayed("aimock/normal", "recorded") as url:
        process = subprocess.Popen(
            [*TOKENWIRE, "stream", url, "-p", "hello"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(2)
        process.stdout.close()
        err = process.stderr.read()
        process.stderr.close()
    assert (process.wait(20), err) == (141, b"")


def test_an_encoding_that_lacks_the_characters_prints_question_marks() -> None:
    with replayed("aimock/normal") as url:
        done = subprocess.run(
            [*TOKENWIRE, "stream", url, "-p", "hello"],
            env={**os.environ, "PYTHONIOENCODING": "ascii"},
            capture_output=True,
            timeout=60,
            check=True,
        )
    assert done.stdout.decode("ascii").startswith("Gr??e aus Z?rich")


def on_a_terminal(url: str, **environment: str) -> str:
    """What a terminal is sent."""
    ours, theirs = pty.openpty()
    env = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    process = subprocess.Popen(
        [*TOKENWIRE, "stream", url, "-p", "x"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**env, "TERM": "xterm", **environment},
    )
    os.close(theirs)
    shown = b""
    try:
        while data := os.read(ours, 4096):
            shown += data
    except OSError:  # how a terminal says that nobody writes any more
        pass
    os.close(ours)
    assert process.wait(20) == 0
    return shown.decode()


def test_a_terminal_sees_the_reasoning_dim_and_no_colour_where_none_is_wanted() -> None:
    with replayed("aimock/thinking") as url:
        assert "\x1b[2m" in on_a_terminal(url)
        plain = on_a_terminal(url, NO_COLOR="1")
        assert on_a_terminal(url, TERM="dumb") == plain
    assert "\x1b" not in plain
    assert plain.replace("\r\n", "\n") == "The user wants a number. Seven is one.\nSeven.\n"


def test_the_guides_dialect_streams_over_both_transports(capfd: pytest.CaptureFixture[str]) -> None:
    with background(ReferenceEndpoint().connection) as port:
        for scheme in ("ws", "http"):
            url = f"{scheme}://127.0.0.1:{port}"
            arguments = ["stream", url, "--dialect", "holysheep", "-p", "hello", "--model", "tokenwire-reference"]
            assert main(arguments) == 0
            assert capfd.readouterr().out == "".join(STORY)


@pytest.mark.parametrize("pace", PACES)
def test_a_websocket_is_recorded_up_to_its_close_judged_and_replayed(
    pace: Pace, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    kept = str(tmp_path / "kept.wire.jsonl")
    ask = ["--dialect", "holysheep", "-p", "hello", "--model", "tokenwire-reference"]
    with background(ReferenceEndpoint(key=CANARY).connection) as port:
        (tmp_path / "key").write_text(CANARY)
        key = ["--key-file", str(tmp_path / "key")]
        assert main(["record", f"ws://127.0.0.1:{port}", *ask, "-o", kept]) == 5
        assert main(["record", f"ws://127.0.0.1:{port}", *ask, *key, "-o", kept]) == 0
    assert CANARY not in Path(kept).read_text()
    assert main(["lint", kept]) == 0
    capfd.readouterr()
    with started("replay", kept, "--pace", pace) as (_, url):
        assert re.fullmatch(r"ws://127\.0\.0\.1:\d+/v1/chat/stream", url)
        assert main(["stream", url, *ask]) == 0
    assert capfd.readouterr().out == "".join(STORY)


@pytest.mark.parametrize("host", ["a..b", "é..b", "a" * 64, "a b"])
def test_an_address_that_cannot_be_one_is_a_usage_error(host: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--host", host]) == 2
    assert "is no host" in capfd.readouterr().err


def test_a_file_to_merge_that_is_no_text_is_a_usage_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "report.json").write_bytes(b"\x80")
    assert main(["bench", "--merge", str(tmp_path / "report.json")]) == 2
    assert "is no report" in capfd.readouterr().err

"""`tokenwire bench` and `tokenwire compare`, as people run them: structure and counts, no durations."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from paged import Page
from tokenwire.cli import main
from tokenwire.endpoint import ReferenceEndpoint, background
from tokenwire.endpoint.story import STORY
from tokenwire.recording import load
from tokenwire.recording.replay import ReplayConnection

FIXTURES = Path(__file__).parent.parent.parent / "fixtures"
CANARY = "canary-key-7c1f0e5b2d9a4836"
MODEL = ["--model", "tokenwire-reference", "-p", "hello"]


@pytest.fixture
def port() -> Iterator[int]:
    with background(ReferenceEndpoint(key=CANARY).connection) as port:
        yield port


@pytest.fixture
def key(tmp_path: Path) -> list[str]:
    (tmp_path / "key").write_text(CANARY)
    return ["--key-file", str(tmp_path / "key")]


def report(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The JSON of a run, whose exit code says whether it is valid."""
    code = main([*arguments, "--format", "json"])
    document: dict[str, Any] = json.loads(capfd.readouterr().out)
    assert code == (0 if document["valid"] else 1)
    return document


@pytest.mark.parametrize(
    ("url", "dialect", "usage"),
    [
        ("http://127.0.0.1:{}", "openai-chat", True),
        ("http://127.0.0.1:{}", "holysheep", False),
        ("ws://127.0.0.1:{}", "holysheep", True),
        ("ws://127.0.0.1:{}", "openai-realtime", True),
    ],
)
def test_the_reference_endpoint_is_measured_over_both_transports(
    url: str, dialect: str, usage: bool, port: int, key: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ["bench", url.format(port), "--dialect", dialect, *MODEL, *key, "-n", "4", "-c", "2"]
    document = report(arguments, capfd)
    (run,) = document["runs"]
    summary = document["summary"]
    assert (summary["requests"], summary["whole"], summary["errors"]) == (4, 4, {})
    assert summary["tokens"] == 4 * len(STORY)
    assert summary["counted"] == (4 if usage else 0)
    for sample in run["samples"]:
        assert len(sample["tokens"]) == len(STORY)
        assert sample["sizes"]["content"] == len("".join(STORY).encode())
    assert (summary["bytes_per_token"]["syntax"] == 0) == url.startswith("ws")
    assert summary["first_byte"]["p50"]["of"] == 4
    assert summary["between_tokens"]["p50"]["of"] == 4 * (len(STORY) - 1)
    assert set(run["self_check"]) >= {"cost_per_event", "worst_lag", "cpu_share", "valid", "doubts"}
    assert run["self_check"]["replayed"] > 0
    assert CANARY not in json.dumps(document)


@pytest.mark.parametrize(
    ("name", "dialect", "tokens", "usage"),
    [
        ("aimock/usage", "openai-chat", 11, 21),
        ("llama-server/multibyte", "openai-chat", 24, None),
        ("node-ws/deflate", "holysheep", 16, 17),
    ],
)
def test_a_replay_is_measured_as_what_it_is_a_recording_of(
    name: str, dialect: str, tokens: int, usage: int | None, capfd: pytest.CaptureFixture[str]
) -> None:
    recording = load(FIXTURES / f"{name}.wire.jsonl")
    scheme = "ws" if recording.header["transport"] == "websocket" else "http"
    with background(lambda: ReplayConnection(recording, "fast")) as port:
        url = f"{scheme}://127.0.0.1:{port}"
        arguments = ["bench", url, "--dialect", dialect, "--model", "m", "-p", "x", "-n", "2"]
        document = report(arguments, capfd)
    for sample in document["runs"][0]["samples"]:
        assert (len(sample["tokens"]), sample["usage"], sample["error"]) == (tokens, usage, "")


def test_reports_are_merged_and_shown_as_a_page(
    tmp_path: Path, port: int, key: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    files = [tmp_path / "monday.json", tmp_path / "tuesday.json"]
    for file in files:
        main(["bench", f"http://127.0.0.1:{port}", *MODEL, *key, "-n", "2", "--rate", "100", "--format", "json"])
        file.write_text(capfd.readouterr().out)
    page = tmp_path / "page.html"
    code = main(["bench", "--merge", str(files[0]), "--merge", str(files[1]), "--html", str(page)])
    told = capfd.readouterr().out
    assert code == (1 if "INVALID" in told else 0)
    assert f"4 of 4 streams came whole, {4 * len(STORY)} tokens" in told
    shown = Page(page.read_text(encoding="utf-8"))
    shown.holds()
    assert "Since the request was due" in shown.said("caption")
    assert f"4 of 4 streams came whole, {4 * len(STORY)} tokens." in shown.said("p")
    assert "When the tokens of 4 streams came" in shown.said("title")
    assert "http://127.0.0.1" in shown.said("dd")
    assert CANARY not in shown.text


def test_what_the_terminal_tells_stands_in_the_page_too(
    tmp_path: Path, port: int, key: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    main(["bench", f"http://127.0.0.1:{port}", *MODEL, *key, "-n", "2", "--html", str(page)])
    told = capfd.readouterr().out
    shown = Page(page.read_text(encoding="utf-8"))
    for tag in ("th", "td"):
        for words in shown.words[tag]:
            assert words.lower() in told.lower() or words in ("What", "Figure", "Layer", "Bytes", "What it is"), words


def test_a_page_that_cannot_be_written_is_said_before_anything_is_measured(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for verb in ("bench", "compare"):
        assert main([verb, "http://127.0.0.1:1", "-p", "x", "--html", str(tmp_path)]) == 2
        assert "it is a folder" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        ([], 2, "give a URL"),
        (["http://127.0.0.1:1", "-p", "x"], 3, "refused"),
        (["http://127.0.0.1:1", "-p", "x", "-n", "0"], 2, "no number"),
        (["--merge", "nowhere.json"], 2, "nowhere.json"),
        (["http://127.0.0.1:1"], 2, "--prompt"),
    ],
)
def test_what_cannot_be_measured_is_said(
    arguments: list[str], code: int, word: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *arguments]) == code
    assert word in capfd.readouterr().err


def test_a_refusal_of_every_request_is_told_as_one(port: int, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", f"http://127.0.0.1:{port}", *MODEL, "-n", "2"]) == 5
    assert "401" in capfd.readouterr().err


@pytest.mark.timeout(300)
def test_the_transports_are_compared(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    document = report(["compare", "-n", "2", "--pace", "0.002", "--html", str(page)], capfd)
    shown = Page(page.read_text("utf-8"))
    shown.holds()
    assert document["worth"] in shown.said("strong")
    assert [each["transport"] for each in document["trials"]] == ["SSE", "WebSocket", "WebSocket", "SSE"]
    assert all(each["delays"] for each in document["trials"])
    assert all(each["sample"]["error"] == "" for each in document["trials"])
    table = {row["name"]: row for row in document["table"]}
    assert table["  syntax of events"]["websocket"]["value"] == 0
    assert table["overhead of a token: framing"]["websocket"]["value"] == pytest.approx(
        2 * (len(STORY) + 1) / len(STORY), 0.1
    )
    assert {each["transport"] for each in document["recoveries"]} == {"SSE", "WebSocket"}
    for recovery in document["recoveries"]:
        assert 0 < recovery["tokens"] < len(STORY)
        assert recovery["error"] == ""
        assert recovery["new_token"] >= recovery["next_token"] > 0
    outcomes = [
        (each["proxy"].split()[1], each["transport"].partition(",")[0], each["sample"]) for each in document["passages"]
    ]
    whole = [(proxy, transport) for proxy, transport, sample in outcomes if not sample["error"]]
    assert whole == [
        ("forwards", "SSE"), ("forwards", "WebSocket"), ("holds", "SSE"), ("holds", "WebSocket"), ("does", "SSE"),
        ("closes", "WebSocket"),
    ]  # fmt: skip
    held = next(sample for proxy, transport, sample in outcomes if (proxy, transport) == ("holds", "SSE"))
    assert held["reads"] <= 2
    assert "45 ms" in document["worth"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--dialect", "openai-chat"], "not spoken over both"),
        (["--dialect", "openai-responses"], "holysheep"),
        (["http://127.0.0.1:1", "-p", "x", "--key-file", "-"], "read once"),
    ],
)
def test_what_cannot_be_compared_is_said(arguments: list[str], word: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *arguments]) == 2
    assert word in capfd.readouterr().err


def test_an_endpoint_that_is_not_there_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "http://127.0.0.1:1", "-p", "x", "-n", "1"]) == 3
    assert "refused" in capfd.readouterr().err

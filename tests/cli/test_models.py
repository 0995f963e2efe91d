"""A verb that asks finds a model as `check` does, where none is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from tokenwire.cli import main
from tokenwire.endpoint import ReferenceEndpoint, background
from tokenwire.endpoint.story import MODELS, STORY
from tokenwire.recording import load
from tokenwire.recording.replay import ReplayConnection

FIXTURES = Path(__file__).parent.parent.parent / "fixtures"
KEY = "a-key-of-the-endpoint"
TOLD = f"model: {MODELS[0]}, the first that is listed"


@pytest.mark.parametrize("dialect", ["openai-chat", "openai-responses", "anthropic-messages", "gemini", "ollama"])
@pytest.mark.parametrize("verb", ["stream", "record", "bench"])
def test_the_first_model_that_is_listed_is_asked(
    verb: str, dialect: str, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_KEY", KEY)
    more = {"stream": [], "record": ["-o", str(tmp_path / "kept")], "bench": ["-n", "1"]}[verb]
    with background(ReferenceEndpoint(key=KEY).connection) as port:
        url = f"http://127.0.0.1:{port}"
        code = main([verb, url, "--dialect", dialect, "-p", "hello", "--key-env", "A_KEY", *more])
    assert code == 0 or (verb, code) == ("bench", 1)  # a run on a busy machine says that it is worthless
    out, err = capfd.readouterr()
    assert TOLD in err.splitlines()
    assert verb != "stream" or out == "".join(STORY)


def test_over_a_websocket_too(capfd: pytest.CaptureFixture[str]) -> None:
    with background(ReferenceEndpoint().connection) as port:
        assert main(["stream", f"ws://127.0.0.1:{port}", "--dialect", "holysheep", "-p", "hello"]) == 0
    out, err = capfd.readouterr()
    assert (out, err.splitlines()) == ("".join(STORY), [TOLD])


def test_a_model_in_the_body_or_the_options_is_not_looked_for(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    body = tmp_path / "body.json"
    body.write_text(f'{{"model": "{MODELS[0]}", "messages": [{{"role": "user", "content": "hi"}}]}}')
    with background(ReferenceEndpoint().connection) as port:
        url = f"http://127.0.0.1:{port}"
        assert main(["stream", url, "--json", str(body)]) == 0
        assert main(["stream", url, "-p", "hello", "--model", MODELS[0]]) == 0
    assert capfd.readouterr().err == ""


def test_a_server_that_lists_none_is_asked_without_one(capfd: pytest.CaptureFixture[str]) -> None:
    recording = load(FIXTURES / "llama-server" / "multibyte.wire.jsonl")
    with background(lambda: ReplayConnection(recording, "fast")) as port:
        assert main(["stream", f"http://127.0.0.1:{port}", "-p", "hello"]) == 0
        assert capfd.readouterr().err == ""
        assert main(["stream", f"http://127.0.0.1:{port}", "--dialect", "gemini", "-p", "hello"]) == 2
    assert "has the model in it: name one" in capfd.readouterr().err

"""What a server says moves no cursor, sets no title and turns no text: on a terminal, in a log, in a page, in JSON."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import echoing
from tokenwire.cli import main
from tokenwire.cli.screen import Screen
from tokenwire.recording import load
from tokenwire.secrecy import escaped, harmless, one_line

#: C0, DEL, C1, and each bidirectional control of Unicode.
HARM = "\x00\x07\x08\x0b\x0c\x0d\x1b\x7f\x80\x85\x9b\x9d"
HARM += "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
WORDS = f"a{HARM}b"

CHUNK = {"choices": [{"index": 0, "delta": {"content": WORDS}}]}
ERROR = {"error": {"message": WORDS, "code": WORDS, "type": WORDS}}


def event(value: object) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def response(status: bytes, kind: bytes, body: bytes) -> bytes:
    head = b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    return head % (status, kind, len(body)) + body


WAYS = {
    "harm-refused": response(b"401 No", b"application/json", json.dumps(ERROR, ensure_ascii=False).encode()),
    "harm-text": response(b"500 No", b"text/plain", WORDS.encode()),
    "harm-type": response(b"200 OK", "text/\x9b\u202e".encode(), WORDS.encode()),
    "harm-stream": response(b"200 OK", b"text/event-stream", event(CHUNK) + b"data: [DONE]\n\n"),
    "harm-error": response(b"200 OK", b"text/event-stream", event(CHUNK) + event(ERROR)),
}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(echoing, "HTTP_WAYS", WAYS | {"refused": WAYS["harm-refused"]})
        with echoing.echoing() as port:
            yield port


def harm_in(text: str) -> set[str]:
    return set(HARM) & set(text)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "verb",
    [
        ["stream", "--events"],
        ["record", "-o", "FILE"],
        ["bench", "-n", "1", "--html", "FILE"],
        ["bench", "-n", "1", "--format", "json"],
        ["check", "--only", "sse.", "--only", "chat."],
        ["check", "--only", "sse.", "--only", "chat.", "--format", "json"],
        ["check", "--only", "sse.", "--only", "chat.", "--format", "junit"],
        ["check", "--only", "sse.", "--only", "chat.", "--format", "markdown"],
        ["check", "--only", "sse.", "--only", "chat.", "--html", "FILE"],
    ],
    ids=" ".join,
)
def test_no_verb_prints_what_a_terminal_obeys(
    way: str, verb: list[str], port: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    name, *options = [str(tmp_path / "file") if word == "FILE" else word for word in verb]
    prompt = [] if name == "check" else ["-p", "x"]
    main([name, f"http://127.0.0.1:{port}/{way}/v1/chat/completions", "--model", "m", *prompt, *options])
    captured = capfd.readouterr()
    assert captured.out + captured.err
    assert not harm_in(captured.out + captured.err)
    for path in tmp_path.iterdir():
        # A recording of bytes that are no characters has them in base64.
        assert not harm_in(path.read_text(encoding="utf-8"))
        if name == "record":
            assert load(path).received == WAYS[way]


def test_what_a_model_says_is_output_for_a_pipe_and_harmless_on_a_terminal(
    port: int, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["stream", f"http://127.0.0.1:{port}/harm-stream/v1/chat/completions", "--model", "m", "-p", "x"]
    main(arguments)
    assert capfd.readouterr().out.encode().replace(b"\n", b"\r").rstrip() == WORDS.encode().replace(b"\n", b"\r")
    terminal = _Terminal()
    Screen(terminal).write(WORDS)
    assert terminal.getvalue() == "a" + "\ufffd" * len(HARM) + "b"


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_text_that_harms_nobody_is_left_as_it_is() -> None:
    text = "naïve ☃ 日本語 👩\u200d💻 نص\u200cعربي שלום\tand\nmore"
    assert harmless(text) == text
    assert escaped(text) == text
    assert one_line(text) == text.replace("\t", " ").replace("\n", " ")


@pytest.mark.parametrize("character", sorted(set(HARM) | {"\u2028", "\u2029"}))
def test_each_character_that_harms_is_taken_out(character: str) -> None:
    assert one_line(f"a{character}b") == "a b"
    document = json.dumps([character], ensure_ascii=False)
    assert character not in escaped(document)
    assert json.loads(escaped(document)) == [character]
    if character not in "\u2028\u2029":
        assert harmless(f"a{character}b") == "a\ufffdb"

"""Recordings taken apart: no byte is lost, none is counted twice, and each is counted for what it is."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenwire.dialects import DIALECTS
from tokenwire.framing.sse import encode
from tokenwire.framing.websocket import PING, TEXT, FrameWriter
from tokenwire.measure.anatomy import Sizes, dissect, output_tokens
from tokenwire.recording import Entry, Recording, load

FIXTURES = Path(__file__).parent.parent.parent / "fixtures"
EXPECTED: dict[str, dict[str, Any]] = json.loads((FIXTURES / "expected.json").read_text(encoding="utf-8"))
WIRES = {
    f"{path.parent.name}/{path.name.removesuffix('.wire.jsonl')}": load(path)
    for path in sorted(FIXTURES.glob("*/*.wire.jsonl"))
}
CHAT, SHEEP = DIALECTS["openai-chat"], DIALECTS["holysheep"]

REQUEST = b"GET /v1/chat/stream HTTP/1.1\r\nHost: x\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
UPGRADE = b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"


def delta(text: str) -> str:
    return json.dumps({"type": "content_delta", "content": text}, ensure_ascii=False)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def wire(*entries: tuple[str, bytes]) -> Recording:
    """Entries one second apart."""
    return Recording({}, [Entry(float(second), kind, data) for second, (kind, data) in enumerate(entries)])


@pytest.mark.parametrize("name", WIRES)
def test_the_sizes_of_every_recording_add_up_to_what_was_received(name: str) -> None:
    recording = WIRES[name]
    anatomy = dissect(recording, DIALECTS[recording.header.get("dialect", "openai-chat")])
    assert anatomy.sizes.received == len(recording.received)


@pytest.mark.parametrize("name", ["aimock/normal", "aimock/gzip", "llama-server/multibyte", "node-ws/deflate"])
def test_the_content_is_the_text(name: str) -> None:
    recording = WIRES[name]
    anatomy = dissect(recording, DIALECTS[recording.header.get("dialect", "openai-chat")])
    text = EXPECTED[name]["text"]
    assert anatomy.sizes.content == len(text.encode())
    assert anatomy.tokens == sorted(anatomy.tokens)


@pytest.mark.parametrize("size", [1, 7, 4096])
@pytest.mark.parametrize("name", ["aimock/usage", "llama-server/multibyte", "node-ws/deflate", "uvicorn-wsproto/plain"])
def test_however_the_reads_are_cut_the_sizes_are_the_same(name: str, size: int) -> None:
    recording = WIRES[name]
    dialect = DIALECTS[recording.header.get("dialect", "openai-chat")]
    received = recording.received
    pieces = [Entry(1.0, "<", received[at : at + size]) for at in range(0, len(received), size)]
    recut = dissect(Recording(recording.header, [Entry(0.0, ">", recording.sent), *pieces]), dialect)
    whole = dissect(recording, dialect)
    assert recut.sizes == whole.sizes
    assert (recut.messages, len(recut.tokens), recut.usage) == (whole.messages, len(whole.tokens), whole.usage)


def test_each_byte_of_server_sent_events_is_counted_for_what_it_is() -> None:
    first, second = delta("é\n"), '{"type":"done"}'
    blocks = [b"id: 1\ndata: " + first.encode() + b"\n\n", b": alive\n\n", b"data: " + second.encode() + b"\n\n"]
    recording = wire((">", REQUEST), ("<", HEAD), *(("<", chunk(block)) for block in blocks), ("<", b"0\r\n\r\n"))
    anatomy = dissect(recording, SHEEP)
    assert anatomy.sizes == Sizes(
        head=len(HEAD),
        framing=sum(len(chunk(block)) - len(block) for block in blocks) + len(b"0\r\n\r\n"),
        syntax=len(b"id: 1\ndata: \n\n") + len(b": alive\n\n") + len(b"data: \n\n"),
        envelope=len(first.encode()) + len(second) - len("é\n".encode()),
        content=len("é\n".encode()),
    )
    assert (anatomy.reads, anatomy.messages) == (4, 2)
    assert (anatomy.sent, anatomy.first_byte, anatomy.first_event, anatomy.tokens, anatomy.ended) == (0, 1, 2, [2], 4)


def test_what_a_content_coding_takes_off_is_told_apart() -> None:
    head = HEAD.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
    body = b"".join(encode(delta(" the same again")) for _ in range(40)) + encode('{"type":"done"}')
    deflater = zlib.compressobj(wbits=31)
    coded = deflater.compress(body) + deflater.flush()
    recording = wire((">", REQUEST), ("<", head + chunk(coded) + b"0\r\n\r\n"))
    sizes = dissect(recording, SHEEP).sizes
    assert sizes.received == len(recording.received)
    assert sizes.saved == len(body) - len(coded) > 0
    assert sizes.syntax == 41 * len("data: \n\n")


def test_the_request_of_a_websocket_is_out_after_its_handshake_and_what_came_before_is_not_the_first_byte() -> None:
    ask, answer = FrameWriter(client=True), FrameWriter(client=False)
    messages = [delta("a"), delta("b"), '{"type":"done","usage":{"completion_tokens":7}}']
    frames = [answer.frame(TEXT, message.encode()) for message in messages]
    ping = answer.frame(PING, b"alive?")
    recording = wire(
        (">", UPGRADE),
        ("<", SWITCHED),
        (">", ask.frame(TEXT, b"{}")),
        ("<", frames[0]),
        ("<", ping + frames[1]),
        ("<", frames[2]),
        (">", ask.frame(TEXT, b"later")),
    )
    anatomy = dissect(recording, SHEEP)
    assert (anatomy.sent, anatomy.first_byte, anatomy.first_event, anatomy.ended) == (2, 3, 3, 5)
    assert (anatomy.tokens, anatomy.usage, anatomy.reads, anatomy.messages) == ([3, 4], 7, 3, 3)
    assert anatomy.sizes == Sizes(
        head=len(SWITCHED),
        framing=3 * 2 + len(ping),
        envelope=sum(map(len, messages)) - 2,
        content=2,
    )


def test_a_long_frame_has_a_longer_header() -> None:
    for length, header in ((125, 2), (126, 4), (65_535, 4), (65_536, 10)):
        padding = json.dumps({"pad": ""})
        message = json.dumps({"pad": "x" * (length - len(padding))}).encode()
        assert len(message) == length
        frame = FrameWriter(client=False).frame(TEXT, message)
        recording = wire((">", UPGRADE), ("<", SWITCHED), ("<", frame))
        assert dissect(recording, SHEEP).sizes == Sizes(head=len(SWITCHED), framing=header, envelope=length)


@pytest.mark.parametrize("received", [b"", b"nonsense", HEAD + b"zz\r\n", SWITCHED + b"\xff\xff\xff\xff", HEAD[:30]])
def test_what_cannot_be_read_is_still_counted(received: bytes) -> None:
    recording = wire((">", UPGRADE if received.startswith(SWITCHED) else REQUEST), ("<", received), ("eof", b""))
    anatomy = dissect(recording, SHEEP)
    assert anatomy.sizes.received == len(received)
    assert not anatomy.tokens


@given(st.lists(st.text(max_size=20), max_size=8), st.integers(1, 60))
def test_any_text_is_content_and_the_rest_is_not(texts: list[str], size: int) -> None:
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    body = b"".join(encode(delta(text)) for text in texts) + encode('{"type":"done"}')
    received = HEAD + b"".join(chunk(body[at : at + size]) for at in range(0, len(body), size)) + b"0\r\n\r\n"
    sizes = dissect(wire((">", REQUEST), ("<", received)), SHEEP).sizes
    assert sizes.received == len(received)
    assert sizes.content == sum(len(text.encode()) for text in texts)
    assert sizes.syntax == (len(texts) + 1) * len("data: \n\n")


@pytest.mark.parametrize(
    ("counts", "tokens"),
    [
        ({"completion_tokens": 5, "prompt_tokens": 9}, 5),
        ({"input_tokens": 1, "output_tokens": 2}, 2),
        ({"candidatesTokenCount": 3}, 3),
        ({"outputTokens": 4}, 4),
        ({"eval_count": 6}, 6),
        ({"billed_units": {"output_tokens": 1}, "tokens": {"output_tokens": 8}}, 8),
        ({"completion_tokens": None}, None),
        ({}, None),
    ],
)
def test_output_tokens_have_many_names(counts: dict[str, Any], tokens: int | None) -> None:
    assert output_tokens(counts) == tokens

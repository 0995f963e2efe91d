"""The WebSocket recordings under fixtures/: each is read frame by frame, and replayed to both drivers over a socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from wsproto.utilities import generate_accept_token

import tokenwire
from tokenwire.dialects.decoder import Decoder
from tokenwire.endpoint import background
from tokenwire.framing.websocket import Close, FrameParser, Ping
from tokenwire.protocol.deflate import MessageInflater
from tokenwire.recording import Recording, load
from tokenwire.recording.replay import PACES, Pace, ReplayConnection

FIXTURES = Path(__file__).parent.parent / "fixtures"
EXPECTED: dict[str, dict[str, Any]] = json.loads((FIXTURES / "expected.json").read_text(encoding="utf-8"))
WIRES = {
    f"{path.parent.name}/{path.name.removesuffix('.wire.jsonl')}": wire
    for path in sorted(FIXTURES.glob("*/*.wire.jsonl"))
    if (wire := load(path)).header["transport"] == "websocket"
}
OPENED = [name for name in WIRES if EXPECTED[name]["status"] == 101]
REFUSED = [name for name in WIRES if name not in OPENED]
CHATS = [name for name in OPENED if WIRES[name].header["dialect"] == "holysheep"]
REALTIMES = [name for name in OPENED if WIRES[name].header["dialect"] == "openai-realtime"]


class Side:
    """What one side of a recording sent, in pieces: its head, and the frames after it."""

    def __init__(self, *, client: bool) -> None:
        self.head = b""
        self.items: list[object] = []
        self._blank_line = b""
        self._parser = FrameParser(client=not client, inflater=MessageInflater(False))

    def receive_data(self, data: bytes) -> None:
        if not self._blank_line:
            self.head, self._blank_line, data = (self.head + data).partition(b"\r\n\r\n")
        if self._blank_line:
            self.items += self._parser.receive_data(data)
        assert self._parser.error is None

    @property
    def messages(self) -> list[str]:
        return [item for item in self.items if isinstance(item, str)]

    @property
    def close(self) -> list[object] | None:
        return next(([item.code, item.reason] for item in self.items if isinstance(item, Close)), None)

    def field(self, name: str) -> bytes:
        values = [
            line.partition(b":")[2].strip()
            for line in self.head.split(b"\r\n")
            if line.lower().startswith(name.encode())
        ]
        (value,) = values
        return value


def server_side(wire: Recording, size: int | None = None) -> Side:
    """Read by read as it was recorded, or in pieces of `size` bytes."""
    side = Side(client=False)
    received = wire.received
    reads = [entry.data for entry in wire.entries if entry.kind == "<"]
    for data in reads if size is None else [received[at : at + size] for at in range(0, len(received), size)]:
        side.receive_data(data)
    return side


def client_side(wire: Recording) -> Side:
    side = Side(client=True)
    side.receive_data(wire.sent)
    return side


def script(wire: Recording) -> list[tuple[int, str]]:
    """The client's messages, each with the number of those that it had heard before."""
    server, client = Side(client=False), Side(client=True)
    lines: list[tuple[int, str]] = []
    for entry in wire.entries:
        (server if entry.kind == "<" else client).receive_data(entry.data)
        lines += [(len(server.messages), message) for message in client.messages[len(lines) :]]
    return lines


@contextmanager
def replayed(wire: Recording, pace: Pace = "fast", cut: int | None = None) -> Iterator[str]:
    with background(lambda: ReplayConnection(wire, pace, cut=cut)) as port:
        yield f"ws://127.0.0.1:{port}/"


def cancelling(name: str) -> bool:
    return name.endswith("/cancel")


def blocking(url: str, name: str) -> tokenwire.Stream:
    with tokenwire.stream(url, json={"messages": []}, dialect="holysheep") as stream:
        for event in stream:
            if cancelling(name) and isinstance(event, tokenwire.TextDelta):
                stream.send({"type": "cancel"})
    return stream


def with_asyncio(url: str, name: str) -> tokenwire.AsyncStream:
    async def run() -> tokenwire.AsyncStream:
        async with tokenwire.astream(url, json={"messages": []}, dialect="holysheep") as stream:
            async for event in stream:
                if cancelling(name) and isinstance(event, tokenwire.TextDelta):
                    await stream.send({"type": "cancel"})
        return stream

    return asyncio.run(run())


def check_answer(answer: tokenwire.Answer, expected: dict[str, Any]) -> None:
    assert answer.text == expected["text"]
    assert (answer.finish.reason if answer.finish else None) == expected.get("finish")
    assert answer.usage == expected.get("usage")


def test_there_are_recordings_of_every_server() -> None:
    assert {name.split("/")[0] for name in CHATS} == {
        "nginx-node-ws",
        "node-ws",
        "uvicorn-websockets",
        "uvicorn-wsproto",
    }
    assert REALTIMES
    assert REFUSED


@pytest.mark.parametrize("name", OPENED)
def test_the_keys_of_the_handshake_are_no_secrets_and_are_kept(name: str) -> None:
    key = client_side(WIRES[name]).field("sec-websocket-key")
    assert server_side(WIRES[name]).field("sec-websocket-accept") == generate_accept_token(key)


@pytest.mark.parametrize("size", [None, 1, 7, 10**6])
@pytest.mark.parametrize("name", OPENED)
def test_the_frames_are_what_was_read_in_them(name: str, size: int | None) -> None:
    expected, server = EXPECTED[name], server_side(WIRES[name], size)
    assert WIRES[name].entries[-1].kind == expected["ends"]
    assert (b"\r\nsec-websocket-extensions: permessage-deflate" in server.head.lower()) == expected["compressed"]
    assert sum(isinstance(item, Ping) for item in server.items) == expected["pings"]
    assert server.close == expected["close"]


@pytest.mark.parametrize("name", REALTIMES)
def test_a_realtime_session_has_these_messages_and_this_text(name: str) -> None:
    messages = [json.loads(message) for message in server_side(WIRES[name]).messages]
    assert [message["type"] for message in messages] == EXPECTED[name]["types"]
    deltas = "".join(message["delta"] for message in messages if message["type"].endswith(".delta"))
    joined = deltas.encode("utf-16", "surrogatepass").decode("utf-16")
    assert joined == EXPECTED[name]["deltas"]


@pytest.mark.parametrize("name", CHATS)
def test_a_chat_decodes_to_what_was_read_in_it(name: str) -> None:
    expected = EXPECTED[name]
    decoder = Decoder(tokenwire.dialects.dialect_named("holysheep"))
    answer = tokenwire.Answer()
    for message in server_side(WIRES[name]).messages:
        answer.add_all(decoder.receive_message(message))
    if not decoder.ended:
        answer.add_all(decoder.receive_eof(cut=True))
    check_answer(answer, expected)
    assert answer.end is not None
    assert answer.end.clean == (expected["outcome"] == "clean")


@pytest.mark.parametrize("drive", [blocking, with_asyncio])
@pytest.mark.parametrize("pace", PACES)
@pytest.mark.parametrize("name", CHATS)
def test_a_chat_replays_to_the_drivers(name: str, pace: Pace, drive: Any) -> None:
    expected = EXPECTED[name]
    with replayed(WIRES[name], pace) as url:
        if expected["outcome"] == "clean":
            stream = drive(url, name)
            assert stream.end.clean
            check_answer(stream.answer, expected)
        else:
            with pytest.raises(tokenwire.StreamInterrupted, match="without a Close frame") as caught:
                drive(url, name)
            check_answer(caught.value.answer, expected)


@pytest.mark.parametrize("pace", PACES)
@pytest.mark.parametrize("name", OPENED)
def test_a_session_replays_message_by_message_to_a_client_with_masks_of_its_own(name: str, pace: Pace) -> None:
    wire = WIRES[name]
    recorded = server_side(wire)
    heard: list[str | bytes] = []
    with replayed(wire, pace) as url, tokenwire.connect(url) as websocket:
        for after, message in script(wire):
            while len(heard) < after:
                heard.append(next(websocket))
            websocket.send(message)
        while len(heard) < len(recorded.messages):
            heard.append(next(websocket))
    assert heard == recorded.messages
    assert websocket.closed is not None
    assert [websocket.closed.code, websocket.closed.reason] == (recorded.close or [1006, ""])


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_is_a_status_error_with_the_server_s_words(name: str) -> None:
    with replayed(WIRES[name]) as url, pytest.raises(tokenwire.StatusError) as caught:
        blocking(url, name)
    assert (caught.value.status, caught.value.message) == (EXPECTED[name]["status"], EXPECTED[name]["message"])


def test_a_replay_is_cut_at_its_byte() -> None:
    wire = WIRES["uvicorn-websockets/deflate"]
    head = len(server_side(wire).head) + 4
    whole = EXPECTED["uvicorn-websockets/deflate"]["text"]
    close = len(wire.received) - 4
    texts = []
    for cut in range(head, close, 53):
        with replayed(wire, cut=cut) as url:
            try:
                texts.append(blocking(url, "").text)
            except tokenwire.StreamInterrupted as error:
                texts.append(error.text)
    assert texts == sorted(texts, key=len)
    assert texts[0] == ""
    assert all(whole.startswith(text) for text in texts)
    assert len(set(texts)) > 5

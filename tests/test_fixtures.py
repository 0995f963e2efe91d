"""The recordings of real servers under fixtures/: each loads, decodes to what was read in it by eye, and replays.

What goes over a WebSocket is tested in test_websocket_fixtures.py.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tokenwire import NotAStream, Recording, Session, StatusError, StreamInterrupted
from tokenwire.dialects import DIALECTS
from tokenwire.endpoint import serve
from tokenwire.recording import load
from tokenwire.recording.replay import PACES, Pace, ReplayConnection
from tokenwire.session import build_request

FIXTURES = Path(__file__).parent.parent / "fixtures"
EXPECTED: dict[str, dict[str, Any]] = json.loads((FIXTURES / "expected.json").read_text(encoding="utf-8"))
NAMES = sorted(
    f"{path.parent.name}/{path.name.removesuffix('.wire.jsonl')}" for path in FIXTURES.glob("*/*.wire.jsonl")
)
HTTP = [name for name in NAMES if EXPECTED[name]["status"] != 101]
STREAMS = [name for name in HTTP if "outcome" in EXPECTED[name]]


def recording(name: str) -> Recording:
    return load(FIXTURES / f"{name}.wire.jsonl")


REFUSALS = [name for name in HTTP if name not in STREAMS and recording(name).header["transport"] == "http/1.1"]


def session(wire: Recording) -> Session:
    dialect = DIALECTS[wire.header["dialect"]]
    conversation = Session(build_request("http://replay/", dialect, json={"model": "any"}), dialect)
    conversation.start(0.0)
    conversation.connected(0.0)
    conversation.data_to_send()
    return conversation


def read(name: str, size: int | None = None) -> Session:
    """The recording through a session: read by read, or in pieces of `size` bytes; then its end, where it has one."""
    wire = recording(name)
    received = wire.received
    reads = [entry.data for entry in wire.entries if entry.kind == "<"]
    conversation = session(wire)
    for data in reads if size is None else [received[place : place + size] for place in range(0, len(received), size)]:
        conversation.receive_data(data, 1.0)
    conversation.receive_eof(2.0)
    return conversation


def test_expectations_and_recordings_belong_together() -> None:
    assert sorted(EXPECTED) == NAMES
    assert NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_fixture_says_what_it_is_and_keeps_no_secret(name: str) -> None:
    wire = recording(name)
    server, case = name.split("/")
    assert (wire.header["server"], wire.header["case"]) == (server, case)
    assert {"transport", "server version", "note", "recorded", "made by"} <= wire.header.keys()
    for line in wire.sent.split(b"\r\n"):
        field, _, value = line.partition(b": ")
        if field.lower() in (b"authorization", b"x-api-key", b"x-goog-api-key"):
            assert value.removeprefix(b"Bearer ").replace(b"[redacted]", b"") in (b"", b"[redacted", b"[r")
    assert [entry.seconds for entry in wire.entries] == sorted(entry.seconds for entry in wire.entries)


@pytest.mark.parametrize("size", [None, 1, 7, 10**6])
@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_decodes_to_what_was_read_in_it(name: str, size: int | None) -> None:
    expected = EXPECTED[name]
    conversation = read(name, size)
    answer = conversation.answer
    assert conversation.head is not None
    assert conversation.head.status == expected["status"]
    assert answer.text == expected["text"]
    assert answer.text_of(1) == expected.get("second_text", "")
    assert answer.reasoning == expected.get("reasoning", "")
    assert [{"name": call.name, "arguments": call.arguments} for call in answer.tools] == expected.get("tools", [])
    assert (answer.finish.reason if answer.finish else None) == expected.get("finish")
    assert answer.usage == expected.get("usage")
    assert isinstance(conversation.error, StreamInterrupted) == (expected["outcome"] == "interrupted")
    said = {"code": answer.error.code, "message": answer.error.message} if answer.error else None
    assert said == expected.get("error")
    assert answer.end is not None
    assert answer.end.clean == (expected["outcome"] == "clean")


@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_no_stream_is_an_error_with_the_server_s_words(name: str) -> None:
    expected = EXPECTED[name]
    error = read(name).error
    if expected["status"] == 200:
        assert isinstance(error, NotAStream)
        assert error.content_type == expected["content_type"]
        assert json.loads(error.body)["choices"][0]["message"]["content"] == expected["text"]
    else:
        assert isinstance(error, StatusError)
        assert (error.status, error.message) == (expected["status"], expected["message"])


@pytest.mark.parametrize("pace", PACES)
def test_every_fixture_replays_over_a_socket_byte_for_byte(pace: Pace) -> None:
    async def all_at_once() -> dict[str, bytes]:
        replies = await asyncio.gather(*(replayed(recording(name), pace) for name in HTTP))
        return dict(zip(HTTP, replies, strict=True))

    replies = asyncio.run(all_at_once())
    assert {name: replies[name] for name in HTTP} == {name: recording(name).received for name in HTTP}


def test_a_replay_is_cut_at_its_byte_over_a_socket_too() -> None:
    wire = recording("aimock/normal")
    cuts = range(0, len(wire.received), 97)

    async def all_at_once() -> list[bytes]:
        return await asyncio.gather(*(replayed(wire, "fast", cut) for cut in cuts))

    assert asyncio.run(all_at_once()) == [wire.received[:cut] for cut in cuts]


async def replayed(wire: Recording, pace: Pace, cut: int | None = None) -> bytes:
    """Serves the recording, asks it what the recorded client had asked, and returns the reply.

    Where the server had not closed, nor does the replay: then the client does, once it has all the bytes.
    """

    async def ask(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(wire.sent)
        reply = bytearray()
        while data := await reader.read(65536):
            reply += data
            if cut is None and len(reply) >= len(wire.received) and wire.entries[-1].kind != "eof":
                break
        writer.close()
        await writer.wait_closed()
        return bytes(reply)

    return await served(lambda: ReplayConnection(wire, pace, cut=cut), ask)


async def served(make_connection: Callable[[], ReplayConnection], ask: Callable[[int], Awaitable[bytes]]) -> bytes:
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    server = asyncio.create_task(serve(make_connection, ready=port.set_result))
    try:
        return await asyncio.wait_for(ask(await port), 60)
    finally:
        server.cancel()
        await asyncio.gather(server, return_exceptions=True)

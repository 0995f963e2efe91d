"""The traffic of the benchmarks is what it says it is: by the oracle, by wsproto and by the decoders, cut anywhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import workloads
from whatwg import interpret
from workloads import SSE_SHAPES, Traffic
from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage

from cutting import some_ways
from tokenwire import SSEParser, TextDelta, ToolCallDelta
from tokenwire.dialects.decoder import Decoder
from tokenwire.framing.websocket import FrameParser

FIXTURES = Path(__file__).parents[2] / "fixtures"
EXPECTED = json.loads((FIXTURES / "expected.json").read_text(encoding="utf-8"))

SSE: dict[str, Callable[[int], Traffic]] = {
    **SSE_SHAPES,
    "responses": workloads.responses,
    "holysheep": workloads.holysheep,
}
DECODED = {name: make for name, make in SSE.items() if name != "identified"}

FRAMES: dict[str, Callable[[int], Traffic]] = {
    "60 bytes": lambda count: workloads.frames(60, count),
    "280 bytes": lambda count: workloads.frames(280, count),
    "messages": workloads.holysheep_messages,
    "one frame": lambda _: workloads.huge_frame(70_000),
    "recorded": lambda _: workloads.recorded_frames("node-ws"),
}


@pytest.mark.parametrize("name", SSE)
def test_the_oracle_reads_in_a_shape_what_it_says_it_holds(name: str) -> None:
    traffic = SSE[name](50)
    read = interpret(b"".join(traffic.blocks)).events
    assert [event for event, _, _ in read] == list(traffic.names)
    assert [data for _, data, _ in read] == list(traffic.data)


@pytest.mark.parametrize("name", SSE)
def test_a_shape_is_framed_alike_however_it_is_cut(name: str) -> None:
    traffic = SSE[name](30)
    expected = list(zip(traffic.names, traffic.data, strict=True))
    for pieces in some_ways(b"".join(traffic.blocks), 20):
        parser = SSEParser()
        events = [event for piece in pieces for event in parser.receive_data(piece)]
        assert [(event.event, event.data) for event in events] == expected


@pytest.mark.parametrize("name", DECODED)
def test_a_shape_decodes_to_its_deltas_however_it_is_cut(name: str) -> None:
    traffic = DECODED[name](30)
    for pieces in some_ways(b"".join(traffic.blocks), 20):
        decoder = Decoder(traffic.dialect)
        events = [event for piece in pieces for event in decoder.receive_data(piece)]
        assert decoder.outcome == "clean"
        texts = [event.text for event in events if isinstance(event, TextDelta)]
        texts += [event.arguments for event in events if isinstance(event, ToolCallDelta)]
        assert texts == list(traffic.texts)


@pytest.mark.parametrize("name", FRAMES)
def test_wsproto_reads_in_frames_what_they_say_they_hold(name: str) -> None:
    traffic = FRAMES[name](20)
    connection = Connection(ConnectionType.CLIENT)
    messages = []
    for block in traffic.blocks:
        connection.receive_data(block)
        messages += [event.data for event in connection.events() if isinstance(event, TextMessage)]
    assert messages == list(traffic.data)
    parser = FrameParser(client=True)
    assert [message for block in traffic.blocks for message in parser.receive_data(block)] == messages


@pytest.mark.parametrize("name", [*SSE, *FRAMES])
def test_traffic_is_the_same_each_time(name: str) -> None:
    make = {**SSE, **FRAMES}[name]
    assert make(20).blocks == make(20).blocks


@pytest.mark.parametrize("server", ["llama-server", "aimock"])
def test_a_recorded_answer_holds_the_text_that_was_read_in_it(server: str) -> None:
    pieces, traffic = workloads.recorded_chat(server)
    assert b"".join(pieces) == b"".join(traffic.blocks)
    assert traffic.data[-1] == "[DONE]"
    text = "".join(traffic.texts).encode("utf-16", "surrogatepass").decode("utf-16")
    assert text == EXPECTED[f"{server}/normal"]["text"]


def test_recorded_frames_hold_the_text_that_was_read_in_them() -> None:
    text = "".join(workloads.recorded_frames("node-ws").texts).encode("utf-16", "surrogatepass").decode("utf-16")
    assert text == EXPECTED["node-ws/plain"]["text"]


@pytest.mark.parametrize(("make", "average"), [(workloads.chat, 287), (lambda n: workloads.frames(60, n), 62)])
def test_the_sizes_are_those_that_the_goals_speak_of(make: Callable[[int], Traffic], average: int) -> None:
    blocks = make(2000).blocks
    assert sum(map(len, blocks)) / len(blocks) == pytest.approx(average, abs=1.5)


def test_chat_chunks_have_escapes_and_padding_of_every_length() -> None:
    """A workload without them would be kinder than what providers send."""
    chunks = [json.loads(data) for data in workloads.chat(500).data[1:-2]]
    assert len({len(chunk["obfuscation"]) for chunk in chunks}) == 16
    assert sum("\\" in data for data in workloads.chat(500).data) > 20

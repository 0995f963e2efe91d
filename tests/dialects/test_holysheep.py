"""The guide's dialect, over both framings."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenwire.dialects.decoder import Decoder
from tokenwire.dialects.events import BlockStart, BlockStop, End, Error, Finish, Other, StreamEvent, TextDelta, Usage


def over_websocket(*messages: Any) -> list[StreamEvent]:
    decoder = Decoder("holysheep")
    texts = [message if isinstance(message, str) else json.dumps(message) for message in messages]
    events = [event for text in texts for event in decoder.receive_message(text)]
    return events + decoder.receive_eof(cut=True)


def over_sse(*messages: Any) -> list[StreamEvent]:
    decoder = Decoder("holysheep")
    body = "".join(f"data: {json.dumps(message)}\n\n" for message in messages).encode()
    return decoder.receive_data(body) + decoder.receive_eof()


def text(*pieces: str) -> list[StreamEvent]:
    """The events of one block of text."""
    return [BlockStart(0, "text"), *(TextDelta(0, piece) for piece in pieces), BlockStop(0)]


def delta(content: Any) -> dict[str, Any]:
    return {"type": "content_delta", "content": content}


DONE = {"type": "done"}

CASES = [
    (
        [delta("Hel"), delta("lo"), DONE],
        [
            BlockStart(0, "text"),
            TextDelta(0, "Hel"),
            TextDelta(0, "lo"),
            BlockStop(0),
            Finish("stop", "stop"),
            End(True),
        ],
    ),
    (
        [{"content": "Hi"}, DONE],
        [*text("Hi"), Finish("stop", "stop"), End(True)],
    ),
    ([delta(""), DONE], [Finish("stop", "stop"), End(True)]),
    (
        [delta(None), delta(7), {"type": "content_delta", "thought": "hm"}, DONE],
        [
            Other("content_delta", "…"),
            BlockStart(0, "text"),
            TextDelta(0, "7"),
            Other("content_delta", "…"),
            BlockStop(0),
            Finish("stop", "stop"),
            End(True),
        ],
    ),
    (
        [delta("\ud83d"), delta("\ude00!"), DONE],
        [*text("😀!"), Finish("stop", "stop"), End(True)],
    ),
    ([{**DONE, "cancelled": True}], [Finish("cancelled", "cancelled"), End(True)]),
    ([{**DONE, "finish_reason": "length"}], [Finish("length", "length"), End(True)]),
    ([{**DONE, "usage": {"n": 1}}], [Usage({"n": 1}, True), Finish("stop", "stop"), End(True)]),
    ([{"type": "error", "error": {"code": "x", "message": "no"}}], [Error("x", "no", True), End(False)]),
    ([{"type": "error", "message": "no"}, DONE], [Error("", "no", True), End(False)]),
    ([{"error": "no"}, delta("late")], [Error("", "no", True), End(False)]),
    ([{"type": "context_updated"}, DONE], [Other("context_updated", "…"), Finish("stop", "stop"), End(True)]),
    ([[1, 2], DONE], [Other("not-an-object", "…"), Finish("stop", "stop"), End(False)]),
    ([delta("cut")], [*text("cut"), End(False)]),
]


@pytest.mark.parametrize(("messages", "expected"), CASES)
@pytest.mark.parametrize("read", [over_websocket, over_sse])
def test_messages_decode_alike_over_both_transports(
    read: Any, messages: list[Any], expected: list[StreamEvent]
) -> None:
    events = [Other(e.type, "…") if isinstance(e, Other) else e for e in read(*messages)]
    assert events == expected


def test_what_is_no_json_is_handed_on() -> None:
    assert over_websocket("ping", DONE)[0] == Other("not-json", "ping")


def test_an_error_ends_the_answer_though_the_socket_stays_open() -> None:
    decoder = Decoder("holysheep")
    events = decoder.receive_message('{"type": "error", "error": "no"}')
    assert events == [Error("", "no", True), End(False)]
    assert decoder.outcome == "error"


def test_nothing_follows_the_end() -> None:
    assert over_websocket(DONE, delta("late"), DONE) == over_websocket(DONE)


def test_a_message_may_come_in_a_binary_frame() -> None:
    decoder = Decoder("holysheep")
    events = decoder.receive_message(json.dumps(delta("日本"), ensure_ascii=False).encode())
    assert TextDelta(0, "日本") in events


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "content", "error", "usage"]), inner)
    ),
    max_leaves=6,
)
KINDS = st.sampled_from(["content_delta", "done", "error", "other", "", None])


@given(
    st.lists(
        st.builds(lambda kind, rest: {**rest, "type": kind}, KINDS, st.dictionaries(st.text(max_size=8), JSON)) | JSON
    )
)
def test_whatever_comes_the_end_is_unique_and_last(messages: list[Any]) -> None:
    events = over_websocket(*messages)
    assert [isinstance(event, End) for event in events] == [False] * (len(events) - 1) + [True]
    opened = [event.block for event in events if isinstance(event, BlockStart)]
    assert opened == [event.block for event in events if isinstance(event, BlockStop)]
    if any(isinstance(event, Error) for event in events):
        assert events[-1] == End(False)

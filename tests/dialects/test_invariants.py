"""What holds for every stream of every dialect, whatever the bytes: hostile ones, and recordings that were damaged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tokenwire
from cutting import bytewise, cut_at, cuts
from test_corpus import NO_CORPUS, ROWS, Row, streams_of
from test_vectors import OF_DIALECTS
from test_vectors import pieces as pieces_of
from test_vectors import stream as body_of
from tokenwire.dialects import DIALECTS
from tokenwire.dialects.decoder import Decoder, Outcome
from tokenwire.dialects.events import (
    BlockStart,
    BlockStop,
    End,
    Error,
    ReasoningDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
)
from tokenwire.dialects.frames import frames_for
from tokenwire.errors import RemoteProtocolError
from tokenwire.framing.sse import ServerSentEvent

# Chunks built from members that are sometimes as they should be.
words = st.sampled_from(
    ["", "a", "é", "👋", "\ud83d", "\ude00", "stop", "tool_calls", "error", "text", "thinking", "]}"]
)
odd = (
    st.none()
    | st.booleans()
    | st.integers(-1, 2)
    | words
    | st.lists(st.nothing())
    | st.dictionaries(words, words, max_size=1)
)


def members(**strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={name: strategy | odd for name, strategy in strategies.items()})


parts = st.lists(members(type=words, text=words, thinking=st.lists(members(text=words), max_size=2)), max_size=2)
calls = members(index=st.integers(0, 2), id=words, function=members(name=words, arguments=words))
deltas = members(
    role=words, content=words | parts, reasoning=words, reasoning_content=words, refusal=words,
    tool_calls=st.lists(calls | odd, max_size=2), function_call=members(name=words, arguments=words), audio=odd,
)  # fmt: skip
choices = members(
    index=st.integers(0, 2), delta=deltas, message=deltas, finish_reason=words, content=words, text=words
)  # fmt: skip
chunks = members(
    id=words, model=words, object=words, choices=st.lists(choices | odd, max_size=3), usage=members(total_tokens=odd),
    error=members(message=words, code=words, type=words) | words,
)  # fmt: skip


def as_lines(chunk: object, way: int) -> bytes:
    data = json.dumps(chunk).encode()
    pretty = json.dumps(chunk, indent=1).encode()
    named = b"event: error\ndata: %s\n\n" % data
    field = b"error: %s\n\n" % data
    return [b"data: %s\n\n" % data, b"data:%s\r\n\r\n" % data, named, field, b"%s\n" % data, b"%s\n\n" % pretty][way]


events_of_chat = st.builds(as_lines, chunks, st.sampled_from([0, 0, 0, 0, 1, 2, 3, 4, 5]))
noise = st.sampled_from(
    [b"data: [DONE]\n\n", b": ping\n\n", b"\n", b"\r", b"data: x\n\n", b'data: {"choices":[\n\n',
     b"{\n", b"}\n", b"\xff", b"\0", b"id: 1\n"]
) | st.binary(max_size=6)  # fmt: skip
streams = st.lists(events_of_chat | noise, max_size=12).map(b"".join)


def decode(
    dialect: str, pieces: list[bytes], *, cut: bool = False
) -> tuple[list[StreamEvent], Outcome | RemoteProtocolError | None]:
    """The events, and how the stream ended, or the error of a framing that lets only whole values follow each other.

    No limit is in reach of these streams, so nothing else may be raised.
    """
    decoder = Decoder(dialect)
    events: list[StreamEvent] = []
    try:
        for piece in pieces:
            events += decoder.receive_data(piece)
        events += decoder.receive_eof(cut=cut)
    except RemoteProtocolError as error:
        assert decoder.dialect.framing not in ("sse", "raw")
        return events, error
    return events, decoder.outcome


def joined_raw(events: list[StreamEvent]) -> list[StreamEvent]:
    """The dialect `raw` gives one event a read: the cut decides how many, not what they say together."""
    text = "".join(event.raw for event in events if isinstance(event, tokenwire.Other))
    return [tokenwire.Other("bytes", text), events[-1]]


def check(dialect: str, stream: bytes, pieces: list[bytes]) -> None:
    events, outcome = decode(dialect, [stream])
    if not isinstance(outcome, RemoteProtocolError):
        check_events(events, outcome)
    cut_events, cut_outcome = decode(dialect, pieces)
    if dialect == "raw":
        events, cut_events = joined_raw(events), joined_raw(cut_events)
    assert cut_events == events
    assert str(cut_outcome) == str(outcome)
    assert [event.raw for event in cut_events] == [event.raw for event in events]
    assert [event.cursor for event in cut_events] == [event.cursor for event in events]


def check_events(events: list[StreamEvent], outcome: Outcome | None) -> None:
    ends = [event for event in events if isinstance(event, End)]
    assert len(ends) == 1
    assert events[-1] is ends[0]
    failed = any(isinstance(event, Error) and event.fatal for event in events)
    assert not (failed and ends[0].clean)
    assert (outcome == "clean") == ends[0].clean
    assert (outcome == "error") == failed
    check_blocks(events)
    check_answer(events)


def check_blocks(events: list[StreamEvent]) -> None:
    opened: dict[int, str] = {}
    closed: set[int] = set()
    for event in events:
        match event:
            case BlockStart(block, kind):
                assert block not in opened
                assert block not in closed
                opened[block] = kind
            case TextDelta(block, text):
                assert opened[block] in ("text", "refusal")
                assert text
                text.encode()
            case ReasoningDelta(block, text):
                assert opened[block] == "reasoning"
                assert text
                text.encode()
            case ToolCallDelta(block, arguments):
                assert opened[block] in ("tool", "server_tool")
                assert arguments
                arguments.encode()
            case BlockStop(block):
                del opened[block]
                closed.add(block)
    assert not opened


def check_answer(events: list[StreamEvent]) -> None:
    answer = tokenwire.Answer(keep_events=True)
    answer.add_all(events)
    assert answer.events == events
    starts = {event.block: event for event in events if isinstance(event, BlockStart)}
    texts = [(starts[event.block], event.text) for event in events if isinstance(event, TextDelta)]
    for choice in {0, *(start.choice for start in starts.values())}:
        of_it = [(start, text) for start, text in texts if start.choice == choice and not start.agent]
        said = "".join(text for start, text in of_it if start.phase != "commentary")
        assert answer.text_of(choice) == (said or "".join(text for _, text in of_it))


@pytest.mark.parametrize("dialect", DIALECTS)
@given(stream=streams, places=cuts)
def test_the_invariants_hold_for_hostile_streams(dialect: str, stream: bytes, places: list[int]) -> None:
    check(dialect, stream, cut_at(stream, places))
    check(dialect, stream, bytewise(stream))


@given(streams)
def test_what_the_transport_knows_to_be_cut_is_clean_only_after_the_terminator(stream: bytes) -> None:
    events, outcome = decode("openai-chat", [stream], cut=True)
    assert isinstance(outcome, str)
    check_events(events, outcome)
    assert (outcome == "clean") <= events[-1].raw.startswith("[DONE]")


@given(streams)
def test_decode_raises_nothing_but_what_is_documented(stream: bytes) -> None:
    events: list[StreamEvent] = []
    try:
        for event in tokenwire.decode([stream], max_event_size=200, keep_events=True):
            events.append(event)
    except (tokenwire.StreamInterrupted, tokenwire.StreamFailed) as error:
        told = not events[-1].clean and error.answer.events == events  # type: ignore[union-attr]
    except tokenwire.EventTooLarge:
        return
    else:
        told = events[-1] == End(True)
    assert isinstance(events[-1], End)
    assert told, "an end that is not clean is raised, with all that came, and no other end is"


# Recordings, damaged.

MAX_DAMAGED = 20_000


# (kind, place, length or bit): what happens to a run of bytes
damages = st.lists(
    st.tuples(st.sampled_from(["drop", "double", "flip"]), st.integers(0, MAX_DAMAGED), st.integers(1, 60)),
    min_size=1,
    max_size=4,
)


def damaged(stream: bytes, damage: list[tuple[str, int, int]]) -> bytes:
    for kind, where, size in damage:
        place = where % (len(stream) + 1)
        run = stream[place : place + size]
        if kind == "drop":
            run = b""
        elif kind == "double":
            run += run
        else:
            run = bytes(byte ^ (1 << size % 8) for byte in run[:1]) + run[1:]
        stream = stream[:place] + run + stream[place + size :]
    return stream


@pytest.mark.parametrize("row", [pytest.param(row, id=str(row)) for row in ROWS] or [NO_CORPUS])
def test_the_invariants_hold_for_damaged_recordings(row: Row, corpus: Path) -> None:
    stream = streams_of(corpus, row)[0][:MAX_DAMAGED]

    @settings(max_examples=15)
    @given(damages, cuts)
    def holds(damage: list[tuple[str, int, int]], places: list[int]) -> None:
        bad = damaged(stream, damage)
        check(row.dialect, bad, cut_at(bad, places))

    holds()


# Vectors, damaged: every dialect has some, and what is spoken over WebSocket too.


@pytest.mark.parametrize("name", [name for name, vector in OF_DIALECTS.items() if "bytes" in vector])
def test_the_invariants_hold_for_damaged_vectors(name: str) -> None:
    whole = body_of(OF_DIALECTS[name])

    @settings(max_examples=15)
    @given(damages, cuts)
    def holds(damage: list[tuple[str, int, int]], places: list[int]) -> None:
        bad = damaged(whole, damage)
        check(OF_DIALECTS[name]["dialect"], bad, cut_at(bad, places))

    holds()


@pytest.mark.parametrize("name", [name for name, vector in OF_DIALECTS.items() if "messages" in vector])
def test_the_invariants_hold_for_damaged_messages(name: str) -> None:
    messages = [piece.encode() if isinstance(piece, str) else piece for piece in pieces_of(OF_DIALECTS[name])]
    one_of_them = st.integers(0, len(messages) - 1)

    @settings(max_examples=30)
    @given(st.lists(one_of_them, max_size=2 * len(messages)), one_of_them, damages)
    def holds(order: list[int], bad: int, damage: list[tuple[str, int, int]]) -> None:
        sent = [*messages[:bad], damaged(messages[bad], damage), *messages[bad + 1 :]]
        for said in (sent, [sent[place] for place in order]):  # some of them missing, doubled, out of order
            decoder = Decoder(OF_DIALECTS[name]["dialect"])
            events = [event for message in said for event in decoder.receive_message(message)]
            check_events(events + decoder.receive_eof(), decoder.outcome)

    holds()


# What nobody knows.


def messages_in(vector: dict[str, Any]) -> list[ServerSentEvent]:
    if "messages" in vector:
        return [
            ServerSentEvent("", piece if isinstance(piece, str) else piece.decode(), "") for piece in pieces_of(vector)
        ]
    frames = frames_for(DIALECTS[vector["dialect"]], "", 1 << 20)
    return [*frames.receive_data(body_of(vector)), *frames.receive_eof()]


def with_a_member_renamed(value: Any) -> Iterator[Any]:
    """The value once for each member that holds something, which then has a name that nobody knows."""
    if isinstance(value, dict):
        for name, held in value.items():
            if held not in ("", None, [], {}):
                yield {f"new_{key}" if key == name else key: other for key, other in value.items()}
            for changed in with_a_member_renamed(held):
                yield {**value, name: changed}
    elif isinstance(value, list):
        for place, held in enumerate(value):
            for changed in with_a_member_renamed(held):
                yield [*value[:place], changed, *value[place + 1 :]]


@pytest.mark.parametrize("name", [name for name, vector in OF_DIALECTS.items() if vector["framing"] != "raw"])
def test_what_is_said_under_a_name_that_nobody_knows_is_never_dropped(name: str) -> None:
    dialect = DIALECTS[OF_DIALECTS[name]["dialect"]]
    messages = messages_in(OF_DIALECTS[name])
    for place, message in enumerate(messages):
        try:
            value = json.loads(message.data)
        except ValueError:
            continue
        for changed in [value, *with_a_member_renamed(value)]:
            decoder = dialect.decoder()
            events = [event for earlier in messages[:place] for event in decoder.receive_message(earlier)]
            if any(isinstance(event, End) for event in events):
                break
            said = decoder.receive_message(message._replace(data=json.dumps(changed)))
            if changed is value and not said:
                break  # it says nothing by its own names either
            assert said, changed

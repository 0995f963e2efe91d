"""decode() and adecode(): any iterable of bytes to stream events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

import pytest

import tokenwire
from cutting import every_way
from tokenwire import (
    BlockStart,
    BlockStop,
    End,
    Error,
    EventTooLarge,
    Finish,
    LocalProtocolError,
    Start,
    StreamEvent,
    StreamFailed,
    StreamInterrupted,
    TextDelta,
)


def text(content: str, finish: str | None = None) -> bytes:
    chunk = {"id": "c", "model": "m", "choices": [{"delta": {"content": content}, "finish_reason": finish}]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"
HELLO = [
    Start("c", "m"),
    BlockStart(0, "text"),
    TextDelta(0, "Hel"),
    TextDelta(0, "lo"),
    BlockStop(0),
    Finish("stop", "stop"),
]

Decode = Callable[..., tuple[list[StreamEvent], BaseException | None]]


def blocking(
    chunks: Iterable[bytes], *arguments: Any, **options: Any
) -> tuple[list[StreamEvent], BaseException | None]:
    events: list[StreamEvent] = []
    try:
        for event in tokenwire.decode(chunks, *arguments, **options):
            events.append(event)
    except tokenwire.TokenwireError as error:
        return events, error
    return events, None


def asynchronous(
    chunks: Iterable[bytes], *arguments: Any, **options: Any
) -> tuple[list[StreamEvent], BaseException | None]:
    async def source() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    async def run() -> tuple[list[StreamEvent], BaseException | None]:
        events: list[StreamEvent] = []
        try:
            async for event in tokenwire.adecode(source(), *arguments, **options):
                events.append(event)
        except tokenwire.TokenwireError as error:
            return events, error
        return events, None

    return asyncio.run(run())


both = pytest.mark.parametrize("decode", [blocking, asynchronous])


@both
def test_a_body_becomes_events(decode: Decode) -> None:
    body = text("Hel") + text("lo", "stop") + DONE
    assert decode([body]) == ([*HELLO, End(True)], None)
    assert decode([body[:30], body[30:]], "openai-chat") == ([*HELLO, End(True)], None)


def test_any_cut_of_the_body_gives_the_same_events() -> None:
    body = text("Hel") + text("lo", "stop") + DONE
    for pieces in every_way(body):
        assert blocking(pieces) == ([*HELLO, End(True)], None), pieces


@both
def test_eof_after_the_finish_is_clean(decode: Decode) -> None:
    assert decode([text("Hel"), text("lo", "stop")]) == ([*HELLO, End(True)], None)


@both
def test_eof_without_the_finish_is_an_interruption_that_carries_what_came(decode: Decode) -> None:
    events, error = decode([text("Hel"), text("lo"), b'data: {"choi'])
    assert events == [*HELLO[:5], End(False)]
    assert isinstance(error, StreamInterrupted)
    assert (error.text, error.events) == ("Hello", events)
    assert (
        str(error) == "the stream ended without the end that openai-chat marks, after 5 events and 5 characters of text"
    )


@both
def test_an_empty_body_is_an_interruption(decode: Decode) -> None:
    for chunks in ([], [b""], [b"\n"], [b": ping\n"], [b"da"]):
        events, error = decode(chunks)
        assert events == [End(False)]
        assert isinstance(error, StreamInterrupted)


@both
def test_a_fatal_error_of_the_server_is_raised_after_the_last_event(decode: Decode) -> None:
    body = [text("Hel"), b'data: {"error": "no"}\n\n']
    events, error = decode(body)
    assert events[-3:] == [Error("", "no", fatal=True), BlockStop(0), End(False)]
    assert isinstance(error, StreamFailed)
    assert (error.error, error.text, error.events) == (events[-3], "Hel", events)
    assert str(error) == "the server said an error in the stream: no"
    assert decode(body, on_error="event") == (events, None)


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("openai-chat", b'data: {"error": {"code": "e", "message": "no"}}\n\ndata: [DONE]\n\n'),
        ("openai-responses", b'data: {"type": "error", "code": "e", "message": "no"}\n\n'),
        ("anthropic-messages", b'data: {"type": "error", "error": {"type": "e", "message": "no"}}\n\n'),
        ("gemini", b'data: {"error": {"status": "e", "message": "no"}}\n\n'),
        ("ollama", b'{"error": "no"}\n'),
        ("holysheep", b'data: {"type": "error", "code": "e", "message": "no"}\n\n'),
        ("ag-ui", b'data: {"type": "RUN_ERROR", "code": "e", "message": "no"}\n\n'),
        ("vercel-ui", b'data: {"type": "error", "errorText": "no"}\n\ndata: [DONE]\n\n'),
    ],
)
@pytest.mark.parametrize("cut", [1, 7, 1000])
def test_in_every_dialect_a_failure_is_raised(dialect: str, body: bytes, cut: int) -> None:
    pieces = [body[at : at + cut] for at in range(0, len(body), cut)]
    for decode in (blocking, asynchronous):
        events, error = decode(pieces, dialect)
        assert isinstance(error, StreamFailed), (dialect, events)
        assert error.error.message == "no"
        assert events[-1] == End(False)


def test_what_is_collected_is_the_answer() -> None:
    async def source() -> AsyncIterator[bytes]:
        yield text("Hel")
        yield text("lo", "stop") + DONE

    whole = tokenwire.collect([text("Hel"), bytearray(text("lo", "stop")), memoryview(DONE)])
    assert (whole.text, whole.events) == ("Hello", [*HELLO, End(True)])
    assert asyncio.run(tokenwire.acollect(source())).events == whole.events
    with pytest.raises(StreamInterrupted):
        tokenwire.collect([text("Hel")])
    failed = tokenwire.collect([b'data: {"error": "no"}\n\n'], on_error="event")
    assert failed.error == Error("", "no", fatal=True)


@both
def test_an_event_over_the_limit_comes_after_what_came_before(decode: Decode) -> None:
    events, error = decode([text("Hel") + b"x" * 300], "openai-chat", max_event_size=200)
    assert isinstance(error, EventTooLarge)
    assert events == HELLO[:3]


@both
def test_other_dialects_are_named_or_given(decode: Decode) -> None:
    assert decode([b"data: a\n\n"], "eventsource") == ([tokenwire.Other("message", "a"), End(True)], None)
    assert decode([b"a"], dialect=tokenwire.DIALECTS["raw"]) == ([tokenwire.Other("bytes", "a"), End(True)], None)
    for wrong in ("morse", None, 7):
        events, error = decode([b"a"], wrong)
        assert (events, type(error)) == ([], LocalProtocolError)


@both
def test_events_come_as_soon_as_their_bytes_and_nothing_is_read_after_the_end(decode: Decode) -> None:
    taken: list[int] = []

    def chunks() -> Iterator[bytes]:
        for number, chunk in enumerate([text("Hel"), text("lo", "stop"), DONE, b"never", b"never"]):
            taken.append(number)
            yield chunk

    assert decode(chunks()) == ([*HELLO, End(True)], None)
    assert taken == [0, 1, 2]


def test_decode_is_lazy() -> None:
    taken: list[int] = []

    def chunks() -> Iterator[bytes]:
        for number, chunk in enumerate([text("Hel"), text("lo")]):
            taken.append(number)
            yield chunk

    events = tokenwire.decode(chunks())
    assert taken == []
    assert [next(events), next(events), next(events)] == HELLO[:3]
    assert taken == [0]

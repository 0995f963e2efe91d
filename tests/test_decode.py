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
def test_an_error_that_the_server_said_is_an_event_and_no_exception(decode: Decode) -> None:
    events, error = decode([text("Hel"), b'data: {"error": "no"}\n\n'])
    assert error is None
    assert events[-3:] == [Error("", "no", fatal=True), BlockStop(0), End(False)]


@both
def test_an_event_over_the_limit_comes_after_what_came_before(decode: Decode) -> None:
    events, error = decode([text("Hel") + b"x" * 300], "openai-chat", max_event_size=200)
    assert isinstance(error, EventTooLarge)
    assert events == HELLO[:3]


@both
def test_other_dialects_are_named_or_given(decode: Decode) -> None:
    assert decode([b"data: a\n\n"], "eventsource") == ([tokenwire.Other("message", "a"), End(True)], None)
    assert decode([b"a"], dialect=tokenwire.DIALECTS["raw"]) == ([tokenwire.Other("bytes", "a"), End(True)], None)
    events, error = decode([b"a"], "morse")
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

"""Any bytes in, stream events out: for people who have an HTTP client already.

for event in tokenwire.decode(response.iter_bytes(), dialect="openai-chat"): ...
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator

from .dialects.answer import Answer
from .dialects.decoder import Decoder
from .dialects.dialect import Dialect
from .dialects.events import StreamEvent
from .errors import StreamInterrupted
from .framing.sse import MAX_EVENT_SIZE

__all__ = ["adecode", "decode"]


def decode(
    chunks: Iterable[bytes],
    dialect: str | Dialect = "openai-chat",
    *,
    max_event_size: int = MAX_EVENT_SIZE,
    keep_events: bool = False,
) -> Iterator[StreamEvent]:
    """Decodes the body of a response, in pieces of any size.

    The last event is the `End`. It is not clean when the server said an error, and when the stream was cut: then
    `StreamInterrupted` follows, with all that had arrived.

    :param chunks: bytes of the body, content codings removed.
    :param dialect: of the endpoint; "auto" guesses it from the first bytes.
    :param keep_events: what an interruption carries has all events and not only the last 64.
    :raises StreamInterrupted: when the body ends without the dialect's terminator.
    :raises RemoteProtocolError: when an event passes `max_event_size` (bytes).
    """
    decoder = Decoder(dialect, max_event_size=max_event_size)
    answer = Answer(keep_events=keep_events)
    for chunk in chunks:
        events = decoder.receive_data(chunk)
        answer.add_all(events)
        yield from events
        if decoder.ended:
            break
    events = decoder.receive_eof()
    answer.add_all(events)
    yield from events
    raise_if_interrupted(decoder, answer)


async def adecode(
    chunks: AsyncIterable[bytes],
    dialect: str | Dialect = "openai-chat",
    *,
    max_event_size: int = MAX_EVENT_SIZE,
    keep_events: bool = False,
) -> AsyncIterator[StreamEvent]:
    """The same for an asynchronous iterable."""
    decoder = Decoder(dialect, max_event_size=max_event_size)
    answer = Answer(keep_events=keep_events)
    async for chunk in chunks:
        events = decoder.receive_data(chunk)
        answer.add_all(events)
        for event in events:
            yield event
        if decoder.ended:
            break
    events = decoder.receive_eof()
    answer.add_all(events)
    for event in events:
        yield event
    raise_if_interrupted(decoder, answer)


def raise_if_interrupted(decoder: Decoder, answer: Answer) -> None:
    """An end of stream that nothing announced is an error, and carries what had arrived."""
    if decoder.outcome == "interrupted":
        raise StreamInterrupted(
            f"the stream ended without the end that {decoder.dialect.name} marks, "
            f"after {answer.count - 1} events and {len(answer.text)} characters of text",
            answer,
        )

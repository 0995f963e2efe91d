"""Any bytes in, stream events out: for people who have an HTTP client already.

The pieces may be of any size. A stream that ends badly raises after its last event:

    for event in tokenwire.decode(response.iter_bytes(), dialect="openai-chat"):
        if isinstance(event, tokenwire.TextDelta):
            print(event.text, end="")

    async for event in tokenwire.adecode(response.aiter_bytes(), dialect="openai-chat"): ...

    answer = tokenwire.collect(response.iter_bytes(), dialect="openai-chat")
    print(answer.text, answer.usage)
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterable, Mapping
from io import TextIOBase
from os import PathLike
from typing import NoReturn, get_args

from .checking import described, must_be_one_of
from .dialects.answer import Answer
from .dialects.decoder import Decoder
from .dialects.dialect import Dialect
from .dialects.events import End, Error, Other, StreamEvent
from .dialects.names import DialectName
from .errors import (
    DecodingError,
    EventTooLarge,
    LocalProtocolError,
    OnError,
    RemoteProtocolError,
    StreamFailed,
    StreamInterrupted,
)
from .framing.sse import MAX_EVENT_SIZE, as_bytes
from .no_stream import coding_of, looks_like_no_stream, shown

__all__ = ["acollect", "adecode", "collect", "decode"]

Chunk = bytes | bytearray | memoryview

#: Bytes of the beginning of a body that are kept while no message has come, to say what it is instead.
MAX_BEGINNING = 16 * 1024


def decode(
    chunks: Iterable[Chunk],
    dialect: DialectName | Dialect = "openai-chat",
    *,
    max_event_size: int = MAX_EVENT_SIZE,
    on_error: OnError = "raise",
    keep_events: bool = False,
) -> Generator[StreamEvent, None, None]:
    """Decodes the body of a response, in pieces of any size.

    The last event is the `End`. It is not clean when the server said a fatal error, and when the stream was cut: then
    `StreamFailed` or `StreamInterrupted` follows, with all that had arrived.

    :param chunks: bytes of the body, content codings removed.
    :param dialect: of the endpoint; "auto" guesses it from the first bytes.
    :param max_event_size: bytes.
    :param on_error: "event" leaves a fatal error of the server's among the events, and raises nothing after them.
    :param keep_events: what an interruption or a failure carries has all events and not only the last 64.
    :raises LocalProtocolError: at the call, for what is no iterable of bytes and for an unknown dialect; later, for a
        piece that is no bytes.
    :raises StreamFailed: after the `End`, when the server said a fatal error.
    :raises StreamInterrupted: after the `End`, when the body ends without the dialect's terminator.
    :raises RemoteProtocolError: when an event passes `max_event_size`, and when the framing is so broken that nobody
        can tell where the next message begins.
    """
    if not isinstance(chunks, Iterable) or _is_mistaken(chunks):
        _refuse(chunks, "decode")
    return _decoded(chunks, _Reading(dialect, max_event_size, on_error, keep_events=keep_events))


def adecode(
    chunks: AsyncIterable[Chunk],
    dialect: DialectName | Dialect = "openai-chat",
    *,
    max_event_size: int = MAX_EVENT_SIZE,
    on_error: OnError = "raise",
    keep_events: bool = False,
) -> AsyncGenerator[StreamEvent, None]:
    """The same as `decode` for an asynchronous iterable."""
    if not isinstance(chunks, AsyncIterable):
        _refuse(chunks, "adecode")
    return _adecoded(chunks, _Reading(dialect, max_event_size, on_error, keep_events=keep_events))


def collect(
    chunks: Iterable[Chunk],
    dialect: DialectName | Dialect = "openai-chat",
    *,
    max_event_size: int = MAX_EVENT_SIZE,
    on_error: OnError = "raise",
    keep_events: bool = False,
) -> Answer:
    """Decodes the body of a response to its end, and gives what it adds up to.

    Parameters and errors are those of `decode`.
    """
    if not isinstance(chunks, Iterable) or _is_mistaken(chunks):
        _refuse(chunks, "collect")
    reading = _Reading(dialect, max_event_size, on_error, keep_events=keep_events)
    for _ in _decoded(chunks, reading):
        pass
    return reading.answer


async def acollect(
    chunks: AsyncIterable[Chunk],
    dialect: DialectName | Dialect = "openai-chat",
    *,
    max_event_size: int = MAX_EVENT_SIZE,
    on_error: OnError = "raise",
    keep_events: bool = False,
) -> Answer:
    """The same as `collect` for an asynchronous iterable."""
    if not isinstance(chunks, AsyncIterable):
        _refuse(chunks, "acollect")
    reading = _Reading(dialect, max_event_size, on_error, keep_events=keep_events)
    async for _ in _adecoded(chunks, reading):
        pass
    return reading.answer


def _decoded(chunks: Iterable[Chunk], reading: _Reading) -> Generator[StreamEvent, None, None]:
    for chunk in chunks:
        yield from reading.take(chunk)
        if reading.decoder.ended:
            break
    yield from reading.finish()
    reading.raise_what_went_wrong()


async def _adecoded(chunks: AsyncIterable[Chunk], reading: _Reading) -> AsyncGenerator[StreamEvent, None]:
    async for chunk in chunks:
        for event in reading.take(chunk):
            yield event
        if reading.decoder.ended:
            break
    for event in reading.finish():
        yield event
    reading.raise_what_went_wrong()


class _Reading:
    """One body as it is read: what decodes it, and what it has said."""

    def __init__(
        self, dialect: DialectName | Dialect, max_event_size: int, on_error: OnError, *, keep_events: bool
    ) -> None:
        must_be_one_of(on_error, get_args(OnError), "on_error")
        self.decoder = Decoder(dialect, max_event_size=max_event_size)
        self.answer = Answer(keep_events=keep_events)
        self._raises = on_error == "raise"
        self._size = 0
        self._beginning = bytearray()

    def take(self, chunk: Chunk) -> list[StreamEvent]:
        """The events that a piece of the body completes."""
        if type(chunk) is not bytes:
            chunk = as_bytes(chunk)
        self._size += len(chunk)
        if len(self._beginning) < MAX_BEGINNING:
            self._beginning += chunk[: MAX_BEGINNING - len(self._beginning)]
        try:
            events = self.decoder.receive_data(chunk)
        except RemoteProtocolError as error:
            self._raise_if_coded(error)
            raise
        self.answer.add_all(events)
        return events

    def finish(self) -> list[StreamEvent]:
        """The events that the end of the body completes."""
        events = self.decoder.receive_eof()
        self.answer.add_all(events)
        return events

    def raise_what_went_wrong(self) -> None:
        """An end of stream that nothing announced is an error, and carries what had arrived; so is a failure."""
        failure = self.decoder.failure
        if failure is not None and self._raises:
            has_words = not self.decoder.no_stream or failure.message != failure.raw
            raise StreamFailed(failure, self.answer, "" if has_words else self._no_message())
        if self.decoder.outcome == "interrupted":
            raise StreamInterrupted(self._interruption(), self.answer)

    def _raise_if_coded(self, error: RemoteProtocolError) -> None:
        """A framing that fails on coded bytes names a detail of its own: that they are coded says more."""
        if coding_of(self._beginning) and not isinstance(error, EventTooLarge):
            words = f"{error.message}; the bytes begin with {self._shown()}"
            raise DecodingError(words, offset=error.offset, clause="RFC 9110 8.4") from error

    def _shown(self) -> str:
        return shown(bytes(self._beginning), self.decoder.dialect, whole=self._size == len(self._beginning))

    def _interruption(self) -> str:
        if self._says_nothing():
            return self._no_message()
        advice = '; each is an Other: is the dialect right? "auto" finds it' if self._gave_others_alone() else ""
        return (
            f"the stream ended without the end that {self.decoder.dialect.name} marks, "
            f"after {self.answer.count - 1} events and {len(self.answer.text)} characters of text{advice}"
        )

    def _gave_others_alone(self) -> bool:
        """Nothing was text, a call or the like in a dialect that has these: the stream may be of another one."""
        told = [event for event in self.answer.events if not isinstance(event, End)]
        is_all = self.answer.count == len(self.answer.events)
        return self._speaks() and is_all and bool(told) and all(isinstance(event, Other) for event in told)

    def _speaks(self) -> bool:
        """The dialect has events of its own; those of others are all `Other`."""
        dialect = self.decoder.dialect
        return dialect.tools or dialect.reasoning or dialect.usage

    def _says_nothing(self) -> bool:
        """There was no message, or none that the dialect knows in a body that looks like no stream."""
        events = self.answer.events
        if self.answer.count > len(events):
            return False  # there were many, of which these are the last
        told = [event for event in events if not isinstance(event, End)]
        if self._speaks() and looks_like_no_stream(self._beginning):
            return all(isinstance(event, Other) or (isinstance(event, Error) and not event.fatal) for event in told)
        return all(isinstance(event, Other) and event.type == "not-json" for event in told)

    def _no_message(self) -> str:
        """Nothing of the dialect was there: what was there instead, as far as its first bytes tell."""
        if not self._size:
            return "no bytes came: was the body read before, or its response closed? A body can be read once"
        name = self.decoder.dialect.name
        return f"{self._size} bytes came, no message of {name} among them; they begin with {self._shown()}"


def _is_mistaken(chunks: object) -> bool:
    """It can be iterated, and gives no bytes of a body."""
    return isinstance(chunks, str | bytes | bytearray | memoryview | Mapping | TextIOBase | PathLike)


def _refuse(chunks: object, function: str) -> NoReturn:
    """Says why this is no iterable of bytes, and what to give instead."""
    raise LocalProtocolError(
        f"{function} takes an {'asynchronous ' if function.startswith('a') else ''}iterable of bytes, "
        f"and {described(chunks)} was given: {_instead(chunks, function)}"
    )


def _instead(chunks: object, function: str) -> str:
    asynchronous = function.startswith("a")
    match chunks:
        case bytes() | bytearray() | memoryview():
            whole = function.removeprefix("a")
            return f"put it into a list, {whole}([body])"
        case str():
            return "give the bytes of the body, as they came"
        case Mapping():
            return "give the bytes of the body before anything has read them as JSON"
        case TextIOBase():
            return "open the file in binary mode, 'rb'"
        case PathLike():
            return "open the file, open(path, 'rb')"
    methods = ("aiter_bytes", "aiter_raw") if asynchronous else ("iter_bytes", "iter_content", "iter_raw")
    for method in methods:
        if hasattr(chunks, method):
            return f"give response.{method}()"
    if asynchronous and hasattr(getattr(chunks, "content", None), "iter_any"):
        return "give response.content.iter_any()"
    if asynchronous and isinstance(chunks, Iterable):
        return f"for an ordinary iterable there is {function.removeprefix('a')}"
    if isinstance(chunks, AsyncIterable):
        return f"for an asynchronous iterable there is a{function}"
    return f"give what the HTTP client reads, such as response.{methods[0]}()"

"""A recording of one stream in, when its tokens came and what every byte was for out. No I/O, no clock.

What was received is taken apart as a client does it: the transport's framing, its coding, the events' syntax, the
JSON, the text in it. Each layer's size is what it adds to the one inside, so the sizes always add up to the bytes
that were received:

    received = head + framing - saved + syntax + envelope + content
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import h11

from ..dialects.dialect import Dialect, Message
from ..dialects.events import End, ReasoningDelta, StreamEvent, TextDelta, ToolCallDelta, Usage
from ..dialects.frames import frames_for
from ..errors import RemoteProtocolError
from ..framing.sse import MAX_EVENT_SIZE, ServerSentEvent
from ..framing.websocket import FrameParser
from ..protocol.coding import ContentDecoder
from ..protocol.deflate import MessageInflater
from ..recording import Recording
from ..recording.clients import MAX_REQUEST_HEAD, Messages, Requests
from ..recording.handshake import is_websocket

__all__ = ["Anatomy", "Sizes", "dissect", "output_tokens"]

#: What the providers call the tokens that were made, the most telling name first.
_OUTPUT_TOKENS = (
    "completion_tokens",
    "output_tokens",
    "total_output_tokens",
    "candidatesTokenCount",
    "responseTokenCount",
    "outputTokens",
    "outputTokenCount",
    "eval_count",
)


@dataclass(slots=True)
class Sizes:
    """Bytes that were received.

    :ivar head: the head of the response, or of the answer to the handshake: once a stream.
    :ivar framing: sizes and ends of chunks, or headers of frames; control frames whole.
    :ivar saved: what the content coding, or permessage-deflate, took off what is inside; negative where it added.
    :ivar syntax: what makes events of JSON: field names, blank lines, ids, comments; nothing over WebSocket.
    :ivar envelope: JSON that is no content, escapes in the content included.
    :ivar content: text, reasoning and arguments of tools, in UTF-8.
    """

    head: int = 0
    framing: int = 0
    saved: int = 0
    syntax: int = 0
    envelope: int = 0
    content: int = 0

    @property
    def received(self) -> int:
        return self.head + self.framing - self.saved + self.syntax + self.envelope + self.content


@dataclass(slots=True)
class Anatomy:
    """One stream, taken apart. Times are seconds on the recording's own clock.

    :ivar sent: when the request was out: over WebSocket the last message before the first token, not the handshake.
    :ivar first_byte: after that; as is `first_event`, the first event of the framing, or message.
    :ivar reads: reads that had more than a head in them.
    :ivar messages: events of the framing, or messages.
    :ivar tokens: when each delta of text, reasoning or arguments came.
    :ivar ended: when the stream did: at the dialect's terminator, or else at the end of the recording.
    :ivar usage: output tokens as the provider counted them, None where it did not.
    """

    sizes: Sizes = field(default_factory=Sizes)
    sent: float | None = None
    first_byte: float | None = None
    first_event: float | None = None
    reads: int = 0
    messages: int = 0
    tokens: list[float] = field(default_factory=list)
    ended: float | None = None
    usage: int | None = None


def dissect(recording: Recording, dialect: Dialect) -> Anatomy:
    """Takes the recording of one stream apart, as far as it can be read.

    :param dialect: in which it was asked.
    """
    anatomy = Anatomy()
    websocket = is_websocket(recording)
    client = Messages() if websocket else Requests()
    transport: _Transport = _WebSocket(recording) if websocket else _HTTP(dialect)
    content = _Content(dialect, anatomy)
    requests = 0
    for seconds, kind, data in recording.entries:
        if kind == ">":
            client.receive_data(data)
            whole = client.came["body"] + client.came["message"]
            if whole > requests and not anatomy.tokens:
                requests, anatomy.sent = whole, seconds
                anatomy.first_byte = anatomy.first_event = None  # what came before answers a handshake, or greets
        elif kind == "<":
            if anatomy.first_byte is None:
                anatomy.first_byte = seconds
            messages = transport.receive_data(data)
            anatomy.reads += transport.begun
            content.receive(messages, seconds)
    if recording.entries:
        content.receive(transport.receive_eof(), recording.entries[-1].seconds)
        content.receive_eof(recording.entries[-1].seconds)
    transport.measure(anatomy.sizes, recording)
    anatomy.sizes.envelope = transport.json - anatomy.sizes.content
    return anatomy


def output_tokens(counts: Mapping[str, Any]) -> int | None:
    """How many tokens a usage says that the model made."""
    for name in _OUTPUT_TOKENS:
        if isinstance(counts.get(name), int):
            return int(counts[name])
    for nested in ("tokens", "billed_units", "usage"):
        inner = counts.get(nested)
        if isinstance(inner, Mapping) and (found := output_tokens(inner)) is not None:
            return found
    return None


class _Transport(Protocol):
    """Bytes in, messages out; counts what is not in the messages.

    :ivar begun: the head is over, and the read had more.
    :ivar json: bytes of all messages.
    """

    begun: bool
    json: int

    def receive_data(self, data: bytes) -> list[Message]: ...
    def receive_eof(self) -> list[Message]: ...
    def measure(self, sizes: Sizes, recording: Recording) -> None:
        """Everything is read: says what it was for, but for the messages themselves."""


class _HTTP:
    """A body in chunks or not (RFC 9112), coded or not, of events or lines or whatever the dialect has."""

    def __init__(self, dialect: Dialect) -> None:
        self.begun = False
        self.json = 0
        self._head = _Head()
        self._frames = frames_for(dialect, "", MAX_EVENT_SIZE)
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_REQUEST_HEAD)
        self._http.send(h11.Request(method="GET", target="/", headers=[("host", "measured")]))
        self._http.send(h11.EndOfMessage())
        self._coding = ContentDecoder("")
        self._coded = 0
        self._body = 0

    def receive_data(self, data: bytes) -> list[Message]:
        self.begun = bool(self._head.after(data))
        messages: list[ServerSentEvent] = []
        try:
            self._http.receive_data(data)
            while isinstance(event := self._http.next_event(), h11.InformationalResponse | h11.Response | h11.Data):
                if isinstance(event, h11.Response):
                    fields = dict(event.headers)
                    self._coding = ContentDecoder(fields.get(b"content-encoding", b"").decode("latin-1"))
                elif isinstance(event, h11.Data):
                    messages += self._receive_body(bytes(event.data))
        except (RemoteProtocolError, h11.RemoteProtocolError):
            pass  # the rest cannot be read, and counts as framing
        return self._counted(messages)

    def receive_eof(self) -> list[Message]:
        try:
            return self._counted(self._frames.receive_eof())
        except RemoteProtocolError:
            return []

    def _receive_body(self, coded: bytes) -> list[ServerSentEvent]:
        self._coded += len(coded)
        body = self._coding.receive_data(coded)
        self._body += len(body)
        return self._frames.receive_data(body)

    def _counted(self, messages: list[ServerSentEvent]) -> list[Message]:
        self.json += sum(_size(message.data) for message in messages)
        return list(messages)

    def measure(self, sizes: Sizes, recording: Recording) -> None:
        sizes.head = self._head.size
        sizes.saved = self._body - self._coded
        sizes.syntax = self._body - self.json
        sizes.framing = len(recording.received) - sizes.head - self._coded


class _WebSocket:
    """Frames (RFC 6455), deflated or not (RFC 7692)."""

    def __init__(self, recording: Recording) -> None:
        self.begun = False
        self.json = 0
        self._head = _Head()
        answer = recording.received.partition(b"\r\n\r\n")[0].lower()
        self._parser = FrameParser(client=True, inflater=MessageInflater(b"server_no_context_takeover" in answer))

    def receive_data(self, data: bytes) -> list[Message]:
        frames = self._head.after(data)
        self.begun = bool(frames)
        try:
            items = self._parser.receive_data(frames)
        except RemoteProtocolError:
            return []
        messages = [item for item in items if isinstance(item, str | bytes)]
        self.json += sum(len(item) if isinstance(item, bytes) else _size(item) for item in messages)
        return [
            ServerSentEvent("", item if isinstance(item, str) else item.decode(errors="replace"), "")
            for item in messages
        ]

    def receive_eof(self) -> list[Message]:
        return []

    def measure(self, sizes: Sizes, recording: Recording) -> None:
        frames = recording.received[self._head.size :]
        payloads = _data_payloads(frames)
        sizes.head = self._head.size
        sizes.framing = len(frames) - payloads
        sizes.saved = self.json - payloads


class _Head:
    """Where the head of the answer ends, that of interim answers before it (RFC 9110, 15.2) included."""

    def __init__(self) -> None:
        self.size = 0
        self._unread = b""
        self._over = False

    def after(self, data: bytes) -> bytes:
        """What of the read follows the head."""
        if self._over:
            return data
        data = self._unread + data
        while not self._over and b"\r\n\r\n" in data:
            head, _, data = data.partition(b"\r\n\r\n")
            self.size += len(head) + 4
            self._over = head[9:10] != b"1" or head[9:12] == b"101"
        self._unread = b"" if self._over else data
        return data if self._over else b""


class _Content:
    """Messages to stream events: what of them is content, and when."""

    def __init__(self, dialect: Dialect, anatomy: Anatomy) -> None:
        self._decoder = dialect.decoder()
        self._anatomy = anatomy

    def receive(self, messages: list[Message], seconds: float) -> None:
        anatomy = self._anatomy
        anatomy.messages += len(messages)
        if messages and anatomy.first_event is None:
            anatomy.first_event = seconds
        for message in messages:
            for event in self._decoder.receive_message(message):
                self._count(event, seconds)

    def receive_eof(self, seconds: float) -> None:
        for event in self._decoder.receive_eof():
            self._count(event, seconds)

    def _count(self, event: StreamEvent, seconds: float) -> None:
        match event:
            case TextDelta(text=text) | ReasoningDelta(text=text) | ToolCallDelta(arguments=text) if text:
                self._anatomy.tokens.append(seconds)
                self._anatomy.sizes.content += _size(text)
            case Usage(counts=counts):
                self._anatomy.usage = output_tokens(counts)
            case End():
                self._anatomy.ended = seconds
            case _:
                pass


def _data_payloads(frames: bytes) -> int:
    """Bytes of the payloads of data frames, as they are on the wire (RFC 6455, 5.2)."""
    at = payloads = 0
    while at + 2 <= len(frames):
        extended = {126: 2, 127: 8}.get(frames[at + 1] & 0x7F, 0)
        start = at + 2 + extended
        length = int.from_bytes(frames[at + 2 : start]) if extended else frames[at + 1] & 0x7F
        if not frames[at] & 0x08:
            payloads += len(frames[start : start + length])
        at = start + length
    return payloads


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))

"""The suite's own reading of a WebSocket: frames and messages, each with its offset, and all that is wrong.

Like the reading of HTTP it never raises and goes on as far as it makes sense: what breaks RFC 6455 or RFC 7692 is
noted as a `Problem` with its offset. A test holds it against tokenwire's parser on streams that are sound.
"""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from tokenwire.dialects import Dialect
from tokenwire.dialects.answer import Answer
from tokenwire.dialects.decoder import Decoder
from tokenwire.dialects.events import End
from tokenwire.framing.websocket import is_valid_close_code, mask

from .transcript import Problem, Response, Transcript

__all__ = [
    "BINARY",
    "CLOSE",
    "CONTINUATION",
    "PING",
    "PONG",
    "TEXT",
    "Extension",
    "Frame",
    "Message",
    "Socket",
    "inflated",
    "window_bits",
]

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

_KNOWN = (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG)
_MAX_CONTROL_SIZE = 125
_TAIL = b"\x00\x00\xff\xff"

#: Bytes that one message may inflate to while it is judged.
_MAX_INFLATED = 64 * 1024 * 1024

#: Bytes of earlier messages that DEFLATE can refer to.
_MAX_WINDOW = 1 << zlib.MAX_WBITS

#: Bytes that zlib is given at once: it hands back what it left of them, again and again.
_SLICE = 1024

_LAST_BLOCK = b"\x03\x00"


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame.

    :ivar offset: of its first byte, in what was received on the connection, or in what was sent.
    :ivar rsv: RSV1, RSV2 and RSV3 as the bits 4, 2 and 1.
    :ivar length: as announced; `payload` is shorter where the frame was cut.
    :ivar length_size: bytes of the extended length: 0, 2 or 8.
    """

    offset: int
    seconds: float
    fin: bool
    rsv: int
    opcode: int
    masked: bool
    length: int
    length_size: int
    payload: bytes

    @property
    def complete(self) -> bool:
        return len(self.payload) == self.length

    @property
    def is_control(self) -> bool:
        return self.opcode >= CLOSE

    @property
    def code(self) -> int:
        """The code of a Close frame; 1005 where it has none."""
        return int.from_bytes(self.payload[:2], "big") if len(self.payload) >= 2 else 1005

    @property
    def reason(self) -> str:
        """The reason of a Close frame."""
        return self.payload[2:].decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Message:
    """One whole message, inflated."""

    frames: tuple[Frame, ...]
    payload: bytes

    @property
    def offset(self) -> int:
        return self.frames[0].offset

    @property
    def seconds(self) -> float:
        """When its last byte was read."""
        return self.frames[-1].seconds

    @property
    def is_text(self) -> bool:
        return self.frames[0].opcode == TEXT

    @property
    def compressed(self) -> bool:
        return bool(self.frames[0].rsv & 4)

    @property
    def text(self) -> str:
        return self.payload.decode("utf-8", "replace")

    @property
    def value(self) -> Any:
        """Its JSON; None where it is none."""
        try:
            return json.loads(self.payload)
        except (ValueError, RecursionError):
            return None


@dataclass(frozen=True, slots=True)
class Extension:
    """One member of Sec-WebSocket-Extensions. `parameters`: as they stand, a value of None where there is none."""

    name: str
    parameters: tuple[tuple[str, str | None], ...]

    def value(self, name: str) -> str | None:
        return dict(self.parameters).get(name)

    def has(self, name: str) -> bool:
        return name in dict(self.parameters)


@dataclass(slots=True)
class _Side:
    frames: list[Frame] = field(default_factory=list)
    rest: bytes = b""


class Socket:
    """What went over a connection that became a WebSocket.

    :param response: the 101.
    :param dialect: what is spoken on it, where that is known.
    """

    def __init__(self, response: Response, dialect: Dialect | None = None) -> None:
        self.response = response
        self.transcript: Transcript = response.transcript
        self.dialect = dialect
        self.problems: list[Problem] = []

    @cached_property
    def extensions(self) -> list[Extension]:
        """What the server agreed to."""
        return parse_extensions(self.response.header("sec-websocket-extensions"))

    @cached_property
    def offered(self) -> list[Extension]:
        """What the client offered."""
        return parse_extensions(self.response.request.header("sec-websocket-extensions"))

    @property
    def deflate(self) -> Extension | None:
        """What was agreed about permessage-deflate."""
        return next((extension for extension in self.extensions if extension.name == "permessage-deflate"), None)

    @cached_property
    def frames(self) -> list[Frame]:
        """The server's frames, the last one perhaps cut."""
        start = self.response.end
        received = self.transcript.received
        return list(_read_frames(received, start, self.transcript.seconds_at))

    @cached_property
    def sent(self) -> list[Frame]:
        """The client's frames."""
        data = self.transcript.recording.sent
        return list(_read_frames(data, data.find(b"\r\n\r\n") + 4, self.sent_when))

    @cached_property
    def messages(self) -> list[Message]:
        """The server's messages, as far as they can be put together."""
        return _Reader(self).messages()

    @cached_property
    def close(self) -> Frame | None:
        """The server's Close frame."""
        return next((frame for frame in self.frames if frame.opcode == CLOSE and frame.complete), None)

    @property
    def pongs(self) -> list[Frame]:
        return [frame for frame in self.frames if frame.opcode == PONG and frame.complete]

    @property
    def pings(self) -> list[Frame]:
        return [frame for frame in self.frames if frame.opcode == PING and frame.complete]

    @cached_property
    def spoken_at(self) -> int:
        """How much had been received when the client sent its first frame."""
        return self.received_when(self.sent[0].offset) if self.sent else len(self.transcript.received)

    @cached_property
    def left(self) -> bool:
        """The client said Close, and had not heard the server's when it did."""
        said = next((frame for frame in self.sent if frame.opcode == CLOSE), None)
        return said is not None and (self.close is None or self.received_when(said.offset) <= self.close.offset)

    @property
    def mute(self) -> bool:
        """The client has let a ping go unanswered for so long that it may be taken for dead."""
        unanswered = self.pings[sum(frame.opcode == PONG for frame in self.sent) :]
        return bool(unanswered) and self.transcript.ending_time - unanswered[0].seconds >= 1.0

    def received_when(self, sent_offset: int) -> int:
        """How much had been received when the byte at this offset was sent."""
        sent = received = 0
        for entry in self.transcript.recording.entries:
            if entry.kind == "<":
                received += len(entry.data)
            elif entry.kind == ">":
                sent += len(entry.data)
                if sent > sent_offset:
                    break
        return received

    def sent_when(self, sent_offset: int) -> float:
        """When the byte at this offset was sent."""
        sent, seconds = 0, 0.0
        for entry in self.transcript.recording.entries:
            if entry.kind == ">":
                sent, seconds = sent + len(entry.data), entry.seconds
                if sent > sent_offset:
                    break
        return seconds

    @property
    def failed(self) -> bool:
        """The server has failed or closed the connection: by a Close frame, or by ending it."""
        return self.close is not None or self.transcript.ended_by_server

    @property
    def wrong(self) -> list[Problem]:
        """All that is wrong with the server's frames and messages."""
        assert self.messages is not None  # reading them notes the problems
        return self.problems

    @cached_property
    def answers(self) -> list[Answer]:
        """The answers that the messages hold, the last one perhaps not complete. Where no dialect cuts the
        messages into answers, each of them is one that comes after the client has spoken: before it, it is a greeting.
        An error ends an answer too, though some dialects say the end besides.
        """
        answers: list[Answer] = []
        decoder: Decoder | None = None
        raw = self.dialect is None or self.dialect.name == "raw"
        for message in self.messages:
            if raw and message.offset < self.spoken_at:
                continue
            events = [] if decoder is None or decoder.ended else decoder.receive_message(message.payload)
            ends = any(isinstance(event, End) for event in events)
            if decoder is None or (not ends and (decoder.ended or _refused(answers[-1]))):
                decoder = Decoder(self.dialect or "raw")
                answers.append(Answer())
                events = decoder.receive_message(message.payload)
            answers[-1].add_all(events)
            if raw:
                answers[-1].add_all(decoder.receive_eof())
        return answers

    @property
    def answering(self) -> bool:
        """The server has begun an answer, so it took what was asked for sound."""
        return any(_begun(answer) or _sound(answer) for answer in self.answers)

    @property
    def in_answer(self) -> bool:
        """The server has begun an answer, and not ended it."""
        return bool(self.answers) and _begun(self.answers[-1]) and not _is_over(self.answers[-1])

    @property
    def answered(self) -> bool:
        """An answer has come to its end, and that is no error."""
        return any(map(_sound, self.answers))

    @property
    def complete_answers(self) -> int:
        """How many answers have come to their end."""
        return sum(_is_over(answer) for answer in self.answers)


def _is_over(answer: Answer) -> bool:
    """It has come to its end, or to an error that ends it."""
    return answer.end is not None or _refused(answer)


def _begun(answer: Answer) -> bool:
    return bool(answer.text or answer.reasoning or answer.all_tools)


def _refused(answer: Answer) -> bool:
    return answer.error is not None and answer.error.fatal


def _sound(answer: Answer) -> bool:
    return answer.end is not None and answer.end.clean


def parse_extensions(text: str) -> list[Extension]:
    """The members of Sec-WebSocket-Extensions, loosely: what a judge must see may be wrong."""
    extensions = []
    for member in re.split(r",(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", text):
        name, *parameters = (part.strip() for part in member.split(";"))
        if name:
            extensions.append(Extension(name, tuple(_parameter(parameter) for parameter in parameters)))
    return extensions


def _parameter(text: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    return name.strip(), value.strip().strip('"') if equals else None


def _read_frames(data: bytes, at: int, seconds_at: Any) -> list[Frame]:
    frames = []
    while len(data) - at >= 2:
        first, second = data[at], data[at + 1]
        length_size: Literal[0, 2, 8] = 2 if second & 0x7F == 126 else 8 if second & 0x7F == 127 else 0
        start = at + 2 + length_size + (4 if second & 0x80 else 0)
        if start > len(data):
            break
        length = int.from_bytes(data[at + 2 : at + 2 + length_size], "big") if length_size else second & 0x7F
        payload = data[start : start + length]
        if second & 0x80:
            payload = mask(payload, data[start - 4 : start])
        end = start + len(payload)
        frames.append(
            Frame(
                at,
                seconds_at(max(end - 1, at)),
                bool(first & 0x80),
                first >> 4 & 0x7,
                first & 0xF,
                bool(second & 0x80),
                length,
                length_size,
                payload,
            )
        )
        at = end
    return frames


class _Reader:
    """Puts messages together, and notes what is wrong on the way. A problem's `rule` is the id of the check."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self._frames: list[Frame] = []
        self._messages: list[Message] = []
        self._window = b""
        self._broken = False

    def messages(self) -> list[Message]:
        closed = False
        for frame in self._socket.frames:
            self._header(frame)
            if closed and not frame.is_control:
                self._problem("wsc.silent-after", frame, "a data frame follows the server's own Close")
            if frame.is_control:
                self._control(frame)
                closed = closed or frame.opcode == CLOSE
            elif frame.opcode in _KNOWN and frame.complete:
                self._data(frame)
        return self._messages

    def _problem(self, rule: str, frame: Frame, message: str) -> None:
        self._socket.problems.append(Problem(rule, frame.offset, message))

    def _header(self, frame: Frame) -> None:
        if frame.masked:
            self._problem("wsf.server-unmasked", frame, "a frame of the server is masked")
        if frame.opcode not in _KNOWN:
            self._problem("wsf.opcode-sent", frame, f"a frame has the reserved opcode {frame.opcode:#x}")
        least = 0 if frame.length < 126 else 2 if frame.length <= 0xFFFF else 8
        if frame.length_size != least or frame.length >> 63:
            self._problem(
                "wsf.minimal-length", frame, f"the length {frame.length} is written in {frame.length_size} bytes"
            )
        if frame.rsv & 3 or (frame.rsv & 4 and self._socket.deflate is None):
            self._problem("wsf.rsv-sent", frame, f"reserved bits are set ({frame.rsv:03b}) that nothing gave a meaning")
        elif frame.rsv & 4 and (frame.is_control or frame.opcode == CONTINUATION):
            self._problem("wsz.rsv1", frame, "RSV1 is set on a control frame or a later fragment")

    def _control(self, frame: Frame) -> None:
        if not frame.fin or frame.length > _MAX_CONTROL_SIZE:
            what = f"is {frame.length} bytes long" if frame.fin else "is fragmented"
            self._problem("wsf.control-sent", frame, f"a control frame {what}")
        if frame.opcode == CLOSE and frame.complete and (wrong := _why_no_close(frame.payload)):
            self._problem("wsc.code-sent", frame, wrong)

    def _data(self, frame: Frame) -> None:
        if frame.opcode == CONTINUATION and not self._frames:
            self._problem("wsf.sequence-sent", frame, "a continuation has nothing to continue")
            return
        if frame.opcode != CONTINUATION and self._frames:
            self._problem("wsf.sequence-sent", frame, "a new message begins within a fragmented one")
            self._frames = []
        self._frames.append(frame)
        if frame.fin:
            self._message(tuple(self._frames))
            self._frames = []

    def _message(self, frames: tuple[Frame, ...]) -> None:
        payload = b"".join(frame.payload for frame in frames)
        if frames[0].rsv & 4 and self._socket.deflate is not None:
            inflated = self._inflate(payload, frames[0])
            if inflated is None:
                return
            payload = inflated
        if frames[0].opcode == TEXT:
            try:
                payload.decode()
            except UnicodeDecodeError as error:
                self._problem("wsf.utf8-sent", frames[0], f"a text message is not UTF-8: {error.reason}")
        self._messages.append(Message(frames, payload))

    def _inflate(self, payload: bytes, frame: Frame) -> bytes | None:
        if self._broken:
            return None
        if payload.endswith(_TAIL):
            self._problem("wsz.tail", frame, "a compressed message still ends in 00 00 FF FF")
            payload = payload.removesuffix(_TAIL)
        try:
            message = inflated(payload, self._window)
        except zlib.error as error:
            # A client fails the connection here, and so nothing is said about what follows.
            self._problem("wsz.tail", frame, f"a compressed message does not inflate: {str(error).rpartition(': ')[2]}")
            self._broken = True
            return None
        self._inflate_as_agreed(payload, frame)
        self._window = (self._window + message)[-_MAX_WINDOW:]
        return message

    def _inflate_as_agreed(self, payload: bytes, frame: Frame) -> None:
        """Whether the message inflates for a client that keeps no more of earlier ones than was agreed."""
        deflate = self._socket.deflate
        assert deflate is not None
        window = b"" if deflate.has("server_no_context_takeover") else self._window
        bits = window_bits(deflate, "server_max_window_bits")
        if not window and self._window and not _inflates(payload):
            self._problem("wsz.no-context", frame, "a compressed message refers to an earlier one")
        elif bits < zlib.MAX_WBITS and not _inflates(payload, window, bits):
            self._problem("wsz.window-bits", frame, f"a compressed message refers back more than {1 << bits} bytes")


# wsz


def window_bits(extension: Extension, name: str) -> int:
    """A window size that was agreed, as the power of two; the largest where none was."""
    value = extension.value(name) or ""
    return int(value) if re.fullmatch(r"[89]|1[0-5]", value) else zlib.MAX_WBITS


def inflated(payload: bytes, window: bytes = b"", bits: int = zlib.MAX_WBITS) -> bytes:
    """One compressed message (RFC 7692, 7.2.2), inflated, as far as a judge needs it.

    :param window: what went before it, to which it may refer.
    :param bits: how far it may refer back, as the power of two.
    :raises zlib.error: when it does not inflate.
    """
    # zlib minds the window only between its outputs, so that they have to be of one byte.
    most = _MAX_INFLATED if bits == zlib.MAX_WBITS else 1
    data, message = payload + _TAIL, bytearray()
    inflater = zlib.decompressobj(-bits, zdict=window)
    for at in range(0, len(data), _SLICE):
        rest = data[at : at + _SLICE]
        while rest and len(message) < _MAX_INFLATED:
            if inflater.eof:  # a block may be marked as the last one, and others follow (7.2.1)
                inflater = zlib.decompressobj(-bits, zdict=bytes(window + message)[-_MAX_WINDOW:])
            message += inflater.decompress(rest, most)
            rest = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
    if len(message) < _MAX_INFLATED and not _between_blocks(inflater):
        raise zlib.error("it ends within a block")
    return bytes(message)


def _between_blocks(inflater: zlib._Decompress) -> bool:
    """Whether another block could follow: an empty one, marked as the last, is then read as that."""
    inflater = inflater.copy()
    inflater.decompress(_LAST_BLOCK)
    return inflater.eof and not inflater.unused_data


def _inflates(payload: bytes, window: bytes = b"", bits: int = zlib.MAX_WBITS) -> bool:
    try:
        inflated(payload, window, bits)
    except zlib.error:
        return False
    return True


def _why_no_close(payload: bytes) -> str:
    """Why a server must not send a Close like that (5.5.1, 7.4; IANA's registry for 1012 to 1014); empty if it may."""
    if not payload:
        return ""
    if len(payload) == 1:
        return "the Close frame has a payload of one byte, which is no code"
    code = int.from_bytes(payload[:2], "big")
    if code == 1010:
        return "the Close frame has the code 1010, which is for clients"
    if not is_valid_close_code(code):
        return f"the Close frame has the code {code}, which must not be sent"
    try:
        payload[2:].decode()
    except UnicodeDecodeError as error:
        return f"the reason in the Close frame is not UTF-8: {error.reason}"
    return ""

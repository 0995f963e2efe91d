"""Sessions over WebSocket: what is asked one after the other, how large it may be, and how errors are told.

What a dialect demands beyond its messages (states that a session keeps, several requests at once, a limited age)
is judged with that dialect.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from tokenwire.dialects.answer import Answer
from tokenwire.dialects.decoder import Decoder

from ..case import Case, at, at_frame, excerpt
from ..registry import active, passive
from ..socket_findings import answered, instead, last_frame
from ..socket_probes import NONSENSE
from ..sockets import TEXT, Message, Socket
from ..stream import Stream
from ..verdict import Finding, Inconclusive, Level, NotApplicable

MUST, SHOULD, INFO = Level.MUST, Level.SHOULD, Level.INFO

TOO_BIG, INTERNAL_ERROR = 1009, 1011

#: Kinds of messages that keep a connection alive, whenever the time has come.
_BEATS = ("ping", "heartbeat", "keepalive")


def _said_since(socket: Socket, sent_offset: int) -> list[Message]:
    """The messages that came after the byte at this offset was sent."""
    heard = socket.received_when(sent_offset)
    return [message for message in socket.messages if message.offset >= heard]


def _answered_since(socket: Socket, sent_offset: int) -> bool:
    """A sound answer came after the byte at this offset was sent."""
    decoder, answer = Decoder(socket.dialect or "raw"), Answer()
    for message in _said_since(socket, sent_offset):
        answer.add_all(decoder.receive_message(message.payload))
    if socket.dialect is None or socket.dialect.name == "raw":
        return bool(answer.events)
    return answer.end is not None and answer.end.clean


def _is_error(value: Any) -> bool:
    return isinstance(value, dict) and (value.get("type") == "error" or bool(value.get("error")))


def _errors(socket: Socket) -> list[Message]:
    return [message for message in socket.messages if _is_error(message.value)]


# How large a message may be.


@active(
    "wsl.big-request",
    SHOULD,
    "practice",
    "A request of 1 MiB is taken.",
    probes=("ws-answer", "ws-big-question"),
    breaks="pictures, documents and long conversations",
)
def big_request(case: Case) -> Iterator[Finding]:
    yield from answered(case, "ws-big-question", "of 1 MiB")


@active(
    "wsl.too-big",
    SHOULD,
    "RFC 6455 7.4.1, 10.4",
    "A message that is too big is refused by a Close with 1009, and not by a lost connection.",
    probes=("ws-answer", "ws-too-big"),
    breaks="clients see 1006, take it for a bad network, and send the same again",
)
def too_big(case: Case) -> Iterator[Finding]:
    case.talking()
    socket = case.socket("ws-too-big")
    if not socket.failed:
        raise Inconclusive("no limit was met: the server waits for the rest of a message of 1 GiB")
    if socket.close is None:
        how = "a reset" if socket.transcript.ending == "reset" else "a lost connection"
        yield Finding(f"a message of 1 GiB ends in {how}, without a Close", last_frame(socket))
    elif socket.close.code != TOO_BIG:
        yield Finding(
            f"a message of 1 GiB is refused with {socket.close.code} {socket.close.reason}".rstrip()
            + ", not with 1009",
            at_frame(socket, socket.close.offset),
        )


# What is asked one after the other.


@active(
    "wsl.sequential",
    SHOULD,  # a MUST for Open Responses; the guide's dialect says nothing of a second question
    "Open Responses; OpenAI",
    "A second question on a connection is answered after the first, or refused by an error or a Close; it is not lost.",
    probes=("ws-answer", "ws-two-questions"),
    breaks="clients that keep the connection for the whole conversation wait for ever",
)
def sequential(case: Case) -> Iterator[Finding]:
    case.talking()
    socket = case.socket("ws-two-questions")
    questions = [frame for frame in socket.sent if frame.opcode == TEXT]
    if not socket.answered:
        raise Inconclusive(f"the first question was not answered{instead(socket)}")
    if len(questions) < 2:
        raise NotApplicable("the server ends the connection after the first answer")
    second = questions[-1]
    if _answered_since(socket, second.offset) or any(
        _is_error(message.value) for message in _said_since(socket, second.offset)
    ):
        return
    close = socket.close if not socket.left else None
    if close is not None and close.code != INTERNAL_ERROR:
        raise NotApplicable(
            f"the server takes one question a connection, and says so: {close.code} {close.reason}".rstrip()
        )
    yield Finding(f"a second question is not answered{instead(socket)}", last_frame(socket))


@active(
    "wsl.parity",
    MUST,
    "Open Responses; dialect",
    "Over WebSocket an answer has the same kinds of messages, in the same order, as its event stream.",
    probes=("ws-answer", "ws-twin"),
    breaks="clients that fall back from one transport to the other",
)
def parity(case: Case) -> Iterator[Finding]:
    socket = case.talking()
    response = case.response("ws-twin")
    if not 200 <= response.status < 300 or response.media_type != "text/event-stream":
        what = f"{response.status} {response.media_type}".rstrip()
        raise NotApplicable(f"over HTTP the same is not to be had as an event stream: {what}")
    events = [payload.value for payload in Stream(response).objects]
    if not response.complete or any(map(_is_error, events)):
        raise Inconclusive(f"the event stream did not come to its end: {excerpt(response.content[-80:])}")
    end = socket.close.offset if socket.close is not None else len(socket.transcript.received)
    here = _kinds(message.value for message in socket.messages if message.offset < end)
    there = _kinds(events)
    if here != there:
        place = next((n for n, pair in enumerate(zip(here, there, strict=False)) if pair[0] != pair[1]), None)
        where = "" if place is None else f"; the first that differs is {here[place]} and {there[place]}"
        yield Finding(
            f"over WebSocket come {', '.join(here)}; in the event stream {', '.join(there)}{where}",
            at(response, content=0),
        )


def _kinds(values: Iterable[Any]) -> list[str]:
    """The kinds of the messages in their order, each run of a kind as one: no model says the same thing twice."""
    kinds = (_kind(value) for value in values if isinstance(value, dict))
    return [kind for kind, _ in groupby(kind for kind in kinds if kind not in _BEATS)]


def _kind(value: dict[str, Any]) -> str:
    """The type of a message; a content without one is a delta, as the guide's browser client reads it."""
    return str(value.get("type") or ("content_delta" if "content" in value else "without a type"))


# How errors are told.


def _refused(case: Case, probe: str, what: str) -> Iterator[Finding]:
    """What nobody understands is answered by an error, and the connection lives on."""
    case.talking()
    socket = case.socket(probe)
    texts = [frame for frame in socket.sent if frame.opcode == TEXT]
    nonsense = next(frame for frame in texts if frame.payload == NONSENSE[probe])
    question = texts[-1] if texts[-1] is not nonsense else None
    until = socket.received_when(question.offset) if question is not None else len(socket.transcript.received)
    said = [message for message in _said_since(socket, nonsense.offset) if message.offset < until]
    error = next((message for message in said if _is_error(message.value)), None)
    if error is None:
        came = f": the server says {said[0].text[:80]}" if said else instead(socket) if question is None else ""
        yield Finding(f"{what} gets no error{came}", last_frame(socket))
    elif question is None:
        yield Finding(f"after the error about {what} the connection ends{instead(socket)}", last_frame(socket))
    elif not _answered_since(socket, question.offset):
        yield Finding(f"after the error about {what} a sound question is not answered", last_frame(socket))


@active(
    "wsl.bad-json",
    SHOULD,
    "Open Responses; OpenAI",
    "A message that is not JSON is answered by an error, and the connection lives on.",
    probes=("ws-answer", "ws-bad-json"),
    breaks="one bad message ends the whole conversation, and the client does not learn why",
)
def bad_json(case: Case) -> Iterator[Finding]:
    yield from _refused(case, "ws-bad-json", "a message that is not JSON")


@active(
    "wsl.unknown-type",
    SHOULD,
    "Open Responses; OpenAI",
    "A message of an unknown type is answered by an error, and the connection lives on.",
    probes=("ws-answer", "ws-unknown-type"),
    breaks="a client that is newer than the server waits for what will not come, or loses the conversation",
)
def unknown_type(case: Case) -> Iterator[Finding]:
    yield from _refused(case, "ws-unknown-type", "a message of an unknown type")


@passive(
    "wsl.error-envelope",
    SHOULD,
    "Open Responses; OpenAI",
    'An error is {"type": "error", "error": {…}} with a code and a message.',
    on="sockets",
    when=lambda socket: socket.dialect is not None and socket.dialect.name != "raw" and bool(_errors(socket)),
    absent="no error was seen on a WebSocket",
    shown_by=("ws-bad-json", "ws-unknown-type"),
    breaks="SDKs raise an error without a message, or take it for an event that they do not know",
)
def error_envelope(socket: Socket) -> Iterator[Finding]:
    for message in _errors(socket):
        flaw = _flaw(message.value)
        if flaw:
            yield Finding(f"an error has {flaw}: {message.text[:80]}", at_frame(socket, message.offset))


def _flaw(value: dict[str, Any]) -> str:
    error = value.get("error")
    if value.get("type") != "error":
        return "no type that says so"
    if not isinstance(error, dict):
        return "no object `error`"
    if not isinstance(error.get("message"), str):
        return "no message"
    return "" if "code" in error else "no code"


@passive(
    "wsl.no-done",
    INFO,
    "OpenAI",
    "No [DONE] is sent: the last message of an answer says that it is the last.",
    on="sockets",
    when=lambda socket: any(message.is_text for message in socket.messages),
    absent="no text message of a server was seen",
    shown_by=("ws-answer",),
    breaks="clients that parse every message as JSON",
)
def no_done(socket: Socket) -> Iterator[Finding]:
    for message in socket.messages:
        if message.is_text and message.text.strip() == "[DONE]":
            yield Finding(
                "the end mark of event streams, [DONE], is sent as a message", at_frame(socket, message.offset)
            )

"""Sessions over WebSocket: what is asked one after the other, how large it may be, and how errors are told.

Of what a dialect demands beyond its messages, that of OpenAI's Responses is judged: what a connection knows of earlier
responses, and several of them at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

from tokenwire.dialects.answer import Answer
from tokenwire.dialects.decoder import Decoder

from ..judging.case import Case, at, at_frame, excerpt
from ..judging.registry import active, passive
from ..judging.verdict import Evidence, Finding, Inconclusive, Level, NotApplicable
from ..probes.sessions import NONSENSE
from ..reading.frames import TEXT
from ..reading.messages import Message, is_error
from ..reading.responses import TERMINALS
from ..reading.sockets import Socket
from ..reading.stream import Stream
from .findings import answered, instead, last_frame

MUST, SHOULD, INFO = Level.MUST, Level.SHOULD, Level.INFO

TOO_BIG, INTERNAL_ERROR = 1009, 1011

_NOT_FOUND = "previous_response_not_found"

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


def _errors(socket: Socket) -> list[Message]:
    return [message for message in socket.messages if is_error(message.value)]


# How large a message may be.


@active(
    "wsl.big-request",
    SHOULD,
    "practice",
    "A request of 1 MiB is taken.",
    probes=("ws-answer", "ws-big-question"),
)
def big_request(case: Case) -> Iterator[Finding]:
    yield from answered(case, "ws-big-question", "of 1 MiB")


@active(
    "wsl.too-big",
    SHOULD,
    "RFC 6455 7.4.1, 10.4",
    "A message that is too big is refused by a Close with 1009, and not by a lost connection.",
    probes=("ws-answer", "ws-too-big"),
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
    "Open Responses; OpenAI, Realtime server events: error",
    "A second question on a connection is answered after the first, or refused by an error or a Close; it is not lost.",
    probes=("ws-answer", "ws-two-questions"),
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
        is_error(message.value) for message in _said_since(socket, second.offset)
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
    "Open Responses; OpenAI, Responses over WebSocket",
    "Over WebSocket an answer has the same kinds of messages, in the same order, as its event stream.",
    probes=("ws-answer", "ws-twin"),
)
def parity(case: Case) -> Iterator[Finding]:
    socket = case.talking()
    response = case.response("ws-twin")
    if not 200 <= response.status < 300 or response.media_type != "text/event-stream":
        what = f"{response.status} {response.media_type}".rstrip()
        raise NotApplicable(f"over HTTP the same is not to be had as an event stream: {what}")
    events = [payload.value for payload in Stream(response).objects]
    if not response.complete or any(map(is_error, events)):
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
    error = next((message for message in said if is_error(message.value)), None)
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
    "Open Responses; OpenAI, Realtime server events: error",
    "A message that is not JSON is answered by an error, and the connection lives on.",
    probes=("ws-answer", "ws-bad-json"),
)
def bad_json(case: Case) -> Iterator[Finding]:
    yield from _refused(case, "ws-bad-json", "a message that is not JSON")


@active(
    "wsl.unknown-type",
    SHOULD,
    "Open Responses; OpenAI, Realtime server events: error",
    "A message of an unknown type is answered by an error, and the connection lives on.",
    probes=("ws-answer", "ws-unknown-type"),
)
def unknown_type(case: Case) -> Iterator[Finding]:
    yield from _refused(case, "ws-unknown-type", "a message of an unknown type")


@passive(
    "wsl.error-envelope",
    SHOULD,
    "Open Responses; OpenAI, Realtime server events: error",
    'An error is {"type": "error", "error": {…}} with a code and a message.',
    on="sockets",
    when=lambda socket: socket.dialect is not None and socket.dialect.name != "raw" and bool(_errors(socket)),
    absent="no error was seen on a WebSocket",
    shown_by=("ws-bad-json", "ws-unknown-type"),
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
    "OpenAI, Responses over WebSocket",
    "No [DONE] is sent: the last message of an answer says that it is the last.",
    on="sockets",
    when=lambda socket: any(message.is_text for message in socket.messages),
    absent="no text message of a server was seen",
    shown_by=("ws-answer",),
)
def no_done(socket: Socket) -> Iterator[Finding]:
    for message in socket.messages:
        if message.is_text and message.text.strip() == "[DONE]":
            yield Finding(
                "the end mark of event streams, [DONE], is sent as a message", at_frame(socket, message.offset)
            )


# What a connection knows of earlier responses (OpenAI's Responses).


@dataclass(frozen=True, slots=True)
class _Turn:
    """What was asked in one message, and what came until the next one was sent."""

    asked: dict[str, Any]
    said: list[Message]

    @property
    def error(self) -> Message | None:
        return next((message for message in self.said if is_error(message.value)), None)

    @property
    def code(self) -> str:
        """The code of its error; empty where there is none."""
        error = _member(self.error.value, "error") if self.error is not None else None
        return str(_member(error, "code") or "")

    @property
    def answered(self) -> bool:
        """A response was completed, or cut by its limit."""
        return any(_kind_of(message) in ("response.completed", "response.incomplete") for message in self.said)


def _turns(socket: Socket) -> list[_Turn]:
    asked = [frame for frame in socket.sent if frame.opcode == TEXT]
    begun = [socket.received_when(frame.offset) for frame in asked] + [len(socket.transcript.received)]
    return [
        _Turn(json.loads(frame.payload), [one for one in socket.messages if begun[n] <= one.offset < begun[n + 1]])
        for n, frame in enumerate(asked)
    ]


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _kind_of(message: Message) -> str:
    return str(_member(message.value, "type") or "")


def _turn(case: Case, number: int) -> tuple[Socket, _Turn]:
    """One turn of the conversation that goes on from earlier responses, and its socket.

    :raises Inconclusive: when the conversation did not come so far.
    """
    case.talking()
    socket = case.socket("ws-continued")
    turns = _turns(socket)
    if not turns or not turns[0].answered:
        raise Inconclusive(f"the first question was not answered{instead(socket)}")
    if len(turns) <= number:
        raise Inconclusive(f"the conversation ended after {len(turns)} questions{instead(socket)}")
    return socket, turns[number]


@active(
    "wsl.continuation",
    SHOULD,
    "Open Responses; OpenAI, Responses over WebSocket",
    "A question can go on from the last response of the connection, by its previous_response_id.",
    probes=("ws-answer", "ws-continued"),
)
def continuation(case: Case) -> Iterator[Finding]:
    socket, turn = _turn(case, 1)
    if not turn.answered:
        said = f": {turn.error.text[:80]}" if turn.error is not None else instead(socket)
        yield Finding(
            f"a question with the previous_response_id of the last response is not answered{said}", _at(socket, turn)
        )


@active(
    "wsl.prev-not-found",
    MUST,
    "Open Responses; OpenAI, Responses over WebSocket",
    "A previous_response_id that is not known is answered by an error with the code previous_response_not_found.",
    probes=("ws-answer", "ws-continued"),
)
def prev_not_found(case: Case) -> Iterator[Finding]:
    socket, turn = _turn(case, 2)
    yield from _not_found(socket, turn, "an unknown previous_response_id")


def _not_found(socket: Socket, turn: _Turn, what: str) -> Iterator[Finding]:
    if turn.code != _NOT_FOUND:
        came = (
            f"the code {turn.code or 'none'}"
            if turn.error is not None
            else "an answer"
            if turn.answered
            else "no error"
        )
        yield Finding(f"{what} gets {came}, not {_NOT_FOUND}", _at(socket, turn))


@active(
    "wsl.evict",
    MUST,
    "Open Responses; OpenAI, Responses over WebSocket",
    "When a question fails, the response that it went on from is forgotten, if it is not stored.",
    probes=("ws-answer", "ws-continued"),
)
def evict(case: Case) -> Iterator[Finding]:
    _, failed = _turn(case, 3)
    if failed.error is None:
        raise NotApplicable("the question that should fail, for a model that does not exist, is answered")
    socket, turn = _turn(case, 4)
    yield from _not_found(socket, turn, "the previous_response_id of a question that failed")


def _at(socket: Socket, turn: _Turn) -> Evidence:
    return at_frame(socket, turn.said[0].offset) if turn.said else last_frame(socket)


# Several at once.


def _together(case: Case, probe: str) -> tuple[Socket, list[Message]]:
    """What came for several questions at once: the events of the responses, in their order.

    :raises NotApplicable: when the server refuses several at once.
    :raises Inconclusive: when not all were answered.
    """
    case.talking()
    socket = case.socket(probe)
    error = next(iter(_errors(socket)), None)
    if error is not None:
        raise NotApplicable(f"the server refuses several questions at once: {error.text[:80]}")
    ends = [message for message in socket.messages if _kind_of(message) in TERMINALS]
    if len(ends) < sum(frame.opcode == TEXT for frame in socket.sent):
        raise Inconclusive(f"not all of the questions were answered{instead(socket)}")
    return socket, [message for message in socket.messages if _kind_of(message).startswith("response.")]


def _lane_of(message: Message) -> str:
    return str(_member(message.value, "stream_id") or "")


def _limits(events: Iterable[Message]) -> list[Any]:
    """The responses by the limit that each repeats of its request, in the order in which they were created."""
    created = [_member(one.value, "response") for one in events if _kind_of(one) == "response.created"]
    return [_member(response, "max_output_tokens") for response in created]


def _mixed(events: Sequence[Message]) -> Message | None:
    """The first event of a response that comes before the one before it has ended."""
    running = False
    for message in events:
        kind = _kind_of(message)
        if kind == "response.created" and running:
            return message
        running = kind not in TERMINALS
    return None


@active(
    "wsl.lanes-fifo",
    MUST,
    "OpenAI, Responses over WebSocket",
    "Questions with the same stream_id are answered one after the other, in their order.",
    probes=("ws-answer", "ws-lanes"),
)
def lanes_fifo(case: Case) -> Iterator[Finding]:
    socket, events = _together(case, "ws-lanes")
    lane = [message for message in events if _lane_of(message) == "one"]
    if not lane:
        raise NotApplicable("the server knows no stream_id")
    mixed = _mixed(lane)
    if mixed is not None:
        yield Finding(
            "a response begins before the one before it in its lane has ended", at_frame(socket, mixed.offset)
        )
        return
    limits = _limits(lane)
    if None in limits:
        raise Inconclusive("the responses do not repeat their max_output_tokens, by which they were to be known")
    if limits != sorted(limits):
        yield Finding("the second question of a lane is answered before the first", at_frame(socket, lane[0].offset))


@active(
    "wsl.lanes-isolated",
    MUST,
    "OpenAI, Responses over WebSocket",
    "Every event has the stream_id of its question.",
    probes=("ws-answer", "ws-lanes"),
)
def lanes_isolated(case: Case) -> Iterator[Finding]:
    socket, events = _together(case, "ws-lanes")
    if not any(map(_lane_of, events)):
        raise NotApplicable("the server knows no stream_id")
    stray = [message for message in events if _lane_of(message) not in ("one", "two")]
    for message in stray[:1]:
        said = f"an event has the stream_id {_lane_of(message)}" if _lane_of(message) else "an event has no stream_id"
        yield Finding(said, at_frame(socket, message.offset))
    other = [message for message in events if _lane_of(message) == "two"]
    ends = [_kind_of(message) for message in other if _kind_of(message) in TERMINALS]
    if not stray and (len(ends) != 1 or _member(other[0].value, "type") != "response.created" or _falls(other)):
        first = other[0] if other else events[0]
        yield Finding("the events of a lane are not those of its one response", at_frame(socket, first.offset))


def _falls(events: Sequence[Message]) -> bool:
    """The sequence numbers are not those of one response."""
    numbers = [_member(message.value, "sequence_number") for message in events]
    counted = [number for number in numbers if type(number) is int]
    return any(after != before + 1 for before, after in pairwise(counted))


@active(
    "wsl.no-multiplex",
    SHOULD,  # a MUST of Open Responses, which knows no lanes
    "Open Responses",
    "Without a stream_id one response is on its way at a time.",
    probes=("ws-answer", "ws-two-at-once"),
)
def no_multiplex(case: Case) -> Iterator[Finding]:
    socket, events = _together(case, "ws-two-at-once")
    mixed = _mixed(events)
    if mixed is not None:
        yield Finding("a response begins before the one before it has ended", at_frame(socket, mixed.offset))

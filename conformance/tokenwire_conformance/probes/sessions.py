"""The probes of a WebSocket's keepalive, and of what is asked on it: how much, how often, in which session."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from tokenwire.dialects import DIALECTS

from ..reading.frames import PING, PONG, TEXT
from ..reading.messages import is_error
from ..reading.responses import TERMINALS
from ..reading.sockets import Socket
from . import deflate as _before  # noqa: F401 - probes are made in the order of their declaration
from .asking import FORGIVING, RESPONSES_LIMIT, SPOKEN
from .socket_talk import PAYLOAD, Script, SocketTalk, asked, asking, frame, opened, socket_probe
from .talk import NO_SUCH_MODEL, QUIET, SHORT_PATIENCE, Talk, probe

# wsk: the keepalive.

#: Seconds of silence that a connection should live through, and in which a peer that answers no ping should be left.
IDLE = 60.0


@socket_probe("ws-ping", "none", "two pings, a pong that nobody asked for, and a ping")
@opened
def _ping(talk: SocketTalk) -> None:
    if _pinged(talk, PAYLOAD) and _pinged(talk, bytes(range(125))):
        talk.send(frame(PONG, PAYLOAD))
        _pinged(talk, PAYLOAD[::-1])


def _pinged(talk: SocketTalk, payload: bytes) -> bool:
    """Pings; whether the pong came."""
    talk.send(frame(PING, payload))
    talk.read_socket(lambda socket: socket.failed or payload in _pongs(socket), SHORT_PATIENCE)
    return talk.socket is not None and payload in _pongs(talk.socket)


def _pongs(socket: Socket) -> list[bytes]:
    return [pong.payload for pong in socket.pongs]


@socket_probe("ws-ping-amid", "generation", "a ping while the answer runs")
@opened
def _ping_amid(talk: SocketTalk) -> None:
    talk.send(frame(TEXT, talk.lead()))
    if talk.read_socket(lambda socket: socket.failed or socket.answering):
        before = talk.answered
        talk.send(frame(PING, PAYLOAD))
        talk.read_socket(lambda socket: socket.failed or PAYLOAD in _pongs(socket), SHORT_PATIENCE)
        if not before:
            talk.await_answer()


@socket_probe(
    "ws-idle", "generation", "a minute of silence, a question; after a ping that gets no pong, another", slow=True
)
@opened
def _idle(talk: SocketTalk) -> None:
    talk.stay(IDLE)
    talk.ask()
    if talk.pings:
        heard = talk.pings
        talk.read_socket(lambda socket: socket.failed or len(socket.pings) > heard, IDLE, pong=False)
        talk.stay(IDLE, pong=False)


# wsl: what is asked, and how much.

#: Bytes of a question that is large, and yet no larger than many are: a picture, or a long conversation.
BIG = 1024 * 1024

#: Bytes of a message that nobody takes: it is announced, not sent.
TOO_BIG = 1 << 30

#: How much of it is sent, in bytes: a client has sent more than the header by the time the server has read that.
TOO_BIG_SENT = 64 * 1024

#: What no dialect knows, by probe.
NONSENSE = {"ws-bad-json": b'{"model": ', "ws-unknown-type": b'{"type": "tokenwire.unknown"}'}

#: The dialects that are spoken over HTTP too.
_TWINS = tuple(name for name in SPOKEN if not DIALECTS[name].websocket_only)


socket_probe("ws-big-question", "generation", "a question of 1 MiB, nearly all of it blanks", costly=True)(
    asking(lambda payload: frame(TEXT, payload[:1] + b" " * BIG + payload[1:]))
)


@socket_probe("ws-too-big", "refusal", "the beginning of a message of 1 GiB")
def _too_big(talk: SocketTalk) -> None:
    if talk.open():
        begun = (talk.lead() + b" " * TOO_BIG_SENT)[:TOO_BIG_SENT]
        talk.send(frame(TEXT, begun, length=TOO_BIG, length_size=8))
        talk.await_failure()


@socket_probe("ws-two-questions", "generation", "a second question, when the first is answered")
@opened
def _two_questions(talk: SocketTalk) -> None:
    if talk.ask():
        talk.read_for(QUIET)
        talk.ask()


def _nonsense(payload: bytes) -> Script:
    """Says what no dialect knows, and then the question."""

    @opened
    def script(talk: SocketTalk) -> None:
        question = talk.lead()
        heard = talk.messages
        talk.send(frame(TEXT, payload))
        # What was sent before may be answered as late as now; nonsense is answered by an error alone.
        talk.read_socket(
            lambda socket: socket.failed or any(is_error(message.value) for message in socket.messages[heard:]),
            SHORT_PATIENCE,
        )
        if not talk.failed:
            before = talk.answered
            talk.send(frame(TEXT, question))
            talk.await_answer(before)

    return script


for _name, _about in (
    ("ws-bad-json", "a message that is not JSON, then a question"),
    ("ws-unknown-type", "a message of an unknown type, then a question"),
):
    socket_probe(_name, "generation", _about, *FORGIVING)(_nonsense(NONSENSE[_name]))


# wsl: what a connection knows of earlier responses, and several at once.

_RESPONSES = "openai-responses"

#: A response that nobody has made.
NO_SUCH_RESPONSE = "resp_tokenwire_unknown"


def _create(talk: SocketTalk, **more: Any) -> bytes:
    """The frame of a `response.create`. Nothing is stored, so that only the connection can know of it."""
    return frame(TEXT, json.dumps({**json.loads(talk.question[-1]), "store": False, **more}).encode())


@socket_probe(
    "ws-continued", "generation", "five questions that go on from earlier responses, two of them known", _RESPONSES
)
def _continued(talk: SocketTalk) -> None:
    def ask(**more: Any) -> bool:
        before = talk.answered
        talk.send(_create(talk, **more))
        return talk.await_answer(before)

    if not talk.open():
        return
    if ask() and ask(previous_response_id=_last_response(talk)) and ask(previous_response_id=NO_SUCH_RESPONSE):
        known = _last_response(talk)
        if ask(previous_response_id=known, model=NO_SUCH_MODEL):
            ask(previous_response_id=known)
    talk.bye()


def _last_response(talk: SocketTalk) -> str:
    """The id of the response that was told last."""
    responses = [message.value.get("response") for message in talk.socket.messages] if talk.socket is not None else []
    ids = [response.get("id") for response in responses if isinstance(response, dict)]
    return str(ids[-1]) if ids else ""


def _together(*lanes: str) -> Script:
    """Asks one question a lane, all in one write."""

    @opened
    def script(talk: SocketTalk) -> None:
        limits = range(RESPONSES_LIMIT, RESPONSES_LIMIT + len(lanes))
        named = [{"stream_id": lane} if lane else {} for lane in lanes]
        pairs = zip(limits, named, strict=True)
        talk.send(b"".join(_create(talk, max_output_tokens=limit, **lane) for limit, lane in pairs))
        over = _Over()
        talk.read_socket(lambda socket: socket.failed or over.count(socket) >= len(lanes))

    return script


class _Over:
    """Counts the responses that have come to their end, and errors, each message once."""

    def __init__(self) -> None:
        self._messages = 0
        self._over = 0

    def count(self, socket: Socket) -> int:
        values = [message.value for message in socket.messages[self._messages :]]
        self._messages += len(values)
        self._over += sum(isinstance(value, dict) and value.get("type") in (*TERMINALS, "error") for value in values)
        return self._over


for _name, _about, _lanes in (
    ("ws-lanes", "three questions at once, two of them in one lane", ("one", "one", "two")),
    ("ws-two-at-once", "two questions at once", ("", "")),
):
    socket_probe(_name, "generation", _about, _RESPONSES)(_together(*_lanes))


@probe("ws-twin", "generation", "the same question over HTTP, for an event stream", *_TWINS, beside="websocket")
def _twin(talk: Talk) -> None:
    plan, dialect = talk.plan, talk.plan.dialect
    path = dialect.path if dialect.websocket_path else plan.target.path
    change = {"Accept": "text/event-stream"}
    if dialect.method == "POST":
        body = json.dumps(dialect.body(asked(plan)), ensure_ascii=False).encode()
        talk.send(plan.request(path=path, body=body, change=change))
    else:
        query = f"?{urlencode({'model': plan.model})}" if plan.model and "?" not in path else ""
        talk.send(plan.request("GET", path=path + query, change=change))
    talk.read_answers()


# The last of all: after it there may be no endpoint any more.


@socket_probe("ws-drain", "none", "the endpoint shuts down, where that is in our power")
def _drain(talk: SocketTalk) -> None:
    if talk.open():
        if talk.drain():
            talk.await_failure()
        else:
            talk.bye()

"""A probe's talk on a WebSocket: frames written by hand, so that they can be wrong on purpose."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from secrets import token_bytes
from typing import Any, Literal

from tokenwire.dialects.dialect import Prompt
from tokenwire.framing.websocket import close_payload, mask

from ..reading.frames import CLOSE, PONG, TEXT
from ..reading.sockets import Socket
from ..reading.transcript import Transcript
from .talk import PROBES, QUIET, SHORT_PATIENCE, Cost, Plan, Probe, Talk, Transport

__all__ = [
    "ENDING",
    "EXTENSIONS",
    "GREETING",
    "PAYLOAD",
    "Script",
    "SocketTalk",
    "Write",
    "asked",
    "asking",
    "frame",
    "halves",
    "invalid",
    "opened",
    "shaking",
    "socket_probe",
    "text",
    "visiting",
]

#: Seconds in which a server must have ended the connection after both sides have said Close. The standard names
#: none; five are generous.
ENDING = 5.0

#: Seconds in which a server that greets has done it.
GREETING = 0.1

#: Makes the frames of a message.
Write = Callable[[bytes], bytes]

EXTENSIONS = "Sec-WebSocket-Extensions"

#: What a ping or a Close has in it, to be known again.
PAYLOAD = b"tokenwire"


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    masked: bool = True,
    length: int | None = None,
    length_size: Literal[0, 2, 8] | None = None,
) -> bytes:
    """One frame of a client.

    :param rsv: RSV1, RSV2 and RSV3 as the bits 4, 2 and 1.
    :param length: what the header says, where that is not the truth.
    :param length_size: bytes of the extended length; the least that hold it, unless it is given.
    """
    said = len(payload) if length is None else length
    size = length_size if length_size is not None else 0 if said < 126 else 2 if said <= 0xFFFF else 8
    short = {0: said, 2: 126, 8: 127}[size]
    head = bytes([fin << 7 | rsv << 4 | opcode, masked << 7 | short]) + (said.to_bytes(size, "big") if size else b"")
    if not masked:
        return head + payload
    key = token_bytes(4)
    return head + key + mask(payload, key)


def asked(plan: Plan) -> dict[str, Any]:
    """What is asked, as the dialect has it."""
    return plan.dialect.ask(Prompt(plan.question, plan.model, max_tokens=48))


def text(payload: bytes) -> bytes:
    """A text message in one frame."""
    return frame(TEXT, payload)


def halves(payload: bytes) -> tuple[bytes, bytes]:
    """The payload cut in the middle, between two characters."""
    place = len(payload) // 2
    while payload[place] & 0xC0 == 0x80:
        place += 1
    return payload[:place], payload[place:]


class SocketTalk(Talk):
    """The talk of one probe over WebSocket."""

    transport: Transport = "websocket"

    #: Pings that have been answered.
    _pongs = 0

    _socket: Socket | None = None

    @property
    def socket(self) -> Socket | None:
        """What has gone over the WebSocket so far; None where none was granted."""
        if self._socket is None:
            granted = (r for r in self.transcript.responses[:1] if r.status == 101 and r.head_complete)
            self._socket = next((Socket(response, self.plan.dialect) for response in granted), None)
        return self._socket

    @property
    def pieces(self) -> int:
        return super().pieces + (self.socket.count if self.socket is not None else 0)

    def shake(self, **request: Any) -> None:
        """Asks for a WebSocket and reads the answer. The arguments are those of `handshake`."""
        self.send(self.handshake(**request))
        if not self.read(lambda transcript: _answered(transcript.responses), SHORT_PATIENCE):
            return
        if self.socket is None:
            self.read_answers(1, SHORT_PATIENCE)

    def open(self, **request: Any) -> bool:
        """Asks for a WebSocket; whether it was granted."""
        self.shake(**request)
        if self.plan.dialect.name == "raw":
            self.read_for(GREETING)  # where nothing tells an answer from a greeting, the greeting has to come first
        return self.socket is not None

    def handshake(
        self,
        method: str = "GET",
        *,
        path: str | None = None,
        version: str = "1.1",
        key: str | Literal["ours"] | None = "ours",
        change: Mapping[str, str | None] | None = None,
    ) -> bytes:
        """The request for a WebSocket (RFC 6455, 4.1). `change` as in `Plan.request`."""
        fields: dict[str, str | None] = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": b64encode(token_bytes(16)).decode(),
            "Accept": None,
        }
        changed = {name.lower() for name in change or {}}
        kept = {name: value for name, value in fields.items() if name.lower() not in changed}
        where = path or self.plan.target.path
        return self.plan.request(method, path=where, version=version, key=key, change={**kept, **(change or {})})

    @property
    def question(self) -> list[bytes]:
        """The messages that ask for an answer, as the dialect opens a conversation."""
        opening = self.plan.dialect.opening
        assert opening is not None
        return [json.dumps(message, ensure_ascii=False).encode() for message in opening(asked(self.plan))]

    def ask(self, write: Write = text, *, lead: Write = text) -> bool:
        """Asks the question and reads until it is answered in full; whether it was.

        :param write: makes the frames of the last message.
        :param lead: makes those of the messages before it.
        """
        if self.failed:
            return False
        before = self.answered
        self.send(write(self.lead(lead)))
        return self.await_answer(before)

    def lead(self, write: Write = text) -> bytes:
        """Says all messages of the question but the last one, which is returned."""
        *first, last = self.question
        for payload in first:
            heard = self.messages
            self.send(write(payload))
            self.read_socket(lambda socket, heard=heard: len(socket.messages) > heard, SHORT_PATIENCE)  # type: ignore[misc]
        return last

    def await_answer(self, before: int = 0) -> bool:
        """Reads until more than so many answers have come in full; whether they have."""
        self.read_socket(lambda socket: socket.failed or socket.complete_answers > before)
        return self.answered > before

    @property
    def answered(self) -> int:
        """Answers that have come in full."""
        return self.socket.complete_answers if self.socket is not None else 0

    @property
    def failed(self) -> bool:
        """The server has closed the WebSocket, or ended the connection."""
        return self.socket is not None and self.socket.failed

    @property
    def pings(self) -> int:
        """Pings that have come."""
        return len(self.socket.pings) if self.socket is not None else 0

    @property
    def messages(self) -> int:
        """Messages that have come."""
        return len(self.socket.messages) if self.socket is not None else 0

    def read_socket(self, until: Callable[[Socket], bool], patience: float | None = None, *, pong: bool = True) -> bool:
        """Reads until the socket is as wanted; False when the connection ended or the patience did.

        :param patience: as in `read`.
        :param pong: pings are answered meanwhile.
        """

        def is_so(_: Transcript) -> bool:
            socket = self.socket
            if socket is None:
                return False
            if pong:
                self._answer_pings(socket)
            return until(socket)

        return self.read(is_so, patience)

    def await_failure(self) -> None:
        """Reads until the server has failed the connection, or should have; its Close is answered."""
        if self.read_socket(lambda socket: socket.close is not None, SHORT_PATIENCE):
            self.bye()

    def bye(self, code: int = 1000) -> None:
        """Says Close, first or in answer to the server's; reads on until the server has said it, and a moment more."""
        if self.socket is not None:
            if self.socket.goodbye is None:
                self.send(frame(CLOSE, close_payload(code)))
            self.read_socket(lambda socket: socket.close is not None, ENDING)
        self.read_for(QUIET)

    def stay(self, seconds: float, *, pong: bool = True) -> None:
        """Stays for a time, answering pings or not."""
        self.read_socket(lambda socket: socket.failed, seconds, pong=pong)

    def _answer_pings(self, socket: Socket) -> None:
        if socket.close is None and socket.goodbye is None:
            for ping in socket.pings[self._pongs :]:
                self._pongs += 1
                self.send(frame(PONG, ping.payload))


def _answered(responses: Any) -> bool:
    return bool(responses) and responses[0].head_complete


def socket_probe(
    name: str, cost: Cost, about: str, *dialects: str, slow: bool = False, costly: bool = False
) -> Callable[[Callable[[SocketTalk], None]], Callable[[SocketTalk], None]]:
    """Declares a probe over WebSocket, for all dialects unless some are named."""

    def declare(script: Callable[[SocketTalk], None]) -> Callable[[SocketTalk], None]:
        PROBES[name] = Probe(name, cost, about, script, dialects, SocketTalk, "websocket", slow, costly=costly)
        return script

    return declare


#: What a probe does on its connection.
Script = Callable[[SocketTalk], None]


def shaking(**request: Any) -> Script:
    """A script: a handshake, and no more. The arguments are those of `SocketTalk.handshake`."""
    return lambda talk: talk.shake(**request)


def opened(script: Script, **request: Any) -> Script:
    """A script on a WebSocket: opens it, does what is to be done where it was granted, and says Close."""

    def run(talk: SocketTalk) -> None:
        if talk.open(**request):
            script(talk)
            talk.bye()

    return run


def visiting(change: Mapping[str, str | None]) -> Script:
    """A script: a handshake with these changes, and a Close where it was granted."""
    return opened(lambda _: None, change=change)


def asking(write: Write = text, *, lead: Write = text) -> Script:
    """A script: the question in these frames, its answer, and a Close. The arguments are those of `SocketTalk.ask`."""

    @opened
    def script(talk: SocketTalk) -> None:
        talk.ask(write, lead=lead)

    return script


def invalid(write: Write) -> Script:
    """A script: what must fail the connection, made of the question; then the server has its time to do so."""

    def script(talk: SocketTalk) -> None:
        if talk.open():
            talk.send(write(talk.lead()))
            talk.await_failure()

    return script

"""Near misses of WebSockets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import replace

from tokenwire.endpoint import Call, Ending, Exchange, Seams, Turn

from ..faults import all_faults
from ..faults.editing import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Editing, RawFrame
from ..faults.fault import edit_head
from ..probes.websocket import FOREIGN_ORIGIN
from .edits import answer_head, sent, turn
from .miss import Undo, near_miss

_HANDSHAKE, _FRAMES, _CLOSING, _KEEPALIVE, _SESSIONS = (f"checks.ws{letter}" for letter in "hfckl")
_MESSAGES, _FINDINGS = "reading.messages", "checks.findings"


def _code(number: int) -> bytes:
    return number.to_bytes(2, "big")


def _before_text(extra: RawFrame) -> type[Seams]:
    """One frame more before each text message."""
    return sent(lambda frame: [extra, frame] if frame.opcode == TEXT else [frame])


def _closing_with(payload: bytes) -> type[Seams]:
    """The server's Close says something else."""
    return sent(lambda frame: [frame.with_payload(payload)] if frame.opcode == CLOSE else [frame])


def _cut_at(frame: RawFrame, place: int, *between: RawFrame) -> list[RawFrame]:
    """A message in two fragments."""
    first, rest = frame.payload[:place], frame.payload[place:]
    return [
        replace(frame.with_payload(first), fin=False),
        *between,
        replace(frame.with_payload(rest), opcode=CONTINUATION),
    ]


def _ping_between(frame: RawFrame) -> Iterable[RawFrame]:
    whole = frame.opcode == TEXT and frame.fin and not frame.rsv
    return _cut_at(frame, 9, RawFrame(PING, b"between")) if whole else [frame]


def _cut_within_character(frame: RawFrame) -> Iterable[RawFrame]:
    place = frame.payload.find(b"\xc3\xaf") if frame.opcode == TEXT and frame.fin and not frame.rsv else -1
    return _cut_at(frame, place + 1) if place >= 0 else [frame]


def _pong_before_close(frame: RawFrame) -> Iterable[RawFrame]:
    return [RawFrame(PONG, b"beat"), frame] if frame.opcode == CLOSE else [frame]


class _TooLong(Editing):
    """A length whose highest bit is set is taken for one that is too big."""

    _too_long = False

    def received(self, frame: RawFrame) -> Iterable[RawFrame]:
        self._too_long = self._too_long or bool(frame.length and frame.length >> 63)
        return [frame]

    def sent(self, frame: RawFrame) -> Iterable[RawFrame]:
        return [frame.with_payload(_code(1009))] if self._too_long and frame.opcode == CLOSE else [frame]


class _NoBytes(Seams):
    """Who sends bytes is closed with 1008."""

    def turn(self, message: str | bytes | None, turn: Turn) -> Turn:
        return Turn([], close=1008) if isinstance(message, bytes) else turn


class _GoesAwayMidway(Seams):
    """The server goes away in the middle of an answer, and says so."""

    def turn(self, message: str | bytes | None, turn: Turn) -> Turn:
        half = len(turn.messages) // 2
        return replace(turn, messages=turn.messages[:half], close=1001) if half else turn


class _ResetsAfterClose(Editing):
    _closed = False

    def sent(self, frame: RawFrame) -> Iterable[RawFrame]:
        self._closed = self._closed or frame.opcode == CLOSE
        return [frame]

    def ending(self, ending: Ending) -> Ending:
        return "reset" if self._closed and ending else ending


class _Restarts(Seams):
    def drained(self) -> int:
        return 1012


class _OneForeignOrigin(Editing):
    """Over HTTP the very page may ask that gets a WebSocket."""

    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        allowed = rb"\1" + FOREIGN_ORIGIN.encode()
        return edit_head(exchange, lambda head: re.sub(rb"(?i)(allow-origin: )\*", allowed, head))


class _OtherError(Seams):
    """A refusal has an object of another form."""

    def outgoing(self, data: bytes) -> bytes:
        return data.replace(b'{"error":', b'{"fault":')


def _said(told: Turn, code: str) -> bool:
    return any(f'"code":"{code}"' in message for _, message in told.messages if isinstance(message, str))


def _beats_before_error(told: Turn) -> Turn:
    refused = _said(told, "invalid_json") or _said(told, "unknown_type")
    return replace(told, messages=[(0.0, '{"type":"ping"}'), *told.messages]) if refused else told


def _beats(told: Turn) -> Turn:
    if len(told.messages) < 2:
        return told
    return replace(told, messages=[told.messages[0], (0.0, '{"type":"ping"}'), *told.messages[1:]])


def _without_code(told: Turn) -> Turn:
    return replace(told, messages=[(delay, _null_code(message)) for delay, message in told.messages])


def _null_code(message: str | bytes) -> str | bytes:
    value = json.loads(message)
    if value.get("type") != "error":
        return message
    return json.dumps({**value, "error": {**value["error"], "code": None}})


def _answers_late_and_fails(told: Turn) -> Turn:
    if len(told.messages) < 2:
        return told
    (_, first), *rest = told.messages
    return replace(told, messages=[(60.0, first), *rest], close=1011)


# The handshake.

near_miss(
    "wsh.upgrade-headers",
    of="no-connection-header",
    what="Connection has another option too.",
    seams=answer_head(lambda head: re.sub(rb"(?i)(\r\nconnection: )upgrade", rb"\1keep-alive, UPGRADE", head)),
    undo=Undo(_HANDSHAKE, "if wanted not in response.tokens(name):", "if wanted != response.header(name).lower():"),
)
near_miss(
    "wsh.version",
    of="accept-v12",
    what="Version 12 is refused with 400, which lists 13.",
    seams=answer_head(lambda head: head.replace(b"HTTP/1.1 426 ", b"HTTP/1.1 400 ")),
    undo=Undo(_HANDSHAKE, "    if not 400 <= response.status < 500:\n", "    if response.status != 426:\n"),
)
for _check, _fault in (
    ("wsh.bad-key", "accept-no-key"),
    ("wsh.method", "accept-post"),
    ("wsh.http10", "accept-http10"),
    ("wsh.tokens-required", "accept-no-upgrade"),
):
    near_miss(
        _check,
        of=_fault,
        what="The request gets no WebSocket, but a 200: whether that is well said is for another check.",
        seams=answer_head(lambda head: re.sub(rb"\AHTTP/1\.1 4[0-9]{2} ", b"HTTP/1.1 200 ", head)),
        undo=Undo(
            _HANDSHAKE,
            'status == 101:\n        yield Finding(f"a WebSocket is granted to {what}',
            'status < 300:\n        yield Finding(f"a WebSocket is granted to {what}',
        ),
    )
near_miss(
    "wsh.origin",
    of="any-origin",
    what="Over HTTP the endpoint is for the very page that gets a WebSocket.",
    seams=_OneForeignOrigin,
    undo=Undo(_HANDSHAKE, 'if allowed not in ("*", FOREIGN_ORIGIN):', 'if allowed != "*":'),
)
near_miss(
    "wsh.no-plain-200",
    of="200-on-upgrade",
    what="A handshake is answered by a redirect.",
    seams=answer_head(lambda head: re.sub(rb"\AHTTP/1\.1 404 ", b"HTTP/1.1 302 ", head)),
    undo=Undo(_HANDSHAKE, "        if 200 <= response.status < 300:", "        if 200 <= response.status < 400:"),
)
near_miss(
    "wsh.reject-envelope",
    of="empty-403",
    what="The object in a refusal has another form.",
    seams=_OtherError,
    undo=Undo(
        _HANDSHAKE,
        "if not isinstance(said, dict) or not said:",
        'if not isinstance(said, dict) or "error" not in said:',
    ),
)
near_miss(
    "wsh.426-upgrade",
    of="426-no-upgrade",
    what="A 426 names another protocol too.",
    seams=answer_head(
        lambda head: re.sub(rb"(?i)(\r\nupgrade: )websocket", rb"\1h2c, websocket", head) if b" 426 " in head else head
    ),
    undo=Undo(
        _HANDSHAKE,
        'if "websocket" not in response.tokens("upgrade"):',
        'if response.header("upgrade").lower() != "websocket":',
    ),
)

# Frames.

near_miss(
    "wsf.opcode-sent",
    of="send-opcode-3",
    what="A binary message is sent, which no dialect asks for.",
    seams=_before_text(RawFrame(BINARY, b"")),
    undo=Undo(_MESSAGES, "if frame.opcode not in _KNOWN:", "if frame.opcode not in _KNOWN or frame.opcode == BINARY:"),
)
near_miss(
    "wsf.minimal-length",
    of="long-length",
    what="A message has 126 bytes: its length is written in two more, as it must.",
    seams=_before_text(RawFrame(TEXT, b'{"type":"note"}'.ljust(126))),
    undo=Undo(_MESSAGES, "0 if frame.length < 126 else 2", "0 if frame.length <= 126 else 2"),
)
near_miss(
    "wsf.control-sent",
    of="long-close-reason",
    what="A ping has 125 bytes.",
    seams=_before_text(RawFrame(PING, b"." * 125)),
    undo=Undo(_MESSAGES, "_MAX_CONTROL_SIZE = 125", "_MAX_CONTROL_SIZE = 124"),
)
near_miss(
    "wsf.sequence-sent",
    of="interleave-messages",
    what="A ping comes between two fragments.",
    seams=sent(_ping_between),
    undo=Undo(
        _MESSAGES,
        "if frame.opcode in (CONTINUATION, TEXT, BINARY):",
        "if frame.opcode in (CONTINUATION, TEXT, BINARY, 9):",
    ),
)
near_miss(
    "wsf.utf8-sent",
    of="bad-utf8-frame",
    what="A character is cut by the end of a fragment.",
    seams=sent(_cut_within_character),
    undo=Undo(
        _MESSAGES,
        "                payload.decode()\n            except",
        "                [frame.payload.decode() for frame in frames if not frames[0].rsv]\n            except",
    ),
)
near_miss(
    "wsf.json-message",
    of="two-json-per-message",
    what="A binary message is no JSON.",
    seams=_before_text(RawFrame(BINARY, b"\x00\x01")),
    undo=Undo(_FRAMES, '_json_error(message.text) if message.is_text else ""', "_json_error(message.text)"),
)
near_miss(
    "wsf.binary-policy",
    of="crash-binary",
    what="A binary message is refused by a Close with 1008.",
    seams=_NoBytes,
    undo=Undo(_FRAMES, "not in (UNSUPPORTED, INVALID_DATA, POLICY):", "not in (UNSUPPORTED,):"),
)
for _check, _fault in (
    ("wsf.need-mask", "accept-unmasked"),
    ("wsf.rsv", "ignore-rsv"),
    ("wsf.opcode", "ignore-opcode"),
    ("wsf.length-msb", "accept-msb"),
    ("wsf.control-len", "big-ping"),
    ("wsf.control-fin", "frag-ping"),
    ("wsf.continuation", "accept-stray"),
    ("wsf.utf8-reject", "accept-bad-utf8"),
):
    near_miss(
        _check,
        of=_fault,
        what="Before the Close comes a pong that answers no ping.",
        seams=sent(_pong_before_close),
        undo=Undo(
            _FINDINGS,
            "if pong.payload and any(ping.startswith(pong.payload) for ping in pings))",
            "if pong.payload)",
        ),
    )
near_miss(
    "wsf.fail-code",
    of="drop-without-close",
    what="A length whose highest bit is set is refused as too big, with 1009.",
    seams=_TooLong,
    undo=Undo(_FRAMES, '"ws-length-msb": (PROTOCOL_ERROR, TOO_BIG)', '"ws-length-msb": (PROTOCOL_ERROR,)'),
)
near_miss(
    "wsf.fail-no-process",
    of="process-after-error",
    what="Before the Close comes an error, and no answer.",
    seams=sent(
        lambda frame: (
            [RawFrame(TEXT, b'{"type":"error","error":{"code":"bad","message":"bad"}}'), frame]
            if frame.opcode == CLOSE
            else [frame]
        )
    ),
    undo=Undo(
        _FRAMES,
        '    if socket.answering:\n        yield Finding(\n            "a question that came behind',
        '    if socket.messages:\n        yield Finding(\n            "a question that came behind',
    ),
)

# The closing.

near_miss(
    "wsc.code-sent",
    of="send-1006",
    what="The server's Close is empty.",
    seams=_closing_with(b""),
    undo=Undo(_MESSAGES, '    if not payload:\n        return ""', '    if not payload:\n        return "no code"'),
)
near_miss(
    "wsc.silent-after",
    of="data-after-close",
    what="A pong follows the server's Close.",
    seams=sent(lambda frame: [frame, RawFrame(PONG, b"")] if frame.opcode == CLOSE else [frame]),
    undo=Undo(_MESSAGES, "if self._closed and not frame.is_control:", "if self._closed:"),
)
near_miss(
    "wsc.clean",
    of="rst-after-terminal",
    what="The client had said its Close when the server ended the connection without one.",
    seams=all_faults()["no-close-reply"].seams,
    undo=Undo(_CLOSING, "socket.close is None and not socket.left and not socket.mute", "socket.close is None"),
)
near_miss(
    "wsc.terminal-first",
    of="close-mid-response",
    what="The server closes in the middle of an answer with 1001: it goes away.",
    seams=_GoesAwayMidway,
    undo=Undo(_CLOSING, " or socket.left or close.code not in _NO_EXCUSE:", " or socket.left:"),
)
near_miss(
    "wsc.echo",
    of="no-close-reply",
    what="The Close that answers has another code.",
    seams=_closing_with(_code(1001)),
    undo=Undo(
        _CLOSING,
        "    if socket.close is None:\n        yield Finding(\"the client's",
        "    if socket.close is None or socket.close.code != 1000:\n        yield Finding(\"the client's",
    ),
)
near_miss(
    "wsc.server-tcp-first",
    of="wait-client",
    what="The server ends the connection in a reset.",
    seams=_ResetsAfterClose,
    undo=Undo(_CLOSING, "if not socket.transcript.ended_by_server:", 'if socket.transcript.ending != "eof":'),
)
for _check, _fault in (("wsc.code-reject", "accept-1005"), ("wsc.len1", "accept-len1")):
    near_miss(
        _check,
        of=_fault,
        what="The server ends the connection without a word.",
        seams=sent(lambda frame: [] if frame.opcode == CLOSE else [frame]),
        undo=Undo(_CLOSING, "    if not socket.failed:", "    if socket.close is None:"),
    )
near_miss(
    "wsc.reason-utf8",
    of="accept-reason",
    what="A reason that is not UTF-8 fails the connection with 1002.",
    seams=_closing_with(_code(1002)),
    undo=Undo(_CLOSING, "(INVALID_DATA, PROTOCOL_ERROR))", "(INVALID_DATA,))"),
)
near_miss(
    "wsc.drain",
    of="drop-on-drain",
    what="An endpoint that restarts says so, with 1012.",
    seams=_Restarts,
    undo=Undo(_CLOSING, "not in (GOING_AWAY, SERVICE_RESTART):", "not in (GOING_AWAY,):"),
)

# Keepalive and sessions.

near_miss(
    "wsk.long-prefill",
    of="1011-in-prefill",
    what="After a long silence the answer comes, and it is behind it that the server fails.",
    seams=turn(_answers_late_and_fails),
    undo=Undo(_KEEPALIVE, " == INTERNAL_ERROR and not socket.answering:", " == INTERNAL_ERROR:"),
)
near_miss(
    "wsl.parity",
    of="ws-skips-events",
    what="A sign of life comes in the answer, which the event stream has not.",
    seams=turn(_beats),
    undo=Undo(_SESSIONS, "for kind in kinds if kind not in _BEATS)]", "for kind in kinds)]"),
)
near_miss(
    "wsl.error-envelope",
    of="flat-ws-error",
    what="The code of an error is null.",
    seams=turn(_without_code),
    undo=Undo(_SESSIONS, 'return "" if "code" in error else "no code"', 'return "" if error["code"] else "no code"'),
)
near_miss(
    "wsl.no-done",
    of="ws-done",
    what="The end mark is sent in a binary message, which is none.",
    seams=_before_text(RawFrame(BINARY, b"[DONE]")),
    undo=Undo(_SESSIONS, "if message.is_text and message.text.strip()", "if message.text.strip()"),
)
for _check, _fault in (("wsl.bad-json", "drop-on-bad-json"), ("wsl.unknown-type", "ignore-unknown")):
    near_miss(
        _check,
        of=_fault,
        what="A sign of life comes before the error.",
        seams=turn(_beats_before_error),
        undo=Undo(
            _SESSIONS,
            "error = next((message for message in said if _is_error(message.value)), None)",
            "error = next((message for message in said[:1] if _is_error(message.value)), None)",
        ),
    )

"""Near misses of the frames of a WebSocket."""

from __future__ import annotations

from collections.abc import Iterable

from tokenwire.endpoint import Seams, Turn

from ..faults.editing import BINARY, CLOSE, PING, TEXT, Editing, RawFrame
from .edits import GREETING, before, code, cut_at, deflated, granted, sent
from .miss import Undo, near_miss

_FRAMES = "checks.wsf"
_MESSAGES = "reading.messages"
_FINDINGS = "checks.findings"


def _ping_between(frame: RawFrame) -> Iterable[RawFrame]:
    whole = frame.opcode == TEXT and frame.fin and not frame.rsv
    return cut_at(frame, 9, RawFrame(PING, b"between")) if whole else [frame]


def _cut_within_character(frame: RawFrame) -> Iterable[RawFrame]:
    place = frame.payload.find(b"\xc3\xaf") if frame.opcode == TEXT and frame.fin and not frame.rsv else -1
    return cut_at(frame, place + 1) if place >= 0 else [frame]


class _TooLong(Editing):
    """A length whose highest bit is set is taken for one that is too big."""

    _too_long = False

    def received(self, frame: RawFrame) -> Iterable[RawFrame]:
        self._too_long = self._too_long or bool(frame.length and frame.length >> 63)
        return [frame]

    def sent(self, frame: RawFrame) -> Iterable[RawFrame]:
        return [frame.with_payload(code(1009))] if self._too_long and frame.opcode == CLOSE else [frame]


class _NoBytes(Seams):
    """Who sends bytes is closed with 1008."""

    def turn(self, message: str | bytes | None, turn: Turn) -> Turn:
        return Turn([], close=1008) if isinstance(message, bytes) else turn


near_miss(
    "wsf.server-unmasked",
    of="mask-server",
    what="All seven bits of a length are set, and the one beside them, which tells of a mask, is not.",
    seams=granted(lambda head: head + RawFrame(TEXT, GREETING.ljust(1 << 16)).encode()),
    undo=Undo("reading.frames", "masked=bool(second & 0x80)", "masked=second > 126"),
)
near_miss(
    "wsf.opcode-sent",
    of="send-opcode-3",
    what="A binary message is sent, which no dialect asks for.",
    seams=before(TEXT, RawFrame(BINARY, b"")),
    undo=Undo(
        _MESSAGES,
        "_KNOWN = (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG)",
        "_KNOWN = (CONTINUATION, TEXT, CLOSE, PING, PONG)",
    ),
)
near_miss(
    "wsf.minimal-length",
    of="long-length",
    what="A message has 126 bytes: its length is written in two more, as it must.",
    seams=before(TEXT, RawFrame(TEXT, b'{"type":"note"}'.ljust(126))),
    undo=Undo(_MESSAGES, "0 if frame.length < 126 else 2", "0 if frame.length <= 126 else 2"),
)
near_miss(
    "wsf.control-sent",
    of="long-close-reason",
    what="A ping has 125 bytes.",
    seams=before(TEXT, RawFrame(PING, b"." * 125)),
    undo=Undo(_MESSAGES, "_MAX_CONTROL_SIZE = 125", "_MAX_CONTROL_SIZE = 124"),
)
near_miss(
    "wsf.sequence-sent",
    of="interleave-messages",
    what="A ping comes between two fragments.",
    seams=sent(_ping_between),
    undo=Undo(_MESSAGES, "if frame.opcode in (CONTINUATION, TEXT, BINARY):", "if True:"),
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
    seams=before(TEXT, RawFrame(BINARY, b"\x00\x01")),
    undo=Undo(_FRAMES, '_json_error(message.text) if message.is_text else ""', "_json_error(message.text)"),
)
near_miss(
    "wsf.rsv-sent",
    of="set-rsv2",
    what="RSV1 is set on a message where permessage-deflate was agreed.",
    seams=granted(
        lambda head: (
            head + RawFrame(TEXT, deflated(GREETING), rsv=4).encode() if b"permessage-deflate" in head else head
        )
    ),
    undo=Undo(_MESSAGES, "(frame.rsv & 4 and self._deflate is None)", "frame.rsv & 4"),
    seen_in="ws-answer ws-extension-lines",
)
near_miss(
    "wsf.binary-policy",
    of="crash-binary",
    what="A binary message is refused by a Close with 1008.",
    seams=_NoBytes,
    undo=Undo(_FRAMES, "not in (UNSUPPORTED, INVALID_DATA, POLICY):", "not in (UNSUPPORTED,):"),
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
    seams=before(CLOSE, RawFrame(TEXT, b'{"type":"error","error":{"code":"bad","message":"bad"}}')),
    undo=Undo(
        _FRAMES,
        '    if socket.answering:\n        yield Finding(\n            "a question that came behind',
        '    if socket.messages:\n        yield Finding(\n            "a question that came behind',
    ),
)

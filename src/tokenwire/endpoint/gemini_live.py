"""The server's side of Gemini Live, over WebSocket: `GET /ws/google.ai.….GenerativeService.BidiGenerateContent`.

`setup` comes first, and is answered by `setupComplete`. `clientContent` whose turn is complete, or `realtimeInput` with
text, is answered by a turn, and interrupts the one that runs. A turn that calls tools goes on after `toolResponse`. An
error is said, and closes the connection. What was asked in binary frames is answered in them.

There is no voice here: where the answer is to be transcribed, its text comes as `outputTranscription`, without the
sound. With `sessionResumption` each turn gives a handle, by which another connection has the conversation so far.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from ..dialects.values import listed, word
from .gemini_content import failure_of, field, key_of, part_of, refuse, tokens_of, usage_of, wanted_of, words_of
from .recent import Recent
from .replies import Payload, compact, google_error
from .seams import Turn
from .service import Identity, Service
from .story import Delta, Failure, Script, Stop, Text, ToolCall, tell
from .wanted import Heard, Refusal, heard, parse_object

__all__ = ["MAX_KEPT", "encode", "gemini_live"]

#: Conversations that can be gone on with, the last ones.
MAX_KEPT = 32

_PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"

#: The lane of turns: only what is said of them is interrupted.
_TURN = "turn"

#: The last messages of a turn, those that say that it is complete.
_CLOSING = 2

#: Close codes (RFC 6455, 7.4.1) for what the client did wrong, and for what the server cannot do.
_BAD_REQUEST = 1007
_SERVER_ERROR = 1011


def encode(script: Script, identity: Identity, *, transcribed: bool = False) -> Iterator[Payload]:
    """The messages of a turn. `transcribed`: the text is that of speech."""
    for step in script.steps():
        match step:
            case Delta(_, Text(), token) if transcribed:
                yield {"serverContent": {"outputTranscription": {"text": token}}}
            case Delta(_, part, token) if not isinstance(part, ToolCall):
                yield {"serverContent": {"modelTurn": {"parts": [part_of(part, token)], "role": "model"}}}
            case Stop(_, ToolCall() as call):
                yield {"toolCall": {"functionCalls": [part_of(call, call.whole)["functionCall"]]}}
            case Failure():
                yield failure_of(step)["error"]
                return
    yield {"serverContent": {"generationComplete": True}}
    usage = usage_of(script, tokens_of(script), "responseTokenCount")
    yield {"serverContent": {"turnComplete": True}, "usageMetadata": usage}


class _Live:
    """One session. `kept`: what was said in others, by handle."""

    def __init__(
        self, kept: Recent[Heard], query: Mapping[str, str], identify: Callable[[], Identity], pace: float
    ) -> None:
        self._kept = kept
        self._identify = identify
        self._pace = pace
        self._setup: dict[str, Any] | None = None
        self._said = Heard()
        self._binary = False
        self._waits_for_tools = False

    def opened(self) -> Turn:
        return Turn([])

    def received(self, message: str | bytes, pending: Counter[str]) -> Turn:
        self._binary = isinstance(message, bytes)
        try:
            return self._answer(parse_object(message, "The message"), bool(pending[_TURN]))
        except Refusal as refusal:
            code = _SERVER_ERROR if refusal.status >= 500 else _BAD_REQUEST
            return self._turn([google_error(refusal.status, refusal.message)["error"]], replaces=True, close=code)

    def _answer(self, said: Payload, active: bool) -> Turn:
        if self._setup is None:
            if not isinstance(said.get("setup"), dict):
                raise Refusal(400, "invalid_request", "The first message is to be a setup.")
            return self._begin(said["setup"])
        content, spoken = field(said, "clientContent"), field(said, "realtimeInput", "text")
        if isinstance(content, dict):
            self._said += words_of(listed(content.get("turns")))
            return self._respond(self._setup, active, answers=field(content, "turnComplete") is True)
        if isinstance(spoken, str):
            self._said += heard([spoken])
            return self._respond(self._setup, active, answers=True)
        if field(said, "toolResponse") is not None and self._waits_for_tools:
            return self._respond({**self._setup, "tools": []}, active=False, answers=True)
        raise Refusal(400, "invalid_request", "A message is clientContent, text, or a toolResponse that is waited for.")

    def _begin(self, setup: dict[str, Any]) -> Turn:
        handle = word(field(setup, "sessionResumption", "handle"))
        if handle:
            earlier = self._kept.get(handle)
            if earlier is None:
                raise Refusal(404, "not_found", "No session has this handle.")
            self._said = earlier
        self._tell(setup)  # so that a model that cannot answer is refused at once
        self._setup = setup
        return self._turn([{"setupComplete": {}}], lane="")

    def _respond(self, setup: dict[str, Any], active: bool, *, answers: bool) -> Turn:
        """A turn, or nothing yet. What is being said is broken off either way."""
        interrupted = [{"serverContent": {"interrupted": True}}, {"serverContent": {"turnComplete": True}}]
        broken_off: list[Payload] = interrupted if active else []
        if not answers:
            return self._turn(broken_off, replaces=active)
        script, identity = self._tell(setup), self._identify()
        said = list(encode(script, identity, transcribed=field(setup, "outputAudioTranscription") is not None))
        if script.failure is not None:
            return self._turn([*broken_off, *said], replaces=active, close=_SERVER_ERROR)
        self._waits_for_tools = bool(script.calls)
        if self._waits_for_tools:
            said = said[:-_CLOSING]
        elif field(setup, "sessionResumption") is not None:
            said.insert(-_CLOSING, self._resumable(identity))
        return self._turn([*broken_off, *said], replaces=active)

    def _resumable(self, identity: Identity) -> Payload:
        handle = f"handle-reference-{identity.number:06}"
        self._kept.keep(handle, self._said)
        return {"sessionResumptionUpdate": {"newHandle": handle, "resumable": True}}

    def _tell(self, setup: Mapping[str, Any]) -> Script:
        return tell(wanted_of(setup, word(setup.get("model")).removeprefix("models/"), self._said))

    def _turn(
        self, payloads: Iterable[Payload], *, replaces: bool = False, close: int | None = None, lane: str = _TURN
    ) -> Turn:
        frames = [compact(payload) if self._binary else compact(payload).decode() for payload in payloads]
        paced = [(self._pace if number else 0.0, frame) for number, frame in enumerate(frames)]
        return Turn(paced, replaces=replaces, close=close, lane=lane)


def gemini_live() -> Service:
    """The service, for one endpoint."""
    kept: Recent[Heard] = Recent(MAX_KEPT)
    return Service(
        dialect="gemini-live",
        encode=encode,
        sockets={_PATH: partial(_Live, kept)},
        refuse=refuse,
        key=key_of,
    )

"""Gemini Live: a conversation over WebSocket, of which a decoder reads one turn, until `turnComplete`.

In: messages in text or binary frames, told apart by the members that they have, of which there may be several:
`setupComplete`, `serverContent`, `toolCall`, `usageMetadata`, … Out: stream events. Models that speak say their text in
`outputTranscription`; what comes beside it as parts is thoughts and sound. After `interrupted` the turn is broken off.
Errors close the connection, with their reason in the Close frame, or are a message with `code` and words, which ends
the turn. A `toolCall` wants a `toolResponse` within the turn. A `sessionResumptionUpdate` has the handle for
`setup.sessionResumption` of the next connection, which goes on with the state of the session and repeats nothing.

Usage counts what its message says, and where it comes with `turnComplete`, the turn; sessions that translate have no
turns and count each step for itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .dialect import Broken, Dialect, Message, Prompt
from .events import Finish, FinishReason, Other, Start, StreamEvent, Usage
from .gemini_content import Content, goog_key, others, setting, user_turn
from .json_decoder import JSONDecoder
from .refusals import refusal_in
from .values import error_fields, is_true, mapping, member, word

__all__ = ["GEMINI_LIVE", "GeminiLiveDecoder"]

#: Why a turn is complete: no reason, these, or one of the many names for what a filter has stopped.
_REASONS: dict[str, FinishReason] = {
    "turnComplete": "stop",
    "interrupted": "cancelled",
    "NEED_MORE_INPUT": "pause",
    "RESPONSE_REJECTED": "refusal",
    "MALFORMED_FUNCTION_CALL": "error",
    "MAX_REGENERATION_REACHED": "error",
    "TURN_COMPLETE_REASON_UNSPECIFIED": "stop",
}
_FILTERS = ("PROHIBITED", "SAFETY", "BLOCKLIST", "CELEBRITY", "NCII", "UNSAFE", "IDENTIFIABLE", "MINORS")

#: Members that need no `Other`: they become events, or hold no more than that.
_MESSAGE = ("setupComplete", "serverContent", "toolCall", "usageMetadata", "sessionResumptionUpdate")
_SERVER_CONTENT = ("modelTurn", "outputTranscription", "turnComplete", "turnCompleteReason")
_TRANSCRIBED = ("text", "finished")

#: The block of what is spoken; the parts of a turn have their own.
_TRANSCRIPTION = "transcription"


class GeminiLiveDecoder(JSONDecoder):
    """Decodes one turn."""

    def __init__(self) -> None:
        super().__init__()
        self._started = False
        self._interrupted = False
        self._calling = False  # the last that was said is a call
        self._content = Content(self._blocks, self._odd)

    def _object(self, value: dict[str, Any], message: Message) -> list[StreamEvent] | None:
        raw = message.data
        known = [name for name in _MESSAGE if name in value]
        fields = error_fields(value) or ({} if known else refusal_in(value) or (value if "code" in value else {}))
        contents = self._odd.objects(value.get("serverContent"), "serverContent", "modelTurn")
        events = self._start(value, raw)
        for content in contents:
            events += self._said(content, raw)
        events += self._calls(value.get("toolCall"), raw)
        if fields:
            return [*events, self._error(fields, raw), *self._end(raw, clean=False)]
        if "sessionResumptionUpdate" in value:
            handle = word(member(value, "sessionResumptionUpdate", "newHandle"))
            events.append(Other("sessionResumptionUpdate", raw, handle or None))
        events += others(value, _MESSAGE, raw)
        complete = any(is_true(content.get("turnComplete")) for content in contents)
        usage = self._odd.object(value.get("usageMetadata"), "usageMetadata")
        if usage or value.get("usageMetadata") == {}:
            events.append(Usage(usage, complete, raw))
        if complete:
            reasons = [self._odd.name(it.get("turnCompleteReason"), "turnCompleteReason") for it in contents]
            events += self._finish(next(filter(None, reasons), ""), raw)
        return events if known else events or None

    def _start(self, value: dict[str, Any], raw: str) -> list[StreamEvent]:
        if self._started or not value.keys() & {"setupComplete", "serverContent", "toolCall"}:
            return []
        self._started = True
        setup = self._odd.object(value.get("setupComplete"), "setupComplete")
        return [Start(word(setup.get("sessionId")), "", raw), *others(setup, ("sessionId",), raw)]

    def _said(self, content: dict[str, Any], raw: str) -> list[StreamEvent]:
        events = self._content.receive(content.get("modelTurn"), raw)
        aside: list[StreamEvent] = []
        for spoken in self._odd.objects(content.get("outputTranscription"), "outputTranscription", "text"):
            text = self._odd.text(spoken.get("text"), "outputTranscription")
            events += self._blocks.run(_TRANSCRIPTION, "text", text, raw)
            aside += others(spoken, _TRANSCRIBED, raw)
            if is_true(spoken.get("finished")):
                events += self._blocks.close(_TRANSCRIPTION, raw)
        if events:
            self._calling = False
        self._interrupted = self._interrupted or is_true(content.get("interrupted"))
        return events + aside + others(content, _SERVER_CONTENT, raw)

    def _calls(self, value: Any, raw: str) -> list[StreamEvent]:
        """A `toolCall` has a list of calls; calls may stand in its place."""
        events: list[StreamEvent] = []
        for asked in self._odd.objects(value, "toolCall"):
            alone = "functionCalls" not in asked and "name" in asked
            calls = [asked] if alone else self._odd.objects(asked.get("functionCalls"), "functionCalls")
            self._calling = self._calling or bool(calls)
            events += [event for call in calls for event in self._content.receive_call(call, raw)]
            events += [] if alone else others(asked, ("functionCalls",), raw)
        return events

    def _finish(self, word_for_it: str, raw: str) -> list[StreamEvent]:
        word_for_it = word_for_it or ("interrupted" if self._interrupted else "turnComplete")
        reason = self._reason_of(word_for_it, _REASONS)
        if any(filtered in word_for_it for filtered in _FILTERS):
            reason = "content_filter"
        elif reason == "stop" and self._calling:
            reason = "tool_calls"
        events = self._content.settle(raw) + self._blocks.close_all(raw)
        finish = self._noted(Finish(reason, word_for_it, raw=raw))
        return [*events, finish, *self._end(raw, clean=True)]


def _ask(prompt: Prompt) -> dict[str, Any]:
    """The client's messages by name. All models of this API can speak, and what they say comes as text too."""
    body = setting(prompt)
    speaking = {"responseModalities": ["AUDIO"], **body.get("generationConfig", {})}
    setup = {**body, "generationConfig": speaking, "outputAudioTranscription": {}}
    if prompt.model:
        setup["model"] = prompt.model if "/" in prompt.model else f"models/{prompt.model}"
    return {"setup": setup, "clientContent": {"turns": [user_turn(prompt)], "turnComplete": True}}


def _opening(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One message a member, in their order: `setup` comes first, and after `setupComplete` the next."""
    return [{name: said} for name, said in body.items()]


def _asking_again(broken: Broken) -> dict[str, Any]:
    """The turn once more, in a session that goes on from the last handle; its first turns need not be told again."""
    setup = mapping(broken.json.get("setup"))
    return {
        **broken.json,
        "setup": {**setup, "sessionResumption": {"handle": broken.cursor}} if broken.cursor else setup,
    }


GEMINI_LIVE = Dialect(
    name="gemini-live",
    framing="sse",
    path="/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent",
    method="GET",
    content_type="",
    decoder=GeminiLiveDecoder,
    ask=_ask,
    body=dict,
    error_fields=error_fields,
    key_fields=goog_key,
    opening=_opening,
    websocket_only=True,
    terminator="serverContent.turnComplete",
    asking_again=_asking_again,
    resume="by the policy `restart`: a new connection with the handle of the last sessionResumptionUpdate in "
    "setup.sessionResumption",
)

"""Gemini's generateContent: `POST …/models/{model}:streamGenerateContent?alt=sse`; without `alt=sse` one JSON array.

In: messages that are a `GenerateContentResponse`, as events or as the elements of the array. Out: stream events.
Nothing marks the end but the end of the body, after a `finishReason`. Some models repeat that in every chunk, so the
`Finish` is given when nothing can follow it any more: at the end, or before an error. A candidate that goes on after a
reason has not finished. The reason is STOP also where functions were called. Errors come as bare JSON after the events,
as an element of the array, or as all of the body. Code Assist wraps each message: `{"response": {"candidates": …}, …}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .blocks import Blocks
from .dialect import Dialect, Message, Prompt
from .events import Finish, FinishReason, Other, Start, StreamEvent, Usage
from .gemini_content import Content, goog_key, others, setting, user_turn
from .json_decoder import JSONDecoder
from .odd import Odd
from .values import error_fields, index_of, names_failure, word

__all__ = ["GEMINI", "GeminiDecoder"]

#: An open set. Where the enum comes as a number, the first four are the same in all of Google's APIs.
_REASONS: dict[str, FinishReason] = {
    "STOP": "stop",
    "1": "stop",
    "MAX_TOKENS": "length",
    "2": "length",
    "CONTINUATION": "pause",
    "SAFETY": "content_filter",
    "3": "content_filter",
    "RECITATION": "content_filter",
    "4": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "ESCALATION": "content_filter",
    "MALFORMED_FUNCTION_CALL": "error",
    "MALFORMED_RESPONSE": "error",
    "UNEXPECTED_TOOL_CALL": "error",
    "TOO_MANY_TOOL_CALLS": "error",
    "MISSING_THOUGHT_SIGNATURE": "error",
}

#: The enum's value for none, which means that the model goes on.
_UNSPECIFIED = ("", "0", "FINISH_REASON_UNSPECIFIED", "BLOCKED_REASON_UNSPECIFIED")

#: Members of a message that need no `Other`.
_MESSAGE = (
    "candidates", "promptFeedback", "usageMetadata", "modelVersion", "responseId", "createTime", "traceId", "error",
)  # fmt: skip

#: Members of a candidate that need no `Other`: read here, or about the chunk that its raw text shows.
_CANDIDATE = ("content", "finishReason", "finishMessage", "index", "safetyRatings", "tokenCount", "avgLogprobs")


class GeminiDecoder(JSONDecoder):
    """Decodes one stream of GenerateContentResponses. Nothing can be resumed, so there is no cursor."""

    def __init__(self) -> None:
        super().__init__()
        self._started = False
        self._candidates: dict[int, _Candidate] = {}
        self._going: set[int] = set()  # the numbers of those that have not finished

    def _object(self, value: dict[str, Any], message: Message) -> list[StreamEvent] | None:
        raw, value = message.data, _unwrapped(value)
        candidates = self._odd.objects(value.get("candidates"), "candidates", "content")
        feedback = self._odd.object(value.get("promptFeedback"), "promptFeedback")
        events = self._start(value, raw)
        for position, candidate in enumerate(candidates):
            events += self._receive_candidate(candidate, position, raw)
        blocked = _enum(feedback.get("blockReason"))
        if blocked:
            self._candidate(0).finish = Finish("content_filter", blocked, raw=raw)
            self._going.discard(0)
        counts = self._odd.object(value.get("usageMetadata"), "usageMetadata")
        if counts or value.get("usageMetadata") == {}:
            events.append(Usage(counts, self.finished(), raw))
        fields = error_fields(value)
        if fields or message.event == "error":
            events += [*self._finishes(), self._error(fields or value, raw)]
        if not events and not candidates and not feedback:
            return None
        self._odd.members(value, _MESSAGE)
        return events

    def finished(self) -> bool:
        """All candidates, or the prompt was blocked and there are none."""
        return bool(self._candidates) and not self._going

    def receive_eof(self) -> list[StreamEvent]:
        if self.ended:
            return []
        closing = self._blocks.close_all("")
        return [*closing, *self._finishes(), *self._end(clean=self.finished())]

    def _start(self, value: dict[str, Any], raw: str) -> list[StreamEvent]:
        if self._started or not value.keys() & {"candidates", "promptFeedback", "responseId", "modelVersion"}:
            return []
        self._started = True
        return [Start(word(value.get("responseId")), word(value.get("modelVersion")), raw)]

    def _receive_candidate(self, said: dict[str, Any], position: int, raw: str) -> list[StreamEvent]:
        number = _number(said, position)
        candidate = self._candidate(number)
        events = candidate.receive(said, raw)
        (self._going.discard if candidate.finish else self._going.add)(number)
        return events

    def _candidate(self, number: int) -> _Candidate:
        if number not in self._candidates:
            self._candidates[number] = _Candidate(number, self._blocks, self._odd)
        return self._candidates[number]

    def _finishes(self) -> list[StreamEvent]:
        """How the candidates finished; once, for after an error it would be said again."""
        if self._failed:
            return []
        finishes = [self._noted(candidate.finish) for candidate in self._candidates.values() if candidate.finish]
        self._failed_with = next((it.raw_reason for it in finishes if names_failure(it.raw_reason)), "")
        return [*finishes]


class _Candidate:
    """One of the answers: its content, and how it finished, as far as is known."""

    def __init__(self, number: int, blocks: Blocks, odd: Odd) -> None:
        self.finish: Finish | None = None
        self._number = number
        self._content = Content(blocks, odd, number)

    def receive(self, candidate: dict[str, Any], raw: str) -> list[StreamEvent]:
        events = self._content.receive(candidate.get("content"), raw)
        if any(not isinstance(event, Other) for event in events):
            self.finish = None
        events += others(candidate, _CANDIDATE, raw)
        word_for_it = _enum(candidate.get("finishReason"))
        if word_for_it:
            events += self._content.settle(raw)
            reason = "error" if names_failure(word_for_it) else _REASONS.get(word_for_it, "other")
            reason = "tool_calls" if reason == "stop" and self._content.called else reason
            self.finish = Finish(reason, word_for_it, self._number, raw)
            if reason == "error" and candidate.get("finishMessage"):
                events.append(Other("finishMessage", raw))
        return events


def _unwrapped(value: dict[str, Any]) -> dict[str, Any]:
    """The message that Code Assist wraps, with what stands beside it."""
    wrapped = value.get("response")
    if "candidates" in value or not isinstance(wrapped, dict):
        return value
    return {**{name: held for name, held in value.items() if name != "response"}, **wrapped}


def _number(candidate: dict[str, Any], position: int) -> int:
    index = index_of(candidate.get("index"))
    return position if index is None else index


def _enum(value: Any) -> str:
    """The name of an enum's value, or its number in digits; empty for none."""
    name = str(value) if isinstance(value, int) and not isinstance(value, bool) else word(value)
    return "" if name in _UNSPECIFIED else name


def _refusal(body: Any) -> dict[str, Any]:
    """A refusal is an object, and without `alt=sse` an array that holds it."""
    return error_fields(body[0] if isinstance(body, list) and body else body)


def _ask(prompt: Prompt) -> dict[str, Any]:
    model = {"model": prompt.model} if prompt.model else {}
    return {**model, "contents": [user_turn(prompt)], **setting(prompt)}


def _body(body: Mapping[str, Any]) -> dict[str, Any]:
    """The model stands in the path, and so does that it is to be streamed."""
    return {name: value for name, value in body.items() if name != "model"}


GEMINI = Dialect(
    name="gemini",
    framing="sse-or-json",
    path="/v1beta/models/{model}:streamGenerateContent?alt=sse",
    method="POST",
    content_type="text/event-stream, application/json",
    decoder=GeminiDecoder,
    ask=_ask,
    body=_body,
    error_fields=_refusal,
    key_fields=goog_key,
    terminator="the end of the body, after a finishReason",
)

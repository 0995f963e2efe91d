"""Ollama's own API: `POST /api/chat`, or `/api/generate`, as lines of JSON.

In: messages that are one line each, with a piece of the answer: `message` in a chat, `response` and `thinking` in a
generation. Out: stream events. The last line has `done: true`, the reason, counts of tokens and durations in
nanoseconds. Tool calls come whole, in most versions without an id, with their arguments as an object, or as JSON text
where a server imitates Ollama. Errors are a line `{"error": "words"}` in a stream that began with 200. Ollama reads no
key; a proxy before it may want a bearer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .dialect import Dialect, Message, Prompt, chat_body, prefilled
from .events import Finish, FinishReason, Other, Start, StreamEvent, Usage
from .json_decoder import JSONDecoder
from .refusals import refusal_in
from .values import error_fields, is_true, object_of, value_of

__all__ = ["OLLAMA", "OllamaDecoder"]

#: An open set: "load" and "unload" say that there was nothing to answer. Old versions give no reason.
_REASONS: dict[str, FinishReason] = {"stop": "stop", "length": "length"}

#: What the last line counts: tokens, and nanoseconds.
_COUNTS = (
    "prompt_eval_count",
    "eval_count",
    "total_duration",
    "load_duration",
    "prompt_eval_duration",
    "eval_duration",
)

#: Members that have no place among the stream events, in a message and at the top: handed on as `Other`.
_OTHER_MEMBERS = ("images", "logprobs", "context", "image")

#: Members that need no `Other`: at the top, in a message, in a tool call, and in its function.
_TOP = (
    "message", "response", "thinking", "tool_calls", "error", "model", "created_at", "remote_model", "remote_host",
    "done", "done_reason", *_COUNTS, *_OTHER_MEMBERS,
)  # fmt: skip
_MESSAGE = ("role", "content", "thinking", "tool_calls", *_OTHER_MEMBERS)
_CALL = ("id", "type", "index", "function")
_FUNCTION = ("index", "name", "arguments")

#: The block that is open: there is one at a time.
_BLOCK = 0


class OllamaDecoder(JSONDecoder):
    """Decodes one stream of a chat or of a generation. Nothing can be resumed, so there is no cursor."""

    def __init__(self) -> None:
        super().__init__()
        self._started = False
        self._called = False
        self._begun = False
        self._alone: Message | None = None  # the first message, where it may be an error that is all of the body

    def receive_message(self, message: Message) -> list[StreamEvent]:
        """`{"message": "words"}` is text where more follows, and the error of a gateway where nothing does. So as the
        first message it waits for the next one."""
        if not self._begun:
            self._begun = True
            if _words_alone(message):
                self._alone = message
                return []
        alone, self._alone = self._alone, None
        before = [] if alone is None else super().receive_message(alone)
        return before + super().receive_message(message)

    def receive_eof(self) -> list[StreamEvent]:
        if self._alone is None:
            return super().receive_eof()
        return [self._error(_words_alone(self._alone), self._alone.data), *self._end(clean=False)]

    def _object(self, value: dict[str, Any], message: Message) -> list[StreamEvent] | None:
        raw, fields = message.data, error_fields(value)
        done = is_true(value.get("done"))
        is_said = done or "message" in value or "response" in value
        if not (is_said or fields) or (_is_foreign(value) and refusal_in(value)):
            return None  # the progress of a download, or of an image; an error
        events: list[StreamEvent] = []
        for said in self._odd.objects(value.get("message"), "message", "content"):
            self._odd.members(said, _MESSAGE)
            events += self._piece(said, "content", raw)
        events += self._piece(value, "response", raw)
        if fields:
            return [*events, self._error(fields, raw)]
        self._odd.members(value, _TOP)
        events = self._start(value, raw) + events
        return (events + self._done(value, raw) if done else events) or None

    def _start(self, value: dict[str, Any], raw: str) -> list[StreamEvent]:
        if self._started:
            return []
        self._started = True
        return [Start("", self._odd.name(value.get("model"), "model"), raw)]

    def _piece(self, said: dict[str, Any], text: str, raw: str) -> list[StreamEvent]:
        events = self._blocks.run(_BLOCK, "reasoning", self._odd.text(said.get("thinking"), "thinking"), raw)
        events += self._blocks.run(_BLOCK, "text", self._odd.text(said.get(text), text), raw)
        for call in self._odd.objects(said.get("tool_calls"), "tool_calls"):
            events += self._call(call, raw)
        return events + [Other(name, raw) for name in _OTHER_MEMBERS if said.get(name)]

    def _call(self, call: dict[str, Any], raw: str) -> list[StreamEvent]:
        self._called = True
        self._odd.members(call, _CALL if "function" in call else (*_CALL, *_FUNCTION))
        functions = self._odd.objects(call.get("function", call), "function")
        return [event for function in functions or [{}] for event in self._function(call, function, raw)]

    def _function(self, call: dict[str, Any], function: dict[str, Any], raw: str) -> list[StreamEvent]:
        self._odd.members(function, (*_CALL, *_FUNCTION) if function is call else _FUNCTION)
        tool_id, name = self._odd.name(call.get("id"), "id"), self._odd.name(function.get("name"), "name")
        arguments = self._odd.arguments(function.get("arguments"), "arguments") or "{}"
        events = self._blocks.open(_BLOCK, "tool", raw, tool_id=tool_id, name=name)
        return events + self._blocks.delta(_BLOCK, arguments, raw) + self._blocks.close(_BLOCK, raw)

    def _done(self, value: dict[str, Any], raw: str) -> list[StreamEvent]:
        events = self._blocks.close_all(raw)
        counts = {name: value[name] for name in _COUNTS if name in value}
        if counts:
            events.append(Usage(counts, complete=True, raw=raw))
        word_for_it = self._odd.name(value.get("done_reason"), "done_reason")
        reason = self._reason_of(word_for_it, _REASONS)
        reason = "tool_calls" if reason == "stop" and self._called else reason
        events.append(self._noted(Finish(reason, word_for_it, raw=raw)))
        return events + self._end(raw, clean=True)


def _is_foreign(value: dict[str, Any]) -> bool:
    """Whether it lacks what all of Ollama's own lines have."""
    return not error_fields(value) and "model" not in value and "done" not in value


def _words_alone(message: Message) -> dict[str, Any]:
    """The error object of a message that says nothing but words; empty for any other."""
    value = object_of(value_of(message.data)) or {}
    return refusal_in(value, alone=True) if _is_foreign(value) and not refusal_in(value) else {}


def _ask(prompt: Prompt) -> dict[str, Any]:
    body = chat_body(replace(prompt, max_tokens=None))
    if prompt.max_tokens is not None:
        body["options"] = {"num_predict": prompt.max_tokens}
    return body


def _body(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"stream": True, **body}


OLLAMA = Dialect(
    name="ollama",
    framing="jsonlines",
    path="/api/chat",
    method="POST",
    content_type="application/x-ndjson",
    decoder=OllamaDecoder,
    ask=_ask,
    continuing=prefilled,
    body=_body,
    error_fields=error_fields,
    terminator="done: true",
)

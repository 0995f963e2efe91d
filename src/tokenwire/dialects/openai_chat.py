"""OpenAI Chat Completions, and the twenty-odd servers that are compatible with it more or less.

In: messages whose data is a `chat.completion.chunk` as JSON, then `[DONE]`. Out: stream events.
The format is that of OpenAI's API description (chat streaming); the deviations that are read here were all seen
on the wire: empty `choices`, a missing delta, a whole message instead, usage with or after the finish, tool calls in
odd pieces (`chat_tools`), reasoning under several names and content as a list of parts (`chat_choice`), errors in many
shapes, no `[DONE]` after the finish, and the `{"response": …}` of Workers AI.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .chat_choice import Choice, Members
from .chat_tools import MAX_WAITING
from .dialect import Dialect, Holes, Message, chat_body, is_done, prefilled
from .events import End, Error, Other, Start, StreamEvent, Usage
from .json_decoder import CALL_CUT, GARBLED, begins_as_json, incomplete, prefixed_twice, should_be_json
from .refusals import refusal_in
from .values import (
    error_code,
    error_fields,
    error_in_words,
    error_message,
    index_of,
    items_of,
    object_of,
    value_of,
    word,
)

__all__ = ["MAX_WAITING", "OPENAI_CHAT", "ChatDecoder"]

#: Members of a chunk that are read, and those that say nothing to a user.
_CHUNK = frozenset(
    {"id", "object", "created", "model", "choices", "usage", "error", "system_fingerprint", "service_tier"}
    | {"obfuscation", "p", "provider", "response", "tool_calls", "type", "message", "code", "param", "status"}
)


class ChatDecoder:
    """Decodes one stream of chat completion chunks."""

    def __init__(self) -> None:
        self.ended: bool = False
        self._started = False
        self._failed = False
        self._garbled = False  # a chunk was cut or garbled, and with it what it said
        self._strange = False  # a message came that is none of the dialect
        self._understood = False
        self._blocks = 0
        self._choices: dict[int, Choice] = {}
        self._members = Members()
        self._speaking: Choice | None = None

    def receive_message(self, message: Message) -> list[StreamEvent]:
        if self.ended:
            return []
        data = message.data
        if is_done(data):
            return self._end(clean=True, raw=data)
        try:
            chunk = json.loads(data)
        except (ValueError, RecursionError) as error:
            return self._not_json(message, error)
        if isinstance(chunk, dict):
            return self._chunk(chunk, message)
        if chunk and isinstance(chunk, list) and all(isinstance(item, dict) for item in chunk):
            return [event for item in chunk for event in self._chunk(item, message)]
        if message.event == "error":
            return [self._error({"message": data}, data)]
        self._strange = True
        return [Other("not-a-chunk", data)]

    def finished(self) -> bool:
        return bool(self._choices) and all(choice.finished for choice in self._choices.values())

    def receive_eof(self) -> list[StreamEvent]:
        return [] if self.ended else self._end(clean=self.finished(), raw="")

    def texts(self, block: int) -> list[str] | None:
        """Where the pieces of a tool call's arguments are kept; the text of other blocks is not: see `template`."""
        return None if self._speaking is None else self._speaking.tools.texts(block)

    def _not_json(self, message: Message, error: Exception) -> list[StreamEvent]:
        """An error in words, a chunk that was cut or garbled, or a keepalive that was sent as data."""
        data = message.data
        if (inner := prefixed_twice(message)) is not None:
            return self.receive_message(inner)
        if message.event == "error":
            return [self._error({"message": data}, data)]
        if fields := error_in_words(data):
            return [self._error(fields, data)]
        if not begins_as_json(data):
            self._garbled = self._garbled or should_be_json(message)
            self._strange = self._strange or not data.startswith(":")
            return [Other("not-json", data)]
        self._garbled = True
        told = Error("invalid_json", f"a chunk is not JSON: {error}", fatal=False, raw=data)
        return [told, *self._merged(message)]

    def _merged(self, message: Message) -> list[StreamEvent]:
        """A frame that was cut by the next one, which stands on the same line: that one is whole."""
        chunk = value_of(message.data.rpartition("data:")[2])
        return self._chunk(chunk, message) if isinstance(chunk, dict) else []

    def _error(self, fields: Mapping[str, Any], raw: str) -> Error:
        self._failed = True
        return Error(error_code(fields, "code", "type", "status_code"), error_message(fields), fatal=True, raw=raw)

    def _end(self, *, clean: bool, raw: str) -> list[StreamEvent]:
        self.ended = True
        missing = self._missing()
        events: list[StreamEvent] = [event for choice in self._choices.values() for event in choice.close(raw)]
        if clean and missing and not self._failed:
            events.append(self._error(incomplete(missing), raw))
        return [*events, End(clean and not self._failed, raw)]

    def _missing(self) -> str:
        """What was lost of the stream, in words; empty for nothing."""
        if self._strange and not self._understood:
            return "no message of it was one of chat completions"
        if self._garbled:
            return GARBLED
        return CALL_CUT if any(choice.cut for choice in self._choices.values()) else ""

    def _chunk(self, chunk: dict[str, Any], message: Message) -> list[StreamEvent]:
        raw = message.data
        events: list[StreamEvent] = []
        choices = items_of(chunk.get("choices"))
        if not choices and chunk.get("response") is not None:
            choices = [_native(chunk)]
        if not self._started and (chunk.get("id") or chunk.get("model") or choices):
            self._started = True
            events.append(Start(word(chunk.get("id")), word(chunk.get("model")), raw))
        for position, choice in enumerate(choices):
            events += self._choice(choice, position, raw)
        events += self._usage(chunk, raw)
        if events and not chunk.keys() <= _CHUNK:
            events += self._members.tell(chunk, _CHUNK, raw, once=True)
        fields = error_fields(chunk) or error_fields(chunk.get("x_groq")) or _bare_error(chunk)
        if fields or message.event == "error":
            events.append(self._error(fields or chunk, raw))
        elif not events and (self._speaking is None or not self._speaking.tools.keeps(raw)):
            events.append(Other(word(chunk.get("object")) or "chunk", raw))
        known = bool(choices) or "choices" in chunk or "usage" in chunk
        self._understood = self._understood or known
        self._strange = self._strange or not known
        return events

    def _usage(self, chunk: dict[str, Any], raw: str) -> list[StreamEvent]:
        """What was counted."""
        value = chunk.get("usage")
        if value is None:
            return []
        counts = object_of(value)
        return [Other("usage", raw) if counts is None else Usage(counts, self.finished(), raw)]

    def _choice(self, choice: Any, position: int, raw: str) -> list[StreamEvent]:
        if not isinstance(choice, dict):
            return [Other("choices", raw)] if choice else []
        index = index_of(choice.get("index"))
        number = position if index is None else index
        if number not in self._choices:
            self._choices[number] = Choice(number, self._new_block)
        self._speaking = self._choices[number]
        events = self._speaking.receive(choice, raw)
        fields = error_fields(choice) or error_fields(choice.get("delta"))
        return [*events, self._error(fields, raw)] if fields else events

    def _new_block(self) -> int:
        self._blocks += 1
        return self._blocks - 1


def _native(chunk: dict[str, Any]) -> dict[str, Any]:
    """A message of Workers AI's own format, as a choice: `{"response": "text", "tool_calls": […]}`."""
    return {"index": 0, "delta": {"content": chunk["response"], "tool_calls": chunk.get("tool_calls")}}


def _bare_error(chunk: dict[str, Any]) -> dict[str, Any]:
    """The error of a message that is no chunk; MiniMax has one beside empty choices."""
    if "choices" in chunk or "response" in chunk or "usage" in chunk:
        return refusal_in({"base_resp": chunk.get("base_resp")})
    return refusal_in(chunk)


def _body(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"stream": True, **body}


OPENAI_CHAT = Dialect(
    name="openai-chat",
    framing="sse",
    path="/v1/chat/completions",
    method="POST",
    content_type="text/event-stream",
    decoder=ChatDecoder,
    ask=chat_body,
    continuing=prefilled,
    body=_body,
    error_fields=error_fields,
    holes=Holes(
        texts=[
            *(("choices", 0, "delta", name) for name in ("content", "reasoning_content", "reasoning")),
            ("choices", 0, "delta", "tool_calls", 0, "function", "arguments"),
        ],
        free=[("obfuscation",), ("p",)],
        barred=[
            *(("choices", 0, "delta", name) for name in ("reasoning_text", "thinking", "thought", "reasoning_details")),
            *(("choices", 0, name) for name in ("text", "message")),
            ("choices", 0, "delta", "tool_calls", 0, "function", "name"),
        ],
    ),
    usage_members={"stream_options": {"include_usage": True}},
    terminator="[DONE], or the end after finish_reason",
)

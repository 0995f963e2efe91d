"""OpenAI Chat Completions, and the twenty-odd servers that are compatible with it more or less.

In: messages whose data is a `chat.completion.chunk` as JSON, then `[DONE]`. Out: stream events.
The format is that of OpenAI's API description (chat streaming); the deviations that are read here were all seen
on the wire: empty `choices`, a missing delta, a whole message beside or instead of deltas (`chat_said`), usage with or
after the finish, tool calls in odd pieces (`chat_tools`), reasoning under several names and content as a list of parts
(`chat_choice`), errors in many shapes, a failure that is no more than a reason to stop, no `[DONE]` after the finish,
the `{"response": …}` of Workers AI, and the `{"content": …, "stop": false}` of llama.cpp.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from .chat_choice import BESIDE, Choice, Members
from .chat_tools import MAX_WAITING
from .dialect import Dialect, Holes, Message, chat_body, is_done, prefilled
from .events import End, Error, Other, Start, StreamEvent, TextDelta, Usage
from .json_decoder import CALL_CUT, GARBLED, failed_without_words, incomplete, is_lost, prefixed_twice
from .pieces import Pieces
from .refusals import refusal_in
from .values import (
    error_code,
    error_fields,
    error_in_words,
    error_message,
    index_of,
    items_of,
    names_failure,
    object_of,
    value_of,
    word,
)

__all__ = ["MAX_WAITING", "OPENAI_CHAT", "ChatDecoder"]

#: Members of a chunk that are read, and those that say nothing to a user.
_CHUNK = frozenset(
    {"id", "object", "created", "model", "choices", "usage", "error", "system_fingerprint", "service_tier"}
    | {"obfuscation", "p", "provider", "type"}
)

#: Answers of a stream, told apart. OpenAI gives no more than 128, and each takes fifty times the room of its message.
MAX_CHOICES = 1024

#: Where a server's own format has text, outside of any choice. These hold a piece of it: Workers AI, llama.cpp. `text`
#: and `output_text` hold a piece with one server, and with another (SGLang) all that has come: no text is made of them.
_NATIVE = ("response", "content")
_TEXTS = frozenset({*_NATIVE, "text", "output_text"})

#: What is read of a message in such a format.
_OF_NATIVE = _CHUNK | {*_NATIVE, "tool_calls", "stop", "stop_type", "finish_reason"}


class ChatDecoder:
    """Decodes one stream of chat completion chunks."""

    def __init__(self) -> None:
        self.ended: bool = False
        self._started = False
        self._failed = False
        self._failure: dict[str, Any] = {}  # what a chunk says of one outside of its choices, without an error
        self._garbled = False  # a chunk was cut or garbled, and with it what it said
        self._strange = False  # a message came that is none of the dialect
        self._understood = False
        self._blocks = 0
        self._choices: dict[int, Choice] = {}
        self._going: set[int] = set()  # the numbers of those that have not finished
        self._members = Members()
        self._speaking: Choice | None = None

    def receive_message(self, message: Message) -> list[StreamEvent]:
        if self.ended:
            return []
        data = message.data
        try:
            value = json.loads(data)
        except (ValueError, RecursionError) as error:
            return self._end(clean=True, raw=data) if is_done(data) else self._not_json(message, error)
        if isinstance(value, dict):
            return self._chunk(value, message)
        chunks = [object_of(item) for item in items_of(value)]
        events = [event for chunk in filter(None, chunks) for event in self._chunk(chunk, message)]
        if any(chunks) and None not in chunks:
            return events
        if message.event == "error" and not events:
            return [self._error({"message": data}, data)]
        self._strange = True
        return [*events, Other("not-a-chunk", data)]

    def finished(self) -> bool:
        return bool(self._choices) and not self._going

    def receive_eof(self) -> list[StreamEvent]:
        return [] if self.ended else self._end(clean=self.finished(), raw="")

    def texts(self, block: int) -> Pieces | None:
        """Where the pieces of a block are kept: see `template`."""
        return None if self._speaking is None else self._speaking.texts(block)

    def _not_json(self, message: Message, error: Exception) -> list[StreamEvent]:
        """An error in words, a chunk that was cut or garbled, or a keepalive that was sent as data."""
        data = message.data
        if (inner := prefixed_twice(message)) is not None:
            return self.receive_message(inner)
        if message.event == "error":
            return [self._error({"message": data}, data)]
        if fields := error_in_words(data):
            return [self._error(fields, data)]
        if not is_lost(message):
            self._strange = self._strange or not data.startswith(":")
            return [Other("not-json", data)]
        self._garbled = True
        told = Error("invalid_json", f"a chunk is not JSON: {error}", fatal=False, raw=data)
        return [told, *self._merged(message)]

    def _merged(self, message: Message) -> list[StreamEvent]:
        """A frame that was cut by the next one, which stands on the same line: that one is whole."""
        _, field, rest = message.data.rpartition("data:")
        chunk = value_of(rest) if field else None
        return self._chunk(chunk, message) if isinstance(chunk, dict) else []

    def _error(self, fields: Mapping[str, Any], raw: str) -> Error:
        self._failed = True
        return Error(error_code(fields, "code", "type", "status_code"), error_message(fields), fatal=True, raw=raw)

    def _end(self, *, clean: bool, raw: str) -> list[StreamEvent]:
        self.ended = True
        missing = self._missing()
        events: list[StreamEvent] = [event for choice in self._choices.values() for event in choice.close(raw)]
        failure = next((choice.failure for choice in self._choices.values() if choice.failure), self._failure)
        if failure and not self._failed:
            events.append(self._error(failure, raw))
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
        choices, members = items_of(chunk.get("choices")), _CHUNK
        if not choices and (native := next((name for name in _NATIVE if chunk.get(name) is not None), "")):
            choices, members = [_native(chunk, native)], _OF_NATIVE
        if not self._started and (chunk.get("id") or chunk.get("model") or choices):
            self._started = True
            events.append(Start(word(chunk.get("id")), word(chunk.get("model")), raw))
        for position, choice in enumerate(choices):
            events += self._choice(choice, position, raw)
        events += self._usage(chunk, raw)
        fields = error_fields(chunk) or error_fields(chunk.get("x_groq")) or _bare_error(chunk)
        unknown = not chunk.keys() <= members
        if unknown and not self._failure:
            self._failure = _failure(chunk)
        if events and unknown and not fields:
            events += self._beside(chunk, members, events, raw)
        if fields or message.event == "error":
            events.append(self._error(fields or chunk, raw))
        elif not events and (self._speaking is None or not self._speaking.tools.keeps(raw)):
            events.append(Other(word(chunk.get("object")) or "chunk", raw))
        known = bool(choices) or "choices" in chunk or ("usage" in chunk and not unknown)
        self._understood = self._understood or known
        self._strange = self._strange or not known
        return events

    def _beside(
        self, chunk: dict[str, Any], known: frozenset[str], events: list[StreamEvent], raw: str
    ) -> Iterator[StreamEvent]:
        """What stands beside the choices and is not known. Text that is not what a choice says is told each time."""
        said = "".join(event.text for event in events if isinstance(event, TextDelta))
        for name in [name for name in chunk if name in _TEXTS - known and chunk[name] not in (None, "", [], {}, said)]:
            yield Other(name, raw)
        yield from self._members.tell(chunk, known | _TEXTS, raw, once=True)

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
            if len(self._choices) >= MAX_CHOICES:
                return [Other("choices", raw)]
            self._choices[number] = Choice(number, self._new_block)
        self._speaking = self._choices[number]
        events = self._speaking.receive(choice, raw)
        (self._going.discard if self._speaking.finished else self._going.add)(number)
        fields = error_fields(choice) or error_fields(choice.get("delta"))
        return [*events, self._error(fields, raw)] if fields else events

    def _new_block(self) -> int:
        self._blocks += 1
        return self._blocks - 1


def _native(chunk: dict[str, Any], text: str) -> dict[str, Any]:
    """A message of a server's own format, as a choice: `{"response": "text", "tool_calls": […]}` is that of Workers AI,
    `{"content": "text", "stop": true, "stop_type": "eos"}` that of llama.cpp.

    :param text: the member that has the text.
    """
    delta = {"content": chunk[text], "tool_calls": chunk.get("tool_calls")}
    stopped = (word(chunk.get("stop_type")) or "stop") if chunk.get("stop") is True else None
    return {"index": 0, "delta": delta, "finish_reason": chunk.get("finish_reason") or stopped}


def _failure(chunk: dict[str, Any]) -> dict[str, Any]:
    """The error object of a chunk that says outside of its choices that the server failed; empty for none."""
    reasons = (word(chunk.get(name)) for name in ("finish_reason", "status"))
    return next((failed_without_words(reason) for reason in reasons if names_failure(reason)), {})


def _bare_error(chunk: dict[str, Any]) -> dict[str, Any]:
    """The error of a message that is no chunk; MiniMax has one beside empty choices."""
    if "usage" in chunk or any(name in chunk for name in ("choices", *_NATIVE)):
        beside = chunk.get("base_resp")
        return refusal_in({"base_resp": beside}) if beside else {}
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
            *(("choices", 0, name) for name in ("message", *sorted(BESIDE))),
            ("choices", 0, "delta", "tool_calls", 0, "function", "name"),
        ],
    ),
    usage_members={"stream_options": {"include_usage": True}},
    terminator="[DONE], or the end after finish_reason",
)

"""OpenAI Chat Completions, and the twenty-odd servers that are compatible with it more or less.

In: messages whose data is a `chat.completion.chunk` as JSON, then `[DONE]`. Out: stream events.
The format is that of OpenAI's API description (chat streaming); the deviations that are read here were all seen
on the wire: empty `choices`, a missing delta, usage with or after the finish, tool calls without an index or all
with index 0, whole or in pieces, reasoning under two names, content as a list of parts, errors in many
shapes, and no `[DONE]` after the finish.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .dialect import Dialect, Holes, Message, chat_body, prefilled
from .events import (
    BlockKind,
    BlockStart,
    BlockStop,
    End,
    Error,
    Finish,
    FinishReason,
    Other,
    ReasoningDelta,
    Start,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from .surrogates import SurrogateJoiner, whole
from .values import error_code, error_fields, error_message, json_text, piece, word

__all__ = ["OPENAI_CHAT", "ChatDecoder"]

_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "length": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "error": "error",
}

#: Members of a delta that have no place among the stream events: handed on as `Other`.
_OTHER_MEMBERS = ("audio", "annotations", "reasoning_details")

#: Characters of a tool call's arguments that wait for its name. Where a name comes late, it comes in the next chunk or
#: the one after; a call that still has none then opens without.
MAX_WAITING = 64 * 1024


class ChatDecoder:
    """Decodes one stream of chat completion chunks."""

    def __init__(self) -> None:
        self.ended: bool = False
        self._started = False
        self._failed = False
        self._blocks = 0
        self._choices: dict[int, _Choice] = {}

    def receive_message(self, message: Message) -> list[StreamEvent]:
        if self.ended:
            return []
        data = message.data
        if data.startswith("[DONE]"):
            return self._end(clean=not self._failed, raw=data)
        try:
            chunk = json.loads(data)
        except (ValueError, RecursionError) as error:
            return [self._not_json(message, error)]
        if isinstance(chunk, dict):
            return self._chunk(chunk, message) or [Other(word(chunk.get("object")) or "chunk", data)]
        if message.event == "error":
            return [self._error({"message": data}, data)]
        return [Other("not-a-chunk", data)]

    def finished(self) -> bool:
        return bool(self._choices) and all(choice.finished for choice in self._choices.values())

    def receive_eof(self) -> list[StreamEvent]:
        if self.ended:
            return []
        return self._end(clean=self.finished() and not self._failed, raw="")

    def _not_json(self, message: Message, error: Exception) -> StreamEvent:
        """An error in words, a chunk that was cut or garbled, or a keepalive that was sent as data."""
        data = message.data
        if message.event == "error":
            return self._error({"message": data}, data)
        if data.lstrip().startswith(("{", "[")):
            return Error("invalid_json", f"a chunk is not JSON: {error}", fatal=False, raw=data)
        return Other("not-json", data)

    def _error(self, fields: Mapping[str, Any], raw: str) -> Error:
        self._failed = True
        return Error(error_code(fields, "code", "type", "status_code"), error_message(fields), fatal=True, raw=raw)

    def _end(self, *, clean: bool, raw: str) -> list[StreamEvent]:
        self.ended = True
        closing: list[StreamEvent] = [event for choice in self._choices.values() for event in choice.close(raw)]
        return [*closing, End(clean, raw)]

    def _chunk(self, chunk: dict[str, Any], message: Message) -> list[StreamEvent]:
        raw = message.data
        events: list[StreamEvent] = []
        choices = chunk.get("choices")
        if not self._started and (chunk.get("id") or chunk.get("model") or choices):
            self._started = True
            events.append(Start(word(chunk.get("id")), word(chunk.get("model")), raw))
        for position, choice in enumerate(choices if isinstance(choices, list) else ()):
            if isinstance(choice, dict):
                events += self._choice(choice, position).receive(choice, raw)
        usage = chunk.get("usage")
        if isinstance(usage, dict):
            complete = self.finished()
            events.append(Usage(usage, complete, raw))
        fields = error_fields(chunk)
        if fields or message.event == "error":
            events.append(self._error(fields or chunk, raw))
        return events

    def _choice(self, choice: dict[str, Any], position: int) -> _Choice:
        index = choice.get("index")
        number = index if isinstance(index, int) and not isinstance(index, bool) else position
        if number not in self._choices:
            self._choices[number] = _Choice(number, self._new_block)
        return self._choices[number]

    def _new_block(self) -> int:
        self._blocks += 1
        return self._blocks - 1


class _Choice:
    """One of the answers: its open block of text, reasoning or refusal, and its tool calls."""

    def __init__(self, number: int, new_block: Callable[[], int]) -> None:
        self.finished = False
        self._number = number
        self._new_block = new_block
        self._open: _Run | None = None
        self._tools: dict[int, _Tool] = {}
        self._tool_indexes: dict[str, int] = {}  # by id, for calls without an index
        self._last_tool = 0
        self._next_tool = 0

    def receive(self, choice: dict[str, Any], raw: str) -> list[StreamEvent]:
        delta = choice.get("delta")
        events = list(self._delta(delta, raw)) if isinstance(delta, dict) else []
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason:
            if self.finished:
                events.append(Other("finish_reason", raw))
            else:
                self.finished = True
                events += self.close(raw)
                events.append(Finish(_REASONS.get(reason, "other"), whole(reason), self._number, raw))
        return events

    def close(self, raw: str) -> list[StreamEvent]:
        """Closes what is open: at the finish, and at the end of the stream."""
        events = list(self._close_run(raw))
        for tool in self._tools.values():
            events += tool.close(raw)
        self._tools = {}
        return events

    def _delta(self, delta: dict[str, Any], raw: str) -> Iterator[StreamEvent]:
        reasoning = delta.get("reasoning_content") or delta.get("reasoning")
        if isinstance(reasoning, str):
            yield from self._run("reasoning", reasoning, raw)
        content = delta.get("content")
        if isinstance(content, str):
            yield from self._run("text", content, raw)
        elif isinstance(content, list):
            yield from self._parts(content, raw)
        refusal = delta.get("refusal")
        if isinstance(refusal, str):
            yield from self._run("refusal", refusal, raw)
        calls = delta.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, dict):
                yield from self._tool_call(call, raw)
        if isinstance(delta.get("function_call"), dict):
            yield from self._tool_call({"index": 0, "function": delta["function_call"]}, raw)
        for member in _OTHER_MEMBERS:
            if delta.get(member):
                yield Other(member, raw)

    def _parts(self, parts: list[Any], raw: str) -> Iterator[StreamEvent]:
        """Mistral: content as a list of typed parts, thinking being a list of its own."""
        for part in parts:
            kind = part.get("type") if isinstance(part, dict) else None
            if kind == "text":
                yield from self._run("text", piece(part.get("text")), raw)
            elif kind == "thinking":
                thinking = part.get("thinking")
                pieces = thinking if isinstance(thinking, list) else [{"text": thinking}]
                text = "".join(piece(item.get("text")) for item in pieces if isinstance(item, dict))
                yield from self._run("reasoning", text, raw)
            else:
                yield Other(word(kind) or "part", raw)

    def _run(self, kind: BlockKind, text: str, raw: str) -> Iterator[StreamEvent]:
        if not text:
            return
        if self._open is None or self._open.kind != kind:
            yield from self._close_run(raw)
            self._open = _Run(kind, self._new_block())
            yield BlockStart(self._open.block, kind, choice=self._number, raw=raw)
        whole = self._open.joiner.feed(text)
        if whole:
            yield self._open.delta(whole, raw)

    def _close_run(self, raw: str) -> Iterator[StreamEvent]:
        if self._open is not None:
            rest = self._open.joiner.flush()
            if rest:
                yield self._open.delta(rest, raw)
            yield BlockStop(self._open.block, raw)
            self._open = None

    def _tool_call(self, call: dict[str, Any], raw: str) -> Iterator[StreamEvent]:
        function = call.get("function")
        function = function if isinstance(function, dict) else {}
        tool_id, name = word(call.get("id")), word(function.get("name"))
        index = self._tool_index(call, tool_id, name)
        tool = self._tools.get(index)
        if tool is not None and tool.is_another(tool_id, name):
            yield from tool.close(raw)
            tool = None
        if tool is None:
            tool = self._tools[index] = _Tool(self._number, self._new_block)
        self._last_tool = index
        self._next_tool = max(self._next_tool, index + 1)
        if tool_id:
            self._tool_indexes[tool_id] = index
        arguments = function.get("arguments")
        text = json_text(arguments) if isinstance(arguments, dict) else piece(arguments)
        yield from tool.receive(tool_id, name, text, raw)

    def _tool_index(self, call: dict[str, Any], tool_id: str, name: str) -> int:
        """Without an index a call is known by its id, and without an id a name begins the next call."""
        index = call.get("index")
        if isinstance(index, int) and not isinstance(index, bool):
            return index
        if tool_id:
            return self._tool_indexes.get(tool_id, self._next_tool)
        last = self._tools.get(self._last_tool)
        return self._next_tool if name and last is not None and last.name else self._last_tool


class _Run:
    """An open block of text, reasoning or refusal."""

    def __init__(self, kind: BlockKind, block: int) -> None:
        self.kind = kind
        self.block = block
        self.joiner = SurrogateJoiner()

    def delta(self, text: str, raw: str) -> StreamEvent:
        if self.kind == "reasoning":
            return ReasoningDelta(self.block, text, raw)
        return TextDelta(self.block, text, raw)


class _Tool:
    """A tool call. It opens when its name is known, or when the stream stops without one having come."""

    def __init__(self, choice: int, new_block: Callable[[], int]) -> None:
        self.name = ""
        self._tool_id = ""
        self._choice = choice
        self._new_block = new_block
        self._block: int | None = None
        self._has_arguments = False
        self._waiting: list[str] = []
        self._waiting_size = 0
        self._joiner = SurrogateJoiner()

    def is_another(self, tool_id: str, name: str) -> bool:
        """Servers that give every parallel call the index 0 tell the calls apart by id and name, or by name alone.

        A new id alone tells nothing: some servers make one up for every chunk.
        """
        if not name or not self.name:
            return False
        if tool_id and self._tool_id:
            return tool_id != self._tool_id
        return name != self.name and self._has_arguments

    def receive(self, tool_id: str, name: str, arguments: str, raw: str) -> Iterator[StreamEvent]:
        self._tool_id = self._tool_id or tool_id
        self.name = self.name or name
        self._wait(self._joiner.feed(arguments))
        if self.name or self._block is not None or self._waiting_size > MAX_WAITING:
            yield from self._give(raw)

    def close(self, raw: str) -> Iterator[StreamEvent]:
        self._wait(self._joiner.flush())
        yield from self._give(raw)
        assert self._block is not None
        yield BlockStop(self._block, raw)

    def _wait(self, arguments: str) -> None:
        if arguments:
            self._has_arguments = True
            self._waiting.append(arguments)
            self._waiting_size += len(arguments)

    def _give(self, raw: str) -> Iterator[StreamEvent]:
        if self._block is None:
            self._block = self._new_block()
            yield BlockStart(self._block, "tool", self._tool_id, self.name, self._choice, raw)
        if self._waiting:
            yield ToolCallDelta(self._block, "".join(self._waiting), raw)
            self._waiting = []
            self._waiting_size = 0


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
    stray_errors=True,
    holes=Holes(
        texts=[
            *(("choices", 0, "delta", name) for name in ("content", "reasoning_content", "reasoning")),
            ("choices", 0, "delta", "tool_calls", 0, "function", "arguments"),
        ],
        free=[("obfuscation",), ("p",)],
    ),
    usage_members={"stream_options": {"include_usage": True}},
    terminator="[DONE], or the end after finish_reason",
)

"""OpenAI Chat Completions, and the twenty-odd servers that are compatible with it more or less.

In: messages whose data is a `chat.completion.chunk` as JSON, then `[DONE]`. Out: stream events.
The format is that of OpenAI's API description (chat streaming); the deviations that are read here were all seen
on the wire: empty `choices`, a missing delta, usage with or after the finish, tool calls without an index or all
with index 0, whole or in pieces, reasoning under two names, content as a list of parts, errors in five shapes,
and no `[DONE]` after the finish.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from .dialect import Dialect, Message
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
from .surrogates import SurrogateJoiner

__all__ = ["OPENAI_CHAT", "ChatDecoder", "error_fields"]

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


class ChatDecoder:
    """Decodes one stream of chat completion chunks."""

    def __init__(self) -> None:
        self.ended = False
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
            if data.lstrip().startswith(("{", "[")):
                return [Error("invalid_json", f"a chunk is not JSON: {error}", fatal=False, raw=data)]
            return [Other("not-json", data)]
        if not isinstance(chunk, dict):
            return [Other("not-a-chunk", data)]
        return self._chunk(chunk, message) or [Other(str(chunk.get("object") or "chunk"), data)]

    def receive_eof(self) -> list[StreamEvent]:
        if self.ended:
            return []
        finished = bool(self._choices) and all(choice.finished for choice in self._choices.values())
        return self._end(clean=finished and not self._failed, raw="")

    def _end(self, *, clean: bool, raw: str) -> list[StreamEvent]:
        self.ended = True
        closing: list[StreamEvent] = [event for choice in self._choices.values() for event in choice.close(raw)]
        return [*closing, End(clean, raw)]

    def _chunk(self, chunk: dict[str, Any], message: Message) -> list[StreamEvent]:
        raw = message.data
        events: list[StreamEvent] = []
        if not self._started and (chunk.get("id") or chunk.get("model")):
            self._started = True
            events.append(Start(_text(chunk.get("id")), _text(chunk.get("model")), raw))
        choices = chunk.get("choices")
        for position, choice in enumerate(choices if isinstance(choices, list) else ()):
            if isinstance(choice, dict):
                events += self._choice(choice, position).receive(choice, raw)
        usage = chunk.get("usage")
        if isinstance(usage, dict):
            complete = bool(self._choices) and all(c.finished for c in self._choices.values())
            events.append(Usage(usage, complete, raw))
        fields = error_fields(chunk) or (_bare_error(chunk) if message.event == "error" else {})
        if fields:
            self._failed = True
            events.append(Error(_code(fields), _text(fields.get("message")), fatal=True, raw=raw))
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

    def __init__(self, number: int, new_block: Any) -> None:
        self.finished = False
        self._number = number
        self._new_block = new_block
        self._open: _Run | None = None
        self._tools: dict[int, _Tool] = {}
        self._last_tool = 0

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
                events.append(Finish(_REASONS.get(reason, "other"), reason, self._number, raw))
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
                yield from self._run("text", _text(part.get("text")), raw)
            elif kind == "thinking":
                thinking = part.get("thinking")
                pieces = thinking if isinstance(thinking, list) else [{"text": thinking}]
                text = "".join(_text(piece.get("text")) for piece in pieces if isinstance(piece, dict))
                yield from self._run("reasoning", text, raw)
            else:
                yield Other(_text(kind) or "part", raw)

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
        tool_id, name = _text(call.get("id")), _text(function.get("name"))
        index = self._tool_index(call, tool_id)
        tool = self._tools.get(index)
        if tool is not None and tool.is_another(tool_id, name):
            yield from tool.close(raw)
            tool = None
        if tool is None:
            tool = self._tools[index] = _Tool(self._number, self._new_block)
        self._last_tool = index
        arguments = function.get("arguments")
        if isinstance(arguments, dict):
            arguments = json.dumps(arguments, ensure_ascii=False)
        yield from tool.receive(tool_id, name, _text(arguments), raw)

    def _tool_index(self, call: dict[str, Any], tool_id: str) -> int:
        index = call.get("index")
        if isinstance(index, int) and not isinstance(index, bool):
            return index
        if not tool_id:
            return self._last_tool
        known = [number for number, tool in self._tools.items() if tool.tool_id == tool_id]
        return known[0] if known else max(self._tools, default=-1) + 1


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

    def __init__(self, choice: int, new_block: Any) -> None:
        self.tool_id = ""
        self._choice = choice
        self._name = ""
        self._new_block = new_block
        self._block: int | None = None
        self._waiting = ""
        self._joiner = SurrogateJoiner()

    def is_another(self, tool_id: str, name: str) -> bool:
        """Servers that give every parallel call the index 0 tell the calls apart by id and name."""
        return bool(self.tool_id and tool_id and name and tool_id != self.tool_id)

    def receive(self, tool_id: str, name: str, arguments: str, raw: str) -> Iterator[StreamEvent]:
        self.tool_id = self.tool_id or tool_id
        self._name = self._name or name
        self._waiting += self._joiner.feed(arguments)
        if self._name:
            yield from self._give(raw)

    def close(self, raw: str) -> list[StreamEvent]:
        self._waiting += self._joiner.flush()
        events = list(self._give(raw))
        return [*events, BlockStop(self._block, raw)] if self._block is not None else events

    def _give(self, raw: str) -> Iterator[StreamEvent]:
        if self._block is None:
            self._block = self._new_block()
            yield BlockStart(self._block, "tool", self.tool_id, self._name, self._choice, raw)
        if self._waiting:
            yield ToolCallDelta(self._block, self._waiting, raw)
            self._waiting = ""


def error_fields(body: Any) -> dict[str, Any]:
    """The error object of a chunk or of the body of a refusal; empty where there is none.

    Shapes seen: {"error": {…}}, {"error": "words"}, {"object": "error", "message": …}.
    """
    if not isinstance(body, dict):
        return {}
    error = body.get("error")
    if isinstance(error, dict) and error:
        return error
    if isinstance(error, str) and error:
        return {"message": error}
    if body.get("object") == "error":
        return body
    return {}


def _bare_error(body: dict[str, Any]) -> dict[str, Any]:
    """An `event: error` whose data is the error itself."""
    return body if "message" in body else {"message": json.dumps(body, ensure_ascii=False)}


def _code(fields: Mapping[str, Any]) -> str:
    for name in ("code", "type", "status_code"):
        if fields.get(name) is not None:
            return str(fields[name])
    return ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _body(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"stream": True, **body}


OPENAI_CHAT = Dialect(
    name="openai-chat",
    framing="sse",
    path="/v1/chat/completions",
    method="POST",
    content_type="text/event-stream",
    decoder=ChatDecoder,
    body=_body,
    error_fields=error_fields,
)

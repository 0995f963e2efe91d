"""What the server's sides of Gemini's dialects share: parts, counts, what a request wants, refusals, the key."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from ..dialects.dialect import Tool
from ..dialects.values import listed, mapping, member, word
from .replies import Payload, google_error, json_reply
from .seams import Call, Reply
from .service import bearer_of
from .story import Failure, Part, Reasoning, Script, Text, ToolCall
from .wanted import Heard, Refusal, Wanted, heard, limit_of, text_of, tool_of

__all__ = [
    "failure_of",
    "field",
    "key_of",
    "part_of",
    "refuse",
    "tokens_of",
    "usage_of",
    "wanted_of",
    "words_of",
]


def part_of(part: Part, text: str) -> Payload:
    """A part of a content with a piece of the script; a call is always whole."""
    match part:
        case Text():
            return {"text": text}
        case Reasoning():
            return {"text": text, "thought": True}
        case ToolCall():
            return {"functionCall": {"id": part.id, "name": part.name, "args": json.loads(part.whole)}}


def tokens_of(script: Script) -> Counter[type[Part]]:
    """All tokens of a script, by the kind of their part."""
    tokens: Counter[type[Part]] = Counter()
    for part in script.parts:
        tokens[type(part)] += len(part.pieces)
    return tokens


def usage_of(script: Script, told: Counter[type[Part]], answer: str = "candidatesTokenCount") -> Payload:
    """The counts, after so many tokens of each kind; `answer` is the name of those that are no thoughts."""
    thoughts = told[Reasoning]
    counts = {
        "promptTokenCount": script.prompt_tokens,
        answer: told.total() - thoughts,
        "totalTokenCount": script.prompt_tokens + told.total(),
    }
    return {**counts, "thoughtsTokenCount": thoughts} if thoughts else counts


def wanted_of(request: Mapping[str, Any], model: str, said: Heard) -> Wanted:
    """What is wanted. `request` has the instruction, the tools and the `generationConfig`; `said`: the prompt."""
    config = field(request, "generationConfig")
    forbidden = field(request, "toolConfig", "functionCallingConfig", "mode") == "NONE"
    tools = [] if forbidden else listed(request.get("tools"))
    return Wanted(
        model=model,
        prompt=words_of([mapping(field(request, "systemInstruction"))]) + said,
        tools=tuple(_tool(function) for tool in tools for function in listed(field(tool, "functionDeclarations"))),
        max_tokens=limit_of(field(config, "maxOutputTokens")),
        reasoning=field(config, "thinkingConfig", "includeThoughts") is True,
    )


def field(value: Any, *path: str) -> Any:
    """A member, by its name in JSON or in the proto: readers of ProtoJSON take both, and Google's SDK mixes them."""
    for name in path:
        members = mapping(value)
        value = members.get(name, members.get(re.sub("[A-Z]", lambda capital: f"_{capital[0].lower()}", name)))
    return value


def words_of(contents: list[dict[str, Any]]) -> Heard:
    """What contents say."""
    return heard(text_of(content.get("parts")) for content in contents)


def _tool(function: dict[str, Any]) -> Tool:
    """A declaration has a JSON schema, or one of Google's own, whose types are in capitals."""
    schema = field(function, "parametersJsonSchema")
    if schema is None:
        properties = mapping(member(function, "parameters", "properties"))
        schema = {"properties": {name: {**mapping(kind), "type": _lower(kind)} for name, kind in properties.items()}}
    return tool_of({**function, "parameters": schema})


def _lower(schema: Any) -> str:
    return word(mapping(schema).get("type")).lower()


def failure_of(failure: Failure) -> Payload:
    """The error of a generation that failed."""
    return google_error(503 if failure.code == "overloaded" else 500, failure.message)


def refuse(refusal: Refusal) -> Reply:
    """A refusal in Google's words."""
    return json_reply(refusal.status, google_error(refusal.status, refusal.message))


def key_of(call: Call) -> str:
    """The key has a field of its own; it may also stand in the query, or be a bearer token."""
    return call.header("x-goog-api-key") or call.query.get("key", "") or bearer_of(call)

"""How each dialect is asked: one table, from which come what `check` asks, its help, and the probes' questions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from tokenwire.dialects import DIALECTS, Dialect

__all__ = [
    "ASKING",
    "FORGIVING",
    "PROMPTED",
    "RESPONSES_LIMIT",
    "SPOKEN",
    "Asking",
    "asking_of",
    "asks_model",
    "base_of",
    "named_in",
    "unframed",
    "whole_in",
]

#: The least tokens that OpenAI's Responses allow to an answer.
RESPONSES_LIMIT = 16


def _message_of(body: Any) -> Any:
    """The words of `{"error": {"message": …}}`, as OpenAI and most others have it."""
    error = _member(body, "error")
    return _member(error, "message")


def _message_of_first(body: Any) -> Any:
    """The same, of Gemini: without `alt=sse` the body is an array."""
    return _message_of(body[0] if isinstance(body, list) and body else body)


def _message_of_ollama(body: Any) -> Any:
    """The words of `{"error": "…"}`; empty ones tell nothing."""
    return _member(body, "error") or None


def _message_by(dialect: str) -> Callable[[Any], Any]:
    """The words as the decoder of the dialect finds them, where its envelope is its own."""
    return lambda body: DIALECTS[dialect].error_fields(body).get("message")


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


@dataclass(frozen=True, slots=True)
class Asking:
    """How one dialect is asked over HTTP, besides what its `Dialect` knows.

    :ivar plain: the probe that asks the plain question.
    :ivar models: where the endpoint lists its models, behind the base of its paths.
    :ivar whole: members of the body for an answer that is not streamed, where it is not enough to say nothing.
    :ivar whole_tail: what the path has behind the model for such an answer, where the model stands in the path.
    :ivar call_tools: members that demand that tools are called.
    :ivar steady: members that make an answer as repeatable as can be.
    :ivar least_tokens: the least tokens that may be allowed to an answer.
    :ivar refusal: the words of the error in a refusal's JSON: text, or anything else where it has none.
    """

    plain: str = "stream"
    models: str = "/models"
    whole: Mapping[str, Any] = field(default_factory=dict)
    whole_tail: str = ""
    call_tools: Mapping[str, Any] = field(default_factory=dict)
    steady: Mapping[str, Any] = field(default_factory=dict)
    least_tokens: int = 1
    refusal: Callable[[Any], Any] = _message_of


#: The dialects that the suite asks over HTTP.
ASKING: Mapping[str, Asking] = {
    "openai-chat": Asking(call_tools={"tool_choice": "required"}, steady={"temperature": 0, "seed": 7}),
    "openai-completions": Asking(),
    "openai-responses": Asking(call_tools={"tool_choice": "required"}, least_tokens=RESPONSES_LIMIT),
    "anthropic-messages": Asking(call_tools={"tool_choice": {"type": "any"}}),
    "mistral": Asking(call_tools={"tool_choice": "any"}, refusal=_message_by("mistral")),
    "cohere-v2": Asking(call_tools={"tool_choice": "REQUIRED"}, refusal=_message_by("cohere-v2")),
    "gemini": Asking(
        whole_tail=":generateContent",
        call_tools={"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}},
        refusal=_message_of_first,
    ),
    "gemini-interactions": Asking(),
    "bedrock-converse": Asking(whole_tail="/converse", refusal=_message_by("bedrock-converse")),
    "ollama": Asking(models="/tags", whole={"stream": False}, refusal=_message_of_ollama),
    "eventsource": Asking(plain="events"),
}

#: The dialects that have answers of their own over WebSocket, and those of them whose connection goes on after an
#: answer or an error (Gemini Live closes it).
SPOKEN = tuple(name for name, dialect in DIALECTS.items() if dialect.opening is not None and name != "raw")
FORGIVING = tuple(name for name in SPOKEN if name != "gemini-live")

_UNLISTED = Asking()


def asks_model(dialect: Dialect) -> bool:
    """A model is asked in the dialect; server-sent events alone are only listened to, and raw messages name none."""
    return dialect.method == "POST" or dialect.name in SPOKEN


#: Those dialects over HTTP in which a model is asked.
PROMPTED = tuple(name for name in ASKING if asks_model(DIALECTS[name]))


def asking_of(dialect: str) -> Asking:
    """How a dialect is asked. One that is not in the table, and spoken over WebSocket, is asked like most."""
    return ASKING.get(dialect, _UNLISTED)


def unframed(path: str) -> str:
    """The path of a stream, without the framing that its query asks for (`alt=sse`)."""
    where, _, query = path.partition("?")
    members = [member for member in query.split("&") if member and member != "alt=sse"]
    return where + ("?" + "&".join(members) if members else "")


def whole_in(path: str, dialect: Dialect) -> str:
    """Where an answer that is not streamed is asked for, if the path of the stream says that it is one."""
    path, tail = unframed(path), _stream_tail(dialect)
    return path.replace(tail, asking_of(dialect.name).whole_tail) if tail else path


def named_in(path: str, dialect: Dialect, model: str) -> str | None:
    """The path with another model in it, where the dialect has the model in its path; None where there is no place.

    The model is the part of the path before what the dialect has behind its `{model}`, whatever stands before it:
    `/models/`, `/tunedModels/`, a gateway's prefix.
    """
    where, mark, query = path.partition("?")
    for tail in filter(None, (_stream_tail(dialect), asking_of(dialect.name).whole_tail)):
        named, places = re.subn(rf"[^/]+(?={re.escape(tail)}\Z)", lambda _: quote(model, safe=""), where)
        if places:
            return named + mark + query
    return None


def _stream_tail(dialect: Dialect) -> str:
    """What the dialect's path has behind its `{model}`; empty where the model is not in the path, or ends it."""
    return dialect.path.partition("?")[0].partition("{model}")[2]


def base_of(path: str) -> str:
    """The beginning of a path, before what any dialect has there: `/v1`, `/v1beta`, `/api`."""
    return _OWN.sub("", path.partition("?")[0]).rstrip("/")


def _pattern(dialects_path: str) -> str:
    """What a dialect's path is behind its base. The model may stand in a folder of another name (`/tunedModels/`)."""
    own = re.sub(r"\A/(v[0-9]\w*|api)(?=/)", "", dialects_path.partition("?")[0])
    parts = (re.escape(part) for part in re.sub(r"[^/]+/\{model\}", "{folder}/{model}", own).split("/"))
    return "/".join(parts).replace(r"\{folder\}", "[^/]+").replace(r"\{model\}", "[^/]+")


_PATHS = [path for dialect in DIALECTS.values() for path in (dialect.path, dialect.websocket_path) if path.strip("/")]
_OWN = re.compile("(" + "|".join(sorted({_pattern(path) for path in _PATHS}, key=len, reverse=True)) + r")\Z")

"""Frames or messages to stream events. One module a dialect; `DIALECTS` has them by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from ..checking import must_be_one_of
from .dialect import Dialect
from .names import DialectName

__all__ = ["DIALECTS", "Dialect", "DialectName", "dialect_named"]

#: Where each dialect is, under its name in capitals.
_MODULES = {
    "openai-chat": "openai_chat",
    "openai-completions": "openai_completions",
    "openai-responses": "openai_responses",
    "openai-realtime": "openai_realtime",
    "anthropic-messages": "anthropic",
    "mistral": "mistral",
    "cohere-v2": "cohere",
    "cohere-v1": "cohere",
    "bedrock-converse": "bedrock",
    "bedrock-invoke": "bedrock_invoke",
    "gemini": "gemini",
    "gemini-interactions": "gemini_interactions",
    "gemini-live": "gemini_live",
    "ollama": "ollama",
    "holysheep": "holysheep",
    "vercel-ui": "vercel_ui",
    "ag-ui": "ag_ui",
    "mcp": "mcp",
    "a2a": "a2a",
    "eventsource": "eventsource",
    "raw": "raw",
}


class _Dialects(Mapping[str, Dialect]):
    """The dialects by name. One loads when it is taken, for a program speaks one or two of them."""

    def __init__(self) -> None:
        self._loaded: dict[str, Dialect] = {}

    def __getitem__(self, name: str) -> Dialect:
        if name not in self._loaded:
            module = import_module(f".{_MODULES[name]}", __name__)
            self._loaded[name] = getattr(module, name.upper().replace("-", "_"))
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in _MODULES

    def __iter__(self) -> Iterator[str]:
        return iter(_MODULES)

    def __len__(self) -> int:
        return len(_MODULES)


DIALECTS: Mapping[str, Dialect] = _Dialects()


def dialect_named(name: object) -> Dialect:
    """The dialect of that name; a dialect is taken as it is.

    :raises LocalProtocolError: when there is none; the message says which one is near, and lists those that are.
    """
    if isinstance(name, Dialect):
        return name
    must_be_one_of(name, DIALECTS, "dialect")
    return DIALECTS[str(name)]

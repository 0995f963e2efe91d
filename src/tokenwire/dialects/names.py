"""The names of the dialects, for type checkers: a mistyped one is an error before anything runs."""

from __future__ import annotations

from typing import Literal

__all__ = ["DialectName"]

#: The keys of `DIALECTS`, and "auto", which guesses.
DialectName = Literal[
    "auto",
    "openai-chat",
    "openai-completions",
    "openai-responses",
    "openai-realtime",
    "anthropic-messages",
    "mistral",
    "cohere-v2",
    "cohere-v1",
    "bedrock-converse",
    "bedrock-invoke",
    "gemini",
    "gemini-interactions",
    "gemini-live",
    "ollama",
    "holysheep",
    "vercel-ui",
    "ag-ui",
    "mcp",
    "a2a",
    "eventsource",
    "raw",
]

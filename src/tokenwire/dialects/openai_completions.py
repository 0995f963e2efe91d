"""OpenAI Completions, the legacy endpoint that continues a prompt: chat completion chunks with `text` for a delta.

The decoder of chat reads `text` too, for some servers of chat send it.
"""

from __future__ import annotations

from typing import Any

from .dialect import Dialect, Prompt
from .openai_chat import OPENAI_CHAT, ChatDecoder

__all__ = ["OPENAI_COMPLETIONS"]


def _ask(prompt: Prompt) -> dict[str, Any]:
    """An instruction is the beginning of the prompt; the endpoint knows no tools."""
    body: dict[str, Any] = {"model": prompt.model} if prompt.model else {}
    body["prompt"] = "\n\n".join(part for part in (prompt.system, prompt.text) if part)
    if prompt.max_tokens is not None:
        body["max_tokens"] = prompt.max_tokens
    return body


OPENAI_COMPLETIONS = Dialect(
    name="openai-completions",
    framing="sse",
    path="/v1/completions",
    method="POST",
    content_type="text/event-stream",
    decoder=ChatDecoder,
    ask=_ask,
    body=OPENAI_CHAT.body,
    error_fields=OPENAI_CHAT.error_fields,
    tools=False,
    reasoning=False,
    usage_members={"stream_options": {"include_usage": True}},
    terminator=OPENAI_CHAT.terminator,
)

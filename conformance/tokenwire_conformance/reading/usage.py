"""How many tokens an endpoint says that it has used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

import tokenwire
from tokenwire.dialects import DIALECTS
from tokenwire.errors import TokenwireError

from .generation import dialect_of
from .http import Response
from .sockets import Socket
from .transcript import Transcript

__all__ = ["tokens_told"]

#: Names of a sum.
_SUMS = (("total_tokens",), ("totalTokenCount",), ("totalTokens",))

#: Names of what goes into one, where there is no sum: what was read, and what was written.
_PARTS = (
    ("prompt_tokens", "completion_tokens"),
    ("input_tokens", "output_tokens"),
    ("inputTokens", "outputTokens"),
    ("prompt_eval_count", "eval_count"),
)


def tokens_told(transcript: Transcript) -> int | None:
    """The tokens of all answers on a connection, as far as their usage is told; None where it is of none."""
    told = [tokens for response in transcript.responses for tokens in _told_in(response) if tokens is not None]
    return sum(told) if told else None


def _told_in(response: Response) -> list[int | None]:
    dialect = dialect_of(response)
    if response.status == 101 and response.head_complete:
        socket = Socket(response, DIALECTS[dialect])
        return [_total(answer.usage or {}) for answer in socket.answers]
    if not 200 <= response.status < 300 or response.request.method != "POST":
        return []
    return [_total(_last_usage(response.content, dialect))]


def _last_usage(content: bytes, dialect: str) -> Mapping[str, Any]:
    """What the last usage in a body counts. A body that breaks off, or is none of the dialect, may have none."""
    counts: Mapping[str, Any] = {}
    try:
        for event in tokenwire.decode([content], DIALECTS[dialect], on_error="event"):
            if isinstance(event, tokenwire.Usage):
                counts = event.counts
    except TokenwireError:
        pass
    return counts


def _total(counts: Mapping[str, Any]) -> int | None:
    """The sum of what a usage counts, whatever the provider's names; Cohere and others have it one level deeper."""
    for names in (*_SUMS, *_PARTS):
        known = [value for name in names if _is_count(value := counts.get(name))]
        if known:
            return sum(known)
    deeper = (_total(value) for value in counts.values() if isinstance(value, Mapping))
    return next((total for total in deeper if total is not None), None)


def _is_count(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0

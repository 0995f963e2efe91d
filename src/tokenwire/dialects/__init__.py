"""Frames or messages to stream events. One module a dialect; `DIALECTS` has them by name."""

from __future__ import annotations

from ..errors import LocalProtocolError
from .anthropic import ANTHROPIC_MESSAGES
from .dialect import Dialect
from .eventsource import EVENTSOURCE
from .holysheep import HOLYSHEEP
from .openai_chat import OPENAI_CHAT
from .raw import RAW

__all__ = ["DIALECTS", "Dialect", "dialect_named"]

_ALL = (
    OPENAI_CHAT,
    ANTHROPIC_MESSAGES,
    HOLYSHEEP,
    EVENTSOURCE,
    RAW,
)

DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in _ALL}


def dialect_named(name: str) -> Dialect:
    """The dialect of that name.

    :raises LocalProtocolError: when there is none; the message lists those that are.
    """
    try:
        return DIALECTS[name]
    except KeyError:
        raise LocalProtocolError(f"no dialect {name!r}; known: {', '.join(DIALECTS)}") from None

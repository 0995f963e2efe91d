"""Frames or messages to stream events. One module a dialect; `DIALECTS` has them by name."""

from __future__ import annotations

from ..checking import must_be_one_of
from .a2a import A2A
from .ag_ui import AG_UI
from .anthropic import ANTHROPIC_MESSAGES
from .bedrock import BEDROCK_CONVERSE
from .bedrock_invoke import BEDROCK_INVOKE
from .cohere import COHERE_V1, COHERE_V2
from .dialect import Dialect
from .eventsource import EVENTSOURCE
from .gemini import GEMINI
from .gemini_interactions import GEMINI_INTERACTIONS
from .gemini_live import GEMINI_LIVE
from .holysheep import HOLYSHEEP
from .mcp import MCP
from .mistral import MISTRAL
from .names import DialectName
from .ollama import OLLAMA
from .openai_chat import OPENAI_CHAT
from .openai_completions import OPENAI_COMPLETIONS
from .openai_realtime import OPENAI_REALTIME
from .openai_responses import OPENAI_RESPONSES
from .raw import RAW
from .vercel_ui import VERCEL_UI

__all__ = ["DIALECTS", "Dialect", "DialectName", "dialect_named"]

_ALL = (
    OPENAI_CHAT,
    OPENAI_COMPLETIONS,
    OPENAI_RESPONSES,
    OPENAI_REALTIME,
    ANTHROPIC_MESSAGES,
    MISTRAL,
    COHERE_V2,
    COHERE_V1,
    BEDROCK_CONVERSE,
    BEDROCK_INVOKE,
    GEMINI,
    GEMINI_INTERACTIONS,
    GEMINI_LIVE,
    OLLAMA,
    HOLYSHEEP,
    VERCEL_UI,
    AG_UI,
    MCP,
    A2A,
    EVENTSOURCE,
    RAW,
)

DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in _ALL}


def dialect_named(name: object) -> Dialect:
    """The dialect of that name; a dialect is taken as it is.

    :raises LocalProtocolError: when there is none; the message says which one is near, and lists those that are.
    """
    if isinstance(name, Dialect):
        return name
    must_be_one_of(name, DIALECTS, "dialect")
    return DIALECTS[str(name)]

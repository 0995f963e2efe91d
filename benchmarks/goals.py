"""What is aimed at: ratios of two figures of one run, for figures alone move with the machine."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["GOALS", "MAX_GROWTH", "MAX_SLOWDOWN", "Goal"]

#: Bytes by which a process may grow while a gigabyte streams through it.
MAX_GROWTH = 2 * 1024 * 1024

#: How much more a megabyte may cost in eight of them than in two: 1 is linear, 4 quadratic, and
#: what a cache and the allocator do to something linear lies between a half and one and a half.
MAX_SLOWDOWN = 2.0


@dataclass(frozen=True)
class Goal:
    """On a case, ours takes at most so much of what theirs takes."""

    case: str
    theirs: str
    at_most: float
    ours: str = "tokenwire"


GOALS = [
    Goal("SSE framing: chat, 16 KiB reads", "httpx-sse", 0.50),
    Goal("SSE framing: chat, one event a read", "httpx-sse", 0.55),
    Goal("SSE framing: anthropic, 16 KiB reads", "httpx-sse", 0.60),
    Goal("SSE framing: anthropic, one event a read", "httpx-sse", 0.60),
    Goal("to deltas: openai-chat, 16 KiB reads", "floor: orjson.loads", 1.0),
    Goal("to deltas: openai-chat, one event a read", "openai", 0.02),
    Goal("to deltas: anthropic-messages, 16 KiB reads", "floor: orjson.loads", 1.2),
    Goal("to deltas: openai-responses, 16 KiB reads", "floor: orjson.loads", 1.2),
    Goal("to deltas: holysheep, 16 KiB reads", "floor: orjson.loads", 1.2),
    Goal("WebSocket frames: 60 bytes, 16 KiB reads", "picows", 1.0),
    Goal("WebSocket frames: 60 bytes, one a read", "picows", 1.0),
    Goal("WebSocket frames: 60 bytes, 16 KiB reads", "aiohttp, Cython", 0.7),
    Goal("WebSocket frames: 60 bytes, one a read", "aiohttp, Cython", 0.7),
    Goal("masked frame: 64 B", "wsproto", 0.3),
    Goal("masked frame: 1 KiB", "wsproto", 0.5),
]

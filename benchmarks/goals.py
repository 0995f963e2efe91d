"""What is aimed at: ratios of two figures of one run, for figures alone move with the machine."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["GOALS", "MAX_GROWTH", "MAX_SLOWDOWN", "MAX_START", "MAX_WHOLE_GROWTH", "Goal"]

#: Bytes by which a process may grow while a gigabyte streams through it.
MAX_GROWTH = 2 * 1024 * 1024

#: The same for a whole stream, besides the text that it keeps.
MAX_WHOLE_GROWTH = 4 * 1024 * 1024

#: How much more processor time a first stream may take, from the start of Python, than a request of the standard
#: library.
MAX_START = 1.5

#: How much more a megabyte may cost in eight of them than in two: 1 is linear, 4 quadratic, and
#: what a cache and the allocator do to something linear lies between a half and one and a half.
MAX_SLOWDOWN = 2.0


@dataclass(frozen=True)
class Goal:
    """On a case, ours takes at most so much of what theirs takes.

    :ivar above: the floor that is taken off both: where each event wakes the client, nobody can cost less.
    """

    case: str
    theirs: str
    at_most: float
    ours: str = "tokenwire"
    above: str = ""


WHOLE_WAY = [
    Goal("whole way: chat in a burst, blocking", "http.client + json", 0.25),
    Goal("whole way: chat in a burst, blocking", "openai", 0.02),
    Goal("whole way: chat in a burst, asyncio", "aiohttp + json", 0.35),
    Goal("whole way: chat in a burst, asyncio", "httpx2's SSE + json", 0.5),
    Goal("whole way: chat, 50 µs apart, blocking", "http.client + json", 0.25, above="floor: recv"),
    Goal("whole way: chat, 50 µs apart, asyncio", "aiohttp + json", 0.35, above="floor: Protocol"),
    Goal("whole way: chat, 20 ms apart, blocking", "http.client + json", 0.25, above="floor: recv"),
    Goal("whole way: chat, 20 ms apart, asyncio", "aiohttp + json", 0.35, above="floor: Protocol"),
    Goal("whole way: chat in a burst over TLS, blocking", "http.client + json", 0.5),
    Goal("whole way: WebSocket in a burst, blocking", "websockets + json", 0.5),
    Goal("whole way: WebSocket in a burst, asyncio", "websockets + json", 0.5),
    Goal("whole way: WebSocket in a burst, asyncio", "picows + json", 0.7),
    Goal("whole way: WebSocket, 50 µs apart, blocking", "websockets + json", 0.5, above="floor: recv"),
    Goal("whole way: WebSocket, 50 µs apart, asyncio", "websockets + json", 0.5, above="floor: Protocol"),
    Goal("whole way: WebSocket, 20 ms apart, blocking", "websockets + json", 0.5, above="floor: recv"),
    Goal("whole way: WebSocket, 20 ms apart, asyncio", "websockets + json", 0.5, above="floor: Protocol"),
    Goal("whole way: answers of 30 tokens, a connection each", "http.client + json", 1.0),
    Goal("whole way: answers of 30 tokens, one connection", "http.client + json", 0.6),
]

GOALS = [
    *WHOLE_WAY,
    Goal("layers: decode, 16 KiB reads", "Decoder", 1.25),
    Goal("layers: decode, one event a read", "Decoder", 1.25),
    Goal("layers: Session, 16 KiB reads", "Decoder", 1.5),
    Goal("HTTP: a body of 10,000 chunks, 16 KiB reads", "h11", 0.1),
    Goal("HTTP: a body of 10,000 chunks, one a read", "h11", 0.1),
    Goal("SSE framing: chat, one byte a read", "anthropic", 1.2),
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

"""Seeded traffic: the same bytes for every contender, and for every run."""

from __future__ import annotations

import json
import random

__all__ = ["EVENTS", "READ_SIZE", "chat_chunks", "named_events", "reads"]

#: Events in a workload.
EVENTS = 10_000

#: Bytes of a read, where reads are not one event each.
READ_SIZE = 16 * 1024


def chat_chunks() -> list[bytes]:
    """OpenAI chat completion chunks, with the obfuscation of varying length that the API adds; some 290 bytes each."""
    source = random.Random(7)
    blocks = []
    for _ in range(EVENTS):
        token = "".join(source.choices("abcdefghij klmnop", k=source.randint(1, 8)))
        chunk = {
            "id": "chatcmpl-DNcR5Lxp4Gvh7tChSgSugjQVB4LDc",
            "object": "chat.completion.chunk",
            "created": 1795458359,
            "model": "gpt-4.1-2025-04-14",
            "service_tier": "default",
            "system_fingerprint": "fp_b417ec2a87",
            "choices": [{"index": 0, "delta": {"content": token}, "logprobs": None, "finish_reason": None}],
            "usage": None,
            "obfuscation": "".join(source.choices("ABCDEFabcdef0123", k=source.randint(1, 16))),
        }
        blocks.append(b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n")
    return blocks


def named_events() -> list[bytes]:
    """Anthropic's shape: an `event` line and a `data` line."""
    blocks = []
    for number in range(EVENTS):
        delta = {"type": "text_delta", "text": f" t{number}"}
        payload = json.dumps({"type": "content_block_delta", "index": 0, "delta": delta})
        blocks.append(f"event: content_block_delta\ndata: {payload}\n\n".encode())
    return blocks


def reads(blocks: list[bytes], size: int | None) -> list[bytes]:
    """The blocks as reads: one each, or cut into so many bytes."""
    if size is None:
        return blocks
    whole = b"".join(blocks)
    return [whole[at : at + size] for at in range(0, len(whole), size)]

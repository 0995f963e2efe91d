"""Seeded traffic and recorded wires: the same bytes for every contender and every run, and what is to be read in them.

The shapes are those of the providers, as they are recorded: a text of words, punctuation and line ends; OpenAI's
`obfuscation` of varying length, Anthropic's blanks of varying number before the last brace, the numbers of Responses.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tokenwire.protocol.http import Body, HTTPExchange, HTTPRequest
from tokenwire.protocol.url import parse_url
from tokenwire.recording import load

__all__ = [
    "READ_SIZE",
    "SSE_SHAPES",
    "Traffic",
    "anthropic",
    "chat",
    "chat_multi_byte",
    "chat_tools",
    "frames",
    "heartbeats",
    "holysheep",
    "holysheep_messages",
    "huge_frame",
    "huge_line",
    "identified",
    "reads",
    "recorded_chat",
    "recorded_frames",
    "responses",
]

#: Bytes of a read, where reads are not one event each.
READ_SIZE = 16 * 1024

FIXTURES = Path(__file__).parent.parent / "fixtures"

#: Tokens, as they are frequent in prose with a little code: one in fourteen needs an escape in JSON.
_TOKENS = [" the", " of", ",", " and", ".", " to", " a", " in", " is", " that", " token", "ization", " stream", "ing"]
_TOKENS += [" model", " answer", "s", " for", " bytes", " on", " with", " as", " it", " was", " by", "\n", '"', "\n\n"]
_TOKENS += [" are", " an", " wire", "-", " frame", "'s", " over", " 45", " ms", ":", " cost", " from", " at", " each"]

#: The same in scripts that take two, three and four bytes a character.
_WIDE_TOKENS = ["你好", "，", "世界", " नमस्ते", " Grüße", " für", " мир", "。", " 👋🏽", "é", " the", ".", " 日本", "語"]

#: OpenAI pads deltas with so many of these.
_PADDING = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


#: The guide's last message.
_DONE = '{"type":"done"}'


@dataclass(frozen=True)
class Traffic:
    """What a server sends, and what is to be read in it.

    :ivar blocks: the bytes, one event (or comment, or frame) each.
    :ivar data: the data of each event, or each message.
    :ivar names: the names of the events.
    :ivar texts: the text of each delta, where there are deltas.
    :ivar dialect: in which the messages are.
    """

    blocks: Sequence[bytes]
    data: Sequence[str]
    names: Sequence[str] = ()
    texts: Sequence[str] = ()
    dialect: str = ""
    payloads: Sequence[bytes] = field(init=False)  # the data that is JSON, as bytes

    def __post_init__(self) -> None:
        object.__setattr__(self, "payloads", [data.encode() for data in self.data if data.startswith("{")])


def reads(blocks: Sequence[bytes], size: int | None) -> Sequence[bytes]:
    """The blocks as reads: one each, or cut into so many bytes."""
    if size is None:
        return blocks
    whole = b"".join(blocks)
    return [whole[at : at + size] for at in range(0, len(whole), size)]


# Server-sent events.


def chat(count: int = 10_000) -> Traffic:
    """OpenAI's chat completions: data only, 287 bytes each, on average."""
    texts = _text(count)
    return _chat([{"content": text} for text in texts], texts)


def chat_multi_byte(count: int = 10_000) -> Traffic:
    """The same in other scripts than Latin."""
    texts = _text(count, _WIDE_TOKENS)
    return _chat([{"content": text} for text in texts], texts)


def chat_tools(count: int = 10_000) -> Traffic:
    """The same with the arguments of a tool call: pieces of JSON within JSON, nearly all with an escape."""
    source = random.Random(11)
    pieces = source.choices(['{"', "city", '":"', "Zürich", '","', "days", '":', "12", "}", " of"], k=count)
    deltas: list[dict[str, Any]] = [
        {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}]}
    ]
    deltas += [{"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in pieces]
    return _chat(deltas, pieces)


def anthropic(count: int = 10_000) -> Traffic:
    """Anthropic's messages: named events, padded with blanks."""
    source, texts = random.Random(13), _text(count)
    message = {"id": "msg_01", "type": "message", "role": "assistant", "model": "claude", "content": [], "usage": {}}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}} for text in texts),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": count}},
        {"type": "message_stop"},
    ]
    data = [f"{_compact(event)[:-1]}{' ' * source.randint(0, 14)}}}" for event in events]
    return _server_sent(data, texts, "anthropic-messages", names=[event["type"] for event in events])


def responses(count: int = 10_000) -> Traffic:
    """OpenAI's Responses: named events, numbered and padded."""
    source, texts = random.Random(17), _text(count)
    place = {"item_id": "msg_6866d2df1c0c819c885ca369ba853e7f0847a84b87aad89c", "output_index": 0, "content_index": 0}
    head = {"id": "resp_6866d2de3ecc819c8f7ba1aa2fea5fd00847a84b87aad89c", "object": "response", "status": "completed"}
    item = {"id": place["item_id"], "type": "message", "role": "assistant", "content": []}
    kind = "response.output_text"
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {**head, "status": "in_progress"}},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.content_part.added", **place, "part": {"type": "output_text", "text": ""}},
        *({"type": f"{kind}.delta", **place, "delta": text, "logprobs": []} for text in texts),
        {"type": f"{kind}.done", **place, "text": "".join(texts)},
        {"type": "response.completed", "response": head},
    ]
    for number, event in enumerate(events):
        rest = dict(event)
        event.clear()
        event.update({"type": rest.pop("type"), "sequence_number": number, **rest})
        if "delta" in event:
            event["obfuscation"] = _padding(source)
    data = [_compact(event) for event in events]
    return _server_sent(data, texts, "openai-responses", names=[event["type"] for event in events])


def holysheep(count: int = 10_000) -> Traffic:
    """The guide's dialect as an event stream: some 60 bytes each."""
    texts = _text(count)
    return _server_sent([*_holysheep_data(texts), _DONE], texts, "holysheep")


def identified(count: int = 10_000) -> Traffic:
    """Events that carry an `id`, so that a stream can be resumed."""
    data = _holysheep_data(_text(count))
    blocks = [f"id: {number}\ndata: {value}\n\n".encode() for number, value in enumerate(data)]
    return Traffic(blocks, data, ["message"] * len(data))


def heartbeats(count: int = 10_000) -> Traffic:
    """Chat chunks with a comment after every fourth, as proxies and gateways send them."""
    traffic = chat(count)
    blocks = list(traffic.blocks)
    for place in range(4, len(blocks) + len(blocks) // 4, 5):
        blocks.insert(place, b": ping\n\n")
    return Traffic(blocks, traffic.data, traffic.names, traffic.texts, traffic.dialect)


def huge_line(size: int = 256 * 1024) -> Traffic:
    """One event of one line."""
    data = _compact({"type": "image", "base64": "QUJD" * (size // 4)})
    return _server_sent([data], [], "")


@cache
def recorded_chat(server: str) -> tuple[Sequence[bytes], Traffic]:
    """The body of what a real server answered, in the reads in which it came."""
    wire = load(FIXTURES / server / "normal.wire.jsonl")
    exchange = HTTPExchange(HTTPRequest("POST", parse_url("http://recorded/"), [], b"{}"))
    events = [event for entry in wire.entries if entry.kind == "<" for event in exchange.receive_data(entry.data)]
    pieces = [event.data for event in events if isinstance(event, Body)]
    blocks = [block + b"\n\n" for block in b"".join(pieces).split(b"\n\n")[:-1]]
    data = [block.decode()[len("data: ") : -2] for block in blocks]
    deltas = [choice["delta"] for value in data[:-1] for choice in json.loads(value)["choices"]]
    texts = [delta["content"] for delta in deltas if delta.get("content")]
    return pieces, Traffic(blocks, data, ["message"] * len(data), texts, "openai-chat")


#: What framing is measured with, by name.
SSE_SHAPES = {
    "chat": chat,
    "anthropic": anthropic,
    "identified": identified,
    "multi-byte": chat_multi_byte,
    "heartbeats": heartbeats,
    "tool calls": chat_tools,
}


# WebSocket.


def frames(size: int, count: int = 10_000) -> Traffic:
    """Unmasked text frames of JSON, of so many bytes each."""
    source = random.Random(size)
    room = size - len(_holysheep_data([""])[0])
    data = _holysheep_data("".join(source.choices(_PADDING + " ", k=room)) for _ in range(count))
    return Traffic([_frame(value) for value in data], data)


def holysheep_messages(count: int = 10_000) -> Traffic:
    """The guide's dialect: one token a frame."""
    texts = _text(count)
    data = [*_holysheep_data(texts), _DONE]
    return Traffic([_frame(value) for value in data], data, (), texts, "holysheep")


def huge_frame(size: int = 8 * 1024 * 1024) -> Traffic:
    """One text message in one frame."""
    data = "x" * size
    return Traffic([_frame(data)], [data])


@cache
def recorded_frames(server: str) -> Traffic:
    """The messages of what a real server answered, up to its closing; they came one a read."""
    wire = load(FIXTURES / server / "plain.wire.jsonl")
    blocks = [entry.data for entry in wire.entries if entry.kind == "<" and entry.data.startswith(b"\x81")]
    data = [block[4 if block[1] == 126 else 2 :].decode() for block in blocks]
    texts = [value["content"] for value in map(json.loads, data) if "content" in value]
    return Traffic(blocks, data, (), texts, "holysheep")


# What they are made of.


def _text(count: int, tokens: Sequence[str] = _TOKENS) -> list[str]:
    return random.Random(7).choices(tokens, k=count)


def _padding(source: random.Random) -> str:
    return "".join(source.choices(_PADDING, k=source.randint(1, 16)))


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _chat(deltas: Sequence[dict[str, Any]], texts: Sequence[str]) -> Traffic:
    source = random.Random(5)
    chunks = [
        {
            "id": "chatcmpl-DNcR5Lxp4Gvh7tChSgSugjQVB4LDc",
            "object": "chat.completion.chunk",
            "created": 1795458359,
            "model": "gpt-4.1-2025-04-14",
            "system_fingerprint": "fp_b417ec2a87",
            "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None if delta else "stop"}],
            "obfuscation": _padding(source),
        }
        for delta in [{"role": "assistant", "content": ""}, *deltas, {}]
    ]
    return _server_sent([*map(_compact, chunks), "[DONE]"], texts, "openai-chat")


def _holysheep_data(texts: Iterable[str]) -> list[str]:
    return [_compact({"type": "content_delta", "content": text}) for text in texts]


def _server_sent(data: Sequence[str], texts: Sequence[str], dialect: str, names: Sequence[str] = ()) -> Traffic:
    if names:
        blocks = [f"event: {name}\ndata: {value}\n\n".encode() for name, value in zip(names, data, strict=True)]
    else:
        blocks = [f"data: {value}\n\n".encode() for value in data]
    return Traffic(blocks, data, names or ["message"] * len(data), texts, dialect)


def _frame(text: str) -> bytes:
    payload = text.encode()
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size <= 0xFFFF:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload

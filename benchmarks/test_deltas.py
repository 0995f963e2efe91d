"""What it costs from the bytes on a socket to the text of a delta, beside the parsing of JSON alone and the SDKs.

The floors are given the payloads without their framing and do nothing but parse; the SDKs go their own way, through a
response to their objects. What is made by hand most often, a framer and a parser of JSON, stands beside them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from measuring import Case, Contender, Input, Run, Take
from test_sse import httpx_sse
from workloads import (
    READ_SIZE,
    Traffic,
    anthropic,
    chat,
    chat_multi_byte,
    chat_tools,
    holysheep,
    holysheep_messages,
    reads,
    recorded_chat,
    responses,
)

from tokenwire import TextDelta, ToolCallDelta
from tokenwire.dialects.decoder import Decoder
from tokenwire.framing.websocket import FrameParser

__all__ = ["CASES"]


def tokenwire_decoder(dialect: str) -> Callable[[], Run]:
    def prepare() -> Run:
        def run(pieces: Sequence[bytes], take: Take) -> None:
            decoder = Decoder(dialect)
            for piece in pieces:
                take(decoder.receive_data(piece))

        return run

    return prepare


def tokenwire_frames(dialect: str) -> Callable[[], Run]:
    def prepare() -> Run:
        def run(pieces: Sequence[bytes], take: Take) -> None:
            frames, decoder = FrameParser(client=True), Decoder(dialect)
            for piece in pieces:
                for message in frames.receive_data(piece):
                    assert isinstance(message, str)
                    take(decoder.receive_message(message))

        return run

    return prepare


def openai_sdk(kind: str) -> Callable[[], Run]:
    def prepare() -> Run:
        import httpx2
        import openai
        from openai.types.chat import ChatCompletionChunk
        from openai.types.responses import ResponseStreamEvent

        cast_to: Any = ChatCompletionChunk if kind == "chat" else ResponseStreamEvent
        client = openai.OpenAI(api_key="none")

        def run(pieces: Sequence[bytes], take: Take) -> None:
            response = httpx2.Response(200, content=iter(pieces), request=httpx2.Request("POST", "http://recorded/"))
            take(openai.Stream(cast_to=cast_to, response=response, client=client))

        return run

    return prepare


def anthropic_sdk() -> Run:
    import anthropic
    import httpx2
    from anthropic.types import RawMessageStreamEvent

    cast_to: Any = RawMessageStreamEvent
    client = anthropic.Anthropic(api_key="none")

    def run(pieces: Sequence[bytes], take: Take) -> None:
        response = httpx2.Response(200, content=iter(pieces), request=httpx2.Request("POST", "http://recorded/"))
        take(anthropic.Stream(cast_to=cast_to, response=response, client=client))

    return run


def by_hand() -> Run:
    """httpx-sse's decoders, and orjson."""
    import orjson

    frame = httpx_sse()

    def run(pieces: Sequence[bytes], take: Take) -> None:
        frame(pieces, lambda events: take([orjson.loads(event.data) for event in events if event.data[0] == "{"]))

    return run


def with_orjson() -> Run:
    import orjson

    return lambda payloads, take: take(map(orjson.loads, payloads))


def with_json() -> Run:
    return lambda payloads, take: take(map(json.loads, payloads))


# What is the text in it, for the comparison.


def shown(event: Any) -> str | None:
    if isinstance(event, TextDelta):
        return event.text
    return event.arguments if isinstance(event, ToolCallDelta) else None


def shown_chunk(chunk: Any) -> str | None:
    delta = chunk.choices[0].delta
    if delta.tool_calls:
        return delta.tool_calls[0].function.arguments or None
    return delta.content or None


def shown_json_chunk(value: dict[str, Any]) -> str | None:
    delta = value["choices"][0]["delta"]
    text = delta["tool_calls"][0]["function"]["arguments"] if "tool_calls" in delta else delta.get("content")
    return text or None


def shown_typed(event: Any) -> str | None:
    """Of Responses and Messages, whose objects the SDKs make of the JSON as it stands."""
    if event.type == "response.output_text.delta":
        return str(event.delta)
    return str(event.delta.text) if event.type == "content_block_delta" else None


def shown_json(value: dict[str, Any]) -> str | None:
    match value["type"]:
        case "response.output_text.delta":
            return str(value["delta"])
        case "content_block_delta":
            return str(value["delta"]["text"])
        case "content_delta":
            return str(value["content"])
    return None


def case(
    name: str,
    make: Callable[[], Traffic],
    size: int | None,
    dialect: str,
    shown_json: Callable[[Any], str | None],
    sdk: Contender | None = None,
) -> Case:
    """One dialect over server-sent events."""

    def input_() -> Input:
        traffic = make()
        return Input(reads(traffic.blocks, size), traffic.texts, traffic.payloads)

    contenders = [
        Contender("tokenwire", tokenwire_decoder(dialect), shown),
        *([sdk] if sdk else []),
        Contender("httpx-sse and orjson", by_hand, shown_json),
        Contender("floor: json.loads", with_json, shown_json, parses_only=True),
        Contender("floor: orjson.loads", with_orjson, shown_json, parses_only=True),
    ]
    return Case(f"to deltas: {name}, {'16 KiB reads' if size else 'one event a read'}", input_, contenders)


def recorded(server: str) -> Traffic:
    """One read was one event, but for the first."""
    return recorded_chat(server)[1]


def messages() -> Input:
    traffic = holysheep_messages()
    return Input(reads(traffic.blocks, READ_SIZE), traffic.texts, traffic.payloads)


CHAT_SDK = Contender("openai", openai_sdk("chat"), shown_chunk)
RESPONSES_SDK = Contender("openai", openai_sdk("responses"), shown_typed)
MESSAGES_SDK = Contender("anthropic", anthropic_sdk, shown_typed)

CASES = [
    case("openai-chat", chat, READ_SIZE, "openai-chat", shown_json_chunk, CHAT_SDK),
    case("openai-chat", chat, None, "openai-chat", shown_json_chunk, CHAT_SDK),
    case("openai-chat, 200 tokens", lambda: chat(200), None, "openai-chat", shown_json_chunk, CHAT_SDK),
    case("openai-chat, multi-byte", chat_multi_byte, READ_SIZE, "openai-chat", shown_json_chunk),
    case("openai-chat, tool calls", chat_tools, READ_SIZE, "openai-chat", shown_json_chunk),
    case("anthropic-messages", anthropic, READ_SIZE, "anthropic-messages", shown_json, MESSAGES_SDK),
    case("anthropic-messages", anthropic, None, "anthropic-messages", shown_json, MESSAGES_SDK),
    case("openai-responses", responses, READ_SIZE, "openai-responses", shown_json, RESPONSES_SDK),
    case("openai-responses", responses, None, "openai-responses", shown_json, RESPONSES_SDK),
    case("holysheep", holysheep, READ_SIZE, "holysheep", shown_json),
    case("holysheep", holysheep, None, "holysheep", shown_json),
    case(
        "openai-chat recorded from llama-server",
        lambda: recorded("llama-server"),
        None,
        "openai-chat",
        shown_json_chunk,
        CHAT_SDK,
    ),
    Case(
        "to deltas: holysheep over WebSocket, 16 KiB reads",
        messages,
        [
            Contender("tokenwire", tokenwire_frames("holysheep"), shown),
            Contender("floor: json.loads", with_json, shown_json, parses_only=True),
            Contender("floor: orjson.loads", with_orjson, shown_json, parses_only=True),
        ],
    ),
]


def test_deltas(measured: Callable[[], None]) -> None:
    measured()

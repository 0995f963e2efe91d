"""What it costs to frame server-sent events: bytes to events, beside the peers.

pip install '.[bench]' && pytest benchmarks
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence
from typing import Any

from measuring import Case, Contender, Input, Run, Take
from workloads import READ_SIZE, SSE_SHAPES, Traffic, chat, huge_line, reads, recorded_chat

import tokenwire

__all__ = ["CASES", "CONTENDERS"]


def tokenwire_parser() -> Run:
    def run(pieces: Sequence[bytes], take: Take) -> None:
        parser = tokenwire.SSEParser()
        for piece in pieces:
            take(parser.receive_data(piece))

    return run


def httpx_sse() -> Run:
    """The decoders alone, as bare as they can be had; through a response they cost more."""
    from httpx_sse._decoders import SSEDecoder, SSELineDecoder

    def run(pieces: Sequence[bytes], take: Take) -> None:
        utf8, lines, events = codecs.getincrementaldecoder("utf-8")(), SSELineDecoder(), SSEDecoder()
        decode = events.decode
        for piece in pieces:
            take([event for line in lines.decode(utf8.decode(piece)) if (event := decode(line)) is not None])

    return run


def httpx2() -> Run:
    import httpx2

    def run(pieces: Sequence[bytes], take: Take) -> None:
        headers = {"content-type": "text/event-stream"}
        request = httpx2.Request("GET", "http://recorded/")
        take(httpx2.EventSource(httpx2.Response(200, headers=headers, content=iter(pieces), request=request)))

    return run


def openai_sdk() -> Run:
    from openai._streaming import SSEDecoder

    return lambda pieces, take: take(SSEDecoder().iter_bytes(iter(pieces)))


def anthropic_sdk() -> Run:
    from anthropic._streaming import SSEDecoder

    return lambda pieces, take: take(SSEDecoder().iter_bytes(iter(pieces)))


def sseclient_py() -> Run:
    from sseclient import SSEClient

    return lambda pieces, take: take(SSEClient(iter(pieces)).events())


def assel() -> Run:
    from assel import Parser

    def run(pieces: Sequence[bytes], take: Take) -> None:
        parser = Parser()
        for piece in pieces:
            take(parser.receive_bytes(piece))

    return run


def splitting() -> Run:
    """No parser: the least that Python can do with the bytes."""

    def run(pieces: Sequence[bytes], take: Take) -> None:
        for piece in pieces:
            take(piece.split(b"\n\n"))

    return run


def shown(event: Any) -> tuple[str, str]:
    """Some give no name to an event that has none in the stream."""
    return event.event or "message", event.data


CONTENDERS = [
    Contender("tokenwire", tokenwire_parser, shown),
    Contender("httpx-sse", httpx_sse, shown),
    Contender("httpx2", httpx2, shown),
    Contender("openai", openai_sdk, shown),
    Contender("anthropic", anthropic_sdk, shown),
    Contender("sseclient-py", sseclient_py, shown),
    Contender("assel", assel, shown),
    Contender("floor: bytes.split", splitting),
]


def sse(make: Callable[[], Traffic], size: int | None) -> Callable[[], Input]:
    """The input of a case: a traffic in reads of so many bytes, or of one event each."""

    def input_() -> Input:
        traffic = make()
        return Input(reads(traffic.blocks, size), list(zip(traffic.names, traffic.data, strict=True)))

    return input_


def recorded(server: str) -> Callable[[], Input]:
    def input_() -> Input:
        pieces, traffic = recorded_chat(server)
        return Input(pieces, list(zip(traffic.names, traffic.data, strict=True)))

    return input_


CASES = [
    *(
        Case(f"SSE framing: {name}, 16 KiB reads", sse(make, READ_SIZE), CONTENDERS)
        for name, make in SSE_SHAPES.items()
    ),
    *(
        Case(f"SSE framing: {name}, one event a read", sse(SSE_SHAPES[name], None), CONTENDERS)
        for name in ("chat", "anthropic")
    ),
    Case("SSE framing: chat, one byte a read", sse(lambda: chat(100), 1), CONTENDERS),
    Case("SSE framing: one line of 256 KiB in 1 KiB reads", sse(huge_line, 1024), CONTENDERS),
    *(
        Case(f"SSE framing: recorded from {server}, as read", recorded(server), CONTENDERS)
        for server in ("llama-server", "aimock")
    ),
]


def test_framing(measured: Callable[[], None]) -> None:
    measured()

"""What it costs to frame server-sent events, beside a peer and a floor, on the same bytes in one run.

pip install '.[bench]' && pytest benchmarks
"""

from __future__ import annotations

import codecs
from collections.abc import Callable
from typing import Any

import pytest
from workloads import EVENTS, READ_SIZE, chat_chunks, named_events, reads

import tokenwire

WORKLOADS = {"chat": chat_chunks(), "named": named_events()}
SIZES = {"one event a read": None, "16 KiB reads": READ_SIZE}


def with_tokenwire(pieces: list[bytes]) -> int:
    parser = tokenwire.SSEParser()
    return sum(len(parser.receive_data(piece)) for piece in pieces)


def with_httpx_sse(pieces: list[bytes]) -> int:
    decoders = pytest.importorskip("httpx_sse._decoders", reason="httpx-sse is not installed")
    utf8, lines, events = codecs.getincrementaldecoder("utf-8")(), decoders.SSELineDecoder(), decoders.SSEDecoder()
    count = 0
    for piece in pieces:
        for line in lines.decode(utf8.decode(piece)):
            count += events.decode(line) is not None
    return count


def with_a_split(pieces: list[bytes]) -> int:
    """No parser: the least that Python can do with the bytes."""
    return sum(piece.count(b"\n\n") for piece in pieces if piece.split(b"\n\n"))


CONTENDERS = {"tokenwire": with_tokenwire, "httpx-sse": with_httpx_sse, "floor: bytes.split": with_a_split}


@pytest.mark.parametrize("contender", CONTENDERS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("workload", WORKLOADS)
def test_framing(benchmark: Any, workload: str, size: str, contender: str) -> None:
    run: Callable[[list[bytes]], int] = CONTENDERS[contender]
    pieces = reads(WORKLOADS[workload], SIZES[size])
    benchmark.group = f"{workload}, {size}, {EVENTS} events"
    count = benchmark(run, pieces)
    if not contender.startswith("floor"):
        assert count == EVENTS

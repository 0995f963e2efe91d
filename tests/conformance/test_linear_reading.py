"""The reading of what a server sends is linear, also where it sends what no sound one does."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable

import pytest
from hand_made import answer, events, named

from growth import growth, steps
from tokenwire_conformance.reading.anthropic import MessageStream
from tokenwire_conformance.reading.chat import ChatStream
from tokenwire_conformance.reading.deflate import inflated, parse_extensions
from tokenwire_conformance.reading.gemini import Array
from tokenwire_conformance.reading.requests import field_of, why_no_field
from tokenwire_conformance.reading.responses import ResponseStream
from tokenwire_conformance.reading.stream import Stream


def stream(body: str) -> Stream:
    return Stream(answer(body).responses[0])


def names_of_one_object(size: int) -> None:
    names = ", ".join(f'"member{n}": 1' for n in range(size))
    [payload] = stream(events(f"{{{names}, {names}}}")).payloads
    assert len(payload.duplicates) == size


def items(size: int) -> None:
    told = ResponseStream(stream(named(*_items(size))))
    assert len(told.items) == size


def _items(size: int) -> list[dict[str, object]]:
    added = [{"type": "response.output_item.added", "output_index": n, "item": {"id": f"i{n}"}} for n in range(size)]
    return [*added, *({"type": "response.output_item.done", "item_id": f"i{n}"} for n in range(size))]


def parts(size: int) -> None:
    part = {"type": "response.content_part.added", "output_index": 0}
    [item] = ResponseStream(stream(named(*({**part, "content_index": n} for n in range(size))))).items
    assert len(item.parts) == size


def blocks(size: int) -> None:
    said = [{"type": kind, "index": n} for kind in ("content_block_start", "content_block_stop") for n in range(size)]
    assert all(block.stop for block in MessageStream(stream(named(*said))).blocks)


def arguments(size: int) -> None:
    piece = {"function": {"arguments": "x" * 5000}}
    said = [{"choices": [{"index": 0, "delta": {"tool_calls": [piece]}}]}] * size
    assert len(ChatStream(stream(events(*said))).tools[0, 0]) == 5000 * size


def elements(size: int) -> None:
    body = json.dumps(["é" * 100] * size, ensure_ascii=False)
    read = Array(answer(body, content_type="application/json").responses[0]).elements
    assert len(read) == size


def blocks_marked_as_last(size: int) -> None:
    final = zlib.compressobj(0, wbits=-15)
    block = final.compress(b" " * 1000) + final.flush(zlib.Z_FINISH)
    assert len(inflated(block * size + b"\x00")) == 1000 * size


def commas(size: int) -> None:
    assert parse_extensions("," * size) == []


def quotes(size: int) -> None:
    assert len(parse_extensions('x="' * size)) == 1


def blanks_in_a_value(size: int) -> None:
    line = b"name: a" + b" " * size + b"b"
    assert (why_no_field(line), len(field_of(line).value)) == ("", size + 2)


#: What Python's own lines show.
COUNTED = [items, parts, blocks]

#: What goes on within one call, so that only its share of the processor's time shows it.
MEASURED: list[tuple[Callable[[int], None], int]] = [
    (names_of_one_object, 1000),
    (arguments, 200),
    (elements, 1000),
    (blocks_marked_as_last, 500),
    (commas, 2000),
    (quotes, 2000),
    (blanks_in_a_value, 4000),
]


@pytest.mark.parametrize("read", COUNTED)
def test_twice_as_much_is_twice_the_work(read: Callable[[int], None]) -> None:
    less, more = (steps(read, size) for size in (100, 200))
    assert more <= 2.1 * less


@pytest.mark.parametrize(("read", "size"), MEASURED, ids=[read.__name__ for read, _ in MEASURED])
def test_eight_times_as_much_is_no_more_than_twenty_times_the_work(read: Callable[[int], None], size: int) -> None:
    assert growth(read, size, 8 * size) < 20

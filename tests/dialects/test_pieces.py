"""What a decoder keeps of a text that it told: enough to compare a whole with it, and no more."""

from __future__ import annotations

import base64
import json
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenwire.dialects import DIALECTS, pieces
from tokenwire.dialects.decoder import Decoder
from tokenwire.dialects.dialect import Dialect
from tokenwire.dialects.events import Error, StreamEvent, TextDelta
from tokenwire.dialects.pieces import HELD, DigestedPieces, Pieces, rest_of, rest_of_all
from tokenwire.dialects.wholes import DIFFERS
from tokenwire.framing.sse import ServerSentEvent

HIGH, LOW = "\ud83d", "\ude00"

#: Texts as servers cut them, also within a character.
some_text = st.text(st.sampled_from(["a", "b", "é", "😀", HIGH, LOW]), max_size=6)
some_pieces = st.lists(some_text, max_size=8)


@contextmanager
def small() -> Iterator[None]:
    """A limit that most texts of a test pass."""
    with pytest.MonkeyPatch.context() as patch:
        for name, size in (("HELD", 4), ("MANY", 3), ("LARGE", 4)):
            patch.setattr(pieces, name, size)
        yield


def told(kind: type[Pieces], texts: list[str]) -> Pieces:
    new = kind()
    with small():
        for it in texts:
            new.add(it)
    return new


def encoded(text: str | None) -> str | None:
    """Text as it comes to be read: pairs are one character, and half a pair is none."""
    return None if text is None else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


@settings(max_examples=500, deadline=None)
@given(some_pieces, some_text, st.booleans())
def test_a_digest_compares_as_the_text_does(texts: list[str], more: str, begins: bool) -> None:
    text = "".join(texts)
    whole = text + more if begins else more
    kept = told(DigestedPieces, texts)
    assert encoded(kept.rest(whole)) == encoded(rest_of(text, whole))
    assert kept.some == (text != "")


@settings(max_examples=300, deadline=None)
@given(st.lists(some_pieces, max_size=3), some_text, st.booleans())
def test_several_texts_compare_as_one(all_texts: list[list[str]], more: str, begins: bool) -> None:
    texts = [encoded("".join(it)) or "" for it in all_texts]
    whole = "".join(texts) + more if begins else more
    kept = [told(DigestedPieces, [*it]) for it in texts]
    assert encoded(rest_of_all(kept, whole)) == encoded(rest_of("".join(texts), whole))


@settings(max_examples=300, deadline=None)
@given(some_pieces, some_text)
def test_what_counts_as_told_can_be_another_text(texts: list[str], other: str) -> None:
    kept = told(DigestedPieces, texts)
    with small():
        kept.replace(other)
    assert encoded(kept.rest(other + "a")) == "a"


def test_a_beginning_that_is_in_the_digest_is_not_known() -> None:
    kept = told(DigestedPieces, ["abcdef", "g"])
    assert [kept.begin_with(it) for it in ("abc", "abcdef", "abcdefg", "abcdex", "abcdefgh")] == [
        None, True, True, False, False
    ]  # fmt: skip
    assert told(Pieces, ["abcdef", "g"]).begin_with("abc") is True


# What decoders hold.


def wrapped(value: Any) -> dict[str, Any]:
    return {"bytes": base64.b64encode(json.dumps(value).encode()).decode()}


def of_item(kind: str, **members: Any) -> dict[str, Any]:
    return {"type": kind, "item_id": "i", "output_index": 0, "content_index": 0, **members}


#: How each dialect says a piece of text: the name of the event, and its value.
PIECES: dict[str, Callable[[str], tuple[str, Any]]] = {
    "raw": lambda it: ("", it),
    "eventsource": lambda it: ("message", it),
    "mcp": lambda it: ("message", {"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": it}}),
    "a2a": lambda it: (
        "message",
        {"artifactUpdate": {"taskId": "t", "artifact": {"artifactId": "a", "parts": [{"text": it}]}, "append": True}},
    ),
    "openai-chat": lambda it: ("message", {"choices": [{"index": 0, "delta": {"content": it}}]}),
    "mistral": lambda it: ("message", {"choices": [{"index": 0, "delta": {"content": it}}]}),
    "openai-completions": lambda it: ("message", {"choices": [{"index": 0, "text": it}]}),
    "anthropic-messages": lambda it: (
        "content_block_delta",
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": it}},
    ),
    "openai-responses": lambda it: (
        "response.output_text.delta",
        of_item("response.output_text.delta", sequence_number=1, delta=it),
    ),
    "openai-realtime": lambda it: ("", of_item("response.output_text.delta", response_id="r", delta=it)),
    "gemini": lambda it: ("message", {"candidates": [{"content": {"parts": [{"text": it}]}}]}),
    "gemini-live": lambda it: ("", {"serverContent": {"modelTurn": {"parts": [{"text": it}]}}}),
    "gemini-interactions": lambda it: (
        "step.delta",
        {"event_type": "step.delta", "index": 0, "delta": {"type": "text", "text": it}},
    ),
    "ollama": lambda it: ("", {"message": {"role": "assistant", "content": it}, "done": False}),
    "cohere-v1": lambda it: ("", {"event_type": "text-generation", "text": it}),
    "cohere-v2": lambda it: (
        "message",
        {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": it}}}},
    ),
    "bedrock-converse": lambda it: ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": it}}),
    "bedrock-invoke": lambda it: ("chunk", wrapped({"generation": it})),
    "holysheep": lambda it: ("", {"type": "content_delta", "content": it}),
    "vercel-ui": lambda it: ("message", {"type": "text-delta", "id": "t", "delta": it}),
    "ag-ui": lambda it: ("message", {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": it}),
}

#: What must come before a piece.
BEGINNINGS: dict[str, list[tuple[str, Any]]] = {
    "anthropic-messages": [
        ("message_start", {"type": "message_start", "message": {"id": "m"}}),
        ("content_block_start", {"type": "content_block_start", "index": 0, "content_block": {"type": "text"}}),
    ],
    "openai-realtime": [("", {"type": "response.created", "response": {"id": "r"}})],
    "cohere-v1": [("", {"event_type": "stream-start"})],
    "vercel-ui": [("message", {"type": "text-start", "id": "t"})],
    "ag-ui": [("message", {"type": "TEXT_MESSAGE_START", "messageId": "m", "role": "assistant"})],
}

#: Those whose messages are not text to tokenwire: they are `Other`.
WITHOUT_TEXT = {"raw", "eventsource", "mcp", "a2a"}


def message(said: tuple[str, Any]) -> ServerSentEvent:
    name, value = said
    return ServerSentEvent(name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), "")


def framed(dialect: Dialect, said: tuple[str, Any]) -> bytes:
    name, data, _ = message(said)
    if dialect.framing == "jsonlines":
        return f"{data}\n".encode()
    return (f"event: {name}\n" if name not in ("", "message") else "").encode() + f"data: {data}\n\n".encode()


def grown(read: Callable[[], list[StreamEvent]], times: int) -> tuple[int, int]:
    """How many bytes more are held after so many reads than after the first of them, and characters that were told."""
    for _ in range(8):
        read()
    told = 0
    tracemalloc.start()
    try:
        for _ in range(times):
            told += sum(len(event.text) for event in read() if isinstance(event, TextDelta))
        return tracemalloc.get_traced_memory()[0], told
    finally:
        tracemalloc.stop()


def test_every_dialect_is_asked() -> None:
    assert set(PIECES) == set(DIALECTS)


@pytest.mark.parametrize("size", [40, 16 * 1024])
@pytest.mark.parametrize("name", sorted(PIECES))
def test_a_decoder_holds_no_more_for_a_longer_text(name: str, size: int) -> None:
    decoder = DIALECTS[name].decoder()
    for said in BEGINNINGS.get(name, []):
        decoder.receive_message(message(said))
    piece = message(PIECES[name]("é" * size))
    times = 4 * 1024 * 1024 // size if size > 1000 else 4 * 1024
    held, characters = grown(lambda: decoder.receive_message(piece), times)
    assert characters == (0 if name in WITHOUT_TEXT else times * size)
    assert held < 4 * HELD


@pytest.mark.parametrize("in_a_read", [1, 50])
@pytest.mark.parametrize("size", [40, 2000])
@pytest.mark.parametrize("name", ["openai-chat", "openai-responses", "anthropic-messages", "ollama", "vercel-ui"])
def test_nor_does_it_the_short_way(name: str, size: int, in_a_read: int) -> None:
    dialect = DIALECTS[name]
    decoder = Decoder(name)
    for said in BEGINNINGS.get(name, []):
        decoder.receive_data(framed(dialect, said))
    body = framed(dialect, PIECES[name]("é" * size)) * in_a_read
    times = 4000 // in_a_read
    held, characters = grown(lambda: decoder.receive_data(body), times)
    assert characters == times * in_a_read * size
    assert held < 4 * HELD


@pytest.mark.parametrize("cumulative", [True, False])
def test_nor_does_it_for_messages_in_place_of_deltas(cumulative: bool) -> None:
    decoder = DIALECTS["openai-chat"].decoder()
    size, times = 512, 700
    numbers = iter(range(10_000))
    whole = ""

    def read() -> list[StreamEvent]:
        nonlocal whole
        piece = f"{next(numbers):<{size}}"
        whole = whole + piece if cumulative else piece
        return decoder.receive_message(message(("message", {"choices": [{"index": 0, "message": {"content": whole}}]})))

    held, characters = grown(read, times)
    assert characters == times * size
    assert held - len(whole) < 4 * HELD


@pytest.mark.parametrize(("more", "text", "codes"), [("", "", []), (" more", " more", []), (None, "", [DIFFERS])])
def test_the_whole_of_a_long_text_is_compared(more: str | None, text: str, codes: list[str]) -> None:
    """Of openai-chat and of openai-responses, whose texts are longer than what is held of them."""
    deltas = [f"{number} 😀 " for number in range(20_000)]
    whole = "".join(deltas)
    whole = f"x{whole[1:]}" if more is None else whole + more
    ends: dict[str, list[tuple[str, Any]]] = {
        "openai-chat": [
            ("message", {"choices": [{"index": 0, "message": {"content": whole}, "finish_reason": "stop"}]})
        ],
        "openai-responses": [("response.output_text.done", of_item("response.output_text.done", text=whole))],
    }
    for name, end in ends.items():
        decoder = DIALECTS[name].decoder()
        for it in deltas:
            decoder.receive_message(message(PIECES[name](it)))
        events = [event for said in end for event in decoder.receive_message(message(said))]
        assert "".join(event.text for event in events if isinstance(event, TextDelta)) == text
        assert [event.code for event in events if isinstance(event, Error)] == codes

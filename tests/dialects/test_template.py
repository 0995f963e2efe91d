"""The short way for deltas gives what the full parse gives: on every recording, and on what could mislead it."""

from __future__ import annotations

import json
import os
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tokenwire.dialects import DIALECTS, template
from tokenwire.dialects.decoder import Decoder
from tokenwire.dialects.dialect import Holes, KeepsTexts
from tokenwire.dialects.events import Error, ReasoningDelta, StreamEvent, TextDelta, ToolCallDelta
from tokenwire.dialects.template import MAX_FAILURES, MAX_SIZE, Template
from tokenwire.errors import EventTooLarge

DELTAS = (TextDelta, ReasoningDelta, ToolCallDelta)

SHORT = [dialect for dialect in DIALECTS.values() if dialect.holes is not None]

CHAT = DIALECTS["openai-chat"]


def full(name: str) -> Decoder:
    """A decoder that parses every message in full."""
    return Decoder(replace(DIALECTS[name], holes=None))


def told(events: list[StreamEvent]) -> list[tuple[Any, ...]]:
    """Events with what does not take part in their comparison."""
    return [(event, event.raw, event.cursor) for event in events]


def decode(decoder: Decoder, pieces: list[bytes]) -> list[StreamEvent]:
    events: list[StreamEvent] = []
    for piece in pieces:
        events += decoder.receive_data(piece)
    return events + decoder.receive_eof()


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def taken(decoder: Decoder, pieces: list[bytes]) -> int:
    """How many deltas went the short way."""
    slow = 0
    inner = decoder._decoder
    original = inner.receive_message

    def counted(message: Any) -> list[StreamEvent]:
        nonlocal slow
        events = original(message)
        slow += sum(isinstance(event, DELTAS) for event in events)
        return events

    inner.receive_message = counted  # type: ignore[method-assign]
    events = decode(decoder, pieces)
    return sum(isinstance(event, DELTAS) for event in events) - slow


# Messages of each dialect, as its servers write them.


def chat(text: str, *, padding: str = "xyz", **more: Any) -> str:
    chunk = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}],
        "obfuscation": padding,
        **more,
    }
    return json.dumps(chunk, ensure_ascii=False, separators=(",", ":"))


def framed(*payloads: str) -> bytes:
    return "".join(f"data: {payload}\n\n" for payload in payloads).encode("utf-8", "surrogatepass")


def same(name: str, data: bytes, sizes: tuple[int, ...] = (1, 7, 64, 500, 100_000)) -> None:
    wanted = told(decode(full(name), [data]))
    for size in sizes:
        assert told(decode(Decoder(name), cut(data, size))) == wanted, size


def test_deltas_go_the_short_way() -> None:
    payloads = [chat(f"t{number} ", padding="p" * (number % 9)) for number in range(1000)]
    data = framed(*payloads, "[DONE]")
    same("openai-chat", data, (500, 100_000))
    # The first read is there to learn from, and the last one holds the end.
    assert taken(Decoder("openai-chat"), cut(data, 16 * 1024)) > 700
    assert taken(Decoder("openai-chat"), [framed(payload) for payload in payloads]) > 990


@pytest.mark.parametrize(
    "odd",
    [
        chat('say "hello"'),
        chat("back\\slash"),
        chat("line\nline\ttab"),
        chat('look "},"finish_reason":null}],"obfuscation":" alike'),
        chat("delete \x7f"),
        chat('delete \x7f "'),
        chat("delete \\x7f").replace("\\\\x7f", "\\u007f"),
        chat("x", padding="delete \x7f"),
        chat("日本 😀 👩‍💻"),
        chat("é").replace("é", "\\u00e9"),
        chat("x").replace('"x"', '"\\ud83d"'),
        chat("x").replace('"x"', '"\\ude00"'),
        chat("x").replace('"x"', '"\\ud83d\\ude00"'),
        chat("x").replace('"x"', '"\\q"'),
        chat("x").replace('"x"', '"\\u12"'),
        chat("x").replace('"x"', '"tab\there"'),
        chat("x").replace('"x"', '"nul\x00here"'),
        chat("x").replace('"x"', '"x'),
        chat("x").replace('"x"', "null"),
        chat("x").replace('"x"', "7"),
        chat("x").replace('"x"', '["x"]'),
        chat("x").replace('"x"', '"x","content":"y"'),
        chat("x").replace('"x"', '"x","refusal":"y"'),
        chat("x").replace('"finish_reason":null', '"finish_reason":"stop"'),
        chat("x").replace('"index":0', '"index":1'),
        chat("x").replace("chatcmpl-1", "chatcmpl-2"),
        chat("x", usage={"total_tokens": 3}),
        chat("x", error={"message": "no"}),
        chat("x", padding='a"b'),
        chat("x", padding="a\\b").replace("a\\\\b", "a\\b"),
        chat("x").replace('"obfuscation":"xyz"', '"obfuscation":7'),
        chat("x").replace(',"obfuscation":"xyz"', ""),
        chat(""),
        " " + chat("x"),
        chat("x") + " ",
        chat("x") + chat("y"),
        "{}",
        "[DONE]",
        "",
    ],
)
def test_what_is_odd_is_read_as_ever(odd: str) -> None:
    payloads = [chat(f"t{number}") for number in range(6)]
    same("openai-chat", framed(*payloads, odd, *payloads))


@pytest.mark.parametrize(
    "between",
    [
        b": comment\n\n",
        b"event: ping\ndata: {}\n\n",
        b"id: 7\n\n",
        b"retry: 5\n\n",
        b"data: \n\n",
        b"\n\n\n",
        b"data: a\ndata: b\n\n",
        b"nonsense\n",
        b'{"error": {"message": "stray"}}\n',
        b"\r\n",
        b"data: \xff\xfe\n\n",
    ],
)
def test_what_stands_between_deltas_is_read_as_ever(between: bytes) -> None:
    deltas = framed(*[chat(f"t{number}") for number in range(6)])
    same("openai-chat", deltas + between + deltas + between + deltas)


@pytest.mark.parametrize(
    ("name", "changed", "between"),
    [
        ("openai-chat", '"created":1', b": ping\n\n"),
        ("openai-chat", '"finish_reason":null', b""),
        ("openai-chat", '"finish_reason":null', b"data: {}\n\n"),
        ("openai-chat", '"index":0', b"event: ping\ndata: {}\n\n"),
    ],
)
def test_what_looks_alike_is_not_tried_again_and_again(name: str, changed: str, between: bytes) -> None:
    """However the messages of a read are mixed, no more is looked at than a few times all of it."""
    alike = [chat(f"t{number}") for number in range(400)]
    odd = [payload.replace(changed, changed + " ") for payload in alike]
    for payloads in (odd, [each for pair in zip(alike, odd, strict=True) for each in pair], alike[:200] + odd):
        data = framed(*alike[:8]), b"".join(framed(payload) + between for payload in payloads)
        decoder = Decoder(name)
        decoder.receive_data(data[0])
        assert decoder._shortcut is not None
        seen = 0
        for reader in ("read_body", "read_block"):
            original = getattr(decoder._shortcut, reader)

            def counted(piece: bytes, original: Any = original) -> Any:
                nonlocal seen
                seen += len(piece)
                return original(piece)

            setattr(decoder._shortcut, reader, counted)
        events = decoder.receive_data(data[1])
        assert 0 < seen <= 4 * len(data[1])
        slow = full(name)
        slow.receive_data(data[0])
        assert told(events) == told(slow.receive_data(data[1]))


def test_an_id_without_data_is_the_cursor_of_what_follows() -> None:
    block = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta",'
    deltas = [block + b'"text":"t"}}\n\n'] * 5
    pieces = [*deltas, b"id: 3\n\n", *deltas, deltas[0] + b"id: 4\n\n", *deltas]
    assert told(decode(Decoder("anthropic-messages"), pieces)) == told(decode(full("anthropic-messages"), pieces))


@pytest.mark.parametrize("end", [b"\r\n", b"\r"])
def test_other_line_ends_are_read_as_ever(end: bytes) -> None:
    same("openai-chat", framed(*[chat(f"t{number}") for number in range(9)]).replace(b"\n", end))


def test_bytes_that_are_no_utf8_are_replaced_as_ever() -> None:
    deltas = framed(*[chat(f"t{number}") for number in range(9)])
    same("openai-chat", deltas + deltas.replace(b"t3", b"\xe6\x97").replace(b"t5", b"\xff") + deltas)


def test_the_offset_of_an_error_counts_what_went_the_short_way() -> None:
    deltas = framed(*[chat(f"t{number}") for number in range(50)])
    offsets = []
    for decoder in (Decoder(CHAT, max_event_size=4000), Decoder(replace(CHAT, holes=None), max_event_size=4000)):
        for piece in cut(deltas, 1000):
            decoder.receive_data(piece)
        with pytest.raises(EventTooLarge) as raised:
            decoder.receive_data(b"data: " + b"x" * 5000)
        offsets.append(raised.value.offset)
    assert offsets[0] == offsets[1]


def test_an_error_in_a_read_takes_effect_after_its_deltas() -> None:
    deltas = framed(*[chat(f"t{number}") for number in range(9)])
    long = deltas[:-2] + b"\n\ndata: " + b"x" * 5000
    results = []
    for decoder in (Decoder(CHAT, max_event_size=4000), Decoder(replace(CHAT, holes=None), max_event_size=4000)):
        results.append(told(decoder.receive_data(deltas) + decoder.receive_data(long)))
        assert decoder.error is not None
    assert results[0] == results[1]


@pytest.mark.parametrize("odd", ["", " ", '"}', "\\\\", '\\"} ', " } "])
def test_blanks_before_the_closing_brace_may_be_more_or_fewer(odd: str) -> None:
    kind = "event: content_block_delta\n"
    head = kind + 'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"'
    blocks = [f'{head}t{number}"}}{" " * (number * 7 % 15)}}}\n\n'.encode() for number in range(400)]
    strange = f'{head}{odd}"}}  }}\n\n'.encode()
    same("anthropic-messages", b"".join([*blocks[:50], strange, *blocks[:50]]))
    assert taken(Decoder("anthropic-messages"), [*blocks[:5], b"".join(blocks[5:200]), b"".join(blocks[200:])]) > 350


def test_a_name_that_stands_twice_misleads_nobody() -> None:
    payloads = [chat(f"t{n}").replace('"content":', f'"content":"t{n}","content":') for n in range(9)]
    same("openai-chat", framed(*payloads))
    payloads = [chat(f"t{n}").replace('"content":', '"content":"first","content":') for n in range(30)]
    same("openai-chat", framed(*payloads))
    assert taken(Decoder("openai-chat"), [framed(*payloads)[:-2], b"\n\n"]) >= 0


def test_text_that_stands_elsewhere_too_misleads_nobody() -> None:
    payloads = [chat("m", model="m", system_fingerprint="m") for _ in range(9)] + [chat("other", model="m")]
    same("openai-chat", framed(*payloads))


def test_the_arguments_of_tool_calls_go_the_short_way_too() -> None:
    def call(index: int, arguments: str, **more: Any) -> str:
        calls = [{"index": index, **more, "function": {"arguments": arguments, **more}}]
        return chat("").replace('"content":""', f'"tool_calls":{json.dumps(calls)}')

    first = [call(0, "", id="a", name="weather"), *(call(0, f'{{"n": {n}') for n in range(30))]
    second = [call(1, "", id="b", name="time"), *(call(n % 2, f'"city{n}\\n"') for n in range(30))]
    repeated = [call(0, "x", id="c", name="again"), call(0, "y", id="c", name="again"), *(call(0, "z") for _ in "abcd")]
    data = framed(*first, *second, *repeated, chat("text"), *(call(1, str(n)) for n in range(9)))
    same("openai-chat", data)
    assert taken(Decoder("openai-chat"), [framed(payload) for payload in first]) > 20


def tool(arguments: str, **function: Any) -> str:
    calls = [{"index": 0, "function": {"arguments": arguments, **function}}]
    return chat("").replace('"content":""', f'"tool_calls":{json.dumps(calls)}')


def delta(**members: Any) -> str:
    return chat("").replace('"content":""', json.dumps(members)[1:-1])


def counted(text: str) -> list[str]:
    """Messages that differ by a number alone, whose digits grow."""
    return [text.replace("%", str(number)) for number in range(12)]


#: Streams in which the rest of a message, or of the stream, says what a delta means: a rule that a template cannot see.
RULES: dict[str, list[str]] = {
    "reasoning twice, alike and not": [
        *(delta(reasoning="t", reasoning_content="t") for _ in range(12)),
        delta(reasoning="t", reasoning_content="other"),
        delta(reasoning="other", reasoning_content="t"),
    ],
    "reasoning and details, alike and not": [
        *(delta(reasoning="t", reasoning_details=[{"type": "reasoning.text", "text": "t"}]) for _ in range(12)),
        delta(reasoning="other", reasoning_details=[{"type": "reasoning.text", "text": "t"}]),
    ],
    "text beside content, alike and not": [
        *(chat("t").replace('"index":0', '"index":0,"text":"t"') for _ in range(12)),
        chat("other").replace('"index":0', '"index":0,"text":"t"'),
    ],
    "a message beside the delta": [
        chat(f"t{n}").replace('"index":0', f'"index":0,"message":{{"content":"t{n % 3}"}}') for n in range(12)
    ],
    "a member that changes now and then": [
        chat(f"t{n}").replace('"content"', f'"mood":"{n // 4 % 2}","content"') for n in range(40)
    ],
    "the whole arguments once more": [tool("{", name="f"), *(tool(" ") for _ in range(9)), tool("}"), tool("{}")],
    "a piece like the whole arguments": [
        tool('{"a":', name="f"), *(tool(" ") for _ in range(9)), tool("{}"), tool("}"),
    ],
    "the whole arguments once more, in one read": [
        *(tool(it) for it in ['{"a":[', *("1, " for _ in range(9)), "1", "]}"]),
        tool('{"a":[' + "1, " * 9 + "1]}"),
        tool("]"),
    ],
    "the name in every piece, then whole arguments": [
        tool("{", name="f"), *(tool(" ", name="f") for _ in range(9)), tool("}", name="f"), tool("{}", name="f"),
    ],
    "numbers for text": [*counted(chat("t%")), chat("").replace('"content":""', '"content":7'), *counted(chat("t%"))],
    "text after the finish": [
        *counted(chat("t%")),
        chat("").replace('"finish_reason":null', '"finish_reason":"stop"'),
        *counted(chat("t%")),
    ],
}  # fmt: skip


@pytest.mark.parametrize("payloads", RULES.values(), ids=RULES)
@pytest.mark.parametrize("end", [[], ["[DONE]"]], ids=["EOF", "[DONE]"])
def test_the_short_way_is_not_taken_past_a_rule(payloads: list[str], end: list[str]) -> None:
    data = framed(*payloads, *end)
    same("openai-chat", data)
    for place in range(len(payloads)):
        parts = [framed(*payloads[:place]), framed(*payloads[place:], *end)]
        assert told(decode(Decoder("openai-chat"), parts)) == told(decode(full("openai-chat"), [data])), place


def test_arguments_that_went_the_short_way_are_known_at_the_end() -> None:
    """Whether a call is cut, and whether its arguments come once more, depends on all of its pieces."""
    pieces = [tool('{"a":[', name="f"), *(tool(f"{n},") for n in range(20)), tool("1]}")]
    decoder = Decoder("openai-chat")
    assert taken(decoder, [framed(piece) for piece in pieces]) > 10
    assert told(decode(Decoder("openai-chat"), [framed(*pieces, "[DONE]")]))[-1][0].clean
    cut_off = decode(Decoder("openai-chat"), [framed(piece) for piece in [*pieces[:-1], "[DONE]"]])
    assert not cut_off[-1].clean  # type: ignore[union-attr]


#: An ordinary stream of each dialect that has a short way, as text with a number for a token.
ORDINARY = {
    "openai-chat": 'data: {"id":"c","object":"chat.completion.chunk","model":"m","choices":[{"index":0,"delta":'
    '{"content":"t%"},"finish_reason":null}]}\n\n',
    "openai-responses": "event: response.output_text.delta\n"
    'data: {"type":"response.output_text.delta","sequence_number":%,"item_id":"i","output_index":0,"content_index":0,'
    '"delta":"t%"}\n\n',
    "anthropic-messages": "event: content_block_delta\n"
    'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"t%"}}\n\n',
    "holysheep": 'data: {"type":"content_delta","content":"t%"}\n\n',
}


@pytest.mark.parametrize("name", [dialect.name for dialect in SHORT])
def test_an_ordinary_stream_of_each_dialect_goes_the_short_way(name: str) -> None:
    """Read by read, many messages a read, and over a WebSocket: it would be as right, and slower, without."""
    messages = [ORDINARY[name].replace("%", str(number)) for number in range(200)]
    opening = 'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":'
    first = f'{opening}{{"type":"text","text":""}}}}\n\n' if name == "anthropic-messages" else ""
    assert taken(Decoder(name), [first.encode(), *(message.encode() for message in messages)]) > 180
    assert taken(Decoder(name), cut((first + "".join(messages)).encode(), 2000)) > 150
    decoder = Decoder(name)
    inner = decoder._decoder
    slow: list[Any] = []
    original = inner.receive_message
    inner.receive_message = lambda message: slow.append(message) or original(message)  # type: ignore
    for message in [first, *messages]:
        decoder.receive_message(message.rpartition("data: ")[2].strip())
    assert len(slow) < 20


def test_choices_that_take_turns_are_told_apart() -> None:
    payloads = [chat(f"t{n}").replace('"index":0', f'"index":{n % 2}') for n in range(40)]
    same("openai-chat", framed(*payloads))


def test_a_template_is_learned_of_nothing_large_or_of_several_lines() -> None:
    holes = Holes(texts=[("t",)])
    assert Template.learn(json.dumps({"t": "x" * MAX_SIZE}), TextDelta(0, "x" * MAX_SIZE), holes) is None
    assert Template.learn('{"t":\n"x"}', TextDelta(0, "x"), holes) is None
    assert Template.learn('{"t":"x"}', TextDelta(0, "y"), holes) is None
    template = Template.learn('{"t":"x"}', TextDelta(0, "x"), holes)
    assert template is not None
    assert template.read('{"t":"yes"}', "\n", 3, "c") == [TextDelta(3, "yes")]
    assert template.read('{"t":"yes" }', "\n", 3, "c") is None


def test_a_stream_that_never_fits_is_not_tried_for_ever() -> None:
    decoder = Decoder("openai-chat")
    for number in range(3 * MAX_FAILURES):
        decoder.receive_data(framed(chat("x", number=number)))
    assert decoder._shortcut is not None
    assert not decoder._shortcut.ready
    same("openai-chat", framed(*[chat("x", number=number) for number in range(3 * MAX_FAILURES)]))


def responses(texts: list[str], whole: str, **more: Any) -> bytes:
    """A response of OpenAI's: deltas, then all levels at which the whole is repeated."""
    place = {"output_index": 0, "content_index": 0}
    part = {"type": "output_text", "text": whole}
    item = {"id": "m1", "type": "message", "content": [part]}
    messages: list[dict[str, Any]] = [{"type": "response.created", "response": {"id": "r1"}}]
    messages += [{"type": "response.output_text.delta", **place, "delta": text, **more} for text in texts]
    messages += [
        {"type": "response.output_text.done", **place, "text": whole},
        {"type": "response.content_part.done", **place, "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": {"id": "r1", "status": "completed", "output": [item]}},
    ]
    numbered = [{**message, "sequence_number": number} for number, message in enumerate(messages)]
    return b"".join(f"event: {it['type']}\n".encode() + framed(json.dumps(it)) for it in numbered)


@pytest.mark.parametrize("rest", ["", " and more", None])
@pytest.mark.parametrize("text", ["t", "é😀", 'a"\\\n'])
def test_a_whole_is_compared_with_what_went_the_short_way(text: str, rest: str | None) -> None:
    texts = [f"{text}{number} " for number in range(300)]
    whole = "other" if rest is None else "".join(texts) + rest
    data = responses(texts, whole)
    same("openai-responses", data)
    assert taken(Decoder("openai-responses"), cut(data, 4096)) > 200
    events = decode(Decoder("openai-responses"), cut(data, 4096))
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "".join(texts) + (rest or "")
    assert [event.code for event in events if isinstance(event, Error)] == ["whole_differs"] * (rest is None)


def test_a_whole_is_compared_with_what_came_over_a_websocket() -> None:
    lines = responses([f"t{number}" for number in range(50)], "".join(f"t{number}" for number in range(50)) + "!")
    messages = [line.removeprefix("data: ") for line in lines.decode().splitlines() if line.startswith("data")]
    short, slow = Decoder("openai-responses"), full("openai-responses")
    for message in messages:
        assert told(short.receive_message(message)) == told(slow.receive_message(message))


#: Payloads of a WebSocket dialect, and what may stand among them: alike or nearly, over two lines, in bytes.
AMONG = [
    '{"type":"content_delta","content":"a"}',
    '{"type":"content_delta","content":"é😀"}',
    '{"type":"content_delta","content":"q\\"\\n\\ud83d\\ude00"}',
    '{"type":"content_delta","content":"half\\ud83d"}',
    '{"type":"content_delta","content":"a"}\n{"type":"content_delta","content":"b"}',
    '{"type":"content_delta",\n"content":"c"}',
    '{"type":"content_delta","content":""}',
    '{"type":"content_delta","content":7}',
    b'{"type":"content_delta","content":"d"}',
    '{"content":"e","type":"content_delta"}',
    "no JSON",
]


@given(st.lists(st.one_of(st.sampled_from(AMONG[:2]), st.sampled_from(AMONG)), max_size=40), st.data())
def test_messages_that_came_together_give_what_each_gives_alone(
    messages: list[str | bytes], data: st.DataObject
) -> None:
    messages = [AMONG[0]] * 4 + messages + ['{"type":"done"}', AMONG[0]]
    together, alone = Decoder("holysheep"), full("holysheep")
    at, events = 0, []
    while at < len(messages):
        end = data.draw(st.integers(at + 1, len(messages)))
        events += together.receive_messages(messages[at:end])
        at = end
    assert told(events) == told([event for message in messages for event in alone.receive_message(message)])
    assert together.outcome == alone.outcome


def test_messages_that_came_together_go_the_short_way() -> None:
    decoder = Decoder("holysheep")
    slow: list[Any] = []
    inner = decoder._decoder
    original = inner.receive_message
    inner.receive_message = lambda message: slow.append(message) or original(message)  # type: ignore
    assert len(decoder.receive_messages([AMONG[0]] * 500)) == 501  # with the start of the block
    assert len(slow) < 10


def test_what_went_the_short_way_is_kept_as_text_and_not_as_messages() -> None:
    decoder = Decoder("openai-responses")
    texts = [f"t{number} " for number in range(3000)]
    body = responses(texts, "".join(texts), obfuscation="x" * 200)
    for piece in cut(body[: body.index(b"event: response.output_text.done")], 4096):
        decoder.receive_data(piece)
    inner = decoder._decoder
    assert isinstance(inner, KeepsTexts)
    assert "".join(inner.texts(0) or ()) == "".join(texts)
    chat_decoder = Decoder("openai-chat")
    for number in range(300):
        chat_decoder.receive_data(framed(chat(f"t{number}")))
    assert isinstance(chat_decoder._decoder, KeepsTexts)
    assert "".join(chat_decoder._decoder.texts(0) or ()) == "".join(f"t{number}" for number in range(300))


# Made by Hypothesis.

TEXTS = st.one_of(
    st.text(max_size=8),
    st.text(st.characters(codec=None), max_size=4),
    st.sampled_from(
        ['"', "\\", "\n", '"},"x":"', "\ud83d", "\ude00", "\u2028", "\x00", "😀", '{"a":"b"}', "data: ", ""]
    ),
)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=3,
)


def message_of(name: str, text: Any, extra: dict[str, Any], number: int) -> tuple[str, dict[str, Any]]:
    """The SSE name and the object of a delta."""
    if name == "anthropic-messages":
        delta = {"type": "text_delta", "text": text, **extra}
        return "content_block_delta", {"type": "content_block_delta", "index": 0, "delta": delta}
    if name == "openai-responses":
        head = {"type": "response.output_text.delta", "sequence_number": number, "output_index": 0, "content_index": 0}
        return "response.output_text.delta", {**head, "delta": text, "obfuscation": "x" * (number % 3), **extra}
    if name == "openai-chat":
        return "", json.loads(chat("x", padding="y" * (number % 3))) | extra | {
            "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]
        }
    return "", {"type": "content_delta", "content": text, **extra}


@st.composite
def streams(draw: st.DrawFn, name: str) -> bytes:
    """A stream of deltas that are mostly alike, some of them odd in one way or several."""
    ascii_only = draw(st.booleans())
    separators = draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    texts = draw(st.lists(TEXTS | st.sampled_from([" the", " a", "."]), min_size=1, max_size=12))
    blocks = []
    for number, text in enumerate(texts):
        extra = draw(st.dictionaries(TEXTS, VALUES, max_size=1)) if draw(st.integers(0, 9)) == 0 else {}
        event, value = message_of(name, text if draw(st.integers(0, 19)) else draw(VALUES), extra, number)
        if draw(st.integers(0, 19)) == 0:
            value = dict(reversed(value.items()))
        payload = json.dumps(value, ensure_ascii=ascii_only, separators=separators)
        if draw(st.integers(0, 9)) == 0:
            place = draw(st.integers(0, len(payload)))
            payload = (
                payload[:place] + draw(st.sampled_from(['"', "\\", ",", "{", " ", "0", ""])) + payload[place + 1 :]
            )
        payload = payload.replace("\r", "").replace("\n", "")
        head = f"event: {event}\n" if event else ""
        blocks.append(f"{head}data: {payload}\n\n".encode("utf-8", "replace"))
    return b"".join(blocks)


EXAMPLES = int(os.environ.get("TOKENWIRE_TEMPLATE_EXAMPLES", "400"))


@pytest.mark.parametrize("name", [dialect.name for dialect in SHORT if dialect.framing == "sse"])
def test_whatever_comes_the_short_way_gives_what_the_full_parse_gives(name: str) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(streams(name), st.integers(1, 400))
    def check(stream: bytes, size: int) -> None:
        wanted = told(decode(full(name), [stream]))
        assert told(decode(Decoder(name), [stream])) == wanted
        assert told(decode(Decoder(name), cut(stream, size))) == wanted
        blocks = [block + b"\n\n" for block in stream.split(b"\n\n") if block]
        assert told(decode(Decoder(name), blocks)) == told(decode(full(name), blocks))

    check()


@pytest.mark.parametrize("name", [dialect.name for dialect in SHORT if dialect.opening is not None])
def test_messages_of_a_websocket_give_the_same_either_way(name: str) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(TEXTS | st.sampled_from([" the", " a", "."]), max_size=12))
    def check(texts: list[str]) -> None:
        short, slow = Decoder(name), full(name)
        for number, text in enumerate(texts):
            _, value = message_of(name, text, {}, number)
            payload = json.dumps(value)
            assert told(short.receive_message(payload)) == told(slow.receive_message(payload))

    check()


# Recordings.


def recordings(name: str) -> list[Path]:
    """The recordings of a dialect that are streams as they came: those of the project, and those of the corpus."""
    root = Path(__file__).parent.parent.parent / "fixtures"
    corpus = os.environ.get("TOKENWIRE_CORPUS")
    folders = [root, *([Path(corpus) / "public"] if corpus else [])]
    return sorted(path for folder in folders for path in folder.rglob("*.sse"))


@pytest.mark.parametrize("name", [dialect.name for dialect in SHORT if dialect.framing == "sse"])
def test_every_recording_gives_the_same_either_way(name: str) -> None:
    source = random.Random(3)
    paths = recordings(name)
    if not paths:
        pytest.skip("TOKENWIRE_CORPUS is not set")
    for path in paths:
        data = path.read_bytes()
        wanted = told(decode(full(name), [data]))
        for size in (100_000_000, 16 * 1024, source.randint(1, 2000), source.randint(1, 2000)):
            assert told(decode(Decoder(name), cut(data, size))) == wanted, (path.name, size)


def test_the_example_in_the_docstring_is_as_it_says() -> None:
    lines = (template.__doc__ or "").splitlines()
    first = next(place for place, line in enumerate(lines) if line.startswith('    {"type"'))
    chunk, marks = lines[first : first + 6 : 2], lines[first + 1 : first + 6 : 2]
    raw = "".join(map(str.strip, chunk))
    marked = [line[mark.index("^") : mark.rindex("^") + 1] for line, mark in zip(chunk, marks, strict=True)]
    assert marked == ["4", "Hello", "x1"]
    learned = Template.learn(raw, TextDelta(0, "Hello", raw, "4"), DIALECTS["openai-responses"].holes or Holes([]))
    assert learned is not None
    following = raw.replace(":4,", ":5,").replace("Hello", " world").replace("x1", "x")
    assert learned.read_one(following, 0, None) == TextDelta(0, " world", following, "5")
    changed = following.replace('"content_index":0', '"content_index":1')
    assert learned.read_one(changed, 0, None) is None

"""The framings behind one interface: which one a body has, and what ends with it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutting import bytewise, cut_at, cuts, every_way
from tokenwire.dialects import dialect_named
from tokenwire.dialects.dialect import Framing
from tokenwire.dialects.frames import Frames, frames_for
from tokenwire.dialects.strays import MAX_BLANK
from tokenwire.errors import EventTooLarge, RemoteProtocolError

CHAT = dialect_named("openai-chat")


def frames_of(framing: Framing, limit: int = 1000) -> Frames:
    return frames_for(replace(CHAT, framing=framing), "", limit)


def read(frames: Frames, pieces: list[bytes]) -> list[tuple[str, str]]:
    """The messages, each with its name."""
    messages = [message for piece in pieces for message in frames.receive_data(piece)]
    return [(message.event, message.data) for message in [*messages, *frames.receive_eof()]]


def same_always(framing: Framing, stream: bytes, messages: list[tuple[str, str]], *, cut: bool) -> None:
    for pieces in every_way(stream):
        frames = frames_of(framing)
        assert read(frames, pieces) == messages, pieces
        assert frames.cut == cut, pieces


@pytest.mark.parametrize(
    ("stream", "messages", "cut"),
    [
        (b"", [], False),
        (b"\r\n \n", [], False),
        (b"data: 1\n\n", [("message", "1")], False),
        (b"\r\ndata: 1\r\n\r\n", [("message", "1")], False),
        (b"\xef\xbb\xbfdata: [1]\n\n", [("message", "[1]")], False),
        (b" data: 1\n\ndata: 2\n\n", [("message", "2")], False),
        (b"data: [1]\n\ndata: {", [("message", "[1]")], True),
        (b"[{}\r\n,\r\n{}]\r\n", [("", "{}"), ("", "{}")], False),
        (b"\xef\xbb\xbf\n[{}]", [("", "{}")], False),
        (b'{\n  "a": 1\n}\n', [("", '{\n  "a": 1\n}')], False),
        (b"[{},{", [("", "{}"), ("", "{")], True),
        (b"[{}", [("", "{}")], True),
        (b"[", [], True),
        (b"\xef\xbb", [], False),
        (b"\n" * MAX_BLANK + b"[{}]", [("", "{}")], False),
        (b"\n" * (MAX_BLANK + 1) + b"[{}]", [], False),
    ],
)
def test_the_first_byte_that_is_no_blank_tells_events_from_json(
    stream: bytes, messages: list[tuple[str, str]], cut: bool
) -> None:
    same_always("sse-or-json", stream, messages, cut=cut)


def test_lines_are_messages_and_one_that_was_cut_is_told() -> None:
    same_always("jsonlines", b'{"a":1}\r\n\n{}\n', [("", '{"a":1}'), ("", "{}")], cut=False)
    same_always("jsonlines", b'{"a":1}\n{}', [("", '{"a":1}'), ("", "{}")], cut=False)
    same_always("jsonlines", b'{"a":1}\n{"b', [("", '{"a":1}'), ("", '{"b')], cut=True)


PRETTY = (
    b'{\n  "error": {\n    "code": 499,\n    "message": "a } and a \\" {",\n    "details": [\n      {}\n    ]\n  }\n}'
)


@pytest.mark.parametrize("framing", ["sse", "sse-or-json"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n", b""])
def test_an_error_after_the_events_is_a_message_with_and_without_a_last_line_end(framing: Framing, end: bytes) -> None:
    stream = b"data: 1\n\n" + PRETTY + end
    same_always(framing, stream, [("message", "1"), ("error", PRETTY.decode())], cut=False)


@pytest.mark.parametrize(
    ("rest", "cut"),
    [(PRETTY[:-1], True), (PRETTY[:-1] + b"\n", True), (b"{", True), (b"dat", True), (b"[DON", False)],
)
def test_what_is_no_whole_error_at_the_end_is_none_but_may_have_been_one(rest: bytes, cut: bool) -> None:
    same_always("sse", b"data: 1\n\n" + rest, [("message", "1")], cut=cut)


@pytest.mark.parametrize("line", ["}", '{"a":1}', 'Data: {"a":1}'])
@pytest.mark.parametrize("end", ["\n", ""])
def test_a_message_without_its_field_is_one_with_and_without_a_last_line_end(line: str, end: str) -> None:
    same_always("sse", f"data: 1\n\n{line}{end}".encode(), [("message", "1"), ("", line)], cut=False)


def test_a_dialect_that_is_no_more_than_the_standard_ignores_and_discards() -> None:
    for rest in (PRETTY, PRETTY[:-1], b"error: x\n", b"data: 2\n", b"da"):
        frames = frames_for(replace(CHAT, framing="sse", plain=True), "", 1000)
        assert read(frames, [b"data: 1\n\n" + rest]) == [("message", "1")]
        assert not frames.cut


@pytest.mark.parametrize(
    ("framing", "stream"),
    [("jsonlines", b"{}\n[1,2,3]\n"), ("sse-or-json", b"[{}, [1,2,3]]"), ("sse", b"data: 123456\n")],
)
def test_a_message_over_the_limit_is_an_error(framing: Framing, stream: bytes) -> None:
    frames = frames_of(framing, limit=6)
    with pytest.raises(EventTooLarge):
        read(frames, bytewise(stream))
    assert isinstance(frames.error, EventTooLarge)


@pytest.mark.parametrize(
    ("before", "last"),
    [
        (b"", ""),
        (b"data: {}\n\n", ""),
        (b"id: 1\ndata: {}\n\n", "1"),
        (b"id: 1\n\n", "1"),
        (b"data: {}\n\nid: 1\n: ping\n\n", "1"),
        (b"data: {}\n\nid: 1\n\n: ping\n\nnonsense\n", "1"),
        (b"id: 1\n\nid: 2\ndata: {}\n\n: ping\n", "2"),
        (b"id: 2\ndata: {}\n\nid: 1\n\ndata: {}\n\n", "1"),
    ],
)
def test_an_error_between_the_events_has_the_last_id_however_they_are_cut(before: bytes, last: str) -> None:
    for pieces in every_way(before + b'{"error": 1}\n\n'):
        frames = frames_of("sse")
        messages = [message for piece in pieces for message in frames.receive_data(piece)]
        assert (messages[-1].event, messages[-1].id) == ("error", last), pieces


def test_ids_and_retry_are_those_of_the_events() -> None:
    frames = frames_for(replace(CHAT, framing="sse-or-json"), "7", 1000)
    assert frames.last_event_id == "7"
    frames.receive_data(b"id: 8\nretry: 5\ndata: 1\n\n")
    assert (frames.last_event_id, frames.retry) == ("8", 5)
    lines = frames_for(replace(CHAT, framing="jsonlines"), "7", 1000)
    assert (lines.last_event_id, lines.retry) == ("", None)


PIECES = st.sampled_from(
    [b"data: 1\n", b"\n", b"\r\n", b" ", b"{", b"}", b"[", b"]", b",", b'"', b'"error"', b":", b"error: x",
     b"\xef\xbb\xbf", b"\xef", b"\n" * MAX_BLANK]
)  # fmt: skip


@given(st.lists(PIECES, max_size=12).map(b"".join), cuts)
@pytest.mark.parametrize("framing", ["sse", "jsonlines", "sse-or-json"])
def test_hostile_bytes_give_the_same_messages_however_they_are_cut(
    framing: Framing, stream: bytes, places: list[int]
) -> None:
    outcomes = []
    for pieces in ([stream], cut_at(stream, places), bytewise(stream)):
        frames = frames_of(framing)
        messages: list[tuple[str, str]] = []
        try:
            for piece in [*pieces, b""]:
                messages += [(message.event, message.data) for message in frames.receive_data(piece)]
            messages += [(message.event, message.data) for message in frames.receive_eof()]
        except RemoteProtocolError as error:
            messages.append(("raised", str(error)))
        outcomes.append((messages, frames.cut))
    assert outcomes[1:] == outcomes[:1] * 2

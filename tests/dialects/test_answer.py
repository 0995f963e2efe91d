"""What a stream has said so far: folded late, folded as if at once, and kept in little room."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tokenwire
from cutting import cut_at, cuts
from tokenwire.dialects import answer as module
from tokenwire.dialects.answer import MAX_UNFOLDED, MIN_PIECE, Answer, ToolCall
from tokenwire.dialects.events import (
    BlockStart,
    BlockStop,
    End,
    Error,
    Finish,
    Other,
    ReasoningDelta,
    Start,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from tokenwire.dialects.latest import MAX_LATEST, MAX_LATEST_SIZE, Latest

OPENING: list[StreamEvent] = [
    Start("i", "m"),
    BlockStart(0, "text"),
    BlockStart(1, "text", choice=1),
    BlockStart(2, "reasoning"),
    BlockStart(3, "tool", "t", "f"),
    BlockStart(4, "server_tool", "s", "g", choice=1),
]

middles = st.lists(
    st.sampled_from([0, 0, 0, 1]).flatmap(lambda block: st.builds(TextDelta, st.just(block), st.text(max_size=3)))
    | st.builds(ReasoningDelta, st.just(2), st.text(max_size=3))
    | st.builds(ToolCallDelta, st.sampled_from([3, 4]), st.text(max_size=3))
    | st.builds(Usage, st.dictionaries(st.just("n"), st.integers()), st.booleans())
    | st.builds(Finish, st.just("stop"), st.just("stop"), st.integers(0, 1))
    | st.builds(Error, st.text(max_size=2), st.text(max_size=2), st.booleans())
    | st.builds(Other, st.just("x"), st.text(max_size=3), st.none() | st.text(max_size=2)),
    max_size=300,
)


def all_of(answer: Answer) -> dict[str, Any]:
    return {
        "text": [answer.text_of(choice) for choice in range(3)],
        "reasoning": answer.reasoning,
        "tools": answer.tools,
        "all_tools": answer.all_tools,
        "start": answer.start,
        "usage": answer.usage,
        "finish": answer.finish,
        "error": answer.error,
        "end": answer.end,
        "count": answer.count,
        "first_cursor": answer.first_cursor,
        "events": answer.events,
    }


@given(middles, cuts, st.booleans())
def test_batches_of_any_size_add_up_to_what_single_events_do(
    middle: list[StreamEvent], places: list[int], keep_events: bool
) -> None:
    events = [*OPENING, *middle, End(True)]
    singly, batched, looked_at = (Answer(keep_events=keep_events) for _ in range(3))
    for event in events:
        singly.add(event)
        assert singly.end is (event if isinstance(event, End) else None)
    for batch in cut_at(events, places):  # type: ignore[arg-type, type-var]
        batched.add_all(batch)  # type: ignore[arg-type]
        looked_at.add_all(batch)  # type: ignore[arg-type]
        assert looked_at.count <= len(events)
        assert looked_at.usage is None or "n" in looked_at.usage or looked_at.usage == {}
    assert all_of(singly) == all_of(batched) == all_of(looked_at)
    assert batched.text == "".join(e.text for e in events if isinstance(e, TextDelta) and e.block == 0)
    assert batched.events == (events if keep_events else events[-MAX_LATEST:])


def test_a_restart_makes_what_was_said_void_and_keeps_the_events() -> None:
    answer = Answer()
    said = [*OPENING, TextDelta(0, "old", cursor="1"), Usage({"n": 1}, True), Error("", "no", True), BlockStop(0)]
    again = [Other("tokenwire.restart", ""), Start("j", "m"), BlockStart(5, "text"), TextDelta(5, "new", cursor="2")]
    answer.add_all([*said, *again])
    assert (answer.text, answer.usage, answer.error, answer.tools) == ("new", None, None, [])
    assert (answer.start, answer.first_cursor) == (Start("j", "m"), "2")
    assert answer.events == [*said, *again]


def test_a_continuation_goes_on_with_the_text_and_begins_new_cursors() -> None:
    answer = Answer()
    answer.add_all([*OPENING, TextDelta(0, "Hel", cursor="1"), Other("tokenwire.continuation", "")])
    answer.add_all([BlockStart(5, "text"), TextDelta(5, "lo", cursor="9")])
    assert (answer.text, answer.first_cursor) == ("Hello", "9")


@pytest.mark.parametrize("count", [MAX_LATEST - 1, MAX_LATEST, MAX_LATEST + 1, MAX_LATEST + MAX_UNFOLDED, 1000])
def test_the_last_events_are_kept_and_all_where_that_is_asked_for(count: int) -> None:
    events: list[StreamEvent] = [Other("x", str(number)) for number in range(count)]
    few, all_ = Answer(), Answer(keep_events=True)
    for event in events:
        few.add(event)
        all_.add(event)
    assert few.events == events[-MAX_LATEST:]
    assert all_.events == events
    assert few.count == all_.count == count


def test_a_program_that_changes_the_list_it_gave_or_got_changes_nothing() -> None:
    answer = Answer()
    events: list[StreamEvent] = [BlockStart(0, "text"), TextDelta(0, "a")]
    answer.add_all(events)
    events.clear()
    answer.events.clear()
    assert (answer.text, answer.count, len(answer.events)) == ("a", 2, 2)


def test_events_are_folded_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    folded: list[int] = []
    fold = Answer._fold
    monkeypatch.setattr(Answer, "_fold", lambda self: folded.append(len(self._unfolded)) or fold(self))
    answer = Answer()
    for _ in range(10 * MAX_UNFOLDED):
        answer.add_all([TextDelta(0, "token", "x" * 300)])
    assert folded == [MAX_UNFOLDED] * 10


@pytest.mark.parametrize("choice", [0, 1])
def test_a_run_of_text_goes_where_its_block_belongs(choice: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module._Said, "add", None)  # the short way is taken
    answer = Answer()
    answer._said._choices[7] = choice
    answer.add_all([TextDelta(7, "a", cursor="5"), TextDelta(7, "b", cursor="5"), TextDelta(7, "c", cursor="6")])
    assert (answer.text_of(choice), answer.text_of(1 - choice), answer.first_cursor) == ("abc", "", "5")


def test_short_pieces_take_no_more_room_than_they_hold() -> None:
    answer = Answer()
    answer.add(BlockStart(0, "text"))
    for _ in range(20_000):
        answer.add(TextDelta(0, "ab"))
        assert answer.usage is None  # which folds each event by itself
    (pieces,) = answer._said.text.values()
    assert len(pieces) <= 1 + 40_000 // MIN_PIECE
    assert answer.text == "ab" * 20_000
    assert pieces == ["ab" * 20_000]


def test_the_arguments_of_a_call_are_its_pieces() -> None:
    answer = Answer()
    answer.add_all([*OPENING, ToolCallDelta(3, '{"a"'), ToolCallDelta(3, ": 1}")])
    assert answer.tools == [ToolCall("t", "f", '{"a": 1}')]
    answer.add(ToolCallDelta(3, " "))
    assert answer.tools[0].arguments == '{"a": 1} '
    assert [call.name for call in answer.all_tools] == ["f", "g"]


# Room.


def deltas(count: int, size: int) -> Iterator[list[StreamEvent]]:
    for number in range(count):
        yield [TextDelta(0, "abcd", f"{number:0{size}}")]


def test_a_long_stream_takes_little_more_than_its_text() -> None:
    answer = Answer()
    tracemalloc.start()
    try:
        for batch in deltas(200_000, 300):
            answer.add_all(batch)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * 200_000 + 500_000
    assert len(answer.text) == 800_000


@pytest.mark.parametrize("size", [100_000, MAX_LATEST_SIZE, 2 * MAX_LATEST_SIZE])
def test_large_events_do_not_wait_to_be_folded(size: int) -> None:
    answer = Answer()
    tracemalloc.start()
    try:
        for batch in deltas(100, size):
            answer.add_all(batch)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 * MAX_LATEST_SIZE + 3 * size
    assert answer.events[-1].raw.endswith("99")


@pytest.mark.parametrize(
    ("sizes", "kept"),
    [
        ([MAX_LATEST_SIZE - 1, 1], 2),
        ([MAX_LATEST_SIZE, 1], 1),
        ([MAX_LATEST_SIZE - 1, 2], 1),
        ([1, MAX_LATEST_SIZE + 1], 1),
        ([1, 1, MAX_LATEST_SIZE - 1], 2),
        ([1] * MAX_LATEST, MAX_LATEST),
        ([1] * (MAX_LATEST + 1), MAX_LATEST),
        ([], 0),
    ],
)
def test_the_bounds_of_what_is_kept_are_exact(sizes: list[int], kept: int) -> None:
    events: list[StreamEvent] = [Other("x", "y" * size) for size in sizes]
    for batches in ([events], [[event] for event in events]):
        latest = Latest()
        for batch in batches:
            latest.add_all(batch)
        assert latest.events == events[len(events) - kept :]


def test_a_gigabyte_would_be_decoded_in_little_room() -> None:
    """A twentieth of it, for a test run."""
    chunk = b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"abcd"},"finish_reason":null}]}\n\n'
    count = 50_000_000 // len(chunk) // 200
    peaks: list[int] = []

    def chunks() -> Iterator[bytes]:
        for _ in range(count):
            yield chunk * 200
        peaks.append(tracemalloc.get_traced_memory()[1])

    tracemalloc.start()
    try:
        with pytest.raises(tokenwire.StreamInterrupted) as caught:
            for _ in tokenwire.decode(chunks()):
                pass
    finally:
        tracemalloc.stop()
    text = 4 * 200 * count
    assert len(caught.value.text) == text
    assert peaks[0] < text + 1_000_000

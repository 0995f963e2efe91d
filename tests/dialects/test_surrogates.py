"""Characters whose two halves were sent apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenwire.dialects.surrogates import SurrogateJoiner, whole

HIGH, LOW = "\ud83d", "\ude00"

# (the pieces as they came, what comes out of each, what comes out at the end)
PIECES = [
    (["a", "b"], ["a", "b"], ""),
    ([HIGH, LOW], ["", "😀"], ""),
    (["a" + HIGH, LOW + "b"], ["a", "😀b"], ""),
    ([HIGH, "", LOW], ["", "", "😀"], ""),
    ([HIGH + LOW], ["😀"], ""),
    ([HIGH], [""], "\ufffd"),
    ([HIGH, "a"], ["", "\ufffda"], ""),
    ([HIGH, HIGH, LOW], ["", "\ufffd", "😀"], ""),
    ([LOW], ["\ufffd"], ""),
    (["a" + LOW + HIGH], ["a\ufffd"], "\ufffd"),
    ([LOW, HIGH], ["\ufffd", ""], "\ufffd"),
    ([HIGH + "a" + LOW], ["\ufffda\ufffd"], ""),
    (["é", "世界", "👋"], ["é", "世界", "👋"], ""),
    (["", ""], ["", ""], ""),
]


@pytest.mark.parametrize(("pieces", "expected", "rest"), PIECES, ids=[ascii(row[0]) for row in PIECES])
def test_halves_are_joined_where_they_pair_up_and_replaced_where_not(
    pieces: list[str], expected: list[str], rest: str
) -> None:
    joiner = SurrogateJoiner()
    assert [joiner.feed(piece) for piece in pieces] == expected
    assert joiner.flush() == rest
    assert joiner.flush() == ""


def by_hand(text: str) -> str:
    """The same, one character at a time."""
    out = ""
    place = 0
    while place < len(text):
        first, second = text[place], text[place + 1 : place + 2]
        if "\ud800" <= first <= "\udbff" and "\udc00" <= second <= "\udfff":
            out += chr(0x10000 + ((ord(first) - 0xD800) << 10) + ord(second) - 0xDC00)
            place += 2
        else:
            out += "\ufffd" if "\ud800" <= first <= "\udfff" else first
            place += 1
    return out


@given(
    st.lists(st.text(st.sampled_from(["a", "é", "😀", HIGH, LOW, "\udbff", "\udc00", "\ud800", "\udfff"]), max_size=4))
)
def test_any_pieces_give_what_the_whole_gives(pieces: list[str]) -> None:
    joiner = SurrogateJoiner()
    joined = "".join([*map(joiner.feed, pieces), joiner.flush()])
    joined.encode()
    assert joined == by_hand("".join(pieces)) == whole("".join(pieces)), list(map(ascii, pieces))

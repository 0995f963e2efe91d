"""Secrets are found in every form, wherever the data is cut, with work that grows as the data does."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary import CANARY, FORMS, sings
from cutting import bytewise, cut_at, cuts, every_way
from tokenwire.secrecy import Needles, Search, Secrets
from tokenwire.secrecy.search import MIN_SECRET, clean

NEEDLES = Needles([CANARY])


def searched(pieces: list[bytes], needles: Needles = NEEDLES) -> bytes:
    search = Search(needles)
    return b"".join(map(search.feed, pieces)) + search.finish()


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_masked_in_place_wherever_it_is_cut(form: str) -> None:
    data = b'{"a": "' + FORMS[form] + b'", "b": 1}'
    assert sings(data)
    whole = clean(NEEDLES, data)
    assert not sings(whole)
    assert b"[redacted]" in whole
    assert len(whole) == len(data)
    assert whole.endswith(b'", "b": 1}')
    if "ase64" not in form and form != "Basic":  # which has bits of its neighbours in its first and last letter
        assert whole == data.replace(FORMS[form], (b"[redacted]" * 40)[: len(FORMS[form])])
    for pieces in every_way(data):
        assert searched(pieces) == whole, pieces


_PIECES = [
    *FORMS.values(),
    b"sk-",
    b"sk-canary/7c1f+0",
    CANARY.encode()[:20],
    b"\\",
    b"%",
    b"&",
    b"25",
    b"&amp;",
    b"\\u00",
    b" ",
]


@settings(max_examples=60)
@given(st.lists(st.sampled_from(_PIECES), max_size=8), cuts)
def test_no_cut_changes_what_is_masked(parts: list[bytes], places: list[int]) -> None:
    data = b"".join(parts)
    whole = searched([data])
    assert searched(bytewise(data)) == whole
    assert searched(cut_at(data, places)) == whole
    assert len(whole) == len(data)


OVERLAPPING = ["abcabcabcabc", "bcabcabcabca", "aaaaaaaa", "\\u0041\\u0041", "%41%41%41", "&amp;&amp;", "ü€😀ü€😀"]


@settings(max_examples=60)
@given(st.lists(st.sampled_from([*OVERLAPPING, "a", "bc", "\\", "%25", "&#97;", "u0041"]), max_size=8), cuts)
def test_secrets_that_overlap_and_that_hold_escapes_are_masked_alike_however_cut(
    parts: list[str], places: list[int]
) -> None:
    needles = Needles(OVERLAPPING)
    data = "".join(parts).encode()
    whole = searched([data], needles)
    assert searched(bytewise(data), needles) == whole
    assert searched(cut_at(data, places), needles) == whole
    for secret in OVERLAPPING:
        assert secret.encode() not in whole


@pytest.mark.parametrize(("length", "masked"), [(15, False), (16, True), (17, True), (len(CANARY) - 1, True)])
def test_more_than_half_of_a_secret_is_masked_like_the_whole(length: int, masked: bool) -> None:
    assert len(CANARY) == 31
    beginning = CANARY[:length].encode()
    for data in (beginning, beginning + b" and more"):
        assert (beginning not in clean(NEEDLES, data)) is masked


@pytest.mark.parametrize(("length", "found"), [(MIN_SECRET - 1, False), (MIN_SECRET, True), (MIN_SECRET + 1, True)])
def test_a_value_is_searched_from_a_length_on(length: int, found: bool) -> None:
    secret = "k3y-abcdef"[:length]
    assert (secret not in Secrets((secret,)).clean(f"it is {secret}!")) is found


INNOCENT = [
    b'data: {"text": "caf\\u00e9 \\/ &amp; 100%"}\n\n',
    bytes(range(256)) * 3,
    b"sk-canary/7c1f",
    b"&",
    b"\\",
    b"%2",
]


@pytest.mark.parametrize("data", INNOCENT)
def test_what_is_no_secret_stays(data: bytes) -> None:
    for pieces in every_way(data):
        assert searched(pieces) == data


def test_a_beginning_that_is_forced_out_is_masked_from_there_on() -> None:
    search = Search(NEEDLES)
    out = search.feed(b"<" + CANARY[:5].encode()) + search.force()
    assert out == b"<" + CANARY[:5].encode()
    out += search.feed(CANARY[5:20].encode()) + search.force()
    out += search.feed(CANARY[20:].encode() + b">") + search.finish()
    assert out == b"<" + CANARY[:5].encode() + (b"[redacted]" * 4)[5:31] + b">"


@pytest.mark.parametrize(
    "repeated", [b"s", b"\\", b"%25", b"&amp;", b"sk-canary/7c1f", CANARY.encode()[:-1], b"&#", b"\\u00", b"x"]
)
def test_each_byte_is_looked_at_a_bounded_number_of_times(repeated: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def looked_at(size: int) -> int:
        count = 0
        whole: Callable[[Needles, bytes], int] = Needles.open_escape

        def counted(self: Needles, raw: bytes) -> int:
            nonlocal count
            count += len(raw)
            return whole(self, raw)

        with monkeypatch.context() as patch:
            patch.setattr(Needles, "open_escape", counted)
            data = (repeated * size)[:size]
            searched(bytewise(data))
        return count

    few, many = looked_at(1_000), looked_at(4_000)
    assert many < 4.5 * few, "the work grows faster than the data"
    assert many < 4_000 * 300, "what is kept is more than a secret and an escape"

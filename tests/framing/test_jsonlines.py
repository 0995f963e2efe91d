"""Streams of JSON values: one a line, and the elements of an array."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonvalues import elements_of, lines_of

from cutting import bytewise, cut_at, cuts, every_way
from tokenwire.framing.jsonlines import JSONArrayParser, JSONLinesParser
from tokenwire.framing.sse import EventTooLarge, RemoteProtocolError

Parser = JSONLinesParser | JSONArrayParser


def read(parser: Parser, pieces: list[bytes]) -> list[str]:
    values = [value for piece in pieces for value in parser.receive_data(piece)]
    return values + parser.receive_eof()


def read_to_error(parser: Parser, pieces: list[bytes]) -> tuple[list[str], str | None, int | None]:
    """The values before the error, its kind and its offset."""
    values: list[str] = []
    try:
        for piece in pieces:
            values += parser.receive_data(piece)
        values += parser.receive_eof()
    except RemoteProtocolError as error:
        return values, type(error).__name__, error.offset
    return values, None, None


# (what it shows, the stream, the values, what is unfinished at the end)
LINES: list[tuple[str, bytes, list[str], str]] = [
    ("nothing", b"", [], ""),
    ("one a line", b'{"a":1}\n{"b":2}\n', ['{"a":1}', '{"b":2}'], ""),
    ("CRLF", b"{}\r\n[]\r\n", ["{}", "[]"], ""),
    ("a CR alone is a blank and ends no line", b"{}\r[]\n", ["{}\r[]"], ""),
    ("blank lines", b"\n\r\n \t\n{}\n\n", ["{}"], ""),
    ("blanks around a value", b"  {} \t\n", ["{}"], ""),
    ("a last line without its LF", b'{}\n{"a":[1]}', ["{}", '{"a":[1]}'], ""),
    ("a last line that is cut", b'{}\n{"a":[1]', ["{}"], '{"a":[1]'),
    ("a last number may have been longer", b"1\n2", ["1"], "2"),
    ("a last number that is cut", b"1\n2e", ["1"], "2e"),
    ("a last string ends with its quote", b'1\n"2"', ["1", '"2"'], ""),
    ("what is no JSON is the caller's business", b"{\nx\n{}\n", ["{", "x", "{}"], ""),
    ("a BOM", b"\xef\xbb\xbf{}\n", ["{}"], ""),
    ("a later BOM stays", b"{}\n\xef\xbb\xbf{}\n", ["{}", "\ufeff{}"], ""),
    ("nothing but a BOM", b"\xef\xbb\xbf", [], ""),
    ("not UTF-8", b'"\xff\xc3"\n', ['"\ufffd\ufffd"'], ""),
    (
        "other line ends of Unicode",
        '"\u2028\u0085\x0b\x0c"\n{}\n'.encode(),
        ['"\u2028\u0085\x0b\x0c"', "{}"],
        "",
    ),
]

ELEMENTS: list[tuple[str, bytes, list[str], str]] = [
    ("nothing", b"", [], ""),
    ("nothing but blanks", b" \r\n", [], ""),
    ("an empty array", b"[]", [], ""),
    ("as Gemini sends it", b'[{\n  "a": 1\n}\n,\r\n{\n  "b": 2\n}\n]\n', ['{\n  "a": 1\n}', '{\n  "b": 2\n}'], ""),
    ("nested", b'[{"a":{"b":[{}]}},[[],[]]]', ['{"a":{"b":[{}]}}', "[[],[]]"], ""),
    ("brackets in strings", b'[{"a":"]}"},"}{"]', ['{"a":"]}"}', '"}{"'], ""),
    ("escapes in strings", rb'[{"a":"\"]}\\"},"\\",{}]', [r'{"a":"\"]}\\"}', r'"\\"', "{}"], ""),
    ("scalars", b'[1,-2.5e3 ,true,\nnull,"a",false]', ["1", "-2.5e3", "true", "null", '"a"', "false"], ""),
    ("objects in a row", b'{"a":1}{"b":2}\n\n{"c":\n3}\n', ['{"a":1}', '{"b":2}', '{"c":\n3}'], ""),
    ("a BOM", b"\xef\xbb\xbf[{}]", ["{}"], ""),
    ("a BOM before an object", b"\xef\xbb\xbf{}", ["{}"], ""),
    ("not UTF-8", b'[{"\xff":"\xe6\x97"}]', ['{"\ufffd":"\ufffd"}'], ""),
    ("an element that is cut", b'[{},{"a":[', ["{}"], '{"a":['),
    ("cut in a string", b'[{},"a]', ["{}"], '"a]'),
    ("cut in an escape", b'[{"a\\', [], '{"a\\'),
    ("cut in a number", b"[1,2", ["1"], "2"),
    ("a scalar ends with what follows it", b"[1,true", ["1"], "true"),
    ("cut between elements", b"[{},", ["{}"], ""),
    ("an object that is cut", b'{"a":1}\n{"b"', ['{"a":1}'], '{"b"'),
    ("brackets that do not match are the caller's business", b"[{]]", ["{]"], ""),
]

#: (what it shows, the stream, the values before the error, its offset)
BROKEN: list[tuple[str, bytes, list[str], int]] = [
    ("no array and no object", b" x", [], 1),
    ("a scalar alone", b"1", [], 0),
    ("two commas", b"[{},,{}]", ["{}"], 4),
    ("a comma at the beginning", b"[,{}]", [], 1),
    ("a comma at the end", b"[{},]", ["{}"], 4),
    ("no comma", b"[{} {}]", ["{}"], 4),
    ("something after the array", b'[{}]\n{"a":1}', ["{}"], 5),
    ("no value", b"[{},x]", ["{}"], 4),
    ("an array after an object", b"{}[]", ["{}"], 2),
    ("half a BOM", b"\xef\xbb[{}]", [], 2),
    ("a BOM in the middle", b"[{},\xef\xbb\xbf{}]", ["{}"], 4),
]


@pytest.mark.parametrize(
    ("kind", "stream", "values", "unfinished"),
    [
        pytest.param(kind, *rest, id=f"{kind.__name__}: {what}")
        for kind, cases in ((JSONLinesParser, LINES), (JSONArrayParser, ELEMENTS))
        for what, *rest in cases
    ],
)
def test_a_stream_gives_its_values_however_it_is_cut(
    kind: type[Parser], stream: bytes, values: list[str], unfinished: str
) -> None:
    for pieces in every_way(stream):
        parser = kind()
        assert read(parser, pieces) == values, pieces
        assert parser.unfinished == unfinished, pieces


@pytest.mark.parametrize(("what", "stream", "values", "offset"), BROKEN, ids=[case[0] for case in BROKEN])
def test_what_no_array_has_between_its_elements_is_an_error(
    what: str, stream: bytes, values: list[str], offset: int
) -> None:
    for pieces in every_way(stream):
        parser = JSONArrayParser()
        assert read_to_error(parser, pieces) == (values, "RemoteProtocolError", offset), pieces
        assert parser.error is not None
        assert "RFC 8259" in str(parser.error)
        with pytest.raises(RemoteProtocolError):
            parser.receive_data(b"{}")
        with pytest.raises(RemoteProtocolError):
            parser.receive_eof()


def test_an_element_is_given_as_soon_as_it_ends() -> None:
    parser = JSONArrayParser()
    assert parser.receive_data(b'[{"a":1') == []
    assert parser.receive_data(b"}") == ['{"a":1}']
    assert parser.receive_data(b"\r\n,") == []


@pytest.mark.parametrize(
    ("stream", "complete"),
    [
        (b"", True), (b"[", False), (b"[{}", False), (b"[{},", False), (b"[1", False), (b"[]", True),
        (b"[{}] \n", True), (b"{", False), (b"{}", True), (b"{}{", False), (b"\xef\xbb", False),
    ],
)  # fmt: skip
def test_an_array_is_complete_when_it_is_closed(stream: bytes, complete: bool) -> None:
    parser = JSONArrayParser()
    read(parser, bytewise(stream))
    assert parser.complete is complete


@pytest.mark.parametrize(("stream", "complete"), [(b"", True), (b"{}\n", True), (b"{}\n{", False), (b" \r", True)])
def test_lines_are_complete_when_the_last_one_is(stream: bytes, complete: bool) -> None:
    parser = JSONLinesParser()
    read(parser, bytewise(stream))
    assert parser.complete is complete


# Limits.


@pytest.mark.parametrize(
    ("kind", "stream", "values", "offset"),
    [
        (JSONLinesParser, b'{}\n{"a":12345}\n{}\n', ["{}"], 3),
        (JSONLinesParser, b'{}\n{"a":123456789', ["{}"], 3),
        (JSONLinesParser, b"{}\n" + b" " * 11 + b"{}\n", ["{}"], 3),
        (JSONArrayParser, b'[{}, {"a":12345},{}]', ["{}"], 5),
        (JSONArrayParser, b'[{}, {"a":123456789', ["{}"], 5),
        (JSONArrayParser, b"[12345678901]", [], 1),
    ],
)
def test_a_value_over_the_limit_is_an_error_after_what_came_before_it(
    kind: type[Parser], stream: bytes, values: list[str], offset: int
) -> None:
    for pieces in every_way(stream):
        parser = kind(max_value_size=10)
        assert read_to_error(parser, pieces) == (values, "EventTooLarge", offset), pieces
        with pytest.raises(EventTooLarge, match="10 bytes at byte"):
            parser.receive_data(b"\n")


@pytest.mark.parametrize(
    ("kind", "stream"), [(JSONLinesParser, b'{"a":1234}\n' * 2), (JSONArrayParser, b' [{"a":1234},\n{"a":1234}]')]
)
def test_a_value_of_the_limit_passes(kind: type[Parser], stream: bytes) -> None:
    for pieces in every_way(stream):
        assert read(kind(max_value_size=10), pieces) == ['{"a":1234}'] * 2


@pytest.mark.parametrize("kind", [JSONLinesParser, JSONArrayParser])
def test_blanks_between_values_are_not_kept(kind: type[Parser]) -> None:
    parser = kind(max_value_size=100)
    start = b"[" if kind is JSONArrayParser else b""
    assert read(parser, [start, *[b"\r\n" * 50] * 100, b"{}\n"]) == ["{}"]


def test_a_huge_value_in_small_reads_is_searched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search sees the read alone, and never the value that has come so far."""
    searched: list[int] = []
    original = JSONArrayParser._through

    def counted(self: JSONArrayParser, data: bytes, at: int) -> int:
        searched.append(len(data))
        return original(self, data, at)

    monkeypatch.setattr(JSONArrayParser, "_through", counted)
    value = json.dumps({"a": ['"\\' * 20_000, {"b": [1] * 10_000}]})
    stream = b"[" + value.encode() + b"]"
    assert read(JSONArrayParser(), [stream[place : place + 16] for place in range(0, len(stream), 16)]) == [value]
    assert sum(searched) <= len(stream)


# Against the oracle.

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.sampled_from('a"\\]}[{,\n\u2028é😀\ud83d'), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
OBJECTS = st.dictionaries(st.text(max_size=3), VALUES, max_size=3)
BLANKS = st.text(st.sampled_from(" \t\r\n"), max_size=3)


@st.composite
def arrays(draw: st.DrawFn) -> bytes:
    """An array, or objects in a row, in any layout."""
    in_array = draw(st.booleans())
    values = draw(st.lists(VALUES if in_array else OBJECTS, max_size=4))
    text = draw(BLANKS)
    for position, value in enumerate(values):
        text += "," * (in_array and position > 0) + draw(BLANKS)
        text += json.dumps(value, indent=draw(st.none() | st.integers(0, 2)), ensure_ascii=True)
        text += draw(BLANKS)
    return (f"[{text}]" if in_array else text).encode()


@given(arrays(), st.integers(0, 500), cuts)
@example(b"[1]", 2, [])
@example(b"[1e+16]", 3, [])
@example(b"[true]", 5, [])
def test_the_elements_are_those_of_the_whole_stream_read_at_once(stream: bytes, length: int, places: list[int]) -> None:
    whole = [json.loads(value) for value in read(JSONArrayParser(), [stream])]
    if stream.lstrip().startswith(b"["):
        assert whole == json.loads(stream)
    for part in (stream, stream[:length]):
        parser = JSONArrayParser()
        assert (read(parser, cut_at(part, places)), parser.unfinished) == elements_of(part)


@given(st.lists(VALUES, max_size=4), st.booleans(), st.integers(0, 500), cuts)
def test_the_lines_are_those_of_the_whole_stream_read_at_once(
    values: list[Any], crlf: bool, length: int, places: list[int]
) -> None:
    stream = "".join(json.dumps(value) + ("\r\n" if crlf else "\n") for value in values).encode()
    assert [json.loads(value) for value in read(JSONLinesParser(), [stream])] == values
    for part in (stream, stream[:length]):
        parser = JSONLinesParser()
        assert (read(parser, cut_at(part, places)), parser.unfinished) == lines_of(part)


HOSTILE = st.lists(st.sampled_from([b"[", b"]", b"{", b"}", b'"', b"\\", b",", b" ", b"\n", b"1", b"a", b"\xff"])).map(
    b"".join
)


@given(HOSTILE | st.binary(max_size=30), cuts)
@pytest.mark.parametrize("kind", [JSONLinesParser, JSONArrayParser])
def test_hostile_bytes_give_the_same_however_they_are_cut(kind: type[Parser], stream: bytes, places: list[int]) -> None:
    whole, cut, dripped = kind(max_value_size=12), kind(max_value_size=12), kind(max_value_size=12)
    expected = read_to_error(whole, [stream, b""])
    assert read_to_error(cut, [*cut_at(stream, places), b""]) == expected
    assert read_to_error(dripped, [*bytewise(stream), b""]) == expected
    assert whole.unfinished == cut.unfinished == dripped.unfinished
    assert whole.complete == cut.complete == dripped.complete
    assert all(len(value) <= 12 for value in expected[0])

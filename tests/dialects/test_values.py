"""Values of any JSON type, read where text, arguments, an object, a list, an index or a name belongs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tokenwire.dialects.values import arguments_of, index_of, items_of, name_of, object_of, text_of

#: Values of every JSON type, and of the forms that have one meaning where another type belongs.
VALUES: list[Any] = [
    None, "", "a", "\ud83d", "0", "7", '{"a": 1}', "{}", "[]", 0, 7, -1, 1.5, 2.0, 1e300, float("inf"), True, False,
    [], {}, ["a", 1], ["a", None, True], [{"text": "a"}, {"type": "text", "text": "b"}],
    [{"type": "output_text", "text": 1}], [{"type": "image", "text": "a"}], [{"type": "text"}], [["a"]],
    {"text": "a"}, {"text": None}, {"text": {"x": 1}},
    {"x": 1}, [{"x": 1}], [{"x": 1}, {"y": 2}], [[{"x": 1}]],
]  # fmt: skip

# (the function, a value, what it means there)
MEANINGS: list[tuple[Callable[[Any], Any], Any, Any]] = [
    (text_of, None, ""),
    (text_of, "", ""),
    (text_of, "a\ud83d", "a\ud83d"),
    (text_of, 0, "0"),
    (text_of, 12, "12"),
    (text_of, -1.5, "-1.5"),
    (text_of, True, "true"),
    (text_of, False, "false"),
    (text_of, [], ""),
    (text_of, ["a", 1, None, True], "a1true"),
    (text_of, [{"type": "text", "text": "a"}, {"text": 1}, {"type": "output_text", "text": "b"}], "a1b"),
    (text_of, {"type": "text", "text": "a"}, "a"),
    (text_of, {}, None),
    (text_of, {"x": 1}, None),
    (text_of, {"type": "image", "text": "a"}, None),
    (text_of, {"text": {"x": 1}}, None),
    (text_of, ["a", {"x": 1}], None),
    (text_of, [["a"]], None),
    (arguments_of, None, ""),
    (arguments_of, '{"a":', '{"a":'),
    (arguments_of, "", ""),
    (arguments_of, {}, "{}"),
    (arguments_of, {"a": "é"}, '{"a": "é"}'),
    (arguments_of, [1], "[1]"),
    (arguments_of, 0, "0"),
    (arguments_of, False, "false"),
    (object_of, None, {}),
    (object_of, "", {}),
    (object_of, [], {}),
    (object_of, {"a": 1}, {"a": 1}),
    (object_of, [{"a": 1}], {"a": 1}),
    (object_of, '{"a": 1}', {"a": 1}),
    (object_of, [{"a": 1}, {"b": 2}], None),
    (object_of, "a", None),
    (object_of, 1, None),
    (object_of, False, None),
    (items_of, None, []),
    (items_of, [1, None], [1, None]),
    (items_of, {"a": 1}, [{"a": 1}]),
    (items_of, "a", ["a"]),
    (items_of, 0, [0]),
    (index_of, 0, 0),
    (index_of, "3", 3),
    (index_of, 2.0, 2),
    (index_of, 2.5, None),
    (index_of, float("inf"), None),
    (index_of, "x", None),
    (index_of, True, None),
    (index_of, "true", None),
    (index_of, None, None),
    (index_of, [1], None),
    (name_of, "a\ud83d", "a\ufffd"),
    (name_of, 7, "7"),
    (name_of, None, ""),
    (name_of, True, None),
    (name_of, ["a"], None),
]


@pytest.mark.parametrize(
    ("read", "value", "meaning"), MEANINGS, ids=[f"{read.__name__}-{value!r}" for read, value, _ in MEANINGS]
)
def test_a_value_is_read_where_it_has_one_meaning(read: Callable[[Any], Any], value: Any, meaning: Any) -> None:
    found = read(value)
    assert (found, type(found)) == (meaning, type(meaning))


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_no_digit_and_no_letter_vanishes(value: Any) -> None:
    """Where text belongs and where arguments belong: all of the value is read, or the caller is told that it is not."""
    text = text_of(value)
    said = "".join(leaf for leaf in leaves(value) if leaf)
    assert text is None or text == said
    arguments = arguments_of(value)
    assert arguments is not None
    assert value in (None, arguments) or json.loads(arguments) == value


def leaves(value: Any) -> list[str]:
    """The texts of a value, without the types of its parts."""
    if isinstance(value, list):
        return [leaf for item in value for leaf in leaves(item)]
    if isinstance(value, dict):
        return [leaf for name, item in value.items() if name != "type" for leaf in leaves(item)]
    if value is None or isinstance(value, str):
        return [value or ""]
    return [json.dumps(value)]


def test_a_value_that_is_nested_too_deeply_to_write_is_told() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    assert arguments_of(deep) is None
    assert text_of(deep) is None

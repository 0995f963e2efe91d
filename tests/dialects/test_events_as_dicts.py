"""Stream events as dicts and back: every class, every field, and nothing but JSON. And the arguments of tool calls."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tokenwire
from tokenwire import ToolCall, event_from_dict, event_to_dict
from tokenwire.dialects.events import BlockKind, FinishReason, StreamEvent

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "str": st.text(st.characters(), max_size=8),  # lone surrogates too
    "str | None": st.none() | st.text(max_size=8),
    "int": st.integers(0, 99),
    "int | None": st.none() | st.integers(0, 99),
    "bool": st.booleans(),
    "BlockKind": st.sampled_from(get_args(BlockKind)),
    "FinishReason": st.sampled_from(get_args(FinishReason)),
    "Mapping[str, Any]": st.dictionaries(
        st.text(max_size=4),
        st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=4), st.lists, max_leaves=4),
        max_size=3,
    ),
}
CLASSES: tuple[type[StreamEvent], ...] = get_args(StreamEvent)
EVENTS = st.one_of(
    *(st.builds(kind, **{field.name: VALUES[str(field.type)] for field in fields(kind)}) for kind in CLASSES)
)


def members(event: StreamEvent) -> dict[str, Any]:
    """All of it: `raw` and `cursor` take no part in comparison."""
    return {field.name: getattr(event, field.name) for field in fields(event)}


@given(EVENTS)
def test_an_event_comes_back_as_it_was(event: StreamEvent) -> None:
    told = event_to_dict(event)
    assert told["event"] == type(event).__name__
    again = event_from_dict(json.loads(json.dumps(told, allow_nan=False)))
    assert type(again) is type(event)
    assert members(again) == members(event)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_the_dict_has_the_name_and_every_field(kind: type[StreamEvent]) -> None:
    samples: dict[str, Any] = {
        "str": "x",
        "int": 1,
        "int | None": 2,
        "bool": True,
        "Mapping[str, Any]": {"a": {"b": [1]}},
    }
    values = {field.name: samples.get(str(field.type), "stop") for field in fields(kind)}
    event = kind(**values)
    told = event_to_dict(event)
    assert told == {"event": kind.__name__, **values}
    needed = {name: value for name, value in told.items() if name not in ("raw", "cursor", "choice") or name == "event"}
    if kind is not tokenwire.Other:
        assert event_from_dict(needed) == (event if "choice" not in values else type(event)(**{**values, "choice": 0}))


def test_the_dict_is_a_copy() -> None:
    counts = {"details": {"cached": 1}}
    told = event_to_dict(tokenwire.Usage(counts, True))
    counts["details"]["cached"] = 2
    assert told["counts"] == {"details": {"cached": 1}}


@pytest.mark.parametrize("arguments", ["", "  \n", "{}"])
def test_no_arguments_are_an_empty_object(arguments: str) -> None:
    assert ToolCall("id", "f", arguments).parsed() == {}


def test_arguments_are_parsed() -> None:
    assert ToolCall("id", "f", '{"city": "Zürich", "days": [1]}').parsed() == {"city": "Zürich", "days": [1]}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ('{"city": "Zü', "are not JSON"),
        ("city=Zürich", "are not JSON"),
        ('{"a": 1}{"b": 2}', "are not JSON"),
        ('{"a": NaN}', "JSON has no NaN"),
        ("[" * 100_000, "are not JSON"),
        ("[1]", "no object"),
        ('"text"', "no object"),
        ("null", "no object"),
    ],
)
def test_arguments_that_are_no_object_are_a_value_error(arguments: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        ToolCall("id", "get_weather", arguments).parsed()
    assert "get_weather" in str(caught.value)

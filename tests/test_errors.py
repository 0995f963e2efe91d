"""Every error can be copied, pickled and sent between processes: those of today, and those to come."""

from __future__ import annotations

import copy
import inspect
import pickle
import pkgutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing import get_context
from typing import Any

import pytest

import tokenwire
from tokenwire.dialects.answer import Answer
from tokenwire.dialects.events import End, Error, TextDelta, Usage

#: They start a program.
_PROGRAMS = ("tokenwire.__main__", "tokenwire_conformance.__main__")


def all_errors() -> list[type[tokenwire.TokenwireError]]:
    """The root and all below it, of every module of the package and of the suite."""
    for package in ("tokenwire", "tokenwire_conformance"):
        for module in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
            if module.name not in _PROGRAMS:
                import_module(module.name)
    found = [tokenwire.TokenwireError]
    for kind in found:
        found += [below for below in kind.__subclasses__() if below not in found and "test" not in below.__module__]
    return found


def answer() -> Answer:
    so_far = Answer()
    so_far.add_all([TextDelta(0, "Hel", "raw"), Usage({"tokens": {"out": 1}}, True), End(False)])
    return so_far


#: A value for a parameter, by its annotation; all are told apart from the defaults.
VALUES: dict[str, Callable[[], Any]] = {
    "str": lambda: "some words: é",
    "int": lambda: 503,
    "int | None": lambda: 17,
    "float": lambda: 2.5,
    "bytes": lambda: b"\xff<html>",
    "Sequence[tuple[str, str]]": lambda: [("retry-after", "7")],
    "Mapping[str, Any]": lambda: {"code": "busy", "details": [1, {"a": None}]},
    "Answer": answer,
    "Answer | None": answer,
    "Error": lambda: Error("busy", "too much", True, '{"error": "busy"}', "c-7"),
}


def made(kind: type[tokenwire.TokenwireError]) -> tokenwire.TokenwireError:
    """An error of a class, with a value for each parameter of its constructor, and one more attribute."""
    if kind.__init__ is Exception.__init__:
        error = kind("some words: é")
    else:
        parameters = list(inspect.signature(kind).parameters.values())
        positional = [VALUES[p.annotation]() for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        named = {p.name: VALUES[p.annotation]() for p in parameters if p.kind is p.KEYWORD_ONLY}
        error = kind(*positional, **named)
    error.add_note("noted")
    return error


def state(error: BaseException) -> Any:
    """What is compared: an `Answer` by its events, for it has no equality of its own."""
    members = {name: value.events if isinstance(value, Answer) else value for name, value in vars(error).items()}
    return type(error), str(error), error.args, members


def returned(error: tokenwire.TokenwireError) -> tokenwire.TokenwireError:
    return error


def raised(error: tokenwire.TokenwireError) -> None:
    raise error


ERRORS = all_errors()
errors = pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)

WAYS: dict[str, Callable[[Any], Any]] = {
    **{
        f"pickle {protocol}": lambda e, p=protocol: pickle.loads(pickle.dumps(e, p)) for protocol in range(2, 6)
    },  # slots need 2
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


def test_the_walk_finds_them_all() -> None:
    exported = {getattr(tokenwire, name) for name in tokenwire.__all__ if name.endswith(("Error", "Failed"))}
    named = {kind for kind in exported if isinstance(kind, type) and issubclass(kind, Exception)}
    assert set(ERRORS) >= named | {tokenwire.StreamFailed, tokenwire.InvalidURL}
    assert len(ERRORS) >= 16


@errors
@pytest.mark.parametrize("way", WAYS)
def test_an_error_survives(kind: type[tokenwire.TokenwireError], way: str) -> None:
    error = made(kind)
    error.__cause__ = OSError(104, "reset")
    again = WAYS[way](error)
    assert again is not error
    assert state(again) == state(error)
    assert state(again.__cause__) == state(error.__cause__)


@errors
def test_a_cause_that_cannot_be_pickled_is_left_behind(kind: type[tokenwire.TokenwireError]) -> None:
    error = made(kind)
    error.__cause__ = ValueError(lambda: None)
    assert state(pickle.loads(pickle.dumps(error))) == state(error)


def test_a_subclass_of_a_users_own_survives_too() -> None:
    error = Mine("words", limit=7)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.limit) == (Mine, "words", 7)


class Mine(tokenwire.RemoteProtocolError):
    def __init__(self, message: str, *, limit: int) -> None:
        super().__init__(message)
        self.limit = limit


def test_errors_come_back_from_a_pool_of_processes() -> None:
    everything = [made(kind) for kind in ERRORS]
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        assert [state(again) for again in pool.map(returned, everything)] == [state(error) for error in everything]
        for error in everything:
            caught = pool.submit(raised, error).exception()
            assert caught is not None
            assert state(caught) == state(error)

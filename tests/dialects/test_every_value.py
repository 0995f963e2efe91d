"""A value of any type, at every place of every message of every vector: nothing that was said may vanish.

First each vector says where its text is. A place is *told* when a word put there comes out again: in the text, the
reasoning or the arguments, as the name or id of a tool, or in an error. A place *says something* when it is told, or
when a place inside it is. Then each place gets each of `VALUES` in turn, and each object on the way to what is told
gets a member that nobody knows. What must hold, whatever came:

- Nothing is raised. There is one `End`, and it is last. A delta comes only in an open block.
- What was put at a place that says something comes out again, or an `Other` or an `Error` has the message in its `raw`.
- The same holds for what the other places of the stream tell, up to the end that the server said itself.

`null`, `false` and what is empty say nothing. A test run takes a sample of the values. All of them, over all cores, or
only those of the dialects that are named, with the number of scenarios and with what goes wrong where:

    python tests/dialects/test_every_value.py [DIALECT ...]
"""

from __future__ import annotations

import base64
import binascii
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[1]))  # for the command

from test_invariants import check_blocks, messages_in

from test_vectors import OF_DIALECTS
from tokenwire.dialects import DIALECTS
from tokenwire.dialects.events import (
    BlockStart,
    End,
    Error,
    Other,
    ReasoningDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
)
from tokenwire.framing.sse import ServerSentEvent

#: Of how many scenarios of values a test run takes one. It has no divisor in common with their number.
SAMPLE = 7

#: What no vector has, so that it can be found again.
MARK = 7391538
WORD = str(MARK)


def nested(depth: int) -> Any:
    value: Any = WORD
    for _ in range(depth):
        value = [value]
    return value


VALUES: dict[str, Any] = {
    "a number": MARK,
    "a float": MARK + 0.25,
    "a huge number": MARK * 10**400,
    "a number beyond floats": float("inf"),
    "true": True,
    "false": False,
    "null": None,
    "a string": WORD,
    "an empty string": "",
    "half a surrogate pair": WORD + "\ud83d",
    "an empty list": [],
    "a list of strings": [WORD],
    "a list of numbers": [MARK],
    "a list of lists": [[WORD]],
    "a list of objects": [{"text": WORD}],
    "an empty object": {},
    "an object": {"text": WORD},
    "an object that nobody knows": {"new": MARK},
    "a deep list": nested(200),
}

#: Names of members and of what is put there: nobody has heard of them.
UNKNOWN: dict[str, Any] = {"a string": WORD, "a number": MARK, "an object": {"new": WORD}, "a list": [WORD]}

Place = tuple[str | int, ...]

# The JSON of a message, its places, and a value at one of them.


def inside(text: str) -> Any:
    """The JSON of a message; what Bedrock wraps in base64 stands there unwrapped. None for what is no JSON."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    if isinstance(value, dict) and isinstance(value.get("bytes"), str):
        try:
            return {**value, "bytes": json.loads(base64.b64decode(value["bytes"], validate=True))}
        except (ValueError, binascii.Error):
            pass
    return value


def outside(value: Any, original: str) -> str:
    """The other way round."""
    if isinstance(value, dict) and "bytes" in value and is_wrapped(original):
        value = {**value, "bytes": base64.b64encode(json.dumps(value["bytes"]).encode()).decode()}
    return json.dumps(value)


def is_wrapped(text: str) -> bool:
    return bool(inside(text) != json.loads(text))


def places(value: Any, here: Place = ()) -> Iterator[tuple[Place, Any]]:
    """All that stands in a value, and where; the whole comes first."""
    yield here, value
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, held in members:
        yield from places(held, (*here, name))


def put(value: Any, place: Place, new: Any) -> Any:
    """A copy of the value with something else at the place."""
    if not place:
        return new
    changed = dict(value) if isinstance(value, dict) else list(value)
    changed[place[0]] = put(value[place[0]], place[1:], new)
    return changed


# One vector.


@dataclass
class Subject:
    """A vector whose messages are read again and again.

    :ivar messages: with a word of its own at each place that tells text, reasoning or arguments.
    :ivar words: those words, by message and place.
    :ivar told: the places that are told, by message.
    """

    name: str
    dialect: str
    messages: list[ServerSentEvent]
    words: dict[tuple[int, Place], str] = field(default_factory=dict)
    told: dict[int, set[Place]] = field(default_factory=dict)

    def prepare(self) -> Subject:
        for number, message in enumerate(self.messages):
            for place, held in places(inside(message.data)):
                if place and (how := self._how_told(number, place, held)):
                    self.told.setdefault(number, set()).add(place)
                    if how == "piece" and isinstance(held, str):
                        self.words[number, place] = f"(word{len(self.words)})"
        for (number, place), word in self.words.items():
            self.messages[number] = self.changed(number, place, word)
        return self

    def _how_told(self, number: int, place: Place, held: Any) -> str:
        """Whether a word at the place comes out in a "piece" of something or as a "name"; empty where it does not."""
        for probe in probes(held):
            pieces, names = told(self.read(number, self.changed(number, place, probe))[0])
            if WORD in pieces:
                return "piece"
            if WORD in names:
                return "name"
        return ""

    def changed(self, number: int, place: Place, new: Any) -> ServerSentEvent:
        message = self.messages[number]
        return message._replace(data=outside(put(inside(message.data), place, new), message.data))

    def read(self, number: int, changed: ServerSentEvent) -> tuple[list[StreamEvent], int]:
        """The events, when one message is another one, and which message was the last that was read."""
        decoder = DIALECTS[self.dialect].decoder()
        events: list[StreamEvent] = []
        last = len(self.messages)
        for place, message in enumerate(self.messages):
            events += decoder.receive_message(changed if place == number else message)
            if last == len(self.messages) and events and isinstance(events[-1], End):
                last = place
        return events + decoder.receive_eof(), last

    def says(self, number: int, place: Place) -> bool:
        return any(told[: len(place)] == place for told in self.told.get(number, ()))


def probes(held: Any) -> list[Any]:
    """What may be told at a place, of the type that it has or may have."""
    if isinstance(held, str) or held is None:
        return [WORD]
    if held in ([], {}):
        return [[WORD], [{"text": WORD}]] if isinstance(held, list) else [{"text": WORD}]
    return []


def told(events: list[StreamEvent]) -> tuple[str, str]:
    """What the user got, run together: pieces of text, reasoning and arguments; and names, ids and errors."""
    pieces: list[str] = []
    names: list[str] = []
    for event in events:
        match event:
            case TextDelta(_, text) | ReasoningDelta(_, text) | ToolCallDelta(_, text):
                pieces.append(text)
            case BlockStart():
                names += [event.tool_id, event.name]
            case Error():
                names += [event.code, event.message]
    return "".join(pieces), "\n".join(names)


def word_of(value: Any) -> str:
    """What is to be found again of a value; empty where it says nothing."""
    if value is None or value is False or value in ("", [], {}):
        return ""
    return WORD if WORD in json.dumps(value) else json.dumps(value)


def problem(subject: Subject, number: int, place: Place, value: Any, *, says: bool) -> str:
    """What goes wrong when the value stands there; empty for nothing."""
    changed = subject.changed(number, place, value)
    try:
        events, last = subject.read(number, changed)
        check_blocks(events)
    except Exception as error:  # whatever it is, it is a fault
        return f"raised {error!r}"
    if [isinstance(event, End) for event in events].index(True) != len(events) - 1:
        return "the End is not last"
    if any(isinstance(event, Error) and event.fatal for event in events) and events[-1] == End(clean=True):
        return "clean after a fatal error"
    pieces, names = told(events)
    raws = {event.raw for event in events if isinstance(event, Other | Error)}
    word = word_of(value) if says and number <= last else ""
    if word and not raws & as_raw(changed) and word.lower() not in f"{pieces}\n{names}".lower():
        return "it vanishes"
    for (where, other), piece in subject.words.items():
        covered = where == number and other[: len(place)] == place
        if where <= last and not covered and piece not in pieces and not any(piece in raw for raw in raws):
            return f"{other} of message {where} vanishes with it"
    return ""


def as_raw(message: ServerSentEvent) -> set[str]:
    """The message as it may stand in the `raw` of an event."""
    return {message.data, json.dumps(inside(message.data)["bytes"])} if is_wrapped(message.data) else {message.data}


# All of them.


@dataclass(frozen=True)
class Scenario:
    number: int
    place: Place
    what: str
    value: Any
    says: bool


def with_values(subject: Subject) -> Iterator[Scenario]:
    """Each value at each place."""
    for number, message in enumerate(subject.messages):
        for place, _ in places(inside(message.data)):
            for what, value in VALUES.items():
                yield Scenario(number, place, what, value, subject.says(number, place))


def with_members(subject: Subject) -> Iterator[Scenario]:
    """A member that nobody knows in each object on the way to what is told."""
    for number, message in enumerate(subject.messages):
        for place, held in places(inside(message.data)):
            if isinstance(held, dict) and subject.says(number, place):
                for what, value in UNKNOWN.items():
                    yield Scenario(number, place, f"a new member, {what}", {**held, "new_member": value}, True)


WAYS = {"values": with_values, "members": with_members}


def subjects(dialect: str) -> list[Subject]:
    """The vectors of a dialect whose messages are JSON."""
    of_it = {name: vector for name, vector in OF_DIALECTS.items() if vector["dialect"] == dialect}
    read = {name: [it for it in messages_in(vector) if inside(it.data) is not None] for name, vector in of_it.items()}
    return [Subject(name, dialect, messages).prepare() for name, messages in read.items() if messages]


def failures(dialect: str, way: str, step: int) -> tuple[int, list[str]]:
    """How many scenarios there were, and what went wrong in which."""
    every = [(subject, scenario) for subject in subjects(dialect) for scenario in WAYS[way](subject)][::step]
    wrong: list[str] = []
    for subject, it in every:
        what = problem(subject, it.number, it.place, it.value, says=it.says)
        if what:
            wrong.append(f"{subject.name}, message {it.number}, {it.what} at {list(it.place)}: {what}")
    return len(every), wrong


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dialect", [name for name in DIALECTS if name != "raw"])
def test_nothing_vanishes_whatever_stands_where(dialect: str, way: str) -> None:
    count, wrong = failures(dialect, way, SAMPLE if way == "values" else 1)
    assert count or dialect == "eventsource"
    assert not wrong, "\n".join(wrong[:10])


def main() -> int:
    """Every scenario of every dialect, or of those named."""
    named = sys.argv[1:] or [name for name in DIALECTS if name != "raw"]
    found = 0
    with ProcessPoolExecutor() as processes:
        begun = [(name, way, processes.submit(failures, name, way, 1)) for name in named for way in WAYS]
        for name, way, each in begun:
            count, wrong = each.result()
            found += len(wrong)
            print(f"{count:9,} scenarios, {len(wrong):6,} wrong: {name}, {way}", flush=True)
            for line in wrong[:: max(1, len(wrong) // 20)]:
                print("   ", line[:300])
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())

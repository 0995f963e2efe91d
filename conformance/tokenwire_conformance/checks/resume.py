"""The checks of resuming: a client that lost its connection goes on where it was, and nobody else does.

Where an endpoint offers nothing of the kind, nothing is judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from tokenwire.dialects import DIALECTS, Dialect

from ..judging.case import Case, at, brief, gathered
from ..judging.registry import active, passive
from ..judging.verdict import Finding, Inconclusive, Level, NotApplicable, NotAsked
from ..reading.generation import dialect_of
from ..reading.http import Response
from ..reading.resumption import Numbered, numbered_events, rest_of
from ..reading.stream import Block, Stream

MUST, SHOULD = Level.MUST, Level.SHOULD

_PRACTICE = "practice"

_PROBE = "resume"

#: The requests of the probe, in their order.
_WHOLE, _AGAIN, _UNKNOWN, _OTHER = range(4)

#: An id that ends in a number, as those do that count events.
_COUNTED = re.compile(r"(.*?)([0-9]{1,18})")


@passive(
    "resume.ids-monotonic",
    SHOULD,
    _PRACTICE,
    "No two events of a stream have the same id, and ids that count go up.",
    on="streams",
    when=lambda stream: len(_with_ids(stream)) > 1,
    absent="no stream had events with ids",
    shown_by=("events",),
)
def ids_monotonic(stream: Stream) -> Iterator[Finding]:
    blocks = _with_ids(stream)
    first = {_id_of(block): block for block in reversed(blocks)}
    repeated = [block.offset for block in blocks if first[_id_of(block)] is not block]
    yield from gathered(stream.response, repeated, "an event has the id of one before it")
    backwards = [later.offset for earlier, later in pairwise(blocks) if _goes_back(_id_of(earlier), _id_of(later))]
    yield from gathered(stream.response, backwards, "the id of an event counts back")


def _with_ids(stream: Stream) -> list[Block]:
    return [event.block for event in stream.events if _id_of(event.block)]


def _id_of(block: Block) -> str:
    return (block.values("id") or [""])[-1]


def _goes_back(earlier: str, later: str) -> bool:
    """Both count the same thing, and the later one is smaller."""
    first, second = _COUNTED.fullmatch(earlier), _COUNTED.fullmatch(later)
    return bool(first and second and first[1] == second[1] and int(second[2]) < int(first[2]))


@active(
    "resume.last-event-id",
    SHOULD,
    _PRACTICE,
    "Whoever comes back with the id of the last event that was received gets what follows it, and nothing before.",
    probes=(_PROBE,),
)
def last_event_id(case: Case) -> Iterator[Finding]:
    if _dialect(case).name == "openai-responses":
        raise NotApplicable("this dialect goes on after a number, not after an id")
    yield from _continues(case)


@active(
    "resume.starting-after",
    MUST,
    "OpenAI API description, starting_after",
    "A response that is fetched with starting_after sends the events with higher numbers, and no others.",
    probes=(_PROBE,),
)
def starting_after(case: Case) -> Iterator[Finding]:
    if _dialect(case).name != "openai-responses":
        raise NotApplicable("this dialect goes on after an id, not after a number")
    yield from _continues(case)


def _continues(case: Case) -> Iterator[Finding]:
    rest = {event.cursor for event in _rest(case)}
    again = _again(case)
    earlier = [event for event in again if event.cursor and event.cursor not in rest]
    if earlier:
        last = _known(case)[-len(rest) - 1].cursor
        said = f"asked for what follows {brief(last)}, it sends {len(earlier)} events besides"
        yield Finding(
            f"{said}: the first is {brief(earlier[0].cursor)}",
            at(case.response(_PROBE, _AGAIN), content=earlier[0].event.offset),
        )


@active(
    "resume.no-gap-no-dup",
    SHOULD,
    _PRACTICE,
    "What was received and what follows it are together the whole stream: nothing is lost, and nothing comes twice.",
    probes=(_PROBE,),
)
def no_gap_no_dup(case: Case) -> Iterator[Finding]:
    wanted = [event.cursor for event in _rest(case)]
    came = [event.cursor for event in _again(case) if event.cursor in set(wanted)]
    if not came:
        raise Inconclusive("nothing of what was missed came")
    if came != wanted:
        lost = [cursor for cursor in wanted if cursor not in came]
        what = (
            f"{len(lost)} are lost, the first is {brief(lost[0])}" if lost else "they come twice, or in another order"
        )
        yield Finding(f"of {len(wanted)} events that were missed {what}", at(case.response(_PROBE, _AGAIN)))


@active(
    "resume.unknown-id",
    SHOULD,
    _PRACTICE,
    "Whoever asks for what follows an event that never was is told so, and gets no other stream for it.",
    probes=(_PROBE,),
)
def unknown_id(case: Case) -> Iterator[Finding]:
    _again(case)
    response = case.response(_PROBE, _UNKNOWN)
    events = Stream(response).events if response.status < 300 else []
    if events and not _tells_an_error(case, response):
        yield Finding(
            f"asked for what follows an event that never was, it begins a stream of {len(events)} events: the client"
            " takes it for what it missed",
            at(response),
        )


def _tells_an_error(case: Case, response: Response) -> bool:
    return any(generation.failed for generation in case.generations if generation.response is response)


@active(
    "resume.cross-tenant",
    MUST,
    "CWE-639",
    "A stream is gone on with by the key that asked for it, and by no other.",
    probes=(_PROBE,),
)
def cross_tenant(case: Case) -> Iterator[Finding]:
    rest = {(event.cursor, event.event.data) for event in _rest(case)}
    if not rest & {(event.cursor, event.event.data) for event in _again(case)}:
        raise Inconclusive("with its own key nothing of what was missed came either")
    if len(case.transcript(_PROBE).requests) <= _OTHER:
        raise NotAsked("no other key was given (--other-key-env NAME)")
    response = case.response(_PROBE, _OTHER)
    if response.status == 401:
        raise Inconclusive("the other key is refused with 401: give one that the endpoint takes")
    told = numbered_events(response, _dialect(case)) if response.status < 300 else []
    leaked = [event for event in told if (event.cursor, event.event.data) in rest]
    yield from gathered(
        response,
        [event.event.offset for event in leaked],
        "another key gets the events of a stream that it did not ask for",
    )


def _dialect(case: Case) -> Dialect:
    return DIALECTS[dialect_of(case.accepted(_PROBE))]


def _known(case: Case) -> Sequence[Numbered]:
    """The events of the stream that can be gone on with.

    :raises NotApplicable: where there are none.
    """
    first = case.accepted(_PROBE)
    if not first.complete:
        raise Inconclusive("the stream did not come to its end, so nobody knows what follows its middle")
    known = [event for event in numbered_events(first, _dialect(case)) if event.cursor]
    if len(known) < 2:
        raise NotApplicable("the events of the stream have neither ids nor numbers")
    return known


def _rest(case: Case) -> Sequence[Numbered]:
    """What follows the event after which the stream is gone on with."""
    return rest_of(_known(case))


def _again(case: Case) -> Sequence[Numbered]:
    """What came when it was gone on with.

    :raises NotApplicable: where that is not offered.
    """
    _known(case)
    if len(case.transcript(_PROBE).requests) <= _AGAIN:
        raise NotApplicable("the answer has no id by which it could be asked for again")
    response = case.response(_PROBE, _AGAIN)
    if response.status != 200 or response.media_type != "text/event-stream":
        raise NotApplicable(f"a stream cannot be gone on with here: {response.status} {response.media_type}".rstrip())
    return numbered_events(response, _dialect(case))

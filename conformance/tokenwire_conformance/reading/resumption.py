"""A stream that was read to its end, and what followed when it was gone on with behind its middle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tokenwire.dialects import Dialect
from tokenwire.dialects.dialect import Broken
from tokenwire.dialects.events import Start
from tokenwire.framing.sse import ServerSentEvent

from .generation import Generation
from .http import Response
from .stream import Event, Stream

__all__ = ["Numbered", "broken_in_the_middle", "id_of", "numbered_events", "rest_of"]


@dataclass(frozen=True, slots=True)
class Numbered:
    """An event, and by what the stream can be gone on with after it: its id, or its number; empty for none."""

    event: Event
    cursor: str


def numbered_events(response: Response, dialect: Dialect) -> list[Numbered]:
    """The events of a stream."""
    return [Numbered(event, dialect.cursor(_message(event))) for event in Stream(response).events]


def rest_of(events: Sequence[Numbered]) -> list[Numbered]:
    """What has a cursor, behind the middle of it. Empty where there is no event to go on with, or none behind it."""
    known = [event for event in events if event.cursor]
    return known[_middle(known) + 1 :]


def broken_in_the_middle(response: Response, dialect: Dialect) -> Broken | None:
    """The stream as a client knows it that lost its connection there; None where nothing can be gone on with."""
    known = [event for event in numbered_events(response, dialect) if event.cursor]
    if len(known) < 2:
        return None
    last = known[_middle(known)]
    return Broken(
        path=response.request.target,
        fields={},
        json=response.request.asked,
        id=id_of(response, dialect),
        cursor=last.cursor,
        last_event_id=_message(last.event).id,
    )


def _middle(known: Sequence[Numbered]) -> int:
    return (len(known) - 1) // 2


def id_of(response: Response, dialect: Dialect) -> str:
    """That of the generation; empty where it is not told."""
    steps = Generation(Stream(response), dialect).steps
    return next((event.id for step in steps for event in step.events if isinstance(event, Start)), "")


def _message(event: Event) -> ServerSentEvent:
    name = "" if event.name == "message" else event.name
    return ServerSentEvent(name, event.data, (event.block.values("id") or [""])[-1])

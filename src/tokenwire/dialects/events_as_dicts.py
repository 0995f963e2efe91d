"""Stream events as plain dicts and back, for queues, logs and other processes: all that is in them is JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, get_args

from ..checking import described, must_be, must_be_one_of
from ..errors import LocalProtocolError
from .events import StreamEvent

__all__ = ["event_from_dict", "event_to_dict"]

_CLASSES: dict[str, type[StreamEvent]] = {kind.__name__: kind for kind in get_args(StreamEvent)}


def event_to_dict(event: StreamEvent) -> dict[str, Any]:
    """The event's name under "event", and every field under its own name.

    :raises LocalProtocolError: for what is no stream event.
    """
    must_be(event, get_args(StreamEvent), "event_to_dict", "a stream event")
    members = {field.name: getattr(event, field.name) for field in fields(event)}
    return {"event": type(event).__name__, **{name: _plain(value) for name, value in members.items()}}


def event_from_dict(members: Mapping[str, Any]) -> StreamEvent:
    """The event that `event_to_dict` made this of. Fields that have a default may be left out.

    :raises LocalProtocolError: for what is no such dict.
    """
    must_be(members, Mapping, "event_from_dict", "a dict that event_to_dict made")
    name = members.get("event")
    must_be_one_of(name, _CLASSES, "event")
    kind = _CLASSES[str(name)]
    given = {member: value for member, value in members.items() if member != "event"}
    known = {field.name: field for field in fields(kind)}
    needed = {field.name for field in fields(kind) if field.default is MISSING}
    if not needed <= given.keys() <= known.keys():
        raise LocalProtocolError(f"{name} has the members {', '.join(known)}, and {', '.join(given) or 'none'} came")
    for member, value in given.items():
        if not isinstance(value, _KINDS[str(known[member].type)]):
            raise LocalProtocolError(f"the member {member!r} of {name} is {described(value)}")
    return kind(**given)


#: What a field may hold, by its annotation.
_KINDS: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "int": int,
    "int | None": (int, type(None)),
    "bool": bool,
    "str | None": (str, type(None)),
    "BlockKind": str,
    "FinishReason": str,
    "Mapping[str, Any]": Mapping,
}


def _plain(value: Any) -> Any:
    """A copy of what a mapping holds, as JSON has it."""
    return json.loads(json.dumps(value)) if isinstance(value, Mapping) else value

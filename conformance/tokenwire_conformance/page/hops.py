"""What a hop makes of what its origin says, side by side."""

from __future__ import annotations

from collections.abc import Sequence

from tokenwire.html.elements import Html, join, tag
from tokenwire.html.look import scrolled

from ..reading.http import Response
from ..reading.transcript import Transcript
from .wire import exchange

__all__ = ["beside"]

_NOT_THERE = "not there"


def beside(before: Transcript, behind: Transcript, offset: int) -> Html:
    """The same question, as it was answered before the hop and behind it: when, and with which fields.

    :param offset: of the finding, behind the hop.
    """
    span = max(before.ending_time, behind.ending_time)
    return join(
        exchange(before, None, span, "Before the hop"),
        exchange(behind, offset, span, "Behind the hop"),
        _heads(before, behind, offset),
    )


def _heads(before: Transcript, behind: Transcript, offset: int) -> Html | None:
    """The heads of the two answers: what differs comes first, and is marked."""
    number = sum(response.offset <= offset for response in behind.responses) - 1
    if not 0 <= number < min(len(before.responses), len(behind.responses)):
        return None
    ours, theirs = _head(before.responses[number]), _head(behind.responses[number])
    names = sorted(dict.fromkeys([*ours, *theirs]), key=lambda name: ours.get(name) == theirs.get(name))
    rows = [_row(name, ours.get(name, _NOT_THERE), theirs.get(name, _NOT_THERE)) for name in names]
    columns = ("Field", "Before the hop", "Behind the hop", "Differs")
    head = tag("tr", [tag("th", column, scope="col") for column in columns])
    caption = tag("caption", "The heads of the two answers")
    table = tag("table", caption, tag("thead", head), tag("tbody", rows))
    return scrolled(table, "the heads of the two answers")


def _head(response: Response) -> dict[str, str]:
    """The status, and the fields by their names."""
    names = dict.fromkeys(field.name for field in response.fields)
    return {"status": str(response.status), **{name: response.header(name) for name in names}}


def _row(name: str, ours: str, theirs: str) -> Html:
    differs = ours != theirs
    cells: Sequence[str] = (ours, theirs, "differs" if differs else "")
    return tag(
        "tr", tag("th", name, scope="row"), [tag("td", cell) for cell in cells], class_="differs" if differs else None
    )

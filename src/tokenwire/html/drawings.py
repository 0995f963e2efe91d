"""Drawings as SVG that stands in a page: numbers in, elements out.

Places are per cent across and pixels down, so that a drawing is as wide as the screen and its words stay readable.
Colours are those of the page, by their names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from math import floor, log, log10
from typing import NamedTuple

from .elements import Content, Html, tag

__all__ = ["BINS", "Mark", "arrivals", "bins", "cumulative", "drawing", "histogram", "ticks", "time_axis", "x"]

#: Bars of a histogram.
BINS = 50

#: Per cent that are left free at each side.
_MARGIN = 1.0

#: Pixels: of a plot, of the row of a stream, and below a plot for its axis.
_HEIGHT = 140
_ROW = 12
_AXIS = 24

#: Points of a cumulative curve: more are no longer told apart.
_POINTS = 400


class Mark(NamedTuple):
    """A row of a drawing of arrivals: seconds.

    :ivar sent: when the request was sent, where it was.
    """

    name: str
    ended: float
    sent: float | None
    moments: Sequence[float]


def x(part: float) -> str:
    """A place across, from 0 to 1."""
    return f"{_MARGIN + (100 - 2 * _MARGIN) * min(max(part, 0.0), 1.0):.2f}%"


def drawing(name: str, height: float, *content: Content) -> Html:
    """A drawing, which is an image with a name for who does not see it."""
    return tag("svg", tag("title", name), content, role="img", width="100%", height=f"{height:g}")


def ticks(limit: float, count: int = 4) -> list[float]:
    """Round numbers from 0 to the limit, about so many."""
    if limit <= 0:
        return [0.0]
    power: float = 10.0 ** floor(log10(limit / count))
    step = next(step for step in (power, 2 * power, 5 * power, 10 * power) if limit / step <= count + 1)
    return [number * step for number in range(int(limit / step * (1 + 1e-9)) + 1)]


def time_axis(seconds: float, y: float) -> list[Html]:
    """A line from 0 to so many seconds, with round times below it."""
    unit, factor = ("s", 1.0) if seconds >= 1 else ("ms", 1e3)
    places = ticks(seconds)
    return [
        tag("line", x1=x(0), x2=x(1), y1=y, y2=y, class_="axis"),
        *(_tick(place, seconds, y, f"{place * factor:g} {unit}") for place in places),
    ]


def _tick(place: float, limit: float, y: float, words: str) -> Html:
    part = place / limit if limit else 0.0
    anchor = "start" if part < 0.05 else "end" if part > 0.95 else "middle"
    line = tag("line", x1=x(part), x2=x(part), y1=y, y2=y + 5, class_="axis")
    return tag("g", line, tag("text", words, x=x(part), y=y + 18, text_anchor=anchor))


def arrivals(name: str, rows: Sequence[Mark]) -> Html:
    """A row a stream, a tick a moment, a ring where the request was sent."""
    limit = max((row.ended for row in rows), default=0.0)
    bottom = len(rows) * _ROW + 4
    return drawing(
        name, bottom + _AXIS, *(_arrivals(row, n, limit) for n, row in enumerate(rows)), time_axis(limit, bottom)
    )


def _arrivals(row: Mark, number: int, limit: float) -> Html:
    top, middle = number * _ROW, (number + 0.5) * _ROW
    line = tag("line", x1=x(0), x2=x(row.ended / limit if limit else 0), y1=middle, y2=middle, class_="axis")
    moments = sorted({x(moment / limit) for moment in row.moments}) if limit else []
    marks = [tag("rect", x=place, y=top + 2, width=1.5, height=_ROW - 4, class_="one") for place in moments]
    ring = tag("circle", cx=x(row.sent / limit), cy=middle, r=3, class_="other") if row.sent and limit else None
    return tag("g", tag("title", row.name), line, marks, ring)


def bins(numbers: Iterable[float], limit: float) -> list[int]:
    """How many of the numbers, from 0 to the limit, fall into each of `BINS` parts."""
    counts = [0] * BINS
    for number in numbers:
        counts[min(int(number / limit * BINS), BINS - 1) if limit else 0] += 1
    return counts


def histogram(name: str, seconds: Sequence[float]) -> Html:
    """How many times there are of each length. The height is the logarithm of the number, so that one can be seen."""
    limit = max(seconds, default=0.0)
    counts = bins(seconds, limit)
    most = max(counts)
    bars = [_bar(n, count, most, limit) for n, count in enumerate(counts) if count]
    return drawing(name, _HEIGHT + _AXIS, bars, time_axis(limit, _HEIGHT))


def _bar(number: int, count: int, most: int, limit: float) -> Html:
    height = (_HEIGHT - 10) * log(1 + count) / log(1 + most)
    begin, end = (limit * edge / BINS * 1000 for edge in (number, number + 1))
    wide = f"{(100 - 2 * _MARGIN) / BINS * 0.85:.2f}%"
    told = tag("title", f"{count} from {begin:.1f} to {end:.1f} ms")
    return tag("rect", told, x=x(number / BINS), y=_HEIGHT - height, width=wide, height=height, class_="one")


def cumulative(name: str, *curves: Sequence[float]) -> Html:
    """Which share of the times is no longer than that: a curve for each row of them, at most two."""
    limit = max((max(curve) for curve in curves if curve), default=0.0)
    plots = [_curve(curve, limit, kind) for curve, kind in zip(curves, ("one", "other"), strict=False) if curve]
    # What is inside is stretched to the width of the drawing, its lines are not.
    inside = tag(
        "svg", plots, x=x(0), y=0, width=f"{100 - 2 * _MARGIN}%", height=_HEIGHT, viewBox="0 0 100 100",
        preserveAspectRatio="none",
    )  # fmt: skip
    return drawing(name, _HEIGHT + _AXIS, list(_shares()), inside, time_axis(limit, _HEIGHT))


def _shares() -> Iterator[Html]:
    for share in (0.5, 0.95):
        y = _HEIGHT * (1 - share)
        yield tag("line", x1=x(0), x2=x(1), y1=y, y2=y, class_="axis", stroke_dasharray="2 4")
        yield tag("text", f"p{share * 100:g}", x=x(0), y=y + 12)


def _curve(numbers: Sequence[float], limit: float, kind: str) -> Html:
    ordered = sorted(numbers)
    step = max(len(ordered) // _POINTS, 1)
    kept = [*range(0, len(ordered), step), len(ordered) - 1]
    points = [(ordered[n] / limit * 100 if limit else 0.0, 100 - 100 * (n + 1) / len(ordered)) for n in kept]
    # A step: a share holds until the next number.
    path = "".join(f"H{after:.2f}V{y:.2f}" for (_, _), (after, y) in pairwise(points))
    first = points[0]
    begin = f"M0 100H{first[0]:.2f}V{first[1]:.2f}"
    return tag("path", d=begin + path, class_=kind, vector_effect="non-scaling-stroke")

"""The report of `tokenwire compare` as one page: the table of the guide, and both transports in one drawing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..html.drawings import cumulative
from ..html.elements import Content, Html, join, tag
from ..html.look import page, table
from .bench_page import verdict
from .compare import (
    TRANSPORTS,
    Comparison,
    Row,
    Transport,
    Trial,
    how_it_resumes,
    outcome,
    recoveries,
    rows,
    shown,
    worth,
)
from .figures import CONFIDENCE, gaps

__all__ = ["as_html"]


def as_html(comparison: Comparison) -> str:
    """The page."""
    return page(
        f"tokenwire compare: {comparison.target}",
        tag("h1", "SSE beside WebSocket"),
        tag("p", tag("strong", worth(comparison))),
        _about(comparison),
        verdict(comparison.doubts, comparison.self_check.told),
        tag("h2", "Figures"),
        _figures(comparison),
        tag("h2", "Both in one drawing"),
        list(_curves(comparison)),
        tag("h2", "After a cut"),
        _recoveries(comparison),
        tag("h2", "Through a proxy"),
        _passages(comparison),
    )


def _about(comparison: Comparison) -> Html:
    pace = "" if comparison.pace is None else f", a token each {comparison.pace * 1000:g} ms"
    pairs = f"{len(comparison.pairs)} of {len(comparison.trials) // 2} pairs whole, in alternating order"
    about = [
        ("Endpoint", f"{comparison.target} ({comparison.dialect}){pace}"),
        ("Asked", pairs),
        ("When", comparison.began),
        ("Measured on", comparison.machine),
    ]
    return tag("dl", [(tag("dt", name), tag("dd", value)) for name, value in about])


def _figures(comparison: Comparison) -> Html:
    columns = ("What", *TRANSPORTS, "WebSocket takes more", f"{CONFIDENCE:.0%} interval of that", "The guide says")
    return table("Medians", columns, map(_row, rows(comparison)), numbers=range(1, 5))


def _row(row: Row) -> Sequence[str]:
    low, high = (shown(value, row.unit) for value in (row.difference.low, row.difference.high))
    figures = (shown(figure.value, row.unit) for figure in (row.sse, row.websocket, row.difference))
    return (row.name, *figures, f"{low} to {high}", row.claimed)


def _curves(comparison: Comparison) -> Iterator[Content]:
    """What was measured more than once in a generation, of those that came whole."""
    by_transport = list(zip(*comparison.pairs, strict=True)) or [(), ()]
    delays, between = ([_all(trials, kind) for trials in by_transport] for kind in ("delays", "gaps"))
    key = join(
        tag("span", class_="key one"), f" {TRANSPORTS[0]}, ", tag("span", class_="key other"), f" {TRANSPORTS[1]}: "
    )  # fmt: skip
    for name, curves in (("From a token to the next", between), ("From the server's write to our read", delays)):
        if any(curves):
            words = tag("figcaption", key, f"{name}; which share is no longer than that.")
            yield tag("figure", cumulative(f"{name}, of both transports", *curves), words)


def _all(trials: Sequence[Trial], kind: str) -> list[float]:
    return [each for trial in trials for each in (trial.delays if kind == "delays" else gaps(trial.sample.tokens))]


def _recoveries(comparison: Comparison) -> Html:
    told: list[tuple[Transport, str]] = [(transport, words) for transport, words, _ in recoveries(comparison)]
    caption = "A stream that is cut in the middle, and asked for again at once from the beginning"
    return join(
        table(caption, ("Transport", "What came of it"), told), tag("p", how_it_resumes(comparison), class_="soft")
    )


def _passages(comparison: Comparison) -> Html:
    made = [(each.proxy, each.transport, outcome(each.sample)) for each in comparison.passages]
    return table("A generation through each kind of proxy", ("A proxy", "Transport", "What came through"), made)

"""The report of `tokenwire bench` as one page: the figures as tables, and what they are made of as drawings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..html.drawings import Mark, arrivals, cumulative, histogram
from ..html.elements import Content, Html, join, tag
from ..html.look import page, table
from .bench import Run, Summary, due_and_sent, latencies, layers, rates, summarise
from .figures import CONFIDENCE, Spread, gaps, time_shown
from .sample import Sample

__all__ = ["as_html", "charts", "verdict"]

#: Streams whose arrivals are drawn: more than these are no longer told apart.
MAX_STREAMS = 60


def as_html(runs: Sequence[Run]) -> str:
    """The page.

    :param runs: at least one.
    """
    summary = summarise(runs)
    samples = [sample for run in runs for sample in run.samples]
    return page(
        f"tokenwire bench: {runs[0].target}",
        tag("h1", "What an endpoint's tokens cost"),
        [_run(run) for run in runs],
        tag("h2", "Figures"),
        tag("p", f"{summary.whole} of {summary.requests} streams came whole, {summary.tokens} tokens."),
        tag("ul", [tag("li", f"{count} × {error}") for error, count in summary.errors.items()])
        if summary.errors
        else None,
        list(_tables(runs, summary)),
        tag("h2", "When the tokens came"),
        _arrivals(samples),
        tag("h2", "From a token to the next"),
        charts("Gaps between tokens", [gap for sample in samples for gap in gaps(sample.tokens)]),
        tag("h2", "Until the first token"),
        charts("Times to the first token", list(_first_tokens(samples))),
    )


def verdict(doubts: Sequence[str], told: str) -> Html:
    """Whether the figures can be believed.

    :param told: what the self-check found, in words.
    """
    if doubts:
        reasons = tag("ul", [tag("li", doubt) for doubt in doubts])
        return tag("div", tag("strong", "Invalid: ", class_="bad"), reasons, tag("p", told), class_="panel stopped")
    return tag("p", tag("strong", "Valid: ", class_="good"), told)


def charts(name: str, seconds: Sequence[float]) -> Html:
    """A histogram, and the cumulative curve beside it."""
    if not seconds:
        return tag("p", "There is nothing to draw.")
    many = f"{name}: {len(seconds)}, the longest {time_shown(max(seconds))}"
    return tag(
        "div",
        _figure(histogram(f"{many}, as a histogram", seconds), "How many there are of each length, to a logarithm."),
        _figure(cumulative(f"{many}, as a cumulative curve", seconds), "Which share of them is no longer than that."),
        class_="charts",
    )


def _figure(drawn: Html, words: Content) -> Html:
    return tag("figure", drawn, tag("figcaption", words))


def _run(run: Run) -> Html:
    schedule = f", {run.rate:g} a second" if run.rate else ""
    rows = [
        ("Endpoint", f"{run.target} ({run.dialect})"),
        ("Asked", f"{len(run.samples)} requests, {run.concurrency} at once{schedule}"),
        ("When", run.began),
        ("Measured on", run.machine),
    ]
    return join(
        tag("dl", [(tag("dt", name), tag("dd", value)) for name, value in rows]),
        verdict(run.doubts, run.self_check.told),
    )


def _tables(runs: Sequence[Run], summary: Summary) -> Iterator[Content]:
    columns = ("What", "p50", f"{CONFIDENCE:.0%} interval", "p95", "p99", "Largest")
    for title, rows in latencies(summary):
        yield table(title.capitalize(), columns, [_row(name, found) for name, found in rows], numbers=range(1, 6))
    yield tag("p", due_and_sent(runs), class_="soft")
    yield table("Rates", ("What", "Figure"), rates(summary))
    sizes = [(name, f"{size:.1f}", words) for name, size, words in layers(summary)]
    if sizes:
        yield table("Bytes received for each token", ("Layer", "Bytes", "What it is"), sizes, numbers=[1])


def _row(name: str, found: Spread | None) -> Sequence[str]:
    if found is None:
        return (name, "none", "", "", "", "")
    interval = f"{time_shown(found.p50.low)} to {time_shown(found.p50.high)}"
    return (
        name,
        time_shown(found.p50.value),
        interval,
        *(time_shown(seconds) for seconds in (found.p95.value, found.p99.value, found.largest)),
    )


def _arrivals(samples: Sequence[Sample]) -> Html:
    shown = samples[:MAX_STREAMS]
    hidden = len(samples) - len(shown)
    words = join(
        "A line a stream, in seconds since its request was due; ",
        tag("span", class_="key one"),
        " a token, ",
        tag("span", class_="key other"),
        " the request was sent.",
        f" {hidden} more streams are not shown." if hidden else None,
    )
    rows = [_mark(number, sample) for number, sample in enumerate(shown, 1)]
    return _figure(arrivals(f"When the tokens of {len(shown)} streams came", rows), words)


def _mark(number: int, sample: Sample) -> Mark:
    due = sample.scheduled
    error = f", {sample.error}" if sample.error else ""
    return Mark(
        f"request {number}: {len(sample.tokens)} tokens in {time_shown(sample.ended - due)}{error}",
        sample.ended - due,
        None if sample.sent is None else sample.sent - due,
        [moment - due for moment in sample.tokens],
    )


def _first_tokens(samples: Sequence[Sample]) -> Iterator[float]:
    for sample in samples:
        waited = sample.since_sent(sample.first_token)
        if waited is not None:
            yield waited

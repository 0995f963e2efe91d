"""The report of `tokenwire bench` as one HTML page, with a timeline of arrivals and a histogram; nothing is fetched.

Needs the extra `report`: jinja2 and matplotlib, whose SVG stands in the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO

import matplotlib
from jinja2 import Environment
from markupsafe import Markup
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import MaxNLocator

from .._version import __version__
from ..secrecy import harmless
from .bench import Run, as_text
from .figures import gaps
from .sample import Sample

__all__ = ["as_html"]

#: Streams that the timeline shows: more than these are no longer told apart.
MAX_STREAMS = 60

_BINS = 50

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>tokenwire bench: {{ runs[0].target }}</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
  pre { background: #f6f6f6; padding: 1rem; white-space: pre-wrap; font-size: 0.8rem; }
  svg { width: 100%; height: auto; }
  .valid { color: #17692f; } .invalid { color: #b00020; }
</style>
<h1>What an endpoint's tokens cost</h1>
{% for run in runs %}
<p><strong>{{ run.target }}</strong>, {{ run.began }}, measured on {{ run.machine }}:
{% if run.doubts %}<strong class="invalid">this run is invalid</strong>: {{ run.doubts | join("; ") }}.
{% else %}<strong class="valid">the self-check found nothing against it</strong>.{% endif %}</p>
{% endfor %}
<pre>{% for text, _ in lines %}{{ text }}
{% endfor %}</pre>
<h2>Arrivals</h2>
<p>A line a stream, from when its request was due; a mark a token, and a ring where the request was sent.
{% if hidden %}{{ hidden }} more streams are not shown.{% endif %}</p>
{{ timeline }}
<h2>From a token to the next</h2>
{{ histogram }}
<p>Made by tokenwire {{ version }}.</p>
</html>
"""


def as_html(runs: Sequence[Run]) -> str:
    """The page.

    :param runs: at least one.
    """
    samples = [sample for run in runs for sample in run.samples]
    return (
        Environment(autoescape=True, finalize=_shown)
        .from_string(_PAGE)
        .render(
            runs=runs,
            lines=as_text(runs),
            timeline=_svg(_timeline(samples[:MAX_STREAMS])),
            hidden=max(len(samples) - MAX_STREAMS, 0),
            histogram=_svg(_histogram([gap for sample in samples for gap in gaps(sample.tokens)])),
            version=__version__,
        )
    )


def _shown(value: object) -> object:
    """What stands in the page: a server's words are in it."""
    return harmless(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _timeline(samples: Sequence[Sample]) -> Drawing:
    drawing = Drawing(figsize=(10, 1.2 + 0.16 * len(samples)), layout="constrained")
    axes = drawing.subplots()
    for row, sample in enumerate(samples):
        axes.hlines(row, 0, sample.ended - sample.scheduled, color="0.85", linewidth=1)
        axes.plot(
            [moment - sample.scheduled for moment in sample.tokens], [row] * len(sample.tokens), "|", color="tab:blue"
        )
        if sample.sent is not None:
            axes.plot(sample.sent - sample.scheduled, row, "o", color="tab:red", fillstyle="none", markersize=4)
    axes.set(xlabel="seconds since the request was due", ylabel="request", xlim=(0, None))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.invert_yaxis()
    return drawing


def _histogram(seconds: Sequence[float]) -> Drawing:
    drawing = Drawing(figsize=(10, 3), layout="constrained")
    axes = drawing.subplots()
    axes.hist([1000 * gap for gap in seconds], bins=_BINS, color="tab:blue")
    axes.set(xlabel="milliseconds", ylabel="gaps", yscale="log" if seconds else "linear")
    return drawing


def _svg(drawing: Drawing) -> Markup:
    """The element alone, without the declarations of a file; the same bytes for the same drawing."""
    text = StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "tokenwire", "svg.fonttype": "none"}):
        FigureCanvasSVG(drawing).print_svg(text, metadata={"Date": None})  # type: ignore[no-untyped-call]
    return Markup(text.getvalue()[text.getvalue().index("<svg") :])  # noqa: S704 - drawn from numbers alone

"""The pages of `bench` and `compare`: tables, drawings, and nothing that a server said as markup."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

import pytest

from paged import Page
from tokenwire.html.drawings import BINS, Mark, arrivals, bins, cumulative, histogram, ticks, time_axis
from tokenwire.html.elements import Html, join, tag
from tokenwire.measure.anatomy import Sizes
from tokenwire.measure.bench import Run
from tokenwire.measure.bench_page import MAX_STREAMS
from tokenwire.measure.bench_page import as_html as bench_page
from tokenwire.measure.compare import TRANSPORTS, Comparison, Passage, Recovery, Trial
from tokenwire.measure.compare_page import as_html as compare_page
from tokenwire.measure.sample import Sample
from tokenwire.measure.selfcheck import SelfCheck

SOUND = SelfCheck(cost_per_event=1e-4, replayed=500, worst_lag=0.001, cpu_share=0.1)
BUSY = replace(SOUND, cpu_share=0.9)
HOSTILE = ("</script><script>", "<img src=x onerror=1>", "\"'>", "\u202e\x1b[31m", "\ud800")


def sample(start: float = 0.0, tokens: int = 5, error: str = "") -> Sample:
    moments = [start + 0.2 + 0.1 * number for number in range(tokens)]
    first = moments[0] if moments else None
    return Sample(start, start, start + 1.0, start + 0.1, first, first, moments, tokens, 4, 5, Sizes(100, 9), error)


def run(*samples: Sample, said: str = "http://h", check: SelfCheck = SOUND) -> Run:
    return Run(said, said, 2, 0.0, said, said, check, samples)


def comparison(*trials: Trial, said: str = "an endpoint", check: SelfCheck = SOUND) -> Comparison:
    recoveries = [Recovery(TRANSPORTS[0], 3, 0.1, 0.2, ""), Recovery(TRANSPORTS[1], 0, None, None, said)]
    passages = [Passage(said, said, sample()), Passage(said, said, sample(tokens=0, error=said))]
    return Comparison(said, said, said, 0.1, said, said, trials, recoveries, passages, check)


def trials(count: int = 2) -> list[Trial]:
    return [Trial(kind, sample(number), [0.001] * 5, 300, 0.01) for number in range(count) for kind in TRANSPORTS]


PAGES = {
    "bench": bench_page([run(sample(), sample(1.0))]),
    "bench, of several": bench_page([run(sample()), run(sample(1.0, error="cut"))]),
    "bench, of one that never began": bench_page([run(sample(tokens=0, error="refused"))]),
    "bench, invalid": bench_page([run(sample(), check=BUSY)]),
    "compare": compare_page(comparison(*trials())),
    "compare, of nothing whole": compare_page(comparison()),
    "compare, invalid": compare_page(comparison(*trials(), check=BUSY)),
}


@pytest.mark.parametrize("name", PAGES)
def test_every_page_stands_alone_and_can_be_read(name: str) -> None:
    page = Page(PAGES[name])
    page.holds()
    assert ("Invalid: " in page.said("strong")) == ("invalid" in name or "nothing whole" in name)


@pytest.mark.parametrize("said", HOSTILE)
def test_nothing_that_was_said_becomes_markup(said: str) -> None:
    for told, plain in (
        (bench_page([run(sample(error=said), said=said)]), bench_page([run(sample(error="x"), said="x")])),
        (compare_page(comparison(*trials(), said=said)), compare_page(comparison(*trials(), said="x"))),
    ):
        page = Page(told)
        page.holds()
        assert page.shape == Page(plain).shape
        assert not set("\u202e\x1b\ud800") & set(told)


def test_of_many_streams_the_first_are_drawn() -> None:
    page = Page(bench_page([run(*[sample(number) for number in range(MAX_STREAMS + 7)])]))
    assert "7 more streams are not shown." in page.said("figcaption")
    assert len([title for title in page.words["title"] if title.startswith("request ")]) == MAX_STREAMS


def test_only_what_tag_made_is_markup() -> None:
    assert tag("p", "<b>", Html("<i></i>"), ["a & b", None, False, 3], class_='"') == (
        '<p class="&quot;">&lt;b&gt;<i></i>a &amp; b3</p>'
    )
    assert join("<", tag("wbr")) == "&lt;<wbr>"
    assert (
        tag("details", open=True, hidden=False, aria_label=None, tabindex=0) == '<details open tabindex="0"></details>'
    )


@pytest.mark.parametrize("limit", [0.0, 1e-7, 0.00123, 0.62, 1.0, 3.3, 59.9, 86400.0])
def test_an_axis_has_few_round_places_within_it(limit: float) -> None:
    found = ticks(limit)
    assert found[0] == 0
    assert found[-1] <= limit * (1 + 1e-9)
    assert 1 <= len(found) <= 6
    assert all(later > sooner for sooner, later in pairwise(found))
    words = re.findall("<text[^>]*>([^<]*)</text>", join(time_axis(limit, 0)))
    assert len(set(words)) == len(words)
    assert all(len(word) < 12 for word in words)


@pytest.mark.parametrize("numbers", [[], [0.0], [0.0, 0.0], [1.0], [0.1, 0.2, 0.2, 9.0], [n / 7 for n in range(5000)]])
def test_a_histogram_and_a_curve_hold_every_number(numbers: list[float]) -> None:
    assert sum(bins(numbers, max(numbers, default=0.0))) == len(numbers)
    bars = histogram("name", numbers).count("<rect")
    assert (0 if not numbers else 1) <= bars <= min(BINS, len(numbers))
    drawn = cumulative("name", numbers)
    paths = re.findall('d="([^"]*)"', drawn)
    assert len(paths) == bool(numbers)
    for path in paths:
        heights, places = ([float(each) for each in re.findall(f"{axis}([0-9.]+)", path)] for axis in "VH")
        assert heights == sorted(heights, reverse=True)
        assert places == sorted(places)
        assert heights[-1] == 0
        assert len(path) < 10_000


def test_what_comes_at_one_place_is_drawn_once() -> None:
    assert arrivals("name", [Mark("one", 1.0, 0.1, [0.5] * 1000)]).count("<rect") == 1
    assert arrivals("name", []).count("<rect") == 0


def _lightness(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


INKS = ("ink", "soft", "bad", "warn", "info", "good")
PAIRS = [(ink, paper) for ink in INKS for paper in ("paper", "panel")]
PAIRS += [("on-mark", "mark"), ("ink", "head"), ("ink", "frame")]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "paper"), PAIRS)
def test_what_is_written_can_be_told_from_its_ground(ink: str, paper: str, scheme: int) -> None:
    style = Page(PAGES["bench"]).said("style")
    light, dark = [_lightness(re.findall(rf"--{name}: (#\w+)", style)[scheme]) for name in (ink, paper)]
    contrast = (max(light, dark) + 0.05) / (min(light, dark) + 0.05)
    assert contrast >= 4.5, contrast  # WCAG 2.2, 1.4.3

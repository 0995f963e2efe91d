"""Runs every case, contenders side by side, and writes the table between the markers of README.md.

python benchmarks/report.py [--json FILE] [--rounds N]

Times are microseconds of the processor an item (event, delta, frame, message), medians of the rounds; a ratio is the
median of the ratios of the rounds, with the interval in which it lies with a certainty of 95 %. A goal is met or missed
where all of the interval is. Where it is not, and the interval is wider than `WORTHLESS`, the figure is worthless, as a
time is whose middle half lies further apart: something else was running.
With `--json`, the medians: `{workload: {contender: µs}}`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from goals import GOALS, MAX_GROWTH, MAX_SLOWDOWN, MAX_START, MAX_WHOLE_GROWTH, Goal
from measuring import Case, Ratio, Timing, measure, ratio
from scaling import HUGE, STREAMS, WHOLE, growth, slowdown, start

__all__ = ["Figures", "all_cases", "goals_table", "layer_tables", "main", "put_between_markers"]

ROUNDS = 31

#: The middle half of the rounds, or the interval of a ratio that holds its goal, is narrower than this share of the
#: median, or is worthless.
WORTHLESS = 0.15

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- begin: benchmarks/report.py -->", "<!-- end: benchmarks/report.py -->"

PEERS = ["httpx-sse", "httpx2", "openai", "anthropic", "sseclient-py", "assel", "orjson"]
PEERS += ["picows", "aiohttp", "websockets", "wsproto", "h11", "httptools", "zttp"]

Figures = Mapping[str, Mapping[str, Timing]]


def all_cases() -> list[Case]:
    """The cases of all layers; imported late, for the tests of this file can do without them."""
    import test_deltas
    import test_http
    import test_layers
    import test_masking
    import test_sse
    import test_websocket
    import test_whole_way

    return [
        *test_whole_way.CASES,
        *test_layers.CASES,
        *test_http.CASES,
        *test_sse.CASES,
        *test_deltas.CASES,
        *test_websocket.CASES,
        *test_masking.CASES,
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="what tokenwire costs beside its peers, into README.md")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the medians: {workload: {contender: µs}}")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help=f"of each case (default {ROUNDS})")
    arguments = parser.parse_args()
    readme = put_between_markers(README.read_text(encoding="utf-8"), "")  # or it is said now that it cannot be
    figures: dict[str, dict[str, Timing]] = {}
    for case in all_cases():
        figures[case.name], missing = measure(case, arguments.rounds)
        medians = (f"{name} {_number(timing.median)}" for name, timing in figures[case.name].items())
        skipped = "".join(f"; {name} is not installed" for name in missing)
        print(f"{case.name}: {', '.join(medians)}{skipped}", flush=True)
    if arguments.json:
        medians_of = {case: {name: t.median for name, t in timings.items()} for case, timings in figures.items()}
        arguments.json.write_text(json.dumps(medians_of, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    table = "\n\n".join([setting(arguments.rounds), goals_table(figures), scaling_table(), *layer_tables(figures)])
    print(f"\n{table}")
    README.write_text(put_between_markers(readme, table), encoding="utf-8")


def put_between_markers(text: str, table: str) -> str:
    """The text with the table in the place of what stood between the markers.

    :raises ValueError: where they are not there.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"there is no {BEGIN} … {END} to write between")
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"


def setting(rounds: int) -> str:
    """Where and how it was measured."""
    load = os.getloadavg()[0]
    busy = f", **while other programs ran: load {load:.1f}**" if load > 1.5 else ""
    peers = ", ".join(f"{name} {found}" for name in PEERS if (found := _version(name)))
    return (
        f"{platform.python_implementation()} {platform.python_version()}, {_processor()}, {os.cpu_count()} cores, "
        f"{platform.system()}{busy}. Microseconds of the processor an item, the median of {rounds} rounds in which all "
        f"take turns. Beside {peers}."
    )


def goals_table(figures: Figures) -> str:
    """Each goal with what it came to."""
    rows = [_goal_row(goal, figures.get(goal.case, {})) for goal in GOALS]
    return _table(["workload", "tokenwire", "beside", "ratio", "goal", ""], rows)


def _goal_row(goal: Goal, timings: Mapping[str, Timing]) -> list[str]:
    ours, theirs = timings.get(goal.ours), timings.get(goal.theirs)
    at_most = f"≤ {_share(goal.at_most)}"
    beside = goal.theirs.removeprefix("floor: ")
    if ours is None or theirs is None:
        return [goal.case, "", beside, "", at_most, "not measured"]
    share = ratio(ours, theirs, timings[goal.above] if goal.above else None)
    beside += " above the floor" if goal.above else ""
    between = f"{_share(share.median)} ({_share(share.low)} to {_share(share.high)})"
    row = [goal.case, _number(ours.median), f"{beside} {_number(theirs.median)}", between, at_most]
    return [*row, _verdict(share, goal.at_most)]


def _verdict(share: Ratio, at_most: float) -> str:
    if share.high <= at_most or share.low > at_most:
        return "met" if share.high <= at_most else "missed"
    return "worthless" if share.spread > WORTHLESS else "too close to tell"


def scaling_table() -> str:
    """What must not grow."""
    rows = []
    for name in HUGE:
        slower = slowdown(name)
        verdict = "met" if slower <= MAX_SLOWDOWN else "missed"
        rows.append([f"a megabyte of {name}: of 8 beside of 2", f"{slower:.2f} ×", f"≤ {MAX_SLOWDOWN} ×", verdict])
    for name in [*STREAMS, *WHOLE]:
        grown = growth(name)
        at_most = MAX_WHOLE_GROWTH if name in WHOLE else MAX_GROWTH
        measured = "not measured" if grown is None else f"{grown / 1024:.0f} KiB"
        verdict = "" if grown is None else "met" if grown <= at_most else "missed"
        besides = " besides its text" if name in WHOLE else ""
        rows.append([f"memory, 1 GB streamed: {name}{besides}", measured, f"≤ {at_most // 1024} KiB", verdict])
    longer = start()
    verdict = "met" if longer <= MAX_START else "missed"
    rows.append(["import and first stream beside http.client's", f"{longer:.2f} ×", f"≤ {MAX_START} ×", verdict])
    return _table(["size", "measured", "goal", ""], rows)


def layer_tables(figures: Figures) -> list[str]:
    """The figures themselves, one table a layer: a row for each workload, a column for each contender."""
    layers: dict[str, dict[str, Mapping[str, Timing]]] = {}
    for case, timings in figures.items():
        layer, _, workload = case.partition(": ")
        layers.setdefault(layer, {})[workload] = timings
    tables = []
    for layer, workloads in layers.items():
        names = list(dict.fromkeys(name for timings in workloads.values() for name in timings))
        names.sort(key=lambda name: name.startswith("floor"))
        rows = [[name, *(_figure(timings.get(n)) for n in names)] for name, timings in workloads.items()]
        tables.append(_table([f"{layer}, µs", *(name.removeprefix("floor: ") for name in names)], rows))
    return tables


def _figure(timing: Timing | None) -> str:
    if timing is None:
        return ""
    worthless = f" (±{timing.spread / 2:.0%})" if timing.spread > WORTHLESS else ""
    return _number(timing.median) + worthless


def _share(value: float) -> str:
    """Two digits that count."""
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def _number(value: float) -> str:
    """Three digits, and as many decimals as that leaves."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _processor() -> str:
    """Its model, where Linux tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


if __name__ == "__main__":
    main()

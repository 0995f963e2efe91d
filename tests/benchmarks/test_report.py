"""What the report of the benchmarks says of figures: the goals, what is worthless, and where it is written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import report
from goals import GOALS
from measuring import Case, Contender, Input, Timing

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

STEADY = [1.0] * 5
#: Medians of one, but the middle half of the rounds lies far apart.
SHAKY = [0.5, 0.6, 1.0, 1.4, 1.5]


def row(case: str, timings: dict[str, Timing]) -> list[str]:
    (line,) = (line for line in report.goals_table({case: timings}).splitlines() if f"| {case} |" in line)
    return [cell.strip() for cell in line.split("|")[1:-1]]


@pytest.mark.parametrize(
    ("ours", "theirs", "verdict"),
    [
        ([0.4] * 5, STEADY, "met"),
        ([0.5] * 5, STEADY, "met"),
        ([0.6] * 5, STEADY, "missed"),
        ([0.49, 0.5, 0.5, 0.5, 0.51], STEADY, "too close to tell"),
        ([0.1, 0.1, 0.2, 0.3, 0.3], STEADY, "met"),
        ([0.3, 0.3, 0.5, 0.7, 0.7], STEADY, "worthless"),
        ([0.7, 0.7, 1.2, 1.7, 1.7], STEADY, "missed"),
        ([taken / 4 for taken in SHAKY], SHAKY, "met"),
    ],
)
def test_a_goal_is_met_or_missed_or_its_figure_worthless(ours: list[float], theirs: list[float], verdict: str) -> None:
    case = "SSE framing: chat, 16 KiB reads"
    cells = row(case, {"tokenwire": Timing(ours), "httpx-sse": Timing(theirs)})
    assert cells[4:] == ["≤ 0.50", verdict]


def test_a_goal_without_a_figure_is_not_measured() -> None:
    case = "SSE framing: chat, 16 KiB reads"
    assert row(case, {"tokenwire": Timing(STEADY)})[-1] == "not measured"
    assert report.goals_table({}).count("not measured") == len(GOALS)


def test_layers_have_a_table_each_with_the_floors_last() -> None:
    first = {"floor: split": Timing([0.25] * 3), "ours": Timing([123.4] * 3), "shaky": Timing(SHAKY)}
    tables = report.layer_tables({"A: one": first, "A: two": {"ours": Timing([12.34] * 3)}, "B: three": {}})
    assert [table.splitlines()[0] for table in tables] == ["| A, µs | ours | shaky | split |", "| B, µs |"]
    assert tables[0].splitlines()[2:] == ["| one | 123 | 1.00 (±40%) | 0.25 |", "| two | 12.3 |  |  |"]


def test_the_table_is_written_between_the_markers_and_nowhere_else() -> None:
    text = f"above\n{report.BEGIN}\nold\n{report.END}\nbelow\n"
    once = report.put_between_markers(text, "new")
    assert once == f"above\n{report.BEGIN}\n\nnew\n\n{report.END}\nbelow\n"
    assert report.put_between_markers(once, "new") == once


@pytest.mark.parametrize("text", ["", report.BEGIN, report.END, f"{report.END}{report.BEGIN}"])
def test_without_markers_nothing_is_written(text: str) -> None:
    with pytest.raises(ValueError, match="there is no"):
        report.put_between_markers(text, "new")


def test_readme_has_the_markers() -> None:
    report.put_between_markers(report.README.read_text(encoding="utf-8"), "")


def test_a_run_writes_readme_and_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contender = Contender("tokenwire", lambda: lambda pieces, take: take(map(len, pieces)), int)
    case = Case("SSE framing: sizes", lambda: Input([b"abc"] * 100, [3] * 100), [contender])
    readme, figures = tmp_path / "README.md", tmp_path / "figures.json"
    readme.write_text(f"{report.BEGIN}{report.END}", encoding="utf-8")
    monkeypatch.setattr(report, "README", readme)
    monkeypatch.setattr(report, "all_cases", lambda: [case])
    monkeypatch.setattr(report, "growth", lambda name: None)
    monkeypatch.setattr(report, "slowdown", lambda name: 1.0)
    monkeypatch.setattr(sys, "argv", ["report.py", "--rounds", "3", "--json", str(figures)])
    report.main()
    measured = json.loads(figures.read_text(encoding="utf-8"))
    assert measured.keys() == {"SSE framing: sizes"}
    assert measured["SSE framing: sizes"]["tokenwire"] > 0
    assert "| sizes |" in readme.read_text(encoding="utf-8")


def test_goals_name_what_is_measured_and_tokenwire_reads_every_workload_right() -> None:
    """In a process of its own: its files are named as some tests are."""
    program = """
import json, report
from measuring import check
for case in report.all_cases():
    for contender in case.contenders:
        if contender.name.startswith("tokenwire"):
            check(case, contender, contender.prepare())
    print(json.dumps([case.name, [contender.name for contender in case.contenders]]))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=BENCHMARKS, capture_output=True, text=True, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    contenders = dict(rows)
    assert len(contenders) == len(rows), "two cases have one name"
    for goal in GOALS:
        assert {goal.ours, goal.theirs} <= set(contenders[goal.case])

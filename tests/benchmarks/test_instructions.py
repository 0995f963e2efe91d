"""The gate that counts instructions: what it says of a count, and when it says that there is nothing to compare."""

from __future__ import annotations

import json
import marshal
import subprocess
import sys
from pathlib import Path

import counted
import instructions
import pytest


@pytest.mark.parametrize(
    ("now", "verdict", "worse"),
    [
        (1000, "+0.0%: the same", False),
        (1019, "+1.9%: the same", False),
        (1021, "+2.1%: MORE", True),
        (979, "-2.1%: less, so --update", False),
    ],
)
def test_a_path_is_the_same_within_the_tolerance(now: int, verdict: str, worse: bool) -> None:
    lines, found = instructions.compared({"a": 1000, "b": now}, {"a": 1000, "b": 1000})
    assert lines[0].endswith("+0.0%: the same")
    assert lines[1].endswith(verdict)
    assert found is worse


def test_a_path_that_was_never_counted_is_no_pass() -> None:
    lines, worse = instructions.compared({"new": 5}, {})
    assert worse
    assert "--update" in lines[0]


def test_the_committed_baseline_is_of_the_paths_that_are_counted() -> None:
    baseline = json.loads(instructions.BASELINE.read_text(encoding="utf-8"))
    assert baseline["instructions an event"].keys() == instructions.PATHS.keys()
    assert {reader for _, _, reader in instructions.PATHS.values()} == counted.READERS.keys()


def test_without_valgrind_it_is_skipped_with_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["instructions.py"])
    monkeypatch.setenv("PATH", "")
    assert instructions.main() == 0
    assert "valgrind is not installed" in capsys.readouterr().out


def run_main(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, baseline: dict[str, object], now: int, *arguments: str
) -> tuple[int, dict[str, object]]:
    """The command, with a count that is given; and the baseline that it leaves."""
    file = tmp_path / "instructions.json"
    file.write_text(json.dumps(baseline), encoding="utf-8")
    monkeypatch.setattr(instructions, "BASELINE", file)
    monkeypatch.setattr(instructions, "count_all", lambda: {"a": now})
    monkeypatch.setattr(instructions.shutil, "which", lambda name: name)
    monkeypatch.setattr(sys, "argv", ["instructions.py", *arguments])
    code = instructions.main()
    return code, json.loads(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("now", "code"), [(100, 0), (103, 1), (90, 0)])
def test_more_instructions_than_before_fail(
    now: int, code: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    baseline = {"python": instructions.build(), "instructions an event": {"a": 100}}
    assert run_main(monkeypatch, tmp_path, baseline, now) == (code, baseline)


def test_an_update_writes_what_was_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    written = {"python": instructions.build(), "instructions an event": {"a": 103}}
    before = {"python": "another", "instructions an event": {"a": 100}}
    assert run_main(monkeypatch, tmp_path, before, 103, "--update") == (0, written)


def test_another_python_is_compared_with_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {"python": "another", "instructions an event": {"a": 100}}
    assert run_main(monkeypatch, tmp_path, before, 103) == (0, before)
    assert "the baseline was counted with another" in capsys.readouterr().out


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("libraries")
    instructions.copy_libraries(str(folder))
    return folder


@pytest.mark.parametrize("path", instructions.PATHS)
def test_what_is_counted_runs_with_nothing_but_the_library_and_what_it_needs(
    path: str, tmp_path: Path, libraries: Path
) -> None:
    make, size, reader = instructions.PATHS[path]
    file = tmp_path / "reads"
    file.write_bytes(marshal.dumps(list(instructions.reads(make(20).blocks, size))))
    command = [sys.executable, "-S", str(instructions.COUNTED), reader, "2", str(file)]
    subprocess.run(command, env={"PYTHONPATH": str(libraries)}, check=True)

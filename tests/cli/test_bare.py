"""The command line with nothing but what the library itself needs; and what an extra is needed for."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tokenwire.endpoint import ReferenceEndpoint, background
from tokenwire.endpoint.story import STORY

PROJECT = Path(__file__).parent.parent.parent
TEXT = "".join(STORY)

#: What the extras bring, and what they bring along.
EXTRAS = ("rich", "junitparser", "brotli", "zstandard", "pygments", "lxml")

#: As if they were not installed.
WITHOUT = f"""\
import sys
sys.modules.update(dict.fromkeys({EXTRAS!r}))
from tokenwire.cli import main
sys.exit(main())
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


def running(command: Sequence[str], folder: Path) -> Run:
    def run(*arguments: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*command, *arguments], cwd=folder, capture_output=True, encoding="utf-8", timeout=240, check=False
        )
        assert code is None or done.returncode == code, (done.returncode, done.stdout[-2000:], done.stderr)
        assert "Traceback" not in done.stderr
        return done

    return run


@pytest.fixture
def bare(tmp_path: Path) -> Run:
    return running([sys.executable, "-c", WITHOUT], tmp_path)


@pytest.fixture
def url() -> Iterator[str]:
    with background(ReferenceEndpoint().connection) as port:
        yield f"http://127.0.0.1:{port}"


def tour(run: Run, url: str, folder: Path) -> None:
    """Every verb that is no measurement, as people use it."""
    asked = (url, "-p", "hello")
    assert run("stream", *asked).stdout == TEXT
    assert json.loads(run("stream", *asked, "--events").stdout.splitlines()[-1]) == {"type": "End", "clean": True}
    assert run("record", *asked, "-o", "hello.wire.jsonl").stdout.startswith("kept hello.wire.jsonl")
    assert "PASS" in run("lint", "hello.wire.jsonl").stdout
    assert json.loads(run("lint", "hello.wire.jsonl", "--format", "json").stdout)["exit_code"] == 0
    told = run("check", url, "--only", "http.", "--html", "page.html").stdout
    assert "No rule is broken" in (folder / "page.html").read_text("utf-8")
    assert "PASS" in told
    assert "\x1b" not in told
    assert "requests" in run("check", "--dry-run").stdout
    for verb in ("serve", "replay", "compare", "bench"):
        assert "usage: tokenwire" in run(verb, "--help").stdout


def test_without_the_extras_the_verbs_print_plain_text(bare: Run, url: str, tmp_path: Path) -> None:
    tour(bare, url, tmp_path)


def test_without_the_extras_a_run_is_measured(bare: Run, url: str) -> None:
    done = bare("bench", url, "-p", "hello", "-n", "1", code=None)
    assert done.returncode in (0, 1)  # a run on a busy machine says that it is worthless
    assert "since the request was sent" in done.stdout


@pytest.mark.parametrize("verb", ["serve", "replay"])
def test_without_the_extras_it_is_served(verb: str, bare: Run, url: str, tmp_path: Path) -> None:
    bare("record", url, "-p", "hello", "-o", "hello.wire.jsonl")
    arguments = ["serve"] if verb == "serve" else ["replay", str(tmp_path / "hello.wire.jsonl"), "--pace", "fast"]
    with subprocess.Popen([sys.executable, "-c", WITHOUT, *arguments], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            place = server.stdout.readline().strip()
            assert bare("stream", place, "-p", "hello").stdout == TEXT
        finally:
            server.terminate()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["check", "--format", "junit"], "--format junit needs junitparser: pip install 'tokenwire[cli]'"),
        (["check", "--also", "junit=report.xml"], "--format junit needs junitparser: pip install 'tokenwire[cli]'"),
        (["lint", "no-such-file", "--format", "junit"], "--format junit needs junitparser"),
    ],
)
def test_what_needs_an_extra_says_which_before_the_run(bare: Run, arguments: list[str], words: str) -> None:
    done = bare(*arguments, code=2)
    assert done.stdout == ""
    assert done.stderr.startswith(f"tokenwire: {words}")
    assert done.stderr.count("\n") == 1


@pytest.mark.wheel
def test_the_wheel_alone_runs_the_verbs(url: str, tmp_path: Path) -> None:
    """Built and installed into an environment of its own, with what it depends on and nothing else."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(tmp_path), str(PROJECT)], check=True, timeout=240)
    [wheel] = tmp_path.glob("tokenwire-*.whl")
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([*pip, "--python", str(python), "install", str(wheel)], check=True, timeout=240)
    program = tmp_path / "venv" / "bin" / "tokenwire"
    run = running(["env", "-u", "PYTHONPATH", str(program)], tmp_path)
    tour(run, url, tmp_path)
    assert "PASS" in run("check", "--only", "http.").stdout
    module = running(["env", "-u", "PYTHONPATH", str(python), "-m", "tokenwire"], tmp_path)
    assert "PASS" in module("check", url, "--only", "http.").stdout
    assert "needs junitparser" in run("check", "--format", "junit", code=2).stderr
    subprocess.run([*pip, "--python", str(python), "install", "pytest"], check=True, timeout=240)
    pytest_alone = running(["env", "-u", "PYTHONPATH", str(python), "-m", "pytest"], tmp_path)
    told = pytest_alone(f"--tokenwire-endpoint={url}", "tokenwire::http.te-to-http10", "-rA").stdout
    assert "PASSED tokenwire::http.te-to-http10" in told

"""The examples for CI: linted, where there are linters, and what their scripts do, run as a runner runs them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from tokenwire.endpoint import ReferenceEndpoint, Seams, background
from tokenwire_conformance.faults import all_faults

EXAMPLES = Path(__file__).parent.parent / "examples" / "ci"
ACTION, WORKFLOW = EXAMPLES / "github" / "action.yml", EXAMPLES / "github" / "workflow.yml"
GITLAB, DOCKERFILE = EXAMPLES / "gitlab.yml", EXAMPLES / "Dockerfile"

KEY = "k-0123456789abcdef"

YAMLLINT = (
    "{extends: default, rules: {document-start: disable, truthy: {check-keys: false}, line-length: {max: 120},"
    " comments: {min-spaces-from-content: 1}}}"
)


def document(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


@pytest.mark.parametrize(
    "command",
    [
        ["yamllint", "--strict", "-d", YAMLLINT, str(EXAMPLES)],
        ["hadolint", str(DOCKERFILE)],
        ["check-jsonschema", "--builtin-schema", "vendor.github-workflows", str(WORKFLOW)],
        ["check-jsonschema", "--builtin-schema", "vendor.github-actions", str(ACTION)],
        ["check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", str(GITLAB)],
        ["zizmor", "--offline", "--quiet", str(ACTION)],
    ],
    ids=lambda command: f"{command[0]}-{Path(command[-1]).stem}",
)
def test_the_linters_find_nothing(command: list[str]) -> None:
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    linter = shutil.which(command[0], path=places)
    if linter is None:
        pytest.skip(f"{command[0]} is not installed: pip install 'tokenwire[test]'")
    done = subprocess.run([linter, *command[1:]], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", [ACTION, WORKFLOW], ids=lambda path: path.stem)
def test_actions_are_pinned_by_their_commit(path: Path) -> None:
    used = re.findall(r"uses: (\S+)", path.read_text("utf-8"))
    assert used
    assert [action for action in used if not re.fullmatch(r"\./\S+|[\w./-]+@[0-9a-f]{40}", action)] == []


def test_a_workflow_has_no_more_rights_than_it_needs() -> None:
    assert document(WORKFLOW)["permissions"] == {"contents": "read"}


class Runner:
    """Runs scripts as a CI server does, and keeps what was given to tokenwire as arguments."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self._stack = stack
        self._told = folder / "arguments"
        program = folder / "tokenwire" / "bin" / "tokenwire"
        program.parent.mkdir(parents=True)
        program.write_text(f'#!/bin/sh\necho "$@" >{self._told}\nexec {sys.executable} -m tokenwire "$@"\n')
        program.chmod(0o755)

    def serve(self, seams: Callable[[], Seams]) -> str:
        endpoint = ReferenceEndpoint(key=KEY, seams=seams)
        return f"http://127.0.0.1:{self._stack.enter_context(background(endpoint.connection))}"

    def run(self, script: str, **environment: str) -> int:
        path = f"{self.folder / 'tokenwire' / 'bin'}{os.pathsep}{os.environ['PATH']}"
        # As GitHub's runner starts bash, and stricter than that of GitLab.
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=self.folder,
            env={**os.environ, "PATH": path, **environment},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert KEY not in self._told.read_text() + done.stdout + done.stderr
        return done.returncode


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    with ExitStack() as stack:
        yield Runner(tmp_path, stack)


def seams_of(fault: str) -> Callable[[], Seams]:
    return all_faults()[fault].seams if fault else Seams


def failures(report: Path) -> int:
    return len(ElementTree.parse(report).findall(".//failure"))


@pytest.mark.parametrize(("fault", "code"), [("", 0), ("no-date", 1)])
def test_the_action_writes_the_summary_and_fails_by_the_exit_code(fault: str, code: int, runner: Runner) -> None:
    [judge] = [step["run"] for step in document(ACTION)["runs"]["steps"] if step.get("name") == "Judge"]
    summary, reports = runner.folder / "summary.md", runner.folder / "tokenwire-reports"
    environment = {
        "RUNNER_TEMP": str(runner.folder),
        "GITHUB_STEP_SUMMARY": str(summary),
        "ENDPOINT": runner.serve(seams_of(fault)),
        "OPTIONS": "--only=http.date\n--skip=http.date-on-malformed\n",
        "TOKENWIRE_KEY": KEY,
    }
    assert runner.run(judge, **environment) == code
    assert summary.read_text().startswith("## http")
    assert failures(reports / "report.xml") == code
    assert "<html" in (reports / "report.html").read_text()


@pytest.mark.parametrize(("fault", "code"), [("", 0), ("no-date", 1)])
def test_the_job_for_gitlab_does_the_same(fault: str, code: int, runner: Runner) -> None:
    job = document(GITLAB)["tokenwire"]
    (runner.folder / "pyproject.toml").write_text(
        f'[tool.tokenwire.endpoints.staging]\nurl = "{runner.serve(seams_of(fault))}"\nonly = ["http.date"]\n'
    )
    assert runner.run("\n".join(job["script"]), ENDPOINT="staging", ENDPOINT_KEY=KEY) == code
    assert failures(runner.folder / job["artifacts"]["reports"]["junit"]) == code
    assert all((runner.folder / path).read_text() for path in job["artifacts"]["paths"])

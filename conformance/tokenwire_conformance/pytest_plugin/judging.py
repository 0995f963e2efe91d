"""`pytest --tokenwire-endpoint URL`: one run of the suite for the session, and an item for each of its checks.

The endpoint is asked once, when all items are known and before the first one runs. Under pytest-xdist it is the
controller that asks, before it starts the workers, and each of them is told what came of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from warnings import warn_explicit

import pytest

from tokenwire.cli.check import parsed
from tokenwire.cli.check_task import Task, task_of
from tokenwire.cli.guard import clean, guarded, know
from tokenwire.errors import LocalProtocolError, TokenwireError

from ..judging.judged import Ended
from .told import RUN, Told, crashed, told_of

__all__ = ["EndpointWarning", "Judging"]

#: What the ids of our items begin with, and what chooses among them on the command line.
_PLACE = "tokenwire"

#: Under which name a worker of pytest-xdist is told.
_FOR_WORKERS = "tokenwire told"


class EndpointWarning(UserWarning):
    """The endpoint does not do what a specification recommends: a WARN."""


class Judging:
    """What is asked for in this session, and what came of it."""

    def __init__(self, config: pytest.Config) -> None:
        self._task = _task(config)
        workerinput = getattr(config, "workerinput", {})
        self._told = {name: Told(*told) for name, told in json.loads(workerinput.get(_FOR_WORKERS, "{}")).items()}

    @pytest.hookimpl(tryfirst=True)  # before what is not wanted is taken out, as by -k
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        items.extend(session.genitems(Suite.from_parent(session, name=_PLACE, nodeid=_PLACE, judging=self)))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        option = session.config.option
        nothing_runs = option.collectonly or (session.testsfailed and not option.continue_on_collection_errors)
        if not nothing_runs and any(isinstance(item, CheckItem) for item in session.items):
            self._ask()

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """A worker of pytest-xdist is about to start."""
        self._ask()
        node.workerinput[_FOR_WORKERS] = json.dumps(self._told)

    @property
    def names(self) -> list[str]:
        """Those of the items."""
        return [RUN, *(check.id for check in self._task.questions.checks)]

    def told(self, name: str) -> Told:
        """What became of an item."""
        return self._told.get(name) or Told("skipped", f"nothing was judged: {_PLACE}::{RUN} says why")

    def _ask(self) -> None:
        if not self._told:
            self._told = _asked(self._task)


class Suite(pytest.Collector):
    """The parent of our items. They come from no file."""

    def __init__(self, name: str, parent: pytest.Session, nodeid: str, judging: Judging) -> None:
        super().__init__(name, parent=parent, nodeid=nodeid)
        self._judging = judging

    def collect(self) -> Iterator[CheckItem]:
        for name in self._judging.names:
            yield CheckItem.from_parent(self, name=name, judging=self._judging)


class CheckItem(pytest.Item):
    """One check, or the run itself."""

    def __init__(self, name: str, parent: Suite, judging: Judging) -> None:
        super().__init__(name, parent)
        self._judging = judging

    def runtest(self) -> None:
        outcome, words = self._judging.told(self.name)
        match outcome:
            case "expected":
                pytest.xfail(words)
            case "skipped":
                pytest.skip(words)
            case "failed":
                pytest.fail(words, pytrace=False)
            case "warned":
                warn_explicit(EndpointWarning(words), None, _PLACE, 0)
            case "passed" if words:
                self.add_report_section("call", _PLACE, words)

    def reportinfo(self) -> tuple[str, None, str]:
        # A title that is not the id: of what is, pytest would take the dot for one of a class.
        return _PLACE, None, f"{_PLACE} {self.name}"


def _task(config: pytest.Config) -> Task:
    """What the options say.

    :raises UsageError: for options that cannot be.
    """
    try:
        task = task_of(parsed(list(_arguments(config))))
        if task.args.via:
            raise LocalProtocolError("pytest judges one endpoint: for the hops in front of it, 'tokenwire check --via'")
    except (TokenwireError, OSError) as error:
        raise pytest.UsageError(f"tokenwire: {error}") from None
    except SystemExit:
        raise pytest.UsageError("tokenwire: the options of the endpoint are wrong, as said above") from None
    return task


def _arguments(config: pytest.Config) -> Iterator[str]:
    """The options as `tokenwire check` has them. Ids of items, which are no files, become its `--only`."""
    option = config.option
    yield option.tokenwire_endpoint
    for name in ("dialect", "model", "key_env", "baseline"):
        value = getattr(option, f"tokenwire_{name}")
        if value is not None:
            yield f"--{name.replace('_', '-')}={value}"
    for id_ in _taken(config) or option.tokenwire_only:
        yield f"--only={id_}"
    for id_ in option.tokenwire_skip:
        yield f"--skip={id_}"
    if option.tokenwire_strict:
        yield "--strict"


def _taken(config: pytest.Config) -> list[str]:
    """The ids of items on the command line, taken out of it; none, where all of them are meant."""
    ours = [arg for arg in config.args if arg.startswith(f"{_PLACE}::")]
    config.args[:] = [arg for arg in config.args if arg not in ours]
    ids = [arg.removeprefix(f"{_PLACE}::") for arg in ours]
    return [] if "" in ids or RUN in ids else ids


def _asked(task: Task) -> dict[str, Told]:
    """What came of the run, without secrets, as what the command line prints.

    :raises KeyboardInterrupt: when it was interrupted.
    """
    with guarded(task.args.arguments):
        know(task.access.secrets.values)
        told = _told_by(task)
        return {name: Told(outcome, clean(words)) for name, (outcome, words) in told.items()}


def _told_by(task: Task) -> dict[str, Told]:
    try:
        [report] = task.reports()
    except (TokenwireError, OSError) as error:
        return crashed(error)
    if report.run.course.ended is Ended.INTERRUPTED:
        raise KeyboardInterrupt
    return told_of(report)

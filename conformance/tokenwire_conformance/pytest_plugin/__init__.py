"""The plugin for pytest: `pytest --tokenwire-endpoint URL` judges an endpoint, an item a check; and the fixtures
`tokenwire_endpoint`, `tokenwire_replay` and `tokenwire_fault` serve what the author of a server or a client tests with.

pytest loads this module in every run of an environment that tokenwire is installed in. So it imports nothing of
tokenwire before it is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .serving import Served, ServeFault, ServeRecording

__all__ = ["pytest_addoption", "pytest_configure", "tokenwire_endpoint", "tokenwire_fault", "tokenwire_replay"]

#: Options that are those of `tokenwire check`, and what they take.
_OPTIONS = {
    "dialect": ("NAME", "the dialect that the endpoint speaks; by default as the URL has it"),
    "model": ("NAME", "the model to ask; by default the first that is listed"),
    "key-env": ("NAME", "the environment variable that holds the key"),
    "baseline": ("FILE", "findings that are expected, each with its reason (TOML): they xfail, and what is new fails"),
}

_MARKER = "tokenwire_endpoint(key=None, pace=0.0, keepalive=None): how the fixture tokenwire_endpoint serves"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("tokenwire", "endpoints of AI token streams, judged by tokenwire")
    group.addoption(
        "--tokenwire-endpoint",
        metavar="URL",
        help="judge this endpoint, an item a check. A name stands for a table [tool.tokenwire.endpoints.NAME] of a "
        "pyproject.toml, where all options of 'tokenwire check' may stand. tokenwire::PREFIX chooses items",
    )
    for name, (metavar, what) in _OPTIONS.items():
        group.addoption(f"--tokenwire-{name}", metavar=metavar, help=what)
    for name, what in (("only", "checks whose id begins so"), ("skip", "no checks whose id begins so")):
        group.addoption(f"--tokenwire-{name}", metavar="ID", action="append", default=[], help=what)
    group.addoption("--tokenwire-strict", action="store_true", help="a breach of SHOULD fails too")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _MARKER)
    if config.option.tokenwire_endpoint is None:
        given = [name for name, value in vars(config.option).items() if name.startswith("tokenwire_") and value]
        if given:
            option = given[0].replace("_", "-")
            raise pytest.UsageError(f"--{option} judges nothing by itself: give --tokenwire-endpoint URL too")
        return
    from .judging import Judging

    config.pluginmanager.register(Judging(config), "tokenwire judging")


@pytest.fixture
def tokenwire_endpoint(request: pytest.FixtureRequest) -> Iterator[Served]:
    """The reference endpoint on loopback, for the life of a test: a sound server for the author of a client.

    `tokenwire_endpoint.url` and `.websocket_url` are where it is, without a path; `.key` is what it wants; `.model`
    answers, `.failing_model` fails within its stream, and that of `.cut_model` breaks off. The marker
    `tokenwire_endpoint` says how it serves: `key="…"`, `pace=` in seconds between two pieces of a stream, and
    `keepalive=` in seconds of silence before a comment.
    """
    from .serving import options_of, reference

    with reference(options_of(request.node.get_closest_marker("tokenwire_endpoint"))) as served:
        yield served


@pytest.fixture
def tokenwire_replay() -> Iterator[ServeRecording]:
    """Serves recordings on loopback until the test ends: `served = tokenwire_replay("hello.wire.jsonl")`, then ask
    `served.url`, which has the recorded path. Whoever asks hears what the recorded client heard.

    `pace` is "fast" (the read boundaries, without waiting), "recorded", "bytes" or "coalesced"; `cut=N` ends the
    connection after N bytes.
    """
    from .serving import ServeRecording

    with ExitStack() as stack:
        yield ServeRecording(stack)


@pytest.fixture
def tokenwire_fault() -> Iterator[ServeFault]:
    """Serves the reference endpoint with one thing wrong until the test ends: `served = tokenwire_fault("no-done")`,
    then see what your client or your checker makes of `served.url`. `tokenwire check --explain ID` names the faults
    that prove a check. `key`, `pace` and `keepalive` are those of the marker `tokenwire_endpoint`.

    A fault shows in the answer to one question, that of a probe which finds it: most of them in a chat stream with
    usage, so ask for that. Those of authentication want a `key`.
    """
    from .serving import ServeFault

    with ExitStack() as stack:
        yield ServeFault(stack)

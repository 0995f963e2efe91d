"""What the tests share. Its place puts this directory on the path, so that the tests find `cutting` and the like."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A deadline for one example would measure the machine; the number of examples is set where a test needs another.
settings.register_profile("tokenwire", deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tokenwire")


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The recordings of public endpoints and of servers, which are not part of the repository."""
    place = os.environ.get("TOKENWIRE_CORPUS")
    if not place:
        pytest.skip("TOKENWIRE_CORPUS is not set: it names the directory of the recordings")
    return Path(place)


@pytest.fixture(autouse=True, scope="session")
def _no_proxies() -> Iterator[None]:
    """The servers of the tests are on loopback, whatever this machine is told to go through."""
    with pytest.MonkeyPatch.context() as environment:
        for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
            environment.delenv(name, raising=False)
            environment.delenv(name.lower(), raising=False)
        yield


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Processes that a test starts hear Ctrl-C. They inherit that it is ignored, as it is where the tests themselves
    run under nohup or in the background of a shell (POSIX, XCU 2.11)."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)

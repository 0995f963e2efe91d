"""What the tests share. Its place puts this directory on the path, so that the tests find `cutting` and the like."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A deadline for one example would measure the machine; the number of examples is set where a test needs another.
settings.register_profile("tokenwire", deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", settings.get_profile("tokenwire"), max_examples=25)
settings.load_profile("tokenwire")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("markexpr") == "quick":
        settings.load_profile("quick")


#: Directories and files of `pytest -m quick`. Left out is what needs sockets, processes, other people's servers, or
#: many samples.
QUICK = (
    "dialects",
    "framing",
    "protocol",
    "recording",
    "session/test_conversation.py",
    "session/test_durable.py",
    "session/test_request.py",
    "drivers/test_route.py",
    "test_decode.py",
    "test_face.py",
    "test_mistakes.py",
)

#: What is in these directories and takes long all the same.
SLOW = (
    "dialects/test_invariants.py",
    "dialects/test_template.py",
    "protocol/test_websocket_against_wsproto.py",
    "recording/test_replay_websocket.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the quick ones by where they are, so that no test has to say so."""
    here = Path(__file__).parent
    quick, slow = ([here / name for name in names] for names in (QUICK, SLOW))
    for item in items:
        places = {item.path, *item.path.parents}
        if places.intersection(quick) and not places.intersection(slow):
            item.add_marker("quick")


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

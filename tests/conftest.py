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
    "test_readme.py",
)

#: What is in these directories and takes long all the same.
SLOW = (
    "dialects/test_answer.py",
    "dialects/test_auto.py",
    "dialects/test_chat_wholes.py",
    "dialects/test_decoder.py",
    "dialects/test_ends.py",
    "dialects/test_every_value.py",
    "dialects/test_failures_and_losses.py",
    "dialects/test_guess.py",
    "dialects/test_invariants.py",
    "dialects/test_nothing_vanishes.py",
    "dialects/test_one_and_several.py",
    "dialects/test_openai_chat_odd.py",
    "dialects/test_pieces.py",
    "dialects/test_template.py",
    "dialects/test_wholes.py",
    "framing/test_chunked_against_h11.py",
    "framing/test_websocket_frames.py",
    "protocol/test_coding.py",
    "protocol/test_deflate.py",
    "protocol/test_websocket_against_wsproto.py",
    "protocol/test_websocket_connection.py",
    "recording/test_redacted_wires.py",
    "recording/test_replay_websocket.py",
)


_HERE = Path(__file__).parent


def _is_quick(path: Path) -> bool:
    places = {place.relative_to(_HERE).as_posix() for place in (path, *path.parents) if place.is_relative_to(_HERE)}
    return bool(places.intersection(QUICK)) and not places.intersection(SLOW)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where only the quick ones run, the others are not even imported: the SDKs that they want take their time."""
    wanted = collection_path.is_dir() or collection_path.suffix != ".py" or _is_quick(collection_path)
    return None if wanted or config.getoption("markexpr") != "quick" else True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the quick ones by where they are, so that no test has to say so."""
    for item in items:
        if _is_quick(item.path):
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


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Processes that a test starts hear Ctrl-C. They inherit that it is ignored, as it is where the tests themselves
    run under nohup or in the background of a shell (POSIX, XCU 2.11)."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)

"""What the fixtures serve on loopback: the reference endpoint, sound or with a planted fault, and recordings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from tokenwire.checking import nearest
from tokenwire.endpoint import ReferenceEndpoint, Seams, background
from tokenwire.endpoint.story import MODELS
from tokenwire.errors import LocalProtocolError
from tokenwire.recording import load
from tokenwire.recording.replay import Pace, ReplayConnection, recorded_path

from ..faults import all_faults

__all__ = ["Options", "ServeFault", "ServeRecording", "Served", "options_of", "reference"]


@dataclass(frozen=True, slots=True)
class Served:
    """Where it is served.

    :ivar url: over HTTP; of a recording with the path that was asked for.
    :ivar websocket_url: the same place over WebSocket.
    :ivar key: that a request must have; None where none is wanted.
    :ivar model: that answers; empty where any does.
    :ivar failing_model: that fails within its stream; empty where none does.
    :ivar cut_model: whose upstream breaks off within its stream; empty where none does.
    """

    url: str
    websocket_url: str
    key: str | None = None
    model: str = ""
    failing_model: str = ""
    cut_model: str = ""


@dataclass(frozen=True, slots=True)
class Options:
    """How the reference endpoint serves; see `ReferenceEndpoint`."""

    key: str | None = None
    pace: float = 0.0
    keepalive: float | None = None


def options_of(marker: pytest.Mark | None) -> Options:
    """What the marker says.

    :raises LocalProtocolError: for what is no option.
    """
    if marker is None:
        return Options()
    try:
        return Options(*marker.args, **marker.kwargs)
    except TypeError as error:
        raise LocalProtocolError(
            f"the marker tokenwire_endpoint takes key, pace and keepalive, and no others: {error}"
        ) from None


@contextmanager
def reference(options: Options, seams: Callable[[], Seams] = Seams) -> Iterator[Served]:
    """The reference endpoint, for the life of the context."""
    endpoint = ReferenceEndpoint(key=options.key, pace=options.pace, keepalive=options.keepalive, seams=seams)
    with background(endpoint.connection) as port:
        yield replace(_served(port), key=options.key, model=MODELS[0], failing_model=MODELS[2], cut_model=MODELS[3])


@dataclass(frozen=True, slots=True)
class ServeRecording:
    """Serves recordings, for the life of the stack."""

    stack: ExitStack

    def __call__(self, path: str | Path, pace: Pace = "fast", *, cut: int | None = None) -> Served:
        """Serves a recording.

        :raises InvalidRecording: for a file that is none.
        :raises LocalProtocolError: for an unknown pace, or a negative cut.
        :raises OSError: when it cannot be read.
        """
        recording = load(path)
        connection = partial(ReplayConnection, recording, pace, cut=cut)
        connection()  # what is wrong with the options is said now, and not to the first client
        return _served(self.stack.enter_context(background(connection)), recorded_path(recording))


@dataclass(frozen=True, slots=True)
class ServeFault:
    """Serves the reference endpoint with a planted fault, for the life of the stack."""

    stack: ExitStack

    def __call__(
        self, fault: str, *, key: str | None = None, pace: float = 0.0, keepalive: float | None = None
    ) -> Served:
        """Serves a fault.

        :param fault: its id.
        :raises LocalProtocolError: when there is none of this id; the message has the nearest one.
        """
        faults = all_faults()
        if fault not in faults:
            raise LocalProtocolError(
                f"there is no fault {fault!r}{nearest(fault, faults) or '.'} 'tokenwire check --explain ID' names the"
                " faults that prove a check"
            )
        return self.stack.enter_context(reference(Options(key, pace, keepalive), faults[fault].seams))


def _served(port: int, path: str = "") -> Served:
    place = f"127.0.0.1:{port}{path}"
    return Served(f"http://{place}", f"ws://{place}")

"""The probes over WebSocket."""

from __future__ import annotations

from .socket_talk import SocketTalk, frame, socket_probe
from .sockets import TEXT

# What is asked of a model.


@socket_probe("ws-answer", "generation", "a question, its answer, and a Close")
def _answer(talk: SocketTalk) -> None:
    if talk.open():
        talk.ask()
        talk.bye()


# The handshake.


@socket_probe("ws-version-12", "none", "a handshake of version 12")
def _version_12(talk: SocketTalk) -> None:
    talk.shake(change={"Sec-WebSocket-Version": "12"})


# Frames that must not be accepted. Each is the question in a frame that is wrong, so that an answer shows it was taken.


@socket_probe("ws-unmasked", "refusal", "a frame that is not masked")
def _unmasked(talk: SocketTalk) -> None:
    if talk.open():
        talk.send(frame(TEXT, talk.question[0], masked=False))
        talk.await_failure()

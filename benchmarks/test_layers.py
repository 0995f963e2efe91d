"""What the layers between a socket and a user add to the decoder that they all stand on: `decode`, and the session.

The decoder is given the body without its HTTP framing, the session the whole response; both in 16 KiB reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from measuring import Case, Contender, Input, Run, Take
from sending import HEAD, chunked
from test_deltas import shown, tokenwire_decoder
from workloads import READ_SIZE, chat, reads

import tokenwire
from tokenwire import Session
from tokenwire.dialects import DIALECTS
from tokenwire.session import build_request

__all__ = ["CASES"]


def decode() -> Run:
    return lambda pieces, take: take(tokenwire.decode(pieces, dialect="openai-chat"))


def session() -> Run:
    dialect = DIALECTS["openai-chat"]
    request = build_request("http://recorded/", dialect, json={"model": "m"})

    def run(pieces: Sequence[bytes], take: Take) -> None:
        session = Session(request, dialect)
        session.start(0.0)
        session.connected(0.0)
        session.data_to_send()
        for piece in pieces:
            take(session.receive_data(piece, 1.0))

    return run


def body(size: int | None) -> Callable[[], Input]:
    def make() -> Input:
        traffic = chat()
        pieces = reads(traffic.blocks, size)
        return Input(pieces, traffic.texts, pieces)

    return make


def response() -> Input:
    traffic = chat()
    whole = [HEAD, *chunked(traffic.blocks)]
    return Input(reads(whole, READ_SIZE), traffic.texts, reads(traffic.blocks, READ_SIZE))


DECODER = Contender("Decoder", tokenwire_decoder("openai-chat"), shown, parses_only=True)

CASES = [
    Case("layers: decode, 16 KiB reads", body(READ_SIZE), [Contender("tokenwire", decode, shown), DECODER]),
    Case("layers: decode, one event a read", body(None), [Contender("tokenwire", decode, shown), DECODER]),
    Case("layers: Session, 16 KiB reads", response, [Contender("tokenwire", session, shown), DECODER]),
]


def test_layers(measured: Callable[[], None]) -> None:
    measured()

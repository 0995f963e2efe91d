"""One of the hottest paths, read for some rounds, with no more loaded than it needs: what valgrind watches.

python -S counted.py NAME ROUNDS FILE       FILE: the reads of a stream, as `marshal` writes a list of bytes
"""

from __future__ import annotations

import marshal
import sys
from collections.abc import Callable, Sequence

__all__ = ["READERS"]

Read = Callable[[bytes], Sequence[object]]


def sse() -> Read:
    from tokenwire.framing.sse import SSEParser

    return SSEParser().receive_data


def chat() -> Read:
    from tokenwire.dialects.decoder import Decoder

    return Decoder("openai-chat").receive_data


def anthropic() -> Read:
    from tokenwire.dialects.decoder import Decoder

    return Decoder("anthropic-messages").receive_data


def websocket() -> Read:
    from tokenwire.framing.websocket import FrameParser

    return FrameParser(client=True).receive_data


READERS = {"sse": sse, "openai-chat": chat, "anthropic-messages": anthropic, "websocket": websocket}


def main(name: str, rounds: int, file: str) -> None:
    with open(file, "rb") as stored:
        pieces = marshal.load(stored)
    for _ in range(rounds):
        read = READERS[name]()
        for piece in pieces:
            read(piece)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])

"""What must not grow with the size of a stream: the memory it takes, and the time that a megabyte of it takes.

python scaling.py NAME        streams a gigabyte through one reader, and prints by how many bytes the process has grown
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from workloads import READ_SIZE, Traffic, chat, frames, huge_frame, huge_line, reads

from tokenwire import SSEParser
from tokenwire.dialects.decoder import Decoder
from tokenwire.framing.websocket import FrameParser

__all__ = ["HUGE", "STREAMS", "growth", "slowdown"]

#: Bytes of a stream through which memory is watched.
STREAMED = 1024**3

#: Bytes of a read of a huge line or frame, and of the smaller and the larger one.
PIECE, SMALL, LARGE = 1024, 2 * 1024**2, 8 * 1024**2

Read = Callable[[bytes], Sequence[object]]

#: Streams that are short and come again and again: little is in memory before they begin.
STREAMS: dict[str, tuple[Callable[[], Traffic], Callable[[], Read]]] = {
    "SSE framing": (lambda: chat(60), lambda: SSEParser().receive_data),
    "openai-chat to deltas": (lambda: chat(60), lambda: Decoder("openai-chat").receive_data),
    "WebSocket frames": (lambda: frames(280, 60), lambda: FrameParser(client=True).receive_data),
}

HUGE: dict[str, tuple[Callable[[int], Traffic], Callable[[], Read]]] = {
    "one line in 1 KiB reads": (huge_line, lambda: SSEParser().receive_data),
    "one frame in 1 KiB reads": (huge_frame, lambda: FrameParser(client=True).receive_data),
}


def growth(name: str) -> int | None:
    """Bytes by which a process of its own has grown over a gigabyte; None where the system does not tell."""
    if not Path("/proc/self/statm").exists():
        return None
    done = subprocess.run([sys.executable, __file__, name], capture_output=True, text=True, check=True)
    return int(done.stdout)


def slowdown(name: str, rounds: int = 15) -> float:
    """How much more a megabyte costs in a large one than in a small one; of each the best of the rounds in which they
    take turns."""
    make, reader = HUGE[name]
    small, large = (reads(make(size).blocks, PIECE) for size in (SMALL, LARGE))
    times = [(_time(small, reader()), _time(large, reader())) for _ in range(rounds)]
    best_small, best_large = map(min, zip(*times, strict=True))
    return best_large / LARGE / (best_small / SMALL)


def _time(pieces: Sequence[bytes], read: Read) -> float:
    start = time.process_time()
    items = [item for piece in pieces for item in read(piece)]
    taken = time.process_time() - start
    assert len(items) == 1
    return taken


def _streamed(name: str) -> int:
    """By how much this process grows over deltas alone, for a stream that ends takes nothing more."""
    make, reader = STREAMS[name]
    deltas = make().blocks[1:-2]
    pieces = reads([*deltas] * 50, READ_SIZE)
    read = reader()
    items = most = 0
    start = _memory()
    for _ in range(STREAMED // sum(map(len, pieces))):
        for piece in pieces:
            for _ in read(piece):
                items += 1
        most = max(most, _memory())
    assert items * len(deltas[0]) > STREAMED // 2
    return most - start


def _memory() -> int:
    """Bytes that this process has in memory, as Linux tells it."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    print(_streamed(sys.argv[1]))

"""What must not grow with the size of a stream: the memory it takes, and the time that a megabyte of it takes.

python scaling.py NAME        streams a gigabyte through one reader, and prints by how many bytes the process has grown

Also how long Python takes from its start to the end of a first stream.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sending import Plan, chunked, sent
from workloads import READ_SIZE, Traffic, chat, frames, huge_frame, huge_line, reads

import tokenwire
from tokenwire import SSEParser
from tokenwire.dialects.decoder import Decoder
from tokenwire.framing.websocket import FrameParser

__all__ = ["HUGE", "STREAMS", "WHOLE", "growth", "slowdown", "start"]

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

#: Whole streams, from a socket, or from an iterable of bytes, each with what it keeps of the text in memory.
WHOLE = ("stream", "astream", "decode")

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


def start(rounds: int = 11) -> float:
    """How much more processor time Python takes from its start to the end of a first stream than with the standard
    library's client; of each the best of the rounds in which they take turns."""
    with sent({"short": Plan(chunked(chat(30).blocks))}) as address:
        url = address.url("http", "short")
        times = [[_spent(program.format(url=url)) for program in (_OURS, _THEIRS)] for _ in range(rounds)]
    ours, theirs = map(min, zip(*times, strict=True))
    return ours / theirs


_OURS = """
import tokenwire
with tokenwire.stream("{url}", json={{"model": "m"}}) as stream:
    for event in stream:
        pass
"""

_THEIRS = """
import http.client, json, ssl
from urllib.parse import urlsplit
parts = urlsplit("{url}")
connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
connection.request("POST", parts.path, json.dumps({{"model": "m"}}), {{"Content-Type": "application/json"}})
for line in connection.getresponse():
    if line.startswith(b"data: {{"):
        json.loads(line[6:])
"""


def _spent(program: str) -> float:
    """Seconds of the processor that a Python takes for a program. What is installed is compiled already: what another
    run has compiled is used, whatever this one was told.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen([sys.executable, "-c", program], env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime


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


def _whole(name: str) -> int:
    """By how much this process grows over a whole stream of a gigabyte, besides the text that it keeps, which nobody
    has asked for yet."""
    traffic = chat(60)
    first, deltas, last = traffic.blocks[0], b"".join(traffic.blocks[1:-2] * 4), b"".join(traffic.blocks[-2:])
    text = sum(map(len, traffic.texts)) * 4
    times = STREAMED // len(deltas)
    body = chunked([first, deltas, last])
    plans = {"short": Plan(chunked(traffic.blocks)), "whole": Plan(body, repeated=times)}
    if name == "decode":
        return _decoded(first, deltas, last, times) - text * times
    with sent(plans) as address:
        run = _run_async if name == "astream" else _run_blocking
        run(address.url("http", "short"))  # what is loaded and made once
        start = _memory()
        return run(address.url("http", "whole")) - start - text * times


def _run_blocking(url: str) -> int:
    most = number = 0
    with tokenwire.stream(url, json={"model": "m"}) as stream:
        for _ in stream:
            number += 1
            if number % 100_000 == 0:
                most = max(most, _memory())
    return max(most, _memory())


def _run_async(url: str) -> int:
    async def main() -> int:
        most = number = 0
        async with tokenwire.astream(url, json={"model": "m"}) as stream:
            async for _ in stream:
                number += 1
                if number % 100_000 == 0:
                    most = max(most, _memory())
        return max(most, _memory())

    return asyncio.run(main())


def _decoded(first: bytes, deltas: bytes, last: bytes, times: int) -> int:
    def chunks() -> Iterator[bytes]:
        yield first
        for _ in range(times):
            for at in range(0, len(deltas), READ_SIZE):
                yield deltas[at : at + READ_SIZE]
        yield last

    list(tokenwire.decode([first, last]))
    start = most = _memory()
    for number, _ in enumerate(tokenwire.decode(chunks())):
        if number % 100_000 == 0:
            most = max(most, _memory())
    return most - start


def _memory() -> int:
    """Bytes that this process has in memory, as Linux tells it."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    print(_whole(sys.argv[1]) if sys.argv[1] in WHOLE else _streamed(sys.argv[1]))

"""What many streams at once cost in one process: processor time a token, memory a stream, and how late its loop is.

python benchmarks/concurrent_streams.py [--rounds N]            the table, contenders in turn
python benchmarks/concurrent_streams.py CONTENDER LOAD PORT      one contender in this process; prints JSON

A server in a process of its own sends every stream a chat chunk of 290 bytes at a steady pace, each stream at another
moment. The floor is a bare `asyncio.Protocol` whose reader is woken by each read.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import heapq
import json
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from workloads import chat

__all__ = ["LOADS", "Load", "Result", "main"]

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
BODY = {"model": "m", "messages": [], "stream": True}
TIMEOUT = 120.0

#: Seconds between two looks at how late the loop is.
LOOK = 0.01


@dataclass(frozen=True)
class Load:
    """So many streams, each with so many tokens a second, for so many seconds."""

    streams: int
    rate: float
    seconds: float

    @property
    def tokens(self) -> int:
        """Of one stream."""
        return round(self.rate * self.seconds)


LOADS = {"250 at 20 tokens/s": Load(250, 20.0, 10.0), "5,000 at 0.5 tokens/s": Load(5000, 0.5, 20.0)}


@dataclass(frozen=True)
class Result:
    """What one contender cost.

    :ivar cpu: microseconds of the processor a token.
    :ivar memory: bytes a stream.
    :ivar lag: seconds by which the loop was late, at worst.
    """

    cpu: float
    memory: float
    lag: float


# The server.


@contextmanager
def paced(load: Load) -> Iterator[int]:
    """Serves streams of that load for the life of the context; gives the port."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(load, theirs), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.kill()
        process.join()


def _serve(load: Load, pipe: Connection) -> None:
    """All streams begin once all are there, so that connecting is no part of the load."""
    blocks = [b"%x\r\n%s\r\n" % (len(block), block) for block in chat(load.tokens).blocks[1 : load.tokens + 1]]
    end = b"".join(b"%x\r\n%s\r\n" % (len(b), b) for b in chat(1).blocks[-2:]) + b"0\r\n\r\n"
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    pipe.send(listener.getsockname()[1])
    while True:
        clients: list[socket.socket] = []
        while len(clients) < load.streams:
            client, _ = listener.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.recv(65536)
            client.sendall(HEAD)
            clients.append(client)
        start = time.perf_counter() + 1.0
        due = [(start + place / load.streams / load.rate, place, 0) for place in range(len(clients))]
        heapq.heapify(due)
        while due:
            at, place, number = due[0]
            time.sleep(max(at - time.perf_counter(), 0.0))
            clients[place].sendall(blocks[number] if number < load.tokens else end)
            if number < load.tokens:
                heapq.heapreplace(due, (at + 1 / load.rate, place, number + 1))
            else:
                heapq.heappop(due)
        for client in clients:
            client.close()


# The contenders: each reads one stream, tells when its head is there, and gives how many tokens were in it.

Read = Callable[[int, Callable[[], None]], Awaitable[int]]


def tokenwire_astream() -> Read:
    import tokenwire

    async def read(port: int, opened: Callable[[], None]) -> int:
        tokens = 0
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        async with tokenwire.astream(url, json=BODY, timeouts=tokenwire.Timeouts(connect=TIMEOUT)) as stream:
            opened()
            async for event in stream:
                if isinstance(event, tokenwire.TextDelta):
                    tokens += 1
        return tokens

    return read


def aiohttp_lines() -> Read:
    import aiohttp

    session: list[aiohttp.ClientSession] = []

    async def read(port: int, opened: Callable[[], None]) -> int:
        if not session:
            timeout = aiohttp.ClientTimeout(total=None, sock_read=TIMEOUT)
            session.append(aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)))
        tokens = 0
        async with session[0].post(f"http://127.0.0.1:{port}/", json=BODY) as response:
            opened()
            async for line in response.content:
                if line.startswith(b"data: ") and not line.startswith(b"data: [DONE]"):
                    tokens += bool(json.loads(line[6:])["choices"][0]["delta"].get("content"))
        return tokens

    return read


def bare_protocol() -> Read:
    class Waking(asyncio.Protocol):
        def __init__(self) -> None:
            self.reads: list[bytes] = []
            self.over = False
            self.waiting: asyncio.Future[None] | None = None

        def data_received(self, data: bytes) -> None:
            self.reads.append(data)
            self._wake()

        def connection_lost(self, exc: Exception | None) -> None:
            self.over = True
            self._wake()

        def _wake(self) -> None:
            if self.waiting is not None and not self.waiting.done():
                self.waiting.set_result(None)

    async def read(port: int, opened: Callable[[], None]) -> int:
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.create_connection(Waking, "127.0.0.1", port)
        transport.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        tokens = 0
        first = True
        while not protocol.over:
            protocol.waiting = loop.create_future()
            await protocol.waiting
            if first:
                opened()
                first = False
            tokens += b"".join(protocol.reads).count(b"data: ")
            protocol.reads.clear()
        transport.close()
        return tokens - 2  # the last chunk, and [DONE]

    return read


CONTENDERS = {"tokenwire": tokenwire_astream, "aiohttp + json": aiohttp_lines, "floor: Protocol": bare_protocol}


# One contender, measured.


def measured(contender: str, load: Load, port: int) -> Result:
    return asyncio.run(_measured(CONTENDERS[contender](), load, port))


async def _measured(read: Read, load: Load, port: int) -> Result:
    """The clock runs once all streams have begun; the first token comes a second later."""
    gc.collect()
    before = _memory()
    begun = asyncio.Semaphore(0)
    streams = [asyncio.ensure_future(read(port, begun.release)) for _ in range(load.streams)]
    for _ in streams:
        await begun.acquire()
    late: list[float] = []
    looking = asyncio.ensure_future(_look(late))
    start = time.process_time()
    await asyncio.sleep(load.seconds / 2)
    memory = _memory() - before
    counts = await asyncio.gather(*streams)
    spent = time.process_time() - start
    looking.cancel()
    expected = load.streams * load.tokens
    assert sum(counts) == expected, f"{sum(counts)} tokens instead of {expected}"
    return Result(spent / expected * 1e6, memory / load.streams, max(late))


async def _look(late: list[float]) -> None:
    while True:
        due = time.perf_counter() + LOOK
        await asyncio.sleep(LOOK)
        late.append(time.perf_counter() - due)


def _memory() -> int:
    """Bytes that this process has in memory, as Linux tells it."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# The table.


def main() -> None:
    parser = argparse.ArgumentParser(description="many streams at once in one process, beside aiohttp")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="of each contender (default 5)")
    rounds = parser.parse_args().rounds
    print(table(rounds))


def table(rounds: int) -> str:
    """What every contender cost under every load, with the goals."""
    lines = ["| streams | contender | µs a token | above the floor | KiB a stream | worst lag, ms |"]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    for name, load in LOADS.items():
        results: dict[str, list[Result]] = {contender: [] for contender in CONTENDERS}
        for _ in range(rounds):
            for contender, kept in results.items():
                kept.append(_apart(contender, name, load))
        floor = [result.cpu for result in results["floor: Protocol"]]
        for contender, kept in results.items():
            above = statistics.median(result.cpu - bare for result, bare in zip(kept, floor, strict=True))
            cpu, memory, lag = (
                statistics.median(getattr(result, field) for result in kept) for field in ("cpu", "memory", "lag")
            )
            shown = contender.removeprefix("floor: ")
            lines.append(f"| {name} | {shown} | {cpu:.0f} | {above:.0f} | {memory / 1024:.1f} | {lag * 1e3:.1f} |")
    return "\n".join(lines)


def _apart(contender: str, name: str, load: Load) -> Result:
    """In a process of its own, beside a server in another."""
    with paced(load) as port:
        arguments = [sys.executable, __file__, contender, name, str(port)]
        done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    return Result(**json.loads(done.stdout))


def _alone(arguments: Sequence[str]) -> None:
    contender, name, port = arguments
    print(json.dumps(asdict(measured(contender, LOADS[name], int(port)))))


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] in CONTENDERS:
        _alone(sys.argv[1:])
    else:
        main()

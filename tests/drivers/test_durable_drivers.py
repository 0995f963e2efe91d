"""The drivers over real sockets: the story, recordings, many threads, gevent, a thousand sessions at once.

What the session decides is tested with a simulated network, and `test_every_harm` does all kinds of harm; here is only
that the drivers obey.
"""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio_driver
from drives import DRIVES, PLAIN, Drive, Outcome, blocking, with_asyncio
from fault_proxy import FaultProxy, Harm, harming

import tokenwire
from tokenwire.endpoint import ReferenceEndpoint, background
from tokenwire.endpoint.story import MODELS, STORY
from tokenwire.recording import load
from tokenwire.session import PATIENT

TEXT = "".join(STORY)

#: Waits so short that a test is quick; what they are is the session's business.
QUICK = replace(PATIENT, base=0.001, longest=0.01)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[int]:
    with background(ReferenceEndpoint().connection) as port:
        yield port


drivers = pytest.mark.parametrize("drive", DRIVES.values(), ids=DRIVES)


def test_a_third_driver_is_as_short_as_readme_says() -> None:
    lines = Path(trio_driver.__file__).read_text(encoding="utf-8").splitlines()
    readme = (Path(__file__).parent.parent.parent / "README.md").read_text(encoding="utf-8")
    assert f"it has {len(lines)} lines" in readme
    assert len(lines) < 80


@drivers
def test_the_story_with_a_real_clock_and_a_proxy_that_drops_what_is_idle(drive: Drive) -> None:
    """Twelve seconds made short: tokens take longer than the proxy waits, and the stream is resumed each time."""
    with background(ReferenceEndpoint(pace=0.12).connection) as endpoint:
        proxy = FaultProxy(endpoint, [Harm(idle_drop=0.05)] * 8)
        with harming(proxy) as port:
            policy = replace(QUICK, attempts=20)
            outcome = drive(
                f"http://127.0.0.1:{port}",
                json={"model": MODELS[0], "prompt": "go"},
                dialect="holysheep",
                policy=policy,
            )
    assert (outcome.text, outcome.error) == (TEXT, None)
    assert proxy.counts["idle"] == 8


@pytest.mark.parametrize("drive", [blocking, with_asyncio])
def test_each_connection_is_recorded_in_a_file_of_its_own(drive: Drive, endpoint: int, tmp_path: Path) -> None:
    path = tmp_path / "kept.wire.jsonl"
    proxy = FaultProxy(endpoint, [Harm(cut=1000), Harm(cut=900, how="reset")])
    with harming(proxy) as port:
        url = f"http://127.0.0.1:{port}"
        outcome = drive(url, json={"model": MODELS[0]}, dialect="holysheep", policy=QUICK, record=path)
    assert outcome.error is None
    kept = [load(tmp_path / name) for name in ("kept.wire.jsonl", "kept-2.wire.jsonl", "kept-3.wire.jsonl")]
    assert [len(each.received) for each in kept[:1]] == [1000]
    assert [each.entries[0].kind for each in kept] == ["connected"] * 3
    assert [b"last-event-id" in each.sent for each in kept] == [False, True, True]
    assert not (tmp_path / "kept-4.wire.jsonl").exists()


@pytest.fixture(scope="module")
def endpoint_apart() -> Iterator[int]:
    """In a process of its own, so that what is measured is the client's memory alone."""
    serve = [sys.executable, "-m", "tokenwire", "serve"]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield int(server.stdout.readline().rpartition(":")[2])
        finally:
            server.kill()


SESSIONS = 1000


async def thousand_sessions(endpoint: int, seed: int) -> tuple[list[Outcome], FaultProxy]:
    """All of them at once: each waits, once it has begun, until all have. A tenth is cut at random."""
    random = Random(seed)
    harms = [Harm(cut=random.randrange(4000), how=random.choice(["fin", "reset"])) for _ in range(SESSIONS // 10)]
    harms += [Harm()] * (SESSIONS - len(harms))
    random.shuffle(harms)
    proxy = FaultProxy(endpoint, harms)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, backlog=SESSIONS)
    begun = asyncio.Barrier(SESSIONS)

    async def ask() -> Outcome:
        outcome = Outcome()
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        patient = tokenwire.Timeouts(connect=None)  # a thousand at once take their time
        asked: dict[str, Any] = {"json": {"model": MODELS[0]}, "dialect": "holysheep"}
        async with tokenwire.astream(url, headers=PLAIN, timeouts=patient, policy=QUICK, **asked) as stream:
            outcome.take(await anext(stream))
            await begun.wait()
            async for event in stream:
                outcome.take(event)
        return outcome

    outcomes = await asyncio.gather(*(ask() for _ in range(SESSIONS)))
    server.close()
    await proxy.close()
    while len(asyncio.all_tasks()) > 1:  # the proxy's own, until they have seen the ends
        await asyncio.sleep(0.01)
    return outcomes, proxy


def test_a_thousand_sessions_of_which_a_tenth_is_cut_come_whole_and_leave_nothing_behind(endpoint_apart: int) -> None:
    blocks: list[int] = []
    files = _files_open()
    for seed in range(3):  # the first time much is made that stays, such as modules and caches
        outcomes, proxy = asyncio.run(thousand_sessions(endpoint_apart, seed))
        assert [outcome.text for outcome in outcomes] == [TEXT] * SESSIONS
        assert len(proxy.sent) > SESSIONS
        del outcomes, proxy
        gc.collect()
        assert not [each for each in gc.get_objects() if isinstance(each, tokenwire.DurableSession)]
        blocks.append(sys.getallocatedblocks())
    assert blocks[2] - blocks[1] < SESSIONS, f"memory grows: {blocks}"
    assert _files_open() <= files


def _files_open() -> int:
    place = Path("/proc/self/fd")
    return len(list(place.iterdir())) if place.exists() else 0


def test_many_threads_have_a_session_each(endpoint: int) -> None:
    harms = [Harm(cut=200 + 37 * number, how="reset" if number % 2 else "fin") for number in range(20)]
    proxy = FaultProxy(endpoint, harms)
    with harming(proxy) as port, ThreadPoolExecutor(40) as threads:
        url = f"http://127.0.0.1:{port}"
        asked: dict[str, Any] = {"json": {"model": MODELS[0]}, "dialect": "holysheep", "policy": QUICK}
        made = [threads.submit(blocking, url, **asked) for _ in range(80)]
        outcomes = [each.result() for each in made]
    assert [(outcome.text, outcome.error) for outcome in outcomes] == [(TEXT, None)] * 80


GREENLETS = """
from gevent import monkey; monkey.patch_all()
import gevent, sys, tokenwire
from dataclasses import replace

def ask(number):
    policy = replace(tokenwire.POLICIES["patient"], base=0.001, longest=0.01)
    with tokenwire.stream(sys.argv[1], json={"model": sys.argv[2]}, dialect="holysheep", policy=policy) as stream:
        for event in stream:
            pass
    return stream.text

made = [gevent.spawn(ask, number) for number in range(40)]
gevent.joinall(made, raise_error=True)
texts = {each.value for each in made}
assert len(texts) == 1
sys.stdout.buffer.write(texts.pop().encode())
"""


def test_under_gevent_the_blocking_driver_behaves_the_same(endpoint: int) -> None:
    pytest.importorskip("gevent")
    proxy = FaultProxy(endpoint, [Harm(cut=100 + 41 * number) for number in range(20)])
    with harming(proxy) as port:
        url = f"http://127.0.0.1:{port}"
        ran = subprocess.run([sys.executable, "-c", GREENLETS, url, MODELS[0]], capture_output=True, timeout=120)
    assert ran.returncode == 0, ran.stderr.decode()
    assert ran.stdout.decode() == TEXT
    assert len(proxy.sent) > 40

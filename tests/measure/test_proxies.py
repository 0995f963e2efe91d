"""What each proxy does to a stream, over loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

import pytest

from tokenwire.drivers.opening import Opening
from tokenwire.endpoint import ReferenceEndpoint, background
from tokenwire.endpoint.story import STORY
from tokenwire.measure.load import elsewhere, take
from tokenwire.measure.proxy import Proxy, Upstream, serve_proxy
from tokenwire.measure.sample import Sample, sample_of
from tokenwire.session import Timeouts

HEAD = b"GET /x HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Other: 1\r\n\r\n"
WORDS = len(STORY)


def test_a_head_is_forwarded_to_another_host_and_otherwise_as_it_is() -> None:
    assert Proxy().forwarded(HEAD, "b:1") == (
        b"GET /x HTTP/1.1\r\nHost: b:1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Other: 1\r\n\r\n"
    )


def test_a_proxy_that_was_not_told_to_upgrade_forwards_a_plain_request() -> None:
    assert Proxy(upgrades=False).forwarded(HEAD, "b:1") == (
        b"GET /x HTTP/1.1\r\nHost: b:1\r\nX-Other: 1\r\nConnection: close\r\n\r\n"
    )


def opening(port: int, scheme: str) -> Opening:
    json = {"model": "tokenwire-reference", "messages": [{"role": "user", "content": "hello"}]}
    return Opening(f"{scheme}://127.0.0.1:{port}", json=json, dialect="holysheep")


def through(proxy: Proxy, scheme: str, *, pace: float = 0.0, keepalive: float | None = None) -> Sample:
    """A generation of the reference endpoint, through the proxy."""

    async def run() -> Sample:
        with background(ReferenceEndpoint(pace=pace).connection) as port:
            asked = opening(port, scheme)
            asked.timeouts = Timeouts(keepalive=keepalive)
            listens: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            ready: Callable[[int], None] = listens.set_result
            serving = asyncio.create_task(partial(serve_proxy, proxy, Upstream(asked.target))(ready=ready))
            taken = await take(elsewhere(asked, await listens))
            serving.cancel()
            with suppress(asyncio.CancelledError):
                await serving
            return sample_of(taken, asked.dialect, 0.0)

    return asyncio.run(run())


@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_a_plain_one_lets_all_of_it_through(scheme: str) -> None:
    sample = through(Proxy(), scheme)
    assert (len(sample.tokens), sample.error) == (WORDS, "")


def test_a_buffering_one_holds_a_body_back_and_no_frames() -> None:
    held = through(Proxy(buffers=True), "http", pace=0.005)
    assert (len(held.tokens), held.error) == (WORDS, "")
    assert len(set(held.tokens)) <= 2
    frames = through(Proxy(buffers=True), "ws", pace=0.005)
    assert (len(frames.tokens), frames.error) == (WORDS, "")
    assert len(set(frames.tokens)) > 2


def test_one_that_knows_no_websocket_lets_only_events_through() -> None:
    assert through(Proxy(upgrades=False), "http").error == ""
    refused = through(Proxy(upgrades=False), "ws")
    assert "400" in refused.error
    assert not refused.tokens


@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_one_that_cuts_leaves_what_came_before(scheme: str) -> None:
    whole = through(Proxy(), scheme)
    sample = through(Proxy(cut=(whole.sizes.head + whole.sizes.received) // 2), scheme)
    assert 0 < len(sample.tokens) < WORDS
    assert sample.error
    assert sample.sizes.received == (whole.sizes.head + whole.sizes.received) // 2


def test_an_impatient_one_is_kept_by_pings_and_by_nothing_else() -> None:
    silent = partial(through, Proxy(idle=0.3), pace=60.0)
    for scheme in ("http", "ws"):
        sample = silent(scheme)
        assert sample.error
        assert len(sample.tokens) == 1
    kept = through(Proxy(idle=1.5), "ws", pace=0.2, keepalive=0.5)
    assert (len(kept.tokens), kept.error) == (WORDS, "")


def test_elsewhere_is_the_same_request_in_the_clear() -> None:
    secure = Opening("wss://host:1/v1/chat/stream?a=b", json={"model": "m"}, dialect="holysheep", key="key-of-a-test")
    moved = elsewhere(secure, 7)
    assert moved.target == replace(secure.target, scheme="ws", host="127.0.0.1", port=7)
    assert moved.request.http.target == moved.target
    assert moved.request.messages == secure.request.messages
    assert (moved.ssl_context, secure.target.host) == (None, "host")

"""Requests made at their time, against the reference endpoint and replays over loopback. No duration is judged."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from tokenwire.drivers.opening import Opening
from tokenwire.endpoint import ReferenceEndpoint, background
from tokenwire.endpoint.apart import apart
from tokenwire.endpoint.story import STORY
from tokenwire.errors import ConnectionFailed, StreamFailed
from tokenwire.measure.load import CALIBRATION_EVENTS, Calibration, Load, Toll, calibrate, make_requests, take, watched
from tokenwire.measure.sample import Taken, sample_of
from tokenwire.measure.stamped import serve_stamped

WORDS = len(STORY)


def opening(port: int, scheme: str = "http", model: str = "tokenwire-reference") -> Opening:
    json = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
    return Opening(f"{scheme}://127.0.0.1:{port}", json=json, dialect="holysheep")


def made(load: Load, scheme: str = "http") -> tuple[list[Taken], list[int]]:
    told: list[int] = []
    with background(ReferenceEndpoint().connection) as port:
        taken = asyncio.run(make_requests(opening(port, scheme), load, told.append))
    return taken, told


@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_every_request_is_made_and_kept(scheme: str) -> None:
    taken, told = made(Load(requests=7, concurrency=3), scheme)
    assert told == [1, 2, 3, 4, 5, 6, 7]
    samples = [sample_of(each, opening(1, scheme).dialect, taken[0].scheduled) for each in taken]
    assert [(len(sample.tokens), sample.error) for sample in samples] == [(WORDS, "")] * 7
    for sample in samples:
        assert sample.sent is not None
        assert sample.first_byte is not None
        assert sample.first_event is not None
        moments = [sample.scheduled, sample.started, sample.sent, sample.first_byte, sample.first_event, *sample.tokens]
        assert moments == sorted(moments)
        assert sample.ended >= sample.tokens[-1]


def test_a_schedule_is_kept_to_whoever_is_late() -> None:
    taken, _ = made(Load(requests=4, concurrency=1, rate=1000.0))
    due = sorted(each.scheduled for each in taken)
    assert [later - due[0] for later in due] == pytest.approx([0.0, 0.001, 0.002, 0.003])
    assert all(each.started >= each.scheduled for each in taken)


def test_as_many_are_made_at_once_as_were_asked_for_and_no_more() -> None:
    with background(ReferenceEndpoint(pace=0.005).connection) as port:
        taken = asyncio.run(make_requests(opening(port), Load(requests=9, concurrency=3), lambda done: None))
    at_once = [sum(other.started <= each.started < other.ended for other in taken) for each in taken]
    assert max(at_once) == 3


def test_what_goes_wrong_is_kept_with_the_others() -> None:
    with background(ReferenceEndpoint().connection) as port:
        taken = asyncio.run(make_requests(opening(port, model="nobody"), Load(2, 1), lambda done: None))
        failed = asyncio.run(take(opening(port, model="tokenwire-fails-midstream")))
    assert [each.failure is not None and "404" in each.error for each in taken] == [True, True]
    assert "said an error in the stream" in failed.error
    assert isinstance(failed.failure, StreamFailed)
    unreachable = asyncio.run(take(opening(1)))
    assert isinstance(unreachable.failure, ConnectionFailed)
    assert not unreachable.recording.entries


def test_the_key_is_in_no_recording() -> None:
    key = "canary-key-7c1f0e5b2d9a4836"
    with background(ReferenceEndpoint(key=key).connection) as port:
        json = {"model": "tokenwire-reference"}
        asked = Opening(f"http://127.0.0.1:{port}", json=json, dialect="holysheep", key=key)
        taken = asyncio.run(take(asked))
    assert not taken.error
    assert key.encode() not in taken.recording.sent


@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_the_client_is_calibrated_with_a_replay_of_its_own_stream(scheme: str) -> None:
    async def run() -> Calibration:
        with background(ReferenceEndpoint().connection) as port:
            asked = opening(port, scheme)
            return await calibrate((await take(asked)).recording, asked)

    calibration = asyncio.run(run())
    assert calibration.events >= CALIBRATION_EVENTS
    assert calibration.events % (WORDS + 1) == 0
    assert calibration.cost_per_event is not None
    assert calibration.cost_per_event > 0
    check = calibration.self_check(Toll(worst_lag=0.5, cpu=1.0, wall=4.0))
    assert (check.worst_lag, check.cpu_share, check.replayed) == (0.5, 0.25, calibration.events)


def test_without_a_whole_stream_there_is_nothing_to_calibrate_with() -> None:
    assert asyncio.run(calibrate(None, opening(1))) == Calibration(None, 0)


def test_what_the_client_takes_is_watched() -> None:
    async def run() -> Toll:
        async with watched() as toll:
            await asyncio.sleep(0.05)
            for _ in range(200_000):  # holds the loop
                pass
            await asyncio.sleep(0.05)
        return toll

    toll = asyncio.run(run())
    assert toll.worst_lag > 0
    assert toll.cpu > 0
    assert toll.wall >= 0.1


def test_a_server_apart_ends_with_its_context() -> None:
    with apart(partial(serve_stamped, 0.0)) as port:
        assert not asyncio.run(take(opening(port))).error
    assert isinstance(asyncio.run(take(opening(port))).failure, ConnectionFailed)


async def not_serving(*, ready: object) -> None:
    raise OSError("no")


def test_a_server_apart_that_does_not_start_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(OSError, match="before it listened"), apart(not_serving):
        pass
    capfd.readouterr()

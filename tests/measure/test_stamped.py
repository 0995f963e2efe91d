"""Writes of the server beside reads of the client, on one clock."""

from __future__ import annotations

from multiprocessing import Pipe

from tokenwire.endpoint import ReferenceEndpoint
from tokenwire.measure.stamped import Stamp, Stamped, delays, stamps_of
from tokenwire.recording import Entry, Recording

ASK = b"GET /v1/chat/stream HTTP/1.1\r\nHost: x\r\n\r\n"


def test_each_write_waits_for_the_read_that_completes_it() -> None:
    stamps = [(10.0, 100), (11.0, 10), (12.0, 10), (13.0, 10), (14.0, 10)]
    reads = [(0.5, 105), (1.25, 15), (3.5, 10)]
    recording = Recording({}, [Entry(0.0, ">", b"ask"), *(Entry(at, "<", b"x" * size) for at, size in reads)])
    assert delays(stamps, recording, 10.0) == [0.25, -0.75, 0.5]


def test_a_connection_tells_all_that_it_writes_and_when() -> None:
    told: list[Stamp] = []
    connection = Stamped(ReferenceEndpoint(pace=2.0).connection(), told.extend)
    connection.receive_data(ASK, 5.0)
    sent = b""
    now: float | None = 5.0
    while now is not None:
        while data := connection.data_to_send(now):
            sent += data
        now = connection.next_deadline()
    assert sum(size for _, size in told) == len(sent)
    assert [at for at, _ in told] == [5.0 + 2.0 * number for number in range(len(told))]


def test_only_the_newest_connection_is_listened_to() -> None:
    ours, theirs = Pipe(duplex=False)
    with ours, theirs:
        for number, stamp in ((0, (1.0, 5)), (1, (2.0, 30)), (0, (3.0, 500)), (1, (4.0, 20))):
            theirs.send((number, [stamp]))
        assert stamps_of(ours, 50) == [(2.0, 30), (4.0, 20)]

"""The chunked parser against h11's reader, on bodies that are sound and on bodies that are not.

Where the two disagree, one of `DEVIATIONS` is the reason, or the test fails. A test run takes a sample of the
seeds. Two million of them, or as many as the argument says:

    python tests/framing/test_chunked_against_h11.py
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from random import Random

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenwire.errors import EventTooLarge, RemoteProtocolError
from tokenwire.framing.chunked import ChunkedParser

#: Seeds that are run when all are, and those of a test run.
ALL, SOME = 2_000_000, 5000

#: As large as h11's, where that is not what is looked at.
LIMIT = 64 * 1024


@dataclass
class Read:
    """What was made of a body.

    :ivar how: "complete", "unfinished" or "wrong".
    :ivar error: ours.
    """

    content: bytes = b""
    how: str = "unfinished"
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)
    rest: bytes = b""
    error: RemoteProtocolError | None = field(default=None, compare=False)


def our_reading(pieces: list[bytes]) -> Read:
    parser = ChunkedParser(max_line=LIMIT, max_trailers=LIMIT)
    result = Read()
    try:
        for number, piece in enumerate(pieces):
            result.content += parser.whole_chunk(piece) or b"".join(parser.receive_data(piece))
            if parser.complete:
                result.how = "complete"
                result.trailers = [(name.lower(), blanks(value)) for name, value in parser.trailers]
                result.rest = parser.unused + b"".join(pieces[number + 1 :])
                return result
        parser.receive_eof()
    except RemoteProtocolError as error:
        result.how, result.error = "wrong", error
    return result


def their_reading(pieces: list[bytes]) -> Read:
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("host", "a")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    connection.next_event()
    result = Read()
    try:
        for number, piece in enumerate(pieces):
            if not piece:  # it would stand for the end
                continue
            connection.receive_data(piece)
            while isinstance(event := connection.next_event(), h11.Data):
                result.content += event.data
            if isinstance(event, h11.EndOfMessage):
                result.how = "complete"
                result.trailers = [(name, blanks(value)) for name, value in event.headers]
                result.rest = connection.trailing_data[0] + b"".join(pieces[number + 1 :])
                return result
    except h11.RemoteProtocolError:
        result.how = "wrong"
    return result


def blanks(value: bytes) -> bytes:
    """The value as it is compared: how many blanks stand for a fold is left open (RFC 9112 5.2)."""
    return b" ".join(value.split())


# Where the two disagree.

Deviates = Callable[[bytes, Read, Read], bool]


def found(pattern: bytes, clause: str, text: str) -> Deviates:
    """We say that it is wrong, by that clause, at a place where the pattern matches."""
    compiled = re.compile(pattern, re.DOTALL)

    def deviates(stream: bytes, ours: Read, theirs: Read) -> bool:
        error = ours.error
        if error is None or error.offset is None or error.clause != clause:
            return False
        return bool(compiled.match(stream, error.offset)) and theirs.content.startswith(ours.content)

    deviates.__doc__ = text
    return deviates


def no_extension(stream: bytes, ours: Read, theirs: Read) -> bool:
    """h11 takes whatever follows a semicolon for one."""
    error = ours.error
    if error is None or error.offset is None or error.clause != "RFC 9112 7.1.1":
        return False
    line = stream[stream.rfind(b"\n", 0, error.offset) + 1 :].partition(b"\n")[0]
    return bool(re.fullmatch(rb"[0-9a-fA-F]{1,20};.*\r", line)) and theirs.content.startswith(ours.content)


def blanks_before_a_semicolon(stream: bytes, ours: Read, theirs: Read) -> bool:
    """h11 refuses them; RFC 9112 7.1.1 demands that they are read."""
    return theirs.how == "wrong" and bool(re.search(rb"[ \t];", stream)) and ours.content.startswith(theirs.content)


def a_length_or_coding_as_a_trailer(stream: bytes, ours: Read, theirs: Read) -> bool:
    """h11 reads them as those of a head are, and may refuse them or unite them; here they are trailers like others."""
    framing = rb"\n(content-length|transfer-encoding):"
    return theirs.how in ("wrong", "complete") and bool(re.search(framing, stream, re.IGNORECASE))


STRICTER: dict[str, Deviates] = {
    "LF alone": found(rb"\n", "RFC 9112 7.1", "h11 waits for CRLF after a size, and takes LF for it among trailers."),
    "padding": found(rb"[ \t]+\r\n", "RFC 9112 7.1.1", "h11 lets blanks follow the size, or its extensions."),
    "no extension": no_extension,
    "digits": found(rb"[0-9a-fA-F]{1,4}(?![0-9a-fA-F])", "RFC 9112 7.1", "h11 reads as many as twenty."),
    "control characters": found(rb"[\x01-\x08\x0e-\x1f\x7f]", "RFC 9112 7.1.2", "h11 takes them in a trailer."),
    "not yet": lambda stream, ours, theirs: (
        theirs.how == "unfinished" and found(rb"", "RFC 9112 7.1.2", "")(stream, ours, theirs)
    ),  # h11 reads the trailers when all of them are there
}
DEVIATIONS: list[Deviates] = [*STRICTER.values(), blanks_before_a_semicolon, a_length_or_coding_as_a_trailer]


def cut_at(stream: bytes, places: list[int]) -> list[bytes]:
    ends = [*sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def judge(stream: bytes, pieces: list[bytes]) -> str:
    """What is wrong; empty where nothing is."""
    ours, theirs = our_reading(pieces), their_reading([stream])
    if ours == theirs or any(deviates(stream, ours, theirs) for deviates in DEVIATIONS):
        return ""
    return f"{pieces}\n  ours:   {ours} {ours.error}\n  theirs: {theirs}"


# Streams.

LINES = [b"1", b"2", b"3", b"0", b"0", b"00", b"01", b"A", b"1;a", b'1;a="b"', b"2 ;a=b", b"0;a", b"0" * 17,
         b"0" * 19 + b"1", b"0" * 21, b"zz", b"", b"-1", b"1 ", b" 1", b"1;;", b"1;a=", b"0x1", b"A: b", b" c", b"A:",
         b"a: \x01", b"nonsense", b"Content-Length: 5", b"Transfer-Encoding: chunked"]  # fmt: skip
ENDS = [b"\r\n"] * 12 + [b"\n", b"\r", b"\r\r\n", b""]
EXTENSIONS = [b""] * 6 + [b";a", b";a=b", b';a="\\""']
DATA = b"\r\n0123;abcdefxyz"


def chunk(data: bytes, extension: bytes) -> bytes:
    return b"%x%s\r\n%s\r\n" % (len(data), extension, data)


def stream_from(random: Random) -> bytes:
    """A body that begins soundly, and goes on as it may."""
    parts = [
        chunk(bytes(random.choices(DATA, k=random.choice((1, 2, 3, 3, 3, 20)))), random.choice(EXTENSIONS))
        for _ in range(random.randrange(6))
    ]
    for _ in range(random.choice((0, 0, 1, 2, 3, 4))):
        parts.append(random.choice(LINES) + random.choice(ENDS))
    if random.random() < 0.7:
        parts.append(
            b"0\r\n" + random.choice((b"", b"A: b\r\n", b"A: b\r\n c\r\n", b"A: b\n", b"A: \x01b\r\n")) + b"\r\n"
        )
    stream = bytearray(b"".join(parts) + random.choice((b"", b"", b"HTTP/1.1")))
    if stream and random.random() < 0.3:
        stream[random.randrange(len(stream))] = random.choice(b"\r\n 0a;:\0\xff")
    return bytes(stream)


def from_seed(seed: int) -> str:
    random = Random(seed)
    stream = stream_from(random)
    problem = judge(stream, cut_at(stream, [random.randrange(200) for _ in range(random.randrange(6))]))
    return f"seed {seed}: {problem}" if problem else ""


def test_both_read_the_same_from_a_sample_of_the_seeds() -> None:
    assert [problem for seed in range(SOME) if (problem := from_seed(seed))] == []


def test_the_streams_are_of_every_kind() -> None:
    """Otherwise the equality would say little."""
    kinds = {(ours.how, theirs.how) for ours, theirs in map(both, range(2000))}
    assert {("complete", "complete"), ("wrong", "wrong"), ("unfinished", "unfinished")} <= kinds
    reasons = {
        name
        for seed in range(2000)
        for name, deviates in STRICTER.items()
        if (stream := stream_from(Random(seed))) and deviates(stream, our_reading([stream]), their_reading([stream]))
    }
    assert reasons == set(STRICTER)


def both(seed: int) -> tuple[Read, Read]:
    stream = stream_from(Random(seed))
    return our_reading([stream]), their_reading([stream])


sound_chunks = st.builds(chunk, st.binary(min_size=1, max_size=30), st.sampled_from(EXTENSIONS))
cuts = st.lists(st.integers(0, 10_000), max_size=8)
lines = st.builds(lambda line, end: line + end, st.sampled_from(LINES), st.sampled_from(ENDS))


@settings(max_examples=500)
@given(st.lists(sound_chunks, max_size=6), st.lists(lines | st.binary(max_size=4), max_size=5), cuts)
def test_both_read_the_same_from_whatever_comes(sound: list[bytes], rest: list[bytes], places: list[int]) -> None:
    stream = b"".join(sound + rest)
    assert judge(stream, cut_at(stream, places)) == ""


@settings(max_examples=300)
@given(st.lists(sound_chunks, max_size=6), cuts, st.integers(0, 10_000), st.integers(0, 255))
def test_both_say_the_same_of_a_body_with_one_byte_changed(
    sound: list[bytes], places: list[int], place: int, byte: int
) -> None:
    stream = bytearray(b"".join(sound) + b"0\r\nA: b\r\n\r\n")
    stream[place % len(stream)] = byte
    assert judge(bytes(stream), cut_at(bytes(stream), places)) == ""


@pytest.mark.parametrize(("stream", "ours", "theirs"), [
    (b"1\na\r\n0\r\n\r\n", "wrong", "wrong"),
    (b"1\n", "wrong", "unfinished"),
    (b"0\r\nA: b\n\n", "wrong", "complete"),
    (b"1 \r\na\r\n0\r\n\r\n", "wrong", "complete"),
    (b"1;a \r\na\r\n0\r\n\r\n", "wrong", "complete"),
    (b"1;;=\r\na\r\n0\r\n\r\n", "wrong", "complete"),
    (b"0" * 16 + b"1\r\na\r\n0\r\n\r\n", "wrong", "complete"),
    (b"0\r\nA: \x01\r\n\r\n", "wrong", "complete"),
    (b"0\r\nnonsense\r\n", "wrong", "unfinished"),
    (b"1 ;a\r\na\r\n0\r\n\r\n", "complete", "wrong"),
    (b"0\r\nContent-Length: x\r\n\r\n", "complete", "wrong"),
])  # fmt: skip
def test_the_deviations_are_what_they_are_said_to_be(stream: bytes, ours: str, theirs: str) -> None:
    """When h11 mends one, the list above can be shorter."""
    assert (our_reading([stream]).how, their_reading([stream]).how) == (ours, theirs)


def test_our_limits_are_narrower() -> None:
    parser = ChunkedParser()
    with pytest.raises(EventTooLarge):
        parser.receive_data(b"1;" + b"a" * 5000 + b"\r\na\r\n")
    assert their_reading([b"1;" + b"a" * 5000 + b"\r\na\r\n"]).content == b"a"


def main() -> int:
    """Many seeds."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else ALL
    with ProcessPoolExecutor() as processes:
        wrong = [problem for problem in processes.map(from_seed, range(seeds), chunksize=2000) if problem]
    print(f"{seeds:,} bodies, {len(wrong)} wrong")
    for problem in wrong[:3]:
        print(problem[:3000])
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())

"""A request out, its wire into a file: all of the response, also what a stream's reader would leave unread."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ..dialects import dialect_named
from ..dialects.raw import RAW
from ..drivers.blocking import Stream
from ..drivers.opening import Opening
from ..errors import ConnectionFailed, LocalProtocolError, TimeoutExceeded, TokenwireError
from ..recording import Recording, load
from ..session import Session
from .exits import FINDINGS, FINE, complain
from .request import add_request_options, open_request

__all__ = ["add_parser", "run"]

_EXAMPLE = """\
example:
  tokenwire record http://127.0.0.1:8080 --model gemma -p "Say hello." -o hello.wire.jsonl
  tokenwire replay hello.wire.jsonl
"""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "record",
        help="keep the wire of one stream in a file",
        description="Asks an endpoint and keeps every read and write with its time, secrets redacted.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_request_options(parser)
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="usually NAME.wire.jsonl")


def run(args: argparse.Namespace) -> int:
    dialect = dialect_named(args.dialect)
    # Read as raw bytes, the response is read to its end, and not only to the terminator of the dialect.
    to_the_end = replace(dialect, framing="raw", decoder=RAW.decoder, content_type="")
    opening = open_request(args, dialect=to_the_end, record=args.output)
    try:
        for _ in _carried_through(opening):
            pass
    finally:
        recording = load(args.output)
        print(f"kept {args.output}: {_summary(recording)}", flush=True)
    judged = Session(opening.request, dialect)
    for entry in recording.entries:
        if entry.kind == "<":
            judged.receive_data(entry.data, entry.seconds)
        elif entry.kind in ("eof", "reset"):
            judged.receive_eof(entry.seconds, reset=entry.kind == "reset")
    if judged.error is not None:
        raise judged.error
    if judged.answer.error is not None and judged.answer.error.fatal:
        complain(f"the server said an error in the stream: {judged.answer.error.message}")
        return FINDINGS
    return FINE


def _carried_through(opening: Opening) -> Iterator[object]:
    """The exchange, up to its end. How it ended is judged from the recording; what prevented one is raised."""
    try:
        with Stream(opening) as stream:
            yield from stream
    except (ConnectionFailed, LocalProtocolError, TimeoutExceeded):
        raise
    except TokenwireError:
        pass


def _summary(recording: Recording) -> str:
    reads = sum(entry.kind == "<" for entry in recording.entries)
    if not reads:
        return "nothing was received"
    seconds = recording.entries[-1].seconds
    status = recording.received.split(b"\r\n", 1)[0][:60].decode("latin-1")
    return f"{reads} reads, {len(recording.received)} bytes in {seconds:.2f} s, beginning {status!r}"

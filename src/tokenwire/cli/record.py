"""A request out, its wire into a file: all of the response, also what a stream's reader would leave unread."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..dialects.raw import RAW
from ..drivers.blocking import Stream
from ..errors import ConnectionFailed, LocalProtocolError, TimeoutExceeded, TokenwireError
from ..exit_codes import FINE, USAGE
from ..recording import Recording, load
from ..recording.beside import FileBeside
from ..session import Session
from .exits import complain, message_of
from .request import add_request_options, dialect_asked, guess_asked, open_request

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
        description="Asks an endpoint and keeps every read and write with its time, secrets redacted. "
        "The recording is written to FILE.part and gets its name when the connection has ended,"
        " by SIGTERM, SIGHUP or Ctrl-C too.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_request_options(parser)
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="usually NAME.wire.jsonl")


def run(args: argparse.Namespace) -> int:
    dialect = dialect_asked(args)
    websocket = args.url.lower().startswith(("ws:", "wss:"))
    # Read as raw bytes, the response is read to its end, and not only to the terminator of the dialect. A WebSocket
    # has no other end than the terminator: after it we close.
    to_the_end = replace(dialect, framing="raw", decoder=RAW.decoder, content_type="")
    FileBeside(Path(args.output)).discard()  # what cannot be written is said before anything is asked
    opening = open_request(args, dialect=dialect if websocket else to_the_end, record=args.output)
    stream = Stream(opening)
    recording = Recording()
    try:
        error = _carried_through(stream)
    finally:
        for mishap in opening.mishaps:
            complain(message_of(mishap))
        for path in opening.kept:
            recording = load(path)
        print(f"{'kept ' if opening.kept else ''}{args.output}: {_summary(recording)}", flush=True)
    if not websocket and opening.kept:
        error = _judged(recording, Session(opening.request, dialect, guess=guess_asked(args))).error
    if error is not None:
        raise error
    return USAGE if opening.mishaps else FINE


def _carried_through(stream: Stream) -> TokenwireError | None:
    """The exchange, up to its end, and what was wrong with that. What prevented an exchange is raised."""
    try:
        with stream:
            for _ in stream:
                pass
    except (ConnectionFailed, LocalProtocolError, TimeoutExceeded):
        raise
    except TokenwireError as error:
        return error
    return None


def _judged(recording: Recording, session: Session) -> Session:
    """The session after it has read the recording in the dialect that was meant."""
    for entry in recording.entries:
        if entry.kind == "<":
            session.receive_data(entry.data, entry.seconds)
        elif entry.kind in ("eof", "reset"):
            session.receive_eof(entry.seconds, reset=entry.kind == "reset")
    return session


def _summary(recording: Recording) -> str:
    reads = sum(entry.kind == "<" for entry in recording.entries)
    if not reads:
        return "nothing was received"
    seconds = recording.entries[-1].seconds
    status = recording.received.split(b"\r\n", 1)[0][:60].decode("latin-1")
    return f"{reads} reads, {len(recording.received)} bytes in {seconds:.2f} s, beginning {status!r}"

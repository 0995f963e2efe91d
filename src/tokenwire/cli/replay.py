"""A recording in, a server on loopback out, which answers as the recorded one did."""

from __future__ import annotations

import argparse
import asyncio
from functools import partial
from typing import Any

from ..endpoint import serve
from ..exit_codes import FINE
from ..recording import Recording, load
from ..recording.handshake import is_websocket
from ..recording.replay import PACES, ReplayConnection, recorded_path
from .request import port_number
from .serve import until_terminated

__all__ = ["add_parser", "run"]

_HOST = "127.0.0.1"

_EXAMPLE = """\
examples:
  tokenwire replay hello.wire.jsonl
  tokenwire replay hello.wire.jsonl --port 8080 --pace bytes
  tokenwire replay hello.wire.jsonl --cut 500        the connection ends after 500 bytes of the response
  tokenwire replay talk.wire.jsonl                   of a WebSocket: connect with ws://
"""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "replay",
        help="serve a recording",
        description="Serves a recording on loopback: to each whole request, or WebSocket message, what the recorded "
        "server had answered.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", metavar="FILE", help="a recording, *.wire.jsonl")
    parser.add_argument("--port", type=port_number, default=0, help="default: a free one")
    parser.add_argument(
        "--pace", choices=PACES, default="recorded", help="the delays and read boundaries; default: %(default)s"
    )
    parser.add_argument("--cut", type=int, metavar="N", help="end the connection after N bytes of the response")


def run(args: argparse.Namespace) -> int:
    recording = load(args.file)
    connection = partial(ReplayConnection, recording, args.pace, cut=args.cut)
    connection()  # what is wrong with the options is said now, and not to the first client
    asyncio.run(until_terminated(serve(connection, _HOST, args.port, ready=partial(_announce, recording))))
    return FINE


def _announce(recording: Recording, port: int) -> None:
    scheme = "ws" if is_websocket(recording) else "http"
    print(f"{scheme}://{_HOST}:{port}{recorded_path(recording)}", flush=True)

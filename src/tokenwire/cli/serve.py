"""The reference endpoint on a socket."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

from ..endpoint import ReferenceEndpoint, serve
from .exits import FINE
from .request import add_key_options, key_of, port_number, positive_seconds

__all__ = ["add_parser", "run"]

_EXAMPLE = """\
example:
  tokenwire serve --port 8080 --pace 0.02
  tokenwire stream http://127.0.0.1:8080 -p "Say hello."
"""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "serve",
        help="the reference endpoint",
        description="Serves deterministic answers: POST /v1/chat/completions, GET /v1/chat/stream, GET /v1/models.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on; default: %(default)s")
    parser.add_argument("--port", type=port_number, default=0, help="default: a free one")
    parser.add_argument(
        "--pace", type=positive_seconds, metavar="SECONDS", default=0.0, help="between two pieces; default: %(default)g"
    )
    add_key_options(parser, "the key to demand")


def run(args: argparse.Namespace) -> int:
    endpoint = ReferenceEndpoint(key=key_of(args), pace=args.pace)

    def announce(port: int) -> None:
        print(f"http://{args.host}:{port}", flush=True)

    asyncio.run(serve(endpoint.connection, args.host, args.port, ready=announce))
    return FINE

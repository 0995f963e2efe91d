"""The reference endpoint on a socket."""

from __future__ import annotations

import argparse
import asyncio
import signal
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from ..endpoint import ReferenceEndpoint, serve
from ..endpoint.reference import services
from ..endpoint.replay_buffer import DropOnCommand
from ..endpoint.seams import Seams
from ..exit_codes import FINE
from ..protocol.url import ascii_host
from .access import add_key_options, key_of
from .request import port_number, positive_seconds

__all__ = ["add_parser", "run", "until_terminated"]

_EXAMPLE = """\
example:
  tokenwire serve --port 8080 --pace 0.02
  tokenwire stream http://127.0.0.1:8080 -p "Say hello."
  tokenwire stream http://127.0.0.1:8080 --dialect anthropic-messages --model tokenwire-reference -p "Say hello."
"""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "serve",
        help="the reference endpoint",
        description=f"Serves deterministic answers, at the paths of each dialect: {_spoken()}.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--host", type=_address, default="127.0.0.1", help="the address to listen on; default: %(default)s"
    )
    parser.add_argument("--port", type=port_number, default=0, help="default: a free one")
    parser.add_argument(
        "--pace", type=positive_seconds, metavar="SECONDS", default=0.0, help="between two pieces; default: %(default)g"
    )
    parser.add_argument(
        "--keepalive",
        type=positive_seconds,
        metavar="SECONDS",
        default=0.0,
        help="of silence in a stream of server-sent events, after which a comment goes out; default: none does",
    )
    parser.add_argument(
        "--drops",
        action="store_true",
        help="end a response after so many bytes as its request says in a field: X-Drop-After: 500, or 500 reset",
    )
    add_key_options(parser, "the key to demand")


def _address(text: str) -> str:
    """Where to listen, for argparse; empty for everywhere.

    :raises ArgumentTypeError: for what is no name and no address.
    """
    if text and ascii_host(text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no host: name one of this machine's addresses")
    return text


def _spoken() -> str:
    return ", ".join(service.dialect for service in services())


def run(args: argparse.Namespace) -> int:
    seams = DropOnCommand if args.drops else Seams
    endpoint = ReferenceEndpoint(key=key_of(args), pace=args.pace, keepalive=args.keepalive or None, seams=seams)

    def announce(port: int) -> None:
        print(f"http://{args.host}:{port}", flush=True)

    asyncio.run(until_terminated(serve(endpoint.connection, args.host, args.port, ready=announce)))
    return FINE


async def until_terminated(serving: Coroutine[Any, Any, None]) -> None:
    """Serves until SIGTERM, which service managers send: as with Ctrl-C, whoever is connected is told."""
    task, own = asyncio.ensure_future(serving), asyncio.current_task()
    with suppress(NotImplementedError):  # Windows has no such signal
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        if own is not None and own.cancelling():  # by Ctrl-C
            raise

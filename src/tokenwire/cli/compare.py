"""`tokenwire compare`: SSE and WebSocket side by side."""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from ..drivers.opening import Opening
from ..endpoint.apart import apart
from ..endpoint.story import MODELS
from ..errors import LocalProtocolError
from ..exit_codes import FINDINGS, FINE
from ..measure.compare import TRANSPORTS, Comparison, Transport, as_json, as_text
from ..measure.compare_page import as_html
from ..measure.load import calibrate, watched
from ..measure.stamped import Stamp, serve_stamped, stamps_of
from ..measure.trials import PASSAGES, RECOVERIES, Pair, make_passages, make_recoveries, make_trials
from ..recording import Recording
from .access import access_of, is_secure
from .bench import machine, positive_number
from .page_file import add_page_option, page_file
from .progress import progress
from .request import add_request_options, dialect_asked, open_request, positive_seconds
from .screen import Screen

__all__ = ["add_parser", "run"]

_EXAMPLE = """\
examples:
  tokenwire compare
      the reference endpoint, in a process of its own
  tokenwire compare https://api.holysheep.ai/v1 --key-env HOLYSHEEP_API_KEY --model MODEL -p "Say hello."
      a generation each time: twice as many as --runs, and 23 for the cuts and the proxies
"""

#: Seconds between two tokens, for the silence that a proxy has no patience with; and how many tokens.
_SLOW = 1.5
_FEW = 2

_Stamps = Callable[[int], list[Stamp]]


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "compare",
        help="SSE and WebSocket side by side",
        description="Asks for the same generation over SSE and over WebSocket in turn, and tells what each took. "
        "A comparison whose self-check casts doubt on it says that it is invalid, and exits with 1.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_request_options(parser, url_needed=False)
    parser.set_defaults(dialect="holysheep")
    parser.add_argument(
        "-n", "--runs", type=positive_number, default=10, help="generations over each; default: %(default)s"
    )
    parser.add_argument(
        "--pace",
        type=positive_seconds,
        metavar="SECONDS",
        default=0.02,
        help="between two tokens of the reference endpoint; default: %(default)g",
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: %(default)s")
    add_page_option(parser, "the figures as tables, and both transports in one drawing")


def run(args: argparse.Namespace) -> int:
    dialect = dialect_asked(args) if args.url or args.dialect != "auto" else None
    if dialect is None or len(dialect.transports) < 2:
        raise LocalProtocolError(f"{args.dialect} is not spoken over both transports: name a --dialect that is")
    with page_file(args.html) as write:
        comparison = asyncio.run(_named(args) if args.url else _reference(args))
        write(partial(as_html, comparison))
    if args.format == "json":
        sys.stdout.write(as_json(comparison))
    else:
        screen = Screen(sys.stdout)
        for text, style in as_text(comparison):
            screen.line(text, style)
    return FINDINGS if comparison.doubts else FINE


async def _named(args: argparse.Namespace) -> Comparison:
    if "-" in (args.json, args.key_file):
        raise LocalProtocolError("standard input can be read once, and two requests are made of it: name a file")
    access = access_of(args)
    rest = access.url.partition("://")[2]
    secure = "s" if is_secure(access.url) else ""

    def over(scheme: str) -> Opening:
        url = f"{scheme}{secure}://{rest}"
        return open_request(argparse.Namespace(**{**vars(args), "url": url}), access=replace(access, url=url))

    pair = Pair(over("http"), over("ws"), access.trust, access.proxy)
    return await _compared(args.runs, pair, pair, access.shown_url, None, None)


async def _reference(args: argparse.Namespace) -> Comparison:
    if args.dialect != "holysheep":
        raise LocalProtocolError("the reference endpoint speaks holysheep over both transports: name a URL, or that")
    with _endpoints(args.pace) as (port, slow, stamps):
        few = {"max_tokens": _FEW}
        return await _compared(
            args.runs, _asking(port, {}), _asking(slow, few), "the reference endpoint", args.pace, stamps
        )


@contextmanager
def _endpoints(pace: float) -> Iterator[tuple[int, int, _Stamps]]:
    """The reference endpoint at its pace, and once more very slow; and the stamps of the first."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe(duplex=False)
    with (
        ours,
        theirs,
        apart(partial(serve_stamped, pace, theirs)) as port,
        apart(partial(serve_stamped, _SLOW)) as slow,
    ):
        yield port, slow, partial(stamps_of, ours)


def _asking(port: int, body: Mapping[str, Any]) -> Pair:
    messages = [{"role": "user", "content": "Tell the story."}]
    json = {"model": MODELS[0], "messages": messages, **body}
    sse, websocket = (
        Opening(f"{scheme}://127.0.0.1:{port}", json=json, dialect="holysheep") for scheme in ("http", "ws")
    )
    return Pair(sse, websocket)


async def _compared(
    runs: int, pair: Pair, slow: Pair, target: str, pace: float | None, stamps: _Stamps | None
) -> Comparison:
    began = datetime.now(UTC).isoformat(timespec="seconds")
    with progress("warming up", 2) as tell:
        await make_trials(pair, 1, stamps, tell)
    with progress("comparing", 2 * runs) as tell:
        async with watched() as toll:
            trials = await make_trials(pair, runs, stamps, tell)
    whole: dict[Transport, Recording] = {
        transport: taken.recording
        for transport in TRANSPORTS
        for trial, taken in trials
        if trial.transport == transport and not taken.error
    }
    failures = [taken.failure for _, taken in trials if taken.failure is not None]
    if not whole and failures:
        raise failures[0]
    with progress("cutting", RECOVERIES * len(whole)) as tell:
        recoveries = await make_recoveries(pair, whole, tell)
    with progress("through proxies", PASSAGES) as tell:
        passages = await make_passages(pair, slow, tell)
    asked: Transport = "WebSocket" if whole.keys() == {"WebSocket"} else "SSE"
    calibration = await calibrate(whole.get(asked), pair.over(asked))
    return Comparison(
        target=target,
        dialect=pair.sse.dialect.name,
        resume=pair.sse.dialect.resume,
        pace=pace,
        began=began,
        machine=machine(),
        trials=[trial for trial, _ in trials],
        recoveries=recoveries,
        passages=passages,
        self_check=calibration.self_check(toll),
    )

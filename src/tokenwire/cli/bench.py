"""`tokenwire bench`: what an endpoint's tokens cost."""

from __future__ import annotations

import argparse
import asyncio
import platform
import sys
from copy import copy
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

from ..errors import LocalProtocolError, StreamFailed, StreamInterrupted
from ..exit_codes import FINDINGS, FINE
from ..measure.bench import Run, as_json, as_text, runs_of
from ..measure.bench_page import as_html
from ..measure.load import Load, calibrate, make_requests, take, watched
from ..measure.sample import sample_of
from ..secrecy import redact_url
from .page_file import add_page_option, page_file
from .progress import progress
from .request import add_request_options, open_request, positive_seconds
from .screen import Screen

__all__ = ["add_parser", "machine", "positive_number", "run"]

_EXAMPLE = """\
examples:
  tokenwire bench http://127.0.0.1:8080 --model gemma -p "Say hello." -n 50 -c 4
  tokenwire bench ws://127.0.0.1:8080 --dialect holysheep -p hello --rate 10 --html report.html
  tokenwire bench http://127.0.0.1:8080 -p hello --format json > monday.json
  tokenwire bench --merge monday.json --merge tuesday.json
"""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "bench",
        help="what an endpoint's tokens cost",
        description="Asks an endpoint again and again and tells when its tokens came, and what their bytes were for. "
        "A run whose self-check casts doubt on it says that it is invalid, and exits with 1.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_request_options(parser, url_needed=False)
    parser.add_argument(
        "-n",
        "--requests",
        type=positive_number,
        default=20,
        help="after one that does not count, for the first one has to load and look up; default: %(default)s",
    )
    parser.add_argument(
        "-c",
        "--concurrency",
        type=positive_number,
        default=1,
        help="requests at once at the most; default: %(default)s",
    )
    parser.add_argument(
        "--rate",
        type=positive_seconds,
        metavar="PER_SECOND",
        default=0.0,
        help="make a request so many times a second, whether the others are answered or not; "
        "default: one after the other",
    )
    parser.add_argument(
        "--merge", metavar="FILE", type=Path, action="append", default=[], help="add the runs of a JSON report"
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: %(default)s")
    add_page_option(parser, "the figures as tables, and when each token came")


def run(args: argparse.Namespace) -> int:
    with page_file(args.html) as write:
        runs = [each for file in args.merge for each in runs_of(file.read_bytes(), str(file))]
        if args.url is not None:
            runs.append(asyncio.run(_measured(args)))
        if not runs:
            raise LocalProtocolError("there is nothing to tell: give a URL to measure, or --merge FILE")
        write(partial(as_html, runs))
    if args.format == "json":
        sys.stdout.write(as_json(runs))
    else:
        screen = Screen(sys.stdout)
        for text, style in as_text(runs):
            screen.line(text, style)
    return FINDINGS if any(each.doubts for each in runs) else FINE


def machine() -> str:
    """What was measured with."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{python}, {platform.system()} {platform.release()} {platform.machine()}"


def positive_number(text: str) -> int:
    """A number of things, for argparse.

    :raises ArgumentTypeError: for none at all.
    """
    number = int(text) if text.isdecimal() and len(text) <= 9 else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of requests")
    return number


async def _measured(args: argparse.Namespace) -> Run:
    opening = open_request(args, usage=True)
    load = Load(args.requests, args.concurrency, args.rate)
    first = await take(copy(opening))
    if first.failure is not None and not isinstance(first.failure, StreamFailed | StreamInterrupted):
        raise first.failure
    began = datetime.now(UTC).isoformat(timespec="seconds")
    with progress("asking", load.requests) as tell:
        origin = monotonic()
        async with watched() as toll:
            taken = await make_requests(opening, load, tell)
    whole = next((each.recording for each in taken if not each.error), None)
    calibration = await calibrate(whole, opening)
    return Run(
        target=redact_url(opening.target.url, opening.request.secrets.parameters),
        dialect=opening.dialect.name,
        concurrency=load.concurrency,
        rate=load.rate,
        began=began,
        machine=machine(),
        self_check=calibration.self_check(toll),
        samples=[sample_of(each, opening.dialect, origin) for each in taken],
    )

"""Who says how many requests an endpoint works on: a URL of its operator's, or a command.

It is asked several times in a second while a client leaves, so an answer must not take long.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
from collections.abc import Callable
from functools import partial
from http.client import HTTPException
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

from ..errors import LocalProtocolError
from ..protocol.url import parse_url
from .access import Access

__all__ = ["add_running_options", "running_of"]

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

#: Seconds in which the number must be there.
_PATIENCE = 5.0

#: Bytes of an answer that are read. A server of many models has some hundred kB of metrics.
_MOST = 4 * 1024 * 1024


def add_running_options(parser: argparse.ArgumentParser) -> None:
    """The two ways in which the number may come."""
    running = parser.add_mutually_exclusive_group()
    running.add_argument(
        "--running",
        metavar="URL",
        help="where the endpoint says how many requests it works on: llama-server's /slots or /metrics, vLLM's "
        "/metrics, any other in Prometheus' text with #METRIC behind it; so the checks of cancel. see that work stops "
        "when a client leaves. The key goes there too where host and port are those of the endpoint",
    )
    running.add_argument(
        "--running-command", metavar="COMMAND", help="a command that prints that number; no shell runs it"
    )


def running_of(args: argparse.Namespace, access: Access) -> Callable[[], float] | None:
    """Says how many requests are being worked on; None where nobody knows. It raises `LocalProtocolError` when no
    number comes, and is asked once, so that this shows before an endpoint is asked anything.

    :raises LocalProtocolError: for a URL or a command that cannot be, or that gives no number.
    """
    if args.running_command is not None:
        running = _by_command(args.running_command)
    elif args.running is not None:
        running = _by_url(args.running, access)
    else:
        return None
    running()
    return running


def _by_command(text: str) -> Callable[[], float]:
    command = shlex.split(text)
    if not command:
        raise LocalProtocolError("--running-command is empty: give a command that prints a number")
    return partial(_of_command, command)


def _by_url(text: str, access: Access) -> Callable[[], float]:
    url, _, metric = text.partition("#")
    parse_url(url)
    request = Request(url)  # noqa: S310 - it is http or https
    if access.key and urlsplit(url)[:2] == urlsplit(access.url)[:2]:
        request.add_unredirected_header("Authorization", f"Bearer {access.key}")
    opener = build_opener(ProxyHandler({}), HTTPSHandler(context=access.ssl_context))
    return partial(_of_url, opener, request, metric)


def _of_command(command: list[str]) -> float:
    try:
        made = subprocess.run(  # noqa: S603 - it is the user's own
            command, capture_output=True, text=True, timeout=_PATIENCE, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise LocalProtocolError(f"--running-command gave no number: {type(error).__name__}") from None
    return _number("--running-command", made.stdout, "")


def _of_url(opener: OpenerDirector, request: Request, metric: str) -> float:
    try:
        with opener.open(request, timeout=_PATIENCE) as answer:
            text = answer.read(_MOST).decode("utf-8", "replace")
    except (URLError, HTTPException, OSError) as error:
        raise LocalProtocolError(f"--running gave no number: {error}") from None
    return _number("--running", text, metric)


def _number(option: str, text: str, metric: str) -> float:
    from tokenwire_conformance.reading.running import running_in

    try:
        return running_in(text.strip(), metric)
    except ValueError as error:
        raise LocalProtocolError(f"{option} gave no number: {error}") from None

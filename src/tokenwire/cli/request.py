"""The options of a request, which several verbs share, and the opening that they make. Keys never come as arguments."""

from __future__ import annotations

import argparse
import json
import sys
from math import inf, nan
from pathlib import Path
from typing import Any

from ..dialects import DIALECTS, dialect_named
from ..dialects.dialect import Dialect, Prompt
from ..dialects.guess import Guess, guess_dialect
from ..drivers.opening import Opening
from ..errors import ConnectionFailed, LocalProtocolError
from ..secrecy.shown import one_line
from ..session import Observe, PolicyName, Timeouts
from .access import Access, access_of, add_access_options
from .guard import know
from .models import first_model, takes_model

__all__ = [
    "add_request_options",
    "dialect_asked",
    "guess_asked",
    "open_request",
    "port_number",
    "positive_seconds",
]

_DEFAULTS = Timeouts()


def add_request_options(parser: argparse.ArgumentParser, *, url_needed: bool = True) -> None:
    """URL, body, dialect, key, fields and timeouts."""
    parser.add_argument(
        "url",
        metavar="URL",
        nargs=None if url_needed else "?",
        help="the endpoint; http://HOST:PORT or …/v1 gets the dialect's own path",
    )
    body = parser.add_mutually_exclusive_group()
    body.add_argument("-p", "--prompt", metavar="TEXT", help="ask this, as the user")
    body.add_argument("--json", metavar="FILE", help="the body of the request; - reads standard input")
    parser.add_argument("--model", metavar="NAME", help="the model to ask; by default the first that is listed")
    parser.add_argument(
        "--dialect",
        choices=[*DIALECTS, "auto"],
        default="openai-chat",
        metavar="NAME",
        help=f"{', '.join(DIALECTS)}; or auto, which goes by the URL and the stream; default: %(default)s",
    )
    add_access_options(parser)
    for timer, default in (
        ("connect", _DEFAULTS.connect),
        ("first-byte", _DEFAULTS.first_byte),
        ("idle", _DEFAULTS.idle),
        ("first-event", _DEFAULTS.first_event),
        ("event-idle", _DEFAULTS.event_idle),
        ("keepalive", _DEFAULTS.keepalive),
        ("total", _DEFAULTS.total),
    ):
        parser.add_argument(
            f"--{timer}-timeout",
            metavar="SECONDS",
            type=positive_seconds,
            default=default or 0.0,
            help="0 waits for ever; default: %(default)g",
        )


def positive_seconds(text: str) -> float:
    """A time in seconds, for argparse.

    :raises ArgumentTypeError: for what is none.
    """
    try:
        seconds = float(text)
    except ValueError:
        seconds = nan
    if not 0.0 <= seconds < inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return seconds


def port_number(text: str) -> int:
    """A TCP port, for argparse; 0 takes a free one.

    :raises ArgumentTypeError: for what is none.
    """
    port = int(text) if text.isdecimal() and len(text) <= 5 else -1
    if not 0 <= port <= 0xFFFF:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535")
    return port


def open_request(
    args: argparse.Namespace,
    *,
    dialect: Dialect | None = None,
    usage: bool = False,
    record: str | Path | None = None,
    policy: PolicyName = "never",
    observe: Observe | None = None,
    access: Access | None = None,
) -> Opening:
    """Everything that a driver needs, from the options.

    :param dialect: instead of the one that was asked for.
    :param usage: the usage is asked for.
    :param record: a file for the recording.
    :param policy: what follows when a connection fails.
    :param observe: is told of it.
    :param access: instead of that of the options.
    :raises LocalProtocolError: for options that do not go together.
    :raises OSError: when a file cannot be read.
    """
    if args.json == "-" and args.key_file == "-":
        raise LocalProtocolError("--json - and --key-file - cannot both read standard input")
    asked = dialect_asked(args)
    asks = asked.method == "POST" or args.url.lower().startswith(("ws:", "wss:"))
    body = _body(args, asked, args.model) if asks else {}
    access = access or access_of(args)
    model = args.model
    if model is None and asks and "model" not in body and takes_model(asked):
        model = _found_model(access, asked)
    request_body = {**body, **({} if model is None else {"model": model})}
    opening = Opening(
        access.url,
        json=request_body,
        dialect=dialect or args.dialect,
        key=access.dialects_key,
        headers={"accept": asked.content_type or "*/*", **access.headers},
        timeouts=_timeouts(args),
        record=record,
        policy=policy,
        observe=observe,
        usage=usage,
        ssl_context=access.ssl_context,
        proxy=access.proxy,
        secrets=access.secrets,
    )
    know(opening.request.secrets.values)
    return opening


def _found_model(access: Access, dialect: Dialect) -> str | None:
    """The first model that the endpoint lists, which is told; None where it lists none, for it may need none.

    Where there is no connection, the request itself says so; but a certificate stays as it is.
    """
    try:
        model = first_model(access, dialect)
    except ConnectionFailed as failure:
        if failure.phase == "tls":
            raise
        return None
    except LocalProtocolError:
        return None
    print(f"model: {one_line(model)}, the first that is listed", file=sys.stderr, flush=True)
    return model


def dialect_asked(args: argparse.Namespace) -> Dialect:
    """The dialect of the request: the one that was named, or that the URL is taken for."""
    guess = guess_asked(args)
    return dialect_named(guess.dialect if guess else args.dialect)


def guess_asked(args: argparse.Namespace) -> Guess | None:
    """What the URL is taken for, where the dialect is to be guessed."""
    return guess_dialect(args.url) if args.dialect == "auto" else None


def _body(args: argparse.Namespace, dialect: Dialect, model: str | None) -> dict[str, Any]:
    if args.json is not None:
        return _json_object(args.json)
    if args.prompt is not None:
        return dialect.ask(Prompt(args.prompt, model or ""))
    raise LocalProtocolError(f"{dialect.name} needs something to ask: give --prompt TEXT, or --json FILE")


def _json_object(source: str) -> dict[str, Any]:
    name = "standard input" if source == "-" else source
    try:
        value = json.loads(sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes())
    except (ValueError, RecursionError) as error:
        raise LocalProtocolError(f"{name} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise LocalProtocolError(f"{name} holds no JSON object, which the body of a request must be")
    return value


def _timeouts(args: argparse.Namespace) -> Timeouts:
    return Timeouts(
        connect=args.connect_timeout or None,
        first_byte=args.first_byte_timeout or None,
        idle=args.idle_timeout or None,
        first_event=args.first_event_timeout or None,
        event_idle=args.event_idle_timeout or None,
        total=args.total_timeout or None,
        keepalive=args.keepalive_timeout or None,
    )

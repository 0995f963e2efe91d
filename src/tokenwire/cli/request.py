"""The options of a request, which several verbs share, and the opening that they make. Keys never come as arguments."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from math import inf, nan
from pathlib import Path
from typing import Any

from ..dialects import DIALECTS, dialect_named
from ..dialects.dialect import Dialect, Prompt
from ..dialects.guess import Guess, guess_dialect
from ..drivers.opening import Opening, key_from_environment
from ..errors import ConnectionFailed, LocalProtocolError
from ..recording import REDACTED_FIELDS
from ..secrecy.secrets import is_harmless_field, is_path, is_secret_name
from ..secrecy.shown import one_line
from ..session import Observe, PolicyName, Timeouts
from .guard import know
from .models import first_model, takes_model

__all__ = [
    "add_key_options",
    "add_request_options",
    "dialect_asked",
    "guess_asked",
    "header_fields",
    "key_of",
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
    add_key_options(parser, "the key to send")
    parser.add_argument(
        "--header", metavar="NAME=VALUE", action="append", default=[], help="another field; may be repeated"
    )
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


def add_key_options(parser: argparse.ArgumentParser, what: str) -> None:
    """The two ways in which a key may come."""
    key = parser.add_mutually_exclusive_group()
    key.add_argument("--key-env", metavar="NAME", help=f"{what}: the environment variable that holds it")
    key.add_argument("--key-file", metavar="FILE", help=f"{what}: the file that holds it; - reads standard input")
    key.add_argument("--key", "--api-key", "--token", type=_refused_key, help=argparse.SUPPRESS)


def _refused_key(_: str) -> None:
    """Whoever tries to give a key as an argument is told how to give it.

    :raises ArgumentTypeError: always.
    """
    raise argparse.ArgumentTypeError(
        "a key is not taken from the command line, where others can read it: "
        "name the variable that holds it by --key-env, or the file by --key-file"
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
) -> Opening:
    """Everything that a driver needs, from the options.

    :param dialect: instead of the one that was asked for.
    :param usage: the usage is asked for.
    :param record: a file for the recording.
    :param policy: what follows when a connection fails.
    :param observe: is told of it.
    :raises LocalProtocolError: for options that do not go together.
    :raises OSError: when a file cannot be read.
    """
    if args.json == "-" and args.key_file == "-":
        raise LocalProtocolError("--json - and --key-file - cannot both read standard input")
    asked = dialect_asked(args)
    asks = asked.method == "POST" or args.url.lower().startswith(("ws:", "wss:"))
    body = _body(args, asked, args.model) if asks else {}
    key, fields = key_of(args), header_fields(args.header)
    model = args.model
    if model is None and asks and "model" not in body and takes_model(asked):
        model = _found_model(args.url, asked, key, fields)
    request_body = {**body, **({} if model is None else {"model": model})}
    headers = {"accept": asked.content_type or "*/*", **fields}
    opening = Opening(
        args.url,
        json=request_body,
        dialect=dialect or args.dialect,
        key=key,
        headers=headers,
        timeouts=_timeouts(args),
        record=record,
        policy=policy,
        observe=observe,
        usage=usage,
    )
    know(opening.request.secrets.values)
    return opening


def _found_model(url: str, dialect: Dialect, key: str | None, fields: Mapping[str, str]) -> str | None:
    """The first model that the endpoint lists, which is told; None where it lists none, for it may need none.

    Where there is no connection, the request itself says so; but a certificate stays as it is.
    """
    try:
        model = first_model(url, dialect, key, fields)
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


def key_of(args: argparse.Namespace) -> str | None:
    """The key from where the options say that it is.

    :raises LocalProtocolError: when it is not there.
    :raises OSError: when its file cannot be read.
    """
    key = key_from_environment(args.key_env) if args.key_env is not None else _key_of_file(args)
    know([key or ""])
    return key


def _key_of_file(args: argparse.Namespace) -> str | None:
    if args.key_file is None:
        return None
    try:
        text = (
            sys.stdin.read()
            if args.key_file == "-"
            else Path(args.key_file).read_text(encoding="utf-8", errors="replace")
        )
    except FileNotFoundError:
        if is_path(args.key_file):
            raise
        raise LocalProtocolError(
            "there is no file of the name that was given for the key's. It is not shown, for it may be the key itself"
        ) from None
    key = text.strip()
    if not key:
        where = "standard input" if args.key_file == "-" else args.key_file
        raise LocalProtocolError(f"{where}, which should hold the key, is empty")
    return key


def header_fields(given: list[str]) -> dict[str, str]:
    """The fields of `--header` options.

    :raises LocalProtocolError: for one without "=", and for one that would hold a key.
    """
    headers = {}
    for text in given:
        name, equals, value = text.partition("=")
        name = name.strip().lower()
        if not equals:
            raise LocalProtocolError("a --header has no '=': write NAME=VALUE")
        if name in REDACTED_FIELDS or (is_secret_name(name) and not is_harmless_field(name)):
            raise LocalProtocolError(f"--header {name}: others could read a key there; use --key-env or --key-file")
        headers[name] = value.strip()
    return headers


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

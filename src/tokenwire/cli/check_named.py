"""Endpoints by name: `tokenwire check staging` with, in a pyproject.toml here or above,

    [tool.tokenwire.endpoints.staging]
    url = "https://staging.example.com/v1"
    key-env = "STAGING_KEY"
    skip = ["wsk."]

A member is an option of `check` without its dashes: a text, a number, true for a flag, a list for what can be repeated.
What stands on the command line takes its place. A key never stands in the file, as on the command line it does not.
"""

from __future__ import annotations

import argparse
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import LocalProtocolError

__all__ = ["with_named_endpoint"]

_FILE = "pyproject.toml"

#: What the name of an endpoint looks like, so that it is never taken for a URL.
_NAME = re.compile(r"[A-Za-z0-9_-]+")

#: Options of one call, which make no sense in a file.
_OF_ONE_CALL = frozenset({"list", "explain", "dry-run", "write-baseline", "help"})

#: Options that name files, which are looked for beside the pyproject.toml.
_FILES = frozenset({"baseline", "ca-file", "key-file"})


def with_named_endpoint(parser: argparse.ArgumentParser, args: argparse.Namespace) -> argparse.Namespace:
    """The arguments, with those of the endpoint that was named, if one was.

    :raises LocalProtocolError: when there is none of this name, or when its table has what is no option.
    """
    if args.url is None or not _NAME.fullmatch(args.url):
        return args
    file, table = _table(args.url)
    named, unknown = parser.parse_known_args(list(_arguments(file, args.url, table)))
    if unknown:
        raise LocalProtocolError(
            f"{file}: the endpoint {args.url} has what is no option of check: {', '.join(unknown)}"
        )
    url = named.url
    parser.parse_args(args.arguments, named)
    lists = {name: value for name, value in vars(args).items() if isinstance(value, list) and value}
    return argparse.Namespace(**{**vars(args), **vars(named), **lists, "url": url})


def _table(name: str) -> tuple[Path, Mapping[str, Any]]:
    for folder in (Path.cwd(), *Path.cwd().parents):
        file = folder / _FILE
        if not file.is_file():
            continue
        endpoints = _endpoints(file)
        if name in endpoints:
            return file, endpoints[name]
        if endpoints:
            known = ", ".join(sorted(endpoints))
            raise LocalProtocolError(f"{file} has no endpoint {name!r} in [tool.tokenwire.endpoints]; it has: {known}")
    raise LocalProtocolError(
        f"{name!r} is no URL, and no {_FILE} here or above has [tool.tokenwire.endpoints.{name}]: write"
        f" http://{name} if that is a host"
    )


def _endpoints(file: Path) -> Mapping[str, Mapping[str, Any]]:
    try:
        document = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LocalProtocolError(f"{file} is no TOML: {error}") from None
    endpoints = document.get("tool", {}).get("tokenwire", {}).get("endpoints", {})
    if not isinstance(endpoints, dict) or not all(isinstance(table, dict) for table in endpoints.values()):
        raise LocalProtocolError(f"{file}: [tool.tokenwire.endpoints] has a table for each endpoint")
    return endpoints


def _arguments(file: Path, name: str, table: Mapping[str, Any]) -> Iterator[str]:
    """The table as it would stand on the command line."""
    if not isinstance(table.get("url"), str):
        raise LocalProtocolError(f"{file}: the endpoint {name} has no url")
    yield table["url"]
    for option, value in table.items():
        if option in _OF_ONE_CALL:
            raise LocalProtocolError(f"{file}: {option} belongs on the command line, and to no endpoint")
        if option == "url":
            continue
        for each in value if isinstance(value, list) else [value]:
            yield from _option(file, option, each)


def _option(file: Path, option: str, value: Any) -> Sequence[str]:
    if value is True:
        return [f"--{option}"]
    if isinstance(value, str) and option in _FILES:
        return [f"--{option}={file.parent / value}"]
    if isinstance(value, str | int | float) and value is not False:
        return [f"--{option}={value}"]
    raise LocalProtocolError(
        f"{file}: {option} = {value!r} is neither a text, nor a number, nor true, nor a list of them"
    )

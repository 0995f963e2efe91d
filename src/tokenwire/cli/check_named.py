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
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import LocalProtocolError
from .guard import know, secrets_in_arguments

__all__ = ["with_named_endpoint"]

_FILE = "pyproject.toml"

#: What the name of an endpoint looks like, so that it is never taken for a URL.
_NAME = re.compile(r"[A-Za-z0-9_-]+")

#: Options of one call, which make no sense in a file.
_OF_ONE_CALL = frozenset({"list", "explain", "dry-run", "write-baseline", "help"})

#: Where the tables of the endpoints stand in a pyproject.toml.
_PLACE = ("tool", "tokenwire", "endpoints")

#: Arguments that name files, which are looked for beside the pyproject.toml.
_FILES = ("baseline", "ca_file", "key_file")

#: Standard input, where a file is wanted.
_STDIN = "-"

#: Arguments of which one can be given. What the command line gives takes the place of the others, too.
_EITHER = (
    ("key_env", "key_file"),
    ("ca_file", "insecure"),
    ("baseline", "write_baseline"),
    ("running", "running_command"),
)


def with_named_endpoint(parser: argparse.ArgumentParser, args: argparse.Namespace) -> argparse.Namespace:
    """The arguments, with those of the endpoint that was named, if one was.

    :raises LocalProtocolError: when there is none of this name, or when its table has what is no option.
    """
    if args.url is None or not _NAME.fullmatch(args.url):
        return args
    file, table = _table(args.url)
    arguments = list(_arguments(file, args.url, table))
    know(secrets_in_arguments(arguments))
    try:
        named, unknown = parser.parse_known_args(arguments)
    except SystemExit:  # argparse has said why, and does not know where
        raise LocalProtocolError(f"{file}: mend it in [tool.tokenwire.endpoints.{args.url}]") from None
    if unknown:
        options = ", ".join(argument.partition("=")[0].lstrip("-") for argument in unknown)
        raise LocalProtocolError(f"{file}: the endpoint {args.url} has what is no option of check: {options}")
    if named.running_command is not None:  # whoever asks an endpoint by its name has not said that a program may run
        raise LocalProtocolError(f"{file}: running-command belongs on the command line, and to no endpoint")
    url = named.url
    _find_files(named, file.parent)
    parser.parse_args(args.arguments, named)
    given = vars(args)
    lists = {name: value for name, value in given.items() if isinstance(value, list) and value}
    chosen = {name: given[name] for group in _EITHER if any(given[each] for each in group) for name in group}
    return argparse.Namespace(**{**given, **vars(named), **lists, **chosen, "url": url})


def _find_files(named: argparse.Namespace, folder: Path) -> None:
    """Files have their place beside the pyproject.toml."""
    for name in _FILES:
        value: Path | str | None = getattr(named, name)
        if value and value != _STDIN:
            setattr(named, name, type(value)(folder / value))


def _table(name: str) -> tuple[Path, Mapping[str, Any]]:
    for folder in (Path.cwd(), *Path.cwd().parents):
        file = folder / _FILE
        endpoints = _endpoints(file) if file.is_file() else {}
        if name in endpoints:
            return file, endpoints[name]
        if endpoints:
            known = ", ".join(sorted(endpoints))
            raise LocalProtocolError(
                f"{name!r} is no URL, and {file} has no endpoint of this name (it has: {known}): write http://{name} if"
                " that is a host"
            )
    raise LocalProtocolError(
        f"{name!r} is no URL, and no {_FILE} here or above has [tool.tokenwire.endpoints.{name}]: write"
        f" http://{name} if that is a host"
    )


def _endpoints(file: Path) -> Mapping[str, Mapping[str, Any]]:
    try:
        found: Any = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LocalProtocolError(f"{file} is no TOML: {error}") from None
    for name in _PLACE:
        found = found.get(name, {}) if isinstance(found, dict) else None
    if not isinstance(found, dict) or not all(isinstance(table, dict) for table in found.values()):
        raise LocalProtocolError(f"{file}: [tool.tokenwire.endpoints] has a table for each endpoint")
    return found


def _arguments(file: Path, name: str, table: Mapping[str, Any]) -> Iterator[str]:
    """The table as it would stand on the command line."""
    if not isinstance(table.get("url"), str):
        raise LocalProtocolError(f"{file}: the endpoint {name} has no url")
    for option, value in table.items():
        if option in _OF_ONE_CALL:
            raise LocalProtocolError(f"{file}: {option} belongs on the command line, and to no endpoint")
        if option == "url":
            continue
        for each in value if isinstance(value, list) else [value]:
            yield _argument(file, option, each)
    yield from ("--", table["url"])


def _argument(file: Path, option: str, value: Any) -> str:
    """One member of the table.

    :raises LocalProtocolError: for what cannot stand on the command line. The value is not shown: it may be a key.
    """
    if not _NAME.fullmatch(option):
        raise LocalProtocolError(f"{file}: {option!r} is no name of an option")
    if value is True:
        return f"--{option}"
    if isinstance(value, str | int | float) and value is not False:
        return f"--{option}={value}"
    raise LocalProtocolError(f"{file}: {option} is neither a text, nor a number, nor true, nor a list of them")

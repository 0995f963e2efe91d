"""What a verb prints, on standard output and standard error, without the secrets that it knows.

One guard stands before both streams while a verb runs. It knows what the command line has, is told the rest by whoever
reads a key, and cleans what goes to a file too.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO, cast

from ..drivers.route import secrets_in_proxy, secrets_of_proxies
from ..secrecy.search import Search
from ..secrecy.secrets import Secrets, is_opaque, is_path, is_plain_name, is_secret_name

__all__ = ["GuardedStream", "clean", "end_output", "guarded", "know", "known"]

#: Bytes of the beginning of a secret that are waited for. A token whose last letters could begin one is shown at once.
_LEAST = 4


class GuardedStream:
    """A text stream without secrets. Everything else is the stream's own."""

    def __init__(self, stream: TextIO, secrets: Secrets) -> None:
        self._stream = stream
        self.know(secrets)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def know(self, secrets: Secrets) -> None:
        """From now on these are taken out."""
        self.secrets = secrets
        self._search = Search(secrets.needles, _LEAST)

    def write(self, text: str) -> int:
        if self.secrets.needles:
            data = self._search.feed(text.encode("utf-8", "surrogatepass"))
            self._stream.write(data.decode("utf-8", "surrogatepass"))
        else:
            self._stream.write(text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def end(self) -> None:
        """Writes what was waited for, and flushes."""
        self._stream.write(self._search.finish().decode("utf-8", "surrogatepass"))
        self._stream.flush()


@contextmanager
def guarded(arguments: Sequence[str]) -> Iterator[None]:
    """Both streams are guarded, and what the command line has that may be a key is known."""
    streams = sys.stdout, sys.stderr
    secrets = Secrets() | secrets_in_arguments(arguments) | secrets_of_proxies()
    guards = [GuardedStream(stream, secrets) for stream in streams]
    sys.stdout, sys.stderr = (cast(TextIO, guard) for guard in guards)
    try:
        yield
    finally:
        for guard in guards:
            with suppress(OSError, ValueError):  # nobody reads it any more
                guard.end()
        sys.stdout, sys.stderr = streams


def know(secrets: Iterable[str]) -> None:
    """These are secret from now on."""
    more = known() | secrets
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, GuardedStream):
            stream.end()
            stream.know(more)


def known() -> Secrets:
    """What is secret."""
    return sys.stdout.secrets if isinstance(sys.stdout, GuardedStream) else Secrets()


def clean(text: str) -> str:
    """The text without what is secret, for a file."""
    return known().clean(text)


def end_output() -> None:
    """All of standard output is written, or whoever read it is gone.

    :raises OSError: where it cannot be written.
    """
    if isinstance(sys.stdout, GuardedStream):
        sys.stdout.end()
    else:
        sys.stdout.flush()


def secrets_in_arguments(arguments: Sequence[str]) -> Iterator[str]:
    """What may be a key among them: in a URL, in a field, and in place of the name of a variable or a file."""
    for option, argument in zip(["", *arguments], arguments, strict=False):
        name, equals, value = argument.partition("=")
        if argument.startswith("-") and equals:
            option, argument = name, value
        if "//" in argument:
            yield from secrets_in_proxy(argument)
        for meant in _meant(option):
            yield from _SECRETS_IN[meant](argument)


def _meant(option: str) -> Sequence[str]:
    """The options of `_SECRETS_IN` that it may be: argparse takes a beginning for the whole, and repeats what it cannot
    take. An option that does not exist, and names a key, is taken for `--key`."""
    if option in _SECRETS_IN:
        return [option]
    begun = [each for each in _SECRETS_IN if len(option) > 2 and each.startswith(option)]
    return begun or (["--key"] if option.startswith("-") and is_secret_name(option.lstrip("-")) else [])


def _in_place_of_a_name(argument: str) -> Iterator[str]:
    """A key where a variable or a file is to be named."""
    names = is_plain_name(argument) or is_path(argument) or argument in os.environ or _is_file(argument)
    if not names and not argument.startswith("-"):
        yield argument


def _in_place_of_a_field(argument: str) -> Iterator[str]:
    """A key where the name of its field is wanted."""
    if is_opaque(argument):
        yield argument


def _behind_a_name(argument: str) -> Iterator[str]:
    """A key in NAME=VAR."""
    return _in_place_of_a_name(argument.rpartition("=")[2])


def _in_a_field(argument: str) -> Iterator[str]:
    """A key in NAME=VALUE, or NAME: VALUE."""
    for separator in "=:":
        field, _, content = argument.partition(separator)
        yield from Secrets.of_request(headers=[(field.strip(), content.strip())]).values


def _is_file(name: str) -> bool:
    try:
        return Path(name).exists()
    except (OSError, ValueError):
        return False


#: Where a key may be in the value of an option. `-H` is none of ours; who knows curl writes it.
_SECRETS_IN: Mapping[str, Callable[[str], Iterable[str]]] = {
    "--key": _in_place_of_a_name,
    "--api-key": _in_place_of_a_name,
    "--token": _in_place_of_a_name,
    "--key-env": _in_place_of_a_name,
    "--other-key-env": _in_place_of_a_name,
    "--key-file": _in_place_of_a_name,
    "--key-header": _in_place_of_a_field,
    "--header": _in_a_field,
    "-H": _in_a_field,
    "--header-env": _behind_a_name,
    "--query-env": _behind_a_name,
    "--proxy": secrets_in_proxy,
}

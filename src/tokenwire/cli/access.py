"""How an endpoint is reached, and as whom: the options that every verb has that connects.

Nothing secret is an argument: it comes from a variable, a file or standard input.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from ..dialects.dialect import Dialect
from ..drivers.opening import key_from_environment, value_from_environment
from ..drivers.trust import Trust
from ..errors import LocalProtocolError
from ..protocol.http import TOKEN
from ..recording import REDACTED_FIELDS
from ..secrecy import Secrets, redact_url
from ..secrecy.secrets import is_harmless_field, is_path, is_secret_name
from ..session import checked_key
from .exits import complain
from .guard import know

if TYPE_CHECKING:
    import ssl

__all__ = [
    "Access",
    "access_of",
    "add_access_options",
    "add_key_options",
    "is_secure",
    "key_of",
    "other_key_of",
    "with_parameters",
]

#: What may stand in a field that we write (RFC 9110, 5.5).
_VALUE = re.compile(r"[\t\x20-\x7e]*")


@dataclass(frozen=True, slots=True)
class Access:
    """How an endpoint is reached, and as whom.

    :ivar url: with the parameters that were given beside it; empty where no endpoint was named.
    :ivar parameters: those, which belong to the URL of every hop too.
    :ivar key_header: the field that carries the key, in lower case; empty for that of the dialect.
    :ivar fields: more fields, names in lower case.
    :ivar variables: of the environment, by the field or parameter whose value they hold; names in lower case.
    :ivar secrets: what must not be shown of all this, beside what is known by its name.
    :ivar ssl_context: that goes with `trust`; None for what is usual.
    :ivar proxy: as `tokenwire.stream` takes it.
    """

    url: str
    parameters: Mapping[str, str] = field(repr=False)
    key: str | None = field(repr=False)
    key_header: str
    fields: Mapping[str, str] = field(repr=False)
    variables: Mapping[str, str]
    secrets: Secrets
    trust: Trust
    ssl_context: ssl.SSLContext | None
    proxy: str

    @property
    def dialects_key(self) -> str | None:
        """The key for the dialect's own field."""
        return None if self.key_header else self.key

    @property
    def headers(self) -> dict[str, str]:
        """All fields but the dialect's own."""
        key = self._key_fields(self.key) if self.key_header and self.key else {}
        return {**key, **self.fields}

    @property
    def shown_url(self) -> str:
        """The URL without what is secret."""
        return redact_url(self.url, self.secrets.parameters)

    def spoken(self, dialect: Dialect) -> Dialect:
        """The dialect, with the key in its field."""
        return replace(dialect, key_fields=self._key_fields) if self.key_header else dialect

    def _key_fields(self, key: str) -> dict[str, str]:
        return {self.key_header: f"Bearer {key}" if self.key_header == "authorization" else key}


def add_access_options(parser: argparse.ArgumentParser) -> None:
    """Key, fields, parameters, certificates and proxy."""
    add_key_options(parser, "the key to send")
    parser.add_argument(
        "--key-header",
        metavar="NAME",
        type=_field_name,
        help="the field that carries the key, instead of the dialect's own; the key stands there alone, in "
        "Authorization after 'Bearer'. For another scheme: --header-env Authorization=VAR, with all of the value",
    )
    for option, metavar, what in (
        ("--header", "NAME=VALUE", "another field"),
        ("--header-env", "NAME=VAR", "another field, whose value is in the environment variable VAR, and secret"),
        ("--query-env", "NAME=VAR", "another parameter of the URL, whose value is in the variable VAR, and secret"),
    ):
        parser.add_argument(option, metavar=metavar, action="append", default=[], help=f"{what}; may be repeated")
    trust = parser.add_mutually_exclusive_group()
    trust.add_argument(
        "--ca-file", metavar="FILE", default="", help="trust the authorities in this file (PEM), and not the system's"
    )
    trust.add_argument("--insecure", action="store_true", help="verify no certificate")
    parser.add_argument(
        "--proxy",
        metavar="URL",
        default="env",
        help="go through this HTTP proxy, to loopback too; by default through the one that HTTPS_PROXY, HTTP_PROXY or "
        "ALL_PROXY names, and never to loopback",
    )


def add_key_options(parser: argparse.ArgumentParser, what: str) -> None:
    """The two ways in which a key may come."""
    key = parser.add_mutually_exclusive_group()
    key.add_argument("--key-env", metavar="NAME", help=f"{what}: the environment variable that holds it")
    key.add_argument("--key-file", metavar="FILE", help=f"{what}: the file that holds it; - reads standard input")
    key.add_argument("--key", "--api-key", "--token", type=_refused_key, help=argparse.SUPPRESS)


def access_of(args: argparse.Namespace) -> Access:
    """What the options of `add_access_options` say, and the URL. What is secret is known from now on.

    :raises LocalProtocolError: for what cannot be, and for a variable or a file of authorities that is not there.
    :raises OSError: when the file of the key cannot be read.
    """
    key = key_of(args)
    if args.key_header:
        if key is None:
            raise LocalProtocolError("--key-header is the field of a key: give the key too, by --key-env or --key-file")
        checked_key(key)
    held_fields = _values_of("--header-env", args.header_env)
    held_parameters = _values_of("--query-env", args.query_env)
    fields = {name.lower(): value for name, (_, value) in held_fields.items()}
    parameters = {name: value for name, (_, value) in held_parameters.items()}
    key_header = (args.key_header or "").lower()
    secrets = Secrets((), frozenset(filter(None, [*fields, key_header])), frozenset(parameters))
    secrets |= [key or "", *fields.values(), *parameters.values()]
    know(secrets.values)
    trust = Trust(args.ca_file, args.insecure)
    access = Access(
        with_parameters(args.url or "", parameters),
        parameters,
        key,
        key_header,
        {**_header_fields(args.header), **fields},
        {name.lower(): variable for name, (variable, _) in [*held_fields.items(), *held_parameters.items()]},
        secrets,
        trust,
        trust.context() if trust != Trust() else None,
        args.proxy,
    )
    if args.insecure and is_secure(access.url):
        complain(
            "--insecure: no certificate is verified, so whoever is on the way can read and change all that is said, "
            "the key too. For an authority of your own: --ca-file FILE"
        )
    return access


def is_secure(url: str) -> bool:
    """Whether the URL is one of TLS."""
    return url.lower().startswith(("https:", "wss:"))


def key_of(args: argparse.Namespace) -> str | None:
    """The key from where the options say that it is.

    :raises LocalProtocolError: when it is not there.
    :raises OSError: when its file cannot be read.
    """
    key = key_from_environment(args.key_env) if args.key_env is not None else _key_of_file(args)
    know([key or ""])
    return key


def other_key_of(args: argparse.Namespace, key: str | None) -> str | None:
    """The key of somebody else; None where none is named.

    :raises LocalProtocolError: when its variable is not set, or holds the same key.
    """
    if args.other_key_env is None:
        return None
    other = key_from_environment(args.other_key_env)
    know([other])
    checked_key(other)
    if key is None or other == key:
        raise LocalProtocolError(
            "--other-key-env names a second key, of another user: give the first one too, by --key-env or --key-file,"
            " and not the same"
        )
    return other


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


def _refused_key(_: str) -> None:
    """Whoever tries to give a key as an argument is told how to give it.

    :raises ArgumentTypeError: always.
    """
    raise argparse.ArgumentTypeError(
        "a key is not taken from the command line, where others can read it: "
        "name the variable that holds it by --key-env, or the file by --key-file"
    )


def _field_name(text: str) -> str:
    """The name of a field, for argparse. What is none is not repeated, for it may be the key.

    :raises ArgumentTypeError: for what is none.
    """
    if TOKEN.fullmatch(text) is None:
        raise argparse.ArgumentTypeError("the name of a field alone is wanted, such as X-Api-Key, without its value")
    return text


def _header_fields(given: Sequence[str]) -> dict[str, str]:
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
            raise LocalProtocolError(
                f"--header {name}: others could read a key there; use --key-env or --key-file, or --header-env NAME=VAR"
            )
        headers[name] = value.strip()
    return headers


def _values_of(option: str, given: Sequence[str]) -> dict[str, tuple[str, str]]:
    """The names of an option, each with its variable and what that holds.

    :raises LocalProtocolError: for one that is not NAME=VAR, and for a variable that is not set. Nothing is repeated
        that may be a secret.
    """
    values = {}
    for text in given:
        name, equals, variable = (part.strip() for part in text.partition("="))
        if not equals or not name or (option == "--header-env" and TOKEN.fullmatch(name) is None):
            raise LocalProtocolError(f"{option} takes NAME=VAR: a name, and the variable that holds the value")
        value = value_from_environment(variable, f"the value of {option} {name}")
        if _VALUE.fullmatch(value) is None:
            raise LocalProtocolError(
                f"the value for {option} {name} holds a line end, a control or a character beyond ASCII: "
                "was it copied with something around it?"
            )
        values[name] = (variable, value)
    return values


def with_parameters(url: str, parameters: Mapping[str, str]) -> str:
    """The URL with more parameters in its query."""
    if not parameters:
        return url
    more = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in parameters.items())
    place, mark, fragment = url.partition("#")
    return f"{place}{'&' if '?' in place else '?'}{more}{mark}{fragment}"

"""What is asked, made from what a user gives: a URL, a dialect, a body, a key."""

from __future__ import annotations

import json as json_module
import re
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from functools import partial
from typing import Any, Literal
from urllib.parse import quote, urlencode

from .._version import __version__
from ..checking import described, must_be
from ..dialects import DialectName, dialect_named
from ..dialects.dialect import Again, Dialect
from ..errors import LocalProtocolError
from ..protocol.coding import available_codings
from ..protocol.http import HTTPRequest
from ..protocol.url import Target, parse_url
from ..records import record
from ..secrecy.secrets import Secrets, secrets_in_json

__all__ = [
    "Request",
    "Want",
    "asking",
    "build_request",
    "checked_headers",
    "checked_key",
    "checked_place",
    "endpoint_url",
    "going_on",
    "over_the_other_transport",
]

#: What a session wants of its driver: a connection; that data goes to and fro; to be woken later; nothing any more.
Want = Literal["connect", "transfer", "wait", "over"]

_OTHER_SCHEME = {"ws": "http", "wss": "https", "http": "ws", "https": "wss"}


@record(frozen=True)
class Request:
    """What is asked. Its repr does not tell, for it would tell the key.

    :ivar http: the HTTP request; over WebSocket that of the handshake.
    :ivar messages: what is said first over WebSocket: the first one at once, each further one after the server's next.
    :ivar secrets: what of it must never be shown: taken from the key, the URL, the given fields and the JSON.
    :ivar json: from what it was made, before the dialect added its part.
    """

    http: HTTPRequest = field(repr=False)
    messages: Sequence[str] = field(default=(), repr=False)
    secrets: Secrets = field(default_factory=Secrets)
    json: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def websocket(self) -> bool:
        """It goes over WebSocket."""
        return self.http.target.scheme in ("ws", "wss")


def build_request(
    url: str,
    dialect: DialectName | Dialect,
    *,
    json: Mapping[str, Any] | None = None,
    key: str | None = None,
    headers: Mapping[str, str] | None = None,
    usage: bool = False,
) -> Request:
    """Makes the request of a dialect. A base URL gets the rest of the dialect's path: see `endpoint_url`.

    :param dialect: a dialect, or the name of one; "auto" guesses it from the URL.
    :param json: the body of a POST, to which the dialect adds what streaming needs; the query of a GET, where the
        URL has none; the first message over WebSocket.
    :param key: sent in the dialect's own field.
    :param headers: more fields, or others instead of ours.
    :param usage: the dialect is asked to tell the usage, where it does not unless it is asked.
    :raises InvalidURL: for a URL that names no server.
    :raises LocalProtocolError: for a key that no field can carry, for JSON that is none, for a URL of a transport over
        which the dialect is not spoken, and for arguments of another kind than is wanted.
    """
    if dialect == "auto":
        from ..dialects.guess import guess_dialect

        dialect = guess_dialect(url).dialect
    dialect = dialect_named(dialect)
    json = _checked_json(json)
    if usage and dialect.usage_members and json is not None:
        json = _with_members(json, dialect.usage_members)
    target = _target(url, dialect, json)
    fields = {"user-agent": f"tokenwire/{__version__}", **dialect.fields}
    if key is not None:
        fields |= dialect.key_fields(checked_key(key))
    headers = checked_headers(headers)
    secrets_of = partial(Secrets.of_request, key=key, path=url, headers=headers.items())
    given = {name.lower(): value for name, value in headers.items()}
    if dialect.opening is not None and target.scheme in ("ws", "wss"):
        given.pop("accept", None)
        messages = [] if json is None else [_encode_json(message).decode() for message in dialect.opening(json)]
        http = HTTPRequest("GET", target, list({**fields, **given}.items()))
        return Request(http, messages, secrets_of(body=messages), json or {})
    fields["accept"] = dialect.content_type or "*/*"
    fields["accept-encoding"] = ", ".join(available_codings())
    fields["cache-control"] = "no-store"
    body = b""
    if dialect.method == "POST":
        fields["content-type"] = "application/json"
        body = _encode_json(dialect.body(json or {}))
    elif json and "?" not in target.path:
        members = {name: value for name, value in json.items() if isinstance(value, str | int | float)}
        target = replace(target, path=f"{target.path}?{urlencode(members)}") if members else target
    secrets = secrets_of(body=[body]) if body else secrets_of() | list(secrets_in_json(json))
    http = HTTPRequest(dialect.method, target, list({**fields, **given}.items()), body)
    return Request(http, (), secrets, json or {})


def over_the_other_transport(
    url: str,
    dialect: Dialect,
    *,
    json: Mapping[str, Any] | None = None,
    key: str | None = None,
    headers: Mapping[str, str] | None = None,
    usage: bool = False,
) -> tuple[Request, Dialect] | None:
    """The same conversation over WebSocket instead of HTTP, or the other way round, and the dialect it is in there.

    None where the dialect has no counterpart, and where a URL of the user's own does not tell where that would be.
    Parameters and errors are those of `build_request`.
    """
    if not dialect.beside:
        return None
    other = dialect_named(dialect.beside)
    target = _target(url, dialect, json)
    scheme = _OTHER_SCHEME[target.scheme]
    if ("HTTP" if scheme.startswith("http") else "WebSocket") not in other.transports:
        return None
    path, _, query = target.path.partition("?")
    here, there = _path(dialect, target.scheme), _path(other, scheme)
    if path.endswith(here):
        path = path.removesuffix(here) + there
    elif here != there:
        return None
    kept = f"?{query}" if query and other is dialect else ""
    place = replace(target, scheme=scheme, path=path + kept)
    return build_request(place.url, other, json=json, key=key, headers=headers, usage=usage), other


def going_on(request: Request, again: Again) -> Request:
    """The request that goes on with a stream that broke."""
    body = b"" if again.json is None else _encode_json(again.json)
    dropped = () if body else ("content-type",)
    fields = {name: value for name, value in request.http.headers if name not in dropped} | dict(again.fields)
    target = replace(request.http.target, path=again.path)
    return replace(request, http=HTTPRequest(again.method, target, list(fields.items()), body))


def asking(request: Request, dialect: Dialect, json: Mapping[str, Any]) -> Request:
    """The same request with something else in it."""
    if request.websocket:
        assert dialect.opening is not None
        messages = [_encode_json(message).decode() for message in dialect.opening(json)]
        return replace(request, messages=messages, json=json)
    if request.http.method == "GET":
        return request
    return replace(request, http=replace(request.http, body=_encode_json(dialect.body(json))), json=json)


def endpoint_url(url: str, dialect: Dialect, json: Mapping[str, Any] | None = None) -> str:
    """The URL of the dialect's endpoint. Where `url` is a base URL, the rest of the dialect's path is added.

    A base URL names only the server; or its path ends with a version (`/v1`, `/v1beta`, `/api/v3`, `/openai/v1`), with
    the first part of the dialect's own path (`/api`, `/model`), or with the API that a server speaks (`/v1beta/openai`,
    `/anthropic`). A slash at its end and a query change nothing. Any other URL is taken as it is.

    :param json: the body of the request, whose model some dialects have in the path.
    :raises InvalidURL: for a URL that names no server.
    :raises LocalProtocolError: where the model is needed and not named, and for a URL of a transport over which the
        dialect is not spoken.
    """
    return _target(url, dialect, json).url


def _target(url: str, dialect: Dialect, json: Mapping[str, Any] | None) -> Target:
    target = checked_place(url, dialect)
    return _endpoint(target, _path(dialect, target.scheme), json)


def checked_place(url: str, dialect: Dialect) -> Target:
    """What a user's URL names, be it a base URL or the endpoint's own.

    :raises InvalidURL: for a URL that names no server.
    :raises LocalProtocolError: for a URL of a transport over which the dialect is not spoken.
    """
    must_be(url, str, "url", "the URL as text")
    websocket = url.lower().startswith(("ws:", "wss:"))
    if websocket and dialect.opening is None:
        raise LocalProtocolError(
            f"{dialect.name} is not spoken over WebSocket: name another dialect, or use an http or https URL"
        )
    if dialect.websocket_only and not websocket:
        raise LocalProtocolError(f"{dialect.name} is spoken over WebSocket alone: use a ws or wss URL")
    return parse_url(url, websocket=websocket)


def _path(dialect: Dialect, scheme: str) -> str:
    return (dialect.websocket_path if scheme in ("ws", "wss") else "") or dialect.path


def _endpoint(target: Target, dialects_path: str, json: Mapping[str, Any] | None) -> Target:
    path, mark, query = target.path.partition("?")
    base = path.rstrip("/")
    rest = _rest(base, dialects_path)
    if rest is None:
        return target
    own, _, own_query = (base + _with_model(rest, json)).partition("?")
    both = "&".join(part for part in (own_query, query) if part)
    return replace(target, path=own + ("?" + both if both or mark else ""))


#: How providers write the version of an API, as a part of a path.
_VERSION = r"v[0-9]+([a-z]+[0-9]*|[.][0-9]+)*"

#: The last part of a base URL under which a server speaks somebody else's API: `/v1beta/openai`, `/anthropic`.
_SPOKEN = ("openai", "anthropic")


def _rest(base: str, dialects_path: str) -> str | None:
    """What is missing of the dialect's path after a base; None where the URL is the endpoint's own."""
    first, slash, rest = dialects_path.removeprefix("/").partition("/")
    rest = slash + rest
    parts = base.split("/")[1:]
    if not parts:
        return dialects_path
    if parts[-1] == first or (_is_version(parts[-1]) and _is_version(first)):
        return rest
    if parts[-1] in _SPOKEN and _is_version(first):
        return rest if any(map(_is_version, parts)) else dialects_path
    return None


def _is_version(part: str) -> bool:
    return part.startswith("v") and re.fullmatch(_VERSION, part) is not None


def _with_model(path: str, json: Mapping[str, Any] | None) -> str:
    if "{model}" not in path:
        return path
    model = (json or {}).get("model")
    if not isinstance(model, str) or not model:
        raise LocalProtocolError("the path of this dialect has the model in it: name one")
    return path.replace("{model}", quote(model, safe=""))


_encode = json_module.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def _encode_json(value: Mapping[str, Any]) -> bytes:
    try:
        return _encode(value).encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise LocalProtocolError(f"the request body is not JSON: {error}") from error


def checked_headers(headers: object) -> dict[str, str]:
    """The fields that a user gave.

    :raises LocalProtocolError: when they are no mapping of text to text. The message names the field, never its value.
    """
    if headers is None:
        return {}
    must_be(headers, Mapping, "headers", "a mapping of names to values", "write {'name': 'value'}")
    assert isinstance(headers, Mapping)
    for name, value in headers.items():
        must_be(name, str, "headers", "names that are text")
        must_be(value, str, f"the field {name!r} of headers", "text", "leave it out, or write its value as text")
    return dict(headers)


def _checked_json(json: object) -> Mapping[str, Any] | None:
    if isinstance(json, str | bytes):
        raise LocalProtocolError(f"json takes the body as a dict, and {described(json)} was given: use json.loads")
    must_be(json, (Mapping, type(None)), "json", "the body of the request as a dict", "write {'model': …}")
    assert json is None or isinstance(json, Mapping)
    return json


def _with_members(json: Mapping[str, Any], members: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The body with members that it needs; those that the user wrote stay as they are."""
    own = {name: json[name] if isinstance(json.get(name), Mapping) else {} for name in members}
    return {**json, **{name: {**needed, **own[name]} for name, needed in members.items()}}


def checked_key(key: object) -> str:
    """The key that a user gave.

    :raises LocalProtocolError: when no field can carry it.
    """
    must_be(key, str, "key", "the key as text")
    assert isinstance(key, str)
    if not key:
        raise LocalProtocolError("the key is empty: leave it out where the server wants none")
    if not key.isascii() or any(ord(character) <= 0x20 or ord(character) == 0x7F for character in key):
        raise LocalProtocolError(
            "the key holds a blank, a line end or a character beyond ASCII: was it copied with something around it?"
        )
    return key

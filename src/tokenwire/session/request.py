"""What is asked, made from what a user gives: a URL, a dialect, a body, a key."""

from __future__ import annotations

import json as json_module
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from .._version import __version__
from ..dialects.dialect import Dialect
from ..errors import LocalProtocolError
from ..protocol.coding import available_codings
from ..protocol.http import HTTPRequest
from ..protocol.url import Target, parse_url

__all__ = ["Request", "build_request", "endpoint_url"]

#: Where the providers' SDKs have their base URL end.
_PATH_SUFFIX = "/v1"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked.

    :ivar http: the HTTP request; over WebSocket that of the handshake.
    :ivar first_message: what is said first over WebSocket; None where nothing is.
    :ivar secrets: the values in it that must never be shown.
    """

    http: HTTPRequest
    first_message: str | None = None
    secrets: Sequence[str] = ()

    @property
    def websocket(self) -> bool:
        """It goes over WebSocket."""
        return self.http.target.scheme in ("ws", "wss")


def build_request(
    url: str,
    dialect: Dialect,
    *,
    json: Mapping[str, Any] | None = None,
    key: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Request:
    """Makes the request of a dialect. A URL without a path, or with only `/v1`, gets the dialect's own path.

    :param json: the body of a POST, to which the dialect adds what streaming needs; the query of a GET, where the
        URL has none; the first message over WebSocket.
    :param key: sent as a bearer token (RFC 6750).
    :raises InvalidURL: for a URL that names no server.
    :raises LocalProtocolError: for a key that no field can carry, for JSON that is none, and for a dialect that is
        not spoken over WebSocket.
    """
    websocket = url.lower().startswith(("ws:", "wss:"))
    if websocket and not dialect.websocket:
        raise LocalProtocolError(f"{dialect.name} is not spoken over WebSocket: use an http or https URL")
    target = _endpoint(parse_url(url, websocket=websocket), dialect)
    fields = {"user-agent": f"tokenwire/{__version__}"}
    if key is not None:
        fields["authorization"] = f"Bearer {_checked_key(key)}"
    secrets = [key] if key else []
    given = {name.lower(): value for name, value in (headers or {}).items()}
    if websocket:
        given.pop("accept", None)
        message = None if json is None else _encode_json(dialect.body(json)).decode()
        return Request(HTTPRequest("GET", target, list({**fields, **given}.items())), message, secrets)
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
    return Request(HTTPRequest(dialect.method, target, list({**fields, **given}.items()), body), None, secrets)


def endpoint_url(url: str, dialect: Dialect) -> str:
    """The URL of the dialect's endpoint, where `url` may name only the server, or the server and `/v1`.

    :raises InvalidURL: for a URL that names no HTTP server.
    """
    return _endpoint(parse_url(url), dialect).url


def _endpoint(target: Target, dialect: Dialect) -> Target:
    path, mark, query = target.path.partition("?")
    base = path.rstrip("/")
    if not base:
        return replace(target, path=dialect.path + mark + query)
    if base.endswith(_PATH_SUFFIX) and dialect.path.startswith(_PATH_SUFFIX + "/"):
        return replace(target, path=base + dialect.path.removeprefix(_PATH_SUFFIX) + mark + query)
    return target


def _encode_json(value: Mapping[str, Any]) -> bytes:
    try:
        return json_module.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise LocalProtocolError(f"the request body is not JSON: {error}") from error


def _checked_key(key: str) -> str:
    if not key.isascii() or any(ord(character) <= 0x20 or ord(character) == 0x7F for character in key):
        raise LocalProtocolError(
            "the key holds a blank, a line end or a character beyond ASCII: was it copied with something around it?"
        )
    return key

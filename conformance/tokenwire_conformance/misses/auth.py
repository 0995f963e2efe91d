"""Near misses of authentication."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from tokenwire.endpoint import Reply, Seams

from ..faults.auth import GrantedThenIgnored, QueryOnly
from ..faults.editing import CLOSE, RawFrame
from .edits import anything, code, head, reply
from .miss import Undo, near_miss

_AUTH = "checks.auth"


def _refused(edit: Callable[[Reply], Reply]) -> type[Seams]:
    """Every 401 edited."""
    return reply(lambda given: edit(given) if given.status == 401 else given, when=anything)


class _GrantsAndCloses(GrantedThenIgnored):
    """Behind the WebSocket that who has no key gets stands a Close of the application's own."""

    _keyless = False

    def request(self, head: bytes) -> bytes:
        granted = super().request(head)
        self._keyless = granted != head
        return granted

    def answer(self, head: bytes) -> bytes:
        return head + RawFrame(CLOSE, code(4401)).encode() if self._keyless else head


class _FieldOnOneConnection(QueryOnly):
    """The key is taken from the URL, and on one connection from its field."""

    def incoming(self, data: bytes) -> bytes | None:
        return data if b"\r\nConnection: close\r\n" in data else super().incoming(data)


near_miss(
    "auth.missing-401",
    of="open-door",
    what="A request without a key is refused with 403.",
    seams=_refused(lambda given: replace(given, status=403)),
    undo=Undo(
        _AUTH,
        "    if response.status not in (401, 403):\n        if",
        "    if response.status != 401:\n        if",
    ),
)
near_miss(
    "auth.www-authenticate",
    of="401-bare",
    what="A 401 names another scheme.",
    seams=_refused(lambda given: given.with_header("WWW-Authenticate", 'Basic realm="models"')),
    undo=Undo(
        _AUTH,
        'if not response.header("www-authenticate"):',
        'if not response.header("www-authenticate").lower().startswith("bearer"):',
    ),
    seen_in="no-key wrong-key",
)
near_miss(
    "auth.invalid-no-stream",
    of="401-inside-sse",
    what="A wrong key is answered by a redirect.",
    seams=_refused(lambda given: replace(given, status=302).with_header("Location", "/login")),
    undo=Undo(_AUTH, "        if 200 <= response.status < 300:", "        if 200 <= response.status < 400:"),
)
near_miss(
    "auth.cors",
    of="no-cors",
    what="The preflight is answered for the page that asked, and not for all.",
    seams=head(
        lambda head: re.sub(rb"(?i)(access-control-allow-origin:)[^\r]*", rb"\1 http://page.test", head),
        when=anything,
    ),
    undo=Undo(_AUTH, 'allowed not in ("*", "http://page.test")', 'allowed != "*"'),
)
near_miss(
    "auth.ws-before-101",
    of="101-then-ignore",
    what="The WebSocket that is granted without a key is closed at once with 4401.",
    seams=_GrantsAndCloses,
    undo=Undo(_AUTH, " and close.code < _APPLICATION_CODES:", ":"),
)
near_miss(
    "auth.scheme-case",
    of="case-sensitive-bearer",
    what="A request whose scheme is written `bearer` is refused for what it asks, with 422.",
    seams=reply(
        lambda given: replace(given, status=422), when=lambda call: call.header("authorization").startswith("bearer ")
    ),
    undo=Undo(
        _AUTH,
        'if response.status in (401, 403):\n        yield Finding(f"`Authorization',
        'if not 200 <= response.status < 300:\n        yield Finding(f"`Authorization',
    ),
)
near_miss(
    "auth.key-not-echoed",
    of="echo-key",
    what="The answer sets a cookie, which is masked as the key is.",
    seams=reply(lambda given: given.with_header("Set-Cookie", "session=" + "0123456789" * 6)),
    undo=Undo(
        _AUTH,
        "_MASKED.sub(lambda line: bytes(len(line[0])), response.transcript.received)",
        "response.transcript.received",
    ),
)
near_miss(
    "auth.no-query-token",
    of="query-only",
    what="On one connection the key is taken from its field.",
    seams=_FieldOnOneConnection,
    undo=Undo(_AUTH, "if any(response.status < 400 for", "if all(response.status < 400 for"),
    seen_in="stream usage query-key",
)

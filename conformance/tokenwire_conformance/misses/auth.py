"""Near misses of authentication."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from tokenwire.endpoint import Reply, Seams

from .edits import anything, head, reply
from .miss import Undo, near_miss

_AUTH = "checks.auth"


def _refused(edit: Callable[[Reply], Reply]) -> type[Seams]:
    """Every 401 edited."""
    return reply(lambda given: edit(given) if given.status == 401 else given, when=anything)


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

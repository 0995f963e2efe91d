"""What the checks of this group share."""

from __future__ import annotations

from ...reading.http import Response


def stray_answer(response: Response) -> int | None:
    """Where a second answer begins, if the probe `unread-body` got one: the body that was left unread looks like a
    request, and was taken for one.
    """
    transcript = response.transcript
    stray = transcript.stray
    if transcript.name != "unread-body" or 200 <= response.status < 300 or stray is None:
        return None
    return stray if transcript.received[stray:].startswith(b"HTTP/") else None

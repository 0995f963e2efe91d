"""The key that comes back is told from what is masked by its name alone."""

from __future__ import annotations

import pytest

from tokenwire.recording import Entry, Recording, Redactor
from tokenwire_conformance.judging.case import Case
from tokenwire_conformance.judging.judge import judge_all, select
from tokenwire_conformance.judging.verdict import Verdict
from tokenwire_conformance.reading.transcript import Transcript

KEY = "abcdefghij0123456789klmnop"
REQUEST = f"GET / HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\nAuthorization: Bearer {KEY}\r\n\r\n"


@pytest.mark.parametrize(
    ("response", "verdict"),
    [
        (f"Set-Cookie: session={'0123456789' * 6}\r\nContent-Length: 2\r\n\r\nok", Verdict.PASS),
        (f"X-Echo: {KEY}\r\nContent-Length: 2\r\n\r\nok", Verdict.FAIL),
        (f"Content-Length: 26\r\n\r\n{KEY}", Verdict.FAIL),
    ],
)
def test_a_cookie_that_was_masked_is_not_taken_for_the_key(response: str, verdict: Verdict) -> None:
    redactor = Redactor([KEY])
    entries = [Entry(0, ">", REQUEST.encode()), Entry(1, "<", b"HTTP/1.1 200 OK\r\n" + response.encode())]
    kept = [each for entry in entries for each in redactor.feed(entry)] + redactor.flush()
    checks = select(["auth.key-not-echoed"], [], passive_only=True)
    assert [result.verdict for result in judge_all(Case([Transcript("t", Recording({}, kept))]), checks)] == [verdict]

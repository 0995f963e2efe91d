"""The gate: an endpoint that does not answer the plain question gets no verdict that rests on its answer."""

from __future__ import annotations

import json
import re

import pytest

from tokenwire.dialects import dialect_named
from tokenwire.errors import ConnectionFailed
from tokenwire.protocol.url import parse_url
from tokenwire.session import endpoint_url
from tokenwire_conformance.judging.judge import judge_run, select
from tokenwire_conformance.judging.judged import Run
from tokenwire_conformance.judging.registry import Ground
from tokenwire_conformance.judging.verdict import Verdict
from tokenwire_conformance.matrix import EXAMINED
from tokenwire_conformance.probes.talk import Plan, Transport
from tokenwire_conformance.run import choose_probes, make_probes

JUDGED = {Verdict.PASS, Verdict.FAIL, Verdict.WARN}

#: What may judge without an answer to the plain question. A check that joins it needs one response and nothing else.
ALONE = {
    "http.status-line", "http.header-syntax", "http.framing-unambiguous", "http.chunk-syntax", "http.chunk-terminator",
    "http.chunk-ext-trailers", "http.bytes-after-message", "http.date", "http.coding-decodes",
    "http.no-body-1xx-204", "http.chunked-once", "http.trailer-fields", "http.content-type",
    "err.no-leak", "err.retry-after", "err.request-id",
}  # fmt: skip


class OneAnswerWire:
    """An endpoint that answers the same to everything and then ends the connection, or is silent (None)."""

    def __init__(self, answer: bytes | None) -> None:
        self._answer = answer
        self._pending: list[bytes] = []
        self.clock = 0.0
        self.connections = 0

    def now(self) -> float:
        return self.clock

    def connect(self) -> None:
        self.connections += 1
        self._pending = []

    def send(self, data: bytes) -> bool:
        if self._answer is not None:
            self._pending += [self._answer, b""]
        return True

    def receive(self, timeout: float) -> bytes | None:
        if self._pending:
            return self._pending.pop(0)
        self.clock += timeout
        return None

    def sleep(self, seconds: float) -> None:
        self.clock += seconds

    def drain(self) -> bool:
        return False

    def close(self) -> None: ...


class NoWire(OneAnswerWire):
    """Nobody is there."""

    def connect(self) -> None:
        raise ConnectionFailed("endpoint.test:80 refused the connection: does a server listen there?", phase="connect")


def http(status: str, body: bytes = b"", *fields: str, kind: str = "application/json") -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *fields, "", ""]
    return "\r\n".join(head).encode() + body


PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><form></form></body></html>"
ERROR = b'{"error": {"message": "%s", "type": "t", "code": null}}'

#: What an endpoint says to everything, the exit code, and what the headline must say and advise.
SAID: dict[str, tuple[bytes | None, int, str]] = {
    "401": (http("401 Unauthorized", ERROR % b"no such key"), 5, "401.*--key-env"),
    "403": (http("403 Forbidden", ERROR % b"not for you"), 5, "403.*--key-env"),
    "404": (http("404 Not Found", b"404 page not found", kind="text/plain"), 5, "404.*path.*--model"),
    "405": (http("405 Method Not Allowed", b"", "Allow: PUT"), 5, "405.*path"),
    "429": (http("429 Too Many Requests", ERROR % b"slow down"), 5, "429: slow down.*--delay"),
    "429 with Retry-After": (http("429 Slow", b"", "Retry-After: 3600"), 5, "429.*After: 3600.*--patience"),
    "301": (http("301 Moved", b"", "Location: https://other.test/v1/x"), 5, "301.*https://other.test/v1/x: give that"),
    "302": (http("302 Found", b"", "Location: /login"), 5, "302.*://endpoint.test/login: give that"),
    "400": (http("400 Bad Request", ERROR % b"unknown field"), 5, "400: unknown field.*--dialect"),
    "an embedding model": (http("400 Bad", ERROR % b"m is an embedding model"), 5, "400.*name another with --model"),
    "another model": (http("404 Not Found", ERROR % b"The model m does not exist"), 5, "does not exist.*--model"),
    "words of FastAPI": (http("404 Not Found", b'{"detail": "Not Found"}'), 5, "404: Not Found.*path"),
    "500": (http("500 Oops", b"oops", kind="text/plain"), 5, "500: oops.*its log"),
    "502": (http("502 Bad Gateway", PAGE, kind="text/html"), 5, "502.*gateway.*behind it is away"),
    "503": (http("503 Unavailable", ERROR % b"loading"), 5, "503: loading.*its log.*loads its model"),
    "an error as an event": (
        http("500 Oops", b"data: %s\n\ndata: [DONE]\n\n" % (ERROR % b"no start"), kind="text/event-stream"),
        5,
        r"500: no start\. The fault",
    ),
    "a login page": (http("200 OK", PAGE, kind="text/html"), 5, "HTML page.*login stands before it"),
    "a page of another type": (http("200 OK", PAGE, kind="text/event-stream"), 5, "HTML page"),
    "an empty 200": (http("200 OK", kind="text/event-stream"), 5, "200"),
    "a 204": (b"HTTP/1.1 204 No Content\r\n\r\n", 5, "204"),
    "other JSON": (http("200 OK", b'{"status": "ok", "version": 3}'), 5, "200.*(application/json|no WebSocket)"),
    "a list": (http("200 OK", b"[1, 2]"), 5, "200"),
    "an error in a 200": (http("200 OK", ERROR % b"no such thing"), 5, "200"),
    "silence": (None, 3, "did not answer"),
    "closing at once": (b"", 3, "without a word"),
    "a cut head": (b"HTTP/1.1 200 OK\r\nContent-", 6, "within its head"),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n", 6, "no HTTP.*SSH-2.0"),
    "a TLS alert": (b"\x15\x03\x01\x00\x02\x02\x46", 6, "speaks TLS.*https"),
}


def plan_for(dialect: str, transport: Transport, *, key: str | None = None, model: str = "m") -> Plan:
    named = dialect_named(dialect)
    websocket = transport == "websocket"
    url = endpoint_url(f"{'ws' if websocket else 'http'}://endpoint.test", named, {"model": model or "unknown"})
    return Plan(parse_url(url, websocket=websocket), named, model, key)


def run_against(wire: OneAnswerWire, plan: Plan, transport: Transport) -> Run:
    checks = select()
    probes = choose_probes(plan.dialect.name, checks, given=("key",), transport=transport)
    return judge_run(make_probes(probes, plan, lambda: wire), checks)


def test_what_stands_alone_is_declared() -> None:
    alone = {check.id: check for check in select() if check.rests_on is Ground.RESPONSE}
    assert set(alone) == ALONE
    assert {check.group for check in alone.values()} == {"http", "err"}
    assert not any(check.probes for check in alone.values())


@pytest.mark.parametrize(("dialect", "transport"), EXAMINED)
@pytest.mark.parametrize("said", SAID)
def test_one_answer_to_everything_is_told_once_and_judged_by_nothing_that_rests_on_another(
    said: str, dialect: str, transport: Transport
) -> None:
    answer, code, headline = SAID[said]
    wire = OneAnswerWire(answer)
    run = run_against(wire, plan_for(dialect, transport), transport)
    assert run.exit_code == code
    assert re.search(headline if dialect != "eventsource" else headline.partition(".*")[0], run.headline or "")
    explained = transport == "http/1.1" and said in ("401", "403")  # where the key belongs is asked once more
    assert wire.connections == 1 + explained
    assert {result.id for result in run.results if result.verdict in JUDGED} <= ALONE
    assert not [result.id for result in run.results if result.verdict is Verdict.NOT_APPLICABLE]
    assert {result.message for result in run.results if result.verdict is Verdict.INCONCLUSIVE} == {
        "the plain question was not answered"
    }


def test_no_connection_at_all_is_told() -> None:
    run = run_against(NoWire(None), plan_for("openai-chat", "http/1.1"), "http/1.1")
    assert (run.exit_code, run.headline) == (3, "endpoint.test:80 refused the connection: does a server listen there?")
    assert {result.verdict for result in run.results} == {Verdict.INCONCLUSIVE}


@pytest.mark.parametrize(
    ("key", "model", "status", "words"),
    [
        (None, "m", "401 Unauthorized", "Give a key with --key-env NAME"),
        ("a-key-that-is-long", "m", "401 Unauthorized", "sent in Authorization: is it the right one .*--key-header"),
        (None, "", "404 Not Found", "is the path right.* lists no model, so none was named: name a model with --model"),
        (None, "text-embedding-3", "400 Bad Request", "'text-embedding-3' seems to be an embedding model"),
    ],
)
def test_the_advice_depends_on_what_was_given(key: str | None, model: str, status: str, words: str) -> None:
    plan = plan_for("openai-chat", "http/1.1", key=key, model=model)
    run = run_against(OneAnswerWire(http(status, ERROR % b"no")), plan, "http/1.1")
    assert re.search(words, run.headline or "")


#: What comes behind a granted handshake, the exit code, and what the headline says.
BEHIND: dict[str, tuple[bytes, int, str]] = {
    "a close": (b"\x88\x09\x03\xf0bad key", 5, "closed before an answer, with 1008 bad key.*--key-env"),
    "an end": (b"", 5, "ended before an answer"),
    "an error": (b'\x81\x26{"type":"error","message":"bad model"}', 5, "error: .*bad model.*--model"),
}


@pytest.mark.parametrize("behind", BEHIND)
def test_a_websocket_that_is_granted_and_not_answered_is_a_refusal(behind: str) -> None:
    frames, code, words = BEHIND[behind]
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    run = run_against(OneAnswerWire(head + frames), plan_for("holysheep", "websocket"), "websocket")
    assert run.exit_code == code
    assert re.search(words, run.headline or "")


@pytest.mark.parametrize(
    "headline",
    ["\x1b[31mred\x1b[0m", "a\nb", "\u202eabc"],
)
def test_a_headline_is_one_harmless_line(headline: str) -> None:
    body = json.dumps({"error": {"message": headline}}).encode()
    run = run_against(OneAnswerWire(http("500 No", body)), plan_for("openai-chat", "http/1.1"), "http/1.1")
    assert (run.headline or "").isprintable()

"""The checks of WebSocket handshakes on answers made by hand."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hand_made import answer, handshake, verdict

from tokenwire_conformance.probes.socket_talk import frame
from tokenwire_conformance.reading.frames import CLOSE
from tokenwire_conformance.reading.transcript import Transcript

GRANTED = handshake()
REFUSED = handshake(status=401, body=b'{"error": {"message": "no"}}')

Fields = Mapping[str, str | None]


def closed(code: int) -> tuple[str, bytes]:
    return "<", frame(CLOSE, code.to_bytes(2, "big"), masked=False)


# (check, fields of the request, fields of the 101, verdict)
GRANTS: list[tuple[str, Fields, Fields, str]] = [
    ("wsh.accept", {}, {}, "PASS"),
    ("wsh.accept", {}, {"Sec-WebSocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xO0="}, "FAIL"),
    ("wsh.accept", {}, {"Sec-WebSocket-Accept": None}, "FAIL"),
    ("wsh.accept", {"Sec-WebSocket-Key": "c2hvcnQ="}, {}, "NOT-APPLICABLE"),
    ("wsh.upgrade-headers", {}, {}, "PASS"),
    ("wsh.upgrade-headers", {}, {"Upgrade": "WebSocket", "Connection": "keep-alive, upgrade"}, "PASS"),
    ("wsh.upgrade-headers", {}, {"Upgrade": None}, "FAIL"),
    ("wsh.upgrade-headers", {}, {"Connection": "keep-alive"}, "FAIL"),
    ("wsh.subprotocol", {}, {}, "PASS"),
    ("wsh.subprotocol", {}, {"Sec-WebSocket-Protocol": "chat"}, "FAIL"),
    ("wsh.subprotocol", {}, {"Sec-WebSocket-Protocol": ""}, "FAIL"),
    ("wsh.subprotocol", {"Sec-WebSocket-Protocol": "a, b"}, {}, "PASS"),
    ("wsh.subprotocol", {"Sec-WebSocket-Protocol": "a, b"}, {"Sec-WebSocket-Protocol": "b"}, "PASS"),
    ("wsh.subprotocol", {"Sec-WebSocket-Protocol": "a, b"}, {"Sec-WebSocket-Protocol": "a, b"}, "FAIL"),
    ("wsh.subprotocol", {"Sec-WebSocket-Protocol": "a, b"}, {"Sec-WebSocket-Protocol": "A"}, "FAIL"),
    ("http.no-body-1xx-204", {}, {}, "PASS"),
    ("http.no-body-1xx-204", {}, {"Content-Length": "0"}, "FAIL"),
    ("http.bytes-after-message", {}, {}, "NOT-APPLICABLE"),
    ("http.date", {}, {}, "NOT-APPLICABLE"),
    ("http.coding-negotiated", {"Accept-Encoding": "identity"}, {}, "NOT-APPLICABLE"),
]


@pytest.mark.parametrize(("check", "ask", "fields", "wanted"), GRANTS)
def test_a_101(check: str, ask: Fields, fields: Fields, wanted: str) -> None:
    assert verdict(check, handshake(ask=ask, fields=fields)).verdict == wanted


# (check, the answer to its handshake, verdict)
ANSWERS: list[tuple[str, Transcript, str]] = [
    ("wsh.version", handshake("ws-version-12", status=426, fields={"Sec-WebSocket-Version": "8, 13"}), "PASS"),
    ("wsh.version", handshake("ws-version-12", status=400), "FAIL"),
    ("wsh.version", handshake("ws-version-12", status=500, fields={"Sec-WebSocket-Version": "13"}), "FAIL"),
    ("wsh.version", handshake("ws-version-12"), "FAIL"),
    ("wsh.method", handshake("ws-post", status=405), "PASS"),
    ("wsh.method", handshake("ws-post", status=200), "PASS"),
    ("wsh.method", handshake("ws-post"), "FAIL"),
    ("wsh.method", handshake("ws-post", status=0, end="eof"), "PASS"),
    ("wsh.method", handshake("ws-post", status=0, end="reset"), "PASS"),
    ("wsh.method", handshake("ws-post", status=0), "INCONCLUSIVE"),
    ("wsh.http10", handshake("ws-http10", status=200), "PASS"),
    ("wsh.http10", handshake("ws-http10"), "FAIL"),
    ("wsh.token-case", handshake("ws-token-case"), "PASS"),
    ("wsh.token-case", handshake("ws-token-case", status=400), "FAIL"),
    ("wsh.token-case", handshake("ws-token-case", status=0, end="eof"), "FAIL"),
    ("wsh.token-case", handshake("ws-token-case", status=429), "INCONCLUSIVE"),
    ("wsh.extension", handshake("ws-extension-lines"), "PASS"),
    ("wsh.extension", handshake("ws-extension-lines", status=400), "FAIL"),
    (
        "wsh.extension",
        handshake(
            "ws-extension-lines",
            ask={"Sec-WebSocket-Extensions": "x-unknown", "sec-websocket-extensions": "permessage-deflate"},
            fields={"Sec-WebSocket-Extensions": "permessage-deflate"},
        ),
        "PASS",
    ),
    (
        "wsh.extension",
        handshake("ws-extension-lines", fields={"Sec-WebSocket-Extensions": "permessage-deflate"}),
        "FAIL",
    ),
    ("wsh.bad-extension", handshake("ws-bad-extension", status=400), "PASS"),
    ("wsh.bad-extension", handshake("ws-bad-extension"), "FAIL"),
    ("wsh.bad-extension", handshake("ws-bad-extension", closed(1010)), "PASS"),
    ("wsh.bad-extension", handshake("ws-bad-extension", end="eof"), "PASS"),
    ("wsh.no-plain-200", handshake("ws-unknown-path", status=404), "PASS"),
    ("wsh.no-plain-200", handshake("ws-unknown-path", status=302), "PASS"),
    ("wsh.no-plain-200", handshake("ws-unknown-path"), "PASS"),
    ("wsh.no-plain-200", handshake("ws-unknown-path", closed(4404)), "FAIL"),
    ("wsh.no-plain-200", handshake("ws-unknown-path", status=200), "FAIL"),
    ("wsh.no-plain-200", handshake("ws-bad-extension", status=200), "FAIL"),
    ("wsh.no-plain-200", handshake("ws-no-upgrade", status=200), "PASS"),
    ("wsh.reject-envelope", handshake("ws-unknown-path", status=404, body=b'{"detail": "Not Found"}'), "PASS"),
    ("wsh.reject-envelope", handshake("ws-unknown-path", status=404, body=b"<h1>Not Found</h1>"), "WARN"),
    ("wsh.reject-envelope", handshake("ws-unknown-path", status=403), "WARN"),
    ("wsh.reject-envelope", handshake("ws-unknown-path"), "NOT-APPLICABLE"),
    ("wsh.426-upgrade", handshake("ws-version-12", status=426, fields={"Upgrade": "WebSocket, h2c"}), "PASS"),
    ("wsh.426-upgrade", handshake("ws-version-12", status=426, fields={"Upgrade": "h2c"}), "FAIL"),
    ("wsh.426-upgrade", handshake("ws-version-12", status=426), "FAIL"),
    ("wsh.426-upgrade", handshake("ws-version-12", status=400), "NOT-APPLICABLE"),
]


@pytest.mark.parametrize(("check", "answered", "wanted"), ANSWERS)
def test_an_answer_to_an_odd_handshake(check: str, answered: Transcript, wanted: str) -> None:
    assert verdict(check, GRANTED, answered).verdict == wanted


@pytest.mark.parametrize(
    ("check", "probe"),
    [
        ("wsh.version", "ws-version-12"),
        ("wsh.method", "ws-post"),
        ("wsh.token-case", "ws-token-case"),
        ("wsh.bad-extension", "ws-bad-extension"),
        ("wsh.no-plain-200", "ws-unknown-path"),
        ("wsh.origin", "ws-origin"),
    ],
)
def test_where_the_plain_handshake_is_refused_the_refusal_of_another_tells_nothing(check: str, probe: str) -> None:
    assert verdict(check, REFUSED, handshake(probe, status=401)).verdict == "INCONCLUSIVE"


def test_an_echo_server_has_no_form_for_its_errors() -> None:
    refused = handshake("ws-unknown-path", status=404, body=b"Not Found", dialect="raw")
    assert verdict("wsh.reject-envelope", handshake(dialect="raw"), refused).verdict == "NOT-APPLICABLE"


def test_the_wrong_accept_is_shown_where_it_stands() -> None:
    result = verdict("wsh.accept", handshake(fields={"Sec-WebSocket-Accept": "no"}))
    (evidence,) = result.evidence
    assert evidence.data.startswith(b"Sec-WebSocket-Accept: no\r\n")
    assert "'no', but the key 'dGhlIHNhbXBsZSBub25jZQ==' makes 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='" in result.message


# (status of the handshake of a foreign page, fields of the answer to its preflight, verdict)
ORIGINS: list[tuple[int, Fields, str]] = [
    (403, {"Access-Control-Allow-Origin": "https://app.test"}, "PASS"),
    (101, {"Access-Control-Allow-Origin": "*"}, "PASS"),
    (101, {"Access-Control-Allow-Origin": "http://page.test"}, "PASS"),
    (101, {"Access-Control-Allow-Origin": "https://app.test"}, "WARN"),
    # Starlette's answer to an origin that is not on its list.
    (101, {"Access-Control-Allow-Methods": "GET", "Access-Control-Max-Age": "600"}, "WARN"),
    (101, {"Allow": "GET"}, "NOT-APPLICABLE"),
    (503, {"Access-Control-Allow-Origin": "https://app.test"}, "INCONCLUSIVE"),
]


@pytest.mark.parametrize(("status", "preflight", "wanted"), ORIGINS)
def test_a_page_that_may_not_ask_over_http_may_not_over_websocket(status: int, preflight: Fields, wanted: str) -> None:
    asked = handshake("ws-preflight", status=200, fields=preflight)
    assert verdict("wsh.origin", GRANTED, handshake("ws-origin", status=status), asked).verdict == wanted


# Keys.

KEY = {"Authorization": "Bearer a-key-of-some-length"}
WITH_KEY = handshake(ask=KEY)
NO_KEY = handshake("ws-no-key", status=401)


@pytest.mark.parametrize(
    ("wrong", "wanted"),
    [
        (handshake("ws-wrong-key", status=401), "PASS"),
        (handshake("ws-wrong-key", status=0, end="reset"), "PASS"),
        (handshake("ws-wrong-key", closed(1008)), "PASS"),
        (handshake("ws-wrong-key", closed(3000)), "PASS"),
        (handshake("ws-wrong-key", closed(4401)), "PASS"),
        (handshake("ws-wrong-key", closed(1000)), "WARN"),
        (handshake("ws-wrong-key", end="eof"), "WARN"),
        (handshake("ws-wrong-key"), "WARN"),
    ],
)
def test_a_wrong_key_gets_no_websocket_that_lasts(wrong: Transcript, wanted: str) -> None:
    assert verdict("auth.ws-before-101", WITH_KEY, NO_KEY, wrong).verdict == wanted


def test_without_a_key_nobody_can_be_asked_to_want_one() -> None:
    assert verdict("auth.ws-before-101", GRANTED, handshake("ws-no-key")).verdict == "NOT-APPLICABLE"


def test_a_key_in_the_authorization_field_is_enough_for_a_websocket() -> None:
    assert verdict("auth.no-query-token", WITH_KEY).verdict == "PASS"
    assert verdict("auth.no-query-token", handshake(ask=KEY, status=401)).verdict == "INCONCLUSIVE"
    assert verdict("auth.no-query-token", GRANTED, answer(b"", get="/")).verdict == "NOT-APPLICABLE"


def test_a_key_that_is_said_on_a_websocket_is_found() -> None:
    said = ("<", frame(0x1, b'{"debug": "a-key-of-some-length"}', masked=False))
    result = verdict("auth.key-not-echoed", handshake("ws-answer", said, ask=KEY))
    assert result.verdict == "FAIL"
    assert result.evidence[0].data == b'a-key-of-some-length"}'
    assert verdict("auth.key-not-echoed", WITH_KEY).verdict == "PASS"


def test_frames_are_not_read_as_requests() -> None:
    said = frame(0x1, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", masked=False)
    transcript = handshake("ws-answer", (">", said))
    assert [request.target for request in transcript.requests] == ["/v1/chat/stream"]

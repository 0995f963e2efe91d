"""A refusal counts as one only where what is wrong decided it, and a pass only where enough was looked at."""

from __future__ import annotations

import pytest
from hand_made import answer, choice, chunk, events, verdict

from tokenwire.dialects import dialect_named
from tokenwire.protocol.url import parse_url
from tokenwire.recording import Entry, Recording
from tokenwire.recording.captures import Capture, Layer
from tokenwire_conformance.judging.verdict import Verdict
from tokenwire_conformance.probes.limits import MOST_WAITED, MOST_WAITED_IN_ALL, Waits
from tokenwire_conformance.probes.talk import Plan, all_probes, run_probe
from tokenwire_conformance.reading.transcript import Transcript

SOUND = answer(events(chunk(choice("hi", "stop")), "[DONE]"))
REFUSAL = '{"error": {"message": "no", "type": "t", "code": "c"}}'

#: Each check that takes a refusal for an answer to what is wrong, and the probe that is refused.
REFUSED = [
    ("err.prestream-status", "bad-json"),
    ("err.prestream-envelope", "bad-json"),
    ("err.unknown-model", "unknown-model"),
    ("err.context-overflow", "overflow"),
    ("err.media-type-415", "media-type"),
    ("err.body-limit-413", "huge-body"),
    ("anth.version-header", "no-version"),
    ("http.space-colon-400", "space-colon"),
    ("http.te-not-final-400", "te-not-final"),
]


def refused(probe: str, status: int, body: str = REFUSAL) -> Transcript:
    return answer(body, probe, status=status, content_type="application/json")


@pytest.mark.parametrize("status", [401, 403, 407, 429, 502, 503, 504, 529])
@pytest.mark.parametrize(("check", "probe"), REFUSED)
def test_who_asks_and_how_often_say_nothing_of_what_is_asked(check: str, probe: str, status: int) -> None:
    result = verdict(check, SOUND, refused(probe, status))
    assert result.verdict == "INCONCLUSIVE", result.message
    assert str(status) in result.message


@pytest.mark.parametrize("status", [400, 404, 500])
@pytest.mark.parametrize("check", ["err.prestream-status", "err.prestream-envelope"])
def test_what_the_plain_question_is_refused_with_says_nothing_of_what_is_wrong(check: str, status: int) -> None:
    assert verdict(check, refused("stream", status), refused("bad-json", status)).verdict == "INCONCLUSIVE"


def test_one_refusal_for_another_reason_does_not_hide_the_others() -> None:
    busy, bare = refused("bad-json", 429), refused("unknown-model", 404, "{}")
    result = verdict("err.prestream-envelope", SOUND, busy, bare)
    assert result.verdict == "FAIL"
    assert "unknown-model" in result.message


def test_a_server_that_fails_at_bad_json_has_not_refused_it() -> None:
    assert verdict("err.prestream-status", SOUND, refused("bad-json", 500)).verdict == "FAIL"
    assert verdict("err.prestream-envelope", SOUND, refused("bad-json", 500, "oh")).verdict == "NOT-APPLICABLE"


def test_an_unknown_model_that_is_answered_is_one_finding_and_no_breach_of_a_must() -> None:
    taken = [SOUND, answer(events(chunk(choice("hi", "stop")), "[DONE]"), "unknown-model"), refused("bad-json", 400)]
    assert verdict("err.unknown-model", *taken).verdict == "WARN"
    assert verdict("err.prestream-status", *taken).verdict == "PASS"


@pytest.mark.parametrize(("check", "probe"), [("auth.missing-401", "no-key"), ("auth.scheme-case", "bearer-lower")])
def test_a_server_that_is_busy_says_nothing_of_keys(check: str, probe: str) -> None:
    assert verdict(check, keyed("stream"), keyed("whole"), refused(probe, 429)).verdict == "INCONCLUSIVE"


@pytest.mark.parametrize("status", [401, 403, 404, 405, 406, 407, 411, 415, 417])
def test_a_body_that_is_refused_before_its_length_is_looked_at_needs_no_413(status: int) -> None:
    assert verdict("err.body-limit-413", SOUND, refused("huge-body", status)).verdict == "INCONCLUSIVE"
    assert verdict("err.body-limit-413", SOUND, refused("huge-body", 400)).verdict == "WARN"


# Bytes that no helper writes.


def exchange(name: str, request: str, *responses: str, times: tuple[float, ...] = (), end: float = 9.0) -> Transcript:
    """A request, and what came at which time. The connection stays open."""
    whens = times or tuple(0.2 + n / 10 for n in range(len(responses)))
    entries = [Entry(0.0, "connected"), Entry(0.1, ">", request.encode())]
    entries += [Entry(when, "<", said.encode()) for when, said in zip(whens, responses, strict=True)]
    return Transcript(name, Recording({}, [*entries, Entry(end, "left open")]))


def keyed(name: str) -> Transcript:
    body = '{"stream":true}'
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer the-right-key\r\n"
    head += f"Content-Length: {len(body)}"
    return exchange(name, f"{head}\r\n\r\n{body}", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


GET = "GET /v1/models HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    "name",
    ["x-request-id", "request-id", "X-Amzn-RequestId", "CF-RAY", "x-goog-request-id", "openai-request-id",
     "anthropic-request-id", "apim-request-id", "x-ms-request-id", "X-Correlation-ID", "x-cloud-trace-context",
     "traceparent", "x-trace-id", "x-vercel-id", "X-Amz-Cf-Id", "x-litellm-request-id",
     "x-litellm-call-id"],
)  # fmt: skip
def test_a_request_id_has_many_names(name: str) -> None:
    told = exchange("stream", GET + "\r\n", f"HTTP/1.1 200 OK\r\n{name}: abc\r\nContent-Length: 0\r\n\r\n")
    assert verdict("err.request-id", told).verdict == "PASS"


@pytest.mark.parametrize("name", ["x-ratelimit-limit-requests", "x-api-id", "etag", "openai-organization"])
def test_what_names_no_request_is_no_request_id(name: str) -> None:
    told = exchange("stream", GET + "\r\n", f"HTTP/1.1 200 OK\r\n{name}: abc\r\nContent-Length: 0\r\n\r\n")
    assert verdict("err.request-id", told).verdict == "INFO"


MALFORMED = [
    "GET /v1/models HTTP/1.1\r\n\r\n",
    GET + "host: y\r\n\r\n",
    "GET /v1/models HTTP/1.1\r\nHost: not a/host\r\n\r\n",
    GET + "Content-Length: 12abc\r\n\r\n",
    GET + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
    GET + "Transfer-Encoding: gzip\r\n\r\n",
    GET + "X-Odd : a blank\r\n\r\n",
]
BARE_400 = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize("request_", MALFORMED)
def test_the_date_of_a_parsers_own_400_is_a_check_of_its_own(request_: str) -> None:
    told = exchange("any", request_, BARE_400)
    assert verdict("http.date", told).verdict == "NOT-APPLICABLE"
    assert verdict("http.date-on-malformed", told).verdict == "WARN"


@pytest.mark.parametrize("status", [400, 404, 408])
def test_the_date_of_a_refusal_is_not_judged_where_its_request_is_not_known(status: int) -> None:
    recording = Recording({}, [Entry(0.2, "<", f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode())])
    capture = Capture("curl -i", recording, {Layer.REQUEST: "it was not kept"})
    told = Transcript.of("any", capture)
    assert verdict("http.date", told).verdict == "NOT-APPLICABLE"
    assert verdict("http.date-on-malformed", told).verdict == "NOT-APPLICABLE"


def test_the_date_of_an_answer_must_be_there_also_where_its_request_is_not_known() -> None:
    recording = Recording({}, [Entry(0.2, "<", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")])
    told = Transcript.of("any", Capture("curl -i", recording, {Layer.REQUEST: "it was not kept"}))
    assert verdict("http.date", told).verdict == "FAIL"


@pytest.mark.parametrize("host", ["x", "x:80", "[::1]:8080", "a.b-c.example"])
def test_a_400_to_a_sound_request_must_have_a_date(host: str) -> None:
    told = exchange("any", f"GET / HTTP/1.1\r\nHost: {host}\r\nX-More: y\r\n\r\n", BARE_400)
    assert verdict("http.date", told).verdict == "FAIL"
    assert verdict("http.date-on-malformed", told).verdict == "NOT-APPLICABLE"


CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("size", ["3  ", "3\t", "3 ;a=b", "0003 ", "3;a=b "])
def test_no_blank_pads_the_size_of_a_chunk(size: str) -> None:
    told = exchange("stream", GET + "\r\n", f"{CHUNKED}{size}\r\nabc\r\n0\r\n\r\n")
    wanted = "PASS" if size == "3;a=b " else "FAIL"
    assert verdict("http.chunk-syntax", told).verdict == wanted


@pytest.mark.parametrize("size", ["3", "0003", "3;a=b", '3;a="b c"'])
def test_a_chunk_size_by_the_grammar_passes(size: str) -> None:
    told = exchange("stream", GET + "\r\n", f"{CHUNKED}{size}\r\nabc\r\n0\r\n\r\n")
    assert verdict("http.chunk-syntax", told).verdict == "PASS"


# Waiting.

SMUGGLED = GET + "\r\n"
REFUSED_BODY = f"POST /v1/no-such-path HTTP/1.1\r\nHost: x\r\nContent-Length: {len(SMUGGLED)}\r\n\r\n{SMUGGLED}"
NOT_FOUND = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
SLOW = exchange("stream", GET + "\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", times=(7.1,))


def test_a_wait_that_its_limit_cut_short_is_no_pass() -> None:
    short = exchange("unread-body", REFUSED_BODY, NOT_FOUND, end=5.2)
    result = verdict("http.unread-body", SLOW, short)
    assert result.verdict == "INCONCLUSIVE"
    assert "could wait 5.0 s, and the endpoint was seen to need 7.0 s" in result.message


def test_a_wait_that_was_long_enough_is_one() -> None:
    long = exchange("unread-body", REFUSED_BODY, NOT_FOUND, end=7.3)
    assert verdict("http.unread-body", SLOW, long).verdict == "PASS"


def test_what_was_slow_only_afterwards_did_not_shorten_the_wait() -> None:
    short = exchange("unread-body", REFUSED_BODY, NOT_FOUND, end=5.2)
    assert verdict("http.unread-body", short, SLOW).verdict == "PASS"


def test_a_smuggled_request_is_one_finding() -> None:
    told = exchange("unread-body", REFUSED_BODY, NOT_FOUND, NOT_FOUND, times=(0.2, 1.4))
    assert verdict("http.unread-body", told).verdict == "FAIL"
    assert verdict("http.bytes-after-message", told).verdict == "PASS"


@pytest.mark.parametrize("name", ["stream", "a-recording.wire.jsonl", "unread-body.wire.jsonl"])
def test_an_answer_to_a_request_that_was_smuggled_in_is_told_in_any_recording(name: str) -> None:
    told = exchange(name, REFUSED_BODY, NOT_FOUND, NOT_FOUND)
    assert verdict("http.bytes-after-message", told).verdict == "FAIL"


@pytest.mark.parametrize("follows", ["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP", "oh no", "\r\n"])
@pytest.mark.parametrize("status", [200, 404])
def test_what_follows_an_answer_is_told_by_one_check(status: int, follows: str) -> None:
    first = f"HTTP/1.1 {status} Any\r\nContent-Length: 0\r\n\r\n"
    told = exchange("unread-body", REFUSED_BODY, first, follows)
    verdicts = [verdict(check, told).verdict for check in ("http.unread-body", "http.bytes-after-message")]
    assert verdicts.count(Verdict.FAIL) == 1


def test_a_pace_has_two_limits_and_a_floor() -> None:
    pace = Waits()
    assert pace.wait(2.0) == 2.0
    pace.learn(SLOW)
    assert pace.needed == pytest.approx(7.0)
    assert pace.wait(2.0) == MOST_WAITED
    pace.spend(MOST_WAITED_IN_ALL - 3.0)
    assert pace.wait(2.0) == 3.0
    pace.spend(3.0)
    assert pace.wait(2.0) == 2.0


class LateWire:
    """A server that answers everything late, and takes the body of what it refused for another request."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._clock = 0.0
        self._due: list[float] = []

    def now(self) -> float:
        return self._clock

    def connect(self) -> None:
        pass

    def send(self, data: bytes) -> bool:
        self._due += [self._clock + (n + 1) * self._delay for n in range(data.count(b" HTTP/1.1\r\n"))]
        return True

    def receive(self, timeout: float) -> bytes | None:
        until = self._clock + timeout
        if not self._due or self._due[0] > until:
            self._clock = until
            return None
        self._clock = self._due.pop(0)
        return NOT_FOUND.encode()

    def sleep(self, seconds: float) -> None:
        self._clock += seconds

    def drain(self) -> bool:
        return False

    def close(self) -> None:
        pass


@pytest.mark.parametrize("delay", [0.0, 0.5, 1.5, 4.5])
def test_a_smuggled_request_is_seen_however_slow_the_endpoint_is(delay: float) -> None:
    plan = Plan(parse_url("http://x/v1/chat/completions"), dialect_named("openai-chat"), "m")
    made = [run_probe(all_probes()[name], LateWire(delay), plan) for name in ("method", "unread-body")]
    assert verdict("http.unread-body", *made).verdict == "FAIL"


def test_a_server_too_slow_to_be_watched_gets_no_verdict() -> None:
    plan = Plan(parse_url("http://x/v1/chat/completions"), dialect_named("openai-chat"), "m")
    made = [run_probe(all_probes()[name], LateWire(6.0), plan) for name in ("method", "unread-body")]
    assert verdict("http.unread-body", *made).verdict == "INCONCLUSIVE"


# Keys.


@pytest.mark.parametrize("line", ["Authorization: Bearer ", "X-Api-Key: ", "Api-Key: ", "X-Goog-Api-Key: "])
def test_a_wrong_key_that_a_probe_sent_is_known_again_where_it_comes_back(line: str) -> None:
    dialect = {"X-Api-Key: ": "anthropic-messages", "X-Goog-Api-Key: ": "gemini"}.get(line, "openai-chat")
    plan = Plan(parse_url("http://x/v1/chat/completions"), dialect_named(dialect), "m", key="the-right-key")
    echo = "HTTP/1.1 401 No\r\nContent-Length: 26\r\n\r\nwrong-key-0123456789abcdef"

    class EchoWire(LateWire):
        def receive(self, timeout: float) -> bytes | None:
            return echo.encode() if super().receive(timeout) else None

    made = run_probe(all_probes()["wrong-key"], EchoWire(0.1), plan)
    assert b"wrong-key-0123456789abcdef" not in made.received + made.sent
    assert verdict("auth.key-not-echoed", made).verdict == "FAIL"


@pytest.mark.parametrize(
    "asked",
    ["GET /x?key=0123456789abcdef HTTP/1.1\r\nHost: x\r\n\r\n", GET + "Api-Key: 0123456789abcdef\r\n\r\n",
     GET + "X-Auth-Token: 0123456789abcdef\r\n\r\n",
     GET + "Authorization: Bearer the-token-of-a-gateway\r\nX-Api-Key: 0123456789abcdef\r\n\r\n",
     GET + "Authorization: Bearer the-first-of-two\r\nAuthorization: Bearer 0123456789abcdef\r\n\r\n",
     GET + "Api-Key: short\r\nX-Auth-Token: 0123456789abcdef\r\n\r\n"],
)  # fmt: skip
def test_a_key_is_looked_for_wherever_it_was_sent(asked: str) -> None:
    said = "HTTP/1.1 400 No\r\nContent-Length: 16\r\n\r\n0123456789abcdef"
    assert verdict("auth.key-not-echoed", exchange("any", asked, said)).verdict == "FAIL"


def test_a_key_that_is_refused_in_a_field_may_be_wrong() -> None:
    asked = GET + "Accept: text/event-stream\r\nAuthorization: Bearer 0123456789abcdef\r\n\r\n"
    refused_ = exchange("stream", asked, "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")
    by_url = "GET /v1/models?access_token=0123456789abcdef HTTP/1.1\r\nHost: x\r\n\r\n"
    assert verdict("auth.no-query-token", refused_).verdict == "INCONCLUSIVE"
    for said, wanted in (
        ("HTTP/1.1 200 OK", "WARN"),
        ("HTTP/1.1 204 OK", "WARN"),
        ("HTTP/1.1 302 Found", "INCONCLUSIVE"),
        ("HTTP/1.1 401 No", "INCONCLUSIVE"),
        ("HTTP/1.1 500 Oh", "INCONCLUSIVE"),
        ("garbage", "INCONCLUSIVE"),
    ):
        asked_by_url = exchange("query-key", by_url, f"{said}\r\nContent-Length: 0\r\n\r\n")
        assert verdict("auth.no-query-token", refused_, asked_by_url).verdict == wanted, said

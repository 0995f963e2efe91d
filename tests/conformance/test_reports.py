"""Reports as a person reads them, and what an endpoint told of its tokens."""

from __future__ import annotations

import html
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace

import pytest
from mortal import KEY

from tokenwire.dialects import dialect_named
from tokenwire.endpoint import ReferenceEndpoint, background
from tokenwire.protocol.url import parse_url
from tokenwire.recording import Entry, Recording
from tokenwire.recording.redaction import Redactor
from tokenwire.secrecy import Secrets
from tokenwire.secrecy.shown import harmless
from tokenwire_conformance.judging.case import Case
from tokenwire_conformance.judging.judge import judge_run
from tokenwire_conformance.judging.judged import Run
from tokenwire_conformance.judging.registry import catalogue
from tokenwire_conformance.judging.verdict import Evidence, Finding, Level, Result, Verdict
from tokenwire_conformance.page.report import as_html
from tokenwire_conformance.probes.asking import PROMPTED
from tokenwire_conformance.probes.reference import reference_plan
from tokenwire_conformance.probes.talk import Plan, all_probes, run_probe
from tokenwire_conformance.probes.wire import MemoryWire, SocketWire
from tokenwire_conformance.reading.transcript import Transcript
from tokenwire_conformance.reading.usage import tokens_told
from tokenwire_conformance.reports.json import as_json
from tokenwire_conformance.reports.junit import as_junit
from tokenwire_conformance.reports.markdown import as_markdown
from tokenwire_conformance.reports.questions import Questions, Variable
from tokenwire_conformance.reports.report import Report, place
from tokenwire_conformance.reports.text import as_text


def result(number: int, verdict: Verdict, message: str = "something is wrong") -> Result:
    evidence = Evidence("stream", 0, 0.1, b"HTTP/1.1 200 OK\r\n\r\n")
    findings = [Finding(message, evidence)] if verdict is Verdict.FAIL else []
    return Result(
        f"group.rule-with-a-long-name-{number}", Level.MUST, verdict, message, "RFC 1", "A rule.", "", findings
    )


@pytest.mark.parametrize("width", [40, 80, 132])
def test_no_id_is_broken_over_two_lines(width: int) -> None:
    run = Run([result(n, verdict) for n, verdict in enumerate([Verdict.FAIL, Verdict.INCONCLUSIVE] * 12)])
    lines = [text for text, _ in as_text(Report("http://host", run), width=width)]
    assert max(map(len, lines)) <= width
    words = {word.strip(",:") for line in lines for word in line.split()}
    assert {each.id for each in run.results} <= words


def test_the_gravest_findings_come_last() -> None:
    verdicts = (Verdict.FAIL, Verdict.WARN, Verdict.NOT_APPLICABLE, Verdict.INFO)
    run = Run([result(number, verdict) for number, verdict in enumerate(verdicts)])
    heads = [text.split()[0] for text, _ in as_text(Report("http://host", run)) if text[:1].isupper()]
    assert heads == ["INFO", "WARN", "FAIL"]


def test_evidence_shows_the_member_that_the_words_name() -> None:
    event = b'data: {"id": "' + b"x" * 600 + b'", "finish_reason": 7, "more": "' + b"y" * 300 + b'"}\n\n'
    shown = place(Finding("finish_reason is a number", Evidence("stream", 0, None, event)))
    assert '"finish_reason": 7' in shown
    assert len(shown) < 300


def test_what_is_wrong_in_several_streams_is_told_once_however_often_in_each() -> None:
    found = [Finding("no name", Evidence(name, 0, 0.1, b"data: 1\n\n"), times) for name, times in WRONG.items()]
    check = replace(catalogue()["sse.utf8"], judge=lambda _: found)
    run = judge_run(Case([]), [check])
    lines = [text.strip() for text, _ in as_text(Report("http://host", run))]
    assert [line for line in lines if "no name" in line] == ["FAIL          sse.utf8: no name (14 times)"]
    assert "The same in: usage, tools" in lines
    assert run.results[0].message == "no name (14 times)"


FORMS: dict[str, Callable[[Report], str]] = {
    "text": lambda report: "\n".join(text for text, _ in as_text(report)),
    "json": lambda report: as_json([report]),
    "junit": lambda report: as_junit([report]),
    "markdown": lambda report: as_markdown([report]),
    "page": lambda report: as_html([report]),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_says_what_a_person_asks(form: str) -> None:
    names = [f"probe-{number}" for number in range(20)]
    found = [Finding("it is wrong", Evidence(name, 0, 0.1, b"data: 1")) for name in names]
    one = replace(result(1, Verdict.FAIL), id="sse.json", often="3 of 20 answers", findings=found)
    told = FORMS[form](Report("http://host", Run([one, replace(one, expected="we bear it")], news=["sse.json is new"])))
    for words in ("it is wrong", "A rule.", "RFC 1", "3 of 20 answers", "we bear it", "sse.json is new", "data: 1"):
        assert words in html.unescape(told), words
    if form != "json":
        assert "and 7 more" in told


#: How often something is wrong, by probe.
WRONG = {"stream": 14, "usage": 15, "tools": 1}

CHAT = (
    b'{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},'
    b'"finish_reason":"stop"}],"usage":%s}'
)
MESSAGE = (
    b'{"type":"message","id":"m","role":"assistant","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn",'
    b'"usage":{"input_tokens":3,"output_tokens":4}}'
)


def whole(dialect: str, body: bytes) -> Transcript:
    request = b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    return Transcript(
        "whole", Recording({"dialect": dialect}, [Entry(0.0, ">", request), Entry(0.1, "<", head + body)])
    )


@pytest.mark.parametrize(
    ("dialect", "body", "tokens"),
    [
        ("openai-chat", CHAT % b'{"prompt_tokens":3,"total_tokens":5}', 5),
        ("openai-chat", CHAT % b"null", None),
        ("openai-chat", CHAT % b'{"total_tokens":"5"}', None),
        ("anthropic-messages", MESSAGE, 7),
        ("gemini", b'{"candidates":[],"usageMetadata":{"promptTokenCount":3,"totalTokenCount":9}}', 9),
        ("ollama", b'{"message":{"content":"x"},"done":true,"prompt_eval_count":2,"eval_count":4}\n', 6),
        ("openai-chat", b"<html>", None),
    ],
)
def test_tokens_are_those_that_were_told(dialect: str, body: bytes, tokens: int | None) -> None:
    assert tokens_told(whole(dialect, body)) == tokens


def _asked(request: bytes, **variables: Variable) -> str:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    made = Transcript("stream", Recording({}, [Entry(0.0, ">", request), Entry(0.1, "<", answer)]))
    return Questions("http://host:8", variables).again(made, Evidence("stream", 0, None, b""))


@pytest.mark.parametrize(
    ("accept", "said"), [("*/*", ""), ("text/event-stream", " -H 'Accept: text/event-stream'"), ("", "")]
)
def test_what_is_accepted_is_said_unless_it_is_anything(accept: str, said: str) -> None:
    field = f"Accept: {accept}\r\n" if accept else ""
    command = _asked(f"GET /events HTTP/1.1\r\nHost: host:8\r\n{field}\r\n".encode())
    assert command == f"curl -isN{said} http://host:8/events"


#: What curl sends without being told, and what it does by an option.
_CURLS = ("host", "user-agent", "content-length", "accept-encoding")

ASKED = [("eventsource", "events"), *((dialect, "stream") for dialect in PROMPTED)]
ASKED += [
    ("openai-chat", name) for name in ("gzip", "usage", "http10", "preflight", "wrong-key", "expect", "media-type")
]


@pytest.mark.parametrize(("dialect", "probe"), ASKED)
def test_the_command_has_every_field_of_the_question(dialect: str, probe: str) -> None:
    plan = reference_plan(dialect, "http/1.1", KEY)
    made = run_probe(all_probes()[probe], MemoryWire(ReferenceEndpoint(key=KEY)), plan)
    asked = made.requests[0]
    words = shlex.split(Questions(plan.target.url).again(made, Evidence(probe, 0, None, b"")))
    fields = {words[n + 1].partition(":")[0].lower() for n, word in enumerate(words) if word == "-H"}
    owed = {field.name for field in asked.fields if field.value != "*/*"} - {*_CURLS}
    assert fields == owed
    assert ("text/event-stream" in " ".join(words)) is (probe == "events")


def test_a_secret_is_a_variable_wherever_it_stands() -> None:
    request = b"GET /v1/models?key=[redacted][re&alt=sse HTTP/1.1\r\nHost: host:8\r\nX-Key: [redacted]\r\n\r\n"
    command = _asked(request, key=Variable("GEMINI_KEY"))
    assert '"http://host:8/v1/models?key=${GEMINI_KEY}&alt=sse"' in command
    assert '-H "X-Key: ${X_KEY}"' in command
    assert "redacted" not in command


@pytest.mark.parametrize("name", ["Authorization", "authorization"])
@pytest.mark.parametrize("key", ["x", "EMPTY", "a-longer-key", "a-key-that-is-long-enough"])
@pytest.mark.parametrize("odd", ["", "Transfer-Encoding: chunked\r\n"])
def test_the_scheme_of_the_key_is_sent_once(name: str, key: str, odd: str) -> None:
    sent = f"GET /v1/models HTTP/1.1\r\nHost: host:8\r\n{odd}{name}: Bearer {key}\r\n\r\n".encode()
    redactor = Redactor(Secrets.of_request(key=key, headers={name: f"Bearer {key}"}))
    kept = b"".join(entry.data for entry in [*redactor.feed(Entry(0.0, ">", sent)), *redactor.flush()])
    assert '"' + "authorization: bearer ${key}" + '"' in _asked(kept, authorization=Variable("key")).lower()
    whole = _asked(kept, authorization=Variable("all", whole=True))
    assert '"' + "authorization: ${all}" + '"' in whole.lower()
    assert whole.startswith("{ printf" if odd else "curl -isN")


def test_what_a_shell_would_obey_is_quoted() -> None:
    body = b'{"a": "$(rm -rf x) `id` \'b\'"}'
    head = b"POST /$HOME;x HTTP/1.1\r\nHost: host:8\r\nX-A: $HOME [redacted]\r\nContent-Length: %d\r\n\r\n" % len(body)
    printed = _asked(head + body).replace("curl -isN", "printf '%s\\n'")
    done = subprocess.run(["sh", "-c", printed], capture_output=True, check=True, env={"X_A": "k"}, timeout=20)
    assert body.decode() in done.stdout.decode()
    assert "X-A: $HOME k" in done.stdout.decode()
    assert "http://host:8/$HOME;x" in done.stdout.decode()


@pytest.mark.parametrize(
    "body",
    [
        b'5\r\n{"a":\r\n3\r\n 1}\r\n0\r\n\r\n',
        b"5\r\nGr\xc3\xbc\xc3\r\n1\r\n\x9f\r\n0\r\n\r\n",
        rb"a \n \\ \0101 %s %% $HOME 'quoted'",
        bytes(range(256)) + "\u2028\u202e\U0001f469\u200d\U0001f4bb".encode(),
    ],
)
def test_odd_bytes_come_out_of_the_printed_command_as_they_were_sent(body: bytes) -> None:
    request = b"POST /x HTTP/1.1\r\nHost: host:8\r\nTransfer-Encoding: chunked\r\n\r\n" + body
    command = _asked(request)
    assert harmless(command) == command
    printed = command.replace("sleep 5; ", "").replace("curl -sN telnet://host:8", "cat")
    assert subprocess.run(["sh", "-c", printed], capture_output=True, check=True, timeout=20).stdout == request


def test_a_body_that_nobody_would_copy_is_named() -> None:
    request = b"POST / HTTP/1.1\r\nHost: host:8\r\nContent-Length: 9000\r\n\r\n" + b"x" * 9000
    assert _asked(request) == "# a request with a body of 9,000 bytes, which --record-dir DIR keeps"


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_the_command_asks_again() -> None:
    with background(ReferenceEndpoint(key="a-key-that-is-long-enough").connection) as port:
        target = parse_url(f"http://127.0.0.1:{port}/v1/chat/completions")
        plan = Plan(target, dialect_named("openai-chat"), "tokenwire-reference", "a-key-that-is-long-enough")
        made = run_probe(all_probes()["stream"], SocketWire(target), plan)
        run = judge_run(Case([made]), [catalogue()["sse.utf8"]])
        assert run.results[0].verdict is Verdict.PASS
        asked = Questions(f"http://127.0.0.1:{port}", {"authorization": Variable("MY_KEY")})
        command = asked.again(made, Evidence("stream", 0, None, b""))
        environment = {"PATH": os.environ["PATH"], "MY_KEY": "a-key-that-is-long-enough"}
        done = subprocess.run(["sh", "-c", command], capture_output=True, check=True, env=environment, timeout=60)
    assert done.stdout.startswith(b"HTTP/1.1 200")
    assert b"data: [DONE]" in done.stdout

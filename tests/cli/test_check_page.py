"""`check --html` and `lint --html`: one page for a person, which nothing that an endpoint says can change."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from canary import CANARY, sings
from echoing import HTTP_WAYS
from paged import Page
from tokenwire.cli import main
from tokenwire.endpoint import ReferenceEndpoint, Seams, background
from tokenwire.recording import Entry, Recording, dump
from tokenwire.recording.captures import Capture, Layer
from tokenwire_conformance.faults import all_faults
from tokenwire_conformance.judging.judged import Course, Ended, Run
from tokenwire_conformance.judging.verdict import Evidence, Finding, Level, Result, Verdict
from tokenwire_conformance.page.report import as_html
from tokenwire_conformance.page.wire import ROWS, WIDE
from tokenwire_conformance.reading.transcript import Transcript
from tokenwire_conformance.reports.report import About, Report

REQUEST = b"GET /v1 HTTP/1.1\r\nHost: h\r\n\r\n"

#: What an endpoint may say to leave its place in a page, or to turn what stands in it.
HOSTILE = (
    "</script><script>alert(1)</script>",
    "</style></title></pre></code></details><h1>",
    "\"'><img src=x onerror=alert(1)>",
    "<!-- ]]> <![CDATA[",
    "&lt;b&gt; &#60;b&#62; &amp;",
    "\u202eturned\u2066\u200f",
    "\x00\x07\x1b[31m\x7f\x9b",
    "\ud800 lone",
    "javascript:alert(1)",
)


def answered(body: bytes, name: str = "stream", **options: object) -> Transcript:
    head = b"HTTP/1.1 200 OK\r\nX-Said: %b\r\nContent-Length: %d\r\n\r\n" % (body[:99].replace(b"\n", b""), len(body))
    entries = [Entry(0.0, ">", REQUEST), Entry(0.1, "<", head), Entry(0.2, "<", body), Entry(0.3, "eof")]
    return Transcript(name, Recording({}, entries), **options)  # type: ignore[arg-type]


def result(verdict: Verdict = Verdict.FAIL, said: str = "wrong", count: int = 1, expected: str = "") -> Result:
    data = said.encode("utf-8", "replace")
    found = [Finding(f"{said} {number}", Evidence("stream", 0, 0.1, data)) for number in range(count)]
    return Result("sse.json", Level.MUST, verdict, said, said, said, said, found, expected=expected)


def report(said: str = "plain", run: Run | None = None) -> Report:
    about = About([said], said, ["HTTP/1.1"], said)
    course = Course(Ended.GONE, said)
    judged = Run([result(said=said), result(Verdict.INCONCLUSIVE, said), result(Verdict.PASS, said)], course, [said])
    transcripts = {"stream": answered(said.encode("utf-8", "replace"))}
    return Report(said, run or judged, [said], about, transcripts)


@pytest.mark.parametrize("said", HOSTILE)
def test_nothing_that_an_endpoint_says_leaves_its_place(said: str) -> None:
    told = Page(as_html([report(said)]))
    told.holds()
    plain = Page(as_html([report("plain")]))
    # Of bytes there may be more rows, and more pieces of a line.
    assert [part for part in told.shape if "span" not in part] == [part for part in plain.shape if "span" not in part]
    assert not set("\x00\x07\x1b\x7f\x9b\u202e\u2066\u200f\ud800") & set(told.text)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def url(stack: ExitStack, fault: str = "", key: str | None = None) -> str:
    seams = all_faults()[fault].seams if fault else Seams
    endpoint = ReferenceEndpoint(seams=seams, key=key, pace=0.01)  # type: ignore[arg-type]
    return f"http://127.0.0.1:{stack.enter_context(background(endpoint.connection))}"


def checked(path: Path, *arguments: str) -> tuple[int, Page]:
    code = main(["check", *arguments, "--html", str(path)])
    page = Page(path.read_text("utf-8"))
    page.holds()
    return code, page


def test_a_page_leads_from_a_planted_fault_to_its_repair(stack: ExitStack, tmp_path: Path) -> None:
    code, page = checked(
        tmp_path / "page.html", url(stack, "truncate-json"), "--only", "sse.json", "--only", "chat.usage"
    )
    assert code == 1
    assert page.said("h1", "span").startswith("1 rule is broken: sse.json")
    assert "the data of an event is not JSON" in page.said("strong")
    assert "The data of every event, the end mark aside, is one JSON text." in page.said("dd")
    assert "json.dumps(chunk)" in page.said("div")
    assert "curl -isN" in page.said("code")
    assert '"usage":null' in page.said("code")  # and here it breaks off
    assert "the finding" in page.said("text")
    assert b'"usage":null' in page.hexadecimal


def test_a_sound_endpoint_is_said_to_be_sound(stack: ExitStack, tmp_path: Path) -> None:
    code, page = checked(tmp_path / "page.html", url(stack), "--only", "sse.")
    assert code == 0
    assert "No rule is broken" in page.said("span")
    assert "Nothing was found." in page.said("p")


@pytest.mark.parametrize(
    ("verdicts", "news", "said"),
    [
        ([Verdict.PASS], None, "No rule is broken"),
        ([Verdict.PASS, Verdict.WARN], None, "No rule that binds is broken; 1 warning"),
        ([Verdict.PASS, Verdict.FAIL], None, "1 rule is broken: sse.json"),
        ([Verdict.INCONCLUSIVE], None, "It could not be judged"),
        ([Verdict.PASS], ["http.vary is stale"], "It differs from the baseline"),
    ],
)
def test_the_first_line_says_how_it_is(verdicts: list[Verdict], news: list[str] | None, said: str) -> None:
    page = Page(as_html([Report("target", Run([result(verdict) for verdict in verdicts], news=news))]))
    assert said in page.said("h1", "span")


def test_what_is_expected_is_no_breach() -> None:
    run = Run([result(Verdict.PASS), result(expected="it is borne")], news=[])
    page = Page(as_html([Report("target", run)]))
    assert "No rule is broken" in page.said("span")
    assert "Expected by the baseline: it is borne" in page.said("p")


def test_a_hop_stands_beside_what_is_behind_it(stack: ExitStack, tmp_path: Path) -> None:
    arguments = [url(stack), "--via", url(stack, "request-id-lost"), "--only", "hop.fields"]
    code, page = checked(tmp_path / "page.html", *arguments)
    assert code == 1
    assert "Before the hop" in page.said("figcaption")
    assert "Behind the hop" in page.said("figcaption")
    row = page.text[page.text.index('<th scope="row">x-request-id</th>') :]
    assert row.startswith('<th scope="row">x-request-id</th><td>')
    assert "<td>not there</td><td>differs</td></tr>" in row[:200]


@pytest.mark.parametrize(
    "arguments",
    [["--timeout", "0.000001"], [], ["--key-env", "NO_SUCH_KEY"]],
    ids=["stopped", "refused", "usage"],
)
def test_whatever_stands_in_the_way_the_page_says_it_or_is_not_there(
    arguments: list[str], stack: ExitStack, tmp_path: Path
) -> None:
    path = tmp_path / "page.html"
    code = main(["check", url(stack, key="a-key-0123456789"), *arguments, "--only", "sse.", "--html", str(path)])
    assert path.exists() == (code != 2)
    assert [each.name for each in tmp_path.iterdir()] == (["page.html"] if code != 2 else [])
    if path.exists():
        page = Page(path.read_text("utf-8"))
        page.holds()
        assert 'class="panel stopped"' in page.text


def test_a_page_that_cannot_be_written_is_said_before_anything_is_asked(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "http://127.0.0.1:1", "--html", str(tmp_path)]) == 2
    assert "it is a folder" in capfd.readouterr().err


def test_its_size_has_a_bound_however_much_was_sent() -> None:
    body = b"data: {}\n\n" * 200_000
    entries = [Entry(n / 1000, "<", body[n * 100 : n * 100 + 100]) for n in range(20_000)]
    long = Transcript("stream", Recording({}, [Entry(0.0, ">", REQUEST), *entries, Entry(30.0, "eof")]))
    data = body[:1024]
    found = [Finding(f"wrong {n}", Evidence("stream", n * 10_000, 1.0, data)) for n in range(100)]
    run = Run([Result("sse.json", Level.MUST, Verdict.FAIL, "wrong", "RFC", "A rule.", findings=found)])
    page = as_html([Report("target", run, transcripts={"stream": long})])
    assert len(page) < 400_000
    assert len(Page(page).hexadecimal) <= 3 * ROWS * WIDE


def test_the_gravest_stand_first_wherever_they_are() -> None:
    one = replace(result(Verdict.INFO), id="http.date")
    reports = [Report(name, Run([found])) for name, found in (("a", one), ("b", result(Verdict.FAIL)))]
    page = Page(as_html(reports))
    assert page.words["code"][:2] == ["sse.json", "http.date"]


def test_framing_is_told_from_what_it_frames() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunked = head + b"9\r\ndata: 1\n\n\r\n0\r\n\r\n"
    upgraded = b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + b"\x81\x05hello" + b"\x81\x7e\x00\x7e" + b"x" * 126
    asked = REQUEST[:-2] + b"Sec-WebSocket-Version: 13\r\n\r\n"
    for received, framing in ((chunked, b"9\r\n\r\n0\r\n\r\n"), (upgraded, b"\x81\x05\x81\x7e\x00\x7e")):
        made = Transcript("stream", Recording({}, [Entry(0.0, ">", asked), Entry(0.1, "<", received)]))
        page = as_html([Report("target", Run([result()]), transcripts={"stream": made})])
        assert (
            bytes.fromhex("".join(re.findall('<span class="frame">([0-9a-f]{2}(?: [0-9a-f]{2})*)</span>', page)))
            == framing
        )


def test_where_a_source_has_no_times_nothing_is_drawn() -> None:
    capture = Capture("curl -i", Recording({}, []), {Layer.TIMES: "curl tells none"})
    transcripts = {"stream": answered(b"data: 1\n\n", capture=capture)}
    page = Page(as_html([Report("target", Run([result()]), transcripts=transcripts)]))
    assert not page.all("svg")
    assert page.hexadecimal


@pytest.mark.parametrize(("before", "data", "marked"), [(0, b"HTTP", "HTTP"), (5, b"1.1", "1.1"), (0, b"{}", "H")])
def test_the_bytes_of_a_finding_are_marked_where_they_stand(before: int, data: bytes, marked: str) -> None:
    """:param before: bytes of what was received that the source does not have."""
    capture = Capture("curl -i", Recording({}, []), offset=before)
    found = Finding("wrong", Evidence("stream", 0, 0.1, data))
    run = Run([Result("sse.json", Level.MUST, Verdict.FAIL, "wrong", "RFC", "A rule.", findings=[found])])
    page = Page(as_html([Report("target", run, transcripts={"stream": answered(b"data: 1\n\n", capture=capture)})]))
    in_hex, as_text = page.words["mark"]
    assert (bytes.fromhex(in_hex).decode(), as_text) == (marked, marked)


@pytest.mark.parametrize("way", ["refused-in-every-form", "fields", "stream"])
def test_no_secret_of_a_recording_is_in_its_page(way: str, tmp_path: Path) -> None:
    request = f"GET /v1 HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {CANARY}\r\n\r\n".encode()
    answer = HTTP_WAYS[way]
    dump(Recording({}, [Entry(0, ">", request), Entry(1, "<", answer), Entry(2, "eof")]), tmp_path / "a.wire.jsonl")
    main(["lint", str(tmp_path / "a.wire.jsonl"), "--html", str(tmp_path / "page.html")])
    page = Page((tmp_path / "page.html").read_text("utf-8"))
    page.holds()
    assert not sings(page.text.encode())
    assert page.hexadecimal
    assert not sings(page.hexadecimal)


def test_a_key_that_comes_back_is_not_in_the_page(
    stack: ExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY_KEY", CANARY)
    arguments = [url(stack, "echo-key", CANARY), "--key-env", "CANARY_KEY", "--only", "auth.key-not-echoed"]
    code, page = checked(tmp_path / "page.html", *arguments)
    assert code == 1
    assert b"[redacted]" in page.hexadecimal
    assert not sings(page.text.encode() + page.hexadecimal)


def test_files_stand_in_one_page(tmp_path: Path) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: \xff\n\n"
    recording = Recording({}, [Entry(0, ">", REQUEST), Entry(1, "<", answer), Entry(2, "eof")])
    for name in "ab":
        dump(recording, tmp_path / f"{name}.wire.jsonl")
    assert main(["lint", str(tmp_path), "--html", str(tmp_path / "page.html")]) == 1
    page = Page((tmp_path / "page.html").read_text("utf-8"))
    page.holds()
    assert "What was found where" in page.said("caption")
    assert {each["id"] for each in page.all("h4")} >= {"r0-sse.utf8", "r1-sse.utf8"}

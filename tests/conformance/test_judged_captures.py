"""`lint` of what other tools kept: the same faults are found, no others, and none is passed that cannot be seen.

python tests/conformance/test_judged_captures.py      every fault; pytest takes some of them
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1]))  # for the command

from capturing import FORMS, chrome_har, curl_i, curl_raw
from tokenwire.endpoint import ReferenceEndpoint, background
from tokenwire.endpoint.seams import Seams
from tokenwire.recording import Entry, Recording
from tokenwire.recording.captures import Capture, Layer, read_captures
from tokenwire_conformance.faults.fault import Fault, all_faults
from tokenwire_conformance.judging.case import Case
from tokenwire_conformance.judging.judge import judge_all, select
from tokenwire_conformance.judging.verdict import Result, Verdict
from tokenwire_conformance.probes.reference import reference_plan
from tokenwire_conformance.probes.talk import Plan, probes_for, run_probe
from tokenwire_conformance.probes.wire import MemoryWire, SocketWire, Wire
from tokenwire_conformance.reading.requests import Request
from tokenwire_conformance.reading.transcript import Transcript

KEY = "capture-key-0123456789"
CHECKS = select(passive_only=True)
FOUND = {Verdict.FAIL, Verdict.WARN, Verdict.INFO}

#: The probes whose answers show what passive checks judge.
PROBES = ("usage", "tools", "failure")

#: The media types of streams that are text.
STREAMS = ("text/event-stream", "application/x-ndjson")

#: The faults that a passive check finds over HTTP, and of how many pytest takes one.
FAULTS = [
    fault
    for fault in all_faults().values()
    if fault.transport == "http/1.1" and fault.trips & {check.id for check in CHECKS}
]
EVERY = 5


def verdicts(transcript: Transcript) -> dict[str, Result]:
    return {result.id: result for result in judge_all(Case([transcript]), CHECKS)}


def found(results: dict[str, Result]) -> set[str]:
    return {check for check, result in results.items() if result.verdict in FOUND}


def transcripts(dialect: str, plan: Plan, wire: Wire) -> Iterator[Transcript]:
    for probe in probes_for(dialect, PROBES):
        yield run_probe(probe, wire, plan)


def in_memory(fault: Fault | None, dialect: str = "openai-chat") -> Iterator[Transcript]:
    endpoint = ReferenceEndpoint(key=KEY, seams=fault.seams if fault else Seams, clock=lambda: 1_700_000_000.0)
    return transcripts(dialect, reference_plan(dialect, "http/1.1", KEY), MemoryWire(endpoint))


def judged_alike(fault: Fault) -> int:
    """Holds every form against our own recording; returns how many were held."""
    held = 0
    for own in in_memory(fault, fault.dialect):
        if not own.received.startswith(b"HTTP/1.1 ") or len(own.responses) != 1:
            continue
        # Other tools do not say in which dialect was asked.
        told = verdicts(Transcript("own", Recording({}, own.recording.entries)))
        for form, made in FORMS.items():
            data = made(own.recording)
            if form == "a bare body" and (not data or own.responses[0].media_type not in STREAMS):
                continue  # nothing tells what it is
            [capture] = read_captures(data, "FILE")
            theirs = Transcript.of("theirs", capture)
            if Case([theirs]).dialects != Case([Transcript("own", Recording({}, own.recording.entries))]).dialects:
                assert Layer.REQUEST in capture.missing
                continue  # in whose words a wrong error is, only the request tells
            seen = verdicts(theirs)
            assert found(seen) <= found(told), (fault.id, own.name, form, "is found in the capture alone")
            for check in found(told) - found(seen):
                assert seen[check].verdict is Verdict.NOT_APPLICABLE, (fault.id, own.name, form, seen[check])
            held += 1
    return held


@pytest.mark.parametrize("fault", FAULTS[::EVERY], ids=lambda fault: fault.id)
def test_no_fault_is_passed_and_none_is_made_up(fault: Fault) -> None:
    judged_alike(fault)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dialect", ["openai-chat", "openai-responses", "anthropic-messages", "gemini", "ollama"])
def test_a_sound_stream_is_sound_in_every_form(dialect: str, form: str) -> None:
    for own in in_memory(None, dialect):
        [capture] = read_captures(FORMS[form](own.recording), "FILE")
        results = verdicts(Transcript.of("FILE", capture))
        # Of a probe it is known that its model was to fail; of a file nobody can know.
        assert found(results) - {"err.ended-in-error"} <= found(verdicts(own))
        assert Verdict.PASS in {result.verdict for result in results.values()}


# Real captures.

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


def curl(asked: Request, url: str, *options: str) -> bytes:
    """What curl prints for the same request."""
    fields = []
    for line in asked.fields:
        if line.name not in ("content-length", "host"):
            value = line.value
            if "[redacted" in value:
                value = f"Bearer {KEY}" if line.name == "authorization" else KEY
            fields += ["-H", f"{line.name}: {value}"]
    body = ["--data-binary", asked.body.decode()] if asked.body else []
    command = ["curl", "-sN", "--max-time", "20", *options, "-X", asked.method, *fields, *body, url + asked.target]
    return subprocess.run(command, stdout=subprocess.PIPE, check=False).stdout


#: Those of time are left to the simulated clock: the real one would make everybody wait.
TIMELESS = [fault for fault in FAULTS if not any(check.startswith("time.") for check in fault.trips)]


@needs_curl
@pytest.mark.parametrize("fault", TIMELESS[2::EVERY], ids=lambda fault: fault.id)
def test_curls_own_trace_shows_the_same_faults(fault: Fault, tmp_path: Path) -> None:
    with background(ReferenceEndpoint(key=KEY, seams=fault.seams).connection) as port:
        plan = reference_plan(fault.dialect, "http/1.1", KEY, f"127.0.0.1:{port}")
        for probe in probes_for(fault.dialect, PROBES):
            own = run_probe(probe, SocketWire(plan.target), plan)
            trace = tmp_path / f"{probe.name}.trace"
            curl(own.requests[0], f"http://127.0.0.1:{port}", "--trace", str(trace), "--trace-time")
            [capture] = read_captures(trace.read_bytes(), "FILE")
            assert capture.source == "curl --trace"
            assert not capture.missing.keys() - {Layer.FRAMING, Layer.CODING}
            told = verdicts(Transcript("own", Recording({}, own.recording.entries)))
            seen = verdicts(Transcript.of("theirs", capture))
            unshown = {check for check in found(told) if seen[check].message.startswith("cannot be judged")}
            assert found(seen) == found(told) - unshown


@needs_curl
def test_what_curl_prints_is_recognised(tmp_path: Path) -> None:
    with background(ReferenceEndpoint(key=KEY).connection) as port:
        url, plan = f"http://127.0.0.1:{port}", reference_plan("openai-chat", "http/1.1", KEY, f"127.0.0.1:{port}")
        [probe] = probes_for("openai-chat", ["usage"])
        own = run_probe(probe, SocketWire(plan.target), plan)
        printed = {
            "curl -i": curl(own.requests[0], url, "-i"),
            "curl --raw -i": curl(own.requests[0], url, "-i", "--raw"),
            "a bare body": curl(own.requests[0], url),
        }
        coded = curl(own.requests[0], url, "-i", "--compressed", "-H", "accept-encoding: gzip")
    for source, data in printed.items():
        [capture] = read_captures(data, "FILE")
        assert capture.source == source
        results = verdicts(Transcript.of("FILE", capture))
        assert not found(results)
        assert results["sse.json"].verdict is Verdict.PASS
    assert Layer.CODING in one(coded).missing
    assert verdicts(Transcript.of("FILE", one(coded)))["sse.json"].verdict is Verdict.PASS


@needs_curl
def test_a_server_that_dies_is_known_from_the_trace(tmp_path: Path) -> None:
    fault = all_faults()["close-without-last-chunk"]
    with background(ReferenceEndpoint(key=KEY, seams=fault.seams).connection) as port:
        plan = reference_plan("openai-chat", "http/1.1", KEY, f"127.0.0.1:{port}")
        [probe] = probes_for("openai-chat", ["stream"])
        own = run_probe(probe, SocketWire(plan.target), plan)
        trace = tmp_path / "cut.trace"
        curl(own.requests[0], f"http://127.0.0.1:{port}", "--trace", str(trace))
        raw = curl(own.requests[0], f"http://127.0.0.1:{port}", "-i", "--raw")
    [capture] = read_captures(trace.read_bytes(), "FILE")
    assert capture.recording.entries[-1].kind == "eof"
    assert verdicts(Transcript.of("FILE", capture))["http.chunk-terminator"].verdict is Verdict.FAIL
    [unknown] = read_captures(raw, "FILE")
    told = verdicts(Transcript.of("FILE", unknown))["http.chunk-terminator"]
    assert told.verdict is Verdict.NOT_APPLICABLE
    assert "how the connection ended" in told.message


# What is not shown.


def sound() -> Recording:
    return next(in_memory(None)).recording


def one(data: bytes) -> Capture:
    [capture] = read_captures(data, "FILE")
    return capture


@pytest.mark.parametrize(
    ("data", "check", "words"),
    [
        (curl_i, "http.chunk-syntax", "cannot be judged from curl -i, which does not show the chunks of the body"),
        (curl_i, "http.chunk-terminator", "the chunks of the body"),
        (curl_i, "chat.done", "how the connection ended"),
        (curl_i, "auth.key-not-echoed", "the request"),
        (curl_raw, "http.bytes-after-message", "what came after the response"),
        (chrome_har, "sse.utf8", "the exact bytes of the body"),
        (chrome_har, "http.status-line", "the bytes of the head"),
    ],
)
def test_a_check_whose_layer_is_gone_says_so(data: object, check: str, words: str) -> None:
    assert callable(data)
    result = verdicts(Transcript.of("FILE", one(data(sound()))))[check]
    assert result.verdict is Verdict.NOT_APPLICABLE
    assert words in result.message


def test_raw_output_is_judged_to_its_end_for_its_last_chunk_is_there() -> None:
    results = verdicts(Transcript.of("FILE", one(curl_raw(sound()))))
    for check in ("http.chunk-syntax", "http.chunk-terminator", "chat.done", "chat.finish-once"):
        assert results[check].verdict is Verdict.PASS


def test_what_is_wrong_is_wrong_though_the_end_is_not_shown() -> None:
    own = curl_i(next(in_memory(None, "anthropic-messages")).recording)
    broken = own.replace(b"content_block_start", b"content_block_stop")
    assert broken != own
    assert Layer.END in one(broken).missing
    assert verdicts(Transcript.of("FILE", one(own)))["anth.blocks-bracketed"].verdict is Verdict.NOT_APPLICABLE
    assert verdicts(Transcript.of("FILE", one(broken)))["anth.blocks-bracketed"].verdict is Verdict.FAIL


def test_a_stream_under_another_type_is_found_without_its_request() -> None:
    data = curl_i(sound()).replace(b"text/event-stream", b"text/plain")
    assert verdicts(Transcript.of("FILE", one(data)))["sse.content-type"].verdict is Verdict.FAIL


@pytest.mark.parametrize("form", ["a bare body", "HAR, Chrome", "curl -i"])
def test_a_place_is_one_in_the_source(form: str) -> None:
    broken = Recording({}, [entry for entry in sound().entries if entry.kind in ("<", ">")])
    broken.entries.append(Entry(9.0, "eof"))
    data = FORMS[form](broken)
    marked = data.replace(b"[DONE]", b"[DONE", 1) if form != "HAR, Chrome" else data
    capture = one(marked)
    response = Transcript.of("FILE", capture).responses[0]
    from tokenwire_conformance.judging.case import at

    place = at(response, content=5)
    body = response.content[5:20]
    if form != "HAR, Chrome":
        assert marked[place.offset :].startswith(body)
    else:
        assert place.offset == 5
    assert place.seconds is None


def test_every_layer_is_needed_by_some_check() -> None:
    assert set().union(*(check.needs for check in CHECKS)) == set(Layer)


if __name__ == "__main__":
    print(sum(judged_alike(fault) for fault in FAULTS), "captures of", len(FAULTS), "faults")

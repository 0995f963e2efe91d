"""`tokenwire lint` of what people have: what it says of each file, and what it never shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from canary import CANARY, sings
from capturing import FORMS, chrome_har, curl_i, trace
from tokenwire.cli import main
from tokenwire.recording import Entry, Recording, dump

ASKED = b'{"model":"m","stream":true,"messages":[]}'
REQUEST = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer %b\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n" % (CANARY.encode(), len(ASKED))
)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def wire(body: bytes) -> Recording:
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    return Recording(
        {},
        [
            Entry(0.0, ">", REQUEST),
            Entry(0.0, ">", ASKED),
            Entry(0.5, "<", HEAD),
            Entry(1.0, "<", chunked),
            Entry(1.0, "left open"),
        ],
    )


SOUND = wire(b'data: {"a": 1}\n\ndata: {"a": 2}\n\ndata: [DONE]\n\n')
BROKEN = wire(b'data: {"a": 1}\n\ndata: {"a": 2\n\ndata: [DONE]\n\n')


@pytest.mark.parametrize("form", FORMS)
def test_a_fault_is_found_in_each_form(form: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "kept"
    file.write_bytes(FORMS[form](BROKEN))
    assert main(["lint", str(file)]) == 1
    out = capfd.readouterr().out
    assert "FAIL          sse.json" in out


def test_what_a_file_does_not_show_is_said_first(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "kept").write_bytes(curl_i(SOUND))
    assert main(["lint", str(tmp_path / "kept"), "--only", "sse.", "--only", "http.chunk", "-v"]) == 0
    first, second, *rest = capfd.readouterr().out.splitlines()
    assert first == str(tmp_path / "kept")
    assert second == "  Read as curl -i. What it does not show, and no check can judge:"
    assert "  the chunks of the body: they are taken off; --raw keeps them" in rest
    assert any(line.startswith("NOT-APPLICABLE http.chunk-syntax") and "curl -i" in line for line in rest)


def test_of_a_recording_nothing_needs_to_be_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    dump(SOUND, tmp_path / "a.wire.jsonl")
    main(["lint", str(tmp_path), "--only", "sse."])
    assert "Read as" not in capfd.readouterr().out


def test_programs_are_told_it_too(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "kept"
    file.write_bytes(curl_i(SOUND))
    main(["lint", str(file), "--format", "json"])
    report = json.loads(capfd.readouterr().out)
    assert report["notes"][str(file)][0].startswith("Read as curl -i")
    evidence = [each for result in report["results"] for each in result["evidence"]]
    assert all(each["seconds"] is None for each in evidence)


def test_each_stream_of_a_file_is_judged_and_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "kept.trace"
    file.write_bytes(trace(SOUND) + trace(BROKEN))
    assert main(["lint", str(file), "--only", "sse.json"]) == 1
    out = capfd.readouterr().out
    assert f"{file}: request 1, POST /v1/chat/completions\n" in out
    assert f"{file}: request 2, POST /v1/chat/completions\n" in out
    assert out.count("FAIL          sse.json:") == 1


def test_a_form_can_be_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "kept"
    file.write_bytes(curl_i(SOUND))
    assert main(["lint", str(file), "--from", "curl-raw", "--only", "http.chunk-syntax"]) == 1
    assert main(["lint", str(file), "--from", "har"]) == 2
    assert "kept is no HAR" in capfd.readouterr().err
    assert main(["lint", str(file), "--from", "pcap"]) == 2


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xd4\xc3\xb2\xa1", "pcap"),
        (b"=> Send header, 9 bytes (0x9)\n0000: GET / HTTP/1.1\n", "--trace FILE"),
        (b"hello", "begins 'hello'"),
    ],
)
def test_what_is_none_of_them_is_2_with_what_is_read(
    data: bytes, words: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kept").write_bytes(data)
    assert main(["lint", str(tmp_path / "kept")]) == 2
    error = capfd.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_a_file_that_is_not_there_is_2(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", str(tmp_path / "none")]) == 2
    assert main(["lint", str(tmp_path / "none.har")]) == 2
    assert "No such file" in capfd.readouterr().err


@pytest.mark.parametrize("make", [trace, chrome_har])
@pytest.mark.parametrize("form", ["text", "json", "junit", "markdown"])
def test_a_key_that_was_kept_is_not_shown(
    make: object, form: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert callable(make)
    file = tmp_path / "kept"
    file.write_bytes(make(wire(b'data: {"your key": "%b"\n\n' % CANARY.encode())))
    assert main(["lint", str(file), "--format", form]) == 1
    captured = capfd.readouterr()
    assert not sings((captured.out + captured.err).encode()), captured

"""Bad input and bad peers: one line that says what to do, a distinct exit code, no traceback, nothing lost."""

from __future__ import annotations

import os
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import trustme

from tokenwire.cli import main
from tokenwire.endpoint import ReferenceEndpoint, background
from tokenwire.endpoint.replay_buffer import DropOnCommand
from tokenwire.endpoint.story import STORY
from tokenwire.recording import Entry, Recording
from tokenwire.recording.replay import ReplayConnection

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def delta(text: str) -> bytes:
    return b'data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n' % text.encode()


@contextmanager
def server(*reads: bytes, ending: str = "eof") -> Iterator[str]:
    """A server that answers any request with these bytes, and ends the connection."""
    entries = [Entry(0.0, ">", b"?"), *[Entry(0.01, "<", data) for data in reads], Entry(0.02, ending)]
    with background(lambda: ReplayConnection(Recording({}, entries), "recorded")) as port:
        yield f"http://127.0.0.1:{port}"


def refusal(status: str, body: bytes, fields: bytes = b"") -> bytes:
    head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n"
    return head % (status.encode(), len(body), fields) + body


PEERS = {
    "no HTTP": ([b"SSH-2.0-OpenSSH_9.2\r\n\r\n"], 6, "not HTTP", ""),
    "a header of 10 MB": ([HEAD + b"X: " + b"x" * 10_000_000], 6, "larger than", ""),
    "a chunk size that is none": ([CHUNKED + chunk(delta("Hi")), b"zz\r\n"], 6, "a chunk begins without a size", "Hi"),
    "an event over the limit": ([HEAD + b"\r\n" + delta("Hi") + b"data: " + b"x" * 17_000_000], 6, "larger", "Hi"),
    "no answer": ([], 6, "", ""),
    "gzip that is none": ([HEAD + b"Content-Encoding: gzip\r\n\r\nno gzip"], 6, "Content-Encoding", ""),
    "an end without the terminator": ([HEAD + b"\r\n" + delta("Hi")], 1, "had not come", "Hi"),
    "an error in the stream": (
        [HEAD + b"\r\n" + delta("Hi") + b'data: {"error":{"message":"out of memory"}}\n\n'],
        1,
        "out of memory",
        "Hi",
    ),
    "a wrong key": ([refusal("401 Unauthorized", b'{"error":{"message":"bad key"}}')], 5, "--key-env", ""),
    "a wrong path": ([refusal("404 Not Found", b"")], 5, "/v1", ""),
    "too many requests": ([refusal("429 Slow", b"", b"Retry-After: 7\r\n")], 5, "Retry-After 7", ""),
    "a server's own failure": ([refusal("500 Oh", b"<h1>oh</h1>")], 5, "its log", ""),
    "a bad request": ([refusal("400 Bad", b'{"error":{"message":"no messages"}}')], 5, "no messages", ""),
    "a redirect": ([refusal("307 Temporary Redirect", b"")], 5, "the endpoint itself", ""),
    "an answer that is no stream": ([refusal("200 OK", b'{"choices":[]}')], 5, "instead of text/event-stream", ""),
}


@pytest.mark.parametrize("peer", PEERS)
def test_a_bad_peer_gives_one_line_its_code_and_what_had_come(peer: str, capfd: pytest.CaptureFixture[str]) -> None:
    reads, code, words, text = PEERS[peer]
    with server(*reads) as url:
        assert main(["stream", url, "-p", "hello", "--policy", "never"]) == code
    out, err = capfd.readouterr()
    assert out == text
    assert err.startswith("tokenwire: ")
    assert err.count("\n") == 1
    assert words in err


def test_what_happens_to_the_connections_is_told_as_it_happens(capfd: pytest.CaptureFixture[str]) -> None:
    with background(ReferenceEndpoint(seams=DropOnCommand).connection) as port:
        url = f"http://127.0.0.1:{port}/v1/chat/stream?model=tokenwire-reference"
        asked = ["stream", url, "--dialect", "holysheep", "-p", "hello", "--header", "X-Drop-After=1500"]
        asked += ["--header", "accept-encoding=identity"]
        assert main(asked) == 0
    out, err = capfd.readouterr()
    assert out == "".join(STORY)
    for words in ("connection 1: failed: ", "connection 1: waiting 1.0 s\n", "connection 1: resuming: "):
        assert re.search(rf"^\d+\.\d\d s, {words}", err, re.MULTILINE)


def test_it_is_told_why_no_connection_follows(capfd: pytest.CaptureFixture[str]) -> None:
    with server(CHUNKED + chunk(delta("Hi"))) as url:
        assert main(["stream", url, "-p", "hello"]) == 6
    told, error = capfd.readouterr().err.splitlines()
    assert told.endswith(" s, connection 1: nothing follows: openai-chat cannot resume this stream")
    assert error.startswith("tokenwire: the body was cut")


def test_on_a_terminal_what_is_told_stands_on_lines_of_its_own() -> None:
    """Where standard output and standard error are one terminal, between the words of the answer."""
    with background(ReferenceEndpoint(seams=DropOnCommand).connection) as port:
        url = f"http://127.0.0.1:{port}/v1/chat/stream?model=tokenwire-reference"
        command = [sys.executable, "-m", "tokenwire", "stream", url, "--dialect", "holysheep", "-p", "hello"]
        shown = in_a_terminal([*command, "--header", "X-Drop-After=1500", "--header", "accept-encoding=identity"])
    lines = shown.replace("\r", "").split("\n")
    told = [line for line in lines if ", connection " in line]
    assert len(told) >= 3
    assert all(re.match(r"\d+\.\d\d s, connection \d+: ", line) for line in told)
    assert "".join(line for line in lines if line not in told) == "".join(STORY).replace("\n", "")


def in_a_terminal(command: list[str]) -> str:
    """What a terminal shows of it."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    shown = b""
    with subprocess.Popen(command, stdout=theirs, stderr=theirs), open(ours, "rb", buffering=0) as screen:
        os.close(theirs)
        with suppress(OSError):  # which is how the end is told
            while data := screen.read(4096):
                shown += data
    return shown.decode()


def test_a_chunk_that_is_cut_breaks_the_protocol(capfd: pytest.CaptureFixture[str]) -> None:
    with server(CHUNKED + chunk(delta("Hi")) + b"ff\r\ndata: {") as url:
        assert main(["stream", url, "-p", "hello"]) == 6
    out, err = capfd.readouterr()
    assert out == "Hi"
    assert "cut" in err


def test_what_is_not_utf_8_is_shown_as_the_standard_says(capfd: pytest.CaptureFixture[str]) -> None:
    with server(HEAD + b"\r\n" + delta("a?b").replace(b"?", b"\xff") + b"data: [DONE]\n\n") as url:
        assert main(["stream", url, "-p", "hello"]) == 0
    assert capfd.readouterr().out == "a\ufffdb"


def test_a_server_s_words_cannot_command_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    body = b'{"error":{"message":"red \\u001b[31m alert\\n second line"}}'
    with server(refusal("400 Bad", body)) as url:
        assert main(["stream", url, "-p", "hello"]) == 5
    err = capfd.readouterr().err
    assert "\x1b" not in err
    assert err.count("\n") == 1


USAGE = {
    "no verb": ([], "usage"),
    "an unknown verb": (["juggle"], "juggle"),
    "an unknown dialect": (["stream", "http://h", "-p", "x", "--dialect", "klingon"], "klingon"),
    "no URL": (["stream", "h:80", "-p", "x"], "http://"),
    "a URL without a host": (["stream", "http://", "-p", "x"], "host"),
    "a key in the URL": (["stream", "http://me:secret@h/", "-p", "x"], "password"),
    "nothing to ask": (["stream", "http://h"], "--prompt"),
    "two questions": (["stream", "http://h", "-p", "x", "--json", "-"], "not allowed"),
    "a key variable that is not set": (["stream", "http://h", "-p", "x", "--key-env", "NO_SUCH_KEY"], "NO_SUCH_KEY"),
    "a key file that is not there": (["stream", "http://h", "-p", "x", "--key-file", "no/such"], "no/such"),
    "a key as an argument": (["stream", "http://h", "-p", "x", "--key", "sk-1234567890"], "--key-env"),
    "a key as an argument of another name": (["check", "http://h", "--api-key=sk-1234567890"], "--key-env"),
    "a key as a field": (["stream", "http://h", "-p", "x", "--header", "X-Api-Key=1"], "--key-env"),
    "a field without a value": (["stream", "http://h", "-p", "x", "--header", "X"], "NAME=VALUE"),
    "a field that cannot be sent": (["stream", "http://h", "-p", "x", "--header", "a=b\nc"], "CR, LF"),
    "no time": (["stream", "http://h", "-p", "x", "--idle-timeout", "soon"], "soon"),
    "a time before now": (["stream", "http://h", "-p", "x", "--idle-timeout", "-1"], "-1"),
    "a recording into nowhere": (["record", "http://h", "-p", "x", "-o", "no/such/dir/f"], "no/such/dir/f"),
    "no recording": (["replay", __file__], "is no recording"),
    "a recording that is not there": (["replay", "no-such-file"], "no-such-file"),
    "a cut before the beginning": (["replay", "EMPTY", "--cut", "-1"], "cut at byte -1"),
    "no port": (["serve", "--port", "65536"], "65536"),
}


@pytest.mark.parametrize("what", USAGE)
def test_a_wrong_use_is_2_and_said(what: str, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments, words = USAGE[what]
    empty = tmp_path / "empty.wire.jsonl"
    empty.write_text('{"format": "tokenwire-recording", "version": 1}\n')
    assert main([str(empty) if argument == "EMPTY" else argument for argument in arguments]) == 2
    err = capfd.readouterr().err
    assert words in err
    assert "Traceback" not in err
    assert "secret" not in err


@pytest.mark.parametrize("body", ["{", "[1]", "\udcff", '"text"'])
def test_a_body_that_is_no_json_object_is_2(body: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "body").write_bytes(body.encode("utf-8", "surrogateescape"))
    assert main(["stream", "http://h", "--json", str(tmp_path / "body")]) == 2
    assert "body" in capfd.readouterr().err


@pytest.mark.parametrize("option", ["--key", "--api-key", "--auth-token", "--secret"])
@pytest.mark.parametrize("form", ["{} {}", "{}={}"])
def test_a_key_as_an_argument_is_not_repeated(option: str, form: str, capfd: pytest.CaptureFixture[str]) -> None:
    key = "sk-proj-abcdEFGH1234ijklMNOP"
    assert main(["check", "http://h", *form.format(option, key).split()]) == 2
    assert key not in "".join(capfd.readouterr())


def test_a_port_in_use_is_3_and_another_is_advised(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["serve", "--port", str(taken.getsockname()[1])]) == 3
    assert "Give another --port" in capfd.readouterr().err


def test_a_refused_connection_is_3(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert main(["stream", f"http://127.0.0.1:{taken.getsockname()[1]}", "-p", "x"]) == 3
    assert "does a server listen there?" in capfd.readouterr().err


def test_a_name_that_nobody_has_is_3(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["stream", "http://no-such-host.invalid", "-p", "x"]) == 3
    assert "no-such-host.invalid" in capfd.readouterr().err


def test_a_certificate_that_is_not_trusted_is_3(capfd: pytest.CaptureFixture[str]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def handshake() -> None:
            connection, _ = listener.accept()
            try:
                context.wrap_socket(connection, server_side=True).close()
            except OSError:
                connection.close()

        thread = threading.Thread(target=handshake)
        thread.start()
        assert main(["stream", f"https://127.0.0.1:{listener.getsockname()[1]}", "-p", "x"]) == 3
        thread.join()
    assert "SSL_CERT_FILE" in capfd.readouterr().err


def test_plain_http_where_tls_is_expected_is_3(capfd: pytest.CaptureFixture[str]) -> None:
    with background(ReferenceEndpoint().connection) as port:
        assert main(["stream", f"https://127.0.0.1:{port}", "-p", "x"]) == 3
    assert "TLS" in capfd.readouterr().err


def test_a_silent_server_is_3_and_the_option_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    with server(HEAD + b"\r\n" + delta("Hi"), ending="left open") as url:
        assert main(["stream", url, "-p", "x", "--idle-timeout", "0.2"]) == 3
    out, err = capfd.readouterr()
    assert out == "Hi"
    assert "--idle-timeout" in err


def test_the_command_line_is_imported_without_what_the_verbs_need() -> None:
    code = "import sys, tokenwire.cli; sys.exit(any(name in sys.modules for name in ('rich', 'h11', 'ssl', 'wsproto')))"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


@pytest.mark.parametrize("verb", ["check", "lint", "stream", "record", "replay", "serve"])
def test_each_verb_s_help_shows_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    assert f"tokenwire {verb}" in capsys.readouterr().out.partition("example")[2]


def test_the_help_lists_verbs_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for word in ("check", "lint", "stream", "record", "replay", "serve", "exit codes:", "130"):
        assert word in out


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("tokenwire ")

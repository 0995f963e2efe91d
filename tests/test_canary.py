"""A canary key by every entrance, given back in every way: it is in nothing that tokenwire leaves behind or shows."""

from __future__ import annotations

import asyncio
import io
import json
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

import tokenwire
from canary import CANARY, sings
from echoing import HTTP_WAYS, WEBSOCKET_WAYS, echoing, refusing_proxy
from tokenwire.cli import main
from tokenwire.drivers.opening import Opening
from tokenwire.framing.websocket import FrameParser
from tokenwire.protocol.deflate import MessageInflater
from tokenwire.recording import load

ENTRANCES: Mapping[str, tuple[str, dict[str, Any]]] = {
    "key": ("", {"key_env": "TOKENWIRE_CANARY"}),
    "query, key": (f"?key={quote(CANARY, safe='')}", {}),
    "query, api-key": (f"?v=1&api-key={CANARY.replace('&', '%26')}", {}),
    "query, X-Amz-Signature": (f"?X-Amz-Signature={quote(CANARY, safe='').lower()}", {}),
    "X-My-Key": ("", {"headers": {"X-My-Key": CANARY}}),
    "Ocp-Apim-Subscription-Key": ("", {"headers": {"Ocp-Apim-Subscription-Key": CANARY}}),
    "X-Auth-Token": ("", {"headers": {"X-Auth-Token": CANARY}}),
    "Authorization": ("", {"headers": {"Authorization": f"Token {CANARY}"}}),
    "Cookie": ("", {"headers": {"Cookie": f"a=b; session={CANARY}"}}),
    "a field of another name": ("", {"headers": {"X-Tenant": CANARY}}),
    "a member of the body": ("", {"json": {"model": "m", "messages": [], "api_key": CANARY}}),
}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKENWIRE_CANARY", CANARY)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with echoing() as port:
        yield port


def shown(error: BaseException) -> str:
    """All that a log may have of an error, and of what caused it. The answer in it is the program's."""
    text = "".join(traceback.format_exception(error))
    one: BaseException | None = error
    while one is not None:
        attributes = {name: value for name, value in vars(one).items() if name != "answer"}
        text += f"{one} {one!r} {one.args!r} {attributes!r}"
        one = one.__cause__ or one.__context__
    return text


def unmasked(data: bytes) -> bytes:
    """What the frames of a client say."""
    head, _, frames = data.partition(b"\r\n\r\n")
    parser = FrameParser(client=False, inflater=MessageInflater(False))
    return head + repr(parser.receive_data(frames)).encode()


def clean_files(folder: Path) -> None:
    """No file has it, as it is or decoded; nor can a masked frame be unmasked to it."""
    for path in folder.iterdir():
        assert not sings(path.read_bytes()), path.read_text()
        if path.name.endswith(".wire.jsonl"):
            recording = load(path)
            assert not sings(recording.received), recording.received
            assert not sings(recording.sent), recording.sent
            if b"Sec-WebSocket-Key" in recording.sent or b"sec-websocket-key" in recording.sent:
                assert not sings(unmasked(recording.sent))
                _, _, frames = recording.received.partition(b"\r\n\r\n")
                parser = FrameParser(client=True, inflater=MessageInflater(False))
                with suppress(tokenwire.RemoteProtocolError):  # what is no frame was searched as it is
                    assert not sings(repr(parser.receive_data(frames)).encode())


def asked(url: str, options: dict[str, Any], folder: Path, dialect: str) -> tuple[str, str]:
    """The text of a stream, and what is shown besides."""
    log: list[str] = []

    def observe(happening: tokenwire.Happening) -> None:
        log.append(f"{happening} {happening!r}" + (shown(happening.error) if happening.error else ""))

    options = {"json": {"model": "m", "messages": []}, "policy": "never", **options}
    stream = tokenwire.stream(
        url,
        dialect=dialect,
        observe=observe,
        record=folder / "a.wire.jsonl",
        timeouts=tokenwire.Timeouts(close=0.1),
        **options,
    )
    try:
        with stream:
            for _ in stream:
                pass
    except tokenwire.TokenwireError as error:
        log.append(shown(error))
    return stream.text, "\n".join(log)


async def asked_async(url: str, options: dict[str, Any], folder: Path) -> str:
    log: list[str] = []
    try:
        async with tokenwire.astream(
            url, record=folder / "b.wire.jsonl", observe=lambda h: log.append(repr(h)), policy="never", **options
        ) as stream:
            async for _ in stream:
                pass
    except tokenwire.TokenwireError as error:
        log.append(shown(error))
    return "\n".join(log)


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_no_exit_of_the_library_shows_it_over_http(entrance: str, port: int, tmp_path: Path) -> None:
    query, options = ENTRANCES[entrance]
    for way in HTTP_WAYS:
        text, log = asked(
            f"http://127.0.0.1:{port}/{way}/v1/chat/completions{query}", dict(options), tmp_path, "openai-chat"
        )
        assert not sings(log.encode()), (way, log)
        clean_files(tmp_path)
        if way.startswith("stream"):
            assert CANARY in text, "the program's events are never altered"
    assert not sings(
        repr(
            Opening("http://h/" + query, dialect="openai-chat", **{"json": {}, **options})
            .conversation()
            .request.secrets.clean(CANARY)
        ).encode()
    )


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_no_exit_of_the_library_shows_it_over_websocket(entrance: str, port: int, tmp_path: Path) -> None:
    query, options = ENTRANCES[entrance]
    for way in WEBSOCKET_WAYS:
        text, log = asked(f"ws://127.0.0.1:{port}/{way}/v1/chat/stream{query}", dict(options), tmp_path, "holysheep")
        assert not sings(log.encode()), (way, log)
        clean_files(tmp_path)
        if way == "said":
            assert CANARY in text, "the program's events are never altered"


def test_the_other_driver_shows_it_no_more(port: int, tmp_path: Path) -> None:
    for way in HTTP_WAYS:
        options = {"key_env": "TOKENWIRE_CANARY", "json": {"model": "m", "messages": []}}
        log = asyncio.run(asked_async(f"http://127.0.0.1:{port}/{way}/v1", options, tmp_path))
        assert not sings(log.encode()), (way, log)
        clean_files(tmp_path)


def test_a_subprotocol_that_carries_it_is_not_shown(port: int, tmp_path: Path) -> None:
    protocols = ["realtime", f"openai-insecure-api-key.{CANARY.replace('/', '-').replace('=', '-').replace('&', '-')}"]
    secret = protocols[1].partition(".")[2]
    with (
        pytest.raises(tokenwire.TokenwireError) as caught,
        tokenwire.connect(
            f"ws://127.0.0.1:{port}/refused-handshake", subprotocols=protocols, record=tmp_path / "a.wire.jsonl"
        ),
    ):
        raise AssertionError
    assert secret not in shown(caught.value) + (tmp_path / "a.wire.jsonl").read_text()


MISTAKES: Mapping[str, tuple[str, dict[str, Any]]] = {
    "a subprotocol that is no token": ("ws://127.0.0.1:1", {"subprotocols": [f"openai-insecure-api-key.{CANARY}"]}),
    "a field in its name": ("ws://127.0.0.1:1", {"headers": {f"Authorization: Bearer {CANARY}": ""}}),
    "a password that is not encoded": (f"ws://user:{CANARY}@127.0.0.1:1", {}),
    "a user without a scheme": (f"user:{CANARY}@127.0.0.1:1", {}),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_that_holds_it_is_told_without_it(mistake: str) -> None:
    url, options = MISTAKES[mistake]
    with pytest.raises(tokenwire.LocalProtocolError) as caught, tokenwire.connect(url, **options):
        raise AssertionError
    message = str(caught.value)
    assert "canary" not in message
    assert not sings(message.encode())


SAID: list[Mapping[str, Any] | str | bytes] = [
    {"type": "auth", "token": CANARY},
    json.dumps({"session": {"api_key": CANARY}}),
    json.dumps([{"authorization": f"Bearer {CANARY}"}]).encode(),
]


@pytest.mark.parametrize("message", SAID)
def test_what_is_said_in_mid_stream_is_known_from_then_on(message: Any, port: int, tmp_path: Path) -> None:
    url = f"ws://127.0.0.1:{port}/closed/v1/chat/stream"
    log: list[str] = []
    with tokenwire.stream(
        url, dialect="holysheep", json={}, policy="never", observe=lambda h: log.append(f"{h!r} {h.error!r}")
    ) as stream:
        stream.send(message)
        with pytest.raises(tokenwire.StreamInterrupted) as caught:
            list(stream)
    assert "1008" in str(caught.value)
    assert not sings((shown(caught.value) + "".join(log)).encode())


def test_a_proxy_that_repeats_it_is_not_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with refusing_proxy() as port:
        monkeypatch.setenv("https_proxy", f"http://user:{quote(CANARY, safe='')}@127.0.0.1:{port}")
        _, log = asked("ws://h.invalid/v1/chat/stream", {}, tmp_path, "holysheep")
    assert "407" in log
    assert not sings(log.encode()), log


@pytest.mark.parametrize(
    "name", [CANARY, "sk-proj-abcdefgh", "hf_AbCdEfGhIjKlMnOp", "gsk_abcdefghijklmnopqrstuv", "A=B", "\0"]
)
def test_a_key_in_place_of_the_name_of_its_variable_is_not_printed(
    name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(tokenwire.LocalProtocolError, match="no environment variable") as caught:
        tokenwire.stream("http://h/", json={}, key_env=name)
    assert name not in str(caught.value)
    if len(name) > 5:
        for option in (["--key-env", name], ["--key-file", name], [f"--key={name}"], [f"--key-env={name}", name]):
            assert main(["stream", "http://h/", "-p", "x", *option]) == 2
            assert name not in "".join(capfd.readouterr())


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "KEY", "MY_KEY_2"])
def test_the_name_of_a_variable_that_is_not_set_is_said(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(name, raising=False)
    with pytest.raises(tokenwire.LocalProtocolError, match=name):
        tokenwire.stream("http://h/", json={}, key_env=name)


# The command line.

#: What a verb is given beside the URL, and what stands in the URL's query.
GIVEN: Mapping[str, tuple[str, list[str]]] = {
    "--key-env": ("", ["--key-env", "TOKENWIRE_CANARY"]),
    "--key-file": ("", ["--key-file", "KEYFILE"]),
    "--key-file -": ("", ["--key-file", "-"]),
    "--key-header": ("", ["--key-env", "TOKENWIRE_CANARY", "--key-header", "X-Tenant"]),
    "--header-env": ("", ["--header-env", "X-Tenant=TOKENWIRE_CANARY"]),
    "--header-env, harmless": ("", ["--header-env", "Origin=TOKENWIRE_CANARY"]),
    "--query-env": ("", ["--query-env", "tenant=TOKENWIRE_CANARY"]),
    "a query": (f"?key={quote(CANARY, safe='')}", []),
    "a field": ("", ["--header", f"X-Tenant={CANARY}"]),
}

STREAM = ["-p", "hello", "--model", "m"]

VERBS: Mapping[str, Callable[[str, Path], list[str]]] = {
    "stream": lambda url, folder: [
        "stream",
        url,
        *STREAM,
        "--usage",
        "--timing",
        "--record",
        str(folder / "s.wire.jsonl"),
    ],
    "stream --events": lambda url, folder: ["stream", url, *STREAM, "--events"],
    "record": lambda url, folder: ["record", url, *STREAM, "-o", str(folder / "r.wire.jsonl")],
}

BENCHES: Mapping[str, Callable[[str, Path], list[str]]] = {
    "bench": lambda url, folder: ["bench", url, *STREAM, "-n", "1", "--html", str(folder / "page.html")],
    "bench --format json": lambda url, folder: ["bench", url, *STREAM, "-n", "1", "--format", "json"],
}

CHECKS = ["--only", "auth.key-not-echoed", "--only", "sse.content-type"]


def run(arguments: list[str], given: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keyfile = folder.parent / "the key"
    keyfile.write_text(CANARY + "\n")
    monkeypatch.setattr(sys, "stdin", io.StringIO(CANARY))
    main([*arguments, *(str(keyfile) if each == "KEYFILE" else each for each in GIVEN[given][1])])


def is_silent(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    captured = capfd.readouterr()
    assert captured.out + captured.err
    assert not sings((captured.out + captured.err).encode("utf-8", "replace")), captured
    clean_files(folder)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("given", GIVEN)
def test_no_verb_shows_it(
    verb: str, given: str, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for way in HTTP_WAYS if given == "--key-env" else ("refused", "stream-split", "error", "stream-gzip"):
        url = f"http://127.0.0.1:{port}/{way}/v1/chat/completions{GIVEN[given][0]}"
        run(VERBS[verb](url, folder), given, folder, monkeypatch)
        is_silent(folder, capfd)


@pytest.mark.parametrize("verb", BENCHES)
@pytest.mark.parametrize("way", ["stream", "error", "refused"])
def test_no_figures_show_it(
    verb: str, way: str, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for given in ("a query", "--key-env", "--key-header", "--header-env", "--query-env"):
        url = f"http://127.0.0.1:{port}/{way}/v1/chat/completions{GIVEN[given][0]}"
        run(BENCHES[verb](url, folder), given, folder, monkeypatch)
        is_silent(folder, capfd)


@pytest.mark.parametrize("form", ["text", "json", "junit", "markdown"])
@pytest.mark.parametrize("way", ["refused", "stream", "refused-in-every-form", "fields"])
def test_no_report_shows_it(
    form: str, way: str, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for given in ("a query", "--key-env", "a field", "--key-header", "--header-env", "--query-env"):
        url = f"http://127.0.0.1:{port}/{way}/v1/chat/completions{GIVEN[given][0]}"
        page = ["--html", str(folder / "page.html")]
        run(["check", url, "--model", "m", *CHECKS, "--format", form, *page], given, folder, monkeypatch)
        is_silent(folder, capfd)


@pytest.mark.parametrize("form", ["text", "json", "junit", "markdown"])
def test_lint_shows_no_secret_of_a_recording_that_somebody_else_made(
    form: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    request = f"GET /v1?key={quote(CANARY, safe='')} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {CANARY}\r\n\r\n"
    from tokenwire.recording import Entry, Recording, dump

    recording = Recording(
        {"transport": "http/1.1"},
        [Entry(0, ">", request.encode()), Entry(1, "<", HTTP_WAYS["refused-in-every-form"]), Entry(2, "eof")],
    )
    dump(recording, tmp_path / "theirs.wire.jsonl")
    main(["lint", str(tmp_path / "theirs.wire.jsonl"), "--format", form])
    captured = capfd.readouterr()
    assert not sings((captured.out + captured.err).encode()), captured


def test_a_field_of_the_command_line_that_carries_a_key_is_refused_without_repeating_it(
    capfd: pytest.CaptureFixture[str],
) -> None:
    for text in (f"Authorization: Bearer {CANARY}", f"X-My-Key={CANARY}", f"X-Auth-Token={CANARY}", CANARY):
        assert main(["stream", "http://127.0.0.1:1", "-p", "x", "--header", text]) == 2
        assert not sings("".join(capfd.readouterr()).encode())

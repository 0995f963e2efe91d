"""How an endpoint is reached, and as whom: the same options for every verb that connects."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme

from tokenwire.cli import guard, main
from tokenwire.drivers.trust import Trust
from tokenwire.endpoint import ReferenceEndpoint, background
from tokenwire.errors import LocalProtocolError
from tokenwire.protocol.url import parse_url

KEY = "sk-canary-0123456789abcdef"
ASK = ["-p", "hello", "--model", "tokenwire-reference"]

#: What each verb is given beside the URL, so that it asks as little as it can.
VERBS: Mapping[str, Callable[[Path], list[str]]] = {
    "stream": lambda folder: ASK,
    "record": lambda folder: [*ASK, "-o", str(folder / "kept.wire.jsonl")],
    "bench": lambda folder: [*ASK, "-n", "1"],
    "check": lambda folder: ["--model", "tokenwire-reference", "--only", "auth.", "--only", "sse.content-type"],
}
verbs = pytest.mark.parametrize("verb", VERBS)

OPTIONS = ("--key-header", "--header-env", "--query-env", "--ca-file", "--insecure", "--proxy")


def fine(verb: str, arguments: list[str]) -> bool:
    """It went well. That bench doubts its figures, of one request on a busy machine, is no fault here."""
    return main([verb, *arguments]) in ((0, 1) if verb == "bench" else (0,))


class Reference:
    """The reference endpoint, and what it was sent."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self._endpoint = ReferenceEndpoint()

    def connection(self) -> Any:
        connection = self._endpoint.connection()
        receive = connection.receive_data

        def heard(data: bytes, now: float) -> None:
            if data.startswith((b"POST ", b"GET ", b"OPTIONS ")):
                self.heads.append(data.partition(b"\r\n\r\n")[0])
            receive(data, now)

        connection.receive_data = heard  # type: ignore[method-assign]
        return connection

    def fields(self, name: str) -> list[str]:
        """What came in a field, in the order of the requests that had it."""
        lines = [line for head in self.heads for line in head.decode().split("\r\n")[1:]]
        return [line.partition(":")[2].strip() for line in lines if line.lower().startswith(f"{name}:")]


@dataclass(frozen=True)
class Served:
    """The endpoint in the clear and behind TLS. Its end comes after all tests, when it has seen the last connection
    end."""

    reference: Reference
    url: str
    secure: str
    authority: bytes


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    reference, authority = Reference(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with (
        background(reference.connection) as plain,
        background(reference.connection, ssl_context=context) as secure,
    ):
        pem = authority.cert_pem.bytes()
        yield Served(reference, f"http://127.0.0.1:{plain}", f"https://localhost:{secure}", pem)


@pytest.fixture
def reference(served: Served) -> Reference:
    served.reference.heads.clear()
    return served.reference


@pytest.fixture
def url(served: Served) -> str:
    return served.url


@pytest.fixture
def secure(served: Served, tmp_path: Path) -> str:
    """The URL of the endpoint behind TLS; its authority is in `authority.pem`."""
    (tmp_path / "authority.pem").write_bytes(served.authority)
    return served.secure


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    monkeypatch.setenv("MY_TENANT", "acme-7")
    monkeypatch.setenv("MY_SIGNATURE", "a b+c/d&e=f")


@pytest.mark.parametrize("verb", ["stream", "record", "bench", "compare", "check"])
def test_every_verb_that_connects_has_them(verb: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    told = capfd.readouterr().out
    assert [option for option in OPTIONS if option not in told] == []


# The key, fields and parameters.


@verbs
def test_the_key_goes_alone_in_the_field_that_was_named(
    verb: str, url: str, reference: Reference, tmp_path: Path
) -> None:
    main([verb, url, *VERBS[verb](tmp_path), "--key-env", "MY_KEY", "--key-header", "X-Gateway-Key"])
    assert KEY in reference.fields("x-gateway-key")
    assert reference.fields("authorization") == []


def test_the_probes_with_a_wrong_key_use_that_field_too(url: str, reference: Reference) -> None:
    main(["check", url, "--only", "auth.", "--key-env", "MY_KEY", "--key-header", "X-Gateway-Key"])
    assert set(reference.fields("x-gateway-key")) == {KEY, "wrong-key-0123456789abcdef"}
    assert reference.fields("authorization") == []
    assert any(b"x-gateway-key" not in head.lower() for head in reference.heads), "one asks without a key"


@pytest.mark.parametrize("dialect", ["openai-chat", "anthropic-messages", "gemini", "auto"])
def test_in_authorization_it_is_a_bearer_token_whatever_the_dialect(
    dialect: str, url: str, reference: Reference
) -> None:
    main(["stream", url, *ASK, "--dialect", dialect, "--key-env", "MY_KEY", "--key-header", "authorization"])
    assert reference.fields("authorization") == [f"Bearer {KEY}"]
    assert reference.fields("x-api-key") + reference.fields("x-goog-api-key") == []


def test_another_scheme_is_a_field_of_its_own(url: str, reference: Reference, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "Basic dXNlcjpwYXNz")
    main(["stream", url, *ASK, "--header-env", "Authorization=MY_KEY"])
    assert reference.fields("authorization") == ["Basic dXNlcjpwYXNz"]


@verbs
def test_fields_and_parameters_come_from_variables(verb: str, url: str, reference: Reference, tmp_path: Path) -> None:
    given = ["--header-env", "X-Tenant=MY_TENANT", "--query-env", "sig=MY_SIGNATURE", "--query-env", "t=MY_TENANT"]
    main([verb, f"{url}/v1/chat/completions?v=1", *VERBS[verb](tmp_path), *given])
    posts = [head.decode().split("\r\n")[0] for head in reference.heads if head.startswith(b"POST")]
    assert {line.split(" ")[1] for line in posts} == {"/v1/chat/completions?v=1&sig=a%20b%2Bc%2Fd%26e%3Df&t=acme-7"}
    assert "acme-7" in reference.fields("x-tenant")


def test_the_model_is_looked_for_as_the_same_user(url: str, reference: Reference) -> None:
    given = ["--key-env", "MY_KEY", "--key-header", "X-K", "--header-env", "X-Tenant=MY_TENANT"]
    assert main(["stream", url, "-p", "hello", *given, "--query-env", "sig=MY_SIGNATURE"]) == 0
    listing = reference.heads[0].decode()
    assert listing.startswith("GET /v1/models?sig=a%20b")
    assert f"X-K: {KEY}" in listing
    assert "x-tenant: acme-7" in listing


def test_a_field_of_ours_is_sent_once(url: str, reference: Reference) -> None:
    main(["check", url, "--model", "m", "--only", "sse.", "--header", "user-agent=mine/1"])
    assert set(reference.fields("user-agent")) == {"mine/1"}


@pytest.mark.parametrize("short", ["abc", "1"])
def test_what_is_too_short_to_be_searched_is_masked_where_it_stands(
    short: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHORT", short)
    kept = tmp_path / "kept.wire.jsonl"
    given = ["--header-env", "Origin=SHORT", "--query-env", "place=SHORT"]
    assert main(["record", url, *ASK, *given, "-o", str(kept)]) == 0
    text = kept.read_text()
    assert f"place={short}" not in text
    assert f"origin: {short}" not in text.lower()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--header-env", "X-Tenant"], "NAME=VAR"),
        (["--header-env", "=MY_TENANT"], "NAME=VAR"),
        (["--header-env", "X Tenant=MY_TENANT"], "NAME=VAR"),
        (["--query-env", "MY_TENANT"], "NAME=VAR"),
        (["--header-env", "X-Tenant=NOT_SET"], "NOT_SET, which should hold the value of --header-env X-Tenant"),
        (["--query-env", "t=NOT_SET"], "is not set"),
        (["--header-env", "X-Tenant=LINES"], "line end"),
        (["--query-env", "t=LINES"], "line end"),
        (["--key-header", "X-Key"], "--key-env or --key-file"),
        (["--key-header", "X-Key: abc", "--key-env", "MY_KEY"], "the name of a field alone"),
        (["--header", "X-Api-Key=abc"], "--header-env NAME=VAR"),
        (["--proxy", "socks5://127.0.0.1:1"], "SOCKS"),
        (["--ca-file", "a", "--insecure"], "not allowed with"),
    ],
)
@verbs
def test_what_cannot_be_is_a_usage_error(
    verb: str,
    given: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LINES", "a\r\nX-Evil: 1")
    assert main([verb, "http://127.0.0.1:1", *VERBS[verb](tmp_path), *given]) == 2
    assert words in capfd.readouterr().err


SECRET = "hf_AbCdEfGhIjKlMnOp"

#: Options, and the ways in which a secret comes to stand in what follows them.
MISTAKEN: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(("--key", "--api-key", "--token", "--key-env", "--key-file", "--other-key-env"), ("{}",)),
    **dict.fromkeys(("--key-header", "--header-env", "--query-env"), ("X-Name={}", "{}")),
    "--header": ["X-Api-Key={}", "X-Api-Key: {}", "Authorization: Bearer {}", "Authorization=Basic {}"],
    "--proxy": ["me:{}@127.0.0.1:1", "http://me:{}@127.0.0.1:1", "{}@127.0.0.1:1", "socks5://me:{}@127.0.0.1:1"],
}


def test_every_option_that_may_be_followed_by_a_secret_is_guarded() -> None:
    assert set(guard._SECRETS_IN) == {*MISTAKEN, "-H"}


@pytest.mark.parametrize("option", MISTAKEN)
def test_a_secret_in_place_of_a_name_is_not_repeated(option: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither behind the whole option nor behind any beginning of it, for which argparse has words of its own."""
    for begun in (option[:size] for size in range(3, len(option) + 1)):
        for value in (form.format(SECRET) for form in MISTAKEN[option]):
            for given in ([begun, value], [f"{begun}={value}"]):
                assert main(["stream", "http://127.0.0.1:1", *ASK, *given]) in (2, 3)
                told = "".join(capfd.readouterr())
                assert SECRET not in told, given
                assert told


@pytest.mark.parametrize(
    "given",
    [
        ["-H", f"Authorization: Bearer {SECRET}"],
        [f"-H=X-Api-Key: {SECRET}"],
        ["--openai-key", SECRET],
        [f"--password={SECRET}"],
        [f"-key={SECRET}"],
        ["-api-key", SECRET],
    ],
)
@pytest.mark.parametrize("verb", ["stream", "check", "serve", "lint"])
def test_nor_behind_an_option_that_does_not_exist(
    verb: str, given: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([verb, "http://127.0.0.1:1", *given]) == 2
    assert SECRET not in "".join(capfd.readouterr())


@pytest.mark.parametrize("given", [["-p", SECRET], [f"--prompt={SECRET}"], ["--model", SECRET], ["--", SECRET]])
def test_what_follows_another_option_is_no_secret(given: list[str]) -> None:
    assert not any(guard.secrets_in_arguments(["stream", "http://127.0.0.1:1/v1", *given, "--timing"]))


# Certificates.


@verbs
def test_an_authority_of_ones_own_is_trusted(verb: str, secure: str, reference: Reference, tmp_path: Path) -> None:
    assert fine(verb, [secure, *VERBS[verb](tmp_path), "--ca-file", str(tmp_path / "authority.pem")])
    assert reference.heads


@verbs
def test_without_it_the_connection_is_refused_and_the_option_named(
    verb: str, secure: str, reference: Reference, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([verb, secure, *VERBS[verb](tmp_path)]) == 3
    assert "--ca-file" in capfd.readouterr().err
    assert not reference.heads


@verbs
def test_insecure_says_what_it_gives_up(
    verb: str, secure: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert fine(verb, [secure, *VERBS[verb](tmp_path), "--insecure"])
    error = capfd.readouterr().err
    assert error.count("--insecure: no certificate is verified") == 1
    assert "read and change" in error


def test_where_there_is_nothing_to_give_up_it_says_nothing(url: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["stream", url, *ASK, "--insecure"]) == 0
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("what", ["missing", "a folder", "no certificate", "empty", "a key alone", "binary"])
@verbs
def test_a_file_of_authorities_that_is_none_is_a_usage_error(
    verb: str, what: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "authority.pem"
    match what:
        case "a folder":
            file.mkdir()
        case "no certificate":
            file.write_text("hello")
        case "empty":
            file.write_text("")
        case "a key alone":
            trustme.CA().issue_cert("localhost").private_key_pem.write_to_path(file)
        case "binary":
            file.write_bytes(bytes(range(256)) * 4)
    for scheme in ("http", "https"):
        assert main([verb, f"{scheme}://127.0.0.1:1", *VERBS[verb](tmp_path), "--ca-file", str(file)]) == 2
        error = capfd.readouterr().err
        assert str(file) in error
        assert "BEGIN CERTIFICATE" in error


def test_comments_beyond_ascii_do_not_matter(tmp_path: Path) -> None:
    authority = trustme.CA()
    (tmp_path / "a.pem").write_bytes("# Größte Behörde\n".encode() + authority.cert_pem.bytes())
    assert Trust(str(tmp_path / "a.pem")).context().verify_mode is ssl.CERT_REQUIRED


def test_trust_can_be_told_to_another_process() -> None:
    import pickle

    assert pickle.loads(pickle.dumps(Trust("a.pem", False))) == Trust("a.pem")


def test_no_certificate_is_asked_of_a_url_in_the_clear(url: str) -> None:
    from tokenwire_conformance.probes.wire import SocketWire

    context = Trust(insecure=True).context()
    wire = SocketWire(parse_url(url, websocket=False), context)
    wire.connect()
    wire.close()


# A proxy.


@pytest.fixture
def proxied(request: pytest.FixtureRequest) -> Iterator[tuple[str, list[bytes]]]:
    """The URL of a proxy that goes where it is asked to, and what it was asked."""
    from contextlib import suppress
    from socket import create_connection
    from socketserver import BaseRequestHandler, ThreadingTCPServer
    from threading import Thread

    asked: list[bytes] = []

    def pump(source: Any, sink: Any) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(1)

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            asked.append(self.request.recv(65536))
            host, _, port = asked[-1].split(b" ")[1].decode().rpartition(":")
            with create_connection((host, int(port))) as onward:
                self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = Thread(target=pump, args=(onward, self.request), daemon=True)
                back.start()
                pump(self.request, onward)
                back.join(10)

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()


@verbs
@pytest.mark.parametrize("tls", [False, True])
def test_a_proxy_that_was_named_is_used_for_loopback_too(
    verb: str, tls: bool, url: str, secure: str, proxied: tuple[str, list[bytes]], tmp_path: Path
) -> None:
    proxy, asked = proxied
    place = secure if tls else url
    trust = ["--ca-file", str(tmp_path / "authority.pem")] if tls else []
    assert fine(verb, [place, *VERBS[verb](tmp_path), *trust, "--proxy", proxy])
    authority = place.partition("//")[2]
    assert {line.split(b" ")[1] for line in asked} == {authority.encode()}


@verbs
def test_one_of_the_environment_never_is(
    verb: str, url: str, proxied: tuple[str, list[bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, asked = proxied
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.setenv("https_proxy", proxy)
    assert fine(verb, [url, *VERBS[verb](tmp_path)])
    assert asked == []


def test_a_password_for_the_proxy_is_not_shown(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for proxy in ("http://me:s3cr3t-pass@127.0.0.1:1", "me:s3cr3t-pass@127.0.0.1:1", "socks5://me:s3cr3t-pass@h:1"):
        for verb in ("stream", "check"):
            assert main([verb, "http://127.0.0.1:2", *VERBS[verb](tmp_path), "--proxy", proxy]) in (2, 3)
            assert "s3cr3t" not in "".join(capfd.readouterr())


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "http_proxy", "All_Proxy", "ftp_proxy"])
@pytest.mark.parametrize("url", ["me:s3cr3t-pass@h:1", "http://me:s3cr3t-pass@h", "socks5://me:s3cr3t-pass@h"])
def test_a_password_in_any_variable_of_a_proxy_is_known(name: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, url)
    with guard.guarded([]):
        assert "s3cr3t-pass" in guard.known().values


def test_who_stands_in_between_reaches_the_server_in_the_same_way(
    secure: str, proxied: tuple[str, list[bytes]], tmp_path: Path
) -> None:
    import asyncio

    from tokenwire.measure.proxy import Upstream

    proxy, asked = proxied
    target = parse_url(secure, websocket=False)

    async def status(trust: Trust) -> bytes:
        reader, writer = await Upstream(target, trust, proxy).connect(trust.context())
        writer.write(b"GET /v1/models HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        line = await reader.readline()
        writer.close()
        await writer.wait_closed()
        return line

    assert asyncio.run(status(Trust(str(tmp_path / "authority.pem")))).startswith(b"HTTP/1.1 200")
    assert asyncio.run(status(Trust(insecure=True))).startswith(b"HTTP/1.1 200")
    assert len(asked) == 2


def test_compare_asks_over_both_transports_in_the_same_way(
    secure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tokenwire.cli import compare
    from tokenwire.measure.trials import Pair

    pairs: list[Pair] = []

    async def compared(runs: int, pair: Pair, *_: object) -> Any:
        pairs.append(pair)
        raise LocalProtocolError("that is enough")

    monkeypatch.setattr(compare, "_compared", compared)
    authority = str(tmp_path / "authority.pem")
    given = ["--ca-file", authority, "--header-env", "X-Tenant=MY_TENANT", "--query-env", "t=MY_TENANT"]
    assert main(["compare", secure, *ASK, *given, "--proxy", "http://127.0.0.1:1"]) == 2
    [pair] = pairs
    for opening in (pair.sse, pair.websocket):
        assert ("x-tenant", "acme-7") in opening.request.http.headers
        assert "t=acme-7" in opening.target.path
        assert opening.route_to(opening.target).port == 1
        assert pair.upstream(opening).trust == Trust(authority)
    assert "hello" in pair.websocket.request.messages[0]


def test_who_stands_in_between_trusts_nobody_else(secure: str) -> None:
    import asyncio

    from tokenwire.measure.proxy import Upstream

    with pytest.raises(ssl.SSLCertVerificationError):
        asyncio.run(Upstream(parse_url(secure, websocket=False)).connect(Trust().context()))


@pytest.mark.parametrize("tls", [False, True])
def test_who_stands_in_between_loads_the_authorities_once_for_all_connections(
    tls: bool, url: str, secure: str, reference: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio

    from tokenwire.measure.proxy import Proxy, Upstream, serve_proxy

    loaded: list[Trust] = []
    context = Trust.context

    def loading(trust: Trust) -> ssl.SSLContext:
        loaded.append(trust)
        return context(trust)

    monkeypatch.setattr(Trust, "context", loading)
    trust = Trust(str(tmp_path / "authority.pem"))
    upstream = Upstream(parse_url(secure if tls else url), trust if tls else Trust())

    async def asked(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /v1/models HTTP/1.1\r\nHost: h\r\n\r\n")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer.split(b" ", 2)[1]

    async def run() -> list[bytes]:
        listens: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(serve_proxy(Proxy(), upstream, ready=listens.set_result))
        port = await listens
        statuses = [await asked(port) for _ in range(3)]
        serving.cancel()
        await asyncio.wait([serving])
        return statuses

    assert asyncio.run(run()) == [b"200"] * 3
    assert len(reference.heads) == 3
    assert loaded == ([trust] if tls else [])


def test_the_message_about_a_file_names_no_option() -> None:
    with pytest.raises(LocalProtocolError, match="cannot be read"):
        Trust("/no/such/file").context()

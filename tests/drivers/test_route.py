"""The way to a server: the variables by the usual rules, loopback never, and a proxy that the program names."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from urllib.request import getproxies_environment

import pytest

from tokenwire.drivers.opening import Opening
from tokenwire.drivers.route import Route, proxies_from_environment, route_to, secrets_of_proxies
from tokenwire.errors import LocalProtocolError
from tokenwire.protocol.url import parse_url


def way(url: str, proxy: str | None = "env") -> Route:
    return route_to(parse_url(url, websocket=url.startswith("ws")), proxy)


def through(url: str, proxy: str | None = "env") -> str:
    """The proxy's host, or nothing."""
    route = way(url, proxy)
    return route.host if route.tunnel is not None else ""


ALL = {"HTTPS_PROXY": "http://s:1", "HTTP_PROXY": "http://p:2", "ALL_PROXY": "http://a:3"}

#: The environment, and through which proxy each scheme goes: https, http, wss, ws.
SCHEMES = [
    ({}, ["", "", "", ""]),
    ({"HTTPS_PROXY": "http://s:1"}, ["s", "", "s", "s"]),
    ({"https_proxy": "s:1"}, ["s", "", "s", "s"]),
    ({"HTTP_PROXY": "http://p:2"}, ["", "p", "", "p"]),
    ({"ALL_PROXY": "http://a:3"}, ["a", "a", "a", "a"]),
    ({"all_proxy": "a:3"}, ["a", "a", "a", "a"]),
    (ALL, ["s", "p", "s", "s"]),
    ({**ALL, "HTTPS_PROXY": ""}, ["a", "p", "a", "p"]),
    ({"HTTPS_PROXY": "http://upper:1", "https_proxy": "http://lower:1"}, ["lower", "", "lower", "lower"]),
    ({"HTTP_PROXY": "http://p:2", "REQUEST_METHOD": "GET"}, ["", "", "", ""]),  # a CGI's, set by a client's field
    ({**ALL, "NO_PROXY": "*"}, ["", "", "", ""]),
    ({**ALL, "NO_PROXY": "model.example"}, ["", "", "", ""]),
]


@pytest.mark.parametrize(("environment", "proxies"), SCHEMES)
def test_the_scheme_chooses_the_variable(
    environment: dict[str, str], proxies: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert [through(f"{scheme}://model.example") for scheme in ("https", "http", "wss", "ws")] == proxies


class OfWindows(Mapping[str, str]):
    """The environment as Windows has it: names are in upper case, and are found in any."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._values = {name.upper(): value for name, value in environment.items()}

    def __getitem__(self, name: str) -> str:
        return self._values[name.upper()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


CGI = {"REQUEST_METHOD": "GET"}

#: An environment, and the proxies in it: on a system whose names have a case, and on Windows.
ENVIRONMENTS: list[tuple[dict[str, str], dict[str, str], dict[str, str]]] = [
    ({"HTTP_PROXY": "a"}, {"http": "a"}, {"http": "a"}),
    ({"http_proxy": "a"}, {"http": "a"}, {"http": "a"}),
    ({"Http_Proxy": "a", "nO_pRoXy": "b"}, {"http": "a", "no": "b"}, {"http": "a", "no": "b"}),
    ({"HTTP_PROXY": "a", **CGI}, {}, {}),
    ({"Http_Proxy": "a", **CGI}, {}, {}),
    ({"http_proxy": "a", **CGI}, {"http": "a"}, {}),
    ({"HTTP_PROXY": "a", "HTTPS_PROXY": "b", "ALL_PROXY": "c", **CGI}, {"https": "b", "all": "c"},
     {"https": "b", "all": "c"}),
    ({"ALL_PROXY": "", "FTP_PROXY": "f"}, {"ftp": "f"}, {"ftp": "f"}),
]  # fmt: skip


@pytest.mark.parametrize(("environment", "proxies", "on_windows"), ENVIRONMENTS)
def test_names_count_in_any_case_but_not_what_a_client_of_a_cgi_set(
    environment: dict[str, str], proxies: dict[str, str], on_windows: dict[str, str]
) -> None:
    assert proxies_from_environment(environment) == proxies
    assert proxies_from_environment(OfWindows(environment)) == on_windows


def test_a_name_in_lower_case_goes_first_and_an_empty_one_hides_the_others() -> None:
    assert proxies_from_environment({"HTTP_PROXY": "a", "Http_Proxy": "b", "http_proxy": "c"}) == {"http": "c"}
    assert proxies_from_environment({"http_proxy": "", "HTTP_PROXY": "a", "Http_Proxy": "b"}) == {}


@pytest.mark.skipif(sys.platform == "win32", reason="names have no case there, and urllib asks its registry")
@pytest.mark.parametrize("environment", [it[0] for it in ENVIRONMENTS])
def test_the_standard_library_reads_the_environment_alike(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert getproxies_environment() == proxies_from_environment()


def test_the_passwords_of_every_variable_are_secret_whichever_is_used() -> None:
    passwords = [f"pass-word-{number}" for number in range(5)]
    names = ["HTTPS_PROXY", "https_proxy", "Ftp_Proxy", "HTTP_PROXY", "x_proxy"]
    urls = [f"http://me:{it}@h:1" for it in passwords[:4]] + [f"me:{passwords[4]}@h:1"]
    found = secrets_of_proxies({**dict(zip(names, urls, strict=True)), **CGI})
    assert set(passwords) <= set(found)


def test_the_request_knows_the_passwords_of_every_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:1")
    monkeypatch.setenv("Ftp_Proxy", "me:pass-word-1@h:1")
    opening = Opening("https://h", dialect="openai-chat", json={}, proxy="http://me:pass-word-2@h:1")
    assert {"pass-word-1", "pass-word-2"} <= set(opening.request.secrets.values)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "model.localhost",
        "127.0.0.1",
        "127.8.9.10",
        "[::1]",
        "[::ffff:127.0.0.1]",
    ],
)
@pytest.mark.parametrize("scheme", ["https", "http", "wss", "ws"])
def test_loopback_goes_through_no_proxy_by_itself(scheme: str, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ALL.items():
        monkeypatch.setenv(name, value)
    assert through(f"{scheme}://{host}:8080") == ""
    assert through(f"{scheme}://{host}:8080", "http://named:1") == "named"


EXCLUDED = [
    # NO_PROXY, the target, whether it is excluded
    ("example.com", "https://example.com", True),
    ("example.com", "https://api.example.com", True),
    (".example.com", "https://api.example.com", True),
    ("*.example.com", "https://api.example.com", True),
    ("example.com", "https://badexample.com", False),
    ("EXAMPLE.com", "https://Example.COM", True),
    ("a.test, example.com", "https://example.com", True),
    ("a.test example.com", "https://example.com", True),
    ("example.com:443", "https://example.com", True),
    ("example.com:8443", "https://example.com", False),
    ("example.com:8443", "https://example.com:8443", True),
    ("10.0.0.1", "http://10.0.0.1", True),
    ("10.0.0.0/8", "http://10.1.2.3:8080", True),
    ("10.0.0.0/8", "http://11.1.2.3", False),
    ("10.1.2.3:8080", "http://10.1.2.3:8080", True),
    ("fd00::/8", "http://[fd00::7]", True),
    ("fd00::7", "http://[fd00::7]", True),
    ("[fd00::7]:81", "http://[fd00::7]:81", True),
    ("[fd00::7]:81", "http://[fd00::7]:82", False),
    ("10.0.0.0/99", "http://10.1.2.3", False),
    ("", "https://example.com", False),
    (" , ,", "https://example.com", False),
    (".", "https://example.com", False),
]


@pytest.mark.parametrize(("no_proxy", "url", "excluded"), EXCLUDED)
def test_no_proxy_excludes(no_proxy: str, url: str, excluded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://proxy:1")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert (through(url) == "") == excluded
    assert through(url, "http://named:1") == "named"


def test_none_goes_straight_and_a_url_goes_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://proxy:1")
    assert through("https://h", None) == ""
    route = way("http://h:81", "http://me:p%40ss@named:3128")
    assert (route.host, route.port, route.peer) == ("named", 3128, ("named", 3128))
    assert route.tunnel is not None
    assert (route.tunnel.host, route.tunnel.port) == ("h", 81)
    assert b"Basic bWU6cEBzcw==" in route.tunnel.data_to_send()
    assert way("http://h", "named").port == 80


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "ALL_PROXY", "proxy"])
@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        ("socks5://me:secret@h:1", "names a SOCKS proxy, and only HTTP proxies are spoken with"),
        ("socks4a://h:1", "SOCKS"),
        ("https://me:secret@h", "must be a URL that begins with http://"),
        ("http://", "names a host"),
        ("http://a..b:1", "names a host"),
        ("http://é..b", "names a host"),
        (f"http://{'a' * 64}.test", "names a host"),
        ("a b:1", "names a host"),
        ("http://me:secret@h:port", "cannot be read"),
        ("http://[::1", "cannot be read"),
    ],
)
def test_a_proxy_that_is_none_is_told_by_the_name_of_where_it_comes_from(
    name: str, proxy: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name != "proxy":
        monkeypatch.setenv(name, proxy)
    with pytest.raises(LocalProtocolError, match=name) as caught:
        way("https://h", proxy if name == "proxy" else "env")
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)

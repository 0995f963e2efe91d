"""The way to a server: the variables by the usual rules, loopback never, and a proxy that the program names."""

from __future__ import annotations

import pytest

from tokenwire.drivers.route import Route, route_to
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

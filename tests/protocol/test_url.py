"""URLs taken apart (RFC 3986), and refused with words that help."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenwire.errors import InvalidURL
from tokenwire.protocol import url as module
from tokenwire.protocol.url import Target, parse_url

# (URL, target, authority)
URLS = [
    ("http://example.test", Target("http", "example.test", 80, "/"), "example.test"),
    ("https://example.test/v1", Target("https", "example.test", 443, "/v1"), "example.test"),
    ("HTTPS://Example.TEST:443/V1", Target("https", "example.test", 443, "/V1"), "example.test"),
    ("http://example.test:8080/a?b=c&d=%20#e",
     Target("http", "example.test", 8080, "/a?b=c&d=%20"), "example.test:8080"),
    ("http://[::1]:8080/", Target("http", "::1", 8080, "/"), "[::1]:8080"),
    ("http://[2001:db8::1]", Target("http", "2001:db8::1", 80, "/"), "[2001:db8::1]"),
    ("http://example.test?x=1", Target("http", "example.test", 80, "/?x=1"), "example.test"),
    ("https://bücher.example/é?ü=👋",
     Target("https", "xn--bcher-kva.example", 443, "/%C3%A9?%C3%BC=%F0%9F%91%8B"), "xn--bcher-kva.example"),
    ("http://under_score.test/a|b\"c", Target("http", "under_score.test", 80, "/a%7Cb%22c"), "under_score.test"),
]  # fmt: skip


@pytest.mark.parametrize(("url", "target", "authority"), URLS)
def test_a_url_is_taken_apart(url: str, target: Target, authority: str) -> None:
    parsed = parse_url(url)
    assert parsed == target
    assert parsed.authority == authority
    assert parsed.tls == (target.scheme == "https")
    assert parse_url(parsed.url) == target


# (URL, what the message says)
REFUSED = [
    ("", "must begin with http:// or https://"),
    ("example.test/v1", "must begin with"),
    ("localhost:8080", "must begin with"),
    ("ftp://example.test", "must begin with"),
    ("wss://example.test", "must begin with"),
    ("http://", "names no host"),
    ("http:///v1", "names no host"),
    ("http://:80/", "names no host"),
    ("http://a b/", "blanks or control characters"),
    ("http://a/\r\nX: 1", "blanks or control characters"),
    ("http://a/\x7f", "blanks or control characters"),
    ("http://a:99999/", "cannot be read"),
    ("http://a:x/", "cannot be read"),
    ("http://[::1/", "cannot be read"),
    ("http://a/\ud800", "cannot be read"),
    ("http://" + "a" * 64 + ".test/", "no valid name"),
    ("http://a..test/", "no valid name"),
    ("http://\u00ad/", "no valid name"),
    ("http://a\u00a0b/", "no valid name"),
]


@pytest.mark.parametrize(("url", "words"), REFUSED)
def test_what_is_no_url_is_refused_with_the_reason(url: str, words: str) -> None:
    with pytest.raises(InvalidURL, match=words):
        parse_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://user:canary@host/",
        "http://user:canary@ho st/",
        "http://user:canary@host:x/",
        "ftp://user:canary@host/",
        "http://a b/?key=canary",
        "wss://a/?key=canary",
        "http://canary@/",
        "http://user:a/canary@host/",
        "http://user:a?b=canary@host/",
        "http://user:a#canary@host:1",
        "http://user:@canary@host:x/",
        "user:canary@host/v1",
        "user:/canary@host/v1",
    ],
)
def test_a_message_never_tells_a_password_or_a_query(url: str) -> None:
    with pytest.raises(InvalidURL) as caught:
        parse_url(url)
    assert "canary" not in str(caught.value)


@given(st.text(max_size=30), st.sampled_from(["http://", "https://", "http://h/", "http://h?", "http://[", ""]))
def test_any_text_is_a_target_or_an_invalid_url(text: str, start: str) -> None:
    try:
        target = parse_url(start + text)
    except InvalidURL:
        return
    assert target.host.isascii()
    assert target.path.isascii()
    assert target.path.startswith("/")
    assert not any(character <= " " for character in target.url)


def test_a_short_url_is_kept_parsed_and_a_long_one_is_not() -> None:
    module._kept.cache_clear()
    for number in range(100):
        long = f"http://h{number}/".ljust(module._MAX_KEPT_URL + 1, "a")
        assert parse_url(long) == parse_url(long)
    assert module._kept.cache_info().currsize == 0
    for number in range(100):
        short = f"http://h{number}/".ljust(module._MAX_KEPT_URL, "a")
        assert parse_url(short) is parse_url(short)
    assert module._kept.cache_info().currsize == 64


@pytest.mark.parametrize("url", [*(url for url, *_ in URLS), *(url for url, _ in REFUSED), "ws://h/a", "http://u:p@h"])
@pytest.mark.parametrize("websocket", [False, True])
def test_a_url_is_parsed_alike_whether_it_is_kept_or_not(
    url: str, websocket: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parsed() -> Target | str:
        try:
            return parse_url(url, websocket=websocket)
        except InvalidURL as error:
            return str(error)

    kept = [parsed(), parsed()]
    monkeypatch.setattr(module, "_MAX_KEPT_URL", -1)
    assert kept == [parsed()] * 2

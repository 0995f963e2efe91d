"""What is asked: base URLs as providers and their SDKs write them, keys, and the usage."""

from __future__ import annotations

import json
from typing import Any

import pytest

import tokenwire
from tokenwire.dialects import DIALECTS
from tokenwire.session import build_request, endpoint_url

CHAT = "/v1/chat/completions"

#: What is given, in which dialect; and where it leads.
BASES = [
    # A server alone.
    ("http://h", "openai-chat", "http://h/v1/chat/completions"),
    ("http://h/", "openai-chat", "http://h/v1/chat/completions"),
    ("https://h:8443?x=1", "openai-chat", "https://h:8443/v1/chat/completions?x=1"),
    # A version, wherever it stands.
    ("https://h/v1", "openai-chat", "https://h/v1/chat/completions"),
    ("https://h/v1/", "openai-chat", "https://h/v1/chat/completions"),
    ("https://h/v1//", "openai-chat", "https://h/v1/chat/completions"),
    ("https://h/v1?api-version=3", "openai-chat", "https://h/v1/chat/completions?api-version=3"),
    ("https://h/v1/?api-version=3", "openai-chat", "https://h/v1/chat/completions?api-version=3"),
    ("https://h/api/v1", "openai-chat", "https://h/api/v1/chat/completions"),
    ("https://h/api/v3", "openai-chat", "https://h/api/v3/chat/completions"),
    ("https://h/api/v3/", "openai-chat", "https://h/api/v3/chat/completions"),
    ("https://h/api/paas/v4", "openai-chat", "https://h/api/paas/v4/chat/completions"),
    ("https://h/paas/v4/", "openai-chat", "https://h/paas/v4/chat/completions"),
    ("https://h/openai/v1", "openai-chat", "https://h/openai/v1/chat/completions"),
    ("https://h/openai/v1/", "openai-responses", "https://h/openai/v1/responses"),
    ("https://h/compatible-mode/v1", "openai-chat", "https://h/compatible-mode/v1/chat/completions"),
    ("https://h/inference/v1", "openai-completions", "https://h/inference/v1/completions"),
    ("https://h/client/v4/accounts/me/ai/v1", "openai-chat", "https://h/client/v4/accounts/me/ai/v1/chat/completions"),
    ("https://h/v2", "openai-chat", "https://h/v2/chat/completions"),
    ("https://h/anthropic/v1", "anthropic-messages", "https://h/anthropic/v1/messages"),
    ("https://h/v1", "gemini", "https://h/v1/models/m:streamGenerateContent?alt=sse"),
    ("https://h/v1beta/", "gemini", "https://h/v1beta/models/m:streamGenerateContent?alt=sse"),
    ("https://h/v1alpha?key=k", "gemini", "https://h/v1alpha/models/m:streamGenerateContent?alt=sse&key=k"),
    # The API that a server speaks.
    ("https://h/v1beta/openai", "openai-chat", "https://h/v1beta/openai/chat/completions"),
    ("https://h/v1beta/openai/", "openai-chat", "https://h/v1beta/openai/chat/completions"),
    ("https://h/v1/openai", "openai-chat", "https://h/v1/openai/chat/completions"),
    ("https://h/openai", "openai-chat", "https://h/openai/v1/chat/completions"),
    ("https://h/api/anthropic", "anthropic-messages", "https://h/api/anthropic/v1/messages"),
    # The beginning of the dialect's own path.
    ("http://h/api", "ollama", "http://h/api/chat"),
    ("http://h/api/", "ollama", "http://h/api/chat"),
    ("https://h/v2", "cohere-v2", "https://h/v2/chat"),
    ("https://h/model", "bedrock-converse", "https://h/model/m/converse-stream"),
    ("http://h/mcp", "mcp", "http://h/mcp"),
    # Over WebSocket.
    ("wss://h/v1", "openai-responses", "wss://h/v1/responses"),
    ("wss://h/openai/v1/", "openai-realtime", "wss://h/openai/v1/realtime?model=m"),
    # The endpoint itself, and what is no base: taken as it is.
    ("https://h/v1/chat/completions", "openai-chat", "https://h/v1/chat/completions"),
    ("https://h/v1/chat/completions/", "openai-chat", "https://h/v1/chat/completions/"),
    ("https://h/chat/completions?a=b", "openai-chat", "https://h/chat/completions?a=b"),
    (
        "https://h/openai/deployments/d/chat/completions",
        "openai-chat",
        "https://h/openai/deployments/d/chat/completions",
    ),
    ("https://h/v1/messages", "anthropic-messages", "https://h/v1/messages"),
    ("https://h/stream/", "eventsource", "https://h/stream/"),
    ("https://h/reviews", "openai-chat", "https://h/reviews"),
    ("https://h/v1x-ray/", "openai-chat", "https://h/v1x-ray/"),
    ("https://h/version", "openai-chat", "https://h/version"),
]


@pytest.mark.parametrize(("given", "dialect", "leads_to"), BASES)
def test_a_base_url_gets_the_rest_of_the_path(given: str, dialect: str, leads_to: str) -> None:
    assert endpoint_url(given, DIALECTS[dialect], {"model": "m"}) == leads_to
    if DIALECTS[dialect].method == "POST":
        body = {"model": "m"} if dialect != "mcp" else {"method": "x"}
        assert build_request(given, DIALECTS[dialect], json=body).http.target.url == leads_to


@pytest.mark.parametrize("name", DIALECTS)
def test_what_a_base_url_leads_to_leads_to_itself(name: str) -> None:
    dialect = DIALECTS[name]
    for scheme in [{"HTTP": "http", "WebSocket": "ws"}[transport] for transport in dialect.transports]:
        for base in ("", "/", "/v1", "/v1beta/", "/api/v3", "/api"):
            once = endpoint_url(f"{scheme}://h{base}", dialect, {"model": "m"})
            again = endpoint_url(once, dialect, {"model": "m"})
            assert again.partition("?")[0] == once.partition("?")[0], (base, once)


def body_of(dialect: str, json_body: dict[str, Any], **options: Any) -> dict[str, Any]:
    value = json.loads(build_request("http://h", DIALECTS[dialect], json=json_body, **options).http.body)
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize("name", DIALECTS)
def test_the_usage_is_asked_for_where_it_must_be(name: str) -> None:
    dialect = DIALECTS[name]
    if dialect.websocket_only or dialect.method == "GET":
        assert not dialect.usage_members
        return
    given = {"model": "m", "threadId": "t", "runId": "r"}
    plain, asking = body_of(name, given), body_of(name, given, usage=True)
    if name in ("openai-chat", "openai-completions"):
        assert asking == {**plain, "stream_options": {"include_usage": True}}
    else:
        assert asking == plain


def test_what_the_user_wrote_about_the_usage_stays() -> None:
    options = {"include_obfuscation": False}
    assert body_of("openai-chat", {"stream_options": options}, usage=True)["stream_options"] == {
        "include_obfuscation": False,
        "include_usage": True,
    }
    assert body_of("openai-chat", {"stream_options": {"include_usage": False}}, usage=True)["stream_options"] == {
        "include_usage": False
    }
    assert options == {"include_obfuscation": False}
    assert body_of("openai-chat", {"stream_options": None}, usage=True)["stream_options"] == {"include_usage": True}


def test_a_name_and_auto_do_for_a_dialect() -> None:
    assert build_request("http://h", "anthropic-messages").http.target.path == "/v1/messages"
    assert ("anthropic-version", "2023-06-01") in build_request("http://h/v1/messages", "auto").http.headers


@pytest.mark.parametrize("asks", [tokenwire.stream, tokenwire.astream])
def test_the_key_comes_as_a_value_or_by_environment(asks: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "k-environment")
    for options, key in [({"key": "k-value"}, "k-value"), ({"key_env": "A_KEY"}, "k-environment")]:
        opening = asks("http://127.0.0.1:1", **options)._opening
        assert ("authorization", f"Bearer {key}") in opening.request.http.headers
        assert key in opening.request.secrets.values
    for connects in (tokenwire.connect, tokenwire.aconnect):
        assert connects("ws://127.0.0.1:1", key="k-value")._opening.request.secrets.values == ("k-value",)


#: Secrets that have nothing in common.
IN_JSON, IN_FIELD, KEY = "sk-4fQ9zLw0xKd81Tn", "tk-Zr7Yp2Vb6Nc3Mh5", "pk-u8Ee1Wq4Rt0Ui7o"


@pytest.mark.parametrize(
    ("url", "dialect"),
    [("http://h", "openai-chat"), ("http://h", "eventsource"), ("ws://h", "holysheep"), ("wss://h", "openai-realtime")],
)
def test_what_was_asked_stays_secret_whatever_becomes_of_the_objects_that_were_given(url: str, dialect: Any) -> None:
    asked: dict[str, Any] = {"model": "m", "api_key": IN_JSON, "session": {"api_key": IN_JSON}}
    headers = {"x-tenant-key": IN_FIELD}
    request = build_request(url, dialect, json=asked, key=KEY, headers=headers)
    asked["session"].clear()
    asked.clear()
    headers.clear()
    assert set(request.secrets.values) >= {IN_JSON, IN_FIELD, KEY}


@pytest.mark.parametrize("message", ["{}", '{"a": "b", "password": ["x"], "c": 1', "[]"])
def test_a_key_deep_in_what_is_asked_is_secret(message: str) -> None:
    """As deep as it can be written, and asked for from deeper in the stack, where Python cannot parse it any more."""
    deepest = 0
    for depth in range(800, 1000):
        asked: Any = {"a": 'b": "c', "password": IN_JSON, message: {"token": "in words", "api key": f"Bearer {KEY}"}}
        for _ in range(depth):
            asked = [asked]
        try:
            request = build_request("http://h", "openai-chat", json={"model": "m", "more": asked})
        except tokenwire.LocalProtocolError:
            break
        deepest = depth
        assert set(called_from(150, lambda request=request: request.secrets.values)) == {IN_JSON, f"Bearer {KEY}", KEY}
    assert deepest > 850


def called_from(depth: int, ask: Any) -> Any:
    """What is given by a function that is called so deep in the stack."""
    return ask() if depth == 0 else called_from(depth - 1, ask)

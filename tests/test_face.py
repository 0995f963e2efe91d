"""The public face: the names of the contract, and what importing them costs."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any, get_type_hints

import pytest

import tokenwire

#: What others type and rely on.
CONTRACT = {
    "decode", "adecode", "stream", "astream", "SSEParser", "ServerSentEvent", "encode", "MAX_EVENT_SIZE",
    "Start", "BlockStart", "TextDelta", "ReasoningDelta", "ToolCallDelta", "BlockStop",
    "Usage", "Finish", "Error", "Other", "End",
    "TokenwireError", "LocalProtocolError", "RemoteProtocolError", "StreamInterrupted",
}  # fmt: skip


def test_the_face_has_the_names_of_the_contract() -> None:
    assert set(tokenwire.__all__) >= CONTRACT
    assert set(dir(tokenwire)) >= CONTRACT


@pytest.mark.parametrize("name", tokenwire.__all__)
def test_a_name_leads_to_the_object_at_its_home(name: str) -> None:
    found = getattr(tokenwire, name)
    if name != "__version__":
        home = importlib.import_module(f"tokenwire.{tokenwire._HOME[name]}")
        assert found is getattr(home, name)
        assert name in home.__all__, f"{name} is not in __all__ of its home"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'WebSocketsParser'"):
        tokenwire.WebSocketsParser  # noqa: B018


def test_what_type_checkers_see_is_what_is_loaded() -> None:
    """The imports under TYPE_CHECKING and the table of homes say the same twice: they have to agree."""
    tree = ast.parse(Path(tokenwire.__file__).read_text(encoding="utf-8"))
    (guarded,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        (alias.name, statement.module)
        for statement in guarded.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
    assert seen == set(tokenwire._HOME.items())
    assert set(tokenwire.__all__) == {"__version__", *tokenwire._HOME}


def loaded_by(program: str) -> set[str]:
    tell = "import json; print(json.dumps(sorted(loaded)))"
    lines = ["import sys", "before = set(sys.modules)", program, "loaded = set(sys.modules) - before", tell]
    result = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(result.stdout))


HEAVY = {
    "asyncio",
    "ssl",
    "socket",
    "h11",
    "wsproto",
    "brotli",
    "zstandard",
    "rich",
    "http",
    "urllib",
    "logging",
    "threading",
}


def test_importing_loads_nothing_that_is_heavy() -> None:
    loaded = loaded_by("import tokenwire")
    assert {name for name in loaded if name.startswith("tokenwire")} == {"tokenwire", "tokenwire._version"}
    assert not loaded & HEAVY


@pytest.mark.parametrize(
    "program",
    ["from tokenwire import SSEParser", "from tokenwire import decode; list(decode([b'data: [DONE]\\n\\n']))"],
)
def test_parsing_loads_no_transport(program: str) -> None:
    assert not loaded_by(program) & (HEAVY - {"threading"})


def test_the_blocking_driver_loads_no_asyncio() -> None:
    assert "asyncio" not in loaded_by("from tokenwire import stream")


#: What a stream of chat over http needs none of: other dialects, TLS, WebSockets, recordings, dates and chance.
NOT_FOR_HTTP = {
    "asyncio",
    "concurrent",
    "datetime",
    "email",
    "http",
    "random",
    "ssl",
    "urllib.request",
    "uuid",
    "wsproto",
    "brotli",
    "zstandard",
    "tokenwire.dialects.anthropic",
    "tokenwire.dialects.gemini",
    "tokenwire.dialects.mcp",
    "tokenwire.dialects.openai_responses",
    "tokenwire.drivers.tls",
    "tokenwire.framing.eventstream",
    "tokenwire.framing.websocket",
    "tokenwire.protocol.websocket",
    "tokenwire.recording",
    "tokenwire.session.websocket",
}

#: A server that answers one request, and a stream that is read from it.
STREAM = """
import socket, threading, tokenwire
body = b'data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\\n\\ndata: [DONE]\\n\\n'
head = b"HTTP/1.1 200 OK\\r\\nContent-Type: text/event-stream\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body)
listener = socket.create_server(("127.0.0.1", 0))
def serve():
    accepted, _ = listener.accept()
    accepted.recv(65536)
    accepted.sendall(head + body)
threading.Thread(target=serve, daemon=True).start()
with tokenwire.stream(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", json={"model": "m"}) as stream:
    assert [event.text for event in stream if isinstance(event, tokenwire.TextDelta)] == ["Hi"]
"""


def test_a_stream_over_http_loads_only_what_it_needs() -> None:
    loaded = loaded_by(STREAM)
    assert "tokenwire.dialects.openai_chat" in loaded
    assert not loaded & NOT_FOR_HTTP


def test_a_dialect_loads_when_it_is_named() -> None:
    names = "from tokenwire import DIALECTS; assert 'mcp' in DIALECTS and len(list(DIALECTS)) > 20"
    assert "tokenwire.dialects.mcp" not in loaded_by(names)
    assert "tokenwire.dialects.mcp" in loaded_by(f"{names}; assert DIALECTS['mcp'].name == 'mcp'")


def callables(kind: type) -> Iterator[Callable[..., Any]]:
    """The class, its methods and its properties, as far as they are for users."""
    yield kind
    for name, member in inspect.getmembers(kind):
        member = member.fget if isinstance(member, property) else member
        if (not name.startswith("_") or name == "__init__") and (
            inspect.isfunction(member) or inspect.ismethod(member)
        ):
            yield member


@pytest.mark.parametrize(
    "name", [it for it in tokenwire.__all__ if isinstance(getattr(tokenwire, it), type | FunctionType)]
)
def test_the_annotations_of_all_that_is_exported_can_be_read_at_run_time(name: str) -> None:
    exported = getattr(tokenwire, name)
    for it in callables(exported) if isinstance(exported, type) else [exported]:
        get_type_hints(it)


def test_an_annotation_names_the_class_itself_and_not_what_stands_for_it() -> None:
    assert get_type_hints(tokenwire.stream)["ssl_context"] == ssl.SSLContext | None
    assert get_type_hints(tokenwire.StreamFailed.__init__)["answer"] is tokenwire.Answer
    assert get_type_hints(tokenwire.WebSocket.closed.fget)["return"] == tokenwire.Closed | None

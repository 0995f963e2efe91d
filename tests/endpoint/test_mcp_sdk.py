"""MCP's SDK speaks with the reference endpoint in both revisions, and hears what tokenwire hears."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hearing import KEY

import tokenwire
from tokenwire.dialects.jsonrpc import Notification, Response
from tokenwire.dialects.mcp import MCPReader
from tokenwire.endpoint import Call, ReferenceEndpoint, Seams, background
from tokenwire.endpoint.story import STORY

mcp = pytest.importorskip("mcp", reason="MCP's SDK is not installed")
httpx2 = pytest.importorskip("httpx2", reason="MCP's SDK is not one that runs on httpx2")
from mcp.client.streamable_http import streamable_http_client  # noqa: E402

STORY_TEXT = "".join(STORY)

#: The SDK's name for a way to begin, and the revision that it leads to.
MODES = {"legacy": "2025-11-25", "auto": "2026-07-28"}


class Breaking(Seams):
    """Ends the stream of a call after some events, as a server may that gives them ids."""

    def blocks(self, call: Call, blocks: list[bytes]) -> list[bytes]:
        return blocks[:9] if call.method == "POST" else blocks


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with background(ReferenceEndpoint(key=KEY, pace=0.0005).connection) as port:
        yield f"http://127.0.0.1:{port}/mcp"


@asynccontextmanager
async def client_of(url: str, mode: str, key: str = KEY) -> AsyncIterator[Any]:
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}) as transport,
        mcp.Client(streamable_http_client(url, http_client=transport), mode=mode) as client,
    ):
        yield client


def called(url: str, mode: str, **arguments: Any) -> tuple[Any, list[str | None]]:
    """The result of a call, and the progress that was told."""
    told: list[str | None] = []

    async def progress(progress: float, total: float | None, message: str | None) -> None:
        told.append(message)

    async def call() -> Any:
        async with client_of(url, mode) as client:
            return await client.call_tool("tell", arguments, progress_callback=progress)

    return asyncio.run(call()), told


def heard(url: str, revision: str) -> tuple[str, list[str]]:
    """The same, as tokenwire reads it."""
    params = {"name": "tell", "arguments": {}, "_meta": {"progressToken": 1}}
    fields = {"authorization": f"Bearer {KEY}", "mcp-protocol-version": revision}
    ask = {"method": "tools/call", "params": params}
    with tokenwire.stream(url, json=ask, headers=fields, dialect="mcp") as stream:
        raw = [event.raw for event in stream if isinstance(event, tokenwire.Other) and event.raw]
    reader = MCPReader(1)
    messages = reader.receive_data(b"".join(tokenwire.framing.sse.encode(text) for text in raw))
    assert isinstance(messages[-1], Response)
    told = [message.params["message"] for message in messages if isinstance(message, Notification)]
    return messages[-1].result["content"][0]["text"], told


@pytest.mark.parametrize("mode", MODES)
def test_it_finds_the_tool(url: str, mode: str) -> None:
    async def listed() -> list[str]:
        async with client_of(url, mode) as client:
            return [tool.name for tool in (await client.list_tools()).tools]

    assert asyncio.run(listed()) == ["tell"]


@pytest.mark.parametrize("mode", MODES)
def test_both_hear_the_same(url: str, mode: str) -> None:
    result, told = called(url, mode)
    assert (result.content[0].text, told) == heard(url, MODES[mode])
    assert result.content[0].text == STORY_TEXT


def test_it_goes_on_with_a_stream_that_broke_off() -> None:
    with background(ReferenceEndpoint(key=KEY, seams=Breaking).connection) as port:
        result, told = called(f"http://127.0.0.1:{port}/mcp", "legacy")
    assert result.content[0].text == STORY_TEXT
    assert told == list(STORY)


@pytest.mark.parametrize("mode", MODES)
def test_what_the_tool_refuses_is_a_result(url: str, mode: str) -> None:
    result, _ = called(url, mode, model="no-such")
    assert result.is_error
    assert "does not exist" in result.content[0].text


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("model", "words"),
    [("tokenwire-overloaded", "The model is overloaded"), ("tokenwire-fails-midstream", "The model failed")],
)
def test_it_raises_what_fails(url: str, mode: str, model: str, words: str) -> None:
    async def call() -> None:
        async with client_of(url, mode) as client:
            with pytest.raises(mcp.MCPError, match=words):
                await client.call_tool("tell", {"model": model})

    asyncio.run(call())

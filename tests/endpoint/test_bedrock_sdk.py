"""Amazon's SDK streams from the reference endpoint with signed requests, and hears what tokenwire hears."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hearing import KEY, hear

from tokenwire.endpoint import ReferenceEndpoint, background

session = pytest.importorskip("botocore.session", reason="botocore is not installed")
from botocore.config import Config  # noqa: E402
from botocore.exceptions import ClientError, EventStreamError  # noqa: E402

MODEL = "tokenwire-reference"
ASK: dict[str, Any] = {"messages": [{"role": "user", "content": [{"text": "say it"}]}]}
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
SPECS = [{"name": name, "description": "Looks it up.", "inputSchema": {"json": PARAMETERS}} for name in ("a", "b")]
TOOLS = {"toolConfig": {"tools": [{"toolSpec": spec} for spec in SPECS]}}
THINKING = {"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}}}


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with background(ReferenceEndpoint(key=KEY, pace=0.0005).connection) as port:
        yield f"http://127.0.0.1:{port}"


def client_with(base: str, key: str) -> Any:
    """A client whose requests are signed with the key for an access key id."""
    return session.get_session().create_client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=base,
        aws_access_key_id=key,
        aws_secret_access_key="not looked at",
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.fixture(scope="module")
def client(base: str) -> Iterator[Any]:
    made = client_with(base, KEY)
    yield made
    made.close()


def heard(client: Any, model: str = MODEL, **more: Any) -> list[dict[str, Any]]:
    """The events of a stream."""
    stream = client.converse_stream(modelId=model, **{**ASK, **more})["stream"]
    try:
        return list(stream)
    finally:
        stream.close()


def blocks_of(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The content of the message, put together as the SDK's users do it."""
    blocks: dict[int, dict[str, Any]] = {}
    for event in events:
        match event:
            case {"contentBlockStart": {"contentBlockIndex": index, "start": {"toolUse": tool}}}:
                blocks[index] = {"tool": (tool["toolUseId"], tool["name"]), "input": ""}
            case {"contentBlockDelta": {"contentBlockIndex": index, "delta": delta}}:
                block = blocks.setdefault(index, {})
                pieces = {**delta, **delta.get("reasoningContent", {}), **delta.get("toolUse", {})}
                kind = "thinking" if "reasoningContent" in delta else "text"
                for name, into in (("text", kind), ("input", "input")):
                    if name in pieces:
                        block[into] = block.get(into, "") + pieces[name]
    return list(blocks.values())


@pytest.mark.parametrize(
    "more",
    [{}, {"inferenceConfig": {"maxTokens": 3}}, THINKING, TOOLS, {**TOOLS, **THINKING}],
    ids=["text", "limit", "thinking", "tools", "thinking and tools"],
)
def test_both_hear_the_same(client: Any, base: str, more: dict[str, Any]) -> None:
    events = heard(client, **more)
    blocks = blocks_of(events)
    answer = hear(f"{base}/model/{MODEL}/converse-stream", "bedrock-converse", {**ASK, **more})
    assert answer.text == "".join(block.get("text", "") for block in blocks)
    assert answer.reasoning == "".join(block.get("thinking", "") for block in blocks)
    assert [((call.tool_id, call.name), call.arguments) for call in answer.tools] == [
        (block["tool"], block["input"]) for block in blocks if "tool" in block
    ]
    assert answer.finish is not None
    assert {"messageStop": {"stopReason": answer.finish.raw_reason}} in events
    assert answer.usage == events[-1]["metadata"]["usage"]
    assert answer.text or answer.tools
    assert bool(answer.reasoning) == ("additionalModelRequestFields" in more)


def test_the_whole_answer_is_the_streamed_one(client: Any) -> None:
    whole = client.converse(modelId=MODEL, **ASK, **TOOLS, **THINKING)
    events = heard(client, **TOOLS, **THINKING)
    thinking, *calls = whole["output"]["message"]["content"]
    blocks = blocks_of(events)
    assert thinking["reasoningContent"]["reasoningText"]["text"] == blocks[0]["thinking"]
    assert [call["toolUse"]["input"] for call in calls] == [json.loads(block["input"]) for block in blocks[1:]]
    assert whole["usage"] == events[-1]["metadata"]["usage"]
    assert {"messageStop": {"stopReason": whole["stopReason"]}} in events


@pytest.mark.parametrize(
    ("model", "more", "error"),
    [
        ("no-such", {}, "ResourceNotFoundException"),
        ("tokenwire-overloaded", {}, "ServiceUnavailableException"),
        (MODEL, {"messages": []}, "ValidationException"),
    ],
)
def test_it_raises_what_the_endpoint_refuses(client: Any, model: str, more: dict[str, Any], error: str) -> None:
    with pytest.raises(ClientError) as raised:
        heard(client, model, **more)
    assert raised.value.response["Error"]["Code"] == error


def test_a_wrong_key_is_refused(base: str) -> None:
    client = client_with(base, "wrong")
    with pytest.raises(ClientError, match="UnrecognizedClientException"):
        heard(client)
    client.close()


def test_it_raises_the_exception_within_the_stream(client: Any) -> None:
    with pytest.raises(EventStreamError, match=r"internalServerException.*The model failed"):
        heard(client, "tokenwire-fails-midstream")

"""Each provider's service answers what tokenwire asks in its dialect, and refuses in the provider's words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from test_reference import KEY, STORY_TEXT, exchange, request

import tokenwire
from tokenwire.dialects import dialect_named
from tokenwire.dialects.dialect import Prompt, Tool
from tokenwire.endpoint import Call, ReferenceEndpoint, Seams
from tokenwire.endpoint.gemini_interactions import MAX_KEPT
from tokenwire.endpoint.story import REASONING, STORY

MODEL = "tokenwire-reference"
OVERLOADED = "tokenwire-overloaded"
FAILING = "tokenwire-fails-midstream"

PATHS = {
    "mistral": "/mistral/v1/chat/completions",
    "cohere-v2": "/v2/chat",
    "bedrock-converse": "/model/{model}/converse-stream",
    "gemini": "/v1beta/models/{model}:streamGenerateContent?alt=sse",
    "gemini-interactions": "/v1beta/interactions",
    "ollama": "/api/chat",
    "vercel-ui": "/vercel-ui/api/chat",
    "ag-ui": "/ag-ui",
}
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
TOOLS = [Tool(name, "Looks it up.", PARAMETERS) for name in ("weather", "time_of")]

each_dialect = pytest.mark.parametrize("dialect", PATHS)


def with_key(dialect: str, key: str) -> dict[str, str]:
    """The fields of a key, as the dialect has them, and no other."""
    fields = dialect_named(dialect).key_fields(key)
    return {"Authorization": "", **{name.title(): value for name, value in fields.items()}}


def asked(dialect: str, model: str = MODEL, *, more: dict[str, Any] | None = None, **prompt: Any) -> bytes:
    """The request that tokenwire makes of a prompt."""
    spoken = dialect_named(dialect)
    body = spoken.ask(Prompt("say it", model, **prompt))
    path = PATHS[dialect].format(model=model)
    return request(spoken.body({**body, **(more or {})}), path=path, **with_key(dialect, KEY))


def answer(dialect: str, data: bytes, endpoint: ReferenceEndpoint | None = None) -> tokenwire.Answer:
    status, headers, body = exchange(data, endpoint)
    assert status == 200, body
    assert headers["content-type"].partition(";")[0] in dialect_named(dialect).content_type.split(", ")
    told = tokenwire.Answer()
    told.add_all(tokenwire.decode([body], dialect=dialect, on_error="event"))
    return told


@each_dialect
def test_what_tokenwire_asks_is_answered(dialect: str) -> None:
    told = answer(dialect, asked(dialect))
    assert (told.text, told.tools, told.end) == (STORY_TEXT, [], tokenwire.End(clean=True))


@pytest.mark.parametrize("dialect", [name for name in PATHS if name not in ("vercel-ui", "ag-ui")])
def test_the_limit_holds(dialect: str) -> None:
    told = answer(dialect, asked(dialect, max_tokens=3))
    assert told.text == "".join(STORY[:3])
    assert told.finish is not None
    assert told.finish.reason == "length"


@pytest.mark.parametrize("dialect", [name for name in PATHS if name != "vercel-ui"])
def test_the_tools_are_called_with_what_fits_their_schema(dialect: str) -> None:
    told = answer(dialect, asked(dialect, tools=TOOLS))
    calls = [(call.name, json.loads(call.arguments)) for call in told.tools]
    assert calls == [(name, {"city": "東京", "days": 3}) for name in ("weather", "time_of")]
    assert told.finish is not None
    assert (told.finish.reason, told.text) == ("tool_calls", "")


#: How the request says that the model should show what it thinks.
REASONING_ASKED: dict[str, dict[str, Any]] = {
    "mistral": {"reasoning_effort": "high"},
    "cohere-v2": {"thinking": {"type": "enabled"}},
    "bedrock-converse": {"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}}},
    "gemini": {"generationConfig": {"thinkingConfig": {"includeThoughts": True}}},
    "gemini-interactions": {"generation_config": {"thinking_summaries": "auto"}},
    "ollama": {"think": True},
    "vercel-ui": {"reasoning": True},
    "ag-ui": {"forwardedProps": {"reasoning": True}},
}


@each_dialect
def test_reasoning_comes_where_it_is_asked_for(dialect: str) -> None:
    told = answer(dialect, asked(dialect, more=REASONING_ASKED[dialect]))
    assert (told.reasoning, told.text) == ("".join(REASONING), STORY_TEXT)


#: How the request says that no tool is to be called.
TOOLS_FORBIDDEN: dict[str, dict[str, Any]] = {
    "mistral": {"tool_choice": "none"},
    "cohere-v2": {"tool_choice": "NONE"},
    "gemini": {"toolConfig": {"functionCallingConfig": {"mode": "NONE"}}},
}


@pytest.mark.parametrize("dialect", TOOLS_FORBIDDEN)
def test_a_tool_that_may_not_be_called_is_not(dialect: str) -> None:
    assert answer(dialect, asked(dialect, tools=TOOLS, more=TOOLS_FORBIDDEN[dialect])).text == STORY_TEXT


@each_dialect
def test_an_error_within_the_stream_is_told_in_the_stream(dialect: str) -> None:
    told = answer(dialect, asked(dialect, FAILING))
    assert told.text == "".join(STORY[:5])
    assert told.error is not None
    assert (told.error.message, told.end) == ("The model failed.", tokenwire.End(clean=False))


@each_dialect
@pytest.mark.parametrize(("model", "status"), [("no-such", 404), (OVERLOADED, 503)])
def test_a_model_that_cannot_answer_is_refused_in_the_dialects_words(dialect: str, model: str, status: int) -> None:
    got, headers, body = exchange(asked(dialect, model))
    assert (got, headers["content-type"]) == (status, "application/json")
    assert "model" in dialect_named(dialect).error_fields(json.loads(body))["message"]
    assert ("retry-after" in headers) == (status == 503)


@each_dialect
def test_who_asks_nothing_is_refused_in_the_dialects_words(dialect: str) -> None:
    status, _, body = exchange(request({"model": MODEL}, path=PATHS[dialect].format(model=MODEL)))
    assert status in (400, 422)
    assert dialect_named(dialect).error_fields(json.loads(body))["message"]


@each_dialect
def test_a_wrong_key_is_refused_in_the_dialects_words(dialect: str) -> None:
    data = request({}, path=PATHS[dialect].format(model=MODEL), **with_key(dialect, "wrong"))
    status, _, body = exchange(data)
    assert status == (403 if dialect == "bedrock-converse" else 401)
    assert "key" in dialect_named(dialect).error_fields(json.loads(body))["message"]


SIGNED = "AWS4-HMAC-SHA256 Credential={}/20261124/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=0"


@pytest.mark.parametrize(
    ("dialect", "query", "fields", "status"),
    [
        ("gemini", "", {"X-Goog-Api-Key": KEY}, 200),
        ("gemini", f"&key={KEY}", {}, 200),
        ("gemini", "&key=wrong", {}, 401),
        ("gemini", "", {"Authorization": f"Bearer {KEY}"}, 200),
        ("bedrock-converse", "", {"Authorization": f"Bearer {KEY}"}, 200),
        ("bedrock-converse", "", {"Authorization": SIGNED.format(KEY)}, 200),
        ("bedrock-converse", "", {"Authorization": SIGNED.format("wrong")}, 403),
    ],
)
def test_a_key_may_come_in_several_ways(dialect: str, query: str, fields: dict[str, str], status: int) -> None:
    body = dialect_named(dialect).ask(Prompt("say it"))
    path = PATHS[dialect].format(model=MODEL) + query
    assert exchange(request(body, path=path, **{"Authorization": "", **fields}))[0] == status


@each_dialect
def test_the_payloads_and_the_blocks_go_through_the_seams(dialect: str) -> None:
    blocks_seen: list[bytes] = []

    class Changing(Seams):
        def chunks(self, call: Call, chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
            return [json.loads(json.dumps(chunk).replace("Tokens", "Things")) for chunk in chunks]

        def blocks(self, call: Call, blocks: list[bytes]) -> list[bytes]:
            blocks_seen.extend(blocks)
            return blocks

    endpoint = ReferenceEndpoint(key=KEY, seams=Changing)
    assert answer(dialect, asked(dialect), endpoint).text.startswith("Things travel")
    assert len(blocks_seen) > len(STORY)


#: Where an answer is asked for whole, what the request has besides, and where in the answer text and reasoning are.
WHOLE: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "mistral": (
        PATHS["mistral"],
        {},
        "/choices/0/message/content/1/text",
        "/choices/0/message/content/0/thinking/0/text",
    ),
    "cohere-v2": (PATHS["cohere-v2"], {}, "/message/content/1/text", "/message/content/0/thinking"),
    "bedrock-converse": (
        "/model/{model}/converse",
        {},
        "/output/message/content/1/text",
        "/output/message/content/0/reasoningContent/reasoningText/text",
    ),
    "gemini": (
        "/v1beta/models/{model}:generateContent",
        {},
        "/candidates/0/content/parts/1/text",
        "/candidates/0/content/parts/0/text",
    ),
    "gemini-interactions": (
        PATHS["gemini-interactions"],
        {},
        "/steps/1/content/0/text",
        "/steps/0/summary/0/text",
    ),
    "ollama": (PATHS["ollama"], {"stream": False}, "/message/content", "/message/thinking"),
}


def whole(dialect: str, more: dict[str, Any], model: str = MODEL, **prompt: Any) -> tuple[int, Any]:
    """The status, and the answer to a request that is not to be streamed."""
    path, unstreamed, _, _ = WHOLE[dialect]
    body = dialect_named(dialect).ask(Prompt("say it", model, **prompt))
    status, headers, data = exchange(request({**body, **unstreamed, **more}, path=path.format(model=model)))
    assert headers["content-type"] == "application/json"
    return status, json.loads(data)


def at(answer: Any, pointer: str) -> Any:
    """What a JSON pointer leads to (RFC 6901)."""
    for step in pointer.split("/")[1:]:
        answer = answer[int(step) if isinstance(answer, list) else step]
    return answer


@pytest.mark.parametrize("dialect", WHOLE)
def test_an_answer_may_be_had_whole(dialect: str) -> None:
    _, _, text, reasoning = WHOLE[dialect]
    status, given = whole(dialect, REASONING_ASKED[dialect])
    assert (status, at(given, text), at(given, reasoning)) == (200, STORY_TEXT, "".join(REASONING))


@pytest.mark.parametrize("dialect", WHOLE)
def test_the_calls_stand_in_the_whole_answer(dialect: str) -> None:
    status, given = whole(dialect, {}, tools=TOOLS)
    assert status == 200
    assert all(tool.name in str(given) for tool in TOOLS)
    assert str(given).count("東京") == len(TOOLS)


@pytest.mark.parametrize("dialect", WHOLE)
def test_a_whole_answer_that_fails_is_refused(dialect: str) -> None:
    status, given = whole(dialect, {}, FAILING)
    assert (status, dialect_named(dialect).error_fields(given)["message"]) == (500, "The model failed.")


# Gemini.


def test_without_alt_sse_a_stream_is_an_array_and_so_is_its_refusal() -> None:
    body = dialect_named("gemini").ask(Prompt("say it"))
    path = "/v1beta/models/{}:streamGenerateContent"
    status, headers, data = exchange(request(body, path=path.format(MODEL)))
    assert (status, headers["content-type"]) == (200, "application/json; charset=UTF-8")
    assert "".join(chunk["candidates"][0]["content"]["parts"][0]["text"] for chunk in json.loads(data)) == STORY_TEXT
    status, headers, data = exchange(request(body, path=path.format(OVERLOADED)))
    assert (status, headers["retry-after"], json.loads(data)[0]["error"]["status"]) == (503, "2", "UNAVAILABLE")


def test_a_declaration_may_have_types_in_capitals() -> None:
    parameters = {"type": "OBJECT", "properties": {"days": {"type": "INTEGER"}, "city": {"type": "STRING"}}}
    tools = [{"functionDeclarations": [{"name": "weather", "parameters": parameters}]}]
    [call] = answer("gemini", asked("gemini", more={"tools": tools})).tools
    assert json.loads(call.arguments) == {"days": 3, "city": "東京"}


def test_the_names_of_members_may_be_those_of_the_proto() -> None:
    declared = {"name": "weather", "parameters_json_schema": PARAMETERS}
    config = {"thinking_config": {"include_thoughts": True}}
    more = {"tools": [{"function_declarations": [declared]}], "generation_config": config}
    told = answer("gemini", asked("gemini", more=more))
    assert json.loads(told.tools[0].arguments) == {"city": "東京", "days": 3}
    assert told.reasoning == "".join(REASONING)


def test_an_interaction_can_be_gone_on_with_after_any_of_its_events() -> None:
    endpoint = ReferenceEndpoint(key=KEY)
    _, _, told = exchange(asked("gemini-interactions", tools=TOOLS), endpoint)
    events = tokenwire.SSEParser().receive_data(told)
    identity = json.loads(events[0].data)["interaction"]["id"]
    for number, event in enumerate(events[:-1]):
        cursor = json.loads(event.data)["event_id"]
        path = f"{PATHS['gemini-interactions']}/{identity}?stream=true&last_event_id={cursor}"
        _, _, rest = exchange(request(method="GET", path=path), endpoint)
        assert tokenwire.SSEParser().receive_data(rest) == events[number + 1 :]


def test_an_interaction_is_given_whole_and_forgotten_where_it_is_not_to_be_kept() -> None:
    endpoint = ReferenceEndpoint(key=KEY)
    path = PATHS["gemini-interactions"]
    body = {"model": MODEL, "input": "say it"}
    _, _, made = exchange(request(body, path=path), endpoint)
    whole = json.loads(made)
    assert (whole["status"], whole["steps"][0]["content"][0]["text"]) == ("completed", STORY_TEXT)
    assert exchange(request(method="GET", path=f"{path}/{whole['id']}"), endpoint)[2] == made
    _, _, made = exchange(request({**body, "store": False}, path=path), endpoint)
    identity = json.loads(made)["id"]
    assert exchange(request(method="GET", path=f"{path}/{identity}"), endpoint)[0] == 404


def test_the_last_interactions_are_kept() -> None:
    endpoint = ReferenceEndpoint(key=KEY)
    known = []
    for _ in range(MAX_KEPT + 1):
        _, _, made = exchange(request({"model": MODEL, "input": "say it"}, path="/v1beta/interactions"), endpoint)
        known.append(json.loads(made)["id"])
    paths = [f"/v1beta/interactions/{identity}" for identity in known]
    assert [exchange(request(method="GET", path=path), endpoint)[0] for path in paths] == [404, *[200] * MAX_KEPT]


def test_an_event_of_an_interaction_that_there_is_not_is_refused() -> None:
    endpoint = ReferenceEndpoint(key=KEY)
    _, _, made = exchange(request({"model": MODEL, "input": "say it"}, path="/v1beta/interactions"), endpoint)
    path = f"/v1beta/interactions/{json.loads(made)['id']}?stream=true&last_event_id=99"
    assert exchange(request(method="GET", path=path), endpoint)[0] == 400


# Ollama.


def test_a_generation_is_streamed_and_whole() -> None:
    ask = {"model": MODEL, "prompt": "say it", "think": True}
    told = answer("ollama", request(ask, path="/api/generate"))
    status, headers, data = exchange(request({**ask, "stream": False}, path="/api/generate"))
    whole = json.loads(data)
    assert (status, headers["content-type"]) == (200, "application/json")
    assert (whole["thinking"], whole["response"], whole["done"]) == (told.reasoning, told.text, True)
    assert told.text == STORY_TEXT


def test_ollama_wants_no_content_type() -> None:
    data = request({"model": MODEL, "prompt": "say it"}, path="/api/generate", Content_Type="text/plain")
    assert answer("ollama", data).text == STORY_TEXT


# AG-UI and the AI SDK.


def test_a_run_has_the_ids_that_it_was_given() -> None:
    _, _, body = exchange(asked("ag-ui", more={"threadId": "mine", "runId": "this"}))
    events = [json.loads(event.data) for event in tokenwire.SSEParser().receive_data(body)]
    assert [(event["threadId"], event["runId"]) for event in (events[0], events[-1])] == [("mine", "this")] * 2


def test_every_event_is_one_of_ag_uis_own_schema() -> None:
    core = pytest.importorskip("ag_ui.core", reason="ag-ui-protocol is not installed")
    pydantic = pytest.importorskip("pydantic")
    adapter = pydantic.TypeAdapter(core.Event)
    seen = set()
    reasoning = {"forwardedProps": {"reasoning": True}}
    failing = {"forwardedProps": {"model": FAILING}}
    for data in (asked("ag-ui", tools=TOOLS), asked("ag-ui", more=reasoning), asked("ag-ui", more=failing)):
        for event in tokenwire.SSEParser().receive_data(exchange(data)[2]):
            seen.add(adapter.validate_json(event.data).type.value)
    assert {"RUN_FINISHED", "RUN_ERROR", "TOOL_CALL_ARGS", "REASONING_MESSAGE_CONTENT"} <= seen


def test_a_ui_stream_says_in_its_head_what_it_is_and_calls_tools() -> None:
    tools = [{"name": "weather", "parameters": PARAMETERS}]
    data = asked("vercel-ui", more={"tools": tools})
    _, headers, _ = exchange(data)
    assert headers["x-vercel-ai-ui-message-stream"] == "v1"
    [call] = answer("vercel-ui", data).tools
    assert (call.name, json.loads(call.arguments)) == ("weather", {"city": "東京", "days": 3})

"""OpenAI's SDK streams from the reference endpoint over a socket, and hears what tokenwire hears."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hearing import KEY, hear

import tokenwire
from tokenwire.endpoint import ReferenceEndpoint, background
from tokenwire.endpoint.story import REASONING, STORY

openai = pytest.importorskip("openai")

#: Its blocking client uses websockets in a way that websockets no longer likes.
pytestmark = pytest.mark.filterwarnings("ignore:connect.. must be used as a context manager:DeprecationWarning")

MODEL = {"model": "tokenwire-reference"}
FAILING = {"model": "tokenwire-fails-midstream"}
CHAT: dict[str, Any] = {**MODEL, "messages": [{"role": "user", "content": "say it"}]}
INPUT: dict[str, Any] = {**MODEL, "input": "say it"}
PROMPT: dict[str, Any] = {**MODEL, "prompt": "say it"}
USAGE = {"stream_options": {"include_usage": True}}
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
FUNCTIONS = [{"name": name, "description": "Looks it up.", "parameters": PARAMETERS} for name in ("weather", "time_of")]
CHAT_TOOLS = [{"type": "function", "function": function} for function in FUNCTIONS]
TOOLS: list[dict[str, Any]] = [{"type": "function", "strict": None, **function} for function in FUNCTIONS]
STORY_TEXT = "".join(STORY)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with background(ReferenceEndpoint(key=KEY, pace=0.0005).connection) as port:
        yield port


@pytest.fixture(scope="module")
def client(port: int) -> Iterator[openai.OpenAI]:
    with client_of(port) as made:
        yield made


@contextmanager
def slow() -> Iterator[openai.OpenAI]:
    """A client of an endpoint from which nothing comes by itself but the first message."""
    with background(ReferenceEndpoint(key=KEY, pace=3600.0).connection) as port, client_of(port) as client:
        yield client


def client_of(port: int) -> openai.OpenAI:
    base = f"127.0.0.1:{port}/v1"
    return openai.OpenAI(base_url=f"http://{base}", websocket_base_url=f"ws://{base}", api_key=KEY, max_retries=0)


# Chat completions.


@pytest.mark.parametrize(
    "more",
    [{}, {"tools": CHAT_TOOLS}, {"reasoning_effort": "low"}],
    ids=["text", "tools", "reasoning"],
)
def test_both_hear_the_same_chat(client: openai.OpenAI, port: int, more: dict[str, Any]) -> None:
    with client.chat.completions.stream(**CHAT, **more, **USAGE) as stream:
        for _ in stream:
            pass
        completion = stream.get_final_completion()
    [choice] = completion.choices
    answer = hear(f"http://127.0.0.1:{port}/v1/chat/completions", "openai-chat", {**CHAT, **more, **USAGE})
    assert answer.text == (choice.message.content or "")
    assert answer.reasoning == getattr(choice.message, "reasoning_content", "")
    assert calls_of(answer) == [
        (call.id, call.function.name, call.function.arguments) for call in choice.message.tool_calls or []
    ]
    assert answer.finish == tokenwire.Finish(choice.finish_reason, choice.finish_reason)
    assert answer.usage == completion.usage.to_dict()
    assert answer.text or answer.tools
    assert answer.reasoning == ("".join(REASONING) if "reasoning_effort" in more else "")


def test_both_hear_the_same_chunks_up_to_the_limit(client: openai.OpenAI, port: int) -> None:
    """Its accumulator raises an error at the limit."""
    body = {**CHAT, **USAGE, "max_completion_tokens": 3}
    *chunks, last = client.chat.completions.create(**body, stream=True)
    answer = hear(f"http://127.0.0.1:{port}/v1/chat/completions", "openai-chat", body)
    assert answer.text == "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "".join(STORY[:3])
    assert answer.finish == tokenwire.Finish("length", chunks[-1].choices[0].finish_reason)
    assert answer.usage == last.usage.to_dict()


def test_it_raises_what_the_endpoint_refuses(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.chat.completions.create(model="no-such", messages=CHAT["messages"], stream=True)
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="wrong").chat.completions.create(**CHAT, stream=True)


def test_it_raises_the_error_within_the_stream(client: openai.OpenAI) -> None:
    streams = [
        client.chat.completions.create(**{**CHAT, **FAILING}, stream=True),
        client.completions.create(**{**PROMPT, **FAILING}, stream=True),
        client.responses.create(**{**INPUT, **FAILING}, stream=True),
    ]
    for stream in streams:
        with pytest.raises(openai.APIError, match="The model failed"):
            list(stream)


def test_it_raises_where_the_answer_that_fails_is_asked_for_whole(client: openai.OpenAI) -> None:
    for ask in (
        lambda: client.chat.completions.create(**{**CHAT, **FAILING}),
        lambda: client.completions.create(**{**PROMPT, **FAILING}),
        lambda: client.responses.create(**{**INPUT, **FAILING}),
    ):
        with pytest.raises(openai.InternalServerError, match="The model failed"):
            ask()


def test_it_lists_the_models(client: openai.OpenAI) -> None:
    assert client.models.list().data[0].id == "tokenwire-reference"


# Completions.


@pytest.mark.parametrize("more", [{}, {"max_tokens": 3}], ids=["text", "limit"])
def test_both_hear_the_same_completion(client: openai.OpenAI, port: int, more: dict[str, Any]) -> None:
    *chunks, last = client.completions.create(**PROMPT, **more, **USAGE, stream=True)
    answer = hear(f"http://127.0.0.1:{port}/v1/completions", "openai-completions", {**PROMPT, **more, **USAGE})
    assert answer.text == "".join(chunk.choices[0].text for chunk in chunks)
    assert answer.finish is not None
    assert answer.finish.raw_reason == chunks[-1].choices[0].finish_reason
    assert answer.usage == last.usage.to_dict()
    assert answer.text == client.completions.create(**PROMPT, **more).choices[0].text


# Responses.

REASONED = {"reasoning": {"effort": "low", "summary": "auto"}}
RESPONSES = [{}, {"max_output_tokens": 3}, {"tools": TOOLS}, REASONED, {"tools": TOOLS, **REASONED}]
response_of_each_kind = pytest.mark.parametrize(
    "more", RESPONSES, ids=["text", "limit", "tools", "reasoning", "reasoning and tools"]
)


@response_of_each_kind
def test_both_hear_the_same_response(client: openai.OpenAI, port: int, more: dict[str, Any]) -> None:
    *events, last = client.responses.create(**INPUT, **more, stream=True)
    for scheme in ("http", "ws"):
        answer = hear(f"{scheme}://127.0.0.1:{port}/v1/responses", "openai-responses", {**INPUT, **more})
        assert_same(answer, last.response)
        assert answer.text == "".join(event.delta for event in events if event.type == "response.output_text.delta")
        assert bool(answer.reasoning) == ("reasoning" in more)


@response_of_each_kind
def test_its_own_accumulator_agrees_with_the_last_event(client: openai.OpenAI, more: dict[str, Any]) -> None:
    with client.responses.stream(**INPUT, **more) as stream:
        events = list(stream)
    snapshots = [event.snapshot for event in events if event.type == "response.output_text.delta"]
    assert (snapshots or [""])[-1] == events[-1].response.output_text
    if events[-1].type == "response.completed":
        assert stream.get_final_response().output == events[-1].response.output
    else:
        assert events[-1].response.incomplete_details.reason == "max_output_tokens"


@response_of_each_kind
def test_over_websocket_both_hear_the_same(client: openai.OpenAI, port: int, more: dict[str, Any]) -> None:
    with client.responses.connect() as connection:
        connection.response.create(**INPUT, **more)
        for event in connection:
            if event.type in ("response.completed", "response.incomplete"):
                break
    assert_same(hear(f"ws://127.0.0.1:{port}/v1/responses", "openai-responses", {**INPUT, **more}), event.response)


def test_the_whole_response_is_the_streamed_one(client: openai.OpenAI) -> None:
    whole = client.responses.create(**INPUT, **REASONED)
    *_, last = client.responses.create(**INPUT, **REASONED, stream=True)
    ids = {"id", "created_at", "completed_at"}
    assert [strip(item.to_dict()) for item in whole.output] == [strip(item.to_dict()) for item in last.response.output]
    assert whole.to_dict().keys() | ids == last.response.to_dict().keys() | ids
    assert whole.output_text == STORY_TEXT


def test_it_resumes_a_response_in_the_background(client: openai.OpenAI) -> None:
    with client.responses.stream(**INPUT, background=True) as stream:
        for event in stream:
            if event.type == "response.created":
                response = event.response.id
            if event.sequence_number == 10:
                break
    with client.responses.stream(response_id=response, starting_after=10) as resumed:
        events = list(resumed)
        assert resumed.get_final_response().output_text == STORY_TEXT
    assert events[0].sequence_number == 11


def test_it_steers_a_response_in_a_lane() -> None:
    with slow() as client, client.responses.connect() as connection:
        connection.response.create(**INPUT, stream_id="a")
        created = connection.recv()
        connection.response.steer(previous_response_id=created.response.id, input="shorter")
        accepted = connection.recv()
    assert (created.type, accepted.type) == ("response.created", "response.steer.accepted")
    assert accepted.steer.previous_response_id == created.response.id
    assert accepted.stream_id == created.stream_id == "a"


# Realtime.


@pytest.mark.parametrize("more", [{}, {"max_output_tokens": 3}, {"tools": TOOLS}], ids=["text", "limit", "tools"])
def test_both_hear_the_same_in_realtime(client: openai.OpenAI, port: int, more: dict[str, Any]) -> None:
    content = [{"type": "input_text", "text": "say it"}]
    item = {"type": "message", "role": "user", "content": content}
    text = ""
    with client.realtime.connect(model=MODEL["model"]) as connection:
        connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
        connection.conversation.item.create(item=item)
        connection.response.create(response=more)
        for event in connection:
            if event.type == "response.output_text.delta":
                text += event.delta
            elif event.type == "response.done":
                break
    url = f"ws://127.0.0.1:{port}/v1/realtime?model={MODEL['model']}"
    answer = hear(url, "openai-realtime", {"input": [item], **more})
    said = [part.text for item in event.response.output if item.type == "message" for part in item.content]
    assert answer.text == text == "".join(said)
    assert calls_of(answer) == calls_in(event.response.output)
    assert answer.usage == event.response.usage.to_dict()
    assert answer.finish is not None
    details = event.response.status_details
    assert answer.finish.raw_reason == (details.reason if details else event.response.status)
    assert answer.text or answer.tools


def test_it_cancels_a_response_and_hears_of_no_other() -> None:
    with slow() as client, client.realtime.connect(model=MODEL["model"]) as connection:
        connection.response.create()
        for event in connection:
            if event.type == "response.created":
                connection.response.create()
            elif event.type == "error":
                refused = event.error.code
                connection.response.cancel()
            elif event.type == "response.done":
                break
    assert (refused, event.response.status) == ("conversation_already_has_active_response", "cancelled")


def calls_of(answer: tokenwire.Answer) -> list[tuple[str, str, str]]:
    return [(call.tool_id, call.name, call.arguments) for call in answer.tools]


def calls_in(output: list[Any]) -> list[tuple[str, str, str]]:
    return [(item.call_id, item.name, item.arguments) for item in output if item.type == "function_call"]


def assert_same(answer: tokenwire.Answer, response: Any) -> None:
    """What tokenwire heard is what a response says at its end."""
    assert answer.text == response.output_text
    summaries = [part.text for item in response.output if item.type == "reasoning" for part in item.summary]
    assert answer.reasoning == "".join(summaries)
    assert calls_of(answer) == calls_in(response.output)
    assert answer.usage == response.usage.to_dict()
    assert answer.finish is not None
    why = response.incomplete_details
    assert answer.finish.raw_reason == (why.reason if why else response.status)
    assert answer.text or answer.tools or answer.reasoning


def strip(item: dict[str, Any]) -> dict[str, Any]:
    """An item without its id, which is another for each response."""
    return {name: value for name, value in item.items() if name != "id"}

"""Gemini Live at the endpoint: turns, interruptions, tools, both kinds of frames, sessions that are gone on with."""

from __future__ import annotations

import json
from typing import Any

import pytest
from test_reference import STORY_TEXT
from test_websocket import KEY, Client

import tokenwire
from tokenwire.endpoint import ReferenceEndpoint
from tokenwire.endpoint.story import REASONING, STORY
from tokenwire.protocol.websocket import Closed, Opened, Rejected

PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
MODEL = "models/tokenwire-reference"
FUNCTIONS = [{"functionDeclarations": [{"name": "weather"}, {"name": "time_of"}]}]
TELL = {"clientContent": {"turns": [{"role": "user", "parts": [{"text": "say it"}]}], "turnComplete": True}}
INTERRUPTED = [{"serverContent": {"interrupted": True}}, {"serverContent": {"turnComplete": True}}]


def session(**setup: Any) -> Client:
    client = Client(PATH, pace=1.0)
    client.say({"setup": {"model": MODEL, **setup}})
    assert client.wait(1) == [{"setupComplete": {}}]
    return client


def turn(client: Client, said: Any = TELL) -> tuple[list[dict[str, Any]], tokenwire.Answer]:
    """All that is answered, as it is, and as it is decoded."""
    client.say(said)
    heard = client.wait(1000)
    decoder, answer = tokenwire.Decoder("gemini-live"), tokenwire.Answer()
    for message in heard:
        answer.add_all(decoder.receive_message(json.dumps(message)))
    answer.add_all(decoder.receive_eof())
    return heard, answer


def test_a_turn_tells_the_story() -> None:
    _, answer = turn(session())
    assert (answer.text, answer.end) == (STORY_TEXT, tokenwire.End(clean=True))
    assert answer.usage == {"promptTokenCount": 2, "responseTokenCount": len(STORY), "totalTokenCount": len(STORY) + 2}


def test_the_first_message_goes_out_at_once_and_the_next_at_its_time() -> None:
    client = session()
    client.say(TELL)
    began = client.now
    client.wait(2)
    assert client.now - began == 1.0


def test_text_in_real_time_is_answered_too() -> None:
    assert turn(session(), {"realtimeInput": {"text": "say it"}})[1].text == STORY_TEXT


def test_what_is_to_be_transcribed_comes_as_a_transcription() -> None:
    heard, answer = turn(session(generationConfig={"responseModalities": ["AUDIO"]}, outputAudioTranscription={}))
    assert answer.text == STORY_TEXT
    assert not any("modelTurn" in message.get("serverContent", {}) for message in heard)


def test_thoughts_are_shown_where_they_are_asked_for() -> None:
    _, answer = turn(session(generationConfig={"thinkingConfig": {"includeThoughts": True}}))
    assert (answer.reasoning, answer.text) == ("".join(REASONING), STORY_TEXT)


def test_an_answer_goes_on_when_the_tools_have_answered() -> None:
    client = session(tools=FUNCTIONS)
    heard, answer = turn(client)
    assert [call.name for call in answer.tools] == ["weather", "time_of"]
    assert "turnComplete" not in str(heard)
    heard, answer = turn(client, {"toolResponse": {"functionResponses": []}})
    assert (answer.text, answer.end) == (STORY_TEXT, tokenwire.End(clean=True))


@pytest.mark.parametrize("answers", [True, False])
def test_who_speaks_interrupts(answers: bool) -> None:
    client = session()
    client.say(TELL)
    client.wait(5)
    client.say({"clientContent": {"turns": TELL["clientContent"]["turns"], "turnComplete": answers}})
    heard = client.wait(1000)
    assert heard[:2] == INTERRUPTED
    told = "".join(
        part["text"]
        for message in heard
        for part in message.get("serverContent", {}).get("modelTurn", {}).get("parts", [])
    )
    assert told == (STORY_TEXT if answers else "")


def test_what_is_asked_in_binary_frames_is_answered_in_them() -> None:
    client = Client(PATH)
    client.say(json.dumps({"setup": {"model": MODEL}}).encode())
    [complete] = client.exchange()
    assert isinstance(complete, bytes)
    assert json.loads(complete) == {"setupComplete": {}}


def until_closed(client: Client) -> tuple[list[dict[str, Any]], Closed]:
    """What is said until the connection is closed, and how it is."""
    heard: list[dict[str, Any]] = []
    for _ in range(100):
        for event in client.exchange():
            if isinstance(event, Closed):
                return heard, event
            if isinstance(event, str):
                heard.append(json.loads(event))
        client.now += 1.0
    raise AssertionError(heard)


def test_a_failure_is_said_and_closes_the_connection() -> None:
    client = session(model="models/tokenwire-fails-midstream")
    client.say(TELL)
    heard, closed = until_closed(client)
    assert len(heard) == 6
    assert heard[-1] == {"code": 500, "message": "The model failed.", "status": "INTERNAL"}
    assert closed.code == 1011


SETUP = {"setup": {"model": MODEL}}


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        (["not json"], 400, 1007),
        ([TELL], 400, 1007),
        ([SETUP, SETUP], 400, 1007),
        ([SETUP, {"realtimeInput": {"audio": {}}}], 400, 1007),
        ([SETUP, {"toolResponse": {}}], 400, 1007),
        ([{"setup": {"model": "models/no-such"}}], 404, 1007),
        ([{"setup": {"model": "models/tokenwire-overloaded"}}], 503, 1011),
        ([{"setup": {"model": MODEL, "sessionResumption": {"handle": "no-such"}}}], 404, 1007),
    ],
)
def test_what_is_refused_is_said_and_closes_the_connection(said: list[Any], status: int, code: int) -> None:
    client = Client(PATH)
    for message in said:
        client.say(message)
    heard, closed = until_closed(client)
    assert (heard[-1]["code"], closed.code) == (status, code)


def test_a_conversation_can_be_gone_on_with_on_another_connection() -> None:
    endpoint = ReferenceEndpoint(key=KEY)
    first = Client(PATH, endpoint=endpoint)
    first.say({"setup": {"model": MODEL, "sessionResumption": {}}})
    _, answer = turn(first)
    [handle] = [event.cursor for event in answer.events if event.cursor is not None]
    second = Client(PATH, endpoint=endpoint)
    second.say({"setup": {"model": MODEL, "sessionResumption": {"handle": handle}}})
    _, again = turn(second)
    assert answer.usage is not None
    assert again.usage is not None
    assert (answer.usage["promptTokenCount"], again.usage["promptTokenCount"]) == (2, 4)


def test_the_key_may_stand_in_the_query() -> None:
    assert isinstance(Client(f"{PATH}?key={KEY}", key=None).events[0], Opened)
    [refused] = Client(f"{PATH}?key=wrong", key=None).events
    assert isinstance(refused, Rejected)
    assert json.loads(refused.body)["error"]["status"] == "UNAUTHENTICATED"

"""The legacy completions: what they share with chat completions is tested there."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutting import every_way
from tokenwire.dialects.decoder import Decoder
from tokenwire.dialects.dialect import Prompt, Tool
from tokenwire.dialects.events import BlockStart, BlockStop, End, Error, Finish, Start, StreamEvent, TextDelta, Usage
from tokenwire.dialects.openai_completions import OPENAI_COMPLETIONS
from tokenwire.session.request import build_request

DONE = b"data: [DONE]\n\n"


def sse(chunk: Any) -> bytes:
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def chunk(text: Any = "", finish: Any = None, index: Any = 0, **more: Any) -> bytes:
    choice = {"text": text, "index": index, "logprobs": None, "finish_reason": finish}
    return sse({"id": "c1", "object": "text_completion", "model": "m", "choices": [choice], **more})


def decode(*pieces: bytes) -> list[StreamEvent]:
    decoder = Decoder("openai-completions")
    return [event for piece in pieces for event in decoder.receive_data(piece)] + decoder.receive_eof()


START = Start("c1", "m")
USAGE = {"prompt_tokens": 2, "completion_tokens": 24, "total_tokens": 26}


@pytest.mark.parametrize("tail", [DONE, b""])
def test_as_llama_cpp_sends_it_and_transformers_which_sends_no_done(tail: bytes) -> None:
    stream = chunk("Hel") + chunk("lo") + chunk("", "length", usage=USAGE) + tail
    for pieces in every_way(stream):
        assert decode(*pieces) == [
            START,
            BlockStart(0, "text"),
            TextDelta(0, "Hel"),
            TextDelta(0, "lo"),
            BlockStop(0),
            Finish("length", "length"),
            Usage(USAGE, True),
            End(True),
        ], [len(piece) for piece in pieces]


def test_two_choices() -> None:
    events = decode(chunk("a") + chunk("b", index=1) + chunk("", "stop") + chunk("", "stop", 1) + DONE)
    assert [(e.choice, e.block) for e in events if isinstance(e, BlockStart)] == [(0, 0), (1, 1)]
    assert events[-1] == End(True)


def test_a_cut_is_no_end() -> None:
    assert decode(chunk("a"))[-2:] == [BlockStop(0), End(False)]


def test_an_error_in_mid_stream() -> None:
    assert decode(chunk("a") + sse({"error": "no"}))[-3:] == [Error("", "no", True), BlockStop(0), End(False)]


def test_a_server_that_sends_chunks_of_chat() -> None:
    chat = sse({"id": "c1", "model": "m", "choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}]})
    assert TextDelta(0, "a") in decode(chat + DONE)


def test_what_is_asked() -> None:
    prompt = Prompt("Once upon", "m", "A story.", 5, [Tool("add")])
    asked = OPENAI_COMPLETIONS.ask(prompt)
    assert asked == {"model": "m", "prompt": "A story.\n\nOnce upon", "max_tokens": 5}
    request = build_request("https://api.example/v1", OPENAI_COMPLETIONS, json=OPENAI_COMPLETIONS.ask(Prompt("hi")))
    assert request.http.target.url == "https://api.example/v1/completions"
    assert json.loads(request.http.body) == {"stream": True, "prompt": "hi"}


ODD = st.none() | st.booleans() | st.integers(-1, 2) | st.sampled_from(["", "a", "\ud83d", "\ude00", "stop"])
CHOICE = st.dictionaries(st.sampled_from(["text", "index", "finish_reason", "delta"]), ODD)
CHUNK = st.dictionaries(st.sampled_from(["id", "model", "usage", "error"]), ODD)


@given(st.lists(st.tuples(CHUNK, st.lists(CHOICE | ODD, max_size=2) | ODD), max_size=6))
def test_whatever_comes_the_end_is_unique_and_last(chunks: list[tuple[dict[str, Any], Any]]) -> None:
    events = decode(*(sse({**members, "choices": choices}) for members, choices in chunks))
    assert [isinstance(event, End) for event in events] == [False] * (len(events) - 1) + [True]
    opened = [event.block for event in events if isinstance(event, BlockStart)]
    assert sorted(opened) == sorted(event.block for event in events if isinstance(event, BlockStop))

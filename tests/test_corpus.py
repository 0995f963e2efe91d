"""Recordings of public endpoints, decoded to what their index says, however they are cut."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from cutting import every_way, some_ways
from tokenwire.dialects import dialect_named
from tokenwire.dialects.answer import Answer
from tokenwire.dialects.decoder import Decoder
from tokenwire.dialects.events import End
from tokenwire.framing.eventstream import encode

#: The dialect of each folder of the corpus.
DIALECTS = {
    "openai-chat": "openai-chat",
    "chat-deepseek": "openai-chat",
    "chat-groq": "openai-chat",
    "chat-mistral": "openai-chat",
    "chat-openrouter": "openai-chat",
    "anthropic-messages": "anthropic-messages",
    "cohere-v2": "cohere-v2",
    "cohere-v1-ndjson": "cohere-v1",
    "bedrock-converse": "bedrock-converse",
    "aws-eventstream": "bedrock-invoke",
    "openai-responses": "openai-responses",
    "openai-transcription": "openai-responses",
    "openai-realtime-ws": "openai-realtime",
    "mcp": "mcp",
    "gemini-sse": "gemini",
    "gemini-jsonarray": "gemini",
    "gemini-interactions": "gemini-interactions",
    "gemini-live-ws": "gemini-live",
    "ollama-ndjson": "ollama",
}

#: Folders that a second dialect reads as well.
ALSO = {"chat-mistral": "mistral"}

#: Recordings in another dialect than the rest of their folder.
ODD = {
    f"aws-eventstream/{name}.bin": "bedrock-converse"
    for name in (
        "chat-web-search-with-bedrock-amazon-nova-2-lite-v1-0-streams-grounded-turns",
        "test-titan-converse-stream-with-events-with-no-content",
    )
}

#: What begins the end of a stream, in one dialect or another: a stream that is cut before it is never clean.
MARKS = (
    b"[DONE]",
    b'"finish_reason":"',
    b'"finish_reason": "',
    b"message_stop",
    b"message-end",
    b"messageStop",
    b"stream-end",
    b'"transcript.text.done"',
    b'"response.done"',
    b'"finishReason"',
    b'"blockReason"',
    b'"interaction.completed"',
    b'"turnComplete": true',
    b'"done":true',
)

#: A larger recording is cut at some places only: at every place would be quadratic.
SMALL = 8 * 1024

#: Recordings that are not to give what the index says, and why.
DELIBERATE: dict[str, dict[str, Any]] = {
    "openai-chat/test-chat-stream.sse": {
        # The index joins the legacy member `text` with `content`, which repeats it: every token twice. Ours is content.
        "text": "1, 2, 3, 4, 5.",
    },
    "openai-chat/test-snowflake-thinking-streaming.sse": {
        # The index does not read `reasoning_details`, the only place where this server puts what the model thinks.
        "reasoning": "15 * 27 = 405",
    },
    "openai-responses/response-stream-incomplete.sse": {
        # The index has the status and the reason, "incomplete:max_output_tokens"; ours is the reason.
        "finish": "max_output_tokens",
    },
    "openai-responses/vercel-openai-reasoning-encrypted-content-1.payloads.jsonl": {
        # Four responses in one file: in the index the call of the third takes the place of that of the second.
        "tools": [
            {"name": "calculator", "arguments": '{"a":12,"b":7,"op":"add"}'},
            {"name": "calculator", "arguments": '{"a":19,"b":3,"op":"multiply"}'},
            {"name": "calculator", "arguments": '{"a":57,"b":10,"op":"multiply"}'},
        ],
    },
    "openai-transcription/transcription-basic-functionality-openai-gpt-4o-transcribe-streams-text-deltas-a.sse": {
        # The reader that made the index does not cover transcriptions.
        "text": "Ruby is a programming language designed for developer happiness.",
    },
    "openai-realtime-ws/vercel-openai-realtime-speech-translation.payloads.jsonl": {
        # Nor sessions that translate.
        "text": "La rápida zorra marrón salta sobre el perro perezoso.",
    },
    "anthropic-messages/vercel-spliced-message-start.payloads.jsonl": {
        # A second message begins inside the first, and the index lets its blocks take the place of those of the same
        # number. Events that were given cannot be taken back: the call that broke off stays, as it was cut.
        "tools": [
            {"name": "test-tool", "arguments": '{"value":"Spark'},
            {"name": "test-tool", "arguments": '{"value":"Sparkle Day"}'},
        ],
    },
    "anthropic-messages/vercel-anthropic-tool-search-deferred-bm25.payloads.jsonl": {
        # Three turns in one file: in the index a block of a later turn takes the place of the search.
        "tools": [
            {"name": "readNoteTree", "arguments": '{"noteId": "d10aa585-982b-4bd9-984e-420f9b3717f7"}'},
            {
                "name": "tool_search_tool_bm25",
                "arguments": '{"query": "add bullet point insert text editor", "limit": 5}',
            },
            {
                "name": "executeEditorOperation",
                "arguments": '{"noteId": "d10aa585-982b-4bd9-984e-420f9b3717f7", "operations": [\n  {\n'
                '    "op": "insert_node",\n    "type": "bulletedListItem",\n    "text": "bye",\n    "at": {\n'
                '      "type": "path",\n      "path": [1]\n    }\n  }\n]}',
            },
        ],
    },
}


#: Gemini's recordings that were edited by hand and lack the blank line after their last event, or any finish. What SSE
#: does not dispatch the index does not count either; here it makes the end unclean.
DELIBERATE |= {
    f"gemini-sse/{name}.sse": {"clean": False}
    for name in (
        "fb-googleai-streaming-success-finish-message",
        "fb-googleai-streaming-success-no-content-parts",
        "fb-vertexai-streaming-failure-malformed-content",
        "fb-vertexai-streaming-failure-prompt-blocked-safety-with-message",
        "fb-vertexai-streaming-success-quotes-escaped",
    )
}

RECIPE = {
    "recipe": {
        "ingredients": [
            {"amount": "16 oz", "name": "Lasagna noodles"},
            {"amount": "1 lb", "name": "Ground beef"},
            {"amount": "15 oz", "name": "Ricotta cheese"},
            {"amount": "3 cups", "name": "Mozzarella cheese"},
            {"amount": "1/2 cup", "name": "Parmesan cheese"},
            {"amount": "24 oz", "name": "Tomato sauce"},
            {"amount": "1", "name": "Egg"},
            {"amount": "2 cloves", "name": "Garlic"},
            {"amount": "1 tsp", "name": "Salt"},
            {"amount": "1/2 tsp", "name": "Pepper"},
        ],
        "name": "Lasagna",
        "steps": [
            "Preheat oven to 375°F (190°C).",
            "Cook lasagna noodles according to package directions, drain and set aside.",
            (
                "Brown ground beef with minced garlic in a skillet. Drain fat and stir in tomato sauce."
                " Simmer for 10 minutes."
            ),
            "In a bowl, mix ricotta cheese, egg, salt, pepper, and Parmesan cheese.",
            "In a 9x13 baking dish, spread a thin layer of meat sauce.",
            "Layer noodles, ricotta mixture, mozzarella, and meat sauce. Repeat.",
            "Top with remaining mozzarella cheese.",
            "Cover with foil and bake for 25 minutes.",
            "Remove foil and bake for another 25 minutes until golden.",
            "Let stand for 15 minutes before serving.",
        ],
    }
}
FRUIT = {
    "operations": [
        {"action": "add", "description": "Fresh red apple", "itemid": "apple_001", "price": 0.5},
        {"action": "add", "description": "Ripe yellow banana", "itemid": "banana_001", "price": 0.3},
    ]
}

DELIBERATE |= {
    # The index takes every patch of the arguments for a call of its own; they are put together here.
    f"gemini-sse/vercel-google-{name}.payloads.jsonl": {
        "tools": [{"name": called, "arguments": json.dumps(arguments, ensure_ascii=False)}]
    }
    for name, called, arguments in (
        ("stream-tool-call-array-arguments-missing-terminal-function-call", "writeItems", FRUIT),
        ("vertex-stream-tool-call-arguments-nested-1", "cookRecipe", RECIPE),
    )
}

DELIBERATE |= {
    "gemini-sse/fb-vertexai-streaming-failure-prompt-blocked-safety.sse": {
        # What blocked the prompt is why there is no answer; the index has the reasons of candidates only.
        "finish": "SAFETY",
    },
    "gemini-jsonarray/test-gemini-token-counts-streaming.json": {
        # The enum as a number: the index keeps it as one.
        "finish": "1",
    },
    "gemini-live-ws/vercel-google-live-speech-translation.payloads.jsonl": {
        # The reader that made the index does not cover sessions that translate. They have no turns, so no end.
        "text": "El zorro marrón rápido salta sobre el perro perezoso.",
        "usage": {
            "promptTokenCount": 25,
            "responseTokenCount": 25,
            "totalTokenCount": 50,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 608}, {"modality": "AUDIO", "tokenCount": 25}],
            "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 25}],
        },
        "clean": False,
    },
    "ollama-ndjson/test-ollama-async-streaming-generation-with-events-with-content.ndjson": {
        # The index leaves the durations out.
        "usage": {
            "eval_count": 58,
            "total_duration": 1880837250,
            "load_duration": 1008500,
            "prompt_eval_duration": 33781000,
            "eval_duration": 1844565000,
        },
    },
    "ollama-ndjson/test-ollama-streaming-time-to-generate-metrics.ndjson": {
        "usage": {
            "prompt_eval_count": 16,
            "eval_count": 51,
            "total_duration": 482007750,
            "load_duration": 52719542,
            "prompt_eval_duration": 44457208,
            "eval_duration": 384438167,
        },
    },
}

DELIBERATE |= {
    # The reader that made the index covers little of what is inside of Bedrock's chunks, and nothing of what it counts.
    "aws-eventstream/anthropic-invoke-stream.bin": {
        "finish": "stop_sequence",
        "usage": {"inputTokenCount": 25, "outputTokenCount": 4, "invocationLatency": 266, "firstByteLatency": 266},
    },
    "aws-eventstream/cohere-invoke-stream-multiple-output.bin": {
        "text": " In machine learning and natural language processing, Long Short",
        "finish": "MAX_TOKENS",
        "usage": {"inputTokenCount": 40, "outputTokenCount": 20, "invocationLatency": 597, "firstByteLatency": 273},
    },
    "aws-eventstream/meta-invoke-stream.bin": {
        "usage": {"inputTokenCount": 10, "outputTokenCount": 60, "invocationLatency": 1686, "firstByteLatency": 294},
    },
    "aws-eventstream/test-invoke-model-with-response-stream-no-content-amazon-titan.bin": {
        "usage": {"inputTokenCount": 5, "outputTokenCount": 10, "invocationLatency": 606, "firstByteLatency": 605},
    },
    "aws-eventstream/agent-invoke-trace-disabled.bin": {
        # Another API, InvokeAgent: its chunks are text and no JSON, and nothing in them says where they end.
        "clean": False,
    },
    "cohere-v1-ndjson/test-cohere-chat-legacy-with-streaming.ndjson": {
        # Nor does it read what version 1 counts.
        "usage": {
            "billed_units": {"input_tokens": 7, "output_tokens": 115},
            "tokens": {"input_tokens": 69, "output_tokens": 116},
        },
    },
}


#: The index counts function calls and those of MCP only. Code, commands and patches are the input of calls too.
DELIBERATE |= {
    "openai-responses/vercel-openai-apply-patch-tool-1.payloads.jsonl": {
        "tools": [
            {
                "name": "apply_patch",
                "arguments": "+## Shopping Checklist\n+\n+- [ ] Milk\n+- [ ] Bread\n+- [ ] Eggs\n+- [ ] Fresh fruit\n"
                "+- [ ] Coffee\n",
            }
        ],
    },
    "openai-responses/vercel-openai-code-interpreter-tool-1.payloads.jsonl": {
        "tools": [
            {
                "name": "code_interpreter",
                "arguments": "import random, math\nN=10000\nsums=[]\ns=0\nfor _ in range(N):\n"
                "    a=random.randint(1,6)\n    b=random.randint(1,6)\n    sm=a+b\n    sums.append(sm)\n    s+=sm\n"
                "min(sums), max(sums), sum(sums), sum(sums)/N\n",
            },
            {
                "name": "code_interpreter",
                "arguments": "import csv, pathlib\npath = pathlib.Path('/mnt/data/roll2dice_sums_10000.csv')\n"
                "with open(path, 'w', newline='') as f:\n    writer = csv.writer(f)\n    writer.writerow(['sum'])\n"
                "    for val in sums:\n        writer.writerow([val])\npath, path.exists(), len(sums)\n",
            },
            {"name": "code_interpreter", "arguments": "sums[:20]\n"},
        ],
    },
    "openai-responses/vercel-openai-local-shell-tool-1.payloads.jsonl": {
        "tools": [{"name": "local_shell", "arguments": '{"type": "exec", "command": ["ls", "-a", "~"], "env": {}}'}],
    },
    "openai-responses/vercel-openai-shell-skills-1.payloads.jsonl": {
        "tools": [
            {"name": "shell", "arguments": "ls -R /home/oai/skills/island-rescue-ab6238cd308ce72a5ae69fd3ba1e3aeb"},
            {
                "name": "shell",
                "arguments": "sed -n '1,200p' /home/oai/skills/island-rescue-ab6238cd308ce72a5ae69fd3ba1e3aeb/SKILL.md",
            },
        ],
    },
    "openai-responses/vercel-openai-shell-tool-1.payloads.jsonl": {
        "tools": [{"name": "shell", "arguments": "ls -a ~/Desktop"}],
    },
}


@dataclass(frozen=True)
class Row:
    """One line of the index: what a recording says."""

    dialect: str
    file: str
    finish: str | None
    text: str
    reasoning: str
    tools: list[dict[str, str]]
    usage: dict[str, Any] | None
    error: dict[str, Any] | str | None

    def __str__(self) -> str:
        return self.file if self.dialect == dialects_of(self.file)[0] else f"{self.file} as {self.dialect}"

    @property
    def clean(self) -> bool:
        return self.error is None

    def wanted(self, member: str) -> Any:
        return DELIBERATE.get(self.file, {}).get(member, getattr(self, member))


def dialects_of(file: str) -> list[str]:
    folder = file.partition("/")[0]
    return [name for name in (ODD.get(file) or DIALECTS.get(folder), ALSO.get(folder)) if name]


def rows() -> list[Row]:
    corpus = os.environ.get("TOKENWIRE_CORPUS")
    if not corpus:
        return []
    lines = (Path(corpus) / "public" / "INDEX.tsv").read_text(encoding="utf-8").split("\n")
    cells = [line.split("\t") for line in lines[1:]]
    indexed = [
        Row(dialect, cell[0], *map(json.loads, cell[8:14])) for cell in cells for dialect in dialects_of(cell[0])
    ]
    return [with_interaction(row, Path(corpus)) if row.dialect == "gemini-interactions" else row for row in indexed]


def with_interaction(row: Row, corpus: Path) -> Row:
    """The index does not cover Gemini's Interactions: what they say is read here, from deltas and the last event."""
    lines = (corpus / "public" / row.file).read_text(encoding="utf-8").split("\n")
    messages = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith(("{", "data: {"))]
    deltas = [message["delta"] for message in messages if message["event_type"] == "step.delta"]
    calls = [delta for delta in deltas if "arguments" in delta]
    return replace(
        row,
        text="".join(delta["text"] for delta in deltas if delta.get("type") == "text"),
        tools=[{"name": call["type"], "arguments": json.dumps(call["arguments"])} for call in calls],
        finish=messages[-1]["interaction"]["status"],
        usage=messages[-1]["interaction"]["usage"],
    )


ROWS = rows()


NO_CORPUS = pytest.param(None, marks=pytest.mark.skip(reason="TOKENWIRE_CORPUS is not set"), id="no corpus")


@pytest.fixture(params=[pytest.param(row, id=str(row)) for row in ROWS] or [NO_CORPUS])
def row(request: pytest.FixtureRequest) -> Row:
    found: Row = request.param
    return found


def streams_of(corpus: Path, row: Row) -> list[bytes]:
    """The streams of a recording, one a turn: some recorders wrote several into one file."""
    data = (corpus / "public" / row.file).read_bytes()
    if not row.file.endswith(".jsonl"):
        return [data]
    turns: list[bytes] = []
    decoder = None
    for message in messages_of(data):
        event = framed(message, row.dialect)
        if decoder is None or decoder.ended:
            decoder = Decoder(row.dialect)
            turns.append(b"")
        decoder.receive_data(event)
        turns[-1] += event
    if decoder is not None and not decoder.ended and len(turns) > 1:
        last = turns.pop()  # what a socket says after its last answer is none
        turns[-1] += last
    return turns


def framed(message: bytes, dialect: str) -> bytes:
    """A message as its server would have framed it: Bedrock has the name of the event in the headers."""
    if dialect_named(dialect).framing != "eventstream":
        return b"data: " + message + b"\n\n"
    ((name, body),) = json.loads(message).items()
    return encode({":event-type": name, ":message-type": "event"}, json.dumps(body).encode())


def messages_of(data: bytes) -> list[bytes]:
    """The messages of a file that has one a line: as they are, or in a record of what went over a WebSocket."""
    messages = []
    for line in filter(None, data.split(b"\n")):
        record = json.loads(line) if line.startswith(b'{"kind": ') else {}
        if not record:
            messages.append(line)
        elif record["kind"] == "message" and record["direction"] == "received":
            messages.append(json.dumps(record["data"]).encode())
    return messages


def decode(pieces: list[bytes], dialect: str) -> Answer:
    decoder = Decoder(dialect)
    answer = Answer()
    for piece in pieces:
        answer.add_all(decoder.receive_data(piece))
    answer.add_all(decoder.receive_eof())
    return answer


def test_the_corpus_has_the_recordings_that_this_is_about(corpus: Path) -> None:
    assert len(ROWS) >= 24
    assert set(DELIBERATE) <= {row.file for row in ROWS}
    assert all((corpus / "public" / row.file).is_file() for row in ROWS)


def test_a_recording_gives_what_its_index_says(row: Row, corpus: Path) -> None:
    answers = [decode([stream], row.dialect) for stream in streams_of(corpus, row)]
    calls = [call for answer in answers for call in answer.all_tools]
    last = answers[-1]
    assert "".join(answer.text for answer in answers) == row.wanted("text")
    assert "".join(answer.reasoning for answer in answers) == row.wanted("reasoning")
    assert [{"name": call.name, "arguments": call.arguments} for call in calls] == row.wanted("tools")
    assert last.usage == row.wanted("usage")
    assert (last.finish.raw_reason if last.finish else None) == row.wanted("finish")
    assert (last.error is None) == (row.error is None)
    if last.error is not None and row.error is not None:
        fields = row.error if isinstance(row.error, dict) else {"code": last.error.code, "message": row.error}
        assert (last.error.code, last.error.message) == (str(fields["code"]), fields["message"])
    for answer in answers:
        assert answer.end is not None
        assert answer.end.clean == row.wanted("clean")


def test_a_recording_gives_the_same_events_however_it_is_cut(row: Row, corpus: Path) -> None:
    for stream in streams_of(corpus, row):
        whole = decode([stream], row.dialect).events
        ways = every_way(stream) if len(stream) < SMALL else some_ways(stream, max(2, 400_000 // len(stream)))
        for pieces in ways:
            cut = decode(pieces, row.dialect).events
            assert cut == whole, [len(piece) for piece in pieces]
            assert [event.raw for event in cut] == [event.raw for event in whole]


def test_a_recording_cut_off_before_its_finish_is_never_clean(row: Row, corpus: Path) -> None:
    for stream in streams_of(corpus, row):
        whole = decode([stream], row.dialect).text
        end = min(place for place in (*map(stream.find, MARKS), len(stream) - 2) if place >= 0)
        for place in range(0, end, max(1, end // 100)):
            answer = decode([stream[:place]], row.dialect)
            assert answer.end is not None
            assert not answer.end.clean, stream[:place][-200:]
            assert whole.startswith(answer.text), stream[:place][-200:]


@pytest.mark.parametrize(("folder", "count"), [("replicate-sse", 25), ("watsonx-sse", 12)])
def test_servers_without_a_dialect_are_read_as_plain_events(folder: str, count: int, corpus: Path) -> None:
    for path in sorted((corpus / "public" / folder).iterdir()):
        answer = decode([path.read_bytes()], "eventsource")
        *events, end = answer.events
        assert len(events) == count
        assert len({event.cursor for event in events}) == count
        assert isinstance(end, End)
        assert end.clean

"""Recordings of public endpoints, decoded to what their index says, however they are cut."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cutting import every_way, some_ways
from tokenwire.dialects.answer import Answer
from tokenwire.dialects.decoder import Decoder

#: The dialect of each folder of the corpus.
DIALECTS = {
    "openai-chat": "openai-chat",
    "chat-deepseek": "openai-chat",
    "chat-groq": "openai-chat",
    "chat-mistral": "openai-chat",
    "chat-openrouter": "openai-chat",
}

#: A larger recording is cut at some places only: at every place would be quadratic.
SMALL = 8 * 1024

#: Recordings that are not to give what the index says, and why.
DELIBERATE = {
    "openai-chat/test-chat-stream.sse": {
        # The index joins the legacy member `text` with `content`, which repeats it: every token twice. Ours is content.
        "text": "1, 2, 3, 4, 5.",
    },
}


@dataclass(frozen=True)
class Row:
    """One line of the index: what a recording says."""

    file: str
    finish: str | None
    text: str
    reasoning: str
    tools: list[dict[str, str]]
    usage: dict[str, Any] | None
    error: dict[str, Any] | None

    @property
    def dialect(self) -> str:
        return DIALECTS[self.file.partition("/")[0]]


def rows() -> list[Row]:
    corpus = os.environ.get("TOKENWIRE_CORPUS")
    if not corpus:
        return []
    lines = (Path(corpus) / "public" / "INDEX.tsv").read_text(encoding="utf-8").split("\n")
    cells = [line.split("\t") for line in lines[1:] if line.partition("/")[0] in DIALECTS]
    return [Row(cell[0], *map(json.loads, cell[8:14])) for cell in cells]


ROWS = rows()


NO_CORPUS = pytest.param(None, marks=pytest.mark.skip(reason="TOKENWIRE_CORPUS is not set"), id="no corpus")


@pytest.fixture(params=[pytest.param(row, id=row.file) for row in ROWS] or [NO_CORPUS])
def row(request: pytest.FixtureRequest) -> Row:
    found: Row = request.param
    return found


def stream_of(corpus: Path, row: Row) -> bytes:
    data = (corpus / "public" / row.file).read_bytes()
    if not row.file.endswith(".payloads.jsonl"):
        return data
    return b"".join(b"data: " + line + b"\n\n" for line in data.split(b"\n") if line)


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
    answer = decode([stream_of(corpus, row)], row.dialect)
    assert answer.text == DELIBERATE.get(row.file, {}).get("text", row.text)
    assert answer.reasoning == row.reasoning
    assert [{"name": call.name, "arguments": call.arguments} for call in answer.all_tools] == row.tools
    assert answer.usage == row.usage
    assert (answer.finish.raw_reason if answer.finish else None) == row.finish
    assert (answer.error is None) == (row.error is None)
    if answer.error is not None and row.error is not None:
        assert (answer.error.code, answer.error.message) == (str(row.error["code"]), row.error["message"])
    assert answer.end is not None
    assert answer.end.clean == (row.error is None)


def test_a_recording_gives_the_same_events_however_it_is_cut(row: Row, corpus: Path) -> None:
    stream = stream_of(corpus, row)
    whole = decode([stream], row.dialect).events
    ways = every_way(stream) if len(stream) < SMALL else some_ways(stream, max(2, 400_000 // len(stream)))
    for pieces in ways:
        cut = decode(pieces, row.dialect).events
        assert cut == whole, [len(piece) for piece in pieces]
        assert [event.raw for event in cut] == [event.raw for event in whole]


def test_a_recording_cut_off_before_its_finish_is_never_clean(row: Row, corpus: Path) -> None:
    stream = stream_of(corpus, row)
    whole = decode([stream], row.dialect).text
    marks = [
        place
        for place in (stream.find(b"[DONE]"), stream.find(b'"finish_reason":"'), stream.find(b'"finish_reason": "'))
        if place >= 0
    ]
    step = max(1, min(marks) // 100)
    for place in range(0, min(marks), step):
        answer = decode([stream[:place]], row.dialect)
        assert answer.end is not None
        assert not answer.end.clean, stream[:place][-200:]
        assert whole.startswith(answer.text), stream[:place][-200:]

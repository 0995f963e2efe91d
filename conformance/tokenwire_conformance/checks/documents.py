"""The documents that clauses name: a clause begins with a document's title and goes on with the place in it.

Practice and interoperability are no documents: a rule that rests on nothing else binds nobody, and is a SHOULD at most.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["DOCUMENTS", "END_OF_ANSWER", "ERRORS", "places_of"]

#: The documents, by the title that a clause begins with, and where each can be opened.
DOCUMENTS: Mapping[str, str] = {
    "Anthropic, errors": "https://platform.claude.com/docs/en/api/errors",
    "Anthropic, stop reasons": "https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons",
    "Anthropic, streaming": "https://platform.claude.com/docs/en/build-with-claude/streaming",
    "Anthropic, versions": "https://platform.claude.com/docs/en/api/versioning",
    "CWE-201": "https://cwe.mitre.org/data/definitions/201.html",
    "CWE-209": "https://cwe.mitre.org/data/definitions/209.html",
    "CWE-639": "https://cwe.mitre.org/data/definitions/639.html",
    "Fetch standard": "https://fetch.spec.whatwg.org/",
    "Gemini API, Live": "https://ai.google.dev/api/live",
    "Gemini API, streamGenerateContent": "https://ai.google.dev/api/generate-content",
    "Gemini API, troubleshooting": "https://ai.google.dev/gemini-api/docs/troubleshooting",
    "ndjson": "https://github.com/ndjson/ndjson-spec",
    "Ollama API": "https://docs.ollama.com/api/introduction",
    "Ollama server": "https://github.com/ollama/ollama/blob/main/server/routes.go",
    "Open Responses": "https://www.openresponses.org/specification",
    "OpenAI API description": "https://github.com/openai/openai-openapi",
    "OpenAI, error codes": "https://developers.openai.com/api/docs/guides/error-codes",
    "OpenAI, function calling": "https://developers.openai.com/api/docs/guides/function-calling",
    "OpenAI, Realtime server events": "https://developers.openai.com/api/reference/resources/realtime/server-events",
    "OpenAI, Responses over WebSocket": "https://developers.openai.com/api/docs/guides/websocket-mode",
    "WHATWG HTML": "https://html.spec.whatwg.org/multipage/server-sent-events.html",
}

#: Where the providers say what a refusal holds.
ERRORS = "OpenAI, error codes; Anthropic, errors; Gemini API, troubleshooting; Ollama API, errors"

#: Where they say what a reason to stop means, and so that only a whole answer may end with one.
END_OF_ANSWER = (
    "OpenAI API description, finish_reason; Anthropic, stop reasons; "
    "Gemini API, streamGenerateContent: FinishReason; Ollama API, streaming"
)

_RFC = re.compile(r"RFC ([0-9]{3,5})(?= |\Z)")


def places_of(clause: str) -> list[tuple[str, str]]:
    """The parts of a clause, each with where its document can be opened; empty for one that is no document."""
    return [(part, _where(part)) for part in clause.split("; ")]


def _where(part: str) -> str:
    rfc = _RFC.match(part)
    if rfc is not None:
        return f"https://www.rfc-editor.org/rfc/rfc{rfc[1]}"
    named = (title for title in DOCUMENTS if part == title or part.startswith((title + " ", title + ",", title + ":")))
    return DOCUMENTS.get(next(named, ""), "")

"""`tokenwire lint` over recordings that other people made from real servers: every finding, and why it is true.

The recordings are an outside corpus, found through the environment variable TOKENWIRE_CORPUS.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tokenwire.recording import load
from tokenwire_conformance.judging.case import Case
from tokenwire_conformance.judging.judge import judge_all, select
from tokenwire_conformance.judging.verdict import Verdict
from tokenwire_conformance.reading.transcript import Transcript

CORPUS = Path(os.environ.get("TOKENWIRE_CORPUS", "no-corpus")) / "servers"

pytestmark = pytest.mark.skipif(
    not CORPUS.is_dir(), reason="the environment variable TOKENWIRE_CORPUS names no corpus of recordings"
)

#: What the names of the recordings of answers, of plain event streams and of their cuts begin with.
JUDGED = (
    "chat_", "chaos_", "sse", "boom", "es", "upstream", "completions_", "responses_", "messages_", "gemini", "ollama_"
)  # fmt: skip

CUT = "the upstream, or its handler, died within the stream, and the connection was closed without the last chunk"
HALVES = "the mock cuts its text every eight UTF-16 units, through the pair that makes 😀, and proxies pass that on"
SECONDS = "`created` is the time of the chunk, not of the answer, so it moves on when a second does"
MIXED = "the upstream wrote its events with CRLF and its end mark with LF"
TOLD_TO_CUT = "the mock was told to cut the stream"
NO_DATE = "cpp-httplib sends no Date"
OPENAIS_ERROR = "errors come in OpenAI's shape, whatever the dialect"
NO_NULL = "the chunks before that of usage have no `usage` at all"
NO_NUMBERS = "events have no sequence_number"
PING = "sse-starlette sends its ping as a block of its own after events with an id"

#: (server, check, recordings, why it is so)
FINDINGS = [
    ("aimock", "chat.done", "chat_dropms chat_truncme", TOLD_TO_CUT),
    ("aimock", "chat.finish-once", "chat_dropms chat_truncme", TOLD_TO_CUT),
    ("aimock", "http.chunk-terminator", "chat_dropms chat_truncme", TOLD_TO_CUT),
    ("aimock", "sse.content-type", "chaos_malformed", "the mock was told to answer with broken JSON and status 200"),
    (
        "aimock",
        "sse.surrogates",
        (
            "chat_chunked_req chat_expect100 chat_gzip_accept chat_http10 chat_http_close chat_normal "
            "chat_unknown_model chat_usage chat_wrong_ctype"
        ),
        HALVES,
    ),
    ("aimock", "sse.surrogates", "gemini_disconnect gemini_disconnect_rst", "the recording ends within the pair"),
    (
        "aimock",
        "sse.surrogates",
        (
            "gemini_gzip_accept gemini_http_close gemini_normal gemini_unknown_model gemini_wrong_ctype "
            "geminijson_disconnect geminijson_disconnect_rst geminijson_gzip_accept geminijson_http_close "
            "geminijson_normal geminijson_unknown_model geminijson_wrong_ctype messages_gzip_accept "
            "messages_http_close messages_normal messages_unknown_model messages_wrong_ctype responses_gzip_accept "
            "responses_http_close responses_normal responses_unknown_model responses_wrong_ctype"
        ),
        HALVES + "; without alt=sse it sends events all the same",
    ),
    (
        "aimock",
        "ollama.surrogates",
        "ollama_gzip_accept ollama_http_close ollama_normal ollama_unknown_model ollama_wrong_ctype",
        HALVES,
    ),
    (
        "aimock",
        "anth.error-shape",
        "messages_bad_json messages_missing_field messages_no_auth messages_wrong_auth",
        OPENAIS_ERROR,
    ),
    (
        "aimock",
        "gem.error-shape",
        "gemini_no_auth gemini_wrong_auth geminijson_no_auth geminijson_wrong_auth",
        OPENAIS_ERROR,
    ),
    ("aimock", "anth.message-stop", "messages_dropms messages_truncme", TOLD_TO_CUT),
    ("aimock", "resp.terminal-once", "responses_dropms responses_truncme", TOLD_TO_CUT),
    (
        "aimock",
        "http.chunk-terminator",
        "messages_dropms messages_truncme responses_dropms responses_truncme",
        TOLD_TO_CUT,
    ),
    (
        "aimock",
        "resp.sequence",
        (
            "responses_disconnect responses_disconnect_rst responses_dropms responses_gzip_accept "
            "responses_http_close responses_normal responses_think responses_toolme responses_truncme "
            "responses_unknown_model responses_wrong_ctype"
        ),
        NO_NUMBERS,
    ),
    (
        "llama-server",
        "anth.error-shape",
        "messages_bad_json messages_missing_field messages_no_auth messages_wrong_auth",
        OPENAIS_ERROR,
    ),
    (
        "llama-server",
        "http.date",
        (
            "completions_disconnect completions_disconnect_rst completions_get_method completions_gzip_accept "
            "completions_http_close completions_missing_field completions_no_auth completions_nonstream "
            "completions_normal completions_unknown_model completions_usage completions_wrong_auth "
            "completions_wrong_ctype messages_disconnect messages_disconnect_rst messages_get_method "
            "messages_gzip_accept messages_http_close messages_no_auth messages_nonstream messages_normal "
            "messages_unknown_model messages_wrong_auth messages_wrong_ctype responses_disconnect "
            "responses_disconnect_rst responses_get_method responses_gzip_accept responses_http_close "
            "responses_missing_field responses_no_auth responses_nonstream responses_normal responses_unknown_model "
            "responses_wrong_auth responses_wrong_ctype"
        ),
        NO_DATE,
    ),
    *[
        (
            "llama-server",
            check,
            (
                "responses_disconnect responses_disconnect_rst responses_gzip_accept responses_http_close "
                "responses_normal responses_unknown_model responses_wrong_ctype"
            ),
            why,
        )
        for check, why in (("resp.sequence", NO_NUMBERS), ("resp.indexes", "nor an output_index or a content_index"))
    ],
    (
        "transformers-serve",
        "resp.event-eq-type",
        (
            "responses_disconnect responses_disconnect_rst responses_gzip_accept responses_http_close "
            "responses_no_auth responses_normal responses_wrong_auth"
        ),
        "its events have no names",
    ),
    ("llama-server", "chat.created-model-constant", "chat_http_close chat_wrong_ctype", SECONDS),
    (
        "llama-server",
        "http.date",
        (
            "chat_chunked_req chat_disconnect chat_disconnect_rst chat_expect100 chat_get_method chat_gzip_accept "
            "chat_http10 chat_http_close chat_missing_field chat_no_auth chat_nonstream chat_normal chat_pipelined2 "
            "chat_pipelined2_long chat_unknown_model chat_usage chat_wrong_auth chat_wrong_ctype"
        ),
        "cpp-httplib sends no Date; the two answers with status 500 are free to have none",
    ),
    ("aimock", "chat.usage-null", "chat_usage", NO_NULL),
    (
        "aimock",
        "gem.json-array",
        (
            "geminijson_gzip_accept geminijson_http_close geminijson_normal geminijson_unknown_model "
            "geminijson_wrong_ctype"
        ),
        "the mock answers with events, whether alt=sse was asked for or not",
    ),
    ("llama-server", "chat.usage-null", "chat_usage", NO_NULL),
    ("llama-server", "http.te-to-http10", "chat_http10", "cpp-httplib sends chunks to whoever asks in HTTP/1.0"),
    ("m_fakellm", "chat.usage-chunk", "chat_usage", "it knows no include_usage"),
    ("proxy_direct", "chat.usage-null", "chat_http10client chat_http_close chat_usage", NO_NULL),
    ("proxy_haproxy", "chat.usage-null", "chat_http10client chat_http_close chat_usage", NO_NULL),
    ("proxy_nginx-default", "chat.usage-null", "chat_http10client chat_http_close chat_usage", NO_NULL),
    ("proxy_nginx-gzip", "chat.usage-null", "chat_http_close chat_usage", NO_NULL),
    ("proxy_nginx-unbuffered", "chat.usage-null", "chat_http_close chat_usage", NO_NULL),
    ("transformers-serve", "chat.usage-chunk", "chat_usage", "usage comes in the last chunk that has a choice"),
    ("transformers-serve", "chat.usage-null", "chat_usage", NO_NULL),
    ("proxy_direct", "sse.surrogates", "chat_http10client chat_http_close chat_usage", HALVES),
    ("proxy_haproxy", "sse.surrogates", "chat_http10client chat_http_close chat_usage", HALVES),
    ("proxy_haproxy-default", "sse.eol", "upstream_sse", MIXED),
    ("proxy_haproxy-nodelay", "http.chunk-terminator", "upstream_boom", CUT),
    ("proxy_haproxy-nodelay", "sse.eol", "upstream_sse", MIXED),
    ("proxy_nginx-default", "sse.surrogates", "chat_http10client chat_http_close chat_usage", HALVES),
    ("proxy_nginx-gzip", "sse.surrogates", "chat_http_close chat_usage", HALVES),
    ("proxy_nginx-unbuffered", "http.chunk-terminator", "upstream_boom", CUT),
    ("proxy_nginx-unbuffered", "sse.eol", "upstream_sse", MIXED),
    ("proxy_nginx-unbuffered", "sse.surrogates", "chat_http_close chat_usage", HALVES),
    (
        "transformers-serve",
        "chat.created-model-constant",
        "chat_http_close chat_no_auth chat_normal chat_usage",
        SECONDS,
    ),
    (
        "transformers-serve",
        "chat.done",
        (
            "chat_chunked_req chat_expect100 chat_gzip_accept chat_http10 chat_http_close chat_no_auth chat_normal "
            "chat_usage chat_wrong_auth"
        ),
        "transformers serve never sends [DONE]",
    ),
    (
        "transformers-serve",
        "chat.finish-key",
        (
            "chat_chunked_req chat_disconnect chat_disconnect_rst chat_expect100 chat_gzip_accept chat_http10 "
            "chat_http_close chat_no_auth chat_normal chat_usage chat_wrong_auth"
        ),
        "it leaves members out that are null, finish_reason among them",
    ),
    ("web_aiohttp", "http.chunk-terminator", "boom", CUT),
    ("web_hypercorn", "http.chunk-terminator", "boom", CUT),
    ("web_hypercorn", "sse.keepalive-safe", "es", PING),
    ("web_node", "http.chunk-terminator", "boom", CUT),
    ("web_node", "sse.eol", "sse", MIXED),
    ("web_uvicorn", "http.chunk-terminator", "boom", CUT),
    ("web_uvicorn", "sse.keepalive-safe", "es", PING),
]

EXPECTED = {(server, check, case): why for server, check, cases, why in FINDINGS for case in cases.split()}


def recordings() -> list[Path]:
    return sorted(path for path in CORPUS.glob("*/*.wire.jsonl") if path.name.startswith(JUDGED))


@pytest.mark.parametrize("path", recordings(), ids=lambda path: f"{path.parent.name}/{path.name.partition('.')[0]}")
def test_a_recording_has_the_findings_that_are_explained_and_no_others(path: Path) -> None:
    server, case = path.parent.name, path.name.partition(".")[0]
    results = judge_all(Case([Transcript(path.name, load(path))]), select(passive_only=True))
    found = {result.id: result.message for result in results if result.verdict in (Verdict.FAIL, Verdict.WARN)}
    assert set(found) == {check for s, check, c in EXPECTED if (s, c) == (server, case)}, found
    assert not [result for result in results if result.verdict is Verdict.HARNESS_ERROR]


@pytest.mark.parametrize(
    ("begins", "least"), [("chat_", 80), ("responses_", 35), ("messages_", 25), ("gemini", 20), ("ollama_", 10)]
)
def test_the_recordings_of_every_dialect_are_judged(begins: str, least: int) -> None:
    assert len([path for path in recordings() if path.name.startswith(begins)]) >= least


def test_no_explanation_is_left_over() -> None:
    there = {(path.parent.name, path.name.partition(".")[0]) for path in recordings()}
    assert {(server, case) for server, _, case in EXPECTED} <= there

"""How each dialect is asked: where the model stands, and what comes before it in a path."""

from __future__ import annotations

import json

import pytest

from tokenwire.dialects import DIALECTS, dialect_named
from tokenwire.errors import LocalProtocolError
from tokenwire.protocol.url import parse_url
from tokenwire.session import endpoint_url
from tokenwire_conformance.probes.asking import PROMPTED, base_of
from tokenwire_conformance.probes.talk import Plan

IN_PATH = [name for name in PROMPTED if "{model}" in dialect_named(name).path]
OTHER = "no/such model"


def plan(dialect: str, path: str = "") -> Plan:
    chosen = dialect_named(dialect)
    url = "http://host" + path if path else endpoint_url("http://host", chosen, {"model": "ours"})
    return Plan(parse_url(url), chosen, "ours", failing_model="failing", cut_model="cut")


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("dialect", PROMPTED)
def test_another_model_lands_where_the_dialect_has_it(dialect: str, stream: bool) -> None:
    ours, other = (plan(dialect).ask(stream=stream, model=model) for model in (None, OTHER))
    if dialect in IN_PATH:
        assert other.path == ours.path.replace("/ours", "/no%2Fsuch%20model")
        assert other.body == ours.body
    else:
        assert other.path == ours.path
        assert json.loads(other.body)["model"] == OTHER


@pytest.mark.parametrize(
    ("dialect", "before", "after"),
    [
        ("gemini", "/v1beta/tunedModels/", ":streamGenerateContent?alt=sse"),
        ("gemini", "/v1/projects/p/publishers/google/models/", ":streamGenerateContent"),
        ("gemini", "/gateway/", ":streamGenerateContent"),
        ("gemini", "/models/", ":generateContent"),
        ("bedrock-converse", "/aws/model/", "/converse-stream"),
        ("bedrock-converse", "/inference-profile/", "/converse-stream"),
    ],
)
def test_the_model_is_found_behind_any_prefix(dialect: str, before: str, after: str) -> None:
    asked = plan(dialect, f"{before}a%2Fb{after}").ask(stream=True, model=OTHER)
    assert asked.path == f"{before}no%2Fsuch%20model{after}"


@pytest.mark.parametrize("dialect", IN_PATH)
@pytest.mark.parametrize("path", ["/", "/gateway", "/v1/chat/completions", "/models/ours", "/ours/stream"])
def test_a_question_that_cannot_name_another_model_is_not_asked(dialect: str, path: str) -> None:
    unnamed = plan(dialect, path)
    assert unnamed.ask(stream=True).path == path
    with pytest.raises(LocalProtocolError, match="has no place for it"):
        unnamed.ask(stream=True, model=OTHER)


@pytest.mark.parametrize("name", sorted(DIALECTS))
@pytest.mark.parametrize("prefix", ["", "/gateway"])
def test_the_base_of_a_path_is_what_stands_before_the_dialects_own(name: str, prefix: str) -> None:
    path = dialect_named(name).path.replace("{model}", "m")
    version = next((part for part in ("/v1beta", "/v1", "/v2", "/api") if path.startswith(part + "/")), "")
    assert base_of(prefix + path) == prefix + version


def test_a_path_that_no_dialect_has_is_its_own_base() -> None:
    assert base_of("/some/where/?x=/v1/chat") == "/some/where"

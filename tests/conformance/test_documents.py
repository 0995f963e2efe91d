"""A clause is a document that a person can open, or its rule is no MUST."""

from __future__ import annotations

import re

import pytest

from tokenwire_conformance.checks.documents import DOCUMENTS, places_of
from tokenwire_conformance.judging.judge import select
from tokenwire_conformance.judging.registry import Check
from tokenwire_conformance.judging.verdict import Level

CHECKS = select()


@pytest.mark.parametrize("check", [check for check in CHECKS if check.level is Level.MUST], ids=lambda check: check.id)
def test_every_part_of_the_clause_of_a_must_is_a_document(check: Check) -> None:
    assert [part for part, url in places_of(check.clause) if not url.startswith("https://")] == []


@pytest.mark.parametrize(
    "clause", ["practice", "dialect", "interoperability", "RFC 9110 1; practice", "RFCs", "Ollama"]
)
def test_what_is_no_document_has_no_place(clause: str) -> None:
    assert "" in [url for _, url in places_of(clause)]


def test_a_clause_names_one_document_in_each_part() -> None:
    assert places_of("RFC 9112 6.1, 6.3; Ollama API, errors; CWE-201") == [
        ("RFC 9112 6.1, 6.3", "https://www.rfc-editor.org/rfc/rfc9112"),
        ("Ollama API, errors", DOCUMENTS["Ollama API"]),
        ("CWE-201", DOCUMENTS["CWE-201"]),
    ]


@pytest.mark.parametrize("title", DOCUMENTS)
def test_no_title_stands_within_another(title: str) -> None:
    assert [other for other in DOCUMENTS if re.match(rf"{re.escape(other)}(?=[ ,:]|\Z)", title)] == [title]


@pytest.mark.parametrize("title", DOCUMENTS)
def test_every_document_is_named_by_a_check(title: str) -> None:
    assert any(url == DOCUMENTS[title] for check in CHECKS for _, url in places_of(check.clause))


@pytest.mark.parametrize("check", [check for check in CHECKS if check.breaks], ids=lambda check: check.id)
def test_what_breaks_was_measured_with_a_client_of_a_version(check: Check) -> None:
    assert re.search(r"\b[A-Za-z][\w-]+ \d+\.\d+", check.breaks)

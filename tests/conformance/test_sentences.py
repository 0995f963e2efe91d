"""Every normative sentence has a check or a reason, and every check that was planned is there or has one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from tokenwire_conformance.judging.registry import Check, catalogue
from tokenwire_conformance.sentences.page import page
from tokenwire_conformance.sentences.planned import Planned, planned
from tokenwire_conformance.sentences.problems import (
    problems_of_clauses,
    problems_of_plan,
    problems_of_sentences,
    sections_of,
)
from tokenwire_conformance.sentences.tables import Document, Section, Sentence, documents

PAGE = Path(__file__).parents[2] / "docs" / "sentences.md"

#: What was not built when the list was begun. It only shrinks: take out what is built, and put nothing in.
NOT_BUILT_AT_FIRST = {
    "bp.dead-reader",
    "bp.isolation",
    "bp.memory",
    "bp.no-loss",
    "bp.others-unaffected",
    "bp.slow-reader",
    "cancel.before-first-token",
    "cancel.fin",
    "cancel.half-close",
    "cancel.no-cross-talk",
    "cancel.nonstream",
    "cancel.repeat",
    "cancel.rst",
    "cancel.ws-cancel",
    "cancel.ws-close",
    "resume.cross-tenant",
    "resume.finished-204",
    "resume.ids-monotonic",
    "resume.last-event-id",
    "resume.no-gap-no-dup",
    "resume.retry-field",
    "resume.starting-after",
    "resume.unknown-id",
    "wsl.age-limit",
}

CHECKS = catalogue()
TITLE = "RFC 6455"
SOUND = Sentence(1, "server", "MUST", "A frame that is not masked ends the connection.", checks=["wsf.need-mask"])


def table(*sentences: Sentence, at: str = "5.1") -> Mapping[str, Document]:
    """A document of one section."""
    return {TITLE: Document(TITLE, "", [Section(at, "", sentences)])}


def test_every_sentence_has_checks_that_exist_or_a_reason() -> None:
    assert list(problems_of_sentences(documents(), CHECKS)) == []


def test_every_clause_has_its_sentence() -> None:
    assert list(problems_of_clauses(documents(), CHECKS)) == []


def test_every_check_that_was_planned_exists_or_has_a_reason_or_is_to_come() -> None:
    assert list(problems_of_plan(planned(), CHECKS)) == []


def test_nothing_new_is_not_built_yet() -> None:
    assert planned().not_built_yet - NOT_BUILT_AT_FIRST == set()


def test_the_page_is_the_one_that_the_tables_make() -> None:
    made = "make it again: python -m tokenwire_conformance.sentences > docs/sentences.md"
    assert PAGE.read_text(encoding="utf-8") == page(), made


@pytest.mark.parametrize("document", documents().values(), ids=lambda document: document.title)
def test_no_section_stands_twice(document: Document) -> None:
    left_out = [at for sections, _ in document.beyond for at in sections]
    assert [at for at, times in Counter([s.at for s in document.sections] + left_out).items() if times > 1] == []


@pytest.mark.parametrize("document", documents().values(), ids=lambda document: document.title)
def test_sections_stand_in_their_order(document: Document) -> None:
    places = [[int(number) for number in section.at.split(".")] for section in document.sections]
    assert [later for earlier, later in pairwise(places) if earlier > later] == []


@pytest.mark.parametrize("document", documents().values(), ids=lambda document: document.title)
def test_every_sentence_is_told_on_the_page(document: Document) -> None:
    told = page().split("\n## ")
    (part,) = [part for part in told if part.startswith(f"{document.title}\n")]
    assert [sentence.says for _, sentence in document if part.count(f"| {sentence.key} | {sentence.says} |") == 0] == []
    assert part.count(" | server | ") == sum(sentence.binds == "server" for _, sentence in document)


# The problems are found.


@pytest.mark.parametrize(
    ("sentence", "problem"),
    [
        (replace(SOUND, checks=["wsf.no-such-check"]), "no check wsf.no-such-check"),
        (replace(SOUND, rests_on_it=["wsf.no-such-check"]), "no check wsf.no-such-check"),
        (replace(SOUND, checks=[]), "no check and no reason"),
        (replace(SOUND, none="hidden"), "no check and no reason, or both"),
        (replace(SOUND, checks=[], none="because"), "'because' is no reason"),
        (replace(SOUND, checks=[], none="open"), "'open' wants the particulars"),
        (replace(SOUND, binds="everybody"), "'everybody' is none of"),
        (replace(SOUND, n=2), "sentence 1 is missing"),
        (replace(SOUND, to=-1), "sentence 1 is missing, or out of order"),
    ],
)
def test_a_wrong_row_is_found(sentence: Sentence, problem: str) -> None:
    assert [found for found in problems_of_sentences(table(sentence), CHECKS) if problem in found]


def test_an_ordinal_that_is_left_out_is_found() -> None:
    assert list(problems_of_sentences(table(SOUND, replace(SOUND, n=2, to=4), replace(SOUND, n=6)), CHECKS)) == [
        "RFC 6455 5.1: sentence 5 is missing, or out of order; map it"
    ]


def test_a_sound_table_has_no_problems() -> None:
    assert list(problems_of_sentences(table(SOUND, replace(SOUND, n=2, checks=[], none="client")), CHECKS)) == []


@pytest.mark.parametrize(
    ("at", "checks", "found"),
    [
        ("5.1", ["wsf.need-mask"], []),
        ("5.1", ["wsf.rsv"], ["wsf.need-mask rests on RFC 6455 5.1"]),
        ("5.2", ["wsf.need-mask"], ["wsf.need-mask rests on RFC 6455 5.1"]),
    ],
)
def test_a_clause_without_its_sentence_is_found(at: str, checks: list[str], found: list[str]) -> None:
    one: Mapping[str, Check] = {"wsf.need-mask": CHECKS["wsf.need-mask"]}
    problems = list(problems_of_clauses(table(replace(SOUND, checks=checks), at=at), one))
    assert [problem.partition(",")[0] for problem in problems] == found


def test_a_sentence_that_a_check_rests_on_is_its_sentence_too() -> None:
    resting = replace(SOUND, checks=[], none="client", rests_on_it=["wsf.need-mask"])
    assert list(problems_of_clauses(table(resting), {"wsf.need-mask": CHECKS["wsf.need-mask"]})) == []


@pytest.mark.parametrize(
    ("clause", "sections"),
    [
        ("RFC 6455 4.2.2 (4), 9.1", [("RFC 6455", "4.2.2"), ("RFC 6455", "9.1")]),
        ("RFC 6455 4.2.1 (3, 4, 10)", [("RFC 6455", "4.2.1")]),
        ("RFC 6455 10.5, 4.2.2 (2); practice", [("RFC 6455", "10.5"), ("RFC 6455", "4.2.2")]),
        ("interoperability; WHATWG HTML 9.2.5", [("WHATWG HTML", "9.2.5")]),
        ("RFC 64550 1; RFC 8259 4", []),
    ],
)
def test_a_clause_names_its_sections(clause: str, sections: list[tuple[str, str]]) -> None:
    assert list(sections_of(clause, list(documents()))) == sections


@pytest.mark.parametrize(
    ("plan", "problem"),
    [
        (Planned(frozenset({"sse.new"}), {}, frozenset()), "sse.new was planned and does not exist"),
        (Planned(frozenset({"sse.utf8"}), {}, frozenset({"sse.utf8"})), "sse.utf8 exists"),
        (Planned(frozenset({"sse.utf8"}), {"sse.utf8": "why"}, frozenset()), "sse.utf8 exists"),
        (Planned(frozenset(), {"sse.new": "why"}, frozenset()), "sse.new was not planned"),
        (Planned(frozenset({"sse.new"}), {"sse.new": "why"}, frozenset()), ""),
        (Planned(frozenset({"sse.new"}), {}, frozenset({"sse.new"})), ""),
        (Planned(frozenset({"sse.utf8"}), {}, frozenset()), ""),
    ],
)
def test_a_plan_that_does_not_hold_is_found(plan: Planned, problem: str) -> None:
    found = list(problems_of_plan(plan, CHECKS))
    assert [one for one in found if not problem or not one.startswith(problem)] == []
    assert bool(found) == bool(problem)

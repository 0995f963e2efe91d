"""What is wrong with the tables. One problem fails the build.

Every sentence has its checks, which exist, or its reason; no ordinal is left out; every check whose clause names a
section of these documents is named by a sentence of that section; every check that was planned exists, or has its
reason, or is still to come.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from ..judging.registry import Check, catalogue
from .planned import Planned, planned
from .tables import WANTS_PARTICULARS, WHY_NONE, Document, Section, Sentence, documents

__all__ = ["problems", "problems_of_clauses", "problems_of_plan", "problems_of_sentences", "sections_of"]

_BINDS = ("server", "client", "both", "intermediary", "authors")


def problems() -> Iterator[str]:
    """All that is wrong, in sentences that say what to do."""
    yield from problems_of_sentences(documents(), catalogue())
    yield from problems_of_clauses(documents(), catalogue())
    yield from problems_of_plan(planned(), catalogue())


def problems_of_sentences(documents: Mapping[str, Document], checks: Mapping[str, Check]) -> Iterator[str]:
    for document in documents.values():
        for section in document.sections:
            yield from _wrong_ordinals(document, section)
        for section, sentence in document:
            for wrong in _wrong_in(sentence, checks):
                yield f"{document.title} {section.at}, sentence {sentence.n}: {wrong}"


def _wrong_ordinals(document: Document, section: Section) -> Iterator[str]:
    expected = 0 if section.sentences and section.sentences[0].n == 0 else 1
    for sentence in section.sentences:
        if sentence.n != expected or sentence.last < sentence.n:
            yield f"{document.title} {section.at}: sentence {expected} is missing, or out of order; map it"
            return
        expected = sentence.last + 1


def _wrong_in(sentence: Sentence, checks: Mapping[str, Check]) -> Iterator[str]:
    for named in (*sentence.checks, *sentence.rests_on_it):
        if named not in checks:
            yield f"there is no check {named}; name one that exists"
    if bool(sentence.checks) == bool(sentence.none):
        yield "it has no check and no reason, or both; name what fails when it is broken, or say why nothing does"
    if sentence.binds not in _BINDS:
        yield f"{sentence.binds!r} is none of {', '.join(_BINDS)}"
    if sentence.none:
        yield from _wrong_reason(sentence.none)


def _wrong_reason(none: str) -> Iterator[str]:
    word, _, particulars = none.partition(": ")
    if word not in WHY_NONE:
        yield f"{word!r} is no reason; take one of {', '.join(WHY_NONE)}"
    elif word in WANTS_PARTICULARS and not particulars:
        yield f"{word!r} wants the particulars; write them behind a colon"


def problems_of_clauses(documents: Mapping[str, Document], checks: Mapping[str, Check]) -> Iterator[str]:
    named = {
        (document.title, section.at, check)
        for document in documents.values()
        for section, sentence in document
        for check in (*sentence.checks, *sentence.rests_on_it)
    }
    for check in checks.values():
        for title, at in sections_of(check.clause, list(documents)):
            if (title, at, check.id) not in named:
                yield f"{check.id} rests on {title} {at}, and no sentence there names it; map it, or mend its clause"


def sections_of(clause: str, titles: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The sections of these documents that a clause names: `RFC 6455 4.2.2 (4), 9.1` names two."""
    for part in clause.split("; "):
        for title in titles:
            if part.startswith(f"{title} "):
                places = re.sub(r" \([^)]*\)", "", part.removeprefix(title))
                yield from ((title, place.strip()) for place in places.split(","))


def problems_of_plan(plan: Planned, checks: Mapping[str, Check]) -> Iterator[str]:
    for id_ in sorted(plan.ids - checks.keys() - plan.left_out.keys() - plan.not_built_yet):
        yield f"{id_} was planned and does not exist; build it, or say in planned.toml why it is left out"
    for id_ in sorted(checks.keys() & (plan.not_built_yet | plan.left_out.keys())):
        yield f"{id_} exists; take it out of left_out and not_built_yet in planned.toml"
    for id_ in sorted((plan.not_built_yet | plan.left_out.keys()) - plan.ids):
        yield f"{id_} was not planned; planned.toml has it all the same"

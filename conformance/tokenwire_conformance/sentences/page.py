"""The page of all sentences, in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..checks.documents import places_of
from ..judging.registry import catalogue
from .planned import planned
from .tables import WHY_NONE, Document, Sentence, documents

__all__ = ["page"]

_HEAD = """\
# Sentences

Each sentence of the standards of streams that binds anybody, told in our own words, with the checks that fail when an
endpoint breaks it, or the reason why none does. A check stands in brackets where the sentence binds others, and the
check judges what an endpoint must mind because they follow it. A check fails on what it asks for and sees; no number of
requests shows that a sentence is always kept.

This page is made: `python -m tokenwire_conformance.sentences > docs/sentences.md`. What it is made of stands in
`conformance/tokenwire_conformance/sentences/`.
"""

_COLUMNS = "| § | binds | keyword | sentence | judged by |\n| --- | --- | --- | --- | --- |"


def page() -> str:
    """The whole page."""
    return "\n".join(
        [_HEAD, *_summary(), *(line for document in documents().values() for line in _of(document)), *_plan()]
    )


def _summary() -> Iterator[str]:
    yield "| document | sentences | judged | with a reason |"
    yield "| --- | ---: | ---: | ---: |"
    for document in documents().values():
        judged, others = (
            sum(sentence.last - sentence.n + 1 for _, sentence in document if bool(sentence.checks) is has)
            for has in (True, False)
        )
        yield f"| {document.title} | {judged + others} | {judged} | {others} |"
    yield "\nThe reasons:\n"
    yield from (f"- {word}: {why}" for word, why in WHY_NONE.items())
    yield ""


def _of(document: Document) -> Iterator[str]:
    ((_, where),) = places_of(document.title)
    yield f"## {document.title}\n"
    yield f"{document.counts} The document: <{where}>.\n"
    yield _COLUMNS
    for section in document.sections:
        yield f"| **{section.at}** | | | **{section.about}** | |"
        for sentence in section.sentences:
            cells = (f"{section.at} {_ordinals(sentence)}", sentence.binds, sentence.key, sentence.says)
            yield f"| {' | '.join(cells)} | {_judged_by(sentence)} |"
    yield ""
    if document.beyond:
        yield "Left out:\n"
        yield from (f"- {', '.join(sections)}: {because}" for sections, because in document.beyond)
        yield ""


def _ordinals(sentence: Sentence) -> str:
    return f"({sentence.n}–{sentence.to})" if sentence.to else f"({sentence.n})"


def _judged_by(sentence: Sentence) -> str:
    resting = f"({_ids(sentence.rests_on_it)})" if sentence.rests_on_it else ""
    return " ".join(part for part in (_ids(sentence.checks), sentence.none, resting) if part)


def _ids(checks: Sequence[str]) -> str:
    return ", ".join(f"`{check}`" for check in checks)


def _plan() -> Iterator[str]:
    plan, checks = planned(), catalogue()
    yield "## Checks that were planned\n"
    yield f"Of {len(plan.ids)} checks for endpoints that were planned {len(plan.ids & checks.keys())} exist."
    yield f"{len(plan.left_out)} are left out:\n"
    yield from (f"- `{id_}`: {why}" for id_, why in plan.left_out.items())
    yield f"\n{len(plan.not_built_yet)} are not built yet:\n"
    yield f"{_ids(sorted(plan.not_built_yet)) or 'none'}\n"

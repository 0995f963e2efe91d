"""The tables of sentences, as they stand in the files beside this one.

A sentence is told in our own words, and never quoted:

    { n = 2, binds = "server", key = "MUST", says = "A frame that is not masked ends the connection.",
      checks = ["wsf.need-mask"] }

`n` is its ordinal in the section, `to` the last one where one row tells several. Either `checks` names what fails when
an endpoint breaks it, or `none` says why nothing does: one of the words of `WHY_NONE`, and the particulars behind a
colon. `rests_on_it` names checks of what an endpoint must mind because others follow the sentence: a reader
ignores an id with a NUL, and so sse.id-no-nul judges ids.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

__all__ = ["WANTS_PARTICULARS", "WHY_NONE", "Document", "Section", "Sentence", "documents"]

_FILES = ("html", "rfc6455", "rfc7692", "rfc9110", "rfc9112")

#: Why no check judges a sentence.
WHY_NONE: Mapping[str, str] = {
    "client": "it binds clients, and `tokenwire check` judges endpoints",
    "intermediary": "it binds intermediaries, which are judged by what comes through them",
    "authors": "it binds the authors of other standards",
    "permission": "it permits, and nobody can break it",
    "hidden": "it cannot be seen on the wire",
    "tls": "a TLS library keeps it",
    "unused": "token streams have no use for it",
    "open": "it could be judged, and is not",
}

#: The reasons that do not stand for themselves.
WANTS_PARTICULARS = frozenset({"intermediary", "unused", "open"})


@dataclass(frozen=True, slots=True)
class Sentence:
    """One row.

    :ivar n: the ordinal in its section; 0 for the definition or grammar of a section that has no keyword for it.
    :ivar to: the last ordinal that the row tells; 0 where it tells one.
    :ivar binds: server, client, both, intermediary, authors.
    :ivar key: the keyword; `defines` where a rule has none.
    :ivar says: the sentence in our own words.
    :ivar none: why no check judges it: a word of `WHY_NONE`, and the particulars behind a colon.
    """

    n: int
    binds: str
    key: str
    says: str
    to: int = 0
    checks: Sequence[str] = ()
    none: str = ""
    rests_on_it: Sequence[str] = ()

    @property
    def last(self) -> int:
        return self.to or self.n


@dataclass(frozen=True, slots=True)
class Section:
    """A section with sentences that concern streams.

    :ivar at: its number in the document.
    :ivar about: what it is about, in our own words.
    """

    at: str
    about: str
    sentences: Sequence[Sentence]


@dataclass(frozen=True, slots=True)
class Document:
    """A standard.

    :ivar title: as the clauses of checks begin.
    :ivar counts: which of its sentences have an ordinal.
    :ivar beyond: sections that concern no stream, each group with the reason.
    """

    title: str
    counts: str
    sections: Sequence[Section]
    beyond: Sequence[tuple[Sequence[str], str]] = field(default=())

    def __iter__(self) -> Iterator[tuple[Section, Sentence]]:
        for section in self.sections:
            for sentence in section.sentences:
                yield section, sentence


@cache
def documents() -> Mapping[str, Document]:
    """The documents by title."""
    read = [_document(read_table(name)) for name in _FILES]
    return {document.title: document for document in read}


def read_table(name: str) -> dict[str, Any]:
    """The table of a file beside this one."""
    return tomllib.loads(files("tokenwire_conformance.sentences").joinpath(f"{name}.toml").read_text(encoding="utf-8"))


def _document(table: dict[str, Any]) -> Document:
    sections = [
        Section(section["at"], section["about"], [Sentence(**sentence) for sentence in section["sentences"]])
        for section in table["section"]
    ]
    beyond = [(group["sections"], group["because"]) for group in table.get("beyond", ())]
    return Document(table["title"], table["counts"], sections, beyond)

"""Verdicts, and what they rest on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

__all__ = ["Evidence", "Finding", "Inconclusive", "Level", "NotApplicable", "NotAsked", "NotShown", "Result", "Verdict"]


class Level(StrEnum):
    """How binding a rule is. A breach of MUST is FAIL, of SHOULD is WARN (FAIL when strict), INFO is reported."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    INFO = "INFO"


class Verdict(StrEnum):
    PASS = "PASS"  # noqa: S105 - a verdict, no password
    FAIL = "FAIL"
    WARN = "WARN"
    INFO = "INFO"
    NOT_APPLICABLE = "NOT-APPLICABLE"
    INCONCLUSIVE = "INCONCLUSIVE"
    HARNESS_ERROR = "HARNESS-ERROR"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Bytes that prove a finding: in which transcript, at which offset of what was received, read when.

    :ivar seconds: None where the transcript has no times.
    """

    transcript: str
    offset: int
    seconds: float | None
    data: bytes

    def as_json(self) -> dict[str, Any]:
        text = self.data.decode("utf-8", "backslashreplace")
        return {"transcript": self.transcript, "offset": self.offset, "seconds": self.seconds, "bytes": text}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, in words that an operator understands.

    :ivar times: how often it is so in that response, or on that connection; the evidence shows the first.
    """

    message: str
    evidence: Evidence | None = None
    times: int = 1

    @property
    def counted(self) -> str:
        return f"{self.message} ({self.times} times)" if self.times > 1 else self.message

    def as_json(self) -> dict[str, Any]:
        return {"message": self.counted, "evidence": self.evidence.as_json() if self.evidence is not None else None}


class NotApplicable(Exception):
    """Raised by a check: nothing that it judges was there. The argument says what was missing."""


class NotAsked(NotApplicable):
    """What it judges is not asked for this transport or dialect, or without what the operator did not give."""


class NotShown(NotApplicable):
    """What it judges is in a layer of the wire that the source does not show."""


class Inconclusive(Exception):
    """Raised by a check: the endpoint's answers do not let it decide. The argument says why."""


@dataclass(frozen=True, slots=True)
class Result:
    """The verdict of one check.

    :ivar message: why it is this verdict; of findings their different words, joined.
    :ivar findings: all that the check found.
    :ivar incomplete: it is INCONCLUSIVE because an answer did not come, or not to its end.
    :ivar often: in how many of many answers it was found, in words; empty where the question was asked once.
    :ivar expected: why the finding is borne, as the baseline has it; empty where it is not expected.
    """

    id: str
    level: Level
    verdict: Verdict
    message: str
    clause: str
    says: str
    breaks: str = ""
    findings: Sequence[Finding] = field(default_factory=tuple)
    incomplete: bool = False
    expected: str = ""
    often: str = ""

    @property
    def evidence(self) -> list[Evidence]:
        """The bytes of all findings that have some."""
        return [finding.evidence for finding in self.findings if finding.evidence is not None]

    def as_json(self) -> Mapping[str, Any]:
        return {
            "id": self.id,
            "level": self.level.value,
            "verdict": self.verdict.value,
            "message": self.message,
            "clause": self.clause,
            "says": self.says,
            "breaks": self.breaks,
            **({"often": self.often} if self.often else {}),
            **({"expected": self.expected} if self.expected else {}),
            "evidence": [evidence.as_json() for evidence in self.evidence],
            "findings": [finding.as_json() for finding in self.findings],
        }

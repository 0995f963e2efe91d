"""What `check` is to do, found out before anything is asked: an error in the options costs the endpoint nothing."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import LocalProtocolError
from ..protocol.url import parse_url
from .access import Access, access_of
from .check_baseline import baseline_before, beside_baseline
from .check_judging import judged
from .check_questions import Questions, chosen, fitting, is_websocket, over_what, questions_of
from .check_record import make_folder
from .report_files import report_files

if TYPE_CHECKING:
    from tokenwire_conformance.judging.baseline import Baseline
    from tokenwire_conformance.reports.report import Report

__all__ = ["Task", "task_of"]


@dataclass(frozen=True, slots=True)
class Task:
    """Whom to ask, what to ask, and what is expected.

    :ivar before: the baseline, as `baseline_before` gives it.
    """

    args: argparse.Namespace
    questions: Questions
    access: Access
    before: Baseline | None

    def reports(self) -> Sequence[Report]:
        """Asks and judges, and writes what the options name files for.

        :raises LocalProtocolError: where the folder for recordings is not empty, or the tokens do not reach.
        :raises OSError: where what should be kept cannot be written.
        """
        if self.args.record_dir is not None:
            make_folder(self.args.record_dir)
        with report_files(self.args) as write:
            reports = beside_baseline(self.args, judged(self.args, self.questions, self.access), self.before)
            write(reports)
        return reports


def task_of(args: argparse.Namespace) -> Task:
    """What the options of `check` say.

    :raises LocalProtocolError: for options that cannot be, and for a variable or a baseline that is not there.
    :raises OSError: when a file that is named cannot be read.
    """
    checks = chosen(args)
    overs = over_what(args.url, args.dialect, checks)
    checks = fitting(checks, overs)
    _hops_are_like(args.url, args.via)
    access = access_of(args)
    before = baseline_before(args)
    return Task(args, questions_of(args, checks, overs, access), access, before)


def _hops_are_like(url: str | None, hops: Sequence[str]) -> None:
    """:raises LocalProtocolError: for a hop without an origin, or over another transport."""
    if hops and url is None:
        raise LocalProtocolError("--via names what stands in front of an endpoint: give the URL of that too")
    for hop in hops:
        parse_url(hop, websocket=is_websocket(hop))
        if is_websocket(hop) != is_websocket(str(url)):
            raise LocalProtocolError("--via: a hop and its origin are asked over the same transport")

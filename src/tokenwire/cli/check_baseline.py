"""`tokenwire check --baseline FILE` and `--write-baseline FILE`: what is expected, and what is new."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import LocalProtocolError
from .exits import complain

if TYPE_CHECKING:
    from tokenwire_conformance.judging.baseline import Baseline
    from tokenwire_conformance.reports.report import Report

__all__ = ["add_baseline_options", "baseline_before", "beside_baseline"]


def add_baseline_options(parser: argparse.ArgumentParser) -> None:
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--baseline",
        metavar="FILE",
        type=Path,
        help="findings that are expected, each with its reason (TOML). What is new is a finding, a WARN too, and so is "
        "an entry of which nothing is found any more",
    )
    either.add_argument(
        "--write-baseline",
        metavar="FILE",
        type=Path,
        help="write what is found as a baseline; of an older one there the reasons stay, and what was not judged now",
    )


def baseline_before(args: argparse.Namespace) -> Baseline | None:
    """The baseline that was named, read before anything is asked; of one that is to be written, the older one there.

    :raises LocalProtocolError: where it is none, with what is wrong.
    :raises OSError: where it cannot be read.
    """
    from tokenwire_conformance.judging.baseline import read_baseline

    older: Path | None = args.write_baseline
    if older is not None and older.exists():
        return read_baseline(older)
    if older is not None and not older.parent.is_dir():
        raise LocalProtocolError(f"--write-baseline: there is no folder {older.parent}")
    return read_baseline(args.baseline) if args.baseline is not None else None


def beside_baseline(args: argparse.Namespace, reports: Sequence[Report], before: Baseline | None) -> Sequence[Report]:
    """The reports, with what is expected and what is new; a baseline is written where that was asked for."""
    from tokenwire_conformance.judging.baseline import Baseline

    deciding = [report for report in reports if report.decides]
    today = datetime.now(UTC).date()
    baseline = before
    if args.write_baseline is not None:
        if any(report.run.headline for report in deciding):
            complain(f"{args.write_baseline} is not written: the run did not go well")
            return reports
        baseline = (before or Baseline([])).renewed([report.run for report in deciding], today)
        args.write_baseline.write_text(baseline.as_toml(), "utf-8")
    if baseline is None:
        return reports
    runs = iter(baseline.applied([report.run for report in deciding], today))
    return [replace(report, run=next(runs)) if report.decides else report for report in reports]

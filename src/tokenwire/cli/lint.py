"""`tokenwire lint`: judge recordings."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import LocalProtocolError
from ..recording import load
from ..recording.http_wire import secrets_sent
from .check import add_format_options, print_reports
from .extras import need
from .guard import know

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["add_parser", "run"]

_EXAMPLE = """\
example:
  tokenwire record http://127.0.0.1:8080 -p hello -o hello.wire.jsonl
  tokenwire lint hello.wire.jsonl
"""


def add_parser(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "lint",
        help="judge recordings",
        description="Judges recorded wires by every check that needs no further request.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "files", metavar="FILE", nargs="+", type=Path, help="a recording, or a folder with *.wire.jsonl in it"
    )
    add_format_options(parser)


def run(args: argparse.Namespace) -> int:
    from tokenwire_conformance.judging.case import Case
    from tokenwire_conformance.judging.judge import judge_all, select
    from tokenwire_conformance.reading.transcript import Transcript
    from tokenwire_conformance.reports.report import Report

    if args.format == "junit":
        need("--format junit")
    checks = select(args.only, args.skip, passive_only=True)
    if not checks:
        raise LocalProtocolError("no check that a file can be judged by has an id that begins so")
    recordings = [(path, load(path)) for path in _recordings(args.files)]
    know(value for _, recording in recordings for value in secrets_sent(recording.sent))
    cases = [(path, Case([Transcript(path.name, recording)])) for path, recording in recordings]
    reports = [
        Report(str(path), judge_all(case, [check for check in checks if check.fits(case.dialects)], strict=args.strict))
        for path, case in cases
    ]
    return print_reports(reports, args.format)


def _recordings(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(path.rglob("*.wire.jsonl"))
        else:
            yield path

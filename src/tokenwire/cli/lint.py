"""`tokenwire lint`: judge recordings."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..recording.captures import FORMS, Capture, Form, read_captures
from ..recording.http_wire import secrets_sent
from ..recording.redaction import Redactor
from .check import add_format_options, print_reports
from .check_questions import chosen
from .extras import need
from .guard import know, known
from .report_files import report_files

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["add_parser", "run"]

_EXAMPLE = """\
examples:
  tokenwire record http://127.0.0.1:8080 -p hello -o hello.wire.jsonl
  tokenwire lint hello.wire.jsonl
  curl --trace hello.trace --trace-time -N http://127.0.0.1:8080/v1/chat/completions --json @body.json
  tokenwire lint hello.trace
      of all that curl can keep, this shows the most: every byte, when it came, and how the connection ended
  tokenwire lint hello.har
      each stream and WebSocket of a HAR, as a browser or mitmproxy saves it
"""


def add_parser(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "lint",
        help="judge recordings",
        description="Judges recorded wires by every check that needs no further request. What a file no longer shows "
        "of the wire is told, and not judged.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "files", metavar="FILE", nargs="+", type=Path, help="a recording, or a folder with *.wire.jsonl in it"
    )
    parser.add_argument(
        "--from",
        dest="form",
        choices=FORMS,
        help="what the files are: recordings (wire), output of curl -i or of curl --raw -i, the file of curl --trace, "
        "a HAR of a browser or of mitmproxy, or bodies alone; by default as each of them begins",
    )
    add_format_options(parser)


def run(args: argparse.Namespace) -> int:
    from tokenwire_conformance.judging.case import Case
    from tokenwire_conformance.judging.judge import judge_run
    from tokenwire_conformance.reading.transcript import Transcript
    from tokenwire_conformance.reports.report import Report

    if args.format == "junit":
        need("--format junit")
    checks = chosen(args, passive_only=True)
    captures = [(path, capture) for path in _files(args.files) for capture in _read(path, args.form)]
    know(value for _, capture in captures for value in secrets_sent(capture.recording.sent))
    reports = []
    for path, capture in ((path, _without_secrets(capture)) for path, capture in captures):
        # What `check --record-dir` kept is read as the probe that it was.
        name = capture.recording.header.get("probe")
        case = Case([Transcript.of(name if isinstance(name, str) else path.name, capture)])
        fitting = [check for check in checks if check.fits(case.dialects)]
        target = f"{path}: {capture.label}" if capture.label else str(path)
        run = judge_run(case, fitting, strict=args.strict)
        reports.append(Report(target, run, _notes(capture), transcripts=case.transcripts))
    with report_files(args) as write:
        write(reports)
    return print_reports(reports, args.format, verbose=args.verbose)


def _read(path: Path, form: Form | None) -> list[Capture]:
    return read_captures(path.read_bytes(), str(path), form)


def _without_secrets(capture: Capture) -> Capture:
    """The same as if this package had recorded it. What is shown of it may be escaped, cut, or in hexadecimal: a secret
    is not found any more in that.
    """
    if not known().needles:
        return capture
    redactor = Redactor(known())
    entries = [kept for entry in capture.recording.entries for kept in redactor.feed(entry)]
    return replace(capture, recording=replace(capture.recording, entries=[*entries, *redactor.flush()]))


def _notes(capture: Capture) -> list[str]:
    """What the source does not show, so that nobody takes what is not judged for sound."""
    if not capture.missing:
        return []
    layers = [f"{layer.value}: {why}" for layer, why in capture.missing.items()]
    return [f"Read as {capture.source}. What it does not show, and no check can judge:", *layers]


def _files(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(path.rglob("*.wire.jsonl"))
        else:
            yield path

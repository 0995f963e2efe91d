"""`tokenwire check`: judge an endpoint."""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..dialects import dialect_named
from ..dialects.dialect import Dialect
from ..dialects.guess import guess_dialect
from ..endpoint import ReferenceEndpoint, background
from ..endpoint.story import MODELS
from ..errors import ConnectionFailed, LocalProtocolError
from ..protocol.url import parse_url
from ..secrecy import redact_url
from ..session import endpoint_url
from .access import Access, access_of, add_access_options
from .check_cost import add_cost_options, budget_of, prices_of, print_dry_run
from .check_list import explain, list_checks, named
from .check_record import keep, make_folder
from .check_report import Began, make_report, variables_of
from .exits import complain
from .extras import need
from .models import first_model
from .progress import progress
from .request import positive_seconds
from .screen import Screen

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from tokenwire_conformance.judging.registry import Check
    from tokenwire_conformance.probes.talk import Plan, Probe, Transport
    from tokenwire_conformance.reports.report import Report
    from tokenwire_conformance.run import Given

__all__ = ["add_format_options", "add_parser", "chosen", "print_reports", "run"]

_EXAMPLE = """\
examples:
  tokenwire check
      the reference endpoint, started for the occasion: what a sound endpoint looks like
  LLAMA_KEY=... tokenwire check http://127.0.0.1:8080 --key-env LLAMA_KEY
      an endpoint; its model is the first one that it lists, unless --model names another
  tokenwire check http://127.0.0.1:11434/api/chat
      Ollama, in its own dialect, which the URL tells; --dialect names another
  tokenwire check http://127.0.0.1:8080 --only sse. --only chat. --format junit > report.xml
      some groups only, for a CI server
  tokenwire check ws://127.0.0.1:8080/echo --dialect raw
      a WebSocket, whatever is said on it; two probes wait for a minute or two: --skip wsk. leaves them out
  tokenwire check https://api.example.com/v1 --dry-run
      how many requests that would be, and of which kind
"""


def add_parser(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    from tokenwire_conformance.probes.asking import ASKING, SPOKEN

    parser = subparsers.add_parser(
        "check",
        help="judge an endpoint",
        description="Judges an endpoint against the specifications, at the level of bytes. "
        "Exit code 1 when a MUST is broken.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "url", metavar="URL", nargs="?", help="the endpoint; without it the reference endpoint is judged"
    )
    parser.add_argument(
        "--dialect",
        metavar="NAME",
        help=f"{_listed(ASKING)} (by default as the URL has it, else openai-chat); for a ws or wss URL "
        f"{_listed([*SPOKEN, 'raw'])} (by default as the URL has it, else holysheep; raw is for one that is not known)",
    )
    parser.add_argument("--model", metavar="NAME", help="the model to ask; by default the first that is listed")
    parser.add_argument(
        "--failing-model",
        metavar="NAME",
        default="",
        help="a model that fails within its stream: how is that told?",
    )
    parser.add_argument(
        "--cut-model",
        metavar="NAME",
        default="",
        help="a model of a gateway whose upstream breaks off within its stream: is that told?",
    )
    add_access_options(parser)
    parser.add_argument(
        "--list", action="store_true", help="list the checks: ids, levels and clauses; asks nobody. Also as JSON"
    )
    parser.add_argument(
        "--explain",
        metavar="ID",
        help="say all about one check: its rule, why it matters, what proves it, how to repair it; asks nobody",
    )
    parser.add_argument(
        "--record-dir",
        metavar="DIR",
        type=Path,
        help="keep what went over the wire for each probe, without secrets, in this new or empty folder: "
        "NN-probe.wire.jsonl, which lint judges and replay serves",
    )
    add_pace_options(parser)
    add_cost_options(parser)
    add_format_options(parser)


def add_pace_options(parser: argparse.ArgumentParser) -> None:
    """How fast the endpoint is asked, and for how long."""
    parser.add_argument(
        "--delay",
        metavar="SECONDS",
        type=positive_seconds,
        default=0.0,
        help="wait so long between two probes; default: %(default)s",
    )
    parser.add_argument(
        "--patience",
        metavar="SECONDS",
        type=positive_seconds,
        default=60.0,
        help="wait at most so long, at each probe, where a 429 or 503 says in Retry-After when to come again; "
        "default: %(default)s",
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=positive_seconds,
        default=0.0,
        help="stop after so long, and judge what came until then; default: never",
    )


def _listed(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} or {last}"


def add_format_options(parser: argparse.ArgumentParser) -> None:
    """Which checks, and how their verdicts are told."""
    parser.add_argument("--only", metavar="ID", action="append", default=[], help="checks whose id begins so")
    parser.add_argument("--skip", metavar="ID", action="append", default=[], help="no checks whose id begins so")
    parser.add_argument("--strict", action="store_true", help="a breach of SHOULD is a finding too")
    parser.add_argument("-v", "--verbose", action="store_true", help="list what does not apply too, with the reasons")
    parser.add_argument("--format", choices=("text", "json", "junit"), default="text", help="default: %(default)s")


def chosen(args: argparse.Namespace, *, passive_only: bool = False) -> list[Check]:
    """The checks that `--only` and `--skip` leave.

    :raises LocalProtocolError: for an id that begins none, and where none is left.
    """
    from tokenwire_conformance.judging.judge import select

    named("--only", args.only)
    named("--skip", args.skip)
    checks = select(args.only, args.skip, passive_only=passive_only)
    if not checks:
        of_files = " that a file can be judged by" if passive_only else ""
        raise LocalProtocolError(f"--only and --skip leave no check{of_files}")
    return checks


def run(args: argparse.Namespace) -> int:
    from tokenwire_conformance.judging.judge import judge_run
    from tokenwire_conformance.probes.wire import SocketWire
    from tokenwire_conformance.run import Pace, Round, asked_by, choose_probes, make_rounds

    if args.format == "junit":
        need("--format junit")
    if args.explain is not None:
        return explain(args.explain, args.format)
    checks = chosen(args)
    asked = _transports(args.url, args.dialect, checks)
    if args.url is not None or args.dialect is not None or not args.list:
        checks = _fitting(checks, asked)
    if args.list:
        return list_checks(checks, args.format)
    access = access_of(args)
    key = access.key

    own = args.url is None
    bearer = key is not None and access.key_header in ("", "authorization")
    options: dict[Given, Any] = {
        "key": key,
        "bearer": bearer,
        "failing-model": args.failing_model,
        "cut-model": args.cut_model,
    }
    given: list[Given] = [name for name, value in options.items() if own or value]

    def probes_over(transport: Transport, dialect: Dialect) -> list[Probe]:
        return choose_probes(
            dialect.name,
            checks,
            given=given,
            transport=transport,
            slow=not own,
            costly=own or args.costly,
            fast=args.fast,
        )

    if args.fast:
        checks = asked_by(checks, [probe for over in asked for probe in probes_over(*over)])

    def all_probes() -> list[tuple[Probe, Dialect]]:
        return [(probe, dialect) for transport, dialect in asked for probe in probes_over(transport, dialect)]

    if args.dry_run:
        print_dry_run(prices_of(all_probes()), len(checks), _listings(args, asked))
        return 0
    if args.record_dir is not None:
        make_folder(args.record_dir)
    began = Began(listings=_listings(args, asked))
    with _endpoint(access.url, key) as endpoint:
        plans = [_plan(args, endpoint, access, transport, dialect) for transport, dialect in asked]
        budget = budget_of(args.max_tokens_total, all_probes())
        rounds = [
            Round(
                plan,
                probes_over(*over),
                partial(SocketWire, plan.target, access.ssl_context, endpoint.stop, access.proxy, began.connected),
            )
            for over, plan in zip(asked, plans, strict=True)
        ]
        pace = Pace(args.delay, args.patience, args.timeout or inf, budget)
        with progress("judging", sum(len(each.probes) for each in rounds), lines=True) as tell:
            case = make_rounds(rounds, lambda made: tell(made.number - 1, made.about), pace)
    target = redact_url(plans[0].target.url, access.secrets.parameters) if args.url else "the reference endpoint"
    if args.record_dir is not None:
        keep(args.record_dir, case.transcripts.values(), {"url": target, "date": began.date})
    report = make_report(
        target,
        case,
        judge_run(case, checks, strict=args.strict),
        checks,
        began=began,
        plans={transport: plan for (transport, _), plan in zip(asked, plans, strict=True)},
        variables=variables_of(args, access, plans[0]),
    )
    if report.run.headline and not (args.format == "text" and sys.stdout.isatty()):
        complain(report.run.headline)
    return print_reports([report], args.format, verbose=args.verbose)


def _listings(args: argparse.Namespace, asked: Sequence[tuple[Transport, Dialect]]) -> int:
    """How often the models are listed before the probes."""
    from tokenwire_conformance.probes.asking import asks_model

    return sum(args.model is None and asks_model(dialect) for _, dialect in asked)


def _fitting(checks: Sequence[Check], asked: Sequence[tuple[Transport, Dialect]]) -> list[Check]:
    """The checks of what is said over these transports, in these dialects.

    :raises LocalProtocolError: when there are none.
    """
    from tokenwire_conformance.run import judging_over

    over = judging_over(checks, {transport for transport, _ in asked})
    if not over:
        other = "ws:// or wss://" if asked[0][0] == "http/1.1" else "http:// or https://"
        raise LocalProtocolError(f"all of these checks are of another transport: give a URL that begins with {other}")
    fitting = [check for check in over if check.fits({dialect.name for _, dialect in asked})]
    if not fitting:
        raise LocalProtocolError("all of these checks are of another dialect: name it with --dialect")
    return fitting


def _transports(url: str | None, dialect: str | None, checks: Sequence[Check]) -> Sequence[tuple[Transport, Dialect]]:
    """Over what to ask, and in which dialect. The reference endpoint is asked over both transports, unless none of
    the checks needs one of them.
    """
    from tokenwire_conformance.probes.asking import ASKING, PROMPTED
    from tokenwire_conformance.run import transports_of

    if url is not None:
        if url.lower().startswith(("ws:", "wss:")):
            return [("websocket", dialect_named(dialect or _spoken_at(url)))]
        guessed = guess_dialect(url).dialect
        return [("http/1.1", dialect_named(dialect or (guessed if guessed in PROMPTED else "openai-chat")))]
    if dialect is not None:
        named = dialect_named(dialect)
        return [("http/1.1" if named.name in ASKING or named.opening is None else "websocket", named)]
    both: list[tuple[Transport, Dialect]] = [
        ("http/1.1", dialect_named("openai-chat")),
        ("websocket", dialect_named("holysheep")),
    ]
    needed = transports_of(checks)
    return [(transport, named) for transport, named in both if transport in needed]


def _spoken_at(url: str) -> str:
    """The dialect that a WebSocket's URL is taken for."""
    guessed = guess_dialect(url).dialect
    return guessed if dialect_named(guessed).opening is not None else "holysheep"


def _plan(
    args: argparse.Namespace, endpoint: _Endpoint, access: Access, transport: Transport, dialect: Dialect
) -> Plan:
    """Whom to ask, and as whom. Where no model can be found, none is named: it may be the only one, and if it is not,
    the answer to the plain question says so.
    """
    from tokenwire_conformance.probes.asking import asks_model
    from tokenwire_conformance.probes.talk import Plan

    websocket = transport == "websocket"
    asked = access.spoken(dialect)

    def plan_for(model: str) -> Plan:
        url = endpoint_url(endpoint.urls[transport], dialect, {"model": model or "unknown"})
        target = parse_url(url, websocket=websocket)
        failing, cut = endpoint.failing_models or (args.failing_model, args.cut_model)
        fields = list(access.fields.items())
        return Plan(target, asked, model, endpoint.key, fields, failing, cut, access.secrets)

    plan = plan_for(args.model or "")
    if plan.model or not asks_model(dialect):
        return plan
    try:
        return plan_for(first_model(replace(access, url=endpoint.urls[transport], key=endpoint.key), dialect))
    except (LocalProtocolError, ConnectionFailed):
        return plan


def print_reports(reports: Sequence[Report], form: str, *, verbose: bool = False) -> int:
    """Prints the verdicts and returns the exit code that they make."""
    from tokenwire_conformance.judging.judged import Run
    from tokenwire_conformance.reports.json import as_json
    from tokenwire_conformance.reports.junit import as_junit
    from tokenwire_conformance.reports.text import as_text

    if form == "json":
        sys.stdout.write(as_json(reports))
    elif form == "junit":
        sys.stdout.write(as_junit(reports))
    else:
        screen = Screen(sys.stdout)
        for report in reports:
            for text, style in as_text(report, width=screen.width, verbose=verbose):
                screen.line(text, style)
    return Run.of_all([report.run for report in reports]).exit_code


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """Who is judged.

    :ivar urls: by transport.
    :ivar stop: has it shut down, where that is in our power.
    :ivar failing_models: of the reference endpoint: one that fails, and one whose upstream breaks off.
    """

    urls: Mapping[Transport, str]
    key: str | None
    stop: Callable[[], None] | None = None
    failing_models: tuple[str, str] | None = None


@contextmanager
def _endpoint(url: str, key: str | None) -> Iterator[_Endpoint]:
    """The endpoint that was named; or the reference endpoint, which lives as long as it is judged."""
    if url:
        yield _Endpoint({"http/1.1": url, "websocket": url}, key)
        return
    own_key = secrets.token_urlsafe(24)
    with ExitStack() as stack:
        port = stack.enter_context(background(ReferenceEndpoint(key=own_key, pace=0.005).connection))
        host = f"127.0.0.1:{port}"
        urls: dict[Transport, str] = {"http/1.1": f"http://{host}", "websocket": f"ws://{host}"}
        yield _Endpoint(urls, own_key, stack.close, (MODELS[2], MODELS[3]))

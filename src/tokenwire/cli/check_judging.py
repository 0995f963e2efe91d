"""How `check` judges an endpoint, and the hops in front of it, one after the other."""

from __future__ import annotations

import argparse
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from ..endpoint import ReferenceEndpoint, background
from ..endpoint.story import MODELS
from ..errors import ConnectionFailed, LocalProtocolError
from ..protocol.url import parse_url
from ..secrecy import redact_url
from ..session import endpoint_url
from .access import Access, other_key_of, with_parameters
from .check_cost import budget_of
from .check_questions import Over, Questions
from .check_record import keep
from .check_report import Began, make_report, variables_of
from .check_running import running_of
from .models import first_model
from .progress import progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from tokenwire_conformance.judging.case import Case
    from tokenwire_conformance.judging.judged import Run
    from tokenwire_conformance.probes.talk import Plan, Transport
    from tokenwire_conformance.reports.report import Report

__all__ = ["judged"]


def judged(args: argparse.Namespace, questions: Questions, access: Access) -> list[Report]:
    """The reports on the endpoint, and on each hop that `--via` names, from the origin towards the client."""
    with _endpoint(access.url, access.key, other_key_of(args, access.key)) as endpoint:
        judging = _Judging(args, questions, access)
        report, case = judging.of(endpoint)
        reports = [report]
        for url in args.via:
            if not case.course.whole:
                break
            hop = replace(endpoint, urls=_both(with_parameters(url, access.parameters)))
            report, case = judging.of(hop, case, reports[-1].run)
            reports.append(report)
    unasked = [redact_url(url, access.secrets.parameters) for url in args.via[len(reports) - 1 :]]
    notes = [f"Not asked, for what stands behind it was not asked to the end: {url}" for url in unasked]
    reports[-1] = replace(reports[-1], notes=[*reports[-1].notes, *notes])
    origin, *hops = reports
    return [replace(origin, decides=not hops), *hops]


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """Who is judged.

    :ivar urls: by transport.
    :ivar other_key: one of somebody else, whom it serves too; None for none.
    :ivar stop: has it shut down, where that is in our power.
    :ivar failing_models: of the reference endpoint: one that fails, and one whose upstream breaks off.
    """

    urls: Mapping[Transport, str]
    key: str | None
    other_key: str | None = None
    stop: Callable[[], None] | None = None
    failing_models: tuple[str, str] | None = None


@contextmanager
def _endpoint(url: str, key: str | None, other_key: str | None) -> Iterator[_Endpoint]:
    """The endpoint that was named; or the reference endpoint, which lives as long as it is judged."""
    if url:
        yield _Endpoint(_both(url), key, other_key)
        return
    own_key, other_key = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    endpoint = ReferenceEndpoint(key=own_key, other_key=other_key, pace=0.02)
    with ExitStack() as stack:
        port = stack.enter_context(background(endpoint.connection))
        host = f"127.0.0.1:{port}"
        urls: dict[Transport, str] = {"http/1.1": f"http://{host}", "websocket": f"ws://{host}"}
        yield _Endpoint(urls, own_key, other_key, stack.close, (MODELS[2], MODELS[3]))


def _both(url: str) -> dict[Transport, str]:
    return {"http/1.1": url, "websocket": url}


class _Judging:
    """The same questions, asked of one endpoint after the other."""

    def __init__(self, args: argparse.Namespace, questions: Questions, access: Access) -> None:
        self._args = args
        self._questions = questions
        self._access = access
        self._budget = budget_of(args.max_tokens_total, questions.all_probes)
        self._until = monotonic() + (args.timeout or inf)
        #: By transport; what was found at the origin holds for the hops.
        self._models: dict[Transport, str] = {}

    def of(self, endpoint: _Endpoint, origin: Case | None = None, before: Run | None = None) -> tuple[Report, Case]:
        """Judges an endpoint.

        :param origin: of a hop: what stands behind it was answered.
        :param before: the verdicts on that.
        """
        from tokenwire_conformance.judging.hops import judge_hop
        from tokenwire_conformance.judging.judge import judge_run
        from tokenwire_conformance.judging.registry import Sees

        args = self._args
        checks = [check for check in self._questions.checks if before is not None or check.sees is not Sees.HOP]
        began = Began(listings=self._questions.listings if before is None else 0)
        plans: dict[Transport, Plan] = {over.transport: self._plan(endpoint, over) for over in self._questions.overs}
        case = self._asked(endpoint, plans, began)
        first = next(iter(plans.values()))
        if self._questions.many and case.course.whole:
            case = self._asked_many(case, first, began)
        target = redact_url(first.target.url, self._access.secrets.parameters) if args.url else "the reference endpoint"
        if args.record_dir is not None:
            keep(self._folder(before), case.transcripts.values(), {"url": target, "date": began.date})
        report = partial(
            make_report,
            target,
            checks=checks,
            began=began,
            plans=plans,
            variables=variables_of(args.key_env, self._access, first),
        )
        if origin is None or before is None:
            return report(case, judge_run(case, checks, strict=args.strict)), case
        case = case.behind(origin)
        run, notes = judge_hop(case, checks, before)
        return replace(report(case, run), notes=notes), case

    def _asked(self, endpoint: _Endpoint, plans: Mapping[Transport, Plan], began: Began) -> Case:
        from tokenwire_conformance.probes.wire import SocketWire
        from tokenwire_conformance.run import Pace, Round, make_rounds

        args, access = self._args, self._access
        rounds = [
            Round(
                plan,
                over.probes,
                partial(SocketWire, plan.target, access.ssl_context, endpoint.stop, access.proxy, began.connected),
            )
            for over, plan in zip(self._questions.overs, plans.values(), strict=True)
        ]
        left = max(self._until - monotonic(), 0.0)
        pace = Pace(args.delay, args.patience, left, self._budget)
        with progress("judging", sum(len(each.probes) for each in rounds), lines=True) as tell:
            return make_rounds(rounds, lambda made: tell(made.number - 1, made.about), pace)

    def _asked_many(self, case: Case, plan: Plan, began: Began) -> Case:
        from tokenwire_conformance.probes.many import ask_many
        from tokenwire_conformance.probes.wire import SocketWire
        from tokenwire_conformance.run import make_many

        args, access, probes = self._args, self._access, self._questions.many
        wire = partial(SocketWire, plan.target, access.ssl_context, None, access.proxy, began.connected)
        asking = ask_many(plan, wire, probes, args.concurrency, deadline=self._until, budget=self._budget)
        with progress("asking", len(probes)) as tell:
            return make_many(case, asking, len(probes), lambda done: tell(done, f"{args.concurrency} at a time"))

    def _folder(self, before: Run | None) -> Path:
        """Where what went over the wire is kept: of hops a folder for each."""
        folder: Path = self._args.record_dir
        if not self._args.via:
            return folder
        kept = len(list(folder.iterdir()))
        folder /= "origin" if before is None else f"via-{kept}"
        folder.mkdir()
        return folder

    def _plan(self, endpoint: _Endpoint, over: Over) -> Plan:
        """Whom to ask, and as whom. Where no model can be found, none is named: it may be the only one, and if it is
        not, the answer to the plain question says so.
        """
        known = self._args.model or self._models.get(over.transport) or ""
        plan = self._plan_for(endpoint, over, known)
        if plan.model or not over.asks_model:
            return plan
        place = replace(self._access, url=endpoint.urls[over.transport], key=endpoint.key)
        try:
            model = first_model(place, over.dialect)
        except (LocalProtocolError, ConnectionFailed):
            return plan
        self._models[over.transport] = model
        return self._plan_for(endpoint, over, model)

    def _plan_for(self, endpoint: _Endpoint, over: Over, model: str) -> Plan:
        from tokenwire_conformance.probes.talk import Plan

        args, access = self._args, self._access
        url = endpoint_url(endpoint.urls[over.transport], over.dialect, {"model": model or "unknown"})
        target = parse_url(url, websocket=over.transport == "websocket")
        failing, cut = endpoint.failing_models or (args.failing_model, args.cut_model)
        asked = access.spoken(over.dialect)
        return Plan(
            target,
            asked,
            model,
            endpoint.key,
            list(access.fields.items()),
            failing,
            cut,
            endpoint.other_key,
            access.secrets,
            running_of(args, access),
        )

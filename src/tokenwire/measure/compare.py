"""One generation over SSE and over WebSocket, side by side: what was measured in, the guide's table out. No I/O."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, median
from typing import Literal

from .._version import __version__
from ..secrecy import escaped
from .figures import CONFIDENCE, Figure, bootstrap, gaps, percentile, time_shown
from .sample import Sample
from .selfcheck import SelfCheck

__all__ = [
    "TOKEN",
    "TRANSPORTS",
    "Comparison",
    "Passage",
    "Recovery",
    "Row",
    "Transport",
    "Trial",
    "as_json",
    "as_text",
    "how_it_resumes",
    "outcome",
    "recoveries",
    "rows",
    "shown",
    "worth",
]

Line = tuple[str, str]

Transport = Literal["SSE", "WebSocket"]
TRANSPORTS: tuple[Transport, Transport] = ("SSE", "WebSocket")

#: Seconds of a token, the guide's figure: what a difference is held against.
TOKEN = 0.045


#: Characters of an error on a line of text.
_EXCERPT = 80


@dataclass(frozen=True, slots=True)
class Trial:
    """One generation over one transport.

    :ivar delays: seconds from each write of the server to its read, where the server tells.
    :ivar sent: bytes that went out: the request, and over WebSocket the handshake and the closing.
    :ivar cpu: seconds of the client's CPU.
    """

    transport: Transport
    sample: Sample
    delays: Sequence[float]
    sent: int
    cpu: float


@dataclass(frozen=True, slots=True)
class Recovery:
    """One stream that was cut, and asked for again at once.

    :ivar tokens: that had come; they are made, and paid for, once more.
    :ivar next_token: seconds from the cut to the next token, which is the first one again; None where none came.
    :ivar new_token: seconds from the cut to the first token that had not come before.
    """

    transport: Transport
    tokens: int
    next_token: float | None
    new_token: float | None
    error: str


@dataclass(frozen=True, slots=True)
class Passage:
    """One generation through a proxy. `proxy`: what it does; `sample`: what came through."""

    proxy: str
    transport: str
    sample: Sample


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that was measured.

    :ivar pace: seconds between two tokens, where the endpoint is the reference endpoint.
    :ivar resume: how the dialect can go on with a broken stream; empty where it cannot.
    """

    target: str
    dialect: str
    resume: str
    pace: float | None
    began: str
    machine: str
    trials: Sequence[Trial]
    recoveries: Sequence[Recovery]
    passages: Sequence[Passage]
    self_check: SelfCheck

    @property
    def pairs(self) -> Sequence[tuple[Trial, Trial]]:
        """The whole trials, each SSE with the WebSocket that was its neighbour."""
        both = zip(*([t for t in self.trials if t.transport == kind] for kind in TRANSPORTS), strict=False)
        return [(sse, ws) for sse, ws in both if not sse.sample.error and not ws.sample.error]

    @property
    def doubts(self) -> Sequence[str]:
        """Why the comparison is invalid; empty where it is not."""
        stalls = [gap for trial in self.trials for gap in gaps(trial.sample.tokens)]
        found = list(self.self_check.doubts(max(stalls, default=None)))
        if not self.pairs:
            found.append("no generation came whole over both transports")
        return found


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: the median of the trials over each transport, and of what the second took more.

    :ivar unit: seconds, "s", or bytes, "B".
    :ivar claimed: what the guide says of it.
    """

    name: str
    unit: str
    sse: Figure
    websocket: Figure
    difference: Figure
    claimed: str = ""


@dataclass(frozen=True, slots=True)
class _Quantity:
    name: str
    unit: str
    of: Callable[[Trial], float | None]
    claimed: str = ""


def rows(comparison: Comparison) -> list[Row]:
    """The table: what of it could be measured."""
    return [row for quantity in _QUANTITIES if (row := _row(quantity, comparison.pairs)) is not None]


def worth(comparison: Comparison) -> str:
    """What the transports' difference means for somebody who waits for tokens."""
    table = {row.name: row for row in rows(comparison)}
    row = table.get(_LATENCY) or table.get(_GAP)
    if row is None:
        return "There is nothing to hold against a token's time: no pair of generations came whole."
    difference = row.difference
    share = abs(difference.value) / TOKEN
    certain = difference.low > 0 or difference.high < 0
    who = "WebSocket" if difference.value < 0 else "SSE"
    told = (
        f"{row.name}: {who} is ahead by {time_shown(abs(difference.value))}, {share:.2%} of a token's "
        f"{TOKEN * 1000:.0f} ms"
    )
    return told + ("." if certain else f"; the {CONFIDENCE:.0%} interval holds zero, so it may be none at all.")


def as_json(comparison: Comparison) -> str:
    document = {
        "tool": {"name": "tokenwire", "version": __version__},
        "kind": "compare",
        "valid": not comparison.doubts,
        "doubts": list(comparison.doubts),
        "table": [asdict(row) for row in rows(comparison)],
        "worth": worth(comparison),
        **asdict(comparison),
    }
    return escaped(json.dumps(document, indent=1, ensure_ascii=False)) + "\n"


def as_text(comparison: Comparison) -> list[Line]:
    """Lines with their styles, which `Screen` knows."""
    pace = "" if comparison.pace is None else f", a token each {comparison.pace * 1000:g} ms"
    whole = f"{len(comparison.pairs)} of {len(comparison.trials) // 2} pairs whole, in alternating order"
    columns = f"{'':<46}{'SSE':>12}{'WebSocket':>12}{'more':>12}   {CONFIDENCE:.0%} interval of that"
    lines: list[Line] = [
        (f"{comparison.target} ({comparison.dialect}){pace}; {whole}, {comparison.began}", "bold"),
        ("", ""),
        (columns, "dim"),
    ]
    for row in rows(comparison):
        lines.append((_table_line(row), ""))
        if row.claimed:
            lines.append((f"  the guide says: {row.claimed}", "dim"))
    lines += [("", ""), (worth(comparison), "bold"), ("", "")]
    lines += _recovery_lines(comparison) + _proxy_lines(comparison)
    doubts = [(f"INVALID: {doubt}", "bold red") for doubt in comparison.doubts]
    return [*lines, (comparison.self_check.told, "dim"), *doubts]


def how_it_resumes(comparison: Comparison) -> str:
    """What a client could do that starts over in these recoveries."""
    if not comparison.resume:
        return "The dialect has no way to resume."
    return f"A client that can resume ({comparison.resume}) loses nothing; these start over."


def recoveries(comparison: Comparison) -> list[tuple[Transport, str, bool]]:
    """What came of the cuts, by transport, in words; and whether there was a recovery."""
    return [_recovery(comparison, transport) for transport in TRANSPORTS]


def _recovery(comparison: Comparison, transport: Transport) -> tuple[Transport, str, bool]:
    mine = [each for each in comparison.recoveries if each.transport == transport]
    nexts = [each.next_token for each in mine if each.next_token is not None]
    news = [each.new_token for each in mine if each.new_token is not None]
    if not nexts or not news:
        error = next((each.error for each in mine if each.error), "no stream was cut")
        return transport, f"no recovery: {error}", False
    tokens = fmean(each.tokens for each in mine)
    told = (
        f"next token after {time_shown(median(nexts))}, the first new one after {time_shown(median(news))}: "
        f"the {tokens:.0f} tokens that had come are made again, and paid for again"
    )
    return transport, told, True


def _recovery_lines(comparison: Comparison) -> list[Line]:
    return [
        ("Recovery after a cut in mid-stream, asked again at once from the beginning", "bold"),
        *((f"  {transport:<10} {told}", "" if came else "yellow") for transport, told, came in recoveries(comparison)),
        (f"  {how_it_resumes(comparison)}", "dim"),
        ("", ""),
    ]


def _proxy_lines(comparison: Comparison) -> list[Line]:
    lines: list[Line] = [("Through a proxy", "bold")]
    for passage in comparison.passages:
        lines.append((f"  {passage.proxy:<44} {passage.transport:<28} {outcome(passage.sample)}", ""))
    return [*lines, ("", "")]


def outcome(sample: Sample) -> str:
    """What came of a generation through a proxy."""
    came = len(sample.tokens)
    if sample.error:
        return f"cut after {came} tokens" if came else f"nothing: {sample.error[:_EXCERPT]}"
    longest = max(gaps(sample.tokens), default=0.0)
    first = sample.since_sent(sample.first_token)
    times = f"first after {time_shown(first or 0.0)}, longest wait {time_shown(longest)}"
    return f"whole: {came} tokens in {sample.reads} reads, {times}"


def _table_line(row: Row) -> str:
    ones, others, more = (shown(figure.value, row.unit) for figure in (row.sse, row.websocket, row.difference))
    interval = f"{shown(row.difference.low, row.unit)} to {shown(row.difference.high, row.unit)}"
    return f"{row.name:<46}{ones:>12}{others:>12}{more:>12}   {interval}"


def shown(value: float, unit: str) -> str:
    """A figure with its unit."""
    return time_shown(value) if unit == "s" else f"{value:.1f} {unit}"


def _row(quantity: _Quantity, pairs: Sequence[tuple[Trial, Trial]]) -> Row | None:
    both = [(quantity.of(sse), quantity.of(ws)) for sse, ws in pairs]
    known = [(one, other) for one, other in both if one is not None and other is not None]
    if not known:
        return None
    return Row(
        quantity.name,
        quantity.unit,
        sse=_median([one for one, _ in known]),
        websocket=_median([other for _, other in known]),
        difference=_median([other - one for one, other in known]),
        claimed=quantity.claimed,
    )


def _median(numbers: Sequence[float]) -> Figure:
    return bootstrap([[number] for number in numbers], lambda each: percentile(each, 50))


def _set_up(trial: Trial) -> float | None:
    return None if trial.sample.sent is None else trial.sample.sent - trial.sample.started


def _first_token(trial: Trial) -> float | None:
    sample = trial.sample
    return None if sample.first_token is None else sample.first_token - sample.started


def _delay(percent: float) -> Callable[[Trial], float | None]:
    return lambda trial: percentile(sorted(trial.delays), percent) if trial.delays else None


def _gap(statistic: Callable[[Sequence[float]], float]) -> Callable[[Trial], float | None]:
    def of(trial: Trial) -> float | None:
        found = gaps(trial.sample.tokens)
        return statistic(found) if found else None

    return of


def _bytes(*layers: str) -> Callable[[Trial], float | None]:
    """Bytes of these layers for each delta, for usage is not always told over both."""

    def of(trial: Trial) -> float | None:
        sizes, tokens = trial.sample.sizes, len(trial.sample.tokens)
        return sum(getattr(sizes, layer) for layer in layers) / tokens if tokens else None

    return of


def _on_the_wire(trial: Trial) -> float | None:
    sizes, tokens = trial.sample.sizes, len(trial.sample.tokens)
    return (sizes.received - sizes.head) / tokens if tokens else None


_LATENCY = "latency of a token, server's write to our read"
_GAP = "from a token to the next"

_QUANTITIES = (
    _Quantity("set-up of the connection, request out", "s", _set_up),
    _Quantity("first token, set-up included", "s", _first_token),
    _Quantity(_LATENCY, "s", _delay(50), "about 48 ms over SSE, 45 ms over WebSocket"),
    _Quantity("  of it the 95th percentile", "s", _delay(95)),
    _Quantity(_GAP, "s", _gap(median)),
    _Quantity("  the longest stall", "s", _gap(max)),
    _Quantity("client's CPU for a token", "s", lambda trial: trial.cpu / max(len(trial.sample.tokens), 1)),
    _Quantity("overhead of a token: framing", "B", _bytes("framing"), "about 2 bytes a frame over WebSocket"),
    _Quantity("  syntax of events", "B", _bytes("syntax"), "field names and line ends over SSE"),
    _Quantity("  JSON around the content", "B", _bytes("envelope")),
    _Quantity("content of a token", "B", _bytes("content")),
    _Quantity("  taken off by compression", "B", _bytes("saved")),
    _Quantity("a token on the wire", "B", _on_the_wire),
    _Quantity("once a stream: head received", "B", lambda trial: float(trial.sample.sizes.head)),
    _Quantity("once a stream: sent", "B", lambda trial: float(trial.sent)),
)

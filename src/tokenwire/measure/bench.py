"""The report of `tokenwire bench`: samples of one run or several in; figures, words and JSON out. No I/O, no clock."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import starmap
from textwrap import wrap
from typing import Any

from .._version import __version__
from ..errors import LocalProtocolError
from ..secrecy import escaped
from .figures import CONFIDENCE, Spread, gaps, spread, time_shown
from .sample import Sample
from .selfcheck import SelfCheck

__all__ = [
    "Run",
    "Summary",
    "as_json",
    "as_text",
    "due_and_sent",
    "latencies",
    "layers",
    "rates",
    "runs_of",
    "summarise",
]

Line = tuple[str, str]

#: Characters of a line of explanation.
_WIDTH = 90

_COLUMNS = f"{'':<28}{'p50':>10}  {f'{CONFIDENCE:.0%} interval':<20}{'p95':>10}{'p99':>10}{'largest':>10}"

#: Of the bytes of a token, from the outside in.
_LAYERS = ("framing", "syntax", "envelope", "content")


@dataclass(frozen=True, slots=True)
class Run:
    """One run, as it goes into the JSON of a report and comes out of it.

    :ivar concurrency: requests at once at the most; `rate`: requests a second, 0 without a schedule.
    :ivar began: date and time, ISO 8601.
    """

    target: str
    dialect: str
    concurrency: int
    rate: float
    began: str
    machine: str
    self_check: SelfCheck
    samples: Sequence[Sample]

    @property
    def doubts(self) -> Sequence[str]:
        """Why the run is invalid; empty where it is not."""
        stalls = [gap for sample in self.samples for gap in gaps(sample.tokens)]
        return self.self_check.doubts(max(stalls, default=None))

    def as_json(self) -> dict[str, Any]:
        return {
            **{name: getattr(self, name) for name in ("target", "dialect", "concurrency", "rate", "began", "machine")},
            "self_check": {**asdict(self.self_check), "valid": not self.doubts, "doubts": list(self.doubts)},
            "samples": [sample.as_json() for sample in self.samples],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Run:
        """The inverse.

        :raises KeyError, TypeError: for what is none.
        """
        check = {name: value["self_check"][name] for name in SelfCheck.__slots__}
        plain = {name: value[name] for name in ("target", "dialect", "concurrency", "rate", "began", "machine")}
        return cls(
            **plain, self_check=SelfCheck(**check), samples=[Sample.from_json(sample) for sample in value["samples"]]
        )


@dataclass(frozen=True, slots=True)
class Summary:
    """What the whole streams of all runs add up to. Seconds, tokens, bytes; None where nothing of the kind came.

    :ivar errors: what went wrong with the others, and how often.
    :ivar set_up: from the connection begun to the request out.
    :ivar first_token: since the request was out, as are `first_byte`, `first_event` and `answer`.
    :ivar first_token_since_due: since the request was scheduled, as is `answer_since_due`.
    :ivar between_tokens: from each delta to the next; its largest is the longest stall.
    :ivar tokens_per_second: of one stream, where usage is reported.
    :ivar throughput: tokens a second of all streams together, in the time of the runs.
    :ivar bytes_per_token: received, by layer; `wire`: all but the head; `head`: once a stream.
    :ivar counted: streams whose tokens the provider counted; those of the others are deltas.
    """

    requests: int
    whole: int
    errors: Mapping[str, int]
    set_up: Spread | None
    first_byte: Spread | None
    first_event: Spread | None
    first_token: Spread | None
    answer: Spread | None
    first_token_since_due: Spread | None
    answer_since_due: Spread | None
    between_tokens: Spread | None
    tokens_per_second: Spread | None
    throughput: float | None
    events_per_read: float | None
    bytes_per_token: Mapping[str, float]
    tokens: int
    counted: int


def summarise(runs: Sequence[Run]) -> Summary:
    """The figures of all runs as if they had been one."""
    everything = [sample for run in runs for sample in run.samples]
    whole = [sample for sample in everything if not sample.error]
    tokens = sum(sample.count for sample in whole)
    reads = sum(sample.reads for sample in whole)
    seconds = sum(_duration(run.samples) for run in runs)
    return Summary(
        requests=len(everything),
        whole=len(whole),
        errors=dict(Counter(sample.error for sample in everything if sample.error)),
        set_up=_each(None if sample.sent is None else sample.sent - sample.started for sample in whole),
        first_byte=_each(sample.since_sent(sample.first_byte) for sample in whole),
        first_event=_each(sample.since_sent(sample.first_event) for sample in whole),
        first_token=_each(sample.since_sent(sample.first_token) for sample in whole),
        answer=_each(sample.since_sent(sample.ended) for sample in whole),
        first_token_since_due=_each(sample.since_scheduled(sample.first_token) for sample in whole),
        answer_since_due=_each(sample.since_scheduled(sample.ended) for sample in whole),
        between_tokens=spread([gaps(sample.tokens) for sample in whole]),
        tokens_per_second=_each(sample.tokens_per_second for sample in whole),
        throughput=tokens / seconds if seconds else None,
        events_per_read=sum(sample.messages for sample in whole) / reads if reads else None,
        bytes_per_token=_bytes_per_token(whole, tokens),
        tokens=tokens,
        counted=sum(bool(sample.usage) for sample in whole),
    )


def as_json(runs: Sequence[Run]) -> str:
    """One object: the runs with every sample, so that they can be merged with others, and what they add up to."""
    document = {
        "tool": {"name": "tokenwire", "version": __version__},
        "kind": "bench",
        "valid": not any(run.doubts for run in runs),
        "runs": [run.as_json() for run in runs],
        "summary": asdict(summarise(runs)),
    }
    return escaped(json.dumps(document, indent=1, ensure_ascii=False)) + "\n"


def runs_of(text: str | bytes, name: str) -> list[Run]:
    """The runs in such an object.

    :param name: of the file, for the message of the error.
    :raises LocalProtocolError: where it is none.
    """
    try:
        document = json.loads(text)
        if document["kind"] != "bench":
            raise KeyError("kind")
        return [Run.from_json(run) for run in document["runs"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise LocalProtocolError(f"{name} is no report: 'tokenwire bench --format json' writes them") from None


def as_text(runs: Sequence[Run]) -> list[Line]:
    """Lines with their styles, which `Screen` knows."""
    summary = summarise(runs)
    lines: list[Line] = [(_title(run), "bold") for run in runs]
    lines.append((f"{summary.whole} of {summary.requests} streams came whole, {summary.tokens} tokens", ""))
    lines += [(f"  {count} × {error}", "red") for error, count in summary.errors.items()]
    lines += [("", ""), (_COLUMNS, "dim")]
    lines += _latencies(runs, summary)
    lines += [("", ""), *((f"{name:<29}  {told}", "") for name, told in rates(summary))]
    lines += [("", ""), *_bytes(summary), ("", "")]
    return lines + [line for run in runs for line in _self_check(run)]


def due_and_sent(runs: Sequence[Run]) -> str:
    """Why one latency is told in two ways."""
    words = (
        "A user waits from when the request was due: until a connection is free, through its set-up, and for the "
        "answer. Counted from when it was sent, a server that stalls is asked less, and the waiting that it causes is "
        "in no figure (coordinated omission)."
    )
    if all(run.rate for run in runs):
        return words
    return (
        words
        + " Without --rate nothing is due but when an answer has ended, so here the two differ by the set-up alone."
    )


def latencies(summary: Summary) -> list[tuple[str, list[tuple[str, Spread | None]]]]:
    """What took how long, by what it is counted from."""
    sent = [
        ("first byte", summary.first_byte),
        ("first event", summary.first_event),
        ("first token", summary.first_token),
        ("whole answer", summary.answer),
    ]
    due = [("first token", summary.first_token_since_due), ("whole answer", summary.answer_since_due)]
    besides = [("set-up of the connection", summary.set_up), ("from a token to the next", summary.between_tokens)]
    return [("since the request was sent", sent), ("since the request was due", due), ("besides", besides)]


def _latencies(runs: Sequence[Run], summary: Summary) -> list[Line]:
    sent, due, besides = ([(title, "bold"), *starmap(_row, found)] for title, found in latencies(summary))
    why = [(f"  {line}", "dim") for line in wrap(due_and_sent(runs), _WIDTH, break_on_hyphens=False)]
    return [*sent, *due, *why, *besides]


def rates(summary: Summary) -> list[tuple[str, str]]:
    """How much in which time, and at once."""
    rate = summary.tokens_per_second
    if rate is not None:
        told = f"p50 {rate.p50.value:.1f} ({rate.p50.low:.1f} to {rate.p50.high:.1f})"
    else:
        told = (
            "no answer took any time from its first token to its last" if summary.counted else "no usage was reported"
        )
    found = [("tokens per second of a stream", told)]
    if summary.throughput is not None:
        found.append(("tokens per second of all", f"{summary.throughput:.1f}"))
    if summary.events_per_read is not None:
        found.append(("events per read", f"{summary.events_per_read:.2f}"))
    return found


def layers(summary: Summary) -> list[tuple[str, float, str]]:
    """The bytes of a token by what they are, the sum last, each with a word about it; nothing where no token came."""
    sizes = summary.bytes_per_token
    if not sizes:
        return []
    explained = {
        "framing": "of HTTP or WebSocket",
        "syntax": "of server-sent events, or lines",
        "envelope": "JSON around the content",
        "content": "text, reasoning, arguments",
    }
    found = [(name, sizes[name], explained[name]) for name in _LAYERS]
    if sizes["saved"]:
        found.append(("compression", -sizes["saved"], ""))
    return [*found, ("on the wire", sizes["wire"], f"and a head of {sizes['head']:.0f} bytes once")]


def _bytes(summary: Summary) -> list[Line]:
    found = layers(summary)
    if not found:
        return []
    by = "usage" if summary.counted == summary.whole else "deltas" if not summary.counted else "usage, or else deltas"
    *parts, whole = [f"  {name:<12}{size:>8.1f}  {words}".rstrip() for name, size, words in found]
    return [
        (f"bytes received for each token (counted by {by})", "bold"),
        *((part, "") for part in parts),
        (whole, "bold"),
    ]


def _self_check(run: Run) -> list[Line]:
    return [(run.self_check.told, "dim"), *((f"INVALID: {doubt}", "bold red") for doubt in run.doubts)]


def _title(run: Run) -> str:
    schedule = f", {run.rate:g} a second" if run.rate else ""
    return (
        f"{run.target} ({run.dialect}), {len(run.samples)} requests, {run.concurrency} at once{schedule}, {run.began}"
    )


def _row(name: str, found: Spread | None) -> Line:
    if found is None:
        return f"  {name:<26}{'none':>10}", ""
    p50 = found.p50
    interval = f"{time_shown(p50.low)} to {time_shown(p50.high)}"
    rest = "".join(f"{time_shown(seconds):>10}" for seconds in (found.p95.value, found.p99.value, found.largest))
    return f"  {name:<26}{time_shown(p50.value):>10}  {interval:<20}{rest}", ""


def _each(numbers: Iterable[float | None]) -> Spread | None:
    return spread([[number] for number in numbers if number is not None])


def _duration(samples: Sequence[Sample]) -> float:
    if not samples:
        return 0.0
    return max(sample.ended for sample in samples) - min(sample.started for sample in samples)


def _bytes_per_token(samples: Sequence[Sample], tokens: int) -> dict[str, float]:
    """All layers by token, and `head` by stream."""
    if not tokens:
        return {}
    layers = {name: sum(getattr(s.sizes, name) for s in samples) / tokens for name in (*_LAYERS, "saved")}
    wire = sum(sample.sizes.received - sample.sizes.head for sample in samples) / tokens
    head = sum(sample.sizes.head for sample in samples) / len(samples)
    return {**layers, "wire": wire, "head": head}

"""The report of a bench: simulated arrivals in, arithmetic out."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tokenwire.errors import LocalProtocolError
from tokenwire.measure.anatomy import Sizes
from tokenwire.measure.bench import Run, as_json, as_text, runs_of, summarise
from tokenwire.measure.sample import Sample
from tokenwire.measure.selfcheck import MAX_CPU_SHARE, MAX_LAG_SHARE, SelfCheck

SIZES = Sizes(head=100, framing=20, saved=10, syntax=30, envelope=200, content=40)
SOUND = SelfCheck(cost_per_event=1e-4, replayed=500, worst_lag=0.001, cpu_share=0.1)


def sample(due: float, sent: float, tokens: list[float], usage: int | None = None, error: str = "") -> Sample:
    """A request that was sent at once when it was started, one second before the first token."""
    return Sample(
        scheduled=due,
        started=sent - 0.25,
        ended=tokens[-1] + 0.5,
        sent=sent,
        first_byte=tokens[0] - 0.5,
        first_event=tokens[0] - 0.25,
        tokens=tokens,
        usage=usage,
        reads=2,
        messages=len(tokens) + 1,
        sizes=SIZES,
        error=error,
    )


def run(*samples: Sample, check: SelfCheck = SOUND, rate: float = 0.0) -> Run:
    return Run("http://host/", "openai-chat", 2, rate, "2026-01-01T00:00:00+00:00", "a machine", check, samples)


ONE = run(sample(0.0, 1.0, [2.0, 2.5, 4.5], usage=6))
TWO = run(sample(0.0, 1.0, [3.0, 3.5]), sample(2.0, 6.0, [9.0, 9.5]), sample(0.0, 0.5, [1.0], error="cut"))


def test_a_latency_is_told_from_the_sending_and_from_when_it_was_due() -> None:
    summary = summarise([TWO])
    assert summary.first_token is not None
    assert summary.first_token_since_due is not None
    assert (summary.first_token.p50.value, summary.first_token.largest) == (2.5, 3.0)
    assert (summary.first_token_since_due.p50.value, summary.first_token_since_due.largest) == (5.0, 7.0)
    assert summary.set_up is not None
    assert summary.set_up.largest == 0.25


def test_figures_are_of_the_whole_streams_and_the_others_are_told() -> None:
    summary = summarise([TWO])
    assert (summary.requests, summary.whole, dict(summary.errors)) == (3, 2, {"cut": 1})
    assert summary.between_tokens is not None
    assert summary.between_tokens.p50.of == 2


def test_gaps_rates_and_reads() -> None:
    summary = summarise([ONE])
    assert summary.between_tokens is not None
    assert (summary.between_tokens.p50.value, summary.between_tokens.largest) == (1.25, 2.0)
    assert summary.tokens_per_second is not None
    assert summary.tokens_per_second.p50.value == pytest.approx((6 - 1) / 2.5)
    assert summary.throughput == pytest.approx(6 / (5.0 - 0.75))
    assert summary.events_per_read == 2.0
    assert (summary.tokens, summary.counted) == (6, 1)


def test_without_usage_there_is_no_rate_and_deltas_are_counted() -> None:
    summary = summarise([run(sample(0.0, 1.0, [2.0, 3.0]))])
    assert summary.tokens_per_second is None
    assert (summary.tokens, summary.counted) == (2, 0)


def test_the_layers_of_a_token_add_up_to_its_bytes_on_the_wire() -> None:
    sizes = summarise([ONE]).bytes_per_token
    layers = sizes["framing"] + sizes["syntax"] + sizes["envelope"] + sizes["content"] - sizes["saved"]
    assert layers == pytest.approx(sizes["wire"])
    assert sizes["wire"] == pytest.approx((SIZES.received - SIZES.head) / 6)
    assert sizes["head"] == SIZES.head


def test_runs_are_merged_as_if_they_had_been_one() -> None:
    merged = runs_of(as_json([ONE]), "one") + runs_of(as_json([TWO]), "two")
    assert merged == [replace(ONE, samples=list(ONE.samples)), replace(TWO, samples=list(TWO.samples))]
    together = summarise(merged)
    assert (together.requests, together.whole) == (4, 3)
    assert together.first_token is not None
    assert together.first_token.p50.value == 2.0
    assert as_json(merged) == as_json([ONE, TWO])


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"kind": "compare"}', '{"kind": "bench", "runs": [{}]}', "[" * 9999, b"\xff\xfe{}", b"\x80"],
)
def test_what_is_no_report_is_not_merged(text: str | bytes) -> None:
    with pytest.raises(LocalProtocolError, match="no report"):
        runs_of(text, "x.json")


def test_a_run_in_which_nothing_came_is_told_too() -> None:
    nothing = run(
        Sample(0.0, 0.0, 1.0, None, None, None, error="refused"), check=replace(SOUND, cost_per_event=None, replayed=0)
    )
    told = "\n".join(text for text, _ in as_text([nothing]))
    assert "0 of 1 streams came whole" in told
    assert "1 × refused" in told
    assert "INVALID: no stream came whole" in told
    assert json.loads(as_json([nothing]))["valid"] is False


def words(*runs: Run) -> str:
    """The text, on one line."""
    return " ".join(" ".join(text for text, _ in as_text(runs)).split())


def test_the_text_names_every_figure_and_why_one_latency_is_told_twice() -> None:
    told = words(ONE)
    for name in (
        "first byte", "first event", "first token", "whole answer", "set-up", "from a token to the next", "p50", "p95",
        "p99", "tokens per second", "events per read", "framing", "syntax", "envelope", "content", "compression",
        "coordinated omission", "self-check",
    ):  # fmt: skip
        assert name in told
    assert "Without --rate" in told
    assert "Without --rate" not in words(replace(ONE, rate=3.0))


def test_a_run_is_invalid_past_the_stated_shares_and_says_why() -> None:
    assert not ONE.doubts
    busy = replace(SOUND, cpu_share=MAX_CPU_SHARE + 0.01)
    late = replace(SOUND, worst_lag=MAX_LAG_SHARE * 2.0 + 0.01)
    for check, word in ((busy, "51% of a core"), (late, "late by")):
        doubted = replace(ONE, self_check=check)
        (doubt,) = doubted.doubts
        assert word in doubt
        document = json.loads(as_json([ONE, doubted]))
        assert document["valid"] is False
        assert [each["self_check"]["valid"] for each in document["runs"]] == [True, False]
        assert any(text.startswith("INVALID") for text, _ in as_text([doubted]))


def test_without_a_rate_of_tokens_it_is_said_why() -> None:
    def told(*samples: Sample) -> str:
        return next(line for line, _ in as_text([run(*samples)]) if line.startswith("tokens per second of a stream"))

    assert told(sample(0.0, 1.0, [2.0, 2.5], usage=3)).endswith("p50 4.0 (4.0 to 4.0)")
    assert told(sample(0.0, 1.0, [2.0, 2.0], usage=3)).endswith(
        "no answer took any time from its first token to its last"
    )
    assert told(sample(0.0, 1.0, [2.0, 2.5])).endswith("no usage was reported")

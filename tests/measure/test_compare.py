"""The table of a comparison, from simulated trials."""

from __future__ import annotations

import json

from tokenwire.measure.anatomy import Sizes
from tokenwire.measure.compare import Comparison, Passage, Recovery, Transport, Trial, as_json, as_text, rows, worth
from tokenwire.measure.sample import Sample
from tokenwire.measure.selfcheck import SelfCheck

SOUND = SelfCheck(cost_per_event=1e-4, replayed=500, worst_lag=0.001, cpu_share=0.1)
SSE = Sizes(head=300, framing=20, syntax=60, envelope=150, content=20)
WEBSOCKET = Sizes(head=250, framing=8, envelope=150, content=20)


def trial(transport: Transport, start: float, set_up: float, latency: float, error: str = "") -> Trial:
    tokens = [start + set_up + 0.1 * number for number in range(1, 5)]
    sent = start + set_up
    sizes = SSE if transport == "SSE" else WEBSOCKET
    sample = Sample(start, start, tokens[-1], sent, tokens[0], tokens[0], tokens, None, 4, 5, sizes, error)
    return Trial(transport, sample, [latency] * 5, 400, 0.004)


def comparison(*trials: Trial, **more: object) -> Comparison:
    parts: dict[str, object] = {
        "target": "an endpoint", "dialect": "holysheep", "resume": "", "pace": 0.1, "began": "now", "machine": "this",
        "recoveries": [], "passages": [], "self_check": SOUND, **more,
    }  # fmt: skip
    return Comparison(trials=trials, **parts)  # type: ignore[arg-type]


def pairs(latency: float, other: float, count: int = 6) -> list[Trial]:
    """Pairs in alternating order, a little apart in time."""
    found: list[Trial] = []
    for number in range(count):
        both = [trial("SSE", number, 0.01, latency), trial("WebSocket", number + 0.5, 0.03, other)]
        found += both if number % 2 == 0 else reversed(both)
    return found


def test_each_row_has_both_medians_and_what_the_websocket_took_more() -> None:
    table = {row.name: row for row in rows(comparison(*pairs(0.002, 0.001)))}
    for name, sse, websocket in (
        ("set-up of the connection, request out", 0.01, 0.03),
        ("latency of a token, server's write to our read", 0.002, 0.001),
        ("from a token to the next", 0.1, 0.1),
        ("overhead of a token: framing", 5.0, 2.0),
        ("  syntax of events", 15.0, 0.0),
        ("a token on the wire", 62.5, 44.5),
        ("once a stream: head received", 300.0, 250.0),
        ("client's CPU for a token", 0.001, 0.001),
    ):
        row = table[name]
        assert abs(row.sse.value - sse) < 1e-9
        assert abs(row.websocket.value - websocket) < 1e-9
        assert abs(row.difference.value - (websocket - sse)) < 1e-9
        assert row.difference.low <= row.difference.value + 1e-9
        assert row.difference.of == 6


def test_a_pair_counts_when_both_came_whole() -> None:
    broken = trial("WebSocket", 9.0, 0.03, 0.001, error="cut")
    counted = comparison(*pairs(0.002, 0.001, 2), trial("SSE", 8.0, 9.0, 9.0), broken)
    assert len(counted.pairs) == 2
    assert not counted.doubts
    assert rows(counted)[0].sse.of == 2
    none = comparison(trial("SSE", 8.0, 0.01, 0.002), broken)
    assert rows(none) == []
    assert "no generation came whole" in none.doubts[-1]
    assert worth(none).startswith("There is nothing")


def test_the_difference_is_held_against_a_tokens_time() -> None:
    assert "WebSocket is ahead by 900 µs, 2.00% of a token's 45 ms." in worth(comparison(*pairs(0.0019, 0.001)))
    assert "SSE is ahead by 45 µs, 0.10% of a token's 45 ms." in worth(comparison(*pairs(0.001, 0.001045)))
    either = [*pairs(0.001, 0.002, 2), *pairs(0.002, 0.001, 2)]
    assert "holds zero" in worth(comparison(*either))


def test_without_the_servers_stamps_the_gaps_are_compared() -> None:
    blind = [Trial(each.transport, each.sample, [], each.sent, each.cpu) for each in pairs(0.001, 0.002)]
    names = [row.name for row in rows(comparison(*blind))]
    assert not any("latency" in name for name in names)
    assert worth(comparison(*blind)).startswith("from a token to the next")


def test_the_text_tells_recovery_and_proxies() -> None:
    whole, cut = pairs(0.001, 0.002, 1)[0].sample, trial("SSE", 0.0, 0.0, 0.0, error="cut").sample
    told = "\n".join(
        text
        for text, _ in as_text(
            comparison(
                *pairs(0.001, 0.002),
                recoveries=[
                    Recovery("SSE", 10, 0.02, 0.5, ""),
                    Recovery("SSE", 12, 0.04, 0.7, ""),
                    Recovery("WebSocket", 3, None, None, "refused"),
                ],
                passages=[Passage("that forwards", "SSE", whole), Passage("that closes", "SSE", cut)],
            )
        )
    )
    assert "next token after 30.0 ms, the first new one after 600.0 ms: the 11 tokens that had come" in told
    assert "WebSocket  no recovery: refused" in told
    assert "The dialect has no way to resume." in told
    assert "whole: 4 tokens in 4 reads" in told
    assert "cut after 4 tokens" in told
    assert "the guide says: about 48 ms over SSE, 45 ms over WebSocket" in told
    assert "self-check" in told


def test_the_json_holds_every_trial_and_the_table() -> None:
    document = json.loads(as_json(comparison(*pairs(0.001, 0.002))))
    assert (document["kind"], document["valid"], len(document["trials"])) == ("compare", True, 12)
    assert {row["name"] for row in document["table"]} >= {"a token on the wire", "from a token to the next"}
    assert [each["transport"] for each in document["trials"][:4]] == ["SSE", "WebSocket", "WebSocket", "SSE"]
    assert document["worth"]

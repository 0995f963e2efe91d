"""The second half of the kill matrix: what is nearly a fault and none, on which the checks stay silent."""

from __future__ import annotations

import pytest
from mutants import mutated, source_of

from tokenwire.endpoint import Seams
from tokenwire_conformance.judging.judge import select
from tokenwire_conformance.matrix import verdict_on
from tokenwire_conformance.misses import NEAR_MISSES, all_near_misses

CHECKS = [check.id for check in select()]
MISSES = list(all_near_misses())

#: The checks that have no near miss yet. The list only shrinks: a new check comes with its near miss.
WITHOUT = [
    "http.chunk-ext-trailers",
    "http.bytes-after-message",
    "http.date-on-malformed",
    "http.no-body-1xx-204",
    "http.te-to-http10",
    "http.expect-continue",
    "sse.status-200",
    "chat.finish-once",
    "chat.finish-length",
    "chat.finish-tools",
    "chat.tools-same-as-nonstream",
    "chat.n-choices",
    "chat.stream-equals-nonstream",
    "resp.response-id",
    "resp.terminal-once",
    "resp.done",
    "resp.output-streamed",
    "resp.incomplete-last",
    "resp.item-added-first",
    "resp.item-id",
    "resp.indexes",
    "resp.item-done",
    "resp.no-update-after-done",
    "resp.error-then-failed",
    "anth.no-overlap",
    "anth.text-start-empty",
    "anth.tool-input-empty",
    "anth.version-header",
    "gem.json-array",
    "ollama.default-stream",
    "err.body-limit-413",
    "err.midstream-framed",
    "err.midstream-ends",
    "err.no-fake-success",
    "err.upstream-cut-visible",
    "err.error-never-empty",
    "err.ended-in-error",
    "auth.ws-before-101",
    "auth.scheme-case",
    "auth.key-not-echoed",
    "auth.no-query-token",
    "wsh.accept",
    "wsh.subprotocol",
    "wsh.extension",
    "wsh.token-case",
    "wsh.bad-extension",
    "wsf.server-unmasked",
    "wsf.rsv-sent",
    "wsf.fragments",
    "wsf.utf8-split",
    "wsf.control-between",
    "wsf.dribble",
    "wsz.negotiate",
    "wsz.decline",
    "wsz.fallback-offer",
    "wsz.rsv1",
    "wsz.tail",
    "wsz.no-context",
    "wsz.window-bits",
    "wsz.uncompressed",
    "wsz.client-context",
    "wsz.blocks",
    "wsz.bad-deflate",
    "wsz.rsv1-reject",
    "wsz.bomb",
    "wsk.pong",
    "wsk.pong-latency",
    "wsk.unsolicited",
    "wsk.idle",
    "wsk.dead-peer",
    "wsl.big-request",
    "wsl.too-big",
    "wsl.sequential",
    "wsl.continuation",
    "wsl.prev-not-found",
    "wsl.evict",
    "wsl.lanes-fifo",
    "wsl.lanes-isolated",
    "wsl.no-multiplex",
]


def test_every_check_has_a_near_miss_but_those_that_are_listed() -> None:
    assert [check for check in CHECKS if check not in MISSES] == WITHOUT


@pytest.mark.parametrize("check", MISSES)
def test_a_near_miss_is_one_of_a_fault_that_trips_the_check(check: str) -> None:
    assert check in NEAR_MISSES[check].fault.trips


@pytest.mark.parametrize("check", MISSES)
def test_the_check_judges_its_near_miss_and_stays_silent(check: str) -> None:
    assert verdict_on(NEAR_MISSES[check]) == "PASS"


@pytest.mark.parametrize("check", MISSES)
def test_without_the_condition_the_check_trips_over_the_near_miss_and_still_passes_the_clean_endpoint(
    check: str,
) -> None:
    miss = NEAR_MISSES[check]
    assert source_of(miss.undo)[1].count(miss.undo.condition) == 1, "the condition is written otherwise by now"
    with mutated(miss.undo) as matrix:
        assert matrix.verdict_on(miss, miss.fault.origin or Seams) in ("PASS", "NOT-APPLICABLE")
        assert matrix.verdict_on(miss) in ("FAIL", "WARN", "INFO")

"""Failures in a row, with no new progress between them: how long to wait after each, and when it is enough."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import StatusError, TokenwireError
from .asks import Stop
from .policy import MIN_RECONNECTION_TIME, Policy, retry_after

__all__ = ["FailureRow"]


class FailureRow:
    """Counts failures and their time, until there is progress.

    :param random: gives a number from 0 up to 1, for the jitter.
    :param wall: seconds since 1970, for a Retry-After that is a date in a response without Date.
    """

    def __init__(self, policy: Policy, random: Callable[[], float], wall: Callable[[], float] | None) -> None:
        self._policy = policy
        self._random = random
        self._wall = wall
        self._failures = 0
        self._began: float | None = None

    def begin(self, now: float) -> None:
        """The time of the row runs from the first connection, or from the first failure after progress."""
        if self._began is None:
            self._began = now

    def end(self) -> None:
        """There was progress."""
        self._failures = 0
        self._began = None

    def fail(self, error: TokenwireError, retry: int | None, now: float) -> float | Stop:
        """One more failure: seconds to wait before another connection, or why there is none.

        :param retry: milliseconds, from the field `retry` of the stream.
        """
        policy = self._policy
        self.begin(now)
        assert self._began is not None
        self._failures += 1
        if policy.attempts is not None and self._failures >= policy.attempts:
            return Stop(f"that was the last of {policy.attempts} tries")
        asked = (retry_after(error.headers, self._wall) or 0.0) if isinstance(error, StatusError) else 0.0
        if asked > policy.longest:
            return Stop(f"to wait {asked:g} s is asked, and no more than {policy.longest:g} s are waited")
        wait = max(asked, self._wait(None if isinstance(error, StatusError) else retry))
        if policy.elapsed is not None and now + wait - self._began > policy.elapsed:
            return Stop(f"for {policy.elapsed:g} s nothing new has come")
        return wait

    def _wait(self, retry: int | None) -> float:
        """By the policy. The field `retry` sets the first wait of a row, and the least of the others."""
        wait = self._policy.backoff(self._failures, self._random)
        if retry is None:
            return wait
        asked = min(max(retry / 1000, MIN_RECONNECTION_TIME), self._policy.longest)
        return asked if self._failures == 1 else max(wait, asked)

"""The same as `client`, for asyncio.

async with tokenwire.AsyncClient("https://api.example.com/v1", key_env="API_KEY") as client:
    async with client.stream(json={"model": "m"}) as stream:
        async for event in stream: ...
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from ..dialects import DialectName
from ..dialects.dialect import Dialect
from ..session import Observe, Policy, PolicyName, Timeouts
from .asyncio import AsyncStream
from .client import Shared
from .transport import Link

__all__ = ["AsyncClient"]


class AsyncClient(Shared[Link]):
    """Asks one endpoint for streams. Tasks of one event loop may share it."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
        await asyncio.sleep(0)  # in which asyncio closes the sockets

    def stream(
        self,
        *,
        json: Mapping[str, Any] | None = None,
        dialect: DialectName | Dialect | None = None,
        headers: Mapping[str, str] | None = None,
        timeouts: Timeouts | None = None,
        record: str | os.PathLike[str] | None = None,
        policy: PolicyName | Policy | None = None,
        observe: Observe | None = None,
    ) -> AsyncStream:
        """Asks for a stream; use it in an `async with` statement and iterate.

        Parameters and errors are those of `Client.stream`.
        """
        return AsyncStream(self._opening(json, dialect, headers, timeouts, record, policy, observe), self._pool)

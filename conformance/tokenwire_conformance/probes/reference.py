"""The plan by which the reference endpoint is asked: it has a model of every kind that the probes ask for."""

from __future__ import annotations

from tokenwire.dialects import dialect_named
from tokenwire.endpoint.story import MODELS
from tokenwire.protocol.url import parse_url
from tokenwire.session import endpoint_url

from .talk import Plan, Transport

__all__ = ["reference_plan"]


def reference_plan(
    dialect: str, transport: Transport, key: str | None, host: str = "reference.test", *, other_key: str | None = None
) -> Plan:
    """Whom to ask, and as whom.

    :param dialect: its name.
    :param host: with its port, if it has one.
    """
    spoken, websocket = dialect_named(dialect), transport == "websocket"
    path = "/echo" if dialect == "raw" else ""
    url = endpoint_url(f"{'ws' if websocket else 'http'}://{host}{path}", spoken, {"model": MODELS[0]})
    target = parse_url(url, websocket=websocket)
    return Plan(target, spoken, MODELS[0], key, failing_model=MODELS[2], cut_model=MODELS[3], other_key=other_key)

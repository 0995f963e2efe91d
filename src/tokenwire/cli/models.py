"""The model to ask where none was named: the first one that the endpoint lists."""

from __future__ import annotations

from ..dialects.dialect import Dialect, Prompt
from ..errors import LocalProtocolError
from ..protocol.url import parse_url
from ..session import endpoint_url
from .access import Access

__all__ = ["first_model", "takes_model"]


def takes_model(dialect: Dialect) -> bool:
    """What is asked in this dialect names a model."""
    try:
        return "model" in dialect.ask(Prompt("", "any"))
    except LocalProtocolError:  # it has no prompts
        return False


def first_model(access: Access, dialect: Dialect) -> str:
    """Asks the endpoint for its models.

    :raises ConnectionFailed: when there is no connection.
    :raises LocalProtocolError: when it lists none; the message says what it answered.
    """
    from tokenwire_conformance.probes.talk import Plan
    from tokenwire_conformance.probes.wire import SocketWire
    from tokenwire_conformance.run import first_model as ask

    websocket = access.url.lower().startswith(("ws:", "wss:"))
    target = parse_url(endpoint_url(access.url, dialect, {"model": "unknown"}), websocket=websocket)
    plan = Plan(target, access.spoken(dialect), "", access.key, list(access.fields.items()), known=access.secrets)
    return ask(plan, SocketWire(target, access.ssl_context, proxy=access.proxy))

"""JSON-RPC 2.0 as the server's sides of MCP and A2A speak it: a request out of a call, responses, errors, refusals."""

from __future__ import annotations

from typing import Any

from ..dialects.jsonrpc import Envelope, RequestId, Unreadable, envelope
from .replies import Payload, json_reply
from .seams import Call, Reply
from .wanted import Refusal, json_object

__all__ = ["INTERNAL_ERROR", "envelope_of", "failed", "refuse", "refuse_request", "response"]

#: JSON-RPC 2.0, 5.1.
INTERNAL_ERROR = -32603

_INVALID_PARAMS = -32602

#: By the code of the refusal. Others are about the parameters, or of the server's own making.
_CODES = {"invalid_json": -32700, "invalid_request": -32600, "unknown_method": -32601}


def envelope_of(call: Call) -> Envelope:
    """What was sent.

    :raises Refusal: when it is no JSON-RPC message.
    """
    sent = envelope(json_object(call), "")
    if isinstance(sent, Unreadable):
        raise Refusal(400, "invalid_request", f"The body of the request is no JSON-RPC message: {sent.reason}.")
    return sent


def response(id: RequestId, result: Any) -> Payload:  # noqa: A002 - the member's name
    """A response."""
    return {"jsonrpc": "2.0", "id": id, "result": result}


def failed(id: RequestId | None, code: int, reason: str, message: str) -> Payload:  # noqa: A002 - the member's name
    """An error response. `reason`: the code that it would have in OpenAI's words."""
    return {"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message, "data": {"reason": reason}}}


def refuse(refusal: Refusal) -> Reply:
    """A refusal of what was not read as far as its id."""
    return refuse_request(refusal, None)


def refuse_request(refusal: Refusal, id: RequestId | None) -> Reply:  # noqa: A002 - the member's name
    """A refusal of a request."""
    default = INTERNAL_ERROR if refusal.status >= 500 else _INVALID_PARAMS
    code = _CODES.get(refusal.code, default)
    return json_reply(refusal.status, failed(id, code, refusal.code, refusal.message))

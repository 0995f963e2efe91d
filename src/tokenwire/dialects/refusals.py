"""What stands in place of an answer: the error of a gateway, a framework or a cloud, which know no dialect.

In: a JSON value that is no message of the dialect. Out: an error object of the usual members. Shapes seen, beside those
of `values.error_fields`: FastAPI's `{"detail": …}`, Cloudflare's `{"success": false, "errors": […]}`, AWS's
`{"__type": …, "message": …}` and `{"Message": …}`, `{"code": …, "message": …}` and `{"code": …, "msg": …}`, MiniMax's
`{"base_resp": …}`, Baidu's `{"error_code": …, "error_msg": …}`, Apigee's `{"fault": …}`, and the problem details of
RFC 9457.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .values import error_code, error_fields, items_of, json_text, mapping, word

__all__ = ["refusal_in"]

#: Members that have the words, the first that is there; and those that have a code.
_WORDS = (
    "message", "Message", "msg", "error_msg", "errorMessage", "status_msg", "faultstring", "detail", "title", "reason",
)  # fmt: skip
_CODES = ("code", "status_code", "statusCode", "error_code", "__type", "status")

#: Members of an object that says nothing but words, as many refusals do.
_BESIDE_WORDS = frozenset({*_WORDS, *_CODES, "type", "requestId", "request_id", "RequestId"})

#: Members that an answer has, whatever else stands beside it.
_OF_ANSWERS = ("choices", "response", "usage", "candidates", "output", "content", "result")


def refusal_in(body: Any, *, alone: bool = False) -> dict[str, Any]:
    """The error object of a JSON value that takes the place of an answer; empty where it says no error.

    :param alone: the value is all of the body. Then words without a code are an error too: nothing else was said.
    """
    if isinstance(body, list) and len(body) == 1:
        body = body[0]
    if not isinstance(body, dict):
        return {}
    return error_fields(body) or _listed(body) or _within(body) or _at_the_top(body, alone=alone)


def _listed(body: Mapping[str, Any]) -> dict[str, Any]:
    """Errors in a list, and FastAPI's detail, which is words or the list of what did not validate."""
    errors = [error for error in items_of(body.get("errors")) if error]
    if len(errors) == 1 and isinstance(errors[0], dict):
        return errors[0]
    said = errors or body.get("detail")
    if not said or (not errors and any(body.get(name) is not None for name in ("title", *_OF_ANSWERS))):
        return {}
    return {"message": said if isinstance(said, str) else json_text(said)}


def _within(body: Mapping[str, Any]) -> dict[str, Any]:
    """An object of its own that says it, beside a code that says that all is well."""
    reply = mapping(body.get("base_resp"))
    if reply.get("status_code") not in (None, 0):
        return _fields(reply)
    return _fields(mapping(body.get("fault"))) if body.get("fault") else {}


def _at_the_top(body: Mapping[str, Any], *, alone: bool) -> dict[str, Any]:
    if body.get("success") is False or body.get("ok") is False:
        return _fields(body)
    if any(body.get(name) is not None for name in _OF_ANSWERS):
        return {}
    has_words, has_code = any(word(body.get(name)) for name in _WORDS), bool(error_code(body, *_CODES))
    said = has_words and (has_code or (alone and body.keys() <= _BESIDE_WORDS))
    return _fields(body) if said else {}


def _fields(said: Mapping[str, Any]) -> dict[str, Any]:
    """Its code and its words; where it has no words, all that it has."""
    words = next((found for name in _WORDS if (found := word(said.get(name)))), "")
    return {"code": error_code(said, *_CODES, "type"), "message": words or json_text(said)}

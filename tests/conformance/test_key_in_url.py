"""An endpoint that takes the key from the URL alone: the plain question is refused, and the run still tells why."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from mortal import KEY, Refusing, World

from tokenwire.dialects import dialect_named
from tokenwire.endpoint import Reply, Seams
from tokenwire_conformance.judging.verdict import Result
from tokenwire_conformance.probes.asking import ASKING

CHECK = "auth.no-query-token"


class FromTheUrl(Seams):
    """The key of a dialect is taken from the URL, and from no field.

    :param dialect: its name.
    """

    def __init__(self, dialect: str) -> None:
        self._fields = dialect_named(dialect).key_fields(KEY)

    def __call__(self) -> FromTheUrl:
        return self

    def incoming(self, data: bytes) -> bytes | None:
        names = "|".join(self._fields).encode()
        bare = re.sub(rb"(?i)\r\n(?:" + names + rb"): [^\r]*", b"", data)
        if not re.match(rb"GET [^ ]+[?](?:access_token|key)=" + KEY.encode(), bare):
            return bare
        fields = "".join(f"\r\n{name}: {value}" for name, value in self._fields.items()).encode()
        return bare.replace(b"\r\n", fields + b"\r\n", 1)


def judged(dialect: str, seams: Callable[[], Seams]) -> tuple[World, Result, int]:
    world = World(dialect, seams=seams)
    run = world.run()
    return world, next(result for result in run.results if result.id == CHECK), run.exit_code


#: The dialects whose list of models the reference endpoint has; of the others nothing tells where a key is taken.
LISTING = [dialect for dialect in ASKING if dialect not in ("cohere-v2", "bedrock-converse", "eventsource")]


@pytest.mark.parametrize("dialect", LISTING)
def test_the_key_that_is_taken_from_the_url_alone_is_found_behind_the_gate(dialect: str) -> None:
    world, result, code = judged(dialect, FromTheUrl(dialect))
    assert (result.verdict, code, world.connections) == ("WARN", 5, 2)
    assert "the same key in the URL is taken" in result.message


REFUSAL = b'{"error":{"message":"no","type":"refused","code":null}}'


@pytest.mark.parametrize("dialect", LISTING)
@pytest.mark.parametrize(("status", "connections"), [(401, 2), (403, 2), (404, 1), (500, 1)])
def test_a_refusal_of_everything_says_nothing_of_where_the_key_belongs(
    dialect: str, status: int, connections: int
) -> None:
    refusing = Refusing(0, Reply(status, [("Content-Type", "application/json")], REFUSAL))
    world, result, code = judged(dialect, refusing)
    assert (result.verdict, code, world.connections) == ("INCONCLUSIVE", 5, connections)


def test_a_key_that_is_taken_from_a_field_need_not_stand_in_the_url() -> None:
    world, result, code = judged("openai-chat", Seams)
    assert (result.verdict, code) == ("PASS", 0)
    assert world.connections == len(world.probes)

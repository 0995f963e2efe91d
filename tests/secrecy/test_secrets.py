"""What is secret in a request: worked out when something is to be shown, and not before."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from growth import growth
from tokenwire.secrecy.secrets import MAX_LOOKED_AT, Secrets, redact_url, secrets_in_message, secrets_in_url

KEY = "sk-Canary-0123456789"
MEMBER = f'"api_key" : "{KEY}"'

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda values: st.lists(values) | st.dictionaries(st.text() | st.sampled_from(["api_key", "token"]), values),
)
_DEEP = "[" * 60_000

#: Text like JSON: sound, cut, nested too deep, and of its signs in any order.
_TEXTS = (
    st.text()
    | st.text(alphabet='{}[]":,\\ue0 \n')
    | st.builds(lambda value, size: json.dumps(value)[:size], _VALUES, st.integers(0, 200))
).flatmap(lambda text: st.sampled_from([text, _DEEP + text]))


def test_what_is_secret_is_worked_out_when_it_is_asked_for_and_once() -> None:
    asked: list[str] = []

    def later() -> list[str]:
        asked.append("asked")
        return ["sk-Canary-0002", "", "sk-Canary-0001"]

    secrets = Secrets(("sk-Canary-0001",), frozenset({"x-key"})) | later | iter(["sk-Canary-0003"])
    assert asked == []
    assert secrets.clean("sk-Canary-0002") == "[redacted][red"
    assert secrets.values == ("sk-Canary-0001", "sk-Canary-0003", "sk-Canary-0002")
    assert secrets.values == secrets.values
    assert asked == ["asked"]
    assert secrets.fields == {"x-key"}


def test_secrets_are_equal_where_their_values_and_fields_are() -> None:
    assert Secrets(("a",)) == Secrets() | ["a"]
    assert Secrets(("a",)) != Secrets(("a",), frozenset({"b"}))
    assert len({Secrets(("a",)), Secrets() | ["a"], Secrets(("b",))}) == 2
    assert "sk-Canary" not in repr(Secrets(("sk-Canary-0001",)))
    assert Secrets() != "a"


# In a body or a message.


@given(_TEXTS | st.binary())
@example(_DEEP + r'"\q"')
@example(_DEEP + '"\\')
def test_no_body_raises_and_what_is_found_in_it_can_be_searched(text: str | bytes) -> None:
    secrets = Secrets.of_request(body=[text])
    assert secrets.clean("short") == "short"
    assert set(secrets_in_message(text)) - {""} == set(secrets.values)


@pytest.mark.parametrize(
    "text",
    [
        f"{{{MEMBER}}}",
        f"{{{MEMBER}",
        f"{{{MEMBER}"[:-1],
        f"\ufeff{{{MEMBER}}}",
        f'{{"a": 1}}\n{{{MEMBER}}}\n',
        f'{{"n": {"1" * 5000}, {MEMBER}}}',
        f'{{"q": "\\q", {MEMBER}}}',
        "[" * 20_000 + f"{{{MEMBER}}}" + "]" * 20_000,
        f"data: {{{MEMBER}}}\n\n",
    ],
    ids=["sound", "not closed", "cut in it", "a BOM", "lines", "a long number", "a bad escape", "deep", "an event"],
)
@pytest.mark.parametrize("as_bytes", [False, True])
def test_a_member_that_carries_a_key_is_found_whatever_is_wrong_around_it(text: str, as_bytes: bool) -> None:
    assert set(secrets_in_message(text.encode() if as_bytes else text)) == {KEY}


@pytest.mark.parametrize("text", ["", "hello", '{"api_key": 5}', f'["api_key", "{KEY}"]', f'"api_key", "{KEY}"', "\\"])
def test_what_names_no_key_has_none(text: str) -> None:
    assert list(secrets_in_message(text)) == []


def test_the_work_on_what_is_broken_grows_as_it_does() -> None:
    def strings(size: int) -> object:
        return list(Secrets.of_request(body=['["' + '\\"' * size]).values)

    def parameters(size: int) -> object:
        return redact_url("/" + "?" * size), list(secrets_in_url("/" + "?" * size))

    for work in (strings, parameters):
        assert growth(work, MAX_LOOKED_AT // 16, MAX_LOOKED_AT // 2) < 24  # 8 is linear, 64 quadratic


def test_a_parameter_behind_a_second_question_mark_is_masked() -> None:
    assert redact_url(f"/a?b?api_key={KEY}&c=1") == "/a?b?api_key=[redacted]&c=1"
    assert KEY in set(secrets_in_url(f"/a??key={KEY}"))

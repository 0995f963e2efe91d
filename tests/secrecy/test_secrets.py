"""What is secret in a request: worked out when something is to be shown, and not before."""

from __future__ import annotations

from tokenwire.secrecy.secrets import Secrets


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

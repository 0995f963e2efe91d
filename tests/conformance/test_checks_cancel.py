"""The checks of cancellation, in all dialects in which a model is asked, and whom they believe."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from math import inf
from threading import Thread
from time import monotonic
from urllib.request import Request
from weakref import WeakSet

import pytest

from tokenwire.cli import check_running, main
from tokenwire.dialects import dialect_named
from tokenwire.endpoint import ReferenceEndpoint, Seams, background
from tokenwire.endpoint.front import FrontDoor
from tokenwire_conformance.faults.cancel import before_it_begins, by_fin, by_reset, goes_on, without_streaming
from tokenwire_conformance.matrix import examine
from tokenwire_conformance.probes.asking import PROMPTED
from tokenwire_conformance.probes.leaving import ABORTS, LONG_TOKENS
from tokenwire_conformance.probes.rehearsal import rehearsed
from tokenwire_conformance.probes.talk import all_probes
from tokenwire_conformance.reading.running import running_in

#: In what each check is seen.
PROBES = {
    "cancel.fin": "cancel-fin",
    "cancel.rst": "cancel-rst",
    "cancel.before-first-token": "cancel-early",
    "cancel.nonstream": "cancel-whole",
}


@pytest.mark.parametrize("dialect", PROMPTED)
def test_work_that_goes_on_is_told_in_every_dialect(dialect: str) -> None:
    def tripped(seams: type[Seams]) -> set[str]:
        results = examine(seams, dialect, list(PROBES), asked=PROBES.values())
        return {result.id for result in results if str(result.verdict) != "PASS"}

    assert tripped(Seams) == set()
    assert tripped(goes_on(inf, by_reset)) == {"cancel.rst"}
    assert tripped(goes_on(inf, by_fin)) == {"cancel.fin"}
    assert {"cancel.before-first-token", "cancel.nonstream"} == tripped(
        goes_on(inf, lambda *how: before_it_begins(*how) or without_streaming(*how))
    )


@pytest.mark.parametrize("probe", PROBES.values())
def test_the_price_is_told_beforehand_with_the_answers_that_are_abandoned(probe: str) -> None:
    assert rehearsed(all_probes()[probe], dialect_named("openai-chat")).tokens > LONG_TOKENS
    assert rehearsed(all_probes()["cancel-repeat"], dialect_named("openai-chat")).requests == ABORTS + 1


@pytest.mark.parametrize(
    ("text", "metric", "number"),
    [
        ("3\n", "", 3),
        ('[{"id": 0, "is_processing": true}, {"id": 1, "is_processing": false}]', "", 1),
        ("# TYPE llamacpp:requests_processing gauge\nllamacpp:requests_processing 2\n", "", 2),
        ('vllm:num_requests_running{model_name="a"} 1.0\nvllm:num_requests_running{model_name="b}"} 2.0\n', "", 3),
        ("busy_total 7\nbusy 4 1700000000000\n", "busy", 4),
    ],
)
def test_the_number_is_found_in_what_servers_say(text: str, metric: str, number: float) -> None:
    assert running_in(text, metric) == number


@pytest.mark.parametrize(
    ("text", "metric"),
    [("", ""), ("<html>", ""), ("nan", ""), ("-1", ""), ("[1]", ""), ("busy 4", ""), ("a 1", "busy")],
)
def test_what_is_no_number_is_taken_for_none(text: str, metric: str) -> None:
    with pytest.raises(ValueError, match="metric"):
        running_in(text, metric)


@contextmanager
def metrics(connections: WeakSet[FrontDoor], keys: list[str | None]) -> Iterator[int]:
    """A server that says in Prometheus' text how many of the connections have an answer."""

    class Metrics(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            gc.collect()  # the connections that are over
            keys.append(self.headers["Authorization"])
            body = f"busy {sum(made.works(monotonic()) for made in list(connections))}\n".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = HTTPServer(("127.0.0.1", 0), Metrics)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def test_over_sockets_the_number_comes_from_a_url_and_the_key_stays_with_the_endpoint(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "first-key-0123456789abcdef")
    connections: WeakSet[FrontDoor] = WeakSet()
    endpoint = ReferenceEndpoint(key="first-key-0123456789abcdef", pace=0.1)

    def connection() -> FrontDoor:
        connections.add(made := endpoint.connection())
        return made

    keys: list[str | None] = []
    with background(connection) as port, metrics(connections, keys) as told:
        arguments = ["check", f"http://127.0.0.1:{port}", "--key-env", "KEY", "--model", "tokenwire-reference"]
        arguments += ["--only", "cancel.fin", "--only", "cancel.rst", "-v"]
        assert main([*arguments, "--running", f"http://127.0.0.1:{told}/metrics#busy"]) == 0
        out = capsys.readouterr().out
        assert "2 checks: 2 PASS" in out
        assert set(keys) == {None}
        assert main(arguments) == 4
        assert "give --running URL" in " ".join(capsys.readouterr().out.split())
        assert main([*arguments, "--running", f"http://127.0.0.1:{told}/metrics"]) == 2
        assert "name the metric behind a #" in capsys.readouterr().err
        assert main([*arguments, "--running-command", "false"]) == 2
        assert "--running-command gave no number" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("place", "goes"),
    [
        ("http://host:8080/slots", True),
        ("http://host:9090/metrics", False),
        ("https://host:8080/slots", False),
        ("http://other:8080/slots", False),
    ],
)
def test_the_key_goes_to_the_operators_url_only_where_that_is_the_endpoint(
    place: str, goes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Request] = []
    monkeypatch.setattr(check_running, "_of_url", lambda opener, request, metric: asked.append(request))
    monkeypatch.setenv("KEY", "first-key-0123456789abcdef")
    assert main(["check", "http://host:8080/v1", "--key-env", "KEY", "--model", "m", "--running", place]) != 0
    assert [request.get_header("Authorization") is not None for request in asked] == [goes]
    assert not any("Authorization" in request.headers for request in asked), "a redirect would take it along"

"""`tokenwire check` against a real server that is not ours: aimock, a mock of OpenAI's API, run from its npm package.

Where its program is says the environment variable TOKENWIRE_AIMOCK (the path of `dist/cli.js`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from listening import free_port, wait_for
from tokenwire.cli import main

AIMOCK = os.environ.get("TOKENWIRE_AIMOCK", "")
NODE = shutil.which("node")
ANSWERS = Path(__file__).parents[2] / "fixtures" / "aimock" / "answers.json"
KEY = "a-key-for-the-mock-0123"

pytestmark = pytest.mark.skipif(
    not (AIMOCK and NODE), reason="node, or the aimock that TOKENWIRE_AIMOCK should name, is not there"
)

#: What is wrong with aimock 1.43.0, each gone through by hand against the bytes.
FINDINGS = {
    "http.date-on-malformed": "node answers requests that it cannot parse with a bare 400, which has no Date",
    "http.close-honoured": "Connection: close is answered with keep-alive, and the connection stays open",
    "http.host-missing": "two Host fields are taken, and an invalid one ends in a 500",
    "sse.surrogates": "text is cut every eight UTF-16 units, through surrogate pairs",
    "chat.finish-length": "max_tokens is ignored",
    "chat.usage-null": "with include_usage the other chunks have no usage, not even null",
    "chat.n-choices": "n is ignored",
    "err.unknown-model": "an unknown model is answered",
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    port = free_port()
    command = [str(NODE), AIMOCK, "-h", "127.0.0.1", "-p", str(port), "-f", str(ANSWERS), "-l", "20", "-c", "8"]
    environment = {**os.environ, "AIMOCK_API_KEYS": KEY}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


@pytest.mark.timeout(200)
def test_what_is_found_is_what_is_wrong(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MOCK_KEY", KEY)
    assert main(["check", url, "--key-env", "MOCK_KEY", "--model", "gpt-4o", "--format", "json"]) == 1
    report = json.loads(capsys.readouterr().out)
    found = {r["id"]: r["message"] for r in report["results"] if r["verdict"] in ("FAIL", "WARN", "HARNESS-ERROR")}
    assert set(found) == set(FINDINGS), found

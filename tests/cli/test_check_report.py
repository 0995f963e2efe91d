"""What `tokenwire check` reports, lists, explains and keeps, and what it costs."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import tokenwire
from tokenwire.cli import main
from tokenwire.endpoint import ReferenceEndpoint, Seams, background
from tokenwire.recording import load
from tokenwire.recording.replay import ReplayConnection
from tokenwire_conformance.explaining import as_markdown, explained
from tokenwire_conformance.judging.registry import catalogue

KEY = "canary-key-5d1f0e5b2d9a4836"


class Open(Seams):
    """It asks nobody for a key."""


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY_KEY", KEY)


@pytest.fixture
def sound() -> Iterator[str]:
    with background(ReferenceEndpoint(key=KEY).connection) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def dateless() -> Iterator[str]:
    from tokenwire_conformance.faults.fault import all_faults

    with background(ReferenceEndpoint(key=KEY, seams=all_faults()["no-date"].seams).connection) as port:
        yield f"http://127.0.0.1:{port}"


def judged(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    main(["check", *arguments, "--format", "json"])
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_a_report_names_what_was_asked_and_what_it_took(sound: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [sound, "--key-env", "CANARY_KEY", "--only", "chat.usage"]
    (about,) = judged(capsys, *arguments)["about"]
    assert (about["dialects"], about["transports"]) == (["openai-chat"], ["HTTP/1.1"])
    assert about["model"] == "tokenwire-reference"
    assert about["version"] == tokenwire.__version__
    assert about["requests"] == 4  # the models, the plain stream and a request behind it, and a stream with usage
    assert about["tokens"] > 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", about["date"])
    assert main(["check", *arguments]) == 0
    told = capsys.readouterr().out
    assert "openai-chat over HTTP/1.1, model tokenwire-reference" in told
    assert f"Z, tokenwire {tokenwire.__version__}\n4 requests; tokens used: {about['tokens']} (told " in told


def test_tokens_that_nobody_told_are_not_guessed(sound: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", sound, "--key-env", "CANARY_KEY", "--only", "sse.utf8"]) == 0
    assert "tokens used: not told" in capsys.readouterr().out


def test_a_url_chooses_the_groups_of_its_transport(sound: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", sound, "--list"]) == 0
    over_http = {line.partition(".")[0] for line in capsys.readouterr().out.splitlines()}
    assert not {"wsh", "wsf", "wsz", "wsc", "wsk", "wsl"} & over_http
    assert {"http", "sse", "err", "auth", "chat"} <= over_http
    assert main(["check", sound.replace("http:", "ws:"), "--list"]) == 0
    over_websocket = {line.partition(".")[0] for line in capsys.readouterr().out.splitlines()}
    assert not {"sse", "chat", "resp", "anth", "gem", "ollama"} & over_websocket
    assert {"http", "auth", "wsh", "wsf", "wsz", "wsc", "wsk", "wsl"} <= over_websocket
    assert main(["check", sound, "--only", "wsf."]) == 2
    assert "begins with ws://" in capsys.readouterr().err


def test_each_finding_has_its_words_its_bytes_and_its_question(
    dateless: str, capsys: pytest.CaptureFixture[str]
) -> None:
    report = judged(capsys, dateless, "--key-env", "CANARY_KEY", "--only", "http.date", "--only", "err.prestream")
    (result,) = [result for result in report["results"] if result["id"] == "http.date"]
    messages = {finding["message"].split()[1] for finding in result["findings"]}
    assert messages >= {"200", "401", "404"}
    for finding in result["findings"]:
        assert finding["message"] in result["message"]
        assert finding["evidence"]["bytes"].startswith("HTTP/1.1 ")
        assert finding["evidence"]["bytes"].endswith("\r\n\r\n")  # the whole head, for a field that is not there
        command = shlex.split(finding["again"])
        assert command[0] == "curl"
        assert KEY not in finding["again"]
    asked = {finding["evidence"]["transcript"]: finding["again"] for finding in result["findings"]}
    assert '"Authorization: Bearer ${CANARY_KEY}"' in asked["stream"]
    assert "Authorization" not in asked["no-key"]
    assert "'Authorization: Bearer wrong-key'" in asked["wrong-key"]
    assert result["explain"] == "tokenwire check --explain http.date"
    assert main(["check", dateless, "--key-env", "CANARY_KEY", "--only", "http.date"]) == 1
    told = capsys.readouterr().out
    assert told.count("curl -isN") == len([line for line in told.splitlines() if "has no Date" in line])
    assert "tokenwire check --explain http.date" in told.splitlines()[-3]


@pytest.mark.parametrize("pair", ["{}={}", " {} = {} "])
def test_the_command_names_the_variables_of_fields_and_parameters(
    pair: str, dateless: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY_TENANT", "tenant-5d1f0e5b2d9a4836")
    monkeypatch.setenv("CANARY_SIGNATURE", "signature-5d1f0e5b2d9a4836")
    given = ["--key-env", "CANARY_KEY", "--header-env", pair.format("X-Tenant", "CANARY_TENANT")]
    given += ["--query-env", pair.format("Signed", "CANARY_SIGNATURE"), "--only", "http.date"]
    results = judged(capsys, f"{dateless}/v1/chat/completions", *given)["results"]
    (result,) = [result for result in results if result["findings"]]
    asked = {finding["evidence"]["transcript"]: finding["again"] for finding in result["findings"]}
    assert "${CANARY_KEY}" in asked["stream"]
    assert "X-Tenant: ${CANARY_TENANT}" in asked["stream"]
    assert "?Signed=${CANARY_SIGNATURE}" in asked["stream"]
    assert "5d1f0e5b2d9a4836" not in json.dumps(asked)


def test_a_request_that_is_wrong_on_purpose_is_given_byte_by_byte(capsys: pytest.CaptureFixture[str]) -> None:
    from tokenwire_conformance.faults.fault import all_faults

    with background(ReferenceEndpoint(seams=all_faults()["accept-space-colon"].seams).connection) as port:
        report = judged(capsys, f"http://127.0.0.1:{port}", "--only", "http.space-colon-400")
    (finding,) = report["results"][0]["findings"]
    assert "'X-Probe : a blank stands before this colon'" in finding["again"]
    assert finding["again"].endswith(f"curl -sN telnet://127.0.0.1:{port}")


def test_what_does_not_apply_is_counted_and_listed_on_demand(sound: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["check", sound, "--key-env", "CANARY_KEY", "--only", "http."]
    assert main(arguments) == 0
    short = capsys.readouterr().out
    assert "checks do not apply here: -v lists them" in short
    assert "http.vary" not in short
    assert main([*arguments, "-v"]) == 0
    assert "NOT-APPLICABLE" in capsys.readouterr().out


def test_the_list_has_every_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--list", "--dialect", "anthropic-messages", "--format", "json"]) == 0
    listed = {entry["id"]: entry for entry in json.loads(capsys.readouterr().out)["checks"]}
    assert {"anth.start-first", "sse.utf8"} <= set(listed)
    assert listed["sse.utf8"]["level"] == "MUST"
    assert "9.2" in listed["sse.utf8"]["clause"]
    assert main(["check", "--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(catalogue())


@pytest.mark.parametrize("check", list(catalogue()))
def test_every_check_is_explained(check: str) -> None:
    about = explained(check)
    assert about.faults
    assert all(about.why)
    page = as_markdown(about)
    assert page.startswith(f"# {check}\n")
    assert about.check.says in page
    assert about.check.clause in page
    assert "## How to repair it" in page


def test_an_explanation_says_how_to_repair_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--explain", "http.date"]) == 0
    told = capsys.readouterr().out
    assert "RFC 9110" in told
    assert "the planted fault no-date" in told
    assert "uvicorn: --date-header" in told
    assert main(["check", "--explain", "http.date", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["repairs"]


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (["--only", "sse.uft8"], "sse.utf8"),
        (["--skip", "htpp."], "http."),
        (["--explain", "chat.dome"], "chat.done"),
        (["--only", "sse.", "--only", "wsff."], "wsf."),
    ],
)
def test_an_id_that_is_not_there_is_told_with_the_nearest(
    arguments: list[str], near: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", *arguments]) == 2
    assert f"did you mean {near}?" in capsys.readouterr().err


def test_the_requests_are_as_many_as_were_told_before(sound: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [sound, "--key-env", "CANARY_KEY", "--only", "http.", "--only", "chat.", "--only", "auth."]
    assert main(["check", *arguments, "--dry-run"]) == 0
    told = re.search(r"need (\d+) requests, [\d,]+ bytes sent, at most ([\d,]+) tokens", capsys.readouterr().out)
    assert told is not None
    (about,) = judged(capsys, *arguments)["about"]
    assert about["requests"] == int(told[1])
    assert about["tokens"] <= int(told[2].replace(",", ""))


def test_no_more_tokens_are_used_than_were_allowed(sound: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [sound, "--key-env", "CANARY_KEY", "--only", "chat.", "--max-tokens-total", "1500"]
    report = judged(capsys, *arguments)
    assert 0 < report["about"][0]["tokens"] <= 1500
    assert "--max-tokens-total 1500 might have been passed" in report["headline"]
    assert report["summary"]["INCONCLUSIVE"] > 0
    assert main(["check", *arguments[:-1], "20"]) == 2
    assert "does not reach for the plain question" in capsys.readouterr().err


@pytest.mark.parametrize(
    "asked", [[f"{scheme}://127.0.0.1:1", "--key-env", "CANARY_KEY"] for scheme in ("http", "ws")] + [[]]
)
def test_what_is_fast_is_about_ten_requests_for_each_transport(
    asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", *asked, "--dry-run", "--fast"]) == 0
    told = re.search(r"need (\d+) requests", capsys.readouterr().out)
    assert told is not None
    transports = 1 if asked else 2
    assert 9 * transports <= int(told[1]) <= 11 * transports


def test_what_is_costly_is_asked_on_demand_alone(sound: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["check", sound, "--key-env", "CANARY_KEY", "--only", "err.context-overflow"]
    assert main([*arguments, "--dry-run"]) == 0
    assert "overflow" not in capsys.readouterr().out
    assert main([*arguments, "-v"]) == 4
    assert "made with --costly only" in capsys.readouterr().out
    assert main([*arguments, "--dry-run", "--costly"]) == 0
    assert "overflow" in capsys.readouterr().out


def test_each_probe_is_kept_and_lint_judges_it_alike(
    dateless: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "kept"
    live = judged(capsys, dateless, "--key-env", "CANARY_KEY", "--record-dir", str(folder))
    files = sorted(folder.iterdir())
    assert files[0].name == "01-stream.wire.jsonl"
    assert len(files) > 20
    assert not any(KEY in file.read_text() for file in files)
    main(["lint", str(folder), "--format", "json"])
    kept = json.loads(capsys.readouterr().out)
    passive = {check.id for check in catalogue().values() if not check.probes}
    assert _found(live, passive) == _found(kept, passive)
    assert _found(kept, passive)


def _found(report: dict[str, Any], ids: set[str]) -> set[tuple[str, str, str, int]]:
    return {
        (result["id"], finding["message"], finding["evidence"]["transcript"], finding["evidence"]["offset"])
        for result in report["results"]
        if result["id"] in ids
        for finding in result["findings"]
    }


def test_what_is_kept_is_served_again(sound: str, tmp_path: Path) -> None:
    assert main(["check", sound, "--key-env", "CANARY_KEY", "--only", "sse.", "--record-dir", str(tmp_path)]) == 0
    recording = load(tmp_path / "01-stream.wire.jsonl")
    with background(partial(ReplayConnection, recording, "bytes")) as port:
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        with tokenwire.stream(url, json={"model": "m"}, dialect="openai-chat") as stream:
            for _ in stream:
                pass
        assert "naïve café" in stream.text


def test_a_folder_that_holds_something_is_refused_before_anything_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes").write_text("mine")
    assert main(["check", "http://127.0.0.1:1", "--record-dir", str(tmp_path)]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "ws://127.0.0.1:1"])
def test_a_document_is_whole_also_when_nobody_answers(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", url, "--model", "m", "--format", "json"]) == 3
    document = json.loads(capsys.readouterr().out)
    assert document["exit_code"] == 3
    assert document["about"][0]["requests"] == 0
    assert "refused the connection" in document["headline"]
    assert set(document["summary"]) == {"INCONCLUSIVE"}
    assert main(["check", url, "--model", "m", "--format", "junit"]) == 3
    (suite,) = ElementTree.fromstring(capsys.readouterr().out)
    assert "refused the connection" in ElementTree.tostring(suite, "unicode")


def test_junit_has_times_warnings_and_the_rule(capsys: pytest.CaptureFixture[str]) -> None:
    with background(ReferenceEndpoint(seams=Open).connection) as port:
        url = f"http://127.0.0.1:{port}"
        only = ["--only", "auth.missing-401", "--only", "sse.utf8"]
        assert main(["check", url, "--key-env", "CANARY_KEY", *only, "--format", "junit"]) == 0
    (suite,) = ElementTree.fromstring(capsys.readouterr().out)
    assert float(suite.get("time", "0")) > 0
    assert suite.get("timestamp")
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    warned = cases["auth.missing-401"].find("skipped")
    assert warned is not None
    assert warned.get("message", "").startswith("WARN: ")
    assert catalogue()["auth.missing-401"].says in (warned.text or "")
    assert float(cases["sse.utf8"].get("time", "0")) > 0


def test_an_explanation_is_a_page_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--explain", "http.date", "--format", "markdown"]) == 0
    assert capsys.readouterr().out == as_markdown(explained("http.date"))


@pytest.mark.parametrize("form", ["junit", "markdown"])
def test_what_is_not_judged_yet_is_listed_as_text_or_json(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--list", "--format", form]) == 2
    assert "--list prints text or JSON" in capsys.readouterr().err

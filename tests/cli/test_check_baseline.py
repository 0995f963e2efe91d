"""`tokenwire check --baseline`, and endpoints by name, as somebody runs them in CI."""

from __future__ import annotations

import io
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tokenwire.cli import main
from tokenwire.endpoint import Call, ReferenceEndpoint, background
from tokenwire_conformance.faults import all_faults

ENTRY = '[[expected]]\nid = "{}"\nreason = "{}"\n'


@pytest.fixture
def url() -> Iterator[str]:
    """An endpoint that lacks Date, which is a MUST, and begins with a byte order mark, which is against a SHOULD."""

    class Two(all_faults()["no-date"].seams):  # type: ignore[misc]
        def blocks(self, call: Call, blocks: list[bytes]) -> list[bytes]:
            return [b"\xef\xbb\xbf" + blocks[0], *blocks[1:]]

    with background(ReferenceEndpoint(seams=Two).connection) as port:
        yield f"http://127.0.0.1:{port}"


ONLY = ["--only", "http.date", "--skip", "http.date-on-malformed", "--only", "sse.no-bom", "--only", "sse.content-type"]


def checked(
    capsys: pytest.CaptureFixture[str], url: str, *arguments: str | Path, form: str = "json"
) -> tuple[int, Any]:
    code = main(["check", url, *ONLY, *map(str, arguments), "--format", form])
    out = capsys.readouterr().out
    return code, json.loads(out) if form == "json" else out


def written(folder: Path, *lines: str) -> Path:
    file = folder / "baseline.toml"
    file.write_text("".join(lines))
    return file


def test_what_is_expected_is_no_finding(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, ENTRY.format("http.date", "it has no clock"), ENTRY.format("sse.no-bom", "no caches"))
    code, document = checked(capsys, url, "--baseline", file)
    assert (code, document["exit_code"], document["baseline"]) == (0, 0, {"news": []})
    assert {each["id"]: each.get("expected") for each in document["results"]} == {
        "http.date": "it has no clock",
        "sse.no-bom": "no caches",
        "sse.content-type": None,
    }


@pytest.mark.parametrize("known", ["http.date", "sse.no-bom"])
def test_what_is_new_is_a_finding_a_warning_too(
    known: str, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, document = checked(capsys, url, "--baseline", written(tmp_path, ENTRY.format(known, "known")))
    (news,) = document["baseline"]["news"]
    assert (code, document["exit_code"]) == (1, 1)
    assert "is not in the baseline" in news
    assert known not in news


def test_an_entry_of_which_nothing_is_found_is_a_finding(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = [ENTRY.format(check, "known") for check in ("http.date", "sse.no-bom", "sse.content-type")]
    code, document = checked(capsys, url, "--baseline", written(tmp_path, *entries))
    assert (code, document["baseline"]["news"]) == (
        1,
        ["sse.content-type is in the baseline, and is not found: take it out"],
    )


def test_an_entry_of_what_was_not_judged_is_not_stale(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = [ENTRY.format(check, "known") for check in ("http.date", "sse.no-bom", "wsc.echo", "chat.done")]
    assert checked(capsys, url, "--baseline", written(tmp_path, *entries))[0] == 0


def test_behind_its_last_day_an_entry_holds_no_longer(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lapsed = ENTRY.format("http.date", "known") + "until = 2020-02-29\n"
    later = ENTRY.format("sse.no-bom", "known") + "until = 2999-12-31\n"
    code, document = checked(capsys, url, "--baseline", written(tmp_path, lapsed, later))
    assert (code, document["baseline"]["news"]) == (1, ["http.date (FAIL) was expected until 2020-02-29"])


def test_a_baseline_is_written_and_holds(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "new.toml"
    assert checked(capsys, url, "--write-baseline", file)[0] == 0
    assert [entry["id"] for entry in tomllib.loads(file.read_text())["expected"]] == ["http.date", "sse.no-bom"]
    assert checked(capsys, url, "--baseline", file)[0] == 0


def test_a_baseline_that_is_written_again_keeps_its_reasons(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stale = ENTRY.format("sse.content-type", "gone")
    file = written(tmp_path, ENTRY.format("http.date", 'it \\"has\\" no clock'), "until = 2999-12-31\n", stale)
    checked(capsys, url, "--write-baseline", file)
    date, vary = tomllib.loads(file.read_text())["expected"]
    assert (date["reason"], str(date["until"])) == ('it "has" no clock', "2999-12-31")
    assert vary["id"] == "sse.no-bom"


def test_a_baseline_that_is_written_again_keeps_what_was_not_judged(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unjudged = ENTRY.format("wsc.echo", "no echo there") + "until = 2020-02-29\n"
    file = written(tmp_path, unjudged, ENTRY.format("sse.content-type", "gone"))
    checked(capsys, url, "--write-baseline", file)
    found = {entry["id"]: entry for entry in tomllib.loads(file.read_text())["expected"]}
    assert list(found) == ["http.date", "sse.no-bom", "wsc.echo"]
    assert (found["wsc.echo"]["reason"], str(found["wsc.echo"]["until"])) == ("no echo there", "2020-02-29")


def test_no_baseline_is_written_of_a_run_that_did_not_go_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "new.toml"
    assert main(["check", "http://127.0.0.1:9", "--model", "m", "--write-baseline", str(file)]) == 3
    assert "is not written" in capsys.readouterr().err
    assert not file.exists()


def test_text_and_junit_tell_what_is_expected_and_what_is_new(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, ENTRY.format("http.date", "it has no clock"))
    _, text = checked(capsys, url, "--baseline", file, form="text")
    assert "expected: http.date: it has no clock" in text
    assert "sse.no-bom (WARN) is not in the baseline" in text
    assert "1 FAIL, 1 WARN (1 expected)" in text
    _, xml = checked(capsys, url, "--baseline", file, form="junit")
    cases = {case.get("name"): [child.tag for child in case] for case in ElementTree.fromstring(xml).iter("testcase")}
    assert cases["http.date"] == ["skipped"]
    assert cases["baseline"] == ["failure"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("expected = 3", "[[expected]]"),
        ("[[expected]\n", "no TOML"),
        ("[other]\n", "[[expected]]"),
        (ENTRY.format("http.dat", "x"), "entry 1: there is no check 'http.dat'"),
        ('[[expected]]\nid = ["http.date"]\nreason = "x"\n', "entry 1: there is no check ['http.date']"),
        (ENTRY.format("http.date", " "), "http.date has no reason"),
        ('[[expected]]\nid = "http.date"\n', "http.date has no reason"),
        (ENTRY.format("http.date", "x") + 'until = "2027-01-01"\n', "until is a date without quotes"),
        (ENTRY.format("http.date", "x") + "until = 2027-01-01T00:00:00\n", "until is a date without quotes"),
        (ENTRY.format("http.date", "x") + "unti = 2027-01-01\n", "has the members id, reason"),
        (ENTRY.format("http.date", "x") * 2, "twice: http.date"),
    ],
)
def test_what_is_no_baseline_is_one_clear_line(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "http://127.0.0.1:9", "--baseline", str(written(tmp_path, text))]) == 2
    assert said in capsys.readouterr().err


# Endpoints by name.


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> Path:
    """A folder below one that has a pyproject.toml."""
    table = f'[tool.tokenwire.endpoints.local]\nurl = "{url}"\nonly = ["http.date", "sse.no-bom"]\n'
    table += 'skip = ["http.date-on-malformed"]\n'
    (tmp_path / "pyproject.toml").write_text(table + 'format = "json"\nbaseline = "known.toml"\n')
    (tmp_path / "known.toml").write_text(ENTRY.format("http.date", "x") + ENTRY.format("sse.no-bom", "x"))
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    return tmp_path


@pytest.mark.usefixtures("project")
def test_an_endpoint_is_asked_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "local"]) == 0
    assert [each["id"] for each in json.loads(capsys.readouterr().out)["results"]] == ["http.date", "sse.no-bom"]


@pytest.mark.usefixtures("project")
def test_the_command_line_goes_before_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "local", "--only", "sse.no-bom", "--format", "text"]) == 0
    assert capsys.readouterr().out.endswith("1 checks: 1 WARN (1 expected)\n")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("", "is no URL, and no pyproject.toml"),
        ('[tool.tokenwire.endpoints.other]\nurl = "http://h"\n', "it has: other"),
        ("[tool.tokenwire.endpoints.local]\n", "has no url"),
        ('[tool.tokenwire.endpoints.local]\nurl = "http://h"\nnonsense = 1\n', "no option of check: nonsense"),
        ('[tool.tokenwire.endpoints.local]\nurl = "http://h"\nexplain = "x"\n', "belongs on the command line"),
        ('[tool.tokenwire.endpoints.local]\nurl = "http://h"\nrunning-command = "x"\n', "belongs on the command line"),
        ('[tool.tokenwire.endpoints.local]\nurl = "http://h"\nrunning-c = "x"\n', "belongs on the command line"),
        ('[tool.tokenwire.endpoints.local]\nurl = "http://h"\nstrict = false\n', "strict is neither"),
        ('[tool.tokenwire.endpoints.local]\nurl = "http://h"\ntimeout = -3\n', "pyproject.toml: mend it in"),
        ('[tool.tokenwire.endpoints.local]\nurl = "http://h"\n"" = 1\n', "no name of an option"),
        ('[tool.tokenwire.endpoints.local]\nurl = "--list"\n', "must begin with http://"),
        ("[tool.tokenwire]\nendpoints = 3\n", "a table for each endpoint"),
        ("[tool]\ntokenwire = 3\n", "a table for each endpoint"),
        ("tool = 3\n", "a table for each endpoint"),
        ("[tool.tokenwire\n", "no TOML"),
    ],
)
def test_a_name_that_leads_nowhere_is_one_clear_line(
    table: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pyproject.toml").write_text(table)
    monkeypatch.chdir(tmp_path)
    assert main(["check", "local"]) == 2
    assert said in capsys.readouterr().err


CANARY = "sk-canary-7c1f0e5b2d9a4836"


@pytest.mark.parametrize(
    "member",
    [
        f'key = "{CANARY}"',
        f'ke = "{CANARY}"',
        f'api_key = "{CANARY}"',
        f'password = "{CANARY}"',
        f'key-env = "{CANARY}"',
        f'other-key-en = "{CANARY}"',
        f'other-key-env = "{CANARY}"',
        f'key-file = "{CANARY}"',
        f'key = {{value = "{CANARY}"}}',
        f'header = {{Authorization = "Bearer {CANARY}"}}',
        f'header = ["X-Api-Key={CANARY}"]',
        f'proxy = "http://user:{CANARY}@127.0.0.1:x"',
        f'via = ["http://user:{CANARY}@127.0.0.1:9"]',
    ],
)
def test_a_secret_that_was_put_into_the_file_is_not_shown(
    member: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pyproject.toml").write_text(f'[tool.tokenwire.endpoints.local]\nurl = "http://h.invalid"\n{member}\n')
    monkeypatch.chdir(tmp_path)
    assert main(["check", "local"]) == 2
    captured = capsys.readouterr()
    assert captured.err
    assert CANARY not in captured.out + captured.err


@pytest.mark.parametrize(
    ("member", "arguments", "said"),
    [
        ('key-env = "HOME"', ["--key-file", "/nowhere/key"], "/nowhere/key"),
        ('key-file = "/nowhere/key"', ["--key-env", "NOWHERE_SET"], "NOWHERE_SET"),
        ("insecure = true", ["--ca-file", "/nowhere/ca"], "/nowhere/ca"),
        ('baseline = "/nowhere/old"', ["--write-baseline", "/nowhere/new"], "no folder /nowhere"),
        ('key-file = "-"', [], "standard input"),
        ('key-file = "no/key"', [], "{folder}/no/key"),
    ],
)
def test_what_is_given_takes_the_place_of_what_it_excludes(
    member: str,
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "pyproject.toml").write_text(f'[tool.tokenwire.endpoints.local]\nurl = "http://h.invalid"\n{member}\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert main(["check", "local", *arguments]) == 2
    err = capsys.readouterr().err
    assert said.format(folder=tmp_path) in err
    assert "--insecure" not in err

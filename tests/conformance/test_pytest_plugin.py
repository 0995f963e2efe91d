"""The plugin for pytest, as somebody runs it: on endpoints that are sound, broken, gone, and not to be found."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tokenwire.cli.check_task import Task
from tokenwire.endpoint import Call, ReferenceEndpoint, Seams, background
from tokenwire.errors import LocalProtocolError
from tokenwire.secrecy import Secrets
from tokenwire_conformance.faults import all_faults
from tokenwire_conformance.faults.fault import is_streamed_chat
from tokenwire_conformance.judging.judged import Course, Ended, Run
from tokenwire_conformance.judging.verdict import Level, Result, Verdict
from tokenwire_conformance.pytest_plugin.judging import _asked
from tokenwire_conformance.pytest_plugin.told import told_of
from tokenwire_conformance.reports.report import Report

pytest_plugins = ["pytester"]

PROJECT = Path(__file__).parent.parent.parent
RECORDING = PROJECT / "fixtures/llama-server/normal.wire.jsonl"

PLUGIN = "tokenwire_conformance.pytest_plugin"

#: Where tokenwire is installed, pytest finds the plugin by itself; here the one of this source is wanted, alone.
PLUGINS = ["-p", PLUGIN, "-p", "xdist"]

#: Three checks: one of a MUST, one of a SHOULD, one that every endpoint here passes.
ONLY = ["--tokenwire-only=http.date", "--tokenwire-skip=http.date-on-malformed", "--tokenwire-only=sse.no-bom"]
ONLY += ["--tokenwire-only=sse.content-type"]

KEY = "k-0123456789abcdef"

ENTRY = '[[expected]]\nid = "{}"\nreason = "{}"\n'


class NoDateAndBom(all_faults()["no-date"].seams):  # type: ignore[misc]
    """Lacks Date, which is a MUST, and begins with a byte order mark, which is against a SHOULD."""

    def blocks(self, call: Call, blocks: list[bytes]) -> list[bytes]:
        return [b"\xef\xbb\xbf" + blocks[0], *blocks[1:]]


class Place:
    """An endpoint that counts its connections."""

    def __init__(self, stack: ExitStack, seams: Callable[[], Seams], key: str | None) -> None:
        self.connections = 0
        self._endpoint = ReferenceEndpoint(key=key, seams=seams)
        self.url = f"http://127.0.0.1:{stack.enter_context(background(self._connection))}"

    def _connection(self) -> Any:
        self.connections += 1
        return self._endpoint.connection()


Serve = Callable[..., Place]


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda seams=Seams, key=None: Place(stack, seams, key)


def judged(pytester: pytest.Pytester, url: str, *arguments: str | Path, only: Sequence[str] = ONLY) -> pytest.RunResult:
    return pytester.runpytest_subprocess(*PLUGINS, f"--tokenwire-endpoint={url}", *only, *arguments, "-rA")


def outcomes(result: pytest.RunResult) -> dict[str, str]:
    """By the id of the item, in the words of pytest's summary."""
    lines = [line.split() for line in result.outlines if "tokenwire::" in line]
    return {words[1]: words[0] for words in lines if words[0].isupper()}


def test_a_sound_endpoint_passes(pytester: pytest.Pytester, serve: Serve) -> None:
    result = judged(pytester, serve().url)
    result.assert_outcomes(passed=4)
    assert result.ret == 0
    assert outcomes(result) == dict.fromkeys(
        ["tokenwire::run", "tokenwire::http.date", "tokenwire::sse.no-bom", "tokenwire::sse.content-type"], "PASSED"
    )


def test_a_must_fails_with_all_that_proves_it_and_a_should_warns(pytester: pytest.Pytester, serve: Serve) -> None:
    result = judged(pytester, serve(NoDateAndBom).url)
    result.assert_outcomes(passed=3, failed=1, warnings=1)
    result.stdout.fnmatch_lines(
        [
            "*_ tokenwire http.date _*",
            "FAIL: *Date*",
            "MUST: * [[]RFC 9110 *[]]",
            "stream, byte 0, * s: HTTP/1.1 200 *",
            "curl -isN *http://127.0.0.1:*/v1/chat/completions",
            "tokenwire check --explain http.date",
        ]
    )
    result.stdout.fnmatch_lines(["*EndpointWarning: WARN: *", "*tokenwire check --explain sse.no-bom"])


def test_with_strict_a_should_fails(pytester: pytest.Pytester, serve: Serve) -> None:
    result = judged(pytester, serve(NoDateAndBom).url, "--tokenwire-strict")
    result.assert_outcomes(passed=2, failed=2)


def test_what_a_baseline_expects_xfails_and_what_is_stale_or_new_fails(pytester: pytest.Pytester, serve: Serve) -> None:
    url = serve(NoDateAndBom).url
    expected = pytester.path / "expected.toml"
    expected.write_text(ENTRY.format("http.date", "no clock") + ENTRY.format("sse.no-bom", "no caches"))
    result = judged(pytester, url, f"--tokenwire-baseline={expected}")
    result.assert_outcomes(passed=2, xfailed=2)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["XFAIL tokenwire::http.date - *no clock"])

    stale = pytester.path / "stale.toml"
    stale.write_text(ENTRY.format("http.date", "no clock") + ENTRY.format("sse.content-type", "old"))
    result = judged(pytester, url, f"--tokenwire-baseline={stale}")
    result.assert_outcomes(passed=1, xfailed=1, failed=2)
    result.stdout.fnmatch_lines(["sse.no-bom (WARN) is not in the baseline"])
    result.stdout.fnmatch_lines(["sse.content-type is in the baseline, and is not found: take it out"])


def test_what_does_not_apply_is_skipped_with_its_reason(pytester: pytest.Pytester, serve: Serve) -> None:
    result = judged(pytester, serve().url, only=["--tokenwire-only=sse.id-no-nul"])
    result.assert_outcomes(failed=1, skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*NOT-APPLICABLE: *", "FAILED tokenwire::run*nothing was judged*"])


@pytest.mark.parametrize("dist", [[], ["-n2"]])
def test_a_shut_gate_is_one_failure(dist: list[str], pytester: pytest.Pytester, serve: Serve) -> None:
    with background(ReferenceEndpoint().connection) as port:
        pass
    result = judged(pytester, f"http://127.0.0.1:{port}", *dist)
    result.assert_outcomes(failed=1, skipped=3)
    result.stdout.fnmatch_lines(["*refused the connection*"])
    assert outcomes(result) == {"tokenwire::run": "FAILED"}

    result = judged(pytester, serve(key="k-0123456789").url, *dist)
    assert [id_ for id_, outcome in outcomes(result).items() if outcome == "FAILED"] == ["tokenwire::run"]
    result.stdout.fnmatch_lines(["*401*"])


def test_workers_are_told_and_the_endpoint_is_asked_once(pytester: pytest.Pytester, serve: Serve) -> None:
    pytester.makepyfile("def test_own(): pass")
    place = serve(NoDateAndBom)
    alone = judged(pytester, place.url)
    connections, place.connections = place.connections, 0
    shared = judged(pytester, place.url, "-n2")
    assert place.connections == connections > 0
    assert outcomes(alone) == outcomes(shared)
    shared.assert_outcomes(passed=4, failed=1, warnings=1)
    assert judged(pytester, place.url, "-n2", "tokenwire::http.date").parseoutcomes()["failed"] == 1


def test_ids_choose_what_is_asked(pytester: pytest.Pytester, serve: Serve) -> None:
    pytester.makepyfile("def test_own(): pass")
    url = serve().url
    assert outcomes(judged(pytester, url, "tokenwire::sse.no-bom")) == dict.fromkeys(
        ["tokenwire::run", "tokenwire::sse.no-bom"], "PASSED"
    )
    judged(pytester, url, "tokenwire::").assert_outcomes(passed=4)
    judged(pytester, url, "-k", "no-bom").assert_outcomes(passed=1, deselected=4)


@pytest.mark.parametrize("argument", [["--collect-only"], ["-k", "test_own"], ["--deselect", "tokenwire::"]])
def test_nothing_is_asked_where_nothing_would_be_told(
    argument: list[str], pytester: pytest.Pytester, serve: Serve
) -> None:
    pytester.makepyfile("def test_own(): pass")
    place = serve()
    assert judged(pytester, place.url, *argument).ret == 0
    assert place.connections == 0


def test_nothing_is_asked_after_an_error_in_collecting(pytester: pytest.Pytester, serve: Serve) -> None:
    pytester.makepyfile("import no_such_module")
    place = serve()
    judged(pytester, place.url).assert_outcomes(errors=1)
    assert place.connections == 0


def test_an_endpoint_has_a_name(pytester: pytest.Pytester, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGING_KEY", "k-0123456789")
    (pytester.path / "expected.toml").write_text(ENTRY.format("http.date", "no clock"))
    pytester.makepyprojecttoml(f"""
        [tool.tokenwire.endpoints.staging]
        url = "{serve(NoDateAndBom, "k-0123456789").url}"
        key-env = "STAGING_KEY"
        baseline = "expected.toml"
        only = ["http.date", "sse.content-type"]
        skip = ["http.date-on-malformed"]
    """)
    result = judged(pytester, "staging", only=[])
    result.assert_outcomes(passed=2, xfailed=1)


def test_the_key_stands_in_no_output(pytester: pytest.Pytester, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_KEY", KEY)

    class Tells(Seams):
        """Says the key in its answer, in place of `data:`."""

        def blocks(self, call: Call, blocks: list[bytes]) -> list[bytes]:
            return [b"tell: " + (call.header("authorization") or "").encode() + b"\n\n", *blocks]

    result = judged(pytester, serve(Tells, KEY).url, "--tokenwire-key-env=THE_KEY", only=["--tokenwire-only=sse."])
    assert result.parseoutcomes().get("failed", 0) + result.parseoutcomes().get("warnings", 0) > 0
    assert KEY not in result.stdout.str() + result.stderr.str()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--tokenwire-endpoint=nowhere"], "*'nowhere' is no URL*"),
        (["--tokenwire-endpoint=http://127.0.0.1:1", "--tokenwire-dialect=opanai-chat"], "*openai-chat*"),
        (["--tokenwire-endpoint=http://127.0.0.1:1", "--tokenwire-key-env=NOT_SET"], "*NOT_SET*"),
        (["--tokenwire-endpoint=http://127.0.0.1:1", "--tokenwire-baseline=no.toml"], "*no.toml*"),
        (["--tokenwire-endpoint=http://127.0.0.1:1", "tokenwire::http.dat-"], "*did you mean http.date?*"),
        (["--tokenwire-only=http."], "*--tokenwire-only judges nothing by itself: give --tokenwire-endpoint URL too*"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_asked(
    arguments: list[str], words: str, pytester: pytest.Pytester
) -> None:
    result = pytester.runpytest_subprocess(*PLUGINS, *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {words}"])
    assert "Traceback" not in result.stderr.str()


def test_hops_are_judged_by_check(pytester: pytest.Pytester) -> None:
    pytester.makepyprojecttoml("""
        [tool.tokenwire.endpoints.staging]
        url = "http://127.0.0.1:1"
        via = "http://127.0.0.1:2"
        colour = true
    """)
    result = pytester.runpytest_subprocess(*PLUGINS, "--tokenwire-endpoint=staging")
    result.stderr.fnmatch_lines(["ERROR: *no option of check: colour*"])
    project = pytester.path / "pyproject.toml"
    project.write_text(project.read_text().replace("colour = true", ""))
    result = pytester.runpytest_subprocess(*PLUGINS, "--tokenwire-endpoint=staging")
    result.stderr.fnmatch_lines(["ERROR: *'tokenwire check --via'*"])


RESULT = Result("http.date", Level.MUST, Verdict.PASS, "its words", "RFC 9110", "its rule")


@pytest.mark.parametrize(
    ("verdict", "incomplete", "outcome", "of_run"),
    [
        (Verdict.PASS, False, "passed", "passed"),
        (Verdict.INFO, False, "passed", "passed"),
        (Verdict.WARN, False, "warned", "passed"),
        (Verdict.FAIL, False, "failed", "passed"),
        (Verdict.HARNESS_ERROR, False, "failed", "passed"),
        (Verdict.NOT_APPLICABLE, False, "skipped", "failed"),
        (Verdict.INCONCLUSIVE, False, "skipped", "failed"),
        (Verdict.INCONCLUSIVE, True, "skipped", "failed"),
    ],
)
def test_every_verdict_has_an_outcome(verdict: Verdict, incomplete: bool, outcome: str, of_run: str) -> None:
    result = Result("http.date", Level.MUST, verdict, "its words", "RFC 9110", "its rule", incomplete=incomplete)
    told = told_of(Report("here", Run([result])))
    assert told["http.date"].outcome == outcome
    assert "its words" in told["http.date"].words
    assert told["run"].outcome == of_run


def test_a_must_that_is_left_open_fails_the_run() -> None:
    left = Result("http.vary", Level.MUST, Verdict.INCONCLUSIVE, "no answer", "RFC 9110", "a rule", incomplete=True)
    told = told_of(Report("here", Run([RESULT, left])))
    assert told["run"].outcome == "failed"
    assert "http.vary" in told["run"].words


@pytest.mark.parametrize("ended", [ended for ended in Ended if ended is not Ended.WHOLE])
def test_a_run_that_did_not_go_well_fails(ended: Ended) -> None:
    told = told_of(Report("here", Run([RESULT], Course(ended, "what stood in the way"))))
    assert told["run"] == ("failed", "what stood in the way")


def task_of(reports: Callable[[], list[Report]]) -> Task:
    """What is left of a task, once somebody else asks."""
    args, access = SimpleNamespace(arguments=[]), SimpleNamespace(secrets=Secrets() | [KEY])
    return cast(Task, SimpleNamespace(reports=reports, args=args, access=access))


def test_ctrl_c_ends_the_session() -> None:
    report = Report("here", Run([], Course(Ended.INTERRUPTED, "stopped by Ctrl-C")))
    with pytest.raises(KeyboardInterrupt):
        _asked(task_of(lambda: [report]))


def test_what_the_items_say_is_cleaned_once_more() -> None:
    said = Result("http.date", Level.MUST, Verdict.FAIL, f"it says {KEY}", "RFC 9110", "its rule")

    def fail() -> list[Report]:
        raise LocalProtocolError(f"the key is {KEY}")

    for reports in (lambda: [Report("here", Run([said]))], fail):
        told = _asked(task_of(reports))
        assert told
        assert KEY not in str(told)


def test_what_goes_wrong_beside_the_run_is_one_failure(pytester: pytest.Pytester, serve: Serve) -> None:
    (pytester.path / "kept").mkdir()
    (pytester.path / "kept" / "older").touch()
    pytester.makepyprojecttoml(f"""
        [tool.tokenwire.endpoints.staging]
        url = "{serve().url}"
        record-dir = "kept"
    """)
    result = judged(pytester, "staging")
    result.assert_outcomes(failed=1, skipped=3)
    result.stdout.fnmatch_lines(["*kept is not empty*"])


def test_a_run_that_does_not_use_it_imports_nothing_but_the_plugin(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_own(): pass")
    program = (
        "import sys, pytest\n"
        f"code = pytest.main([*{PLUGINS!r}, '--collect-only', '-q'])\n"
        "print(sorted(name for name in sys.modules if name.partition('.')[0].startswith('tokenwire')))\n"
        "sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=240, check=True)
    assert done.stdout.splitlines()[-1] == str(["tokenwire_conformance", PLUGIN])


def test_tokenwire_does_not_need_pytest() -> None:
    program = "import sys; sys.modules['pytest'] = None; import tokenwire, tokenwire.cli, tokenwire_conformance.run"
    subprocess.run([sys.executable, "-c", program], timeout=240, check=True)


def test_the_examples_of_readme_run(pytester: pytest.Pytester) -> None:
    readme = (PROJECT / "README.md").read_text("utf-8")
    [example] = re.findall(r"```python\n(import pytest\n.*?)```", readme, re.DOTALL)
    pytester.makepyfile(example)
    (pytester.path / "hello.wire.jsonl").write_bytes(RECORDING.read_bytes())
    result = pytester.runpytest_subprocess(*PLUGINS, "--strict-markers")
    result.assert_outcomes(passed=3)


def own_test(pytester: pytest.Pytester, *lines: str) -> pytest.RunResult:
    """Runs a test with these lines in it."""
    pytester.makepyfile("\n".join(lines))
    return pytester.runpytest_subprocess(*PLUGINS, "--strict-markers")


def test_the_reference_endpoint_is_gone_after_the_test(pytester: pytest.Pytester) -> None:
    result = own_test(
        pytester,
        "import socket, pytest",
        "places = []",
        "def test_one(tokenwire_endpoint, tokenwire_replay, tokenwire_fault):",
        "    served = tokenwire_endpoint, tokenwire_replay(RECORDING), tokenwire_fault('no-done')".replace(
            "RECORDING", repr(str(RECORDING))
        ),
        "    for each in served:",
        "        places.append(('127.0.0.1', int(each.url.split(':')[2].split('/')[0])))",
        "        socket.create_connection(places[-1]).close()",
        "        assert each.websocket_url == each.url.replace('http:', 'ws:')",
        "    assert served[1].url.endswith('/v1/chat/completions')",
        "def test_two():",
        "    assert len(set(places)) == 3",
        "    for place in places:",
        "        with pytest.raises(OSError):",
        "            socket.create_connection(place)",
    )
    result.assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (
            ["def test_it(tokenwire_fault):", "    tokenwire_fault('no-dne')"],
            "*there is no fault 'no-dne'. Do you mean 'no-done'? 'tokenwire check --explain ID' names the faults*",
        ),
        (
            ["def test_it(tokenwire_fault):", "    tokenwire_fault('?')"],
            "*there is no fault '?'. 'tokenwire check --explain ID' names the faults*",
        ),
        (["def test_it(tokenwire_replay):", "    tokenwire_replay('none.wire.jsonl')"], "*none.wire.jsonl*"),
        (
            [
                "import pytest",
                "@pytest.mark.tokenwire_endpoint(kay='k')",
                "def test_it(tokenwire_endpoint): pass",
            ],
            "*the marker tokenwire_endpoint takes key, pace and keepalive, and no others*'kay'*",
        ),
    ],
)
def test_what_the_fixtures_cannot_serve_is_said(lines: list[str], words: str, pytester: pytest.Pytester) -> None:
    result = own_test(pytester, *lines)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([f"E {words}"])


def test_the_marker_and_the_arguments_of_a_fault_say_how_it_is_served(pytester: pytest.Pytester) -> None:
    result = own_test(
        pytester,
        "import pytest, tokenwire",
        "def refused(served):",
        "    with pytest.raises(tokenwire.StatusError):",
        "        body = {'model': served.model, 'messages': []}",
        "        tokenwire.stream(served.url, json=body, policy='never').__enter__()",
        "@pytest.mark.tokenwire_endpoint(key='secret')",
        "def test_reference(tokenwire_endpoint):",
        "    assert tokenwire_endpoint.key == 'secret'",
        "    refused(tokenwire_endpoint)",
        "def test_fault(tokenwire_fault):",
        "    refused(tokenwire_fault('no-done', key='secret'))",
        "def test_every_fault_can_be_served(tokenwire_fault):",
        "    from tokenwire_conformance.faults import all_faults",
        "    assert len({tokenwire_fault(fault).url for fault in list(all_faults())[::20]}) > 9",
    )
    result.assert_outcomes(passed=3)


@pytest.mark.parametrize("written", ['{"stream": true}', '{"stream":true}', '{"n": 1, "stream" :\ttrue}'])
def test_a_fault_shows_to_whoever_asks_for_a_stream(written: str) -> None:
    assert is_streamed_chat(Call("POST", "/v1/chat/completions", {}, [], written.encode()))


@pytest.mark.parametrize("written", ['{"stream": false}', '{"stream":false,"n":true}', "{}"])
def test_a_fault_of_streams_does_not_show_in_a_whole_answer(written: str) -> None:
    assert not is_streamed_chat(Call("POST", "/v1/chat/completions", {}, [], written.encode()))

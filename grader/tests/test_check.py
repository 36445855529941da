"""check.py: verdicts come from the suite's log; whatever is odd about it is never the student's zero."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import pytest

from grader import check
from grader.check import Job
from grader.course import Lab, Limits, Test
from grader.process import Outcome
from grader.score import Verdict
from grader.tests.helpers import make_lab, make_test

LOG = """<?xml version="1.0"?>
<testsuites xmlns="http://check.sourceforge.net/ns"><suite><title>pool</title>
<test result="{result}"><path>.</path><fn>x.c:1</fn><id>values</id><iteration>0</iteration>
<duration>0.1</duration><description>values</description><message>{message}</message></test>
</suite></testsuites>"""


def read(result: str, message: str, status: int = 0) -> Verdict:
    return check.read_log(
        LOG.format(result=result, message=message).encode(),
        "values",
        Outcome(status, 1.0, False, "stderr"),
    )


def test_a_pass() -> None:
    assert read("success", "Passed") == Verdict("pass", None, "", 1.0)


def test_a_failure_with_its_cause_and_all_its_lines() -> None:
    found = read("failure", "[wrong_value] out[3] is 1\nexpected 2", 1)
    assert found == Verdict("fail", "wrong_value", "out[3] is 1\nexpected 2", 1.0)


@pytest.mark.parametrize(
    ("result", "message", "status"),
    [
        ("success", "Passed", 1),  # the log and the exit status disagree
        ("failure", "no cause", 1),
        ("failure", "[nonsense] x", 1),
        ("error", "(after this point) Received signal 11", 1),
        ("error", "[wrong_value] x", 1),
    ],
)
def test_what_the_suite_cannot_say_is_the_environments(
    result: str, message: str, status: int
) -> None:
    found = read(result, message, status)
    assert (found.status, found.cause) == ("fail", "environment")
    assert "stderr" in found.message


def test_hostile_characters_in_a_message_do_not_spoil_the_log() -> None:
    found = read("failure", "[exit] a\x01b&#x1;c&#0;d\ufffee &lt;test&gt;&#xA;next", 1)
    assert found.cause == "exit"
    assert found.message.startswith("a?b?c?d") and found.message.endswith("<test>\nnext")


def test_bytes_that_are_not_utf8_do_not_spoil_the_log() -> None:
    content = LOG.format(result="failure", message="[exit] @").encode().replace(b"@", b"\xff\xfe")
    assert check.read_log(content, "values", Outcome(1, 1.0, False, "")).cause == "exit"


@pytest.mark.parametrize(
    "content", ["", "<testsuites>", LOG.format(result="success", message="").replace("values", "x")]
)
def test_a_log_without_the_test_is_the_environments(content: str) -> None:
    assert (
        check.read_log(content.encode(), "values", Outcome(0, 1.0, False, "")).cause
        == "environment"
    )


# ---- with a suite that is a shell script ----


def make_job(folder: Path, script: str, lab: Lab) -> Job:
    suite = folder / "suite"
    suite.write_text(f"#!/bin/sh\n{script}\n")
    suite.chmod(suite.stat().st_mode | stat.S_IXUSR)
    (folder / "work").mkdir()
    (folder / "logs").mkdir()
    return Job(
        lab=lab,
        suite=suite,
        programs=folder,
        programs_inside="/lab",
        reaper="/lab-reaper",
        launch=folder / "launch",
        work=folder / "work",
        logs=folder / "logs",
        submission=folder,
        uid=60001,
        seed=42,
        env={"PATH": "/usr/bin:/bin"},
    )


def log_of(result: str, message: str) -> str:
    return f"cat >$CK_XML_LOG_FILE_NAME <<END\n{LOG.format(result=result, message=message)}\nEND"


def test_a_test_that_needs_a_failed_one_is_not_run(tmp_path: Path) -> None:
    lab = make_lab()
    job = make_job(
        tmp_path, f"echo $CK_RUN_CASE >>ran\n{log_of('failure', '[exit] no')}\nexit 1", lab
    )
    verdicts = check.check(job, lab.tests)
    assert [(verdict.status, verdict.cause) for verdict in verdicts] == [
        ("fail", "exit"),
        ("skipped", None),
    ]
    assert "values" in verdicts[1].message
    assert (tmp_path / "work/ran").read_text() == "values\n"


def test_the_suite_is_told_what_it_needs_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CK_FORK", "no")
    lab = make_lab(tests=(make_test("values"),))
    job = make_job(tmp_path, f"env >told\n{log_of('success', 'Passed')}", lab)
    assert check.check(job, lab.tests)[0].status == "pass"
    told = dict(line.split("=", 1) for line in (tmp_path / "work/told").read_text().splitlines())
    assert (
        told["LAB_SEED"] == "42"
        and told["LAB_UID"] == "60001"
        and told["LAB_REAPER"] == "/lab-reaper"
    )
    assert told["LAB_PROGRAMS_INSIDE"] == "/lab" and told["CK_RUN_CASE"] == "values"
    assert "CK_FORK" not in told and "USER" not in told


@pytest.mark.parametrize("script", ["echo broken >&2; exit 3", "kill -9 $$"])
def test_a_suite_that_breaks_is_the_environments(tmp_path: Path, script: str) -> None:
    lab = make_lab(tests=(make_test("values"),))
    found = check.check(make_job(tmp_path, script, lab), lab.tests)[0]
    assert found.cause == "environment"
    assert "left no log" in found.message


def test_a_suite_that_hangs_is_ended_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "SUITE_GRACE", 0.3)
    lab = make_lab(tests=(make_test("values"),), limits=Limits(seconds=0.1))
    job = make_job(tmp_path, "sleep 60 & echo $! >pid; wait", lab)
    found = check.check(job, lab.tests)[0]
    assert found.cause == "environment" and "did not end" in found.message
    pid = (tmp_path / "work/pid").read_text().strip()
    end = (
        time.monotonic() + 10
    )  # a process that was killed may still have to wait for a core to end on
    while is_running(pid) and time.monotonic() < end:
        time.sleep(0.01)
    assert not is_running(pid)


def is_running(pid: str) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def test_a_second_look_is_taken_before_other_tests_depend_on_it(tmp_path: Path) -> None:
    lab = make_lab()
    job = make_job(tmp_path, "exit 3", lab)
    seen: list[str] = []

    def look(test: Test, first: Verdict) -> Verdict:
        seen.append(test.name)
        assert first.cause == "environment"
        return Verdict("fail", "resource", "it is to blame")

    verdicts = check.check(job, lab.tests, second_look=look)
    assert seen == ["values"]
    assert [verdict.cause for verdict in verdicts] == ["resource", None]

"""Check: runs a lab's suite, once for each test, and reads the verdict from Check's XML log.

The suite is ours and runs outside the sandbox; it starts the student's program through the words
in LAB_LAUNCH, which put the program inside. So nothing of the student's shares a process, or a
folder other than the test's own, with what gives the verdict.
"""

from __future__ import annotations

import re
import shutil
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from grader import process, turns
from grader.course import Lab, Test
from grader.score import CAUSES, Verdict, skipped, waits_for

SUITE_GRACE = 30.0  # seconds that a suite may take beyond the limit of the test
ROOM = 32 << 20  # bytes on the disk; with less, a test that fails may have failed of that
NAMESPACE = "{http://check.sourceforge.net/ns}"
CAUSE = re.compile(r"\[([a-z_]+)\] ")
NOT_XML = re.compile(
    "[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|&#(?!x[9AD];)[^;]{1,10};"
)


@dataclass(frozen=True)
class Job:
    """One built submission, ready to be tested."""

    lab: Lab
    suite: Path
    programs: Path  # <flavour>/<program>, as the suite sees it
    programs_inside: str  # the same folder as the program sees it
    reaper: str  # as seen inside
    launch: Path | None  # the sandbox's words; None: no sandbox
    work: Path  # the suite makes a folder per test here
    logs: Path
    submission: Path
    uid: int | None
    seed: int
    env: dict[str, str]  # PATH, HOME, ... of the suite


def check(
    job: Job,
    tests: Sequence[Test],
    stop: Event | None = None,
    done: Callable[[Test, Verdict], None] | None = None,
    second_look: Callable[[Test, Verdict], Verdict] | None = None,
) -> tuple[Verdict, ...]:
    """One verdict for each of tests, in order. A test that needs a failed one is not run.

    second_look is asked about a test that could not be judged, before any other test depends on it.
    """
    verdicts: dict[str, Verdict] = {}
    for test in tests:
        needed = waits_for(test, verdicts)
        found = skipped(needed) if needed else run_test(job, test, stop)
        if found.cause == "environment" and second_look is not None:
            found = second_look(test, found)
        verdicts[test.name] = found
        if done is not None:
            done(test, found)
    return tuple(verdicts.values())


def run_test(job: Job, test: Test, stop: Event | None) -> Verdict:
    with turns.shared():
        return run_suite(job, test, stop)


def run_suite(job: Job, test: Test, stop: Event | None) -> Verdict:
    log = job.logs / f"{test.name}.xml"
    if shutil.disk_usage(job.work).free < ROOM:
        return Verdict(
            "fail", "environment", f"no room for a test on the disk that holds {job.work}"
        )
    limit = job.lab.limits.seconds + SUITE_GRACE
    words = [
        "setpriv",
        "--pdeathsig",
        "KILL",
        str(job.suite),
    ]  # it ends with the grader, whatever ends that
    outcome = process.run(
        words, seconds=limit, env=environment(job, test, log), cwd=job.work, stop=stop
    )
    if outcome.flooded:
        return broken("the suite wrote without end", outcome)
    if outcome.timed_out:
        return broken(f"the suite did not end within {limit:g} s", outcome)
    try:
        found = read_log(log.read_bytes(), test.name, outcome)
    except FileNotFoundError:
        return broken(f"the suite left no log and ended with status {outcome.status}", outcome)
    if found.status != "pass" and shutil.disk_usage(job.work).free < ROOM:
        return broken(f"the disk that holds {job.work} got full: {found.message}", outcome)
    return found


def record_of(job: Job, test: Test) -> Path:
    """Where the suite keeps all that the program wrote in this test, for staff."""
    return job.logs / f"{test.name}.record"


def environment(job: Job, test: Test, log: Path) -> dict[str, str]:
    """What the suite is told. Nothing of the caller's environment, which may hold CK_FORK and the like."""
    limits = job.lab.limits
    env = {
        **job.env,
        "CK_RUN_CASE": test.name,
        "CK_XML_LOG_FILE_NAME": str(log),
        "LAB_PROGRAMS": str(job.programs),
        "LAB_PROGRAMS_INSIDE": job.programs_inside,
        "LAB_REAPER": job.reaper,
        "LAB_WORK": str(job.work),
        "LAB_SUBMISSION": str(job.submission),
        "LAB_SEED": str(job.seed),
        "LAB_RECORD": str(record_of(job, test)),
        "LAB_MEMORY_MB": str(limits.memory_mb),
        "LAB_PROCESSES": str(limits.processes),
        "LAB_FILE_MB": str(limits.file_mb),
        "LAB_DISK_MB": str(limits.disk_mb),
    }
    if job.launch is not None:
        env["LAB_LAUNCH"] = str(job.launch)
    if job.uid is not None:
        env["LAB_UID"] = str(job.uid)
    return env


def broken(what: str, outcome: process.Outcome) -> Verdict:
    """The suite itself went wrong: that is never the student's zero."""
    output = outcome.output.strip()
    return Verdict("fail", "environment", f"{what}\n{output}" if output else what, outcome.seconds)


# ---- the XML log ----


def read_log(content: bytes, name: str, outcome: process.Outcome) -> Verdict:
    """The verdict on the test called name. Its message quotes hostile output, so it is cleaned first."""
    clean = NOT_XML.sub("?", content.decode("utf-8", "replace"))
    try:
        root = ElementTree.fromstring(clean)
    except ElementTree.ParseError as error:
        return broken(f"the suite's log cannot be read: {error}", outcome)
    found = [test for test in root.iter(f"{NAMESPACE}test") if field(test, "id") == name]
    if len(found) != 1:
        return broken(
            f"the suite's log tells of {len(found)} tests called {name}, not of one", outcome
        )
    return verdict(found[0].get("result", ""), field(found[0], "message"), outcome)


def field(test: ElementTree.Element, name: str) -> str:
    return test.findtext(f"{NAMESPACE}{name}", "")


def verdict(result: str, message: str, outcome: process.Outcome) -> Verdict:
    if result == "success" and outcome.status == 0:
        return Verdict("pass", None, "", outcome.seconds)
    cause = CAUSE.match(message)
    if result == "failure" and cause and cause[1] in CAUSES:
        return Verdict("fail", cause[1], message[cause.end() :].strip(), outcome.seconds)
    return broken(f"the suite says {result or 'nothing'}: {message}", outcome)

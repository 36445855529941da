"""One submission's way: build, screen, check, measure, score. Intake comes before, report after."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from grader import build, intake, sandbox, screen
from grader.build import Built, Given, Place
from grader.check import Job, check, record_of, run_test
from grader.course import Measure, Test
from grader.folders import Folders, make_folders, remove_tree
from grader.intake import Submission
from grader.measure import Bench, measure
from grader.sandbox import Bind, Sandbox
from grader.score import (
    NOT_ASKED,
    Marking,
    Result,
    Verdict,
    all_failed,
    graded,
    none_run,
    skipped,
    waits_for,
)

PROGRAMS, REAPER, CACHE = "/lab", "/lab-reaper", "/cache"  # as a student's program sees them

LONGEST = 4000  # characters of a message
MOST_RECORDED = 2 << 20  # bytes of one test's output that are kept for staff

Progress = Callable[[Test, Verdict], None]


@dataclass(frozen=True)
class Machine:
    """What all jobs of a grading share."""

    sandbox: Sandbox
    env: Mapping[str, str]  # of our own tools and suites
    stop: Event


@dataclass(frozen=True)
class Graded:
    """A result, and what only staff should read."""

    result: Result
    staff_log: str
    record: bytes = b""  # all that the program wrote in the tests that failed


@dataclass(frozen=True)
class Failure:
    """Why a submission was built or screened in vain."""

    cause: str
    message: str


def grade_submission(
    machine: Machine,
    submission: Submission,
    given: Given,
    marking: Marking,
    folder: Path,
    uid: int | None,
    only: tuple[Test, ...] = (),
    done: Progress | None = None,
    speed: bool = False,
) -> Graded:
    """Grades one submission in folder (which the caller removes); speed: measure it, too."""
    if submission.refused:
        return Graded(
            none_run(submission, marking, "ungradable", submission.refused), submission.refused
        )
    if submission.missing:
        return Graded(none_run(submission, marking, "missing", submission.missing), "")
    began = time.monotonic()
    record = b""
    folders = make_folders(folder, uid)
    built, failure = build_and_screen(machine, submission, given, folders, uid)
    if failure is not None:
        verdicts = all_failed(submission.lab, failure.cause, shortened(failure.message))
    else:
        job = job_for(machine, submission, given, marking.seed, folders, uid)
        doubt = SecondLook(machine, submission, given, marking.seed, folders, uid, job)
        tests = only or submission.lab.tests
        suite = [test for test in tests if test.measure is None]
        verdicts = check(job, suite, machine.stop, done, doubt)
        verdicts = measured(doubt, tests, dict(zip((t.name for t in suite), verdicts)), done, speed)
        record = record_of_failed(job, tests, verdicts)
    seconds = time.monotonic() - began
    if only:
        verdicts = spread(submission, only, verdicts)
    flags = flags_of(submission, verdicts) if failure is None else flags_of_failure(failure)
    result = graded(
        submission, marking, verdicts, seconds, flags, built.log, build_ok=failure is None
    )
    return Graded(result, staff_log(verdicts, built), record)


def spread(
    submission: Submission, only: tuple[Test, ...], verdicts: tuple[Verdict, ...]
) -> tuple[Verdict, ...]:
    """A verdict for every test of the lab, where only some were asked for."""
    if len(verdicts) == len(submission.lab.tests):
        return verdicts
    ran = dict(zip((test.name for test in only), verdicts, strict=True))
    return tuple(
        ran.get(test.name, Verdict("skipped", None, "not asked for"))
        for test in submission.lab.tests
    )


# ---- build and screen ----


def build_and_screen(
    machine: Machine, submission: Submission, given: Given, folders: Folders, uid: int | None
) -> tuple[Built, Failure | None]:
    """Compiles, examines the objects, and links; the second value says why that was in vain."""
    place = Place(machine.sandbox, uid, submission.folder, folders.out)
    compiled = build.compile_objects(given, place, machine.stop)
    if not compiled.ok:
        return compiled, failure_of(machine, given, place, compiled)
    findings = screen_all(machine, given, place)
    if findings:
        findings.sort(key=lambda finding: ("tamper", "link", "method").index(finding.cause))
        text = "\n".join(dict.fromkeys(finding.message for finding in findings))
        return compiled, Failure(findings[0].cause, text)
    linked = build.link_programs(given, place, machine.stop)
    log = "\n".join(filter(None, (compiled.log, linked.log)))
    failure = None if linked.ok else failure_of(machine, given, place, linked)
    return Built(linked.ok, linked.cause, linked.message, log), failure


def failure_of(machine: Machine, given: Given, place: Place, built: Built) -> Failure:
    """Why a build failed. In doubt the skeleton is built: if that goes well, the submission is to blame."""
    if built.cause not in ("environment", "resource"):
        return Failure(built.cause, built.message)
    for rest in place.out.iterdir():
        remove_tree(rest)  # the skeleton gets the room that the submission had
    folder = place.out.parent / "control-build"
    folder.mkdir()
    sandbox.give(folder, place.uid)
    skeleton = Place(place.sandbox, place.uid, given.skeleton, folder)
    good = (
        build.compile_objects(given, skeleton, machine.stop).ok
        and build.link_programs(given, skeleton, machine.stop).ok
    )
    if not good:
        return Failure("environment", built.message)
    return Failure("resource" if built.cause == "resource" else "compile", built.message)


def shortened(message: str, longest: int = LONGEST) -> str:
    """A message that is told for every test, and may quote what the submission made up."""
    return message if len(message) <= longest else message[:longest] + " ..."


def screen_all(machine: Machine, given: Given, place: Place) -> list[screen.Finding]:
    lab = given.lab
    tools = screen.Tools(
        disassemble=lambda file: build.disassemble(given, place, file, machine.stop),
        line_of=lambda file, section, at: build.line_of(
            given, place, file, section, at, machine.stop
        ),
    )
    sources = [name for name in lab.submit if name.endswith(".c")]
    findings: list[screen.Finding] = []
    for name in (name for name in lab.submit if name not in sources):  # a .c can include it
        findings += screen.checks_taken_away(name, read_text(place.submission / name))
    for flavour in lab.flavours:
        objects = [place.out / flavour / (name[:-2] + ".o") for name in sources]
        for name, file in zip(sources, objects):
            findings += screen.screen(lab, place.submission / name, flavour, file, tools)
        findings += screen.missing_exports(lab, objects)
    return list(dict.fromkeys(findings))


def read_text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")


# ---- check ----


def job_for(
    machine: Machine,
    submission: Submission,
    given: Given,
    seed: int,
    folders: Folders,
    uid: int | None,
) -> Job:
    boxed = machine.sandbox.kind == "bwrap"
    launch = write_launch(machine.sandbox, given, folders, uid) if boxed else None
    return Job(
        lab=submission.lab,
        suite=given.suite,
        programs=folders.out,
        programs_inside=PROGRAMS if boxed else str(folders.out),
        reaper=REAPER if boxed else str(given.reaper),
        launch=launch,
        work=folders.work,
        logs=folders.logs,
        submission=submission.folder,
        uid=uid,
        seed=seed,
        env={**machine.env, "POCL_CACHE_DIR": str(folders.cache)},
    )


def write_launch(box: Sandbox, given: Given, folders: Folders, uid: int | None) -> Path:
    """The sandbox's words for the suite, one a line.

    PoCL's cache outlives a test, and so could tell a program which tests there were: only
    OpenCL's programs have it."""
    binds = [
        Bind(str(folders.out), PROGRAMS),
        Bind(str(given.reaper), REAPER),
        Bind(sandbox.WORK, "/work", writable=True),
    ]
    env: dict[str, str] = {}
    if given.lab.runtime == "opencl":
        binds.append(Bind(str(folders.cache), CACHE, writable=True))
        env["POCL_CACHE_DIR"] = CACHE
    words = sandbox.wrap(box, uid, binds, "/work", env)
    file = folders.top / "launch"
    file.write_bytes(b"".join(os.fsencode(word) + b"\n" for word in words))
    return file


# ---- measure ----


def measured(
    context: SecondLook,
    tests: tuple[Test, ...],
    verdicts: dict[str, Verdict],
    done: Progress | None,
    wanted: bool,
) -> tuple[Verdict, ...]:
    """Adds the verdicts of the tests of speed, and puts all in the rubric's order."""
    for test in tests:
        if test.measure is None:
            continue
        needed = waits_for(test, verdicts)
        if not wanted:
            verdicts[test.name] = Verdict("unmeasured", None, NOT_ASKED)
        elif needed:
            verdicts[test.name] = skipped(needed)
        else:
            verdicts[test.name] = measure_one(context, test, test.measure)
        if done is not None:
            done(test, verdicts[test.name])
    return tuple(verdicts[test.name] for test in tests)


def measure_one(context: SecondLook, test: Test, plan: Measure) -> Verdict:
    reference = context.solution_job(test)
    if reference is None:
        return Verdict("unmeasured", None, "not measured: the reference solution is not there")
    return measure(Bench(test, plan, context.job, reference))


# ---- in doubt ----


@dataclass(frozen=True)
class SecondLook:
    """Who is to blame when a test could not be judged? Runs it again, beside the solution.

    If only the submission fails, it caused that; if both do, it is the machine."""

    machine: Machine
    submission: Submission
    given: Given
    seed: int
    folders: Folders
    uid: int | None
    job: Job

    def __call__(self, test: Test, first: Verdict) -> Verdict:
        again = run_test(self.job, test, self.machine.stop)
        if again.cause != "environment":
            return again
        return blamed(first) if self.solution_passes(test) else first

    def solution_passes(self, test: Test) -> bool:
        remove_tree(self.job.work / test.name)  # it gets the room that the submission had
        job = self.solution_job(test)
        return job is not None and run_test(job, test, self.machine.stop).status == "pass"

    def solution_job(self, test: Test) -> Job | None:
        """The reference solution, built for one test like a submission; None if it is not there."""
        lab = self.submission.lab
        solution = intake.take_one(
            lab,
            lab.folder.parent.parent / "solutions" / lab.name,
            self.folders.top / "solution" / test.name,
        )
        if solution.missing or solution.refused:
            return None
        folders = make_folders(self.folders.top / "control" / test.name, self.uid)
        if build_and_screen(self.machine, solution, self.given, folders, self.uid)[1] is not None:
            return None
        return job_for(self.machine, solution, self.given, self.seed, folders, self.uid)


def blamed(verdict: Verdict) -> Verdict:
    """The submission made the test impossible to judge."""
    words = (
        "The test could not be brought to an end with your code, while it ends with the solution:"
    )
    return Verdict("fail", "resource", f"{words}\n{verdict.message}", verdict.seconds)


# ---- for staff ----


def flags_of(submission: Submission, verdicts: tuple[Verdict, ...]) -> tuple[str, ...]:
    """What a person may want to look at."""
    found: dict[str, list[str]] = {}
    for test, verdict in zip(submission.lab.tests, verdicts, strict=True):
        if verdict.cause in ("resource", "tamper"):
            found.setdefault(verdict.cause, []).append(test.name)
    return tuple(f"{cause}: {', '.join(names)}" for cause, names in found.items())


def flags_of_failure(failure: Failure) -> tuple[str, ...]:
    first = shortened(failure.message.splitlines()[0], 500)
    return (
        (f"{failure.cause}, not run: {first}",)
        if failure.cause in ("resource", "tamper", "method")
        else ()
    )


def record_of_failed(job: Job, tests: tuple[Test, ...], verdicts: tuple[Verdict, ...]) -> bytes:
    """What the program wrote in the tests that failed, up to a bound: a person may want to read it."""
    parts: list[bytes] = []
    for test, verdict in zip(tests, verdicts, strict=True):
        file = record_of(job, test)
        if verdict.status == "fail" and file.exists():
            with file.open("rb") as record:
                content = record.read(MOST_RECORDED)
            cut = b"\n[... cut ...]" if len(content) == MOST_RECORDED else b""
            parts.append(b"== %s\n%s%s\n" % (test.name.encode(), content, cut))
    return b"\n".join(parts)


def staff_log(verdicts: tuple[Verdict, ...], built: Built) -> str:
    troubles = [verdict.message for verdict in verdicts if verdict.cause == "environment"]
    return "\n\n".join([*dict.fromkeys(troubles), built.log]) if troubles else ""

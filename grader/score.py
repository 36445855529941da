"""Score: turns what was found out about a submission into points and the result that is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from grader.course import Lab, Test, whole
from grader.intake import Submission

SCHEMA = 1
CAUSES = (
    "compile",
    "link",
    "timeout",
    "deadlock",
    "signal",
    "exit",
    "wrong_value",
    "race",
    "memory",
    "leak",
    "hygiene",
    "method",
    "slow",
    "resource",
    "tamper",
    "environment",
)


@dataclass(frozen=True)
class Verdict:
    """What became of one test."""

    status: str  # pass, fail, skipped; unmeasured: a test of speed whose points do not count
    cause: str | None = None
    message: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class TestResult:
    name: str
    points: float
    max_points: float
    status: str
    cause: str | None
    message: str
    hint: str
    reproduce: str
    seconds: float


@dataclass(frozen=True)
class Result:
    """All that is known about one submission; report.py writes it."""

    student: str
    lab: str
    score: float | None
    max_score: float
    status: str  # graded, ungradable, missing
    submission_sha256: str
    lab_sha256: str
    seed: int
    seconds: float
    flags: tuple[str, ...]
    build_ok: bool
    build_log: str
    tests: tuple[TestResult, ...]


@dataclass(frozen=True)
class Marking:
    """What the results of one run have in common."""

    lab_sha256: str
    seed: int
    reproduce: Callable[[str], str]  # a test's name -> the command that runs it again


# ---- from verdicts to a result ----


def graded(
    submission: Submission,
    marking: Marking,
    verdicts: Sequence[Verdict],
    seconds: float,
    flags: Sequence[str],
    build_log: str,
    build_ok: bool = True,
) -> Result:
    """The result of a submission whose tests have verdicts, in the rubric's order."""
    lab = submission.lab
    tests = tuple(
        test_result(test, verdict, marking, build_ok)
        for test, verdict in zip(lab.tests, verdicts, strict=True)
    )
    ungradable = any(verdict.cause == "environment" for verdict in verdicts)
    return Result(
        student=submission.student,
        lab=lab.name,
        score=None if ungradable else whole(sum(test.points for test in tests)),
        max_score=whole(sum(test.max_points for test in tests)) if build_ok else lab.max_score,
        status="ungradable" if ungradable else "graded",
        submission_sha256=submission.sha256,
        lab_sha256=marking.lab_sha256,
        seed=marking.seed,
        seconds=round(seconds, 3),
        flags=(*submission.flags, *flags),
        build_ok=build_ok,
        build_log=build_log,
        tests=tests,
    )


def test_result(test: Test, verdict: Verdict, marking: Marking, build_ok: bool) -> TestResult:
    passed = verdict.status == "pass"
    return TestResult(
        name=test.name,
        points=test.points if passed else 0,
        max_points=0 if verdict.status == "unmeasured" else test.points,
        status="skipped" if verdict.status == "unmeasured" else verdict.status,
        cause=verdict.cause,
        message=verdict.message,
        hint=test.hints[0]
        if build_ok and verdict.status == "fail" and verdict.cause != "environment"
        else "",
        reproduce=marking.reproduce(test.name),
        seconds=round(verdict.seconds, 3),
    )


def all_failed(lab: Lab, cause: str, message: str) -> tuple[Verdict, ...]:
    """Every test fails for one reason: the submission was not built, or may not run."""
    return tuple(Verdict("fail", cause, message) for _ in lab.tests)


def none_run(submission: Submission, marking: Marking, status: str, why: str) -> Result:
    """The result of a submission none of whose tests was run: missing, or ungradable."""
    lab = submission.lab
    tests = tuple(
        test_result(test, Verdict("skipped", None, why), marking, False) for test in lab.tests
    )
    return Result(
        student=submission.student,
        lab=lab.name,
        score=0 if status == "missing" else None,
        max_score=lab.max_score,
        status=status,
        submission_sha256=submission.sha256,
        lab_sha256=marking.lab_sha256,
        seed=marking.seed,
        seconds=0.0,
        flags=submission.flags,
        build_ok=False,
        build_log=why,
        tests=tests,
    )


# ---- speed: points that count only where they were asked for and could be measured ----

NOT_ASKED = "not measured: it was not asked for (--speed; SPEED=yes for make)"


def lacks_speed(result: Result) -> bool:
    """Was a test of speed left out of this result because nobody asked for it?"""
    return any(test.message == NOT_ASKED for test in result.tests)


def mark(result: Result, lab: Lab) -> float | None:
    """The score out of all points of the lab: a test that was not measured weighs neither way."""
    if result.score is None or not result.max_score:
        return result.score
    return whole(round(result.score * lab.max_score / result.max_score, 2))


def total(results: Sequence[Result | None], labs: Sequence[Lab]) -> float | None:
    """The sum of a student's marks; None while one is open. results[i] is of labs[i], None: not asked for."""
    marks = [mark(result, lab) for result, lab in zip(results, labs) if result is not None]
    if None in marks:
        return None
    return whole(round(sum(found for found in marks if found is not None), 2))


def with_earlier_speed(result: Result, earlier: Result | None, lab: Lab) -> Result:
    """The result of a regrade with the points for speed that the same files had earned before: what
    was fast enough once is fast enough, and a noisier hour takes nothing away."""
    if earlier is None or earlier.submission_sha256 != result.submission_sha256:
        return result
    timed = {test.name: test for test in lab.tests if test.measure is not None}
    passed = {test.name: test for test in earlier.tests if test.status == "pass"}
    tests = tuple(
        kept_speed(test, passed[test.name], timed[test.name])
        if test.name in timed and test.name in passed and is_about_time(test)
        else test
        for test in result.tests
    )
    if result.score is None or tests == result.tests:
        return result
    return replace(
        result,
        tests=tests,
        score=whole(sum(test.points for test in tests)),
        max_score=whole(sum(test.max_points for test in tests)),
    )


def is_about_time(test: TestResult) -> bool:
    """Was it lost, or left out, only for what the clock said?"""
    return test.cause == "slow" or (test.status == "skipped" and test.max_points == 0)


def kept_speed(now: TestResult, then: TestResult, test: Test) -> TestResult:
    said = "kept from an earlier grading of the same files: "
    message = said + then.message.removeprefix(said)
    return replace(
        now,
        points=test.points,
        max_points=test.points,
        status="pass",
        cause=None,
        message=message,
        hint="",
    )


# ---- which tests wait for which ----


def waits_for(test: Test, verdicts: Mapping[str, Verdict]) -> str | None:
    """The first test that this one needs and that ran without passing; None if it can run."""
    return next(
        (need for need in test.needs if need in verdicts and verdicts[need].status != "pass"), None
    )


def skipped(needed: str) -> Verdict:
    return Verdict("skipped", None, f"not run: it counts only when {needed} passes")

"""Check one submission and show the result in the terminal: what `make check` calls."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event

from rich.console import Console

from grader import intake, report, terminal
from grader.build import build_given
from grader.course import Course, CourseError, Lab, Test, lab_sha256
from grader.pipeline import Graded, Machine, grade_submission
from grader.sandbox import NoSandbox, Sandbox, claimed_uids, probe
from grader.score import Marking
from grader.workplace import build_folder, locked, make_machine, temporary_folder


@dataclass(frozen=True)
class Order:
    """What was asked for."""

    lab: Lab
    place: Path
    test: str  # one test and what it needs; "" for all
    seed: int
    sandbox: str  # auto or limits
    json: bool
    speed: bool = False  # measure it, too


def check_one(course: Course, order: Order, console: Console) -> int:
    """Returns the exit status: 0 when the submission was graded, whatever its marks; else 1."""
    graded = run_alone(course, order, console, show=not order.json)
    if order.json:
        sys.stdout.write(report.to_json(graded.result))
    else:
        work = kept_work(course, order.lab)
        kept = os.path.relpath(work) if graded.result.build_ok and work.is_dir() else ""
        terminal.submission_report(console, order.lab, graded.result, order.test, kept)
        if graded.staff_log:
            terminal.say(console, graded.staff_log, "dim")
    return 1 if graded.result.status == "ungradable" else 0


def run_alone(course: Course, order: Order, console: Console, show: bool) -> Graded:
    """Checks one submission in a workplace of its own; show: a line for each test as it ends."""
    with temporary_folder() as folder:
        machine = boxed(make_machine("bwrap", folder, Event()), order.sandbox)
        graded = run(course, order, machine, folder, console if show else None)
        keep_work(folder / "job" / "work", kept_work(course, order.lab))
    if not order.test and order.place.resolve() == order.lab.folder.resolve():
        keep_result(course, order.lab, graded)
    return graded


def kept_work(course: Course, lab: Lab) -> Path:
    """Where the tests' inputs and outputs are kept after a check."""
    return course.root / "build" / lab.name / "work"


def last_file(course: Course, lab: Lab) -> Path:
    """Where the result of the last full check of the files in the lab's own folder lies."""
    return course.root / "build" / lab.name / "last.json"


def keep_result(course: Course, lab: Lab, graded: Graded) -> None:
    try:
        report.write_whole(
            last_file(course, lab),
            report.to_json(graded.result).encode("utf-8", "backslashreplace"),
        )
    except OSError:
        pass  # a course that is read-only for its reader: hint and progress then check again


def sha256_now(lab: Lab, place: Path) -> str:
    """The hash of the files as they are now, as in a result; "" if they cannot be taken."""
    with tempfile.TemporaryDirectory() as folder:
        return intake.take_one(lab, place, Path(folder) / "submission").sha256


def boxed(machine: Machine, wanted: str) -> Machine:
    """The machine with the sandbox, or without it where there is none, which is said in one line."""
    if wanted == "auto":
        try:
            probe(machine.sandbox)
            return machine
        except NoSandbox as error:
            print(f"no sandbox, your program runs as you: {error}", file=sys.stderr)
    return Machine(Sandbox("limits", machine.sandbox.etc), machine.env, machine.stop)


def run(
    course: Course, order: Order, machine: Machine, folder: Path, console: Console | None
) -> Graded:
    build = build_folder(course.root, folder)
    with locked(build / ".lock"):
        given = build_given(course, order.lab, build, folder / "given", machine.env)
    submission = intake.take_one(order.lab, order.place, folder / "submission")
    marking = Marking(lab_sha256(course.root, order.lab), order.seed, again(order))
    show = partial(terminal.test_line, console) if console else None
    with claimed_uids(1, machine.sandbox.kind) as (uid,):
        only = needed(order.lab, order.test)
        return grade_submission(
            machine, submission, given, marking, folder / "job", uid, only, show, order.speed
        )


def needed(lab: Lab, name: str) -> tuple[Test, ...]:
    """The one test that was asked for; all tests for ""."""
    if not name:
        return lab.tests
    chosen = tuple(test for test in lab.tests if test.name == name)
    if not chosen:
        known = ", ".join(test.name for test in lab.tests)
        raise CourseError(f"{lab.name} has no test {name!r}; its tests are: {known}")
    return chosen


def again(order: Order) -> Callable[[str], str]:
    """The command that runs a test again, as the user would type it here."""
    if order.place.resolve() == order.lab.folder.resolve() == Path.cwd():
        return lambda test: f"make check TEST={test} SEED={order.seed}"
    words = f"python3 -m grader check {order.lab.name} {shlex.quote(os.fspath(order.place))}"
    return lambda test: f"{words} --test {test} --seed {order.seed}"


def keep_work(work: Path, kept: Path) -> None:
    """Leaves the tests' folders where the user can look at inputs and outputs, if that can be written."""
    if not work.is_dir():
        return
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if not os.access(kept.parent, os.W_OK):
        return
    subprocess.run(["rm", "-rf", "--", kept], check=False)
    subprocess.run(["mv", "-T", "--", work, kept], check=False)

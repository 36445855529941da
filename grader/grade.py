"""Grade: a whole class, several submissions at a time. One broken submission never stops it."""

from __future__ import annotations

import os
import shlex
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from threading import Event

from rich.console import Console

from grader import intake, report, terminal
from grader.build import BuildBroken, Given, build_given
from grader.course import Course, Lab, lab_sha256
from grader.folders import remove_tree
from grader.intake import Class, Student, Submission
from grader.names import true_name
from grader.pipeline import Graded, Machine, grade_submission
from grader.process import Stopped
from grader.sandbox import claimed_uids, probe
from grader.score import Marking, Result, lacks_speed, none_run, with_earlier_speed
from grader.workplace import build_folder, locked, make_machine, temporary_folder


@dataclass(frozen=True)
class Order:
    """What was asked for."""

    submissions: Path
    out: Path
    labs: tuple[Lab, ...]
    jobs: int
    seed: int
    fixed_seed: int | None  # the seed, where the user insists on it
    sandbox: str  # bwrap or limits
    speed: bool = False  # run the tests of speed, too


@dataclass(frozen=True)
class Task:
    """One submission that has to be graded."""

    submission: Submission
    marking: Marking
    earlier: Result | None = None  # of the same student and lab, which does not hold any more


def grade(course: Course, order: Order, console: Console) -> int:
    """Grades a class and returns the exit status: 0, or 1 where something is ungradable."""
    group = intake.survey(order.submissions)
    for warning in group.warnings:
        terminal.say(console, warning, "yellow")
    if not group.students:
        terminal.say(
            console, f"no students in {order.submissions}: it has no folders or archives", "yellow"
        )
    began = time.monotonic()
    report.try_folder(order.out)
    busy = f"another grader writes to {order.out}"
    with locked(order.out / ".lock", busy), temporary_folder() as folder:
        report.remove_temporary(order.out)
        machine = make_machine(order.sandbox, folder, Event())
        if order.sandbox == "bwrap":
            probe(machine.sandbox)
        tasks, results = sort_out(course, order, group, folder)
        kept = len(results)
        results += grade_tasks(course, order, machine, tasks, folder, console)
        try:
            report.write_grades(order.out, course.labs)
        except OSError as error:
            raise report.unwritable(order.out, error) from error
    summarize(order, results, kept, time.monotonic() - began, console)
    return 1 if any(result.status == "ungradable" for result in results) else 0


# ---- what is to be done ----


def sort_out(
    course: Course, order: Order, group: Class, folder: Path
) -> tuple[list[Task], list[Result]]:
    """The submissions that have to be graded, and the results that hold as they are."""
    hashes = {lab.name: lab_sha256(course.root, lab) for lab in order.labs}
    tasks: list[Task] = []
    kept: list[Result] = []
    for number, student in enumerate(group.students):
        for submission in take(group, student, order.labs, folder / "submissions" / str(number)):
            name = submission.lab.name
            earlier = report.read_result(report.result_path(order.out, submission.disk, name))
            if (
                earlier
                and report.is_done(earlier, submission.sha256, hashes[name], order.fixed_seed)
                and not (order.speed and lacks_speed(earlier))
            ):
                kept.append(earlier)
            else:
                rules = marking(order, student, submission, hashes[name])
                tasks.append(Task(submission, rules, earlier))
    return tasks, kept


def take(group: Class, student: Student, labs: Sequence[Lab], into: Path) -> tuple[Submission, ...]:
    """intake.take, with whatever it did not foresee as a refusal, so that the class goes on."""
    try:
        return intake.take(group.folder, student, labs, into)
    except Exception:
        why = "the grader could not take this submission in:\n" + traceback.format_exc()
        return tuple(intake.without_files(student, lab, into, refused=why) for lab in labs)


def marking(order: Order, student: Student, submission: Submission, sha256: str) -> Marking:
    place = true_name(os.fspath(order.submissions / student.sources[0]))
    words = f"python3 -m grader check {submission.lab.name} {shlex.quote(place)}"
    return Marking(sha256, order.seed, lambda test: f"{words} --test {test} --seed {order.seed}")


# ---- doing it ----


def grade_tasks(
    course: Course,
    order: Order,
    machine: Machine,
    tasks: Sequence[Task],
    folder: Path,
    console: Console,
) -> list[Result]:
    if not tasks:
        return []
    given = build_all(course, machine, tasks, folder)
    jobs = min(order.jobs, len(tasks))
    with (
        claimed_uids(jobs, machine.sandbox.kind) as uids,
        terminal.class_progress(console, len(tasks)) as progress,
    ):
        free: SimpleQueue[int | None] = SimpleQueue()
        for uid in uids:
            free.put(uid)

        def work(number: int, task: Task) -> Result:
            uid = free.get()
            try:
                return finish(
                    order,
                    task,
                    one(machine, task, given, folder / "jobs" / str(number), uid, order.speed),
                    progress,
                )
            finally:
                free.put(uid)

        with ThreadPoolExecutor(jobs) as pool:
            return collect(
                machine, pool, [pool.submit(work, n, task) for n, task in enumerate(tasks)]
            )


def collect(
    machine: Machine, pool: ThreadPoolExecutor, futures: Sequence[Future[Result]]
) -> list[Result]:
    """Waits for all. When the user ends the grader, what runs is ended and what waits is dropped."""
    try:
        return [future.result() for future in futures]
    except BaseException:
        machine.stop.set()
        pool.shutdown(cancel_futures=True)
        raise


def build_all(
    course: Course, machine: Machine, tasks: Sequence[Task], folder: Path
) -> dict[str, Given | BuildBroken]:
    """Our own parts of every lab that is needed; a lab whose parts do not build is remembered with why."""
    given: dict[str, Given | BuildBroken] = {}
    build = build_folder(course.root, folder)
    labs = {
        task.submission.lab.name: task.submission.lab for task in tasks if is_there(task.submission)
    }
    with locked(build / ".lock"):
        for name, lab in labs.items():
            try:
                given[name] = build_given(course, lab, build, folder / "given", machine.env)
            except BuildBroken as error:
                given[name] = error
    return given


def is_there(submission: Submission) -> bool:
    return not (submission.missing or submission.refused)


def one(
    machine: Machine,
    task: Task,
    given: dict[str, Given | BuildBroken],
    folder: Path,
    uid: int | None,
    speed: bool,
) -> Graded:
    """Grades one submission; an exception that nobody foresaw makes it ungradable."""
    submission = task.submission
    if not is_there(submission):
        why = submission.refused or submission.missing
        status = "ungradable" if submission.refused else "missing"
        return Graded(none_run(submission, task.marking, status, why), submission.refused)
    try:
        parts = given[submission.lab.name]
        if isinstance(parts, BuildBroken):
            raise parts
        graded = grade_submission(
            machine, submission, parts, task.marking, folder, uid, speed=speed
        )
        result = with_earlier_speed(graded.result, task.earlier, submission.lab)
        return replace(graded, result=result)
    except Stopped:
        raise
    except Exception as error:
        why = f"the grader failed on this submission: {error}"
        return Graded(none_run(submission, task.marking, "ungradable", why), traceback.format_exc())
    finally:
        remove_tree(folder)


def finish(order: Order, task: Task, graded: Graded, progress: terminal.Report) -> Result:
    """Writes what was found. Where that fails for this one, its mark is open and the others go on;
    where nothing can be written at all (a full disk), it would be in vain to go on."""
    disk = task.submission.disk
    try:
        result = write(order, disk, graded)
    except OSError as error:
        if report.is_about_folder(error):
            raise report.unwritable(order.out, error) from error
        why = f"the result cannot be written: {error.strerror}"
        result = none_run(task.submission, task.marking, "ungradable", why)
    except Exception as error:
        why = f"the grader failed on this result: {error}"
        result = none_run(task.submission, task.marking, "ungradable", why)
        write(order, disk, Graded(result, traceback.format_exc()))
    progress(result)
    return result


def write(order: Order, disk: str, graded: Graded) -> Result:
    """Leaves the result, and first what is for staff: a log, and what the program wrote, or none."""
    lab = graded.result.lab
    if graded.staff_log:
        report.write_staff_log(order.out, disk, lab, graded.staff_log)
    else:
        (order.out / disk / f"{lab}.log").unlink(missing_ok=True)
    if graded.record:
        report.write_record(order.out, disk, lab, graded.record)
    else:
        (order.out / disk / f"{lab}.output").unlink(missing_ok=True)
    report.write_result(order.out, disk, graded.result)
    return graded.result


# ---- at the end ----


def summarize(
    order: Order, results: Sequence[Result], kept: int, seconds: float, console: Console
) -> None:
    rows: dict[str, dict[str, Result]] = {}
    for result in results:
        rows.setdefault(result.student, {})[result.lab] = result
    console.print(terminal.class_table(rows, order.labs))
    for line in terminal.remarks(results):
        terminal.say(console, line, "magenta")
    new = len(results) - kept
    terminal.say(
        console, f"{new} graded now, {kept} unchanged since an earlier run, in {seconds:.1f} s"
    )
    terminal.say(
        console, f"results: {order.out}/<student>/<lab>.json, marks: {order.out}/grades.csv"
    )

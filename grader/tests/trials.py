"""Trials of the mark for speed: one submission measured again and again, as the grader does it.

    python3 -m grader.tests.trials 06-openmp solutions/06-openmp --count 100
    python3 -m grader.tests.trials 06-openmp half_again --count 100 --busy 2

What is measured is a folder of files or a mistake of grader/tests/slow. A line for each trial, then
how often which verdict came. With --busy so many endless loops run meanwhile. The times are those of
this machine in these minutes: leave it alone."""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from threading import Event

from grader import build, intake, measure, pipeline, sandbox, workplace
from grader.check import Job
from grader.course import Course, Lab, labs_by_number, read_course
from grader.folders import make_folders
from grader.tests import bank


def main() -> None:
    words = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    words.add_argument("lab")
    words.add_argument("what", help="a folder of files, or a name in grader/tests/slow")
    words.add_argument("--count", type=int, default=10)
    words.add_argument("--busy", type=int, default=0, help="endless loops beside it")
    asked = words.parse_args()
    course = read_course(bank.ROOT)
    (lab,) = labs_by_number(course, asked.lab.split("-")[0].lstrip("0"))
    found: Counter[str] = Counter()
    with busy_loops(asked.busy), benches(course, lab, asked.what) as bench:
        for number in range(1, asked.count + 1):
            verdict = measure.measure(bench)
            word = verdict.cause or verdict.status
            found[word] += 1
            print(f"{number}: {word}: {verdict.message}", flush=True)
    print(
        f"{asked.what}, {asked.busy} busy loops:", ", ".join(f"{n} {w}" for w, n in found.items())
    )


@contextlib.contextmanager
def busy_loops(count: int) -> Iterator[None]:
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()


@contextlib.contextmanager
def benches(course: Course, lab: Lab, what: str) -> Iterator[measure.Bench]:
    """The submission and the reference solution, built as the grader builds them."""
    test = next(test for test in lab.tests if test.measure is not None)
    with workplace.temporary_folder() as top, sandbox.claimed_uids(1) as (uid,):
        machine = workplace.make_machine("bwrap", top, Event())
        given = build.build_given(course, lab, bank.ROOT / "build", top / "given", machine.env)

        def built(name: str, files: Path) -> Job:
            taken = intake.take_one(lab, files, top / name / "submission")
            folders = make_folders(top / name / "job", uid)
            failure = pipeline.build_and_screen(machine, taken, given, folders, uid)[1]
            if failure is not None:
                raise SystemExit(failure.message)
            return pipeline.job_for(machine, taken, given, 1, folders, uid)

        assert test.measure is not None
        student = built("student", files_of(lab, what, top / "files"))
        yield measure.Bench(test, test.measure, student, built("reference", bank.solution(lab)))


def files_of(lab: Lab, what: str, folder: Path) -> Path:
    if Path(what).is_dir():
        return Path(what)
    (mistake,) = [mistake for mistake in bank.mistakes(lab, "slow") if mistake.name == what]
    bank.add_student(folder, what, lab, mistake.files)
    return folder / what / lab.name


if __name__ == "__main__":
    main()

"""The course's own rules, through the real grader: every solution and every other right solution
earns full marks, every skeleton nothing, and every mistake loses exactly what it should.

All of them are one class, graded once by the command that an instructor types.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from threading import Event
from typing import Any

import pytest

from grader import build, course, intake, pipeline, report, sandbox, score, workplace
from grader.tests import bank

LABS = course.read_course(bank.ROOT).labs
WANTED = os.environ.get("BANK_LABS", "")  # "01,03": only these, while writing
CHOSEN = [lab for lab in LABS if not WANTED or lab.number in WANTED.split(",")]

WHOLE = bool(os.environ.get("BANK_WHOLE"))  # every test on every mistake, which takes long
IN_FULL = 1  # mistake a lab on which every test is run in any case
MOST_RIGHTS = 1  # of a lab, unless everything or this lab was asked for


def some_mistakes(lab: course.Lab) -> list[bank.Mistake]:
    """Those that `make test` has the time for: a few that lose every test between them."""
    every = bank.mistakes(lab)
    if WHOLE or WANTED:
        return every
    covered: set[str] = set()
    chosen: set[str] = set()
    for mistake in sorted(every, key=lambda m: -len(m.loses)):
        if not covered.issuperset(mistake.loses):
            chosen.add(mistake.name)
            covered.update(mistake.loses)
    return [mistake for mistake in every if mistake.name in chosen]


def some_rights(lab: course.Lab) -> list[Path]:
    return bank.rights(lab)[: None if WHOLE or WANTED else MOST_RIGHTS]


MISTAKES = [(lab, mistake) for lab in CHOSEN for mistake in some_mistakes(lab)]
RIGHTS = [(lab, folder) for lab in CHOSEN for folder in some_rights(lab)]

Results = dict[tuple[str, str], dict[str, Any]]


def by_name(value: object) -> str:
    if isinstance(value, course.Lab):
        return value.name
    return getattr(value, "name", str(value))


@pytest.fixture(scope="module")
def results(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Results]:
    """The result files of the whole bank, by (student, lab)."""
    folders = [tmp_path_factory.mktemp(lab.name) for lab in CHOSEN]
    found: Results = {}
    with ThreadPoolExecutor(2) as pool:  # where one lab waits for its last job, another goes on
        for graded in pool.map(grade_bank, CHOSEN, folders):
            found |= graded
    yield found
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print_matrix(found)


def jobs() -> int:
    """Of each of two labs at once: more than there are cores, as what hangs until its time limit needs none."""
    return max(2, len(os.sched_getaffinity(0)))


def grade_bank(lab: course.Lab, folder: Path) -> Results:
    """One class of what is kept about a lab, graded by the real command. Of most mistakes only the
    tests that they lose, and what those need, are run, unless everything is (`make test-long`)."""
    classroom, out = folder / "class", folder / "results"
    bank.add_student(classroom, "solution", lab, bank.solution(lab))
    bank.add_student(classroom, "skeleton", lab, lab.folder)
    for mistake in some_mistakes(lab)[: None if WHOLE else IN_FULL]:
        bank.add_student(classroom, f"wrong.{mistake.name}", lab, mistake.files)
    for right in some_rights(lab):
        bank.add_student(classroom, f"right.{right.name}", lab, right)
    words = [sys.executable, "-m", "grader", "grade", str(classroom), "--out", str(out)]
    words += ["--labs", lab.number, "--jobs", str(jobs()), "--no-speed"]
    subprocess.run(words, cwd=bank.ROOT, check=False)
    files = out.glob(f"*/{lab.name}.json")
    read = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    found = {(result["student"], result["lab"]): result for result in read}
    return (
        found if WHOLE else found | grade_rest(lab, some_mistakes(lab)[IN_FULL:], folder / "rest")
    )


def grade_rest(lab: course.Lab, rest: Sequence[bank.Mistake], folder: Path) -> Results:
    """The stages of the grader from intake to score, on a part of the tests."""
    with workplace.temporary_folder() as top, sandbox.claimed_uids(jobs()) as uids:
        machine = workplace.make_machine("bwrap", top, Event())
        given = build.build_given(
            course.read_course(bank.ROOT), lab, bank.ROOT / "build", top / "given", machine.env
        )
        free: SimpleQueue[int | None] = SimpleQueue()
        for uid in uids:
            free.put(uid)

        def one(mistake: bank.Mistake) -> dict[str, Any]:
            name = f"wrong.{mistake.name}"
            bank.add_student(folder, name, lab, mistake.files)
            taken = intake.take_one(lab, folder / name / lab.name, top / "submissions" / name)
            marking = score.Marking("", random.randrange(1 << 31), lambda test: f"--test {test}")
            uid = free.get()
            try:
                only = bank.where_it_shows(lab, mistake)
                graded = pipeline.grade_submission(
                    machine, taken, given, marking, top / "jobs" / name, uid, only, speed=False
                )
            finally:
                free.put(uid)
            print(f"{lab.name} {mistake.name}: {graded.result.score}", flush=True)
            result: dict[str, Any] = json.loads(report.to_json(graded.result))
            return result

        with ThreadPoolExecutor(jobs()) as pool:
            names = [f"wrong.{mistake.name}" for mistake in rest]
            return {(name, lab.name): result for name, result in zip(names, pool.map(one, rest))}


def lost(result: dict[str, Any]) -> dict[str, str]:
    return {test["name"]: test["cause"] for test in result["tests"] if test["status"] == "fail"}


def story(result: dict[str, Any]) -> str:
    """What to show when an expectation fails."""
    failed = [test for test in result["tests"] if test["status"] == "fail"]
    texts = [f"{test['name']} [{test['cause']}] {test['message']}" for test in failed]
    return "\n".join(
        [f"{result['status']}, score {result['score']}", *texts, result["build"]["log"]]
    )


@pytest.mark.parametrize("lab", CHOSEN, ids=by_name)
def test_solution_earns_full_marks(lab: course.Lab, results: Results) -> None:
    result = results["solution", lab.name]
    assert result["score"] == result["max_score"] == lab.max_score, story(result)


@pytest.mark.parametrize("lab", CHOSEN, ids=by_name)
def test_skeleton_fails_every_test_cleanly(lab: course.Lab, results: Results) -> None:
    result = results["skeleton", lab.name]
    assert result["score"] == 0 and result["build"]["ok"], story(result)
    assert "warning" not in result["build"]["log"], result["build"]["log"]
    for test in result["tests"]:
        assert test["status"] in ("fail", "skipped"), test
        assert test["cause"] not in ("signal", "timeout", "deadlock", "environment"), test


@pytest.mark.parametrize("lab, folder", RIGHTS, ids=by_name)
def test_other_right_solution_earns_full_marks(
    lab: course.Lab, folder: Path, results: Results
) -> None:
    result = results[f"right.{folder.name}", lab.name]
    assert result["score"] == result["max_score"], story(result)


@pytest.mark.parametrize("lab, mistake", MISTAKES, ids=by_name)
def test_mistake_loses_what_it_should(
    lab: course.Lab, mistake: bank.Mistake, results: Results
) -> None:
    result = results[f"wrong.{mistake.name}", lab.name]
    came = lost(result)
    allowed = {**mistake.chance, **mistake.loses}
    assert set(mistake.loses) <= set(came) <= set(allowed), story(result)
    assert all(cause in allowed[test] for test, cause in came.items()), story(result)
    first = next(test for test in result["tests"] if test["name"] in mistake.loses)
    for words in mistake.says:
        assert words in first["message"], story(result)


@pytest.mark.parametrize("lab", CHOSEN, ids=by_name)
def test_every_test_is_needed_by_a_mistake(lab: course.Lab) -> None:
    named = {test for mistake in bank.mistakes(lab) for test in mistake.loses}
    assert named == {test.name for test in lab.tests if test.measure is None}


def print_matrix(results: Results) -> None:
    """Mistakes against tests."""
    marks = {"fail": "F", "pass": ".", "skipped": "-"}
    for lab in CHOSEN:
        print(f"\n{lab.name}: F lost, . kept, - skipped or left out")
        for number, test in enumerate(lab.tests):
            print(" " * 30 + "|" * number + f"+-- {test.name}")
        for mistake in some_mistakes(lab):
            result = results.get((f"wrong.{mistake.name}", lab.name))
            row = "".join(marks[test["status"]] for test in result["tests"]) if result else "?"
            print(f"{mistake.name[:28]:30}{row}")

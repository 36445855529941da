"""The course's own rules about its files: rubric and suite, skeleton and solution."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from grader import course
from grader.tests import bank

LABS = course.read_course(bank.ROOT).labs
NUMBERS = ["01", "02", "03", "04", "05", "06", "07"]
REGION = re.compile(r"( */\* BEGIN TODO (\d+):[^\n]*\*/\n).*?( */\* END TODO \2 \*/\n)", re.DOTALL)

every_lab = pytest.mark.parametrize("lab", LABS, ids=[lab.name for lab in LABS])


def test_there_are_seven_labs() -> None:
    assert [lab.number for lab in LABS] == NUMBERS
    assert not course.read_course(bank.ROOT).broken


@every_lab
def test_rubric_and_suite_name_the_same_tests(lab: course.Lab) -> None:
    words = ["make", "-s", "-C", str(lab.folder), "suite"]
    subprocess.run(words, check=True)
    suite = bank.ROOT / "build" / "suites" / lab.suite
    listed = subprocess.run([suite, "--list"], check=True, capture_output=True, text=True)
    rubric = [test.name for test in lab.tests if test.measure is None]
    assert sorted(listed.stdout.split()) == sorted(rubric)


@every_lab
def test_points_sum_to_a_hundred(lab: course.Lab) -> None:
    assert lab.max_score == 100


def outside_regions(file: Path) -> str:
    return REGION.sub(r"\1\3", file.read_text(encoding="utf-8"))


@every_lab
def test_skeleton_equals_solution_outside_the_todo_regions(lab: course.Lab) -> None:
    for name in lab.submit:
        skeleton, solution = lab.folder / name, bank.solution(lab) / name
        assert outside_regions(skeleton) == outside_regions(solution)
        numbers = REGION.findall(skeleton.read_text(encoding="utf-8"))
        assert numbers, f"{skeleton} has no TODO region"


@every_lab
def test_skeleton_is_kept_for_reset(lab: course.Lab) -> None:
    for name in lab.submit:
        kept = bank.ROOT / "labs" / "skeletons" / lab.name / name
        assert kept.read_bytes() == (lab.folder / name).read_bytes()


@every_lab
def test_solutions_hold_the_submitted_files_and_nothing_else(lab: course.Lab) -> None:
    assert sorted(file.name for file in bank.solution(lab).iterdir()) == sorted(lab.submit)


@every_lab
def test_enough_mistakes_are_kept(lab: course.Lab) -> None:
    assert len(bank.mistakes(lab)) >= 4

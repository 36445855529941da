"""The bundled class in grader/examples/: it is what bundled.py says, and gets the marks that it should."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from grader import course
from grader.course import Lab
from grader.names import disk_name
from grader.tests import bank, bundled
from grader.tests.bundled import CLASS, EXAMPLES, Student

LABS = course.read_course(bank.ROOT).labs
NAMES = [student.name for student in CLASS]
AGAIN = "write it anew: python3 -m grader.tests.bundled"


@pytest.mark.parametrize("student", CLASS, ids=NAMES)
def test_the_folder_is_what_the_plan_says(student: Student) -> None:
    there, planned = bundled.read(student, EXAMPLES), bundled.files_of(student)
    assert sorted(there) == sorted(planned), AGAIN
    different = [path for path, content in planned.items() if there[path] != content]
    assert not different, AGAIN


def test_nobody_else_is_in_the_folder() -> None:
    tops = {bundled.place(student, EXAMPLES).relative_to(EXAMPLES).parts[0] for student in CLASS}
    assert {place.name for place in EXAMPLES.iterdir()} == tops


def test_the_class_has_what_real_classes_have() -> None:
    sources = {work.source.partition("/")[0] for student in CLASS for work in student.labs.values()}
    assert {"solution", "skeleton", "wrong", "right", "edited"} <= sources
    assert len(CLASS) >= 10
    assert {number for student in CLASS for number in student.labs} == {lab.number for lab in LABS}
    for lab in LABS:
        assert any(bundled.lost(s, lab) for s in CLASS if lab.number in s.labs), lab.name


# ---- graded by `make grade` ----


@pytest.fixture(scope="module")
def results(project_copy: Path, class_graded: str) -> Path:
    return project_copy / "results"


def read(results: Path, student: Student, lab: Lab) -> dict[str, Any]:
    file = results / disk_name(student.name) / f"{lab.name}.json"
    facts: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return facts


@pytest.mark.parametrize("lab", LABS, ids=[lab.name for lab in LABS])
@pytest.mark.parametrize("student", CLASS, ids=NAMES)
def test_the_mark(student: Student, lab: Lab, results: Path) -> None:
    result = read(results, student, lab)
    failed = {test["name"]: test["cause"] for test in result["tests"] if test["status"] == "fail"}
    work = student.labs.get(lab.number)
    there = work is not None and not work.renamed[0]
    assert result["status"] == ("graded" if there else "missing"), result["build"]["log"]
    assert result["score"] == bundled.score(student, lab), failed
    if expected := bundled.lost(student, lab) if work else {}:
        assert set(failed) == set(expected)
        assert all(cause in expected[name] for name, cause in failed.items()), failed
    if work and work.cause:
        assert next(iter(failed.values())) == work.cause


def test_the_table_of_marks(results: Path) -> None:
    with (results / "grades.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["student", *(lab.name for lab in LABS), "total"]
    expected = {student.name: [bundled.score(student, lab) for lab in LABS] for student in CLASS}
    found = {name: [float(mark) for mark in marks] for name, *marks in rows[1:]}
    assert found == {name: [*marks, sum(marks)] for name, marks in expected.items()}


def test_what_is_missing_is_told(results: Path) -> None:
    by_name = {student.name: student for student in CLASS}
    labs = {lab.number: lab for lab in LABS}
    told = read(results, by_name["Giulia Rossi"], labs["04"])["tests"][0]["message"]
    assert "Matvec.c, but the name has to be matvec.c" in told
    told = read(results, by_name["Mbali Dlamini"], labs["01"])["tests"][0]["message"]
    assert "hand in .zip or .tar.gz" in told

"""course.py: a lab.toml that is wrong is refused in words that name the file and the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader import course
from grader.course import CourseError
from grader.tests.helpers import write_tree

LAB = """
number = 1
name = "01-pool"
title = "A pool"
program = "pool"
suite = "check_pool"
runtime = "process"
submit = ["pool.c"]
exports = ["pool_map"]
flavours = ["plain", "asan"]

[limits]
memory_mb = 100

[refuse]
"engines_*" = "belongs to another lab."

[[test]]
name = "values"
about = "right values"
points = 3
hints = ["concept", "call", "near-code"]

[[test]]
name = "hygiene"
about = "nothing left"
points = 2
needs = "values"
hints = ["concept", "call", "near-code"]
"""
SHARED = """
[limits]
memory_mb = 500
processes = 9

[refuse]
"dlopen" = "loads code."
"""


def make_course(folder: Path, lab: str = LAB, shared: str = SHARED) -> Path:
    return write_tree(
        folder,
        {
            "labs/01-pool/lab.toml": lab,
            "labs/01-pool/main.c": "int main;",
            "labs/01-pool/README.md": "read me",
            "labs/course.toml": shared,
            "labs/lab.mk": "all:",
            "common/npy.c": "",
            "common/npy.h": "",
            "grader/score.py": "",
        },
    )


def test_a_lab_is_read_and_completed_by_the_course(tmp_path: Path) -> None:
    lab = course.read_course(make_course(tmp_path)).labs[0]
    assert (lab.number, lab.name, lab.max_score) == ("01", "01-pool", 5)
    assert (lab.limits.memory_mb, lab.limits.processes) == (100, 9)
    assert set(lab.refuse) == {"dlopen", "engines_*"}
    assert lab.tests[1].needs == ("values",)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('title = "A pool"', "", "title is missing"),
        ('title = "A pool"', 'title = "A pool"\ncolour = "red"', "unknown key colour"),
        ('runtime = "process"', 'runtime = "java"', "runtime = 'java' must be one of"),
        ('["pool.c"]', '["../pool.c"]', "'../pool.c' must be a plain file name"),
        ('["pool_map"]', '["pool map"]', "'pool map' must be a C identifier"),
        ('["plain", "asan"]', '["asan"]', 'flavours must contain "plain"'),
        ("number = 1", "number = 2", "name, number and folder must agree"),
        ('needs = "values"', 'needs = "later"', "needs later, which is not a test above it"),
        ('name = "hygiene"', 'name = "values"', "two tests are called values"),
        ("points = 3", "points = -1", "points must be a number, 0 or more"),
        ('["concept", "call", "near-code"]', '["concept"]', "hints must be 3"),
        ("memory_mb = 100", "memory_mb = 0", "memory_mb must be a number above 0"),
        ("memory_mb = 100", "memory_mb = 1.5", "memory_mb must be a whole number"),
        ('"belongs to another lab."', '""', "engines_* must say why"),
        ("[[test]]", "[[tset]]", "unknown key tset"),
        ("number = 1", "number = ", "cannot be read"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    assert old in LAB
    found = course.read_course(make_course(tmp_path, LAB.replace(old, new)))
    with pytest.raises(CourseError) as error:
        course.labs_by_number(found, "")
    assert complaint in str(error.value)
    assert "lab.toml" in str(error.value)


def test_a_broken_lab_does_not_stand_in_the_way_of_another(tmp_path: Path) -> None:
    found = course.read_course(
        write_tree(make_course(tmp_path), {"labs/02-views/lab.toml": "number = 2"})
    )
    assert course.find_lab(found, "1").name == "01-pool"
    for word in ("2", "02", "02-views", "views"):
        with pytest.raises(CourseError, match="labs/02-views/lab.toml: name is missing"):
            course.find_lab(found, word)


def test_labs_are_found_by_number_name_and_folder(tmp_path: Path) -> None:
    found = course.read_course(make_course(tmp_path))
    for word in ("01", "1", "01-pool", "pool", "labs/01-pool/"):
        assert course.find_lab(found, word).name == "01-pool"
    assert len(course.labs_by_number(found, "")) == len(course.labs_by_number(found, "1, 01")) == 1
    with pytest.raises(CourseError, match="the labs are: 01-pool"):
        course.labs_by_number(found, "01,9")


def test_the_lab_hash_covers_what_determines_a_mark_and_nothing_else(tmp_path: Path) -> None:
    found = course.read_course(make_course(tmp_path))
    lab = found.labs[0]
    before = course.lab_sha256(tmp_path, lab)
    (tmp_path / "labs/01-pool/README.md").write_text("changed")
    assert course.lab_sha256(tmp_path, lab) == before
    seen = {before}
    for file in (
        "labs/01-pool/main.c",
        "labs/lab.mk",
        "labs/course.toml",
        "common/npy.h",
        "grader/score.py",
    ):
        (tmp_path / file).write_text("changed")
        seen.add(course.lab_sha256(tmp_path, lab))
    assert len(seen) == 6


def test_the_facts_are_lines_for_make(tmp_path: Path) -> None:
    lines = course.facts(course.read_course(make_course(tmp_path)).labs[0]).splitlines()
    assert "PROGRAM := pool" in lines
    assert "FLAVOURS := plain asan" in lines
    assert "SUBMIT_FILES := pool.c" in lines

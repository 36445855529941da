"""The whole way, with lab 01 and small submissions: what is graded, kept, refused, and survived."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from grader import course, grade, pipeline, terminal
from grader.course import Course, default_root
from grader.intake import Submission
from grader.pipeline import Graded, Machine
from grader.sandbox import NoSandbox, prepare, probe
from grader.score import Verdict
from grader.tests import bank
from grader.tests.helpers import make_test, write_tree

ROOT = default_root()
LAB = "01-pool"
COMPILES_NOT = "int pool_map(void) { return 1 }\n"
DEFINES_NOTHING = "int helper;\n"


def sandbox_kind(folder: Path) -> str:
    """The sandbox where there is one; the rest of the grader is tested either way."""
    try:
        probe(prepare("bwrap", folder))
    except NoSandbox:
        return "limits"
    return "bwrap"


def run_grade(
    group: Path, out: Path, seed: int | None = None, labs: Course | None = None
) -> tuple[int, str]:
    labs = labs or course.read_course(ROOT)
    text = io.StringIO()
    order = grade.Order(
        submissions=group,
        out=out,
        labs=course.labs_by_number(labs, "1"),
        jobs=2,
        seed=5 if seed is None else seed,
        fixed_seed=seed,
        sandbox=sandbox_kind(out.parent / "probe"),
    )
    status = grade.grade(labs, order, Console(file=text, width=200))
    return status, text.getvalue()


def result(out: Path, student: str) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((out / student / f"{LAB}.json").read_text())
    return facts


def make_class(folder: Path) -> Path:
    group = write_tree(
        folder / "class",
        {
            "Compiler/01-pool/pool.c": COMPILES_NOT,
            "Linker/01-pool/pool.c": DEFINES_NOTHING,
            "Missing/01-pool/": "",
            "Twice/01-pool/pool.c": COMPILES_NOT,
            "README.txt": "",
        },
    )
    shutil.make_archive(str(group / "Twice"), "zip", group / "Twice")
    (group / "Skeleton" / LAB).mkdir(parents=True)
    shutil.copy(ROOT / "labs" / LAB / "pool.c", group / "Skeleton" / LAB)
    return group


def test_a_class_is_graded_and_a_second_run_keeps_what_is_done(tmp_path: Path) -> None:
    group, out = make_class(tmp_path), tmp_path / "results"
    status, said = run_grade(group, out)
    assert status == 1  # Twice is ungradable
    assert [
        result(out, name)["status"]
        for name in ("Compiler", "Linker", "Missing", "Skeleton", "Twice")
    ] == [
        "graded",
        "graded",
        "missing",
        "graded",
        "ungradable",
    ]
    assert {test["cause"] for test in result(out, "Compiler")["tests"]} == {"compile"}
    assert "first error is in line 1" in result(out, "Compiler")["tests"][0]["message"]
    assert {test["cause"] for test in result(out, "Linker")["tests"]} == {"link"}
    assert "pool.c does not define pool_create" in result(out, "Linker")["tests"][0]["message"]
    assert result(out, "Skeleton")["score"] == 0 and result(out, "Skeleton")["build"]["ok"]
    assert result(out, "Missing")["score"] == 0 and result(out, "Twice")["score"] is None
    assert (out / "Twice/01-pool.log").exists()
    record = (out / "Skeleton/01-pool.output").read_text()
    assert record.startswith("== map_in_order\n$ ./pool -p 4") and "not implemented" in record
    assert not (out / "Compiler/01-pool.output").exists()
    assert "README.txt" in said and "Twice" in said
    assert "Twice,ungradable," in (out / "grades.csv").read_text()

    before = {
        name: (out / name / f"{LAB}.json").stat().st_mtime_ns
        for name in ("Compiler", "Missing", "Skeleton")
    }
    began = time.monotonic()
    run_grade(group, out)
    assert time.monotonic() - began < 2
    assert before == {name: (out / name / f"{LAB}.json").stat().st_mtime_ns for name in before}

    shutil.rmtree(group / "Twice")
    (group / "Twice.zip").unlink()
    (group / "Compiler/01-pool/pool.c").write_text(DEFINES_NOTHING)
    assert run_grade(group, out)[0] == 0
    assert {test["cause"] for test in result(out, "Compiler")["tests"]} == {"link"}
    assert (out / "Missing/01-pool.json").stat().st_mtime_ns == before["Missing"]


def test_a_seed_that_is_asked_for_is_used_and_recorded(tmp_path: Path) -> None:
    group, out = (
        write_tree(tmp_path / "class", {"A/01-pool/pool.c": COMPILES_NOT}),
        tmp_path / "results",
    )
    run_grade(group, out, seed=11)
    run_grade(group, out)
    assert result(out, "A")["seed"] == 11
    run_grade(group, out, seed=12)
    assert result(out, "A")["seed"] == 12
    assert "--seed 12" in result(out, "A")["tests"][0]["reproduce"]


def test_an_exception_that_nobody_foresaw_costs_one_submission_no_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"{name}/01-pool/pool.c": COMPILES_NOT for name in ("A", "B", "C")}
    group, out = write_tree(tmp_path / "class", files), tmp_path / "results"
    real = pipeline.grade_submission

    def fails(machine: Machine, submission: Submission, *rest: Any, **more: Any) -> Graded:
        if submission.student == "B":
            raise RuntimeError("out of luck")
        return real(machine, submission, *rest, **more)

    monkeypatch.setattr(grade, "grade_submission", fails)
    status, said = run_grade(group, out)
    assert status == 1
    assert [result(out, name)["status"] for name in "ABC"] == ["graded", "ungradable", "graded"]
    assert "Traceback" in (out / "B/01-pool.log").read_text()
    assert "out of luck" in said
    monkeypatch.undo()
    assert run_grade(group, out)[0] == 0
    assert not (out / "B/01-pool.log").exists()


def test_a_result_that_cannot_be_written_leaves_one_mark_open(tmp_path: Path) -> None:
    files = {f"{name}/01-pool/pool.c": COMPILES_NOT for name in ("A", "B")}
    group, out = write_tree(tmp_path / "class", files), write_tree(
        tmp_path / "results", {"A": "a file"}
    )
    status, said = run_grade(group, out)
    assert status == 1
    assert "A 01-pool: ungradable: the result cannot be written" in said
    assert result(out, "B")["status"] == "graded"


class FixedLook(pipeline.SecondLook):
    """A second look that knows how the solution fares."""

    def solution_passes(self, test: course.Test) -> bool:
        return self.seed == 1


@pytest.mark.parametrize(
    ("again", "solution", "cause"),
    [
        (Verdict("pass"), 1, None),  # it was a passing trouble
        (Verdict("fail", "exit"), 0, "exit"),
        (Verdict("fail", "environment", "again"), 1, "resource"),  # only the submission fails
        (Verdict("fail", "environment", "again"), 0, "environment"),  # the machine is to blame
    ],
)
def test_in_doubt_the_solution_tells_who_is_to_blame(
    again: Verdict, solution: int, cause: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine: Any = SimpleNamespace(stop=None)
    monkeypatch.setattr(pipeline, "run_test", lambda *_: again)
    nothing: Any = None
    look = FixedLook(machine, nothing, nothing, solution, nothing, None, nothing)
    assert look(make_test("values"), Verdict("fail", "environment", "first")).cause == cause


def test_names_that_look_like_markup_or_steer_the_terminal_are_shown_harmless(
    tmp_path: Path,
) -> None:
    name = "[red]\x1b[31mBob"
    group, out = write_tree(tmp_path / "class", {f"{name}/01-pool/": ""}), tmp_path / "results"
    said = run_grade(group, out)[1]
    assert "[red]?[31mBob" in said and "\x1b" not in said
    assert result(out, "%5Bred%5D%1B%5B31mBob")["student"] == name


def test_an_empty_class_is_told(tmp_path: Path) -> None:
    (tmp_path / "class").mkdir()
    status, said = run_grade(tmp_path / "class", tmp_path / "results")
    assert status == 0 and "no students" in said


# ---- the command line ----


def command(*words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "grader", *words], cwd=cwd, env=env, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("grade", "/nowhere"), "/nowhere is not a folder"),
        (("grade", ".", "--labs", "99"), "there is no lab '99'"),
        (("grade", ".", "--jobs", "0"), "must be 1 or more"),
        (("check", "nolab"), "there is no lab 'nolab'"),
        (("check", "1", "--test", "none"), "has no test 'none'; its tests are: map_in_order"),
        (("check", "1", "/nowhere"), "/nowhere is not there"),
        (("fly",), "invalid choice"),
        ((), "required"),
    ],
)
def test_wrong_usage_is_explained_with_status_2(words: tuple[str, ...], complaint: str) -> None:
    done = command(*words)
    assert done.returncode == 2
    assert complaint in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("verb", ["", "grade", "check", "list", "facts", "doctor"])
def test_every_verb_has_help_with_an_example(verb: str) -> None:
    done = command(*filter(None, (verb, "--help")))
    assert done.returncode == 0
    assert f"  python3 -m grader {verb}" in done.stdout


def test_facts_and_list_work_from_anywhere(tmp_path: Path) -> None:
    assert "PROGRAM := pool" in command("facts", "01-pool", cwd=tmp_path).stdout
    assert "01-pool" in command("list", cwd=tmp_path).stdout


def test_check_reports_a_compile_error_and_where_to_look(tmp_path: Path) -> None:
    write_tree(tmp_path, {"mine/pool.c": COMPILES_NOT})
    done = command("check", "1", "mine", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "pool.c does not compile. The first error is in line 1" in done.stdout
    assert done.stdout.count("The first error") == 1
    facts = json.loads(command("check", "1", "mine", "--json", cwd=tmp_path).stdout)
    assert facts["score"] == 0 and facts["tests"][0]["reproduce"].startswith(
        "python3 -m grader check 01-pool mine --test"
    )


def test_a_grader_that_is_killed_leaves_whole_results_and_the_next_one_goes_on(
    tmp_path: Path,
) -> None:
    skeleton = (ROOT / "labs" / LAB / "pool.c").read_text()
    files = {f"S{n}/01-pool/pool.c": f"{skeleton}\n/* {n} */\n" for n in range(8)}
    group, out = write_tree(tmp_path / "class", files), tmp_path / "results"
    kind = sandbox_kind(tmp_path / "probe")
    words = [
        sys.executable,
        "-m",
        "grader",
        "grade",
        str(group),
        "--out",
        str(out),
        "--labs",
        "1",
        "--jobs",
        "2",
    ]
    words += ["--sandbox", "limits"] if kind == "limits" else []
    grader = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list(out.glob("*/*.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    grader.send_signal(signal.SIGKILL)
    grader.wait()
    done = {file: file.stat().st_mtime_ns for file in out.glob("*/*.json")}
    assert 1 <= len(done) < 8
    for file in done:
        assert json.loads(file.read_text())["score"] == 0
    assert run_grade(group, out)[0] == 0
    assert len(list(out.glob("*/*.json"))) == 8
    assert all(file.stat().st_mtime_ns == then for file, then in done.items())
    assert not list(out.glob("**/.tmp-*"))


def test_control_characters_never_reach_a_terminal() -> None:
    assert terminal.clean("a\x1b[2J\x9b\r\u202eb\n\tc") == "a?[2J???b\n\tc"


def test_mpi_is_graded_without_the_sandbox_too(tmp_path: Path) -> None:
    labs = course.read_course(ROOT)
    (chosen,) = course.labs_by_number(labs, "4")
    group, out = tmp_path / "class", tmp_path / "results"
    bank.add_student(group, "Solver", chosen, bank.solution(chosen))
    order = grade.Order(group, out, (chosen,), 2, 5, 5, "limits", speed=False)
    assert grade.grade(labs, order, Console(file=io.StringIO())) == 0
    facts = json.loads((out / "Solver" / f"{chosen.name}.json").read_text())
    assert facts["score"] == facts["max_score"] > 0

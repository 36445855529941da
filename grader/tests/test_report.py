"""report.py: files are whole or absent, say what is true, and harm no spreadsheet."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from grader import report
from grader.score import Result, Verdict, graded, none_run
from grader.tests.helpers import make_lab, make_marking, make_submission

LAB = make_lab()


def make_result(student: str = "Alice", **facts: object) -> Result:
    verdicts = (Verdict("pass"), Verdict("fail", "leak", "two processes are left", 0.25))
    result = graded(
        make_submission(LAB, student), make_marking(), verdicts, 1.5, ("a flag",), "a warning"
    )
    return replace(result, **facts)


def test_the_json_has_the_fields_of_the_design(tmp_path: Path) -> None:
    report.write_result(tmp_path, "Alice", make_result())
    facts = json.loads((tmp_path / "Alice/01-pool.json").read_text())
    assert set(facts) == set(
        "schema student lab score max_score status submission_sha256 lab_sha256 seed seconds flags build tests".split()
    )
    assert facts["schema"] == 1
    assert facts["build"] == {"ok": True, "log": "a warning"}
    assert set(facts["tests"][0]) == set(
        "name points max_points status cause message hint reproduce seconds".split()
    )
    assert facts["tests"][0]["cause"] is None
    assert facts["tests"][1]["cause"] == "leak"


def test_a_result_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    result = make_result("Zoë \\xff 李")
    report.write_result(tmp_path, "zoe", result)
    assert report.read_result(tmp_path / "zoe/01-pool.json") == result


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"schema": 2}', '{"schema": 1, "tests": 3}', "null"]
)
def test_a_file_that_is_no_result_counts_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.json").write_text(content)
    assert report.read_result(tmp_path / "x.json") is None
    assert report.read_result(tmp_path / "none.json") is None


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    report.write_whole(tmp_path / "x.json", b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(OSError):
        report.write_whole(tmp_path / "x.json", b"new")
    monkeypatch.undo()
    assert (tmp_path / "x.json").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["x.json"]


def test_what_a_killed_run_left_half_written_is_removed(tmp_path: Path) -> None:
    report.write_result(tmp_path, "Alice", make_result())
    (tmp_path / "Alice/.tmp-abc").write_text("{")
    (tmp_path / ".tmp-abc").write_text("{")
    report.remove_temporary(tmp_path)
    assert sorted(os.listdir(tmp_path / "Alice")) == ["01-pool.json"]
    assert os.listdir(tmp_path) == ["Alice"]


def test_only_the_same_files_under_the_same_rules_are_done() -> None:
    result = make_result()
    assert report.is_done(result, "s", "rules", None)
    assert report.is_done(result, "s", "rules", 7)
    assert not report.is_done(result, "s", "rules", 8)
    assert not report.is_done(result, "other", "rules", None)
    assert not report.is_done(result, "s", "other", None)
    assert not report.is_done(None, "s", "rules", None)
    assert not report.is_done(replace(result, status="ungradable"), "s", "rules", None)
    assert report.is_done(
        none_run(make_submission(LAB), make_marking(), "missing", ""), "s", "rules", None
    )


def test_the_table_has_a_row_a_student_and_no_total_while_a_mark_is_open(tmp_path: Path) -> None:
    other = make_lab("02-views")
    report.write_result(tmp_path, "a", make_result("A, the first"))
    report.write_result(tmp_path, "b", make_result("B", score=None, status="ungradable"))
    report.write_result(tmp_path, "c", make_result("C", lab="02-views", score=2.5))
    report.write_result(
        tmp_path, "c", none_run(make_submission(LAB, "C"), make_marking(), "missing", "")
    )
    report.write_grades(tmp_path, [LAB, other])
    with (tmp_path / "grades.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["student", "01-pool", "02-views", "total"],
        ["A, the first", "3", "", "3"],
        ["B", "ungradable", "", ""],
        ["C", "0", "2.5", "2.5"],
    ]


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", " =1", "＝1"])
def test_a_cell_that_a_spreadsheet_would_run_is_quoted(name: str) -> None:
    assert report.cell(name) == "'" + name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("\t=1", "'\\t=1"),
        ("\r=1", "'\\r=1"),
        ("a\nb,1", "a\\nb,1"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\u202ecod", "\\u202ecod"),
    ],
)
def test_a_cell_that_would_steer_a_terminal_or_break_a_line_is_spelled_out(
    name: str, shown: str
) -> None:
    assert report.cell(name) == shown


@pytest.mark.parametrize("name", ["Alice", "O'Neil", "a=b", ""])
def test_other_cells_stay_as_they_are(name: str) -> None:
    assert report.cell(name) == name

"""Report: the files that a grading leaves. Each is written whole or not at all."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from grader.course import Lab, Trouble
from grader.score import SCHEMA, Result, TestResult, mark, total

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
TEMPORARY = ".tmp-"


# ---- files, whole or not at all ----


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file that is there with all of its content, or as it was before, also after a crash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fd, temporary = tempfile.mkstemp(prefix=TEMPORARY, dir=path.parent)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class Unwritable(Trouble):
    """No result can be written to a folder; the text names it, and what to do."""


CURES = {
    errno.ENOSPC: "Make room there and run the same command again: what is graded is kept.",
    errno.EDQUOT: "Make room there and run the same command again: what is graded is kept.",
    errno.EROFS: "Choose another folder with --out.",
    errno.EACCES: "Choose another folder with --out, or let the grader write to this one.",
    errno.EPERM: "Choose another folder with --out, or let the grader write to this one.",
}


def unwritable(out: Path, error: OSError) -> Unwritable:
    cure = CURES.get(error.errno or 0, "Choose another folder with --out.")
    return Unwritable(f"results cannot be written to {out}: {error.strerror}. {cure}")


def is_about_folder(error: OSError) -> bool:
    """Would every other result fail in the same way?"""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


def try_folder(out: Path) -> None:
    """Writes something there and takes it away again. Raises Unwritable where that fails."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(prefix=TEMPORARY, dir=out) as file:
            file.write(bytes(1 << 12))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise unwritable(out, error) from error


def remove_temporary(out: Path) -> None:
    """Removes what an earlier run that was killed left half-written."""
    for pattern in (f"{TEMPORARY}*", f"*/{TEMPORARY}*"):
        for file in out.glob(pattern):
            file.unlink(missing_ok=True)


# ---- results ----


def result_path(out: Path, disk: str, lab: str) -> Path:
    return out / disk / f"{lab}.json"


def to_json(result: Result) -> str:
    """The result in the form that docs/results.md describes."""
    build = {"ok": result.build_ok, "log": result.build_log}
    facts = {name: value for name, value in asdict(result).items() if not name.startswith("build_")}
    tests = facts.pop("tests")
    return (
        json.dumps(
            {"schema": SCHEMA, **facts, "build": build, "tests": tests},
            indent=1,
            ensure_ascii=False,
        )
        + "\n"
    )


def write_result(out: Path, disk: str, result: Result) -> None:
    content = to_json(result).encode("utf-8", "backslashreplace")
    write_whole(result_path(out, disk, result.lab), content)


def write_staff_log(out: Path, disk: str, lab: str, text: str) -> None:
    """What staff needs to know and the student does not."""
    write_whole(out / disk / f"{lab}.log", text.encode("utf-8", "backslashreplace"))


def write_record(out: Path, disk: str, lab: str, record: bytes) -> None:
    """All that the program wrote in the tests that failed, as it wrote it: not for a terminal."""
    write_whole(out / disk / f"{lab}.output", record)


def read_result(path: Path) -> Result | None:
    """An earlier result; None where there is none, or none that is understood."""
    try:
        facts = json.loads(path.read_bytes())
        return from_facts(facts) if facts["schema"] == SCHEMA else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def from_facts(facts: dict[str, Any]) -> Result:
    """The result that to_json wrote. Raises KeyError or TypeError where it did not."""
    build = facts["build"]
    rest = {
        name: value
        for name, value in facts.items()
        if name not in ("schema", "build", "tests", "flags")
    }
    tests = tuple(TestResult(**test) for test in facts["tests"])
    flags = tuple(facts["flags"])
    return Result(build_ok=build["ok"], build_log=build["log"], tests=tests, flags=flags, **rest)


def is_done(
    result: Result | None, submission_sha256: str, lab_sha256: str, seed: int | None
) -> bool:
    """Is this the result of the same files under the same rules (and, where one was asked for, seed)?"""
    return (
        result is not None
        and result.status in ("graded", "missing")
        and result.submission_sha256 == submission_sha256
        and result.lab_sha256 == lab_sha256
        and seed in (None, result.seed)
    )


# ---- grades.csv ----


def cell(value: str) -> str:
    """A text that no spreadsheet takes for a formula, and no terminal for an order."""
    shown = CONTROL.sub(lambda found: ascii(found[0])[1:-1], value)
    return "'" + shown if value.lstrip(" ").startswith(FORMULA_STARTS) else shown


def mark_text(result: Result | None, lab: Lab) -> str:
    if result is None:
        return ""
    found = mark(result, lab)
    return result.status if found is None else f"{found:g}"


def grades_csv(rows: dict[str, dict[str, Result]], labs: Sequence[Lab]) -> str:
    """One row per student, one column per lab, and the total, which is empty while a mark is open."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["student", *(lab.name for lab in labs), "total"])
    for student, results in sorted(rows.items()):
        found = [results.get(lab.name) for lab in labs]
        sum_of_all = total(found, labs)
        last = "" if sum_of_all is None else f"{sum_of_all:g}"
        table.writerow([cell(student), *map(mark_text, found, labs), last])
    return text.getvalue()


def collect(out: Path, labs: Sequence[Lab]) -> dict[str, dict[str, Result]]:
    """All results in a folder, by student and lab."""
    rows: dict[str, dict[str, Result]] = {}
    names = {lab.name for lab in labs}
    for file in sorted(out.glob("*/*.json")):
        result = read_result(file) if file.stem in names else None
        if result is not None:
            rows.setdefault(result.student, {})[result.lab] = result
    return rows


def write_grades(out: Path, labs: Sequence[Lab]) -> None:
    content = grades_csv(collect(out, labs), labs)
    write_whole(out / "grades.csv", content.encode("utf-8", "backslashreplace"))

"""The student's loop, in a course of one lab: hint, watch, progress, reset."""

from __future__ import annotations

import io
import shutil
import threading
import time
from pathlib import Path

import pytest
from rich.console import Console

from grader import course, practice
from grader.tests import bank


@pytest.fixture()
def place(tmp_path: Path) -> practice.Place:
    """A copy of the course with lab 01 only, reachable for the jobs' users."""
    root = tmp_path / "course"
    (root / "labs").mkdir(parents=True)
    for name in ("01-pool", "skeletons/01-pool"):
        shutil.copytree(bank.ROOT / "labs" / name, root / "labs" / name)
    for name in ("lab.mk", "course.toml"):
        shutil.copy(bank.ROOT / "labs" / name, root / "labs" / name)
    for name in ("common", "tools", "grader"):
        (root / name).symlink_to(bank.ROOT / name)
    found = course.read_course(root)
    return practice.Place(found, found.labs[0], found.labs[0].folder, "auto")


def console() -> Console:
    return Console(file=io.StringIO(), width=200, soft_wrap=True)


def said(where: Console) -> str:
    file = where.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def whole(place: practice.Place) -> str:
    """How a lab stands whose suite passes; practice does not measure speed."""
    suite = [test for test in place.lab.tests if test.measure is None]
    points = sum(test.points for test in suite)
    return f"{len(suite)} of {len(place.lab.tests)} tests, {points:g} of {points:g} points"


def test_hints_come_one_after_the_other_and_the_last_stays(place: practice.Place) -> None:
    test = place.lab.tests[0]
    for level in (0, 1, 2, 2):
        out = console()
        assert practice.hint(place, out) == 0
        assert test.hints[level] in said(out)
        assert f"hint {level + 1} of 3" in said(out)
    assert "checking first" not in said(out)


def test_hint_for_a_finished_lab_is_how_it_stands(place: practice.Place) -> None:
    shutil.copy(bank.solution(place.lab) / "pool.c", place.folder / "pool.c")
    out = console()
    practice.hint(place, out)
    assert whole(place) in said(out)


def test_hint_for_what_does_not_compile_names_the_line(place: practice.Place) -> None:
    (place.folder / "pool.c").write_text("int x = ;\n")
    out = console()
    practice.hint(place, out)
    assert "does not compile" in said(out) and "line 1" in said(out)


def test_watch_checks_at_once_and_after_a_save_and_tells_what_changed(
    place: practice.Place,
) -> None:
    out = console()
    watcher = threading.Thread(target=practice.watch, args=(place, out, 2))
    watcher.start()
    deadline = time.monotonic() + 120
    while "first to repair: map_in_order" not in said(out) and time.monotonic() < deadline:
        time.sleep(0.1)
    shutil.copy(bank.solution(place.lab) / "pool.c", place.folder / "pool.c")
    watcher.join(120)
    assert not watcher.is_alive()
    assert f"  0 of {len(place.lab.tests)} tests" in said(out) and whole(place) in said(out)
    assert "now passes: map_in_order, odd_counts" in said(out)


def test_progress_tells_begun_from_not_begun(place: practice.Place) -> None:
    out = console()
    practice.progress(place.course, out)
    assert "not begun" in said(out)
    (place.folder / "pool.c").write_text("/* mine */\n")
    out = console()
    practice.progress(place.course, out)
    assert "begun, not checked yet" in said(out)


def test_reset_keeps_a_copy_each_time(place: practice.Place) -> None:
    skeleton = (place.folder / "pool.c").read_bytes()
    for number in (1, 2):
        (place.folder / "pool.c").write_text(f"/* version {number} */\n")
        assert practice.reset(place.course, place.lab, console()) == 0
        assert (place.folder / "pool.c").read_bytes() == skeleton
        kept = place.folder / f"pool.c.kept-{number}"
        assert kept.read_text() == f"/* version {number} */\n"
    practice.reset(place.course, place.lab, console())
    assert not (place.folder / "pool.c.kept-3").exists()

"""Practice: what a student has between two checks: the next hint, watching, progress, starting over.

All of it stands on the last full check, which `check` leaves in build/<lab>/last.json.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from grader import report, single, terminal
from grader.course import Course, CourseError, Lab, new_seed
from grader.single import last_file

LEVELS = ("the concept", "the call", "nearly the code")
POLL_SECONDS = (
    0.5  # modification times and sizes are looked at so often: it works on every file system
)

Found = dict[str, Any]  # a result file, as parsed


@dataclass(frozen=True)
class Place:
    """Whose files, and which lab."""

    course: Course
    lab: Lab
    folder: Path
    sandbox: str


# ---- the last check ----


def read(file: Path) -> Found | None:
    try:
        found: Found = json.loads(file.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else None
    except (OSError, ValueError):
        return None


def checked(place: Place, console: Console) -> Found:
    """The result of a check of the files as they are now, made if it is not there."""
    last = read(last_file(place.course, place.lab))
    if last and last.get("submission_sha256") == single.sha256_now(place.lab, place.folder):
        return last
    terminal.say(console, "checking first ...", "dim")
    return check_again(place, console)


def check_again(place: Place, console: Console) -> Found:
    order = single.Order(place.lab, place.folder, "", new_seed(), place.sandbox, False, False)
    graded = single.run_alone(place.course, order, console, show=False)
    found: Found = json.loads(report.to_json(graded.result))
    return found


def first_failed(found: Found) -> Found | None:
    tests: list[Found] = found["tests"]
    return next((test for test in tests if test["status"] == "fail"), None)


# ---- hint ----


def hint(place: Place, console: Console) -> int:
    """Prints the next of three levels of help for the first failing test."""
    found = checked(place, console)
    failed = first_failed(found)
    if failed is None:
        terminal.say(console, standing(found), "green")
        return 0
    if failed["cause"] in ("compile", "link"):
        terminal.say(console, failed["message"], "red")
        return 0
    file = last_file(place.course, place.lab).with_name("hints.json")
    seen = read(file) or {}
    level = min(int(seen.get(failed["name"], 0)), len(LEVELS) - 1)
    report.write_whole(file, json.dumps({**seen, failed["name"]: level + 1}).encode())
    test = next(test for test in place.lab.tests if test.name == failed["name"])
    terminal.say(console, f"{test.name}: {test.about}", "bold")
    terminal.say(console, f"hint {level + 1} of {len(LEVELS)}, {LEVELS[level]}:", "cyan")
    terminal.say(console, terminal.indented(test.hints[level]))
    if level + 1 < len(LEVELS):
        terminal.say(console, "`make hint` again tells more.", "dim")
    return 0


# ---- watch ----


def watch(place: Place, console: Console, rounds: int | None) -> int:
    """Checks at every save, until it is interrupted (or for so many rounds)."""
    before: Found | None = None
    try:
        for _ in changes(place, rounds):
            now = check_again(place, console)
            for line, style in round_words(before, now):
                terminal.say(console, line, style)
            before = now
    except KeyboardInterrupt:
        pass  # the way to end it
    return 0


def changes(place: Place, rounds: int | None) -> Iterator[None]:
    """Yields at once, and then whenever the content of a submitted file has changed."""
    content, stamp, count = "", None, 0
    while rounds is None or count < rounds:
        now = stamps(place)
        if now != stamp:
            stamp = now
            seen = single.sha256_now(place.lab, place.folder)
            if seen != content or count == 0:
                content, count = seen, count + 1
                yield
                continue
        time.sleep(POLL_SECONDS)


def stamps(place: Place) -> list[tuple[str, int, int]]:
    found = []
    for name in place.lab.submit:
        try:
            facts = (place.folder / name).stat()
            found.append((name, facts.st_mtime_ns, facts.st_size))
        except OSError:
            found.append((name, 0, -1))
    return found


def round_words(before: Found | None, now: Found) -> Iterator[tuple[str, str]]:
    """What a student wants to see after a save."""
    yield f"\n{time.strftime('%H:%M:%S')}  {standing(now)}  {bar(now)}", "bold"
    was, is_now = statuses(before), statuses(now)
    fixed = [
        name for name, status in is_now.items() if status == "pass" and was.get(name) == "fail"
    ]
    broken = [
        name for name, status in is_now.items() if status == "fail" and was.get(name) == "pass"
    ]
    if fixed:
        yield f"  now passes: {', '.join(fixed)}", "green"
    if broken:
        yield f"  no longer passes: {', '.join(broken)}", "red"
    failed = first_failed(now)
    if failed:
        words = terminal.CAUSE_WORDS.get(failed["cause"], "failed")
        yield f"  first to repair: {failed['name']}: {words}", "red"
        yield terminal.indented(failed["message"]), ""
    elif now["status"] != "graded":
        yield terminal.indented(now["tests"][0]["message"]), "red"


def statuses(found: Found | None) -> Mapping[str, str]:
    """pass, or fail for whatever does not pass."""
    tests = found["tests"] if found else []
    return {test["name"]: "pass" if test["status"] == "pass" else "fail" for test in tests}


def standing(found: Found) -> str:
    passed = sum(test["status"] == "pass" for test in found["tests"])
    score = found["score"] if found["score"] is not None else 0
    return f"{passed} of {len(found['tests'])} tests, {score:g} of {found['max_score']:g} points"


def bar(found: Found) -> str:
    full = round(20 * float(found["score"] or 0) / float(found["max_score"]))
    return "[" + "#" * full + "." * (20 - full) + "]"


# ---- progress ----


def progress(course: Course, console: Console) -> int:
    """All labs: how far the last check came."""
    for lab in course.labs:
        found = read(last_file(course, lab))
        words = f"{standing(found)}  {bar(found)}" if found else not_checked(course, lab)
        terminal.say(console, f"{lab.name:22} {words}")
    return 0


def not_checked(course: Course, lab: Lab) -> str:
    pairs = [(lab.folder / name, skeleton(course, lab) / name) for name in lab.submit]
    try:
        begun = any(ours.read_bytes() != given.read_bytes() for ours, given in pairs)
    except OSError:
        begun = True
    return "begun, not checked yet: make check" if begun else "not begun"


# ---- reset ----


def skeleton(course: Course, lab: Lab) -> Path:
    return course.root / "labs" / "skeletons" / lab.name


def reset(course: Course, lab: Lab, console: Console) -> int:
    """Puts the skeleton back in the lab's folder, and keeps what was there."""
    for name in lab.submit:
        given, ours = skeleton(course, lab) / name, lab.folder / name
        if not given.is_file():
            raise CourseError(f"{given} is missing; unpack the course again")
        if ours.exists() and ours.read_bytes() != given.read_bytes():
            copy = free_name(ours)
            shutil.copy2(ours, copy)
            terminal.say(console, f"your {name} is kept as {copy.name}")
        report.write_whole(ours, given.read_bytes())
        terminal.say(console, f"{name} is the skeleton again")
    return 0


def free_name(file: Path) -> Path:
    number = 1
    while (copy := file.with_name(f"{file.name}.kept-{number}")).exists():
        number += 1
    return copy

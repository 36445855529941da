"""The banks of submissions whose marks are known: solutions, skeletons, wrong/ and right/.

wrong/<lab>/<name>.toml   a mistake that students make: edits of the reference solution (or files of
                          its own), the tests that it loses with their causes, and words that the
                          message of the first lost test must contain
                          (chance: further ones that depend on who is faster;
                          base: the edits are of this one of right/<lab>/, not of the solution)
slow/<lab>/<name>.toml    the same for what is right, but slower than the band of the test of speed
right/<lab>/<name>/       a correct solution written in another way, the submitted files themselves
"""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.course import Lab, Test

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
KEYS = {"mistake", "loses", "chance", "says", "base", "edit", "files"}


@dataclass(frozen=True)
class Mistake:
    """One wrong solution and what must become of it."""

    lab: str
    name: str
    sentence: str
    loses: Mapping[
        str, frozenset[str]
    ]  # test: its cause, or the causes that chance may choose from
    chance: Mapping[str, frozenset[str]]  # what it loses on some machines, at some times
    says: tuple[str, ...]
    files: Mapping[str, str]  # name: content


def mistakes(lab: Lab, kind: str = "wrong") -> list[Mistake]:
    return [read_mistake(lab, file) for file in sorted((HERE / kind / lab.name).glob("*.toml"))]


def read_mistake(lab: Lab, file: Path) -> Mistake:
    facts = tomllib.loads(file.read_text(encoding="utf-8"))
    if unknown := set(facts) - KEYS:
        raise ValueError(f"{file}: unknown keys {sorted(unknown)}")
    base = base_of(lab, facts)
    files = {name: (base / name).read_text(encoding="utf-8") for name in lab.submit}
    for name, other in facts.get("files", {}).items():
        files[name] = (file.parent / other).read_text(encoding="utf-8")
    for edit in facts.get("edit", []):
        files[edit["file"]] = apply(edit, files[edit["file"]], file)
    return Mistake(
        lab.name,
        file.stem,
        facts["mistake"],
        read_losses(facts["loses"]),
        read_losses(facts.get("chance", {})),
        tuple(facts["says"]),
        files,
    )


def base_of(lab: Lab, facts: Mapping[str, Any]) -> Path:
    """The right code that edits are made in: the solution, or what "base" names in right/."""
    return HERE / "right" / lab.name / str(facts["base"]) if "base" in facts else solution(lab)


def read_losses(loses: Mapping[str, str | list[str]]) -> dict[str, frozenset[str]]:
    return {
        test: frozenset([cause] if isinstance(cause, str) else cause)
        for test, cause in loses.items()
    }


def apply(edit: Mapping[str, str], text: str, file: Path) -> str:
    """The text after one edit. What it looks for must stand there exactly once, or it proves nothing."""
    found = text.count(edit["old"])
    if found != 1:
        raise ValueError(
            f"{file}: the edit of {edit['file']} fits {found} places, not one:\n{edit['old']}"
        )
    return text.replace(edit["old"], edit["new"])


def where_it_shows(lab: Lab, mistake: Mistake) -> tuple[Test, ...]:
    """The tests that a mistake loses, and all that those need, in the rubric's order."""
    wanted = set(mistake.loses)
    for test in reversed(lab.tests):  # a test stands behind what it needs
        if test.name in wanted:
            wanted |= set(test.needs)
    return tuple(test for test in lab.tests if test.name in wanted)


def rights(lab: Lab) -> list[Path]:
    return sorted(folder for folder in (HERE / "right" / lab.name).glob("*") if folder.is_dir())


def solution(lab: Lab) -> Path:
    return ROOT / "solutions" / lab.name


def add_student(classroom: Path, student: str, lab: Lab, files: Mapping[str, str] | Path) -> None:
    """Writes one submission into a class folder, as intake takes it."""
    folder = classroom / student / lab.name
    folder.mkdir(parents=True)
    if isinstance(files, Path):
        for name in lab.submit:
            shutil.copy(files / name, folder / name)
    else:
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")

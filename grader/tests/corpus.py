"""The corpus of attacks: submissions that try to gain marks, to get out, or to stop the grader.

attacks/<family>.<name>/attack.toml   what it tries and what must become of it; beside it the
                                      submitted files, or edits of the reference solution (base: of
                                      this one of right/<lab>/)

In the files @REPO@, @CLASS@, @OUT@, @HOME@ and @CANARY@ stand for places on the machine that
runs the grader, as somebody who has been told them would write them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.course import Course, Lab, find_lab
from grader.tests import bank

HERE = Path(__file__).parent / "attacks"
CONTROL = "control.serial"  # the honest code that the lazy attacks are built on
FAMILIES = (
    "early exit",
    "forging",
    "reading",
    "escaping",
    "exhausting",
    "method cheats",
    "malformed input",
)
KEYS = {
    "lab",
    "base",
    "family",
    "tries",
    "status",
    "may_keep",
    "loses",
    "cause",
    "flags",
    "says",
    "edit",
}


@dataclass(frozen=True)
class Attack:
    """One hostile submission."""

    name: str
    lab: str
    family: str
    tries: str
    status: str  # graded or missing
    may_keep: frozenset[str]  # tests whose points it may have; CONTROL alone: what that student has
    loses: frozenset[str]  # where it is an edit of the solution: what it must not have
    cause: frozenset[str]  # of the first failed test, one of these; empty: any
    flags: tuple[str, ...]  # each begins a flag of the result
    says: tuple[str, ...]  # words in the message of the first failed test, or in the build's log
    files: Mapping[str, bytes]


def attacks(course: Course) -> list[Attack]:
    return [read(course, file.parent) for file in sorted(HERE.glob("*/attack.toml"))]


def read(course: Course, folder: Path) -> Attack:
    facts = tomllib.loads((folder / "attack.toml").read_text(encoding="utf-8"))
    if unknown := set(facts) - KEYS:
        raise ValueError(f"{folder.name}: unknown keys {sorted(unknown)}")
    keeps = facts.get("may_keep", [])
    return Attack(
        name=folder.name,
        lab=facts["lab"],
        family=facts["family"],
        tries=facts["tries"],
        status=facts.get("status", "graded"),
        may_keep=frozenset([CONTROL] if keeps == "serial" else keeps),
        loses=frozenset(facts.get("loses", [])),
        cause=frozenset(facts.get("cause", [])),
        flags=tuple(facts.get("flags", [])),
        says=tuple(facts.get("says", [])),
        files=read_files(find_lab(course, facts["lab"]), folder, facts),
    )


def read_files(lab: Lab, folder: Path, facts: Mapping[str, Any]) -> dict[str, bytes]:
    """What is handed in: the folder's files, with the base's for those it does not have."""
    files = {
        file.name: file.read_bytes() for file in folder.iterdir() if file.name != "attack.toml"
    }
    for name in lab.submit:
        if name not in files:
            files[name] = (bank.base_of(lab, facts) / name).read_bytes()
    for edit in facts.get("edit", []):
        text = files[edit["file"]].decode("utf-8")
        files[edit["file"]] = bank.apply(edit, text, folder).encode()
    return files


def hand_in(classroom: Path, attack: Attack, places: Mapping[str, str]) -> None:
    """Writes the submission into a class folder, with the places filled in."""
    folder = classroom / attack.name / attack.lab
    folder.mkdir(parents=True)
    for name, content in attack.files.items():
        for token, place in places.items():
            content = content.replace(token.encode(), place.encode())
        (folder / name).write_bytes(content)

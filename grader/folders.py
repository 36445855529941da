"""The folders of one job, and how they are removed, whatever a student's program put there."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from grader import sandbox


@dataclass(frozen=True)
class Folders:
    """The folders of one job; all go when it ends."""

    top: Path
    out: Path
    work: Path
    cache: Path
    logs: Path


def make_folders(top: Path, uid: int | None) -> Folders:
    folders = Folders(top, top / "out", top / "work", top / "cache", top / "logs")
    for folder in (folders.out, folders.work, folders.cache, folders.logs):
        folder.mkdir(parents=True)
    for folder in (folders.out, folders.cache):
        sandbox.give(folder, uid)
    return folders


def remove_tree(folder: Path) -> None:
    """Removes what a student's program may have filled: also what is unreadable or very deep."""
    if subprocess.run(
        ["rm", "-rf", "--one-file-system", "--", folder], stderr=subprocess.DEVNULL
    ).returncode:
        subprocess.run(["chmod", "-R", "u+rwX", "--", folder], stderr=subprocess.DEVNULL)
        subprocess.run(["rm", "-rf", "--one-file-system", "--", folder], stderr=subprocess.DEVNULL)

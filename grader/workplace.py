"""The workplace of one grading: a temporary folder, its lock, the sandbox, the machine's settings."""

from __future__ import annotations

import fcntl
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from grader import sandbox
from grader.pipeline import Machine, remove_tree

PREFIX = "grader-"
LOCK = "lock"


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that every user can enter but not list, removed at the end, or by the next grader."""
    top = reachable_temporary()
    sweep(top)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=top))
    with (folder / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder.chmod(0o711)
        try:
            yield folder
        finally:
            remove_tree(folder)


def reachable_temporary() -> Path:
    """TMPDIR, or /tmp where the jobs' users could not get through to TMPDIR."""
    chosen = Path(tempfile.gettempdir()).resolve()
    closed = os.geteuid() == 0 and any(
        not place.stat().st_mode & 0o001 for place in (chosen, *chosen.parents)
    )
    return Path("/tmp") if closed else chosen


def sweep(top: Path) -> None:
    """Removes the folders of graders that were killed: their lock is free."""
    for lock in top.glob(f"{PREFIX}*/{LOCK}"):
        try:
            if lock.stat(follow_symlinks=False).st_uid != os.geteuid():
                continue
            with lock.open("r") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove_tree(lock.parent)
        except OSError:
            continue  # another grader's, at work or just gone


def make_machine(kind: str, folder: Path, stop: Event) -> Machine:
    """The sandbox (untried) and the environment of our own tools."""
    home, tmp = folder / "home", folder / "tmp"
    for place in (home, tmp):
        place.mkdir()
    env = {
        "PATH": os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin"),
        "HOME": str(home),
        "TMPDIR": str(tmp),
        "LANG": "C.UTF-8",
        "PYTHON": sys.executable,
    }
    return Machine(sandbox.prepare(kind, folder), env, stop)


def build_folder(root: Path, folder: Path) -> Path:
    """Where our own parts are built: build/, or the temporary folder where the course is read-only."""
    build = root / "build"
    try:
        build.mkdir(exist_ok=True)
    except OSError:
        pass
    return build if os.access(build, os.W_OK) else folder / "build"


@contextmanager
def locked(file: Path, holder: str = "") -> Iterator[None]:
    """Holds a lock. Where it is taken, waits; and says so first if holder says who has it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if holder:
                print(f"{holder}; waiting for it to end", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield

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
from grader.folders import remove_tree
from grader.pipeline import Machine

PREFIX = "parallel-labs-grader-"


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that every user can enter but not list, removed at the end, or by the next grader."""
    top = reachable_temporary()
    sweep(top)
    folder, lock = new_folder(top)
    try:
        folder.chmod(0o711)
        yield folder
    finally:
        remove_tree(folder)
        os.close(lock)


def new_folder(top: Path) -> tuple[Path, int]:
    """A new folder and its lock, which is the open folder itself: there is no moment without one.

    Another grader's sweep may come between making and locking; then the folder is gone, and the
    next one is tried."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=top))
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():
            return folder, lock
        os.close(lock)


def reachable_temporary() -> Path:
    """TMPDIR, or /tmp where the jobs' users could not get through to TMPDIR."""
    chosen = Path(tempfile.gettempdir()).resolve()
    closed = os.geteuid() == 0 and any(
        not place.stat().st_mode & 0o001 for place in (chosen, *chosen.parents)
    )
    return Path("/tmp") if closed else chosen


def sweep(top: Path) -> None:
    """Removes the folders of graders that were killed: nobody holds their lock."""
    for folder in top.glob(f"{PREFIX}*"):
        try:
            fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue  # just gone, or not one of ours
        try:
            if os.fstat(fd).st_uid == os.geteuid():
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove_tree(folder)
        except BlockingIOError:
            pass  # its grader is at work
        finally:
            os.close(fd)


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

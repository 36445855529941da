"""Turns: who may use the machine. Checks share it; a measurement of time has it alone.

Two locks in the file system, so that several graders of one user take turns as well. Whoever waits
to be alone holds the gate meanwhile, or checks that keep coming would never let it through.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def folder() -> Path:
    """The user's own folder of locks."""
    place = Path(tempfile.gettempdir()) / f"parallel-labs-turns-{os.geteuid()}"
    place.mkdir(mode=0o700, exist_ok=True)
    facts = place.stat(follow_symlinks=False)
    if facts.st_uid != os.geteuid() or not place.is_dir() or place.is_symlink():
        raise OSError(f"{place} belongs to somebody else")
    return place


@contextmanager
def held(name: str, how: int) -> Iterator[None]:
    fd = os.open(folder() / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(fd, how)
        yield
    finally:
        os.close(fd)


@contextmanager
def shared() -> Iterator[None]:
    """Others may work at the same time, but nobody measures."""
    with held("gate", fcntl.LOCK_EX):
        turn = held("turn", fcntl.LOCK_SH)
        turn.__enter__()
    try:
        yield
    finally:
        turn.__exit__(None, None, None)


@contextmanager
def alone() -> Iterator[None]:
    """Nobody else works."""
    with held("gate", fcntl.LOCK_EX), held("turn", fcntl.LOCK_EX):
        yield

"""Control groups: limits of memory and processes that the kernel itself keeps, per job.

They stand behind the reaper's limits, which explain themselves better but look only now and then.
Where no group can be made (no root, a container that hides /sys/fs/cgroup) the jobs go without.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

TOP = Path("/sys/fs/cgroup")
MEMORY_BYTES = 4 << 30
PROCESSES = 512
LIMITS = {  # controller: file of version 2, of version 1, limit
    "memory": ("memory.max", "memory.limit_in_bytes", MEMORY_BYTES),
    "pids": ("pids.max", "pids.max", PROCESSES),
}
# The shell enters the groups ($0, separated by spaces) and becomes the command.
ENTER = 'for group in $0; do echo $$ >"$group/cgroup.procs" || exit 125; done; exec "$@"'


def places(uid: int) -> Iterator[tuple[Path, str, Path]]:
    """Where groups of a job may be: the folder, its limit's file, and the folder above."""
    name = f"parallel-labs-{uid}"
    for controller, (second, first, _) in LIMITS.items():
        if (TOP / controller / "cgroup.procs").exists():
            yield TOP / controller / name, first, TOP / controller
        elif controller in read(TOP / "cgroup.controllers").split():
            yield TOP / name, second, TOP


def read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii")
    except OSError:
        return ""


def make(uid: int) -> None:
    """Makes the groups of a job and sets their limits, as far as that is possible."""
    values = {name: limit for second, first, limit in LIMITS.values() for name in (second, first)}
    for group, file, top in places(uid):
        try:
            if group.parent == TOP and "memory pids" not in read(TOP / "cgroup.subtree_control"):
                (TOP / "cgroup.subtree_control").write_text("+memory +pids")
            group.mkdir(exist_ok=True)
            (group / file).write_text(str(values[file]))
        except OSError:
            remove_one(group)


def words(uid: int | None) -> list[str]:
    """The words before a command that put it into the job's groups; none where there are none."""
    if uid is None:
        return []
    groups = sorted({str(group) for group, _, _ in places(uid) if group.is_dir()})
    return ["/bin/sh", "-c", ENTER, " ".join(groups)] if groups else []


def remove(uid: int) -> None:
    for group, _, _ in places(uid):
        remove_one(group)


def remove_one(group: Path) -> None:
    """A group goes when its last process has gone, which may take a moment."""
    for _ in range(50):
        try:
            os.rmdir(group)
            return
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.01)

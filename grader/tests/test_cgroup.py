"""Control groups: a job is put into them, their limits hold, and they go with the job."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from grader import cgroup

UID = 60899


@pytest.fixture()
def words() -> Iterator[list[str]]:
    cgroup.make(UID)
    found = cgroup.words(UID)
    if not found:
        pytest.skip("this machine lets us make no control groups")
    yield found
    cgroup.remove(UID)
    assert not any(group.exists() for group, _, _ in cgroup.places(UID))


def test_the_command_is_in_the_groups_and_keeps_its_arguments(words: list[str]) -> None:
    command = [*words, "cat", "/proc/self/cgroup", "/dev/null"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert f"parallel-labs-{UID}" in told


def test_no_more_processes_than_allowed(words: list[str]) -> None:
    for group, file, _ in cgroup.places(UID):
        if file == "pids.max":
            (group / file).write_text("10")
    script = "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do sleep 1 & done; wait"
    told = subprocess.run([*words, "sh", "-c", script], capture_output=True, text=True, check=False)
    assert "fork" in told.stderr


def test_no_more_memory_than_allowed(words: list[str]) -> None:
    for group, file, _ in cgroup.places(UID):
        if file.startswith("memory"):
            (group / file).write_text(str(64 << 20))
    script = "x = bytearray(300 << 20)"
    ended = subprocess.run([*words, "/usr/bin/python3", "-c", script], check=False)
    assert ended.returncode == -9


def test_nobody_is_put_anywhere_without_a_group() -> None:
    assert cgroup.words(None) == []
    assert cgroup.words(UID + 1) == [] or os.geteuid() == 0

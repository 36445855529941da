"""What several tests share because it takes long: a copy of the project, and the bundled class graded in it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from grader.course import default_root

LEFT_OUT = ("build", "results", ".git", "__pycache__", ".*_cache", ".hypothesis", "*.kept-*")


@pytest.fixture(scope="session")
def project_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as a clone has it, without what was built or graded."""
    copy = tmp_path_factory.mktemp("clone") / "course"
    shutil.copytree(default_root(), copy, ignore=shutil.ignore_patterns(*LEFT_OUT), symlinks=True)
    return copy


@pytest.fixture(scope="session")
def class_graded(project_copy: Path) -> str:
    """What `make grade` prints for the bundled class; its results are in project_copy/results."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    ended = subprocess.run(
        ["make", "grade"],
        cwd=project_copy,
        env={**env, "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return ended.stdout.decode("utf-8", "replace")

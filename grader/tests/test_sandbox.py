"""sandbox.py: what a command inside can see and do. Where no sandbox can be had, the reason is told instead."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader import process, sandbox
from grader.sandbox import Bind, NoSandbox, Sandbox, claimed_uids
from grader.workplace import temporary_folder


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    with temporary_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def box(place: Path) -> Sandbox:
    made = sandbox.prepare("bwrap", place)
    try:
        sandbox.probe(made)
    except NoSandbox as error:
        pytest.skip(f"no sandbox on this machine: {error}")
    return made


def run(
    box: Sandbox,
    place: Path,
    script: str,
    binds: tuple[Bind, ...] = (),
    env: dict[str, str] | None = None,
) -> process.Outcome:
    with claimed_uids(1) as uids:
        work = place / f"work-{time.monotonic_ns()}"
        work.mkdir()
        sandbox.give(work, uids[0])
        words = sandbox.wrap(box, uids[0], [Bind(str(work), "/work", True), *binds], "/work", env)
        return process.run(
            [*words, "sh", "-c", script], seconds=20, env={**os.environ, "SECRET": "secret"}
        )


def test_the_environment_is_not_ours(box: Sandbox, place: Path) -> None:
    lines = run(box, place, "env", env={"POCL_CACHE_DIR": "/cache"}).output.splitlines()
    told = dict(line.split("=", 1) for line in lines)
    assert told["HOME"] == "/home/student" and told["POCL_CACHE_DIR"] == "/cache"
    assert "SECRET" not in told


def test_only_the_work_and_temporary_folders_can_be_written(box: Sandbox, place: Path) -> None:
    script = "for d in / /usr /etc /dev /sys /lab /work /tmp /home/student /dev/shm; do touch $d/x 2>/dev/null && echo $d; done"
    outcome = run(box, place, script, (Bind(str(box.etc), "/lab"),))
    assert outcome.output.split() == ["/work", "/tmp", "/home/student", "/dev/shm"]


def test_nothing_of_ours_can_be_seen(box: Sandbox, place: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    outcome = run(
        box,
        place,
        f"ls {root} {place} /root /home; ls /; cat /etc/shadow /etc/hostname; hostname; id -un",
    )
    lines = outcome.output.splitlines()
    assert f"ls: cannot access '{root}': No such file or directory" in lines
    assert f"ls: cannot access '{place}': No such file or directory" in lines
    assert "cat: /etc/shadow: No such file or directory" in lines
    assert lines[-2:] == ["lab", "student"]


def test_processes_network_and_capabilities_are_its_own(box: Sandbox, place: Path) -> None:
    script = "ls /proc | grep -c '^[0-9]'; cat /proc/net/dev | grep -c :; grep -E 'CapEff|NoNewPrivs' /proc/self/status; kill -9 -1 2>/dev/null; echo on"
    lines = run(box, place, script).output.split()
    assert int(lines[0]) <= 3  # the shell, ls, grep
    assert lines[1] == "1"  # loopback
    assert lines[2:6] == ["CapEff:", "0000000000000000", "NoNewPrivs:", "1"]
    assert lines[6] == "on"


def test_all_that_was_started_ends_with_the_first_process(box: Sandbox, place: Path) -> None:
    began = time.monotonic()
    outcome = run(box, place, "setsid sleep 30 & setsid sh -c 'sleep 2; touch /work/late' & exit 0")
    assert outcome.status == 0
    assert time.monotonic() - began < 2
    time.sleep(2.5)
    assert not list(place.glob("work-*/late"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give each job a user id of its own")
def test_the_number_of_processes_is_limited_although_we_are_root(box: Sandbox, place: Path) -> None:
    fork = "import os\nn = 0\ntry:\n    while n < 400:\n        if os.fork() == 0: import time; time.sleep(5); os._exit(0)\n        n += 1\nexcept OSError:\n    pass\nprint(n)"
    outcome = run(box, place, f'prlimit --nproc=50 /usr/bin/python3 -c "{fork}"')
    assert 0 < int(outcome.output.split()[-1]) < 60


def test_two_graders_never_use_the_same_user_id() -> None:
    with claimed_uids(3) as first, claimed_uids(3) as second:
        if os.geteuid() == 0:
            assert len({*first, *second}) == 6
        else:
            assert first == second == [None] * 3


@pytest.mark.parametrize(
    ("complaint", "words"),
    [
        ("bwrap: No permissions to create new namespace, likely because ...", "user namespaces"),
        ("bwrap: setting up uid map: Permission denied", "user namespaces"),
        ("bwrap: Creating new namespace failed: Operation not permitted", "user namespaces"),
        ("bwrap: execvp /usr/bin/true: No such file or directory", "does not start"),
        ("", "does not start"),
    ],
)
def test_a_sandbox_that_cannot_be_had_is_explained(complaint: str, words: str) -> None:
    assert words in sandbox.explain(complaint)


def test_a_missing_program_is_named(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NoSandbox, match="apt-get install bubblewrap"):
        sandbox.probe(Sandbox("bwrap", place))

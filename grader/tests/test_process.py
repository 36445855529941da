"""process.py: limits of time and output, and nothing left behind."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from grader import process
from grader.tests.helpers import open_descriptors

ENV = {"PATH": "/usr/bin:/bin"}


def shell(script: str, seconds: float = 20, stop: threading.Event | None = None) -> process.Outcome:
    return process.run(["sh", "-c", script], seconds=seconds, env=ENV, stop=stop)


def test_status_and_output() -> None:
    outcome = shell("echo out; echo err >&2; exit 3")
    assert (outcome.status, outcome.timed_out, outcome.output) == (3, False, "out\nerr\n")
    assert shell("kill -9 $$").status == -9


def test_a_flood_keeps_head_and_tail() -> None:
    outcome = shell("echo first; head -c 30000000 /dev/zero | tr '\\0' x; echo last")
    assert len(outcome.output) < 100_000
    assert outcome.output.startswith("first\n") and outcome.output.endswith("last\n")
    assert "[... cut ...]" in outcome.output


def test_the_time_limit_ends_the_whole_session(tmp_path: Path) -> None:
    outcome = shell(f"sh -c 'sleep 1.5; touch {tmp_path}/late' & sleep 60", seconds=0.3)
    assert outcome.timed_out and outcome.seconds < 5
    time.sleep(1.6)
    assert not (tmp_path / "late").exists()


def test_a_rest_that_holds_the_output_open_is_not_waited_for() -> None:
    outcome = shell("sleep 5 & echo done")
    assert outcome.output == "done\n" and outcome.seconds < 4


def test_the_grader_can_stop_it() -> None:
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(process.Stopped):
        shell("sleep 60", stop=stop)


def test_a_command_that_is_not_there() -> None:
    with pytest.raises(OSError):
        process.run(["/nowhere/x"], seconds=1, env=ENV)


def test_no_descriptor_is_left_open() -> None:
    before = open_descriptors()
    shell("echo x")
    assert open_descriptors() == before


def test_output_that_is_no_text_is_made_text() -> None:
    assert shell("printf '\\377a'").output == "\ufffda"


def test_the_members_of_a_session_are_found() -> None:
    assert os.getpid() in process.session_members(os.getsid(0))
    assert os.getpid() not in process.session_members(2**22 + 1)


def test_a_flood_is_ended() -> None:
    outcome = shell("yes", seconds=60)
    assert outcome.flooded and not outcome.timed_out
    assert len(outcome.output) < 3 * process.KEPT

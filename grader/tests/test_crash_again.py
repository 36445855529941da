"""A rank that crashes in MPI_Finalize, as Open MPI itself does once in some thousand runs: the run is
made again, and what crashes each time is told all the same."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from grader.tests import bank

CRASH = """
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>
static int crash(MPI_Comm comm, int key, void *value, void *state)
{
    (void)comm, (void)key, (void)value, (void)state;
    if (access("MARKER", F_OK) == 0)
        return MPI_SUCCESS;
    CREATE;
    return raise(SIGSEGV);
}

int send_array(const double *array, int count, int dest, MPI_Comm comm)
{
    static int set, key;
    if (!set++) { /* what hangs on MPI_COMM_SELF is deleted in MPI_Finalize */
        MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, crash, &key, NULL);
        MPI_Comm_set_attr(MPI_COMM_SELF, key, &set);
    }
"""


@pytest.mark.parametrize("times, ends", [("once", 0), ("always", 1)])
def test_a_run_that_crashed_outside_the_tested_code_is_made_again(
    times: str, ends: int, tmp_path: Path
) -> None:
    begin = "int send_array(const double *array, int count, int dest, MPI_Comm comm)\n{\n"
    solution = (bank.ROOT / "solutions/03-send-recv/sendrecv.c").read_text(encoding="utf-8")
    assert begin in solution
    marker = tmp_path / "marker"
    create = f'close(creat("{marker}", 0600))' if times == "once" else ""
    crash = CRASH.replace("MARKER", str(marker)).replace("CREATE", create)
    submission, out, work = (tmp_path / name for name in ("submission", "out", "work"))
    for folder in (submission, work):
        folder.mkdir()
    (submission / "sendrecv.c").write_text(solution.replace(begin, crash), encoding="utf-8")
    lab, build = bank.ROOT / "labs/03-send-recv", bank.ROOT / "build"
    command = ["make", "-s", "-C", str(lab), f"SUBMIT={submission}", f"OUT={out}"]
    subprocess.run([*command, "given", "suite", "link"], check=True)
    env = os.environ | {
        "CK_RUN_CASE": "array_arrives",
        "LAB_PROGRAMS": str(out),
        "LAB_REAPER": str(build / "suites/reaper"),
        "LAB_WORK": str(work),
        "LAB_SUBMISSION": str(submission),
    }
    suite = [str(build / "suites/check_sendrecv")]
    done = subprocess.run(suite, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == ends, done.stdout + done.stderr
    assert ("was ended by SIGSEGV" in done.stdout) == bool(ends)

"""Lab 04's program reads of the matrix only the rows that each rank multiplies: by the kernel's count."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy

from grader.tests import bank

LAB = "04-allgather-matvec"
RANKS, ROWS, COLUMNS = 4, 40, 1 << 18  # 2 MiB a row, 20 MiB a rank, 80 MiB in all
MIB = 1 << 20

# What a rank's shell has read, with all that the program read which it waited for.
COUNTED = '"$@"; echo "read $(sed -n "s/^rchar: //p" /proc/$$/io) bytes"'

SURROUNDINGS = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
    "OMPI_MCA_mpi_yield_when_idle": "1",
    "OMPI_MCA_hwloc_base_binding_policy": "none",
    "OMPI_MCA_plm_rsh_agent": "false",
}


def build(into: Path) -> Path:
    """The program with the reference solution."""
    words = ["make", "-s", "-C", str(bank.ROOT / "labs" / LAB), f"PYTHON={sys.executable}"]
    words += [
        f"SUBMIT={bank.ROOT / 'solutions' / LAB}",
        f"OUT={into / 'out'}",
        f"GIVEN={into / 'given'}",
    ]
    subprocess.run([*words, "FLAVOURS=plain", "given", "objects", "link"], check=True)
    return into / "out" / "plain" / "matvec"


def test_each_rank_reads_only_its_rows(tmp_path: Path) -> None:
    program = build(tmp_path)
    matrix, vector = numpy.ones((ROWS, COLUMNS)), numpy.ones(COLUMNS)
    numpy.save(tmp_path / "A.npy", matrix)
    numpy.save(tmp_path / "x.npy", vector)
    words = ["mpirun", "-n", str(RANKS), "--map-by", ":OVERSUBSCRIBE", "sh", "-c", COUNTED, "sh"]
    run = subprocess.run(
        [*words, str(program), "A.npy", "x.npy", "Y.npy"],
        cwd=tmp_path,
        env={**os.environ, **SURROUNDINGS, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=120,
    )
    assert (numpy.load(tmp_path / "Y.npy") == COLUMNS).all()
    read = [int(number) for number in re.findall(r"read (\d+) bytes", run.stdout)]
    own = (matrix.nbytes // RANKS + vector.nbytes) / MIB
    assert len(read) == RANKS
    # Besides, the program reads its libraries' and the system's files; never another rank's 20 MiB.
    assert all(own <= count / MIB < own + 15 for count in read), (own, read)

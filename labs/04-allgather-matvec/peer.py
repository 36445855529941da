"""Lab 04's peer: the seed's mpi-matrix-vector.py, with rows that the ranks need not divide."""

from __future__ import annotations

import numpy
import peers
import peers_mpi
from mpi4py import MPI


def race_at(race: peers.Race, n: int, ranks: int) -> None:
    comm, own = peers_mpi.among(race, ranks)
    if comm != MPI.COMM_NULL:
        counts = [n // ranks + (r < n % ranks) for r in range(ranks)]
        places = [sum(counts[:r]) for r in range(ranks)]
        rng = numpy.random.default_rng(n)
        block, x, y = rng.random((counts[comm.rank], n)), rng.random(n), numpy.empty(n)

        def matvec() -> None:
            part = numpy.dot(block, x)
            comm.Allgatherv([part, MPI.DOUBLE], [y, counts, places, MPI.DOUBLE])

        peers.run(own, {"n": n, "ranks": ranks}, {"mpi4py + numpy": matvec})
    peers_mpi.rejoin()


def main() -> None:
    race = peers_mpi.options()
    ranks = 1
    while ranks <= MPI.COMM_WORLD.size and not (race.quick and ranks > 2):
        for n in (64,) if race.quick else (64, 256, 512, 1024, 2048, 4096):
            race_at(race, n, ranks)
        ranks *= 2


if __name__ == "__main__":
    main()

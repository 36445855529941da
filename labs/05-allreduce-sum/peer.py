"""Lab 05's peer: the seed's mpi-psum.py."""

from __future__ import annotations

import numpy
import peers
import peers_mpi
from mpi4py import MPI


def race_at(race: peers.Race, n: int, ranks: int) -> None:
    comm, own = peers_mpi.among(race, ranks)
    if comm != MPI.COMM_NULL:
        values = numpy.random.default_rng(n + comm.rank).random(n // ranks)
        total = numpy.array(0.0)

        def psum() -> None:
            local = numpy.sum(values)
            comm.Allreduce([local, MPI.DOUBLE], [total, MPI.DOUBLE], op=MPI.SUM)

        peers.run(own, {"n": n, "ranks": ranks}, {"mpi4py + numpy": psum})
    peers_mpi.rejoin()


def main() -> None:
    race = peers_mpi.options()
    ranks = 1
    while ranks <= MPI.COMM_WORLD.size and not (race.quick and ranks > 2):
        for n in (4096,) if race.quick else (4096, 65536, 1 << 18, 1 << 20, 1 << 22, 1 << 24):
            race_at(race, n, ranks)
        ranks *= 2


if __name__ == "__main__":
    main()

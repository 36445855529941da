"""Lab 03's peer: the seed's comm.Send and comm.Recv of numpy arrays, and comm.send of objects, by mpi4py."""

from __future__ import annotations

import numpy
import peers
import peers_mpi
from mpi4py import MPI

SIZES = [8, 32, 128, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072, 262144]
SIZES += [1048576, 4194304, 8388608]


def ping_pong(array: numpy.ndarray, rank: int) -> None:
    comm = MPI.COMM_WORLD
    if rank == 0:
        comm.Send(array, 1, 13)
        comm.Recv(array, 1, 13)
    else:
        comm.Recv(array, 0, 13)
        comm.Send(array, 0, 13)


def ping_pong_object(array: numpy.ndarray, rank: int) -> None:
    comm = MPI.COMM_WORLD
    if rank == 0:
        comm.send(array, 1, 11)
        comm.recv(source=1, tag=11)
    else:
        comm.send(comm.recv(source=0, tag=11), 0, 11)


def main() -> None:
    comm, race = peers_mpi.among(peers_mpi.options(), 2)
    if comm != MPI.COMM_NULL:
        for size in (8, 65536) if race.quick else SIZES:
            array = numpy.arange(size // 8, dtype=numpy.float64)
            contenders = {
                "mpi4py Send": lambda: ping_pong(array, comm.rank),
                "mpi4py send": lambda: ping_pong_object(array, comm.rank),
            }
            peers.run(race, {"bytes": size, "ways": 2}, contenders)
    peers_mpi.rejoin()


if __name__ == "__main__":
    main()

"""Races among ranks, for the peer.py files of the MPI labs: as race_mpi.c."""

from __future__ import annotations

import dataclasses
import time

import peers
from mpi4py import MPI


def options() -> peers.Race:
    return peers.options()


def among(race: peers.Race, ranks: int) -> tuple[MPI.Comm, peers.Race]:
    """The first ranks, and the race that they run; MPI.COMM_NULL on the others."""
    world = MPI.COMM_WORLD
    comm = world.Split(0 if world.rank < ranks else MPI.UNDEFINED, world.rank)
    agree = lambda seconds: comm.allreduce(seconds, MPI.MAX)
    return comm, dataclasses.replace(race, agree=agree, speaks=world.rank == 0)


def rejoin() -> None:
    """Waits for all ranks without using the core."""
    request = MPI.COMM_WORLD.Ibarrier()
    while not request.Test():
        time.sleep(0.001)

"""Lab 01's peer: the seed's multiprocessing.Pool.map, on the cases of bench.c."""

from __future__ import annotations

import multiprocessing
import os

import peers


def copy(data: bytes) -> bytes:
    return data


def race_at(race: peers.Race, processes: int, size: int, count: int, chunk: int) -> None:
    # Elements that differ, as in C: pickle would send the same object only once in a chunk.
    data = [k.to_bytes(size, "little") for k in range(count)]
    case = {"processes": processes, "bytes": size, "chunk": chunk, "tasks": count}
    with multiprocessing.Pool(processes) as pool:
        peers.run(race, case, {"Pool.map": lambda: pool.map(copy, data, chunk or None)})


def main() -> None:
    race = peers.options()
    cores = os.cpu_count() or 1
    count = 200 if race.quick else 4000
    for chunk in (1, 0) if race.quick else (1, 4, 16, 64, 256, 0):
        race_at(race, cores, 8, count, chunk)
    for size in (64,) if race.quick else (64, 512, 4096, 32768):
        race_at(race, cores, size, count, 1)
        race_at(race, cores, size, count, 0)
    processes = 1
    while processes <= (2 if race.quick else 4 * cores):
        if processes != cores:
            race_at(race, processes, 8, count, 1)
        processes *= 2


if __name__ == "__main__":
    main()

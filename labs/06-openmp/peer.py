"""Lab 06's peer: numpy.dot, with which the seed compared its product."""

from __future__ import annotations

import os

import numpy
import peers

SIZES = (8, 16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 8192)


def main() -> None:
    race = peers.options()
    for n in (128,) if race.quick else SIZES:
        rng = numpy.random.default_rng(n)
        matrix, x = rng.random((n, n)), rng.random(n)
        case = {"n": n, "threads": os.cpu_count() or 1}
        peers.run(race, case, {"numpy.dot": lambda: numpy.dot(matrix, x)})


if __name__ == "__main__":
    main()

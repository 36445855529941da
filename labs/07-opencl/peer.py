"""Lab 07's peer: the seed's opencl-dense-mv.py: its kernel started by pyopencl, and numpy.dot of floats."""

from __future__ import annotations

from pathlib import Path

import numpy
import peers
import pyopencl


def race_at(race: peers.Race, n: int) -> None:
    device = pyopencl.get_platforms()[0].get_devices()[0]
    context = pyopencl.Context([device])
    queue = pyopencl.CommandQueue(context)
    program = pyopencl.Program(context, Path("seed.cl").read_text()).build([f"-D N={n}"])
    kernel = pyopencl.Kernel(program, "dmv_cl")
    rng = numpy.random.default_rng(n)
    matrix, x = rng.random((n, n), dtype=numpy.float32), rng.random(n, dtype=numpy.float32)
    y = numpy.empty(n, dtype=numpy.float32)
    flags = pyopencl.mem_flags
    on_device = flags.READ_ONLY | flags.COPY_HOST_PTR
    buffers = [pyopencl.Buffer(context, on_device, hostbuf=array) for array in (matrix, x)]
    buffers.append(pyopencl.Buffer(context, flags.WRITE_ONLY, size=y.nbytes))

    def opencl() -> None:
        kernel(queue, (n,), None, *buffers).wait()
        pyopencl.enqueue_copy(queue, y, buffers[2])

    contenders = {"pyopencl, seed's kernel": opencl, "numpy.dot": lambda: numpy.dot(matrix, x)}
    peers.run(race, {"n": n}, contenders)


def main() -> None:
    race = peers.options()
    for n in (256,) if race.quick else (64, 256, 512, 1024, 2048, 4096, 8192):
        race_at(race, n)


if __name__ == "__main__":
    main()

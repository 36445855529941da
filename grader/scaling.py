"""Scaling: how far the collectives of labs 04 and 05 carry, by a model and by measurement.

The model has three numbers of the machine: alpha, the seconds that any message takes; beta, the
seconds for each further byte; and the bandwidth at which a rank reads its own part. A collective
among p ranks takes ceil(log2 p) steps, each a message:

    Allgather of m bytes in all    steps * alpha + (p - 1) / p * m * beta    (recursive doubling)
    Allreduce of m bytes           steps * (alpha + m * beta)                (recursive doubling)

(Thakur, Rabenseifner and Gropp 2005). The work that p ranks share takes bytes / (p * bandwidth).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

from rich.console import Console

from grader import bench, terminal
from grader.bench import Line, Order
from grader.course import Course, find_lab

MATRIX, VECTOR = 1024, 65536  # sizes at which the collectives are measured
RANKS = (2, 4, 8, 16)
FAR = tuple(10**k for k in range(6))  # ranks, for the tables


@dataclass(frozen=True)
class Machine:
    """What the model needs to know."""

    name: str
    alpha: float  # seconds
    beta: float  # seconds a byte
    bandwidth: float  # bytes a second, of one rank


@dataclass(frozen=True)
class Checked:
    """A collective, measured and by the model."""

    name: str
    ranks: int
    measured: bench.Spread
    model: float


NETWORK = (
    2e-6,
    1 / 12.5e9,
)  # a cluster's network of 100 Gbit/s, as its makers state it: not measured


# ---- the model ----


def steps(ranks: int) -> int:
    return math.ceil(math.log2(ranks)) if ranks > 1 else 0


def allgather(machine: Machine, ranks: int, size: float) -> float:
    """size bytes in all, of which each rank brings its share."""
    return steps(ranks) * machine.alpha + (ranks - 1) / ranks * size * machine.beta


def allreduce(machine: Machine, ranks: int, size: float) -> float:
    return steps(ranks) * (machine.alpha + size * machine.beta)


def product(machine: Machine, ranks: int, n: int) -> float:
    """matvec_mpi of an n x n matrix: each rank reads its rows; then all have to get all of y."""
    return work(machine, ranks, 8.0 * n * n) + allgather(machine, ranks, 8.0 * n)


def total(machine: Machine, ranks: int, n: int) -> float:
    """psum of n numbers."""
    return work(machine, ranks, 8.0 * n) + allreduce(machine, ranks, 8.0)


def work(machine: Machine, ranks: int, size: float) -> float:
    return size / (ranks * machine.bandwidth)


def most_ranks(time: Callable[[int], float], least: float = 0.5, limit: int = 1 << 20) -> int:
    """The largest power of two at which the efficiency is at least so much."""
    ranks = 1
    while ranks < limit and time(1) / (2 * ranks * time(2 * ranks)) >= least:
        ranks *= 2
    return ranks


def fastest(time: Callable[[int], float], limit: int = 1 << 20) -> int:
    """The power of two with the shortest time: beyond it further ranks make it slower."""
    return min((1 << k for k in range(limit.bit_length())), key=time)


# ---- measuring ----


def scaling(course: Course, quick: bool, console: Console) -> int:
    """Measures the machine, checks the model, and says where the collectives stop paying."""
    lines = bare_messages(course, quick)
    machine = fitted(lines, reading(course, quick))
    checked = list(check(course, machine, quick, console))
    others = [machine, Machine("network", *NETWORK, machine.bandwidth)]
    for text in report(others, checked):
        terminal.say(console, text)
    out = bench.out_folder(course, "scaling")
    content = {"machine": bench.machine(), "models": [asdict(one) for one in others]}
    found = [asdict(one) for one in checked]
    bench.write_json(out / "results.json", {"schema": 1, **content, "checked": found})
    from grader import bench_figures

    figure = bench_figures.save(bench_figures.scaling(others, checked), out)
    terminal.say(console, f"figure: {bench.shown(figure)} (and .svg)")
    return 0


def run_lab(
    course: Course, number: str, ranks: int, quick: bool, options: Sequence[str]
) -> list[Line]:
    lab = find_lab(course, number)
    order = Order(course, lab, course.root / "solutions" / lab.name, quick, ranks=ranks)
    folder = bench.fresh_run_folder(order, bench.out_folder(course, "scaling"))
    words = [*options, "-r", "2" if quick else "7", *(["-q"] if quick else [])]
    return bench.run(order, bench.PLANS[number], [str(bench.build(order))], words, folder)


def bare_messages(course: Course, quick: bool) -> list[Line]:
    lines = run_lab(course, "03", 2, quick, [])
    return [line for line in lines if line.contender == "MPI_Send"]


def reading(course: Course, quick: bool) -> float:
    """Bytes a second of one rank, when all cores read."""
    size = 4096 if quick else 1 << 22
    lines = run_lab(course, "05", bench.cores(), quick, ["-n", str(size)])
    spread = bench.spread([line.seconds for line in lines if line.contender == "only reading"])
    return 8.0 * size / bench.cores() / spread.median


def fitted(lines: Iterable[Line], bandwidth: float) -> Machine:
    """alpha from the shortest message; beta from the longest."""
    times: dict[int, list[float]] = {}
    for line in lines:
        times.setdefault(int(line.case["bytes"]), []).append(line.seconds / 2)
    medians = {size: bench.spread(found).median for size, found in times.items()}
    alpha, longest = medians[min(medians)], max(medians)
    return Machine("this machine", alpha, (medians[longest] - alpha) / longest, bandwidth)


def check(course: Course, machine: Machine, quick: bool, console: Console) -> Iterable[Checked]:
    """Both collectives among more and more ranks."""
    for ranks in RANKS[:1] if quick else RANKS:
        terminal.say(console, f"{ranks} ranks", "dim")
        for number, name, size, model in (
            ("04", "Allgatherv alone", 64 if quick else MATRIX, allgather),
            ("05", "Allreduce alone", 4096 if quick else VECTOR, allreduce),
        ):
            lines = run_lab(course, number, ranks, quick, ["-n", str(size)])
            found = bench.spread([line.seconds for line in lines if line.contender == name])
            sent = 8.0 * size if number == "04" else 8.0
            yield Checked(name.split()[0], ranks, found, model(machine, ranks, sent))


# ---- what people see: Markdown, for docs/scaling.md ----


def report(machines: Sequence[Machine], checked: Iterable[Checked]) -> Iterable[str]:
    yield "\n| machine | alpha | beta | reading, one rank |\n|---|---|---|---|"
    for one in machines:
        beta = f"{1e9 * one.beta:.3g} ns a byte ({1 / one.beta / 1e9:.3g} GB/s)"
        yield f"| {one.name} | {bench.duration(one.alpha)} | {beta} | {one.bandwidth / 1e9:.3g} GB/s |"
    yield "\n| collective | ranks | measured (quartiles) | model | measured / model |\n|---|---|---|---|---|"
    for found in checked:
        times = f"{bench.duration(found.measured.median)} ({bench.duration(found.measured.low)} to {bench.duration(found.measured.high)})"
        ratio = found.measured.median / found.model
        yield f"| {found.name} | {found.ranks} | {times} | {bench.duration(found.model)} | {ratio:.3g} |"
    yield from far(machines)


def far(machines: Sequence[Machine]) -> Iterable[str]:
    """Times up to 10^5 ranks, and where it stops paying."""
    head = "".join(f" {ranks:,} |" for ranks in FAR)
    yield f"\n| time on so many ranks |{head} half of it lost from | slower again from |"
    yield "|---|" + "---|" * (len(FAR) + 2)
    for one in machines:
        for words, n, time in (
            ("product, n = 4,096", 4096, product),
            ("product, n = 65,536", 65536, product),
            ("sum of 2^24", 1 << 24, total),
            ("sum of 2^34", 1 << 34, total),
        ):

            def on(ranks: int) -> float:
                return time(one, ranks, n)

            cells = "".join(f" {bench.duration(on(ranks))} |" for ranks in FAR)
            lost, slower = (limit_words(2 * found) for found in (most_ranks(on), fastest(on)))
            yield f"| {words}, {one.name} |{cells} {lost} | {slower} |"


def limit_words(ranks: int) -> str:
    return f"{ranks:,}" if ranks <= 1 << 20 else "beyond a million"

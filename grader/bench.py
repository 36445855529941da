"""Bench: a lab's functions beside what the field uses, in turns, as a table, JSON and figures.

Two programs take part: labs/NN/bench.c, which holds the student's functions and their rivals in C,
and labs/NN/peer.py, the same in Python. Both print a line of JSON for each measurement (race.h).
They run one after the other, several times, so that whatever else the machine does hits both. What
counts is the ratio of two times of the same round; of all rounds the median and the quartiles.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from grader import process, terminal
from grader.course import Course, Lab, Trouble, find_lab

PEER_PYTHON = "/usr/bin/python3"  # the one that sees Debian's modules
RUN_SECONDS = 1800.0
TURNS, ROUNDS = 3, 3  # program, peer, program, peer ...; rounds within each

Case = Mapping[str, Any]


class NoBench(Trouble):
    """A benchmark cannot be built or does not end well."""

    status = 1


@dataclass(frozen=True)
class Order:
    """What the user asked for."""

    course: Course
    lab: Lab
    folder: Path  # the files to be benchmarked
    quick: bool = False
    hostfile: str = ""
    ranks: int = 0  # 0: twice the cores, or what the hosts have
    turns: int = TURNS


@dataclass(frozen=True)
class Line:
    """One measurement."""

    contender: str
    case: Case
    seconds: float
    round: int
    more: Mapping[str, Any]


@dataclass(frozen=True)
class Spread:
    """A median and its quartiles."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Cell:
    """All rounds of one contender in one case."""

    contender: str
    case: Case
    seconds: Spread
    rate: float  # in the lab's unit
    ratio: Spread | None  # its time / the time of the lab's main function; None for that itself


@dataclass(frozen=True)
class Plan:
    """What is special in one lab's benchmark."""

    ours: str  # the student's function that the others are compared with
    modules: tuple[str, ...]  # that peer.py needs
    unit: str
    amount: Callable[[Case], float]  # amount / seconds is in that unit
    ranks: int = 0  # at least so many; 0: no MPI


@dataclass(frozen=True)
class Result:
    """A finished benchmark."""

    lab: str
    ours: str
    unit: str
    command: str
    machine: Mapping[str, str]
    missing: str  # why there is no peer, or ""
    lines: tuple[Line, ...]
    cells: tuple[Cell, ...]


def tasks(case: Case) -> float:
    return float(case["tasks"])


def sent(case: Case) -> float:
    return float(2 * case["bytes"] / 1e9)  # there and back


def matrix(case: Case) -> float:
    return float(8 * case["n"] ** 2 / 1e9)


def vector(case: Case) -> float:
    return float(8 * case["n"] / 1e9)


def matrix_of_floats(case: Case) -> float:
    return float(4 * case["n"] ** 2 / 1e9)


PLANS = {
    "01": Plan("pool_map", (), "tasks/s", tasks),
    "02": Plan("balanced_map", ("ipyparallel",), "tasks/s", tasks),
    "03": Plan("send_array", ("mpi4py", "numpy"), "GB/s", sent, 2),
    "04": Plan("matvec_mpi", ("mpi4py", "numpy"), "GB/s", matrix, 1),
    "05": Plan("psum", ("mpi4py", "numpy"), "GB/s", vector, 1),
    "06": Plan("matvec_omp", ("numpy",), "GB/s", matrix),
    "07": Plan("dmv_run", ("pyopencl", "numpy"), "GB/s", matrix_of_floats),
}


# ---- the verbs ----


def bench(order: Order, console: Console) -> int:
    """Runs one lab's benchmark; tables in the terminal, the rest in build/bench/<lab>/."""
    from grader import bench_figures

    result = measure(order, console)
    out = out_folder(order.course, order.lab.name)
    write_json(out / "results.json", as_json(result))
    print_result(result, console)
    for figure in bench_figures.draw(result):
        terminal.say(console, f"figure: {shown(bench_figures.save(figure, out))} (and .svg)")
    terminal.say(console, f"numbers: {shown(out / 'results.json')}")
    return 0


def measure(order: Order, console: Console) -> Result:
    """Builds, and runs program and peer in turns."""
    plan, out = PLANS[order.lab.number], out_folder(order.course, order.lab.name)
    program = build(order)
    run_folder = fresh_run_folder(order, out)
    missing = missing_modules(order, plan)
    turns, rounds = (1, 2) if order.quick else (order.turns, ROUNDS)
    facts = machine()
    lines: list[Line] = []
    for turn in range(turns):
        options = ["-r", str(rounds), "-b", str(turn * rounds), *(["-q"] if order.quick else [])]
        terminal.say(console, f"turn {turn + 1} of {turns}: {order.lab.name}", "dim")
        lines += run(order, plan, [str(program)], options, run_folder)
        if not missing:
            peer = [PEER_PYTHON, str(order.lab.folder / "peer.py")]
            lines += run(order, plan, peer, options, run_folder)
    command = f"make bench{' QUICK=1' if order.quick else ''} in labs/{order.lab.name}"
    cells = tuple(summarize(lines, plan))
    return Result(
        order.lab.name, plan.ours, plan.unit, command, facts, missing, tuple(lines), cells
    )


def compare(course: Course, quick: bool, console: Console) -> int:
    """One product through every runtime: each way's program in turns, at one size."""
    from grader import bench_figures

    size = 256 if quick else 4096
    ways = [order_of(course, number, quick) for number in ("06", "04", "07")]
    programs = [(order, build(order)) for order in ways]
    out = out_folder(course, "compare")
    folders = {order.lab.name: fresh_run_folder(order, out) for order in ways}
    lines: list[Line] = []
    for turn in range(2 if quick else 7):
        terminal.say(console, f"turn {turn + 1}", "dim")
        for order, program in programs:
            options = ["-n", str(size), "-r", "1", "-b", str(turn), *(["-q"] if quick else [])]
            folder = folders[order.lab.name]
            lines += run(order, PLANS[order.lab.number], [str(program)], options, folder)
    rows = tuple(compared(lines, cores()))
    command = "make compare" + (" QUICK=1" if quick else "")
    facts = machine()
    content = {"schema": 1, "command": command, "machine": facts, "n": size}
    write_json(out / "results.json", {**content, "rows": [asdict(row) for row in rows]})
    print_compared(rows, size, console)
    figure = bench_figures.save(bench_figures.compared(rows, size), out)
    terminal.say(console, f"figure: {shown(figure)} (and .svg)")
    return 0


def order_of(course: Course, number: str, quick: bool) -> Order:
    """The reference solution of a lab, with as many ranks as there are cores."""
    lab = find_lab(course, number)
    return Order(course, lab, course.root / "solutions" / lab.name, quick, ranks=cores())


# ---- building and running ----


def out_folder(course: Course, name: str) -> Path:
    folder = course.root / "build" / "bench" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def build(order: Order) -> Path:
    """The benchmark with the files of order.folder. Each folder's objects are kept apart."""
    out = (
        out_folder(order.course, order.lab.name)
        / "built"
        / "-".join(order.folder.resolve().parts[-2:])
    )
    words = ["make", "-s", "--no-print-directory", "-C", str(order.lab.folder), "bench-program"]
    words += [f"SUBMIT={order.folder.resolve()}", f"OUT={out}"]
    outcome = process.run(words, seconds=600, env=os.environ)
    program = out / "plain" / "bench"
    if outcome.status != 0 or not program.exists():
        raise NoBench(f"{order.lab.name} cannot be built for the benchmark:\n{outcome.output}")
    return program


def fresh_run_folder(order: Order, out: Path) -> Path:
    """Where the programs run: the kernels, and a cache of compiled ones that is empty."""
    folder = out / "run" / order.lab.name
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "pocl").mkdir(parents=True)
    for name in order.lab.submit:
        if not name.endswith(".c"):
            shutil.copy(order.folder / name, folder)
    if (order.lab.folder / "bench").is_dir():
        shutil.copytree(order.lab.folder / "bench", folder, dirs_exist_ok=True)
    return folder


def missing_modules(order: Order, plan: Plan) -> str:
    """What the peer lacks, in words; "" if nothing."""
    if not (order.lab.folder / "peer.py").exists():
        return "there is none"
    if not Path(PEER_PYTHON).exists():
        return f"not installed: {PEER_PYTHON}"
    names = [name for name in plan.modules if not has_module(name)]
    return f"not installed: make peers (lacks {', '.join(names)})" if names else ""


def has_module(name: str) -> bool:
    found = subprocess.run([PEER_PYTHON, "-c", f"import {name}"], capture_output=True, check=False)
    return found.returncode == 0


def run(
    order: Order, plan: Plan, program: list[str], options: list[str], folder: Path
) -> list[Line]:
    """One run of a program or a peer: the measurements that it prints."""
    words = [*launcher(order, plan), *program, *options]
    printed = folder / "printed"
    # Into a file: there may be more of it than what is kept of a command's output.
    redirected = ["sh", "-c", 'out=$1; shift; exec "$@" >"$out"', "sh", str(printed), *words]
    env = environment(order, folder)
    outcome = process.run(redirected, seconds=RUN_SECONDS, env=env, cwd=folder)
    if outcome.status != 0 or outcome.timed_out:
        how = "took too long" if outcome.timed_out else f"ended with status {outcome.status}"
        raise NoBench(f"{' '.join(words)}\n{how}:\n{outcome.output.strip()}")
    return [parse(text) for text in printed.read_text().splitlines() if text.startswith("{")]


def launcher(order: Order, plan: Plan) -> list[str]:
    """mpirun, or srun inside a job of Slurm; nothing for a lab without MPI."""
    if not plan.ranks:
        return []
    ranks = plan.ranks if plan.ranks == 2 else order.ranks or default_ranks(order)
    if "SLURM_JOB_ID" in os.environ:
        return ["srun", f"--ntasks={ranks}"]
    where = ["--hostfile", str(Path(order.hostfile).resolve())] if order.hostfile else []
    if order.hostfile:  # remote ranks do not see our environment
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PYTHONPATH"):
            where += ["-x", name]
    return ["mpirun", "-n", str(ranks), *where, "--map-by", ":OVERSUBSCRIBE"]


def default_ranks(order: Order) -> int:
    """All that the job or the hosts have; on one machine twice its cores, to show what that does."""
    if "SLURM_NTASKS" in os.environ:
        return int(os.environ["SLURM_NTASKS"])
    if order.hostfile:
        return slots(Path(order.hostfile).read_text(encoding="utf-8"))
    return 2 * cores()


def slots(hostfile: str) -> int:
    """The ranks that a hostfile of Open MPI has room for: a line "name slots=4" for each host."""
    total = 0
    for line in hostfile.splitlines():
        words = line.split("#")[0].split()
        given = [word[len("slots=") :] for word in words if word.startswith("slots=")]
        total += (int(given[0]) if given else 1) if words else 0
    return max(total, 1)


def environment(order: Order, folder: Path) -> dict[str, str]:
    env = {**os.environ, "PYTHONPATH": str(order.course.root / "common")}
    env |= {"POCL_CACHE_DIR": str(folder / "pocl"), "PYTHONDONTWRITEBYTECODE": "1"}
    # As `make demo` has it: libgomp's waiting threads else keep others from their cores for long.
    env.setdefault("GOMP_SPINCOUNT", "10000")
    # A core for each of PoCL's threads: woken from sleep, two else share one for whole products.
    env.setdefault("POCL_AFFINITY", "1")
    if PLANS[order.lab.number].ranks:
        env |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        if os.geteuid() == 0:
            env |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    return env


def cores() -> int:
    return len(os.sched_getaffinity(0))


def machine() -> dict[str, str]:
    """What the numbers were measured on."""
    facts = {"system": platform.platform(), "cores": str(cores()), "load": load()}
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [
            t.split(":")[1].strip() for t in cpuinfo.read_text().splitlines() if "model name" in t
        ]
        facts["processor"] = models[0] if models else platform.machine()
    caches = []
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        kind = (index / "type").read_text().strip()
        if kind != "Instruction":
            caches.append(
                f"L{(index / 'level').read_text().strip()} {(index / 'size').read_text().strip()}"
            )
    facts["caches"] = ", ".join(caches)
    said = subprocess.run(["gcc", "-dumpfullversion"], capture_output=True, text=True, check=False)
    facts["compiler"] = f"gcc {said.stdout.strip()} -O3 -march=native"
    facts["date"] = time.strftime("%Y-%m-%d")
    return facts


def load() -> str:
    return f"{os.getloadavg()[0]:.1f} at the start"


# ---- from lines to cells ----


def parse(text: str) -> Line:
    found = json.loads(text)
    known = ("contender", "case", "seconds", "round")
    contender, case, seconds, number = (found.pop(name) for name in known)
    return Line(contender, case, seconds, number, found)


def key(case: Case) -> str:
    return json.dumps(case, sort_keys=True)


def spread(values: Sequence[float]) -> Spread:
    if len(values) < 2:
        return Spread(values[0], values[0], values[0])
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median, low, high)


def summarize(lines: Iterable[Line], plan: Plan) -> Iterable[Cell]:
    """Cells in the order in which cases and contenders first came."""
    groups: dict[tuple[str, str], dict[int, float]] = {}
    cases: dict[str, Case] = {}
    for line in lines:
        if line.seconds > 0:
            cases.setdefault(key(line.case), line.case)
            groups.setdefault((key(line.case), line.contender), {})[line.round] = line.seconds
    for (case, contender), rounds in groups.items():
        seconds = spread(list(rounds.values()))
        ours = groups.get((case, plan.ours), {})
        ratios = [rounds[r] / ours[r] for r in rounds.keys() & ours.keys()]
        raced = 2 * len(ratios) > len(ours)  # what is timed once, such as a build, has no pairs
        ratio = spread(ratios) if raced and contender != plan.ours else None
        rate = plan.amount(cases[case]) / seconds.median
        yield Cell(contender, cases[case], seconds, rate, ratio)


# ---- compare ----


@dataclass(frozen=True)
class Row:
    """One way to compute the product."""

    way: str
    number: str  # double or float
    seconds: Spread
    rate: Spread  # GB/s
    share: float  # of the limit
    speedup: float  # against serial C, by GB/s


WAYS = (  # contender, in which case, as it is called in the table, number
    ("matvec_serial", "threads", "serial C", "double"),
    ("matvec_mpi", "ranks", "MPI", "double"),
    ("matvec_omp", "threads", "OpenMP", "double"),
    ("dmv_run", "", "OpenCL", "float"),
    ("OpenBLAS dgemv", "threads", "BLAS dgemv", "double"),
    ("OpenBLAS sgemv", "", "BLAS sgemv", "float"),
    ("only reading", "threads", "only reading", "double"),
)


def compared(lines: Sequence[Line], workers: int) -> Iterable[Row]:
    """Shares and speed-ups are medians of the ratios of one turn."""
    rates: dict[str, dict[int, float]] = {}
    times: dict[str, list[float]] = {}
    for contender, kind, way, number in WAYS:
        amount = matrix if number == "double" else matrix_of_floats
        for line in lines:
            if line.contender == contender and (not kind or line.case.get(kind) == workers):
                rates.setdefault(way, {})[line.round] = amount(line.case) / line.seconds
                times.setdefault(way, []).append(line.seconds)
    for _, _, way, number in WAYS:
        if way not in rates:
            continue
        share = [rate / rates["only reading"][r] for r, rate in rates[way].items()]
        faster = [rate / rates["serial C"][r] for r, rate in rates[way].items()]
        gained = statistics.median(faster)
        rate = spread(list(rates[way].values()))
        yield Row(way, number, spread(times[way]), rate, statistics.median(share), gained)


# ---- what people see ----


def shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def duration(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9)):
        if seconds >= size:
            return (
                f"{seconds / size:.3g} {unit}"
                if seconds / size < 999.5
                else f"{seconds / size:.0f} {unit}"
            )
    return f"{seconds / 1e-9:.2g} ns"


def rate_words(rate: float, unit: str) -> str:
    if unit == "tasks/s":
        return f"{rate:,.0f}"
    return f"{rate:.3g}"


def ratio_words(ratio: Spread) -> str:
    return f"x{ratio.median:.3g} ({ratio.low:.3g}-{ratio.high:.3g})"


def new_table(title: str) -> Table:
    return Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")


def tables(result: Result, width: int) -> Iterable[Table]:
    """Tables that fit the width: one for each kind of case, or more where it has many contenders."""
    kinds: dict[tuple[str, ...], list[Cell]] = {}
    for cell in result.cells:
        kinds.setdefault(kind_of(cell.case), []).append(cell)
    for names, cells in kinds.items():
        contenders = list(dict.fromkeys(cell.contender for cell in cells))
        at_once = max(1, (width - 10 * len(names) - 14) // 24)
        for first in range(0, len(contenders), at_once):
            yield table_of(result, names, cells, contenders[first : first + at_once])


def kind_of(case: Case) -> tuple[str, ...]:
    return tuple(case)


def table_of(
    result: Result, names: Sequence[str], cells: Sequence[Cell], contenders: Sequence[str]
) -> Table:
    """A row for each case, a column for each contender."""
    cases = list({key(cell.case): cell.case for cell in cells}.values())
    table = new_table(
        f"{result.lab}: time of one call, and how many times that of {result.ours} it is"
    )
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column(f"{result.ours}\n{result.unit}", justify="right", no_wrap=True)
    for contender in contenders:
        table.add_column(contender.replace(" ", "\n", 1), justify="right", no_wrap=True)
    if result.missing:
        table.add_column("Python peer", justify="right")
    found = {(key(cell.case), cell.contender): cell for cell in cells}
    for case in cases:
        ours = found.get((key(case), result.ours))
        row = [str(value) for value in case.values()]
        row.append(rate_words(ours.rate, result.unit) if ours else "")
        row += [cell_words(found.get((key(case), contender))) for contender in contenders]
        table.add_row(*row, *([result.missing] if result.missing else []))
    return table


def cell_words(cell: Cell | None) -> str:
    if cell is None:
        return ""
    time_words = duration(cell.seconds.median)
    return f"{time_words}\n{ratio_words(cell.ratio)}" if cell.ratio else time_words


def print_result(result: Result, console: Console) -> None:
    for table in tables(result, console.width):
        console.print(table)
    for words in extra_words(result):
        terminal.say(console, words)
    if result.missing:
        terminal.say(console, f"Python peer: {result.missing}", "yellow")


def extra_words(result: Result) -> Iterable[str]:
    """What a table of times does not show."""
    for line in result.lines:
        if "deviation" in line.more and line.round == 0:
            yield f"n = {line.case['n']}: {line.contender} {line.more['deviation']:g} at most"
    if any("gantt" in line.more for line in result.lines):
        for name, shown_facts in makespans(result.lines).items():
            yield (
                f"{name}: makespan {duration(shown_facts['makespan'])}, {shown_facts['idle']:.1%} idle, "
                f"{shown_facts['over_bound']:.3f} of the lower bound, {shown_facts['over_list']:.3f} of list scheduling on paper"
            )


def makespans(lines: Iterable[Line]) -> dict[str, dict[str, float]]:
    """For each view the medians of: makespan, idle share, ratio to the lower bound and to list scheduling."""
    facts: dict[str, list[dict[str, float]]] = {}
    for line in lines:
        if "gantt" in line.more:
            facts.setdefault(line.contender, []).append(schedule_facts(line))
    return {
        name: {fact: statistics.median(one[fact] for one in all_of) for fact in all_of[0]}
        for name, all_of in facts.items()
    }


def schedule_facts(line: Line) -> dict[str, float]:
    engines, longest = int(line.case["engines"]), float(line.case["longest"])
    delays = [longest * (k * 40503 % 65536) / 65536 for k in range(int(line.case["tasks"]))]
    bound = max(sum(delays) / engines, max(delays))
    return {
        "makespan": line.seconds,
        "idle": 1 - sum(delays) / (engines * line.seconds),
        "bound": bound,
        "over_bound": line.seconds / bound,
        "over_list": line.seconds / list_schedule(delays, engines),
    }


def list_schedule(delays: Iterable[float], engines: int) -> float:
    """The makespan on paper when each task goes, in order, to the first idle engine."""
    free = [0.0] * engines
    for delay in delays:
        free[free.index(min(free))] += delay
    return max(free)


def print_compared(rows: Sequence[Row], size: int, console: Console) -> None:
    table = new_table(f"y = A x, A of {size} x {size}, by {cores()} workers")
    for name in ("way", "number", "time", "GB/s", "of the limit", "speed-up"):
        table.add_column(name, justify="left" if name in ("way", "number") else "right")
    for row in rows:
        times, rate = duration(row.seconds.median), f"{row.rate.median:.3g}"
        table.add_row(row.way, row.number, times, rate, f"{row.share:.0%}", f"{row.speedup:.2f}")
    console.print(table)
    terminal.say(
        console, "A float has half the bytes of a double: the speed-up compares GB/s.", "dim"
    )


# ---- JSON ----


def as_json(result: Result) -> dict[str, Any]:
    content = asdict(result)
    measurements = [
        {
            "contender": line.contender,
            "case": line.case,
            "seconds": line.seconds,
            "round": line.round,
        }
        | dict(line.more)
        for line in result.lines
    ]
    del content["lines"], content["cells"]
    summary = [asdict(cell) for cell in result.cells]
    return {"schema": 1, **content, "summary": summary, "measurements": measurements}


def write_json(file: Path, content: Mapping[str, Any]) -> None:
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    fresh.replace(file)

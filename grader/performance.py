"""Performance: every benchmark of the reference solutions, and docs/performance.md made of them.

What the document says stands in the results.json that the benchmarks left, with the command and the
machine; nothing in it is written by hand. Beside the tables are the goals: the ratios that the
reference solutions are to reach, and what was found.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from grader import bench, terminal
from grader.bench import Cell, Order, Result, Spread
from grader.course import Course, find_lab

DOCUMENT = Path("docs") / "performance.md"
HEAD = """# What the benchmarks say

The reference solutions beside what the field uses. Every figure here was printed by a benchmark and put here by
`python3 -m grader performance`; the command and the machine stand above each table. A time is the median of all
rounds; a ratio is the median of the ratios within each round, with its quartiles in brackets, and says how many times
the time of the lab's own function it is: above 1 the other one is slower. The load at the start says how quiet the
machine was: at a load above the number of cores other programs took turns with the measurement, and figures of
several processes or threads then say little.
"""


@dataclass(frozen=True)
class Goal:
    """A ratio that the reference solution is to reach."""

    text: str
    wanted: str
    found: tuple[Spread, ...]  # one for each case that the goal speaks of
    state: str  # reached, not reached, in doubt


# ---- goals ----


def cells(result: Result, contender: str, wanted: Callable[[bench.Case], bool]) -> list[Cell]:
    return [cell for cell in result.cells if cell.contender == contender and wanted(cell.case)]


def ratios(result: Result, contender: str, wanted: Callable[[bench.Case], bool]) -> list[Spread]:
    return [cell.ratio for cell in cells(result, contender, wanted) if cell.ratio]


def at_least(text: str, least: float, found: Sequence[Spread]) -> Goal:
    """In every case: the other one takes at least so many times our time."""
    medians = all(one.median >= least for one in found)
    upper = all(one.high >= least for one in found)
    return Goal(text, f"at least {least:g}", tuple(found), state(found, medians, upper))


def at_most(text: str, most: float, found: Sequence[Spread]) -> Goal:
    medians = all(one.median <= most for one in found)
    lower = all(one.low <= most for one in found)
    return Goal(text, f"at most {most:g}", tuple(found), state(found, medians, lower))


def state(found: Sequence[Spread], medians: bool, quartiles: bool) -> str:
    """In doubt: not the median, but the better quartile reaches the goal in every case."""
    if not found:
        return "not measured"
    return "reached" if medians else "in doubt" if quartiles else "not reached"


def goals(result: Result) -> list[Goal]:
    workers = int(result.machine["cores"])
    return GOALS[result.lab[:2]](result, workers)


def goals_pool(result: Result, workers: int) -> list[Goal]:
    def chunked(chunk: int) -> list[Spread]:
        wanted = {"bytes": 8, "processes": workers, "chunk": chunk}
        return ratios(result, "Pool.map", lambda c: all(c[k] == v for k, v in wanted.items()))

    return [
        at_least("Pool.map / pool_map, 8 bytes, chunk 1", 4, chunked(1)),
        at_least("Pool.map / pool_map, 8 bytes, each with its own choice of chunk", 20, chunked(0)),
    ]


def goals_views(result: Result, workers: int) -> list[Goal]:
    empty = ratios(result, "ipyparallel balanced", lambda c: bool(c["what"] == "empty"))
    lines = [
        line for line in result.lines if line.contender == "balanced_map" and "gantt" in line.more
    ]
    paper = [bench.schedule_facts(line)["over_list"] for line in lines]
    return [
        at_least("ipyparallel balanced / balanced_map, empty tasks", 100, empty),
        at_most("balanced_map's makespan / list scheduling on paper", 1.01, [bench.spread(paper)]),
    ]


def goals_messages(result: Result, workers: int) -> list[Goal]:
    every = lambda c: True
    return [
        at_least("bare MPI_Send / send_array, every size", 0.97, ratios(result, "MPI_Send", every)),
        at_least("mpi4py Send / send_array, every size", 1, ratios(result, "mpi4py Send", every)),
    ]


def goals_collective(result: Result, workers: int) -> list[Goal]:
    largest = max(cell.case["n"] for cell in result.cells)
    big = lambda c: c["n"] == largest and c["ranks"] <= workers
    some = lambda c: c["ranks"] <= workers
    found = [
        at_least(
            f"only reading / {result.ours}, n = {largest}", 0.9, ratios(result, "only reading", big)
        ),
        at_least(
            f"mpi4py + numpy / {result.ours}, every size", 1, ratios(result, "mpi4py + numpy", some)
        ),
    ]
    if result.lab.startswith("05"):
        text = f"psum_compensated / psum, n = {largest}"
        found.append(at_most(text, 1.3, ratios(result, "psum_compensated", big)))
    return found


def goals_threads(result: Result, workers: int) -> list[Goal]:
    sizes = lambda c: c["n"] >= 64 and c["threads"] == workers
    small = lambda c: c["n"] < 256 and c["threads"] == workers
    beyond = lambda c: c["n"] >= 4096 and c["threads"] == workers
    dgemv = ratios(result, "OpenBLAS dgemv", sizes)
    return [
        at_least("OpenBLAS dgemv / matvec_omp, n from 64 on", 1, dgemv),
        at_least(
            "matvec_serial / matvec_omp, n below 256", 0.97, ratios(result, "matvec_serial", small)
        ),
        at_least(
            "only reading / matvec_omp, n from 4096 on",
            0.95,
            ratios(result, "only reading", beyond),
        ),
    ]


def goals_opencl(result: Result, workers: int) -> list[Goal]:
    large = lambda c: c["n"] == 4096
    return [
        at_least("OpenBLAS sgemv / dmv_run, n = 4096", 0.9, ratios(result, "OpenBLAS sgemv", large))
    ]


GOALS: Mapping[str, Callable[[Result, int], list[Goal]]] = {
    "01": goals_pool,
    "02": goals_views,
    "03": goals_messages,
    "04": goals_collective,
    "05": goals_collective,
    "06": goals_threads,
    "07": goals_opencl,
}


# ---- the verb ----


def performance(course: Course, labs: Sequence[str], measure: bool, console: Console) -> int:
    """Runs the benchmarks of these labs (unless only the document is wanted), and writes it."""
    for number in labs if measure else ():
        lab = find_lab(course, number)
        order = Order(course, lab, course.root / "solutions" / lab.name)
        bench.bench(order, console)
    results = [read(course, lab.name) for lab in course.labs if lab.number in bench.PLANS]
    (course.root / DOCUMENT).write_text(document([r for r in results if r]), encoding="utf-8")
    for result in filter(None, results):
        for goal in goals(result):
            terminal.say(
                console, goal_words(goal), "green" if goal.state == "reached" else "yellow"
            )
    terminal.say(console, f"written: {DOCUMENT}")
    return 0


def read(course: Course, name: str) -> Result | None:
    """The last benchmark of a lab."""
    file = bench.out_folder(course, name) / "results.json"
    if not file.exists():
        return None
    told = json.loads(file.read_text(encoding="utf-8"))
    lines = tuple(bench.parse(json.dumps(one)) for one in told["measurements"])
    found = tuple(bench.summarize(lines, bench.PLANS[name[:2]]))
    machine, missing = told["machine"], told["missing"]
    command = told["command"]
    return Result(name, told["ours"], told["unit"], command, machine, missing, lines, found)


def goal_words(goal: Goal) -> str:
    return f"{goal.state}: {goal.text}: {goal.wanted}; found {found_words(goal)}"


def found_words(goal: Goal) -> str:
    if not goal.found:
        return "nothing"
    if len(goal.found) == 1:
        return bench.ratio_words(goal.found[0])[1:]
    medians = [one.median for one in goal.found]
    return f"{min(medians):.3g} to {max(medians):.3g} in {len(medians)} cases"


# ---- the document ----


def document(results: Iterable[Result]) -> str:
    return "\n".join([HEAD, *(section(result) for result in results)])


def section(result: Result) -> str:
    facts = "; ".join(f"{name}: {value}" for name, value in result.machine.items())
    parts = [
        f"## {result.lab}\n",
        f"`{result.command} SUBMIT=../../solutions/{result.lab}`\n",
        f"{facts}\n",
    ]
    parts += ["| goal | wanted | found | |", "|---|---|---|---|"]
    for goal in goals(result):
        parts.append(f"| {goal.text} | {goal.wanted} | {found_words(goal)} | {goal.state} |")
    kinds = dict.fromkeys(tuple(cell.case) for cell in result.cells)
    for names in kinds:
        parts.append(markdown(result, names))
    parts += [f"- {words}" for words in bench.extra_words(result)]
    return "\n".join(parts) + "\n"


def markdown(result: Result, names: Sequence[str]) -> str:
    """A table as in the terminal."""
    listed = [cell for cell in result.cells if tuple(cell.case) == names]
    contenders = list(dict.fromkeys(cell.contender for cell in listed))
    rows = [
        f"\n| {' | '.join([*names, *contenders])} |",
        "|" + "---:|" * (len(names) + len(contenders)),
    ]
    found = {(bench.key(cell.case), cell.contender): cell for cell in listed}
    for case in {bench.key(cell.case): cell.case for cell in listed}.values():
        words = [bench.cell_words(found.get((bench.key(case), one))) for one in contenders]
        line = [
            *(str(value) for value in case.values()),
            *(text.replace("\n", "<br>") for text in words),
        ]
        rows.append(f"| {' | '.join(line)} |")
    return "\n".join(rows)

"""The figures of a benchmark, one function for each lab, drawn without a display.

Colours are those of Okabe and Ito, which people who are blind to some colours can tell apart; every
line has a marker of its own too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

if TYPE_CHECKING:
    from grader.bench import Cell, Line, Result, Row
    from grader.scaling import Checked, Machine

Axes = Any  # matplotlib has no types

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "x")
GREY = "#555555"


@dataclass(frozen=True)
class Picture:
    """A drawn figure, and the name of its files."""

    name: str
    figure: Any


def draw(result: Result) -> Iterable[Picture]:
    """The figures of one lab."""
    drawn = FIGURES[result.lab[:2]](result)
    for picture in drawn:
        machine = f"{result.machine.get('processor', '')}, {result.machine['cores']} cores"
        note = f"{result.command}; {machine}; {result.machine['date']}"
        picture.figure.text(0.995, 0.005, note, ha="right", va="bottom", fontsize=7, color=GREY)
        yield picture


def save(picture: Picture, folder: Path) -> Path:
    """Writes NAME.svg and NAME.png; returns the path of the latter."""
    for ending in (".svg", ".png"):
        picture.figure.savefig(folder / (picture.name + ending), dpi=120)
    pyplot.close(picture.figure)
    return folder / (picture.name + ".png")


# ---- what several figures need ----


def new(columns: int, rows: int = 1, height: float = 4.6) -> tuple[Any, Any]:
    size = (5.6 * columns, height * rows)
    figure, axes = pyplot.subplots(
        rows, columns, figsize=size, squeeze=False, constrained_layout=True
    )
    figure.get_layout_engine().set(h_pad=0.12, w_pad=0.12, rect=(0, 0.03, 1, 0.97))
    return figure, axes


def style(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, fontsize=11, loc="left")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(True, which="major", color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def logarithmic(axes: Axes, x: bool = True, y: bool = True, base: int = 2) -> None:
    if x:
        axes.set_xscale("log", base=base)
    if y:
        axes.set_yscale("log")


def label_sizes(axes: Axes, values: Iterable[int]) -> None:
    """Powers of two as the numbers that they are; at most nine of them."""
    shown = sorted(set(values))
    if len(shown) > 9:  # powers of two first
        shown = [value for value in shown if short(value)[-1] in "kM" or value & (value - 1) == 0]
    step = -(-len(shown) // 11)
    axes.set_xticks(shown[::step])
    axes.set_xticklabels([short(value) for value in shown[::step]])
    axes.minorticks_off()


def short(value: float) -> str:
    for unit, size in (("M", 1 << 20), ("k", 1 << 10)):
        if value >= size and value % size == 0:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def of(result: Result, contender: str, **case: Any) -> list[Cell]:
    """The cells of a contender whose case has these values."""
    return [
        cell
        for cell in result.cells
        if cell.contender == contender
        and all(name in cell.case and cell.case[name] == value for name, value in case.items())
    ]


def contenders(result: Result, but: Sequence[str] = ()) -> list[str]:
    found = dict.fromkeys(cell.contender for cell in result.cells)
    return [name for name in found if name not in but]


def line(
    axes: Axes, cells: Sequence[Cell], x: str, y: Callable[[Cell], float], label: str, number: int
) -> None:
    """One contender as a line with a marker, in the order of x."""
    ordered = sorted(cells, key=lambda cell: float(cell.case[x]))
    if ordered:
        axes.plot(
            [cell.case[x] for cell in ordered],
            [y(cell) for cell in ordered],
            color=COLOURS[number % len(COLOURS)],
            marker=MARKERS[number % len(MARKERS)],
            markersize=5,
            linewidth=1.6,
            label=label,
        )


def seconds(cell: Cell) -> float:
    return cell.seconds.median


def rate(cell: Cell) -> float:
    return cell.rate


def legend(axes: Axes, **where: Any) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8, framealpha=0.9, **where)


# ---- 01 ----


def figures_pool(result: Result) -> list[Picture]:
    figure, axes = new(3)
    names = contenders(result, ["plain loop"])
    workers = int(result.machine["cores"])
    by_chunk, by_size, by_processes = axes[0]
    for number, name in enumerate(names):
        chunked = [c for c in of(result, name, processes=workers, bytes=8) if c.case["chunk"] > 0]
        line(by_chunk, chunked, "chunk", rate, name, number)
        chosen = of(result, name, processes=workers, bytes=8, chunk=0)
        if chosen:
            colour = COLOURS[number]
            by_chunk.axhline(chosen[0].rate, color=colour, linestyle="--", linewidth=1)
            by_chunk.annotate(
                f"{name}: its own choice",
                (1, chosen[0].rate),
                fontsize=8,
                color=colour,
                va="bottom",
            )
        line(
            by_size,
            of(result, name, processes=workers, chunk=1),
            "bytes",
            rate,
            f"{name}, chunk 1",
            number,
        )
        line(
            by_size,
            of(result, name, processes=workers, chunk=0),
            "bytes",
            rate,
            f"{name}, its own chunk",
            number + 2,
        )
        line(by_processes, of(result, name, bytes=8, chunk=1), "processes", rate, name, number)
    style(
        by_chunk, f"8-byte elements, {workers} workers", "elements in a chunk", "tasks per second"
    )
    style(
        by_size,
        f"by size of an element, {workers} workers",
        "bytes of an element",
        "tasks per second",
    )
    style(by_processes, "8-byte elements, chunk 1", "worker processes", "tasks per second")
    for one, name in ((by_chunk, "chunk"), (by_size, "bytes"), (by_processes, "processes")):
        logarithmic(one)
        label_sizes(one, [c.case[name] for c in result.cells if c.case[name] > 0])
        legend(one, loc="best")
    by_processes.axvline(workers, color=GREY, linestyle=":", linewidth=1)
    by_processes.annotate(
        " cores", (workers, by_processes.get_ylim()[0]), fontsize=8, color=GREY, va="bottom"
    )
    return [Picture("pool", figure)]


# ---- 02 ----


def figures_views(result: Result) -> list[Picture]:
    from grader.bench import makespans

    facts = makespans(result.lines)
    charts: dict[str, Line] = {}
    for one in result.lines:
        if "gantt" in one.more:
            # of all rounds that with the median makespan is shown
            nearer = abs(one.seconds - facts[one.contender]["makespan"])
            best = charts.get(one.contender)
            if best is None or nearer < abs(best.seconds - facts[one.contender]["makespan"]):
                charts[one.contender] = one
    figure, axes = new(2, -(-len(charts) // 2), 3.4)
    longest = max(chart.seconds for chart in charts.values())
    for place, (name, chart) in zip(axes.flat, charts.items()):
        gantt(place, name, chart, facts[name], longest)
    for place in list(axes.flat)[len(charts) :]:
        place.set_visible(False)
    return [Picture("gantt", figure), rates_of_views(result)]


def gantt(axes: Axes, name: str, chart: Line, facts: Mapping[str, float], longest: float) -> None:
    """Engines as rows, tasks as bars; the hatched rest is idle."""
    engines = sorted({span[0] for span in chart.more["gantt"]})
    for row, engine in enumerate(engines):
        spans = [(begin, end) for one, begin, end in chart.more["gantt"] if one == engine]
        idle = chart.seconds - max(end for _, end in spans)
        axes.barh(
            row,
            idle,
            left=chart.seconds - idle,
            height=0.62,
            color="none",
            edgecolor="#bbbbbb",
            hatch="///",
            linewidth=0,
        )
        for begin, end in spans:
            axes.barh(
                row,
                end - begin,
                left=begin,
                height=0.62,
                color=COLOURS[5],
                edgecolor="white",
                linewidth=0.6,
            )
    axes.axvline(facts["bound"], color=COLOURS[1], linestyle="--", linewidth=1.2)
    axes.set_yticks(range(len(engines)))
    axes.set_yticklabels([f"engine {row}" for row in range(len(engines))])
    axes.set_xlim(0, longest * 1.02)
    facts_words = f"{facts['idle']:.1%} idle, {facts['over_bound']:.2f} of the lower bound"
    words = f"{name}\n{1e3 * chart.seconds:.4g} ms, {facts_words}"
    style(axes, words, "seconds since the call (dashed: lower bound)", "")
    axes.grid(False, axis="y")


def rates_of_views(result: Result) -> Picture:
    figure, axes = new(1)
    cells = [cell for cell in result.cells if cell.case["what"] == "empty"]
    names = [cell.contender for cell in cells]
    bars = axes[0][0].barh(
        names, [cell.rate for cell in cells], color=COLOURS[: len(cells)], height=0.6
    )
    axes[0][0].bar_label(bars, [f" {cell.rate:,.0f}" for cell in cells], fontsize=9)
    axes[0][0].set_xscale("log")
    axes[0][0].invert_yaxis()
    axes[0][0].margins(x=0.25)
    style(axes[0][0], "Empty tasks given out, 4 engines", "tasks per second", "")
    axes[0][0].grid(False, axis="y")
    return Picture("rates", figure)


# ---- 03 ----


def figures_messages(result: Result) -> list[Picture]:
    figure, axes = new(3)
    latency, bandwidth, ratios = axes[0]
    for number, name in enumerate(contenders(result)):
        cells = of(result, name)
        line(latency, cells, "bytes", lambda cell: 1e6 * seconds(cell) / 2, name, number)
        line(bandwidth, cells, "bytes", rate, name, number)
        line(
            ratios,
            cells,
            "bytes",
            lambda cell: cell.ratio.median if cell.ratio else 1.0,
            name,
            number,
        )
    style(latency, "One way, two ranks", "bytes of a message", "microseconds")
    style(bandwidth, "Bandwidth", "bytes of a message", "GB/s")
    style(
        ratios,
        f"Time as multiple of {result.ours}'s",
        "bytes of a message",
        "ratio of times (above 1: slower)",
    )
    for one in axes[0]:
        logarithmic(one)
        label_sizes(one, [cell.case["bytes"] for cell in result.cells])
        legend(one, loc="best")
    return [Picture("messages", figure)]


# ---- 04, 05 ----


def figures_collective(result: Result) -> list[Picture]:
    figure, axes = new(3)
    by_size, by_ranks, share = axes[0]
    ranks = sorted({cell.case["ranks"] for cell in result.cells})
    many = min(ranks, key=lambda r: abs(int(r) - int(result.machine["cores"])))
    largest = max(cell.case["n"] for cell in result.cells)
    alone = "Allgatherv alone" if result.lab.startswith("04") else "Allreduce alone"
    for number, name in enumerate(contenders(result)):
        line(
            by_size,
            of(result, name, ranks=many),
            "n",
            lambda cell: 1e6 * seconds(cell),
            name,
            number,
        )
        if name != alone:
            line(by_ranks, of(result, name, n=largest), "ranks", rate, name, number)
    for number, r in enumerate(ranks[1:]):
        cells = [cell for cell in of(result, alone, ranks=r) if cell.ratio]
        line(
            share,
            cells,
            "n",
            lambda cell: min(100.0, 100 * cell.ratio.median) if cell.ratio else 0,
            f"{r} ranks",
            number,
        )
    what = "rows and columns" if result.lab.startswith("04") else "numbers in all"
    style(by_size, f"{many} ranks", what, "microseconds")
    style(
        by_ranks,
        f"{largest:,} {what}",
        "ranks",
        f"GB/s of {'matrix' if result.lab.startswith('04') else 'numbers'} read",
    )
    style(
        share,
        f"Share of communication in {result.ours}",
        what,
        "time of the collective alone, % of all",
    )
    logarithmic(by_size)
    logarithmic(by_ranks, y=False)
    logarithmic(share, y=False)
    by_ranks.set_ylim(bottom=0)
    share.set_ylim(0, 105)
    for one, name in ((by_size, "n"), (by_ranks, "ranks"), (share, "n")):
        label_sizes(one, [cell.case[name] for cell in result.cells])
        legend(one, loc="best")
    return [Picture("collective", figure)]


# ---- 06 ----


def figures_threads(result: Result) -> list[Picture]:
    figure, axes = new(2, 2)
    duration, ratio, speed, efficiency = axes.flat
    workers = int(result.machine["cores"])
    names = contenders(result, ["sum_omp"])
    for number, name in enumerate(names):
        cells = of(result, name, threads=workers)
        line(duration, cells, "n", lambda cell: 1e6 * seconds(cell), name, number)
        if name != result.ours:
            line(
                ratio,
                cells,
                "n",
                lambda cell: cell.ratio.median if cell.ratio else 1.0,
                name,
                number,
            )
    ratio.axhline(1, color=GREY, linewidth=1)
    style(duration, f"Duration, {workers} threads", "rows and columns", "microseconds")
    style(
        ratio,
        f"Time as multiple of {result.ours}'s",
        "rows and columns",
        "ratio of times (above 1: slower)",
    )
    for one in (duration, ratio):
        logarithmic(one)
        label_sizes(one, [c.case["n"] for c in result.cells if c.case["threads"] == workers])
        legend(one, loc="best")
    ratio.set_yticks([0.25, 0.5, 1, 2, 4])
    ratio.set_yticklabels(["1/4", "1/2", "1", "2", "4"])
    ratio.set_ylim(0.2, 8)
    by_threads(result, speed, efficiency)
    return [Picture("threads", figure)]


def by_threads(result: Result, speed: Axes, efficiency: Axes) -> None:
    """Speed-up and efficiency against one thread; the serial fraction by Karp and Flatt."""
    alone = [cell for cell in result.cells if cell.case["threads"] == 1]
    size = alone[0].case["n"] if alone else 0
    threads = sorted({c.case["threads"] for c in result.cells if c.case["n"] == size})
    names = contenders(result, ["sum_omp"])  # the same colours as above
    for name in ("matvec_omp", "OpenBLAS dgemv", "only reading"):
        number = names.index(name)
        one = of(result, name, n=size, threads=1)
        cells = of(result, name, n=size)
        if not one:
            continue
        base = seconds(one[0])
        line(speed, cells, "threads", lambda cell: base / seconds(cell), name, number)
        line(
            efficiency,
            cells,
            "threads",
            lambda cell: 100 * base / seconds(cell) / int(cell.case["threads"]),
            name,
            number,
        )
        if name == result.ours:
            for cell in cells:
                p = cell.case["threads"]
                if p > 1:
                    fraction = karp_flatt(base / seconds(cell), p)
                    speed.annotate(
                        f"{fraction:.2f}",
                        (p, base / seconds(cell)),
                        fontsize=8,
                        color=COLOURS[number],
                        xytext=(4, -12),
                        textcoords="offset points",
                    )
    speed.plot(threads, threads, color=GREY, linestyle=":", linewidth=1, label="as many as threads")
    style(
        speed,
        f"Speed-up, {size} rows and columns (numbers: serial fraction)",
        "threads",
        "times as fast as one thread",
    )
    style(efficiency, f"Efficiency, {size} rows and columns", "threads", "speed-up / threads, %")
    efficiency.set_ylim(0, 120)
    for place in (speed, efficiency):
        place.set_xticks(threads)
        legend(place, loc="best")


def karp_flatt(speedup: float, workers: int) -> float:
    """The serial fraction that explains a speed-up (Karp and Flatt 1990)."""
    return (1 / speedup - 1 / workers) / (1 - 1 / workers)


# ---- 07 ----


def figures_opencl(result: Result) -> list[Picture]:
    figure, axes = new(3)
    duration, phases, rates = axes[0]
    racing = ("dmv_run", "seed's kernel", "OpenBLAS sgemv", "pyopencl, seed's kernel", "numpy.dot")
    for number, name in enumerate(racing):
        line(duration, of(result, name), "n", lambda cell: 1e6 * seconds(cell), name, number)
        line(rates, of(result, name), "n", rate, name, number)
    once = (
        "dmv_open, first time",
        "dmv_open, again",
        "seed's kernel: build",
        "seed's kernel: copy",
    )
    for number, name in enumerate((*once, "seed's kernel", "dmv_run")):
        label = "seed's kernel: run" if name == "seed's kernel" else name
        line(phases, of(result, name), "n", lambda cell: 1e3 * seconds(cell), label, number)
    style(duration, "One product of floats", "rows and columns", "microseconds")
    style(phases, "Building, copying, running", "rows and columns", "milliseconds")
    style(rates, "Bytes of the matrix per second", "rows and columns", "GB/s")
    for one in axes[0]:
        logarithmic(one)
        label_sizes(one, [cell.case["n"] for cell in result.cells])
        legend(one, loc="best")
    return [Picture("opencl", figure)]


# ---- compare ----


def compared(rows: Sequence[Row], size: int) -> Picture:
    figure, axes = new(1, 1, 4.2)
    figure.set_size_inches(8, 4.2)
    place = axes[0][0]
    ways = [f"{row.way} ({row.number})" for row in rows]
    errors = [
        [row.rate.median - row.rate.low for row in rows],
        [row.rate.high - row.rate.median for row in rows],
    ]
    colours = [GREY if row.way == "only reading" else COLOURS[0] for row in rows]
    rates = [row.rate.median for row in rows]
    place.barh(ways, rates, xerr=errors, color=colours, height=0.6, ecolor="black", capsize=3)
    widest = max(row.rate.high for row in rows)
    for number, row in enumerate(rows):
        words = f"{row.share:.0%} of the limit, {row.speedup:.2f} x serial"
        place.text(widest * 1.03, number, words, va="center", fontsize=9)
    place.set_xlim(0, widest * 1.6)
    place.invert_yaxis()
    style(place, f"y = A x, A of {size} x {size}", "GB/s of the matrix read (bars: quartiles)", "")
    place.grid(False, axis="y")
    return Picture("compare", figure)


FIGURES: Mapping[str, Callable[[Result], list[Picture]]] = {
    "01": figures_pool,
    "02": figures_views,
    "03": figures_messages,
    "04": figures_collective,
    "05": figures_collective,
    "06": figures_threads,
    "07": figures_opencl,
}


# ---- scaling ----


def scaling(machines: Sequence[Machine], checked: Sequence[Checked]) -> Picture:
    from grader import scaling as model

    figure, axes = new(2)
    far, near = axes[0]
    ranks = [1 << k for k in range(18)]
    number = 0
    for machine in machines:
        for words, n, time in (
            ("product, n = 4096", 4096, model.product),
            ("sum of 2^24", 1 << 24, model.total),
        ):
            times = [1e6 * time(machine, p, n) for p in ranks]
            label = f"{words}, {machine.name}"
            colour, mark = COLOURS[number], MARKERS[number]
            far.plot(ranks, times, color=colour, marker=mark, markevery=2, label=label)
            number += 1
    for number, name in enumerate(dict.fromkeys(one.name for one in checked)):
        found = [one for one in checked if one.name == name]
        counts = [one.ranks for one in found]
        colour = COLOURS[number]
        measured = [1e6 * one.measured.median for one in found]
        near.plot(counts, measured, color=colour, marker=MARKERS[number], label=f"{name}, measured")
        modelled = [1e6 * one.model for one in found]
        near.plot(counts, modelled, color=colour, linestyle="--", label=f"{name}, model")
        near.set_xticks(counts)
        near.set_xticklabels(counts)
    style(far, "By the model, up to 10^5 ranks", "ranks", "microseconds")
    style(near, "The collective alone: model and measurement", "ranks", "microseconds")
    logarithmic(far, base=10)
    near.set_yscale("log")
    legend(far, loc="best")
    legend(near, loc="best")
    return Picture("scaling", figure)

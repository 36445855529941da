"""bench.py and bench_figures.py: ratios of the same round; table, JSON and figures come out.

No time is asserted: the programs run with the smallest sizes, and only the shape of what comes out counts.
"""

from __future__ import annotations

import io
import json
import xml.etree.ElementTree
from pathlib import Path

import pytest
from rich.console import Console

from grader import bench, bench_figures, performance, scaling
from grader.bench import Line, Plan, Spread
from grader.course import Course, default_root, find_lab, read_course

PLAN = Plan("ours", (), "tasks/s", bench.tasks)


def line(contender: str, seconds: float, number: int, tasks: int = 10) -> Line:
    return Line(contender, {"tasks": tasks}, seconds, number, {})


def test_ratios_are_of_the_same_round() -> None:
    """The machine is ten times slower in round 1: ratios of different rounds would show it."""
    lines = [line("ours", 1.0, 0), line("theirs", 2.0, 0)]
    lines += [line("ours", 10.0, 1), line("theirs", 20.0, 1), line("theirs", 500.0, 2)]
    ours, theirs = bench.summarize(lines, PLAN)
    assert ours.ratio is None and ours.rate == pytest.approx(10 / 5.5)
    assert theirs.ratio == Spread(2.0, 2.0, 2.0)


def test_cases_are_kept_apart() -> None:
    lines = [line("ours", 1.0, 0), line("ours", 3.0, 0, tasks=20), line("theirs", 6.0, 0, tasks=20)]
    cells = list(bench.summarize(lines, PLAN))
    assert [cell.seconds.median for cell in cells] == [1.0, 3.0, 6.0]
    assert cells[2].ratio == Spread(2.0, 2.0, 2.0)


def test_list_scheduling_on_paper() -> None:
    assert bench.list_schedule([3, 1, 1, 1, 2], 2) == 5  # 3 + 2 beside 1 + 1 + 1
    assert bench.list_schedule([4], 3) == 4


def test_facts_of_a_schedule() -> None:
    case = {"engines": 2, "tasks": 3, "longest": 1.0, "what": "delays"}
    delays = [k * 40503 % 65536 / 65536 for k in range(3)]
    facts = bench.schedule_facts(Line("view", case, 2.0, 0, {"gantt": []}))
    assert facts["bound"] == pytest.approx(max(sum(delays) / 2, max(delays)))
    assert facts["idle"] == pytest.approx(1 - sum(delays) / 4)


def test_serial_fraction() -> None:
    assert bench_figures.karp_flatt(4, 4) == pytest.approx(0)
    assert bench_figures.karp_flatt(1, 4) == pytest.approx(1)
    assert bench_figures.karp_flatt(1 / (0.25 + 0.75 / 8), 8) == pytest.approx(0.25)  # Amdahl


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (2.5, "2.5 s"),
        (0.0123, "12.3 ms"),
        (4.56e-6, "4.56 µs"),
        (7.8e-10, "0.78 ns"),
        (0.9996, "1000 ms"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert bench.duration(seconds) == words


def test_slots_of_a_hostfile() -> None:
    assert bench.slots("a slots=4\nb  slots=2 max_slots=8 # big\n# c slots=9\n\nd\n") == 7


def test_srun_inside_a_job_of_slurm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    labs = read_course(default_root())
    order = bench.Order(labs, find_lab(labs, "04"), tmp_path)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert bench.launcher(order, bench.PLANS["04"])[0] == "mpirun"
    assert bench.launcher(order, bench.PLANS["06"]) == []
    hosts = tmp_path / "my hosts"
    hosts.write_text("a slots=3\nb slots=2\n")
    words = bench.launcher(
        bench.Order(labs, order.lab, tmp_path, False, str(hosts)), bench.PLANS["04"]
    )
    assert words[:5] == ["mpirun", "-n", "5", "--hostfile", str(hosts)]
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_NTASKS", "64")
    assert bench.launcher(order, bench.PLANS["04"]) == ["srun", "--ntasks=64"]


def test_a_missing_peer_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    labs = read_course(default_root())
    monkeypatch.setattr(bench, "has_module", lambda name: False)
    order = bench.Order(labs, find_lab(labs, "02"), Path("."))
    missing = bench.missing_modules(order, bench.PLANS["02"])
    assert missing == "not installed: make peers (lacks ipyparallel)"
    result = bench.Result(
        "02-load-balancing",
        "ours",
        "tasks/s",
        "make bench",
        {},
        missing,
        (),
        tuple(bench.summarize([line("ours", 1, 0)], PLAN)),
    )
    assert "make peers" in printed(result)


def printed(result: bench.Result) -> str:
    stream = io.StringIO()
    bench.print_result(result, Console(file=stream, width=400))
    return stream.getvalue()


def expect_figure(png: Path, words: list[str]) -> None:
    """PNG and SVG are there, and the SVG is well formed."""
    assert png.read_bytes().startswith(b"\x89PNG")
    root = xml.etree.ElementTree.parse(png.with_suffix(".svg")).getroot()
    assert root.tag.endswith("svg")
    text = png.with_suffix(".svg").read_text()  # matplotlib leaves each text as a comment
    for word in words:
        assert f"<!-- {word}" in text, word


def quick(lab: str, tmp_path: Path) -> bench.Result:
    """A quick benchmark of the reference solution, its table, JSON and figures looked at."""
    labs = read_course(default_root())
    found = find_lab(labs, lab)
    # Apart from the course's own build, so that a benchmark that somebody runs is left alone.
    order = bench.Order(
        at(labs, tmp_path), found, default_root() / "solutions" / found.name, True, ranks=2
    )
    result = bench.measure(order, Console(file=io.StringIO()))
    told = json.loads(json.dumps(bench.as_json(result)))
    assert told["lab"] == found.name and told["machine"]["cores"] and told["measurements"]
    ours = [cell for cell in told["summary"] if cell["contender"] == result.ours]
    assert ours and all(cell["seconds"]["median"] > 0 and cell["rate"] > 0 for cell in ours)
    assert any(cell["ratio"] for cell in told["summary"])
    assert result.ours in printed(result)
    for picture in bench_figures.draw(result):
        expect_figure(bench_figures.save(picture, tmp_path), [])
    return result


def at(labs: Course, folder: Path) -> Course:
    """The course with its build, and what refers to its root, elsewhere."""
    (folder / "common").symlink_to(labs.root / "common")
    return Course(folder, labs.labs, labs.broken)


@pytest.mark.parametrize("lab", ["01", "03", "04", "05", "06"])
def test_quick_benchmark(lab: str, tmp_path: Path) -> None:
    result = quick(lab, tmp_path)
    assert len({cell.contender for cell in result.cells}) >= 2


def test_quick_benchmark_of_views(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "has_module", lambda name: False)  # a cluster takes long to start
    result = quick("02", tmp_path)
    facts = bench.makespans(result.lines)
    assert set(facts) == {"direct_map", "balanced_map"}
    assert all(fact["over_bound"] >= 1 for fact in facts.values())
    assert all(len(one.more["gantt"]) == 64 for one in result.lines if "gantt" in one.more)


def test_quick_benchmark_of_opencl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "has_module", lambda name: False)  # kernels take long to build
    result = quick("07", tmp_path)
    names = {cell.contender for cell in result.cells}
    assert {"dmv_run", "seed's kernel", "OpenBLAS sgemv", "seed's kernel: build"} <= names
    deviations = [one.more["deviation"] for one in result.lines if "deviation" in one.more]
    assert deviations and all(0 <= deviation < 0.01 for deviation in deviations)


def test_a_comparison(tmp_path: Path) -> None:
    lines = []
    for turn in range(3):
        for contender, case, seconds in (
            ("matvec_serial", {"n": 100, "threads": 2}, 4.0),
            ("matvec_omp", {"n": 100, "threads": 2}, 2.0),
            ("matvec_omp", {"n": 100, "threads": 1}, 9.0),
            ("dmv_run", {"n": 100}, 2.0),
            ("only reading", {"n": 100, "threads": 2}, 1.0),
        ):
            lines.append(Line(contender, case, seconds * (turn + 1), turn, {}))
    rows = {row.way: row for row in bench.compared(lines, 2)}
    assert (rows["OpenMP"].share, rows["OpenMP"].speedup) == (0.5, 2.0)
    assert (rows["OpenCL"].share, rows["OpenCL"].speedup) == (0.25, 1.0)  # floats: half the bytes
    picture = bench_figures.compared(list(rows.values()), 100)
    expect_figure(bench_figures.save(picture, tmp_path), ["OpenMP", "GB/s"])


def test_goals() -> None:
    """Reached by the medians; in doubt where only the better quartile reaches it."""
    good, doubtful, bad = Spread(4.1, 3.9, 4.2), Spread(3.9, 3.8, 4.1), Spread(1, 0.9, 1.1)
    assert performance.at_least("x", 4, [good, good]).state == "reached"
    assert performance.at_least("x", 4, [good, doubtful]).state == "in doubt"
    assert performance.at_least("x", 4, [doubtful, bad]).state == "not reached"
    assert performance.at_least("x", 4, []).state == "not measured"
    assert performance.at_most("x", 4, [doubtful]).state == "reached"
    assert performance.at_most("x", 4, [good]).state == "in doubt"


def test_every_lab_has_goals_and_a_place_in_the_document() -> None:
    facts = {"cores": "2", "load": "0.1"}
    lines = [
        Line("Pool.map", {"processes": 2, "bytes": 8, "chunk": 1, "tasks": 9}, 8.0, 0, {}),
        Line("pool_map", {"processes": 2, "bytes": 8, "chunk": 1, "tasks": 9}, 2.0, 0, {}),
    ]
    cells = tuple(bench.summarize(lines, bench.PLANS["01"]))
    result = bench.Result("01-pool", "pool_map", "tasks/s", "make bench", facts, "", (), cells)
    text = performance.document([result])
    assert "| Pool.map / pool_map, 8 bytes, chunk 1 | at least 4 | 4 (4-4) | reached |" in text
    assert "8 s<br>x4 (4-4)" in text
    assert set(performance.GOALS) == set(bench.PLANS) == set(bench_figures.FIGURES)


def test_the_model_of_collectives() -> None:
    machine = scaling.Machine("m", alpha=1e-6, beta=1e-9, bandwidth=1e10)
    assert scaling.allgather(machine, 1, 1e6) == 0
    assert scaling.allgather(machine, 4, 4000) == pytest.approx(2e-6 + 3e-6)
    assert scaling.allreduce(machine, 1000, 8) == pytest.approx(10 * (1e-6 + 8e-9))
    # work 1 s and one more step of 1 ms for each doubling: the best is where both grow alike
    time = lambda ranks: 1 / ranks + 1e-3 * scaling.steps(ranks)
    assert scaling.fastest(time) == 512 or scaling.fastest(time) == 1024
    assert scaling.most_ranks(time) < scaling.fastest(time)


def test_alpha_and_beta_from_round_trips() -> None:
    lines = [
        Line("MPI_Send", {"bytes": size, "ways": 2}, 2 * (1e-6 + size * 1e-9), 0, {})
        for size in (0, 10**6)
    ]
    machine = scaling.fitted(lines, 1.0)
    assert machine.alpha == pytest.approx(1e-6) and machine.beta == pytest.approx(1e-9)

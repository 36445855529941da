"""Measure: a fair mark for speed, on a machine that is never quiet.

Compared is the submission with the reference solution, on this machine, in these minutes. A round
is reference, submission, reference; each of the three is timed twice, with much and with little
work, outside the program's process, and the difference counts: so start-up falls out. The ratio of
a round is submission / mean of the two references; the ratio of the two references is the noise.
After enough rounds the median ratio has a confidence interval, by the order of the ratios alone:

  whole interval at or below the band   full points
  whole interval above the band         no points, cause slow
  in doubt after the last round, or the reference differs as much from itself:
                                        not measured: the points do not count, neither way
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy

from grader import process, turns
from grader.check import Job, environment
from grader.course import Measure, Test
from grader.sandbox import give
from grader.score import Verdict

ENOUGH_SECONDS = 0.3  # of the reference's work
MOST_TIMES = 1 << 24
RUN_SECONDS = 60.0
FEWEST_ROUNDS, MOST_ROUNDS = 8, 20
CONFIDENCE = 0.99


class NotRun(Exception):
    """A timed run did not end well; the text says how."""

    def __init__(self, whose: str, how: str) -> None:
        super().__init__(how)
        self.whose = whose


@dataclass(frozen=True)
class Interval:
    """A median, and where it lies with CONFIDENCE."""

    median: float
    low: float
    high: float

    def words(self) -> str:
        return f"{self.median:.2f} (between {self.low:.2f} and {self.high:.2f})"


@dataclass(frozen=True)
class Bench:
    """What is timed: the two programs and their inputs."""

    test: Test
    measure: Measure
    student: Job
    reference: Job


Timer = Callable[
    [Job, str, int], float
]  # whose program, called what, doing the work how often -> seconds


def measure(bench: Bench) -> Verdict:
    """The verdict on speed. The machine is ours alone meanwhile."""
    with turns.alone():
        try:
            put_inputs(bench)
            return judge(bench, lambda job, whose, times: seconds(bench, job, whose, times))
        except NotRun as error:
            if error.whose == "the submission":
                return Verdict("fail", "exit", f"while its speed was measured, the program {error}")
            return Verdict("unmeasured", None, f"not measured: the reference solution {error}")


def judge(bench: Bench, timer: Timer) -> Verdict:
    """Rounds until the answer is clear, or there were enough of them."""
    times = calibrate(bench, timer)
    ratios: list[float] = []
    noise: list[float] = []
    for _ in range(MOST_ROUNDS):
        first = work(bench, bench.reference, "the reference", times, timer)
        mine = work(bench, bench.student, "the submission", times, timer)
        second = work(bench, bench.reference, "the reference", times, timer)
        ratios.append(2 * mine / (first + second))
        noise.append(first / second)
        if len(ratios) >= FEWEST_ROUNDS:
            found = interval(ratios)
            if found.high <= bench.measure.band or found.low > bench.measure.band:
                break
    return verdict(bench.measure.band, interval(ratios), interval(noise), len(ratios))


def verdict(band: float, ratio: Interval, noise: Interval, rounds: int) -> Verdict:
    told = (
        f"it takes {ratio.words()} times as long as the reference solution; the reference differs "
        f"from itself by {noise.words()}; {rounds} rounds, allowed is {band:g}"
    )
    if ratio.high <= band:
        return Verdict("pass", None, told)
    if ratio.low > band and noise.high <= band and noise.low >= 1 / band:
        return Verdict("fail", "slow", told)
    return Verdict("unmeasured", None, f"not measured, the machine is too noisy: {told}")


def interval(values: Sequence[float]) -> Interval:
    """The median with its confidence interval from the binomial distribution: no assumption on the noise."""
    ordered, n = sorted(values), len(values)
    tail, k = 0.0, 0
    while k < n // 2:
        tail += math.comb(n, k) / 2**n
        if tail > (1 - CONFIDENCE) / 2:
            break
        k += 1
    k = max(k, 1)
    return Interval(statistics.median(ordered), ordered[k - 1], ordered[n - k])


# ---- times ----


def calibrate(bench: Bench, timer: Timer) -> int:
    """How often the work has to be done for the reference to be at it for ENOUGH_SECONDS."""
    times = bench.measure.few + 1
    while times < MOST_TIMES:
        took = work(bench, bench.reference, "the reference", times, timer)
        if took >= ENOUGH_SECONDS:
            break
        grow = ENOUGH_SECONDS / took * 1.2 if took > 0.01 else 10.0
        times = min(MOST_TIMES, max(times + 1, int(times * min(grow, 10.0))))
    return times


def work(bench: Bench, job: Job, whose: str, times: int, timer: Timer) -> float:
    """Seconds of the work alone: much minus little."""
    took = timer(job, whose, times) - timer(job, whose, bench.measure.few)
    return max(took, 1e-6)


def seconds(bench: Bench, job: Job, whose: str, times: int) -> float:
    """One run, by the reaper's clock."""
    plan = bench.measure
    args = [word.replace("{times}", str(times)) for word in plan.args]
    words = [str(job.suite.parent / "timerun"), job.lab.program, str(plan.ranks), str(RUN_SECONDS)]
    env = environment(job, bench.test, job.logs / "measure.xml")
    outcome = process.run(
        [*words, *plan.env, "--", *args],
        seconds=RUN_SECONDS + 30,
        env=env,
        cwd=job.work / bench.test.name,
    )
    text = (outcome.output.strip().splitlines() or ["said nothing"])[-1]
    try:
        return float(text)
    except ValueError:
        raise NotRun(whose, text) from None


def put_inputs(bench: Bench) -> None:
    """The same random inputs for both, from the seed."""
    for job in (bench.student, bench.reference):
        folder = job.work / bench.test.name
        folder.mkdir(parents=True, exist_ok=True)
        rng = numpy.random.default_rng(job.seed)
        for name, (kind, *shape) in bench.measure.inputs.items():
            values = rng.random(shape) if kind.startswith("float") else rng.integers(0, 100, shape)
            numpy.save(folder / name, values.astype(kind))
        for name in job.lab.submit:
            if not name.endswith(".c"):  # kernels are read at run time
                (folder / name).write_bytes((job.submission / name).read_bytes())
        give(folder, job.uid)

"""Measure: a fair mark for speed, on a machine that is never quiet.

Compared is the submission with the reference solution, on this machine, in these minutes: in turns,
reference, submission, reference, submission, ..., reference. Each is timed twice, with much and with
little work, outside the program's process, and the difference counts: so start-up falls out. The
ratio of a round is submission / mean of the references before and after it; the ratio of these two
is the noise. After enough rounds the median ratio has a confidence interval, by the order of the
ratios alone:

  whole interval at or below the band   full points
  whole interval above the band, by more than the reference differs from itself
                                        no points, cause slow
  in doubt after the last round         not measured: the points do not count, neither way

Only work that was done counts: each call of the student's function has other inputs, the program
writes the sum of all results, and that has to be the sum that the reference solution finds.
"""

from __future__ import annotations

import math
import os
import shutil
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy

from grader import process, turns
from grader.check import Job, environment
from grader.course import Measure, Test
from grader.folders import remove_tree
from grader.sandbox import give
from grader.score import Verdict

ENOUGH_SECONDS = 0.3  # of the reference's work
MOST_TIMES = 1 << 24
RUN_SECONDS = 60.0
FEWEST_ROUNDS, MOST_ROUNDS = 8, 20
CONFIDENCE = 0.99
SMALL = 1 << 20  # bytes of an input that is made anew for every round


class NotRun(Exception):
    """A timed run did not end well, or did not do its work; the text says how."""

    def __init__(self, whose: str, how: str) -> None:
        super().__init__(how)
        self.whose = whose
        self.wrong = how.startswith(("did not do", "wrote a result"))  # the words of timerun.c


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
    [Job, str, int, int], float
]  # whose program, called what, doing the work how often, in which round -> seconds

# ---- the verdict ----


def measure(bench: Bench) -> Verdict:
    """The verdict on speed. The machine is ours alone meanwhile."""
    with turns.alone():
        try:
            return judge(bench, Clock(bench, numpy.random.default_rng(bench.student.seed)).seconds)
        except NotRun as error:
            if error.whose == "the submission":
                how = f"while its speed was measured, the program {error}"
                return Verdict("fail", "wrong_value" if error.wrong else "exit", how)
            return Verdict("unmeasured", None, f"not measured: the reference solution {error}")


def judge(bench: Bench, timer: Timer) -> Verdict:
    """Rounds until the answer is clear, or there were enough of them."""
    times = calibrate(bench, timer)
    ratios: list[float] = []
    noise: list[float] = []
    before = work(bench, bench.reference, "the reference", times, 0, timer)
    for number in range(MOST_ROUNDS):
        mine = work(bench, bench.student, "the submission", times, number, timer)
        after = work(bench, bench.reference, "the reference", times, number + 1, timer)
        ratios.append(2 * mine / (before + after))
        noise.append(before / after)
        before = after
        found = verdict(bench.measure.band, interval(ratios), interval(noise), len(ratios))
        if len(ratios) >= FEWEST_ROUNDS and found.status != "unmeasured":
            break
    return found


def verdict(band: float, ratio: Interval, noise: Interval, rounds: int) -> Verdict:
    floor = max(noise.high, 1 / noise.low)
    told = (
        f"it takes {ratio.words()} times as long as the reference solution; the reference differs "
        f"from itself by {noise.words()}; {rounds} rounds, allowed is {band:g}"
    )
    if ratio.high <= band:
        return Verdict("pass", None, told)
    if ratio.low > band * floor:
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


def calibrate(bench: Bench, timer: Timer) -> int:
    """How often the work has to be done for the reference to be at it for ENOUGH_SECONDS."""
    times = bench.measure.few + 1
    while times < MOST_TIMES:
        took = work(bench, bench.reference, "the reference", times, 0, timer)
        if took >= ENOUGH_SECONDS:
            break
        grow = ENOUGH_SECONDS / took * 1.2 if took > 0.01 else 10.0
        times = min(MOST_TIMES, max(times + 1, int(times * min(grow, 10.0))))
    return times


def work(bench: Bench, job: Job, whose: str, times: int, number: int, timer: Timer) -> float:
    """Seconds of the work alone: much minus little."""
    few = timer(job, whose, bench.measure.few, number)
    return max(timer(job, whose, times, number) - few, 1e-6)


# ---- times ----


class Clock:
    """Times runs of the two programs on the inputs of a round.

    Every run has a folder of its own, which goes afterwards: nothing that a program leaves can
    help a later run of it. The inputs lie in a folder that no program sees; a small one is drawn
    anew for each round, so results kept elsewhere are of no use either."""

    def __init__(self, bench: Bench, rng: numpy.random.Generator) -> None:
        self.bench = bench
        self.rng = rng
        self.inputs = bench.student.work.parent / "speed" / bench.test.name
        self.round = -1

    def seconds(self, job: Job, whose: str, times: int, number: int) -> float:
        """One run, by the reaper's clock."""
        self.draw(number)
        folder = job.work / self.bench.test.name
        self.put_inputs(job, folder)
        try:
            words = self.words(job, times, "like" if job is self.bench.student else "keep")
            env = environment(job, self.bench.test, job.logs / "measure.xml")
            outcome = process.run(words, seconds=3 * RUN_SECONDS + 30, env=env, cwd=folder)
        finally:
            remove_tree(folder)
        text = (outcome.output.strip().splitlines() or ["said nothing"])[-1]
        try:
            return float(text)
        except ValueError:
            raise NotRun(whose, text) from None

    def words(self, job: Job, times: int, how: str) -> list[str]:
        plan = self.bench.measure
        expected = str(self.inputs / f"expected-{times}.npy")
        words = [str(job.suite.parent / "timerun"), job.lab.program, str(plan.ranks)]
        words += [str(RUN_SECONDS), plan.result, how, expected]
        words += [str(tolerance(plan, times))] if how == "like" else []
        args = [word.replace("{times}", str(times)) for word in plan.args]
        return [*words, *plan.env, "--", *args]

    def draw(self, number: int) -> None:
        """The inputs of a round: all for the first one, then the small ones again."""
        if number == self.round:
            return
        self.inputs.mkdir(parents=True, exist_ok=True)
        for name, (kind, *shape) in self.bench.measure.inputs.items():
            if self.round < 0 or math.prod(shape) * numpy.dtype(kind).itemsize <= SMALL:
                numpy.save(self.inputs / name, self.rng.random(shape).astype(kind))
        self.round = number

    def put_inputs(self, job: Job, folder: Path) -> None:
        remove_tree(folder)
        folder.mkdir(parents=True)
        for name in self.bench.measure.inputs:
            if job.uid is None:  # the program could write to it
                shutil.copy(self.inputs / name, folder / name)
            else:
                os.link(self.inputs / name, folder / name)
        for name in job.lab.submit:
            if not name.endswith(".c"):  # kernels are read at run time
                (folder / name).write_bytes((job.submission / name).read_bytes())
        give(folder, job.uid)


def tolerance(plan: Measure, times: int) -> float:
    """How far two right sums of all results may be apart, relative to their size. All numbers are
    positive, so each of terms + times additions errs by one eps at most (Higham, section 4.2)."""
    single = any(kind == "float32" for kind, *_ in plan.inputs.values())
    eps = 2.0**-23 if single else 2.0**-52
    return 4 * (plan.terms + times + 2) * eps

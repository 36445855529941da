"""The mark for speed: what is decided from times. The times here are simulated, with the noise that
was measured on such machines. At the end real programs are timed: what is right but slow, what does
not do its work, and the solution (grader/tests/trials.py does it many times)."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from grader import measure, turns
from grader.check import Job
from grader.course import Lab, Measure, Test, read_course
from grader.tests import bank

LAB = read_course(bank.ROOT).labs[0]
START_UP = 0.05


def job(name: str) -> Job:
    here = Path(name)
    return Job(
        LAB, here, here, name, name, None, here, here, here, None, 1, {}
    )  # only its name matters


def bench() -> measure.Bench:
    plan = Measure(("{times}",), {}, "y.npy", 1, 1, 1.25, 0, ())
    test = Test("speed", "fast", 5, (), ("a", "b", "c"), plan)
    return measure.Bench(test, plan, job("student"), job("reference"))


class Machine:
    """Times of a program that is `slower` than the reference, with noise."""

    def __init__(self, seed: int, slower: float, spread: float, spikes: float) -> None:
        self.random = random.Random(seed)
        self.slower, self.spread, self.spikes = slower, spread, spikes
        self.runs = 0

    def __call__(self, which: Job, whose: str, times: int, number: int) -> float:
        self.runs += 1
        factor = self.slower if which.work.name == "student" else 1.0
        noise = self.random.lognormvariate(0, self.spread)
        if self.random.random() < self.spikes:
            noise *= self.random.uniform(1.3, 2.5)
        return START_UP * self.random.lognormvariate(0, 0.2) + times * 1e-3 * factor * noise


QUIET, BUSY = (0.06, 0.02), (0.2, 0.2)


@pytest.mark.parametrize("noise", [QUIET, BUSY], ids=["quiet", "busy"])
def test_the_reference_as_a_student_never_loses(noise: tuple[float, float]) -> None:
    found = [measure.judge(bench(), Machine(seed, 1.0, *noise)).status for seed in range(200)]
    assert "fail" not in found
    if noise == QUIET:
        assert found.count("unmeasured") <= 10  # 5 %


@pytest.mark.parametrize("noise", [QUIET, BUSY], ids=["quiet", "busy"])
def test_one_and_a_half_times_slower_never_earns_full_points(noise: tuple[float, float]) -> None:
    found = [measure.judge(bench(), Machine(seed, 1.5, *noise)).status for seed in range(200)]
    assert "pass" not in found


def test_clearly_slower_is_called_slow_with_the_ratio_in_words() -> None:
    verdict = measure.judge(bench(), Machine(1, 3.0, *QUIET))
    assert (verdict.status, verdict.cause) == ("fail", "slow")
    assert "times as long as the reference solution" in verdict.message
    assert "differs from itself" in verdict.message


def test_faster_than_the_reference_is_fine() -> None:
    assert measure.judge(bench(), Machine(1, 0.4, *QUIET)).status == "pass"


def test_work_is_long_enough_and_start_up_is_subtracted() -> None:
    machine = Machine(1, 1.0, 0.0, 0.0)
    times = measure.calibrate(bench(), machine)
    assert times * 1e-3 >= measure.ENOUGH_SECONDS
    took = measure.work(bench(), job("student"), "the submission", times, 0, machine)
    assert took == pytest.approx((times - 1) * 1e-3, rel=0.3)


def test_a_clear_answer_ends_the_rounds_early() -> None:
    machine = Machine(1, 1.0, *QUIET)
    measure.judge(bench(), machine)
    assert machine.runs < 20 + 6 * (measure.FEWEST_ROUNDS + 4)


def test_interval_holds_the_median_as_often_as_it_says() -> None:
    draw = random.Random(5)
    misses = 0
    for _ in range(2000):
        values = [draw.expovariate(1) for _ in range(11)]
        found = measure.interval(values)
        misses += not found.low <= 0.6931 <= found.high
    assert misses <= 2000 * (1 - measure.CONFIDENCE) * 1.5


def test_a_run_that_breaks_is_the_submissions_or_nobodys_fault() -> None:
    def breaks(whose_job: str) -> measure.Timer:
        def timer(which: Job, whose: str, times: int, number: int) -> float:
            if which.work.name == whose_job:
                raise measure.NotRun(whose, "ended with exit status 1")
            return times * 1e-3

        return timer

    with pytest.raises(measure.NotRun) as failed:
        measure.judge(bench(), breaks("student"))
    assert failed.value.whose == "the submission"
    with pytest.raises(measure.NotRun) as failed:
        measure.judge(bench(), breaks("reference"))
    assert failed.value.whose == "the reference"


def test_whoever_measures_is_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading
    import time

    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    told: list[str] = []

    def check() -> None:
        with turns.shared():
            told.append("check begins")
            time.sleep(0.2)
            told.append("check ends")

    def timing() -> None:
        with turns.alone():
            told.append("alone")
            time.sleep(0.2)
            told.append("no longer alone")

    workers = [threading.Thread(target=what) for what in (check, check, timing, check)]
    for worker in workers:
        worker.start()
        time.sleep(0.05)
    for worker in workers:
        worker.join()
    begin, end = told.index("alone"), told.index("no longer alone")
    assert end == begin + 1
    assert told[:begin].count("check begins") == told[:begin].count("check ends")


# ---- real programs ----

TIMED = [lab for lab in read_course(bank.ROOT).labs if any(test.measure for test in lab.tests)]
WHOLE = bool(os.environ.get("BANK_WHOLE"))  # also what is only a little slow, which takes longest
SLOW = [
    (lab, slow)
    for lab in TIMED
    for slow in bank.mistakes(lab, "slow")
    if WHOLE or slow.name != "half_again"
]


def by_name(value: Any) -> str:
    return str(value.name)


def speed_test_of(lab: Lab, files: Path) -> dict[str, Any]:
    """What becomes of the lab's test of speed, and of those that it needs."""
    (name,) = [test.name for test in lab.tests if test.measure]
    words = [sys.executable, "-m", "grader", "check", lab.name, str(files), "--test", name]
    told = subprocess.run(
        [*words, "--speed", "--json"], cwd=bank.ROOT, capture_output=True, check=False
    )
    result = json.loads(told.stdout)
    others = [test for test in result["tests"] if test["name"] != name]
    assert all(test["status"] != "fail" for test in others), others
    found: dict[str, Any] = next(test for test in result["tests"] if test["name"] == name)
    return found


def is_not_measured(test: dict[str, Any]) -> bool:
    return (test["status"], test["max_points"]) == ("skipped", 0)


@pytest.mark.parametrize("lab", TIMED, ids=by_name)
def test_the_solution_is_fast_enough(lab: Lab) -> None:
    test = speed_test_of(lab, bank.solution(lab))
    assert test["status"] == "pass" or is_not_measured(test), test


@pytest.mark.parametrize("lab, slow", SLOW, ids=by_name)
def test_what_is_slow_loses_the_points_for_speed(
    lab: Lab, slow: bank.Mistake, tmp_path: Path
) -> None:
    bank.add_student(tmp_path, slow.name, lab, slow.files)
    test = speed_test_of(lab, tmp_path / slow.name / lab.name)
    causes = next(iter(slow.loses.values()))
    if not (is_not_measured(test) and causes == {"slow"}):
        assert test["status"] == "fail" and test["cause"] in causes, test
    for words in slow.says:
        assert words in test["message"], test

"""score.py: points, and what happens to tests that wait for others."""

from __future__ import annotations

from dataclasses import replace

from grader.course import Measure
from grader.score import (
    Result,
    Verdict,
    all_failed,
    graded,
    mark,
    none_run,
    skipped,
    total,
    waits_for,
    with_earlier_speed,
)
from grader.tests.helpers import make_lab, make_marking, make_submission, make_test

LAB = make_lab()
PASS = Verdict("pass")


def test_points_are_those_of_passed_tests() -> None:
    result = graded(
        make_submission(LAB), make_marking(), (PASS, Verdict("fail", "leak", "x")), 1.5, (), ""
    )
    assert (result.score, result.max_score, result.status) == (3, 5, "graded")
    assert [(test.points, test.max_points) for test in result.tests] == [(3, 3), (0, 2)]
    assert result.tests[1].hint == "concept"
    assert result.tests[0].hint == ""
    assert result.tests[1].reproduce == "again hygiene 7"


def test_environment_makes_a_submission_ungradable_and_never_zero() -> None:
    result = graded(
        make_submission(LAB), make_marking(), (PASS, Verdict("fail", "environment", "x")), 1, (), ""
    )
    assert (result.score, result.status) == (None, "ungradable")
    assert result.tests[1].hint == ""


def test_what_is_missing_has_zero_and_what_is_refused_has_no_score() -> None:
    lost = none_run(make_submission(LAB), make_marking(), "missing", "not there")
    twice = none_run(make_submission(LAB), make_marking(), "ungradable", "twice")
    assert (lost.score, lost.status, lost.tests[0].message) == (0, "missing", "not there")
    assert (twice.score, twice.status, twice.tests[0].status) == (None, "ungradable", "skipped")


def test_what_does_not_compile_fails_every_test_without_a_hint() -> None:
    verdicts = all_failed(LAB, "compile", "line 3")
    result = graded(make_submission(LAB), make_marking(), verdicts, 1, (), "log", build_ok=False)
    assert (result.score, result.status, result.build_ok) == (0, "graded", False)
    assert {(test.cause, test.message, test.hint) for test in result.tests} == {
        ("compile", "line 3", "")
    }


def test_a_test_waits_for_what_it_needs() -> None:
    test = make_test("c", 1, ("a", "b"))
    assert waits_for(test, {"a": PASS, "b": PASS}) is None
    assert waits_for(test, {"a": PASS, "b": Verdict("fail", "exit")}) == "b"
    assert waits_for(test, {"a": skipped("z"), "b": PASS}) == "a"
    assert "b" in skipped("b").message


def test_halves_stay_halves_and_whole_points_look_whole() -> None:
    lab = make_lab(tests=(make_test("a", 0.5), make_test("b", 1.5)))
    one = graded(make_submission(lab), make_marking(), (PASS, Verdict("fail", "exit")), 1, (), "")
    both = graded(make_submission(lab), make_marking(), (PASS, PASS), 1, (), "")
    assert one.score == 0.5
    assert repr(both.score) == "2"


# ---- speed ----

PLAN = Measure(("{times}",), {}, "y.npy", 1, 1, 1.25, 0, ())
TIMED = make_lab(tests=(make_test("values", 15), replace(make_test("speed", 5), measure=PLAN)))
NOISE = Verdict("unmeasured", None, "not measured, the machine is too noisy")
SLOW = Verdict("fail", "slow", "it takes 2.00 times as long")


def timed(values: Verdict, speed: Verdict) -> Result:
    return graded(make_submission(TIMED), make_marking(), (values, speed), 1, (), "")


def test_what_was_not_measured_weighs_neither_way_in_the_mark() -> None:
    full, half = timed(PASS, NOISE), timed(Verdict("fail", "exit"), NOISE)
    assert (full.score, full.max_score, mark(full, TIMED)) == (15, 15, 15)
    assert (half.score, mark(half, TIMED)) == (0, 0)
    assert mark(timed(PASS, PASS), TIMED) == 15
    assert mark(timed(PASS, SLOW), TIMED) == 11.25
    assert total((full, None, timed(PASS, SLOW)), (TIMED, TIMED, TIMED)) == 26.25
    open_one = none_run(make_submission(TIMED), make_marking(), "ungradable", "twice")
    assert total((full, open_one), (TIMED, TIMED)) is None


def test_a_regrade_never_takes_a_speed_point_away() -> None:
    before = timed(PASS, Verdict("pass", None, "it takes 1.00 times as long"))
    for now in (SLOW, NOISE):
        kept = with_earlier_speed(timed(PASS, now), before, TIMED)
        assert (kept.score, kept.max_score, kept.tests[1].status) == (20, 20, "pass")
        assert kept.tests[1].message == (
            "kept from an earlier grading of the same files: it takes 1.00 times as long"
        )
        assert with_earlier_speed(timed(PASS, now), kept, TIMED).tests[1] == kept.tests[1]


def test_a_regrade_takes_away_what_was_lost_for_another_reason() -> None:
    before = timed(PASS, PASS)
    wrong = timed(PASS, Verdict("fail", "wrong_value", "the program did not do all of the work"))
    waits = timed(Verdict("fail", "exit"), skipped("values"))
    assert with_earlier_speed(wrong, before, TIMED) == wrong
    assert with_earlier_speed(waits, before, TIMED) == waits
    slow = timed(PASS, SLOW)
    assert with_earlier_speed(slow, None, TIMED) == slow
    assert with_earlier_speed(slow, replace(before, submission_sha256="other"), TIMED) == slow

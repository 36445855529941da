"""score.py: points, and what happens to tests that wait for others."""

from __future__ import annotations

from grader.score import Verdict, all_failed, graded, none_run, skipped, waits_for
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

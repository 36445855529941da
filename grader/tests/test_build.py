"""build.py: what the compiler says is cut to the submission, and each way to fail has its cause."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader import build
from grader.build import Given, Place
from grader.process import Outcome
from grader.sandbox import Sandbox
from grader.tests.helpers import make_lab

LAB = make_lab()
GIVEN = Given(LAB, Path("/stage"), Path("/suite"), Path("/reaper"), Path("/skeleton"))
PLACE = Place(Sandbox("bwrap", Path("/etc")), None, Path("/s"), Path("/o"))


def told(output: str) -> str:
    return build.for_students(output, GIVEN, PLACE)


def test_paths_of_the_submission_and_our_headers_are_short() -> None:
    output = (
        "In file included from /submission/pool.c:3:\n"
        "/course/labs/01-pool/pool.h:9:5: note: declared here\n"
        "/submission/pool.c:12:3: error: expected ';'\n   12 | x\n      | ^\n"
        "make[1]: *** [../lab.mk:90: /out/plain/pool.o] Error 1\n"
    )
    assert told(output) == (
        "In file included from pool.c:3:\npool.h:9:5: note: declared here\n"
        "pool.c:12:3: error: expected ';'\n   12 | x\n      | ^"
    )


def test_what_another_file_says_is_left_out() -> None:
    output = (
        "In file included from /submission/pool.c:1:\n"
        "/etc/passwd:1:5: error: unknown type name 'root'\n    1 | root:x:0:0\n      | ^\n"
        "/submission/pool.c:2:1: error: mine\n"
        "/course/labs/01-pool/../../solutions/pool.c:1:1: error: theirs\n"
    )
    words = told(output)
    assert "root" not in words and "theirs" not in words and "solutions" not in words
    assert "pool.c:2:1: error: mine" in words
    assert words.count(build.LEFT_OUT) == 2


def test_what_every_flavour_says_is_told_once() -> None:
    message = "/submission/pool.c:2:1: warning: unused variable\n    2 | int x;\n"
    other = "/submission/pool.c:3:1: warning: unused variable\n    3 | int y;\n"
    assert told(message + other + message) == told(message + other)


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Outcome(-9, 60, True, ""), "longer than 60 s"),
        (Outcome(2, 1, False, "gcc: fatal error: CPU time limit exceeded signal terminated program cc1"), "processor time"),
        (Outcome(2, 1, False, "cc1: out of memory allocating 65536 bytes"), "2 GiB of memory"),
        (Outcome(2, 1, False, "as: File size limit exceeded"), "more than 64 MiB"),
        (Outcome(2, 1, False, "/tmp/ccX.s: Fatal error: can't fill 256 bytes in section .data of x.o: 'file truncated'"), "more than 64 MiB"),
    ],
)  # fmt: skip
def test_a_limit_is_named(outcome: Outcome, words: str) -> None:
    assert words in build.limit_hit(outcome)


@pytest.mark.parametrize(
    "said",
    [
        '/submission/pool.c:9:1: error: expected ;\n    9 |   puts("out of memory");\n',
        '/submission/pool.c:9:1: error: expected ;\n  perror("cc1: cannot allocate memory");\n   ^\n',
        "/submission/pool.c:1:2: error: #error No space left on device, as: File too large\n",
        '/submission/pool.c:1:1: error: static assertion failed: "CPU time limit exceeded"\n',
        "/usr/bin/ld: pool.o: undefined reference to `No space left on device'\n",
    ],
)
def test_what_the_submission_says_of_limits_is_none(said: str) -> None:
    outcome = Outcome(2, 1, False, said)
    assert not build.limit_hit(outcome) and not build.no_room(outcome)


def test_a_full_disk_is_seen() -> None:
    said = "/submission/pool.c:3:1: fatal error: error writing to /tmp/x.s: No space left on device"
    assert build.no_room(Outcome(2, 1, False, said))


def test_what_the_assembler_says_is_told() -> None:
    said = (
        "/tmp/ccX1.s: Assembler messages:\n/tmp/ccX1.s:23: Error: junk `space' after expression\n"
    )
    assert told(said) == (
        "the assembler: Assembler messages:\nthe assembler:23: Error: junk `space' after expression"
    )


def test_what_steers_a_terminal_is_not_told() -> None:
    assert told("\x1b[2J/x:7:2: error: #error \x9b2J\x07\r\n") == "?[2J/x:7:2: error: #error ?2J?"


def test_an_ordinary_error_is_no_limit() -> None:
    assert build.limit_hit(Outcome(2, 1, False, "pool.c:1:1: error: no")) == ""

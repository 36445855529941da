"""Terminal: what people see. Colours and a progress bar on a terminal, plain lines elsewhere.

Names and messages come from students: control characters never reach the terminal.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Protocol

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from grader.course import Lab, Test
from grader.score import Result, TestResult, Verdict, mark, total

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
MARKS = {
    "pass": ("pass", "green"),
    "fail": ("FAIL", "red"),
    "skipped": ("skip", "yellow"),
    "unmeasured": ("----", "yellow"),
}
CAUSE_WORDS = {
    "compile": "does not compile",
    "link": "cannot be linked",
    "timeout": "took too long",
    "deadlock": "stands still (deadlock)",
    "signal": "crashed",
    "exit": "ended with an error",
    "wrong_value": "wrong result",
    "race": "data race",
    "memory": "memory error",
    "leak": "leak",
    "hygiene": "left something behind",
    "method": "not the way this lab asks for",
    "slow": "too slow",
    "resource": "used too much",
    "tamper": "not allowed",
    "environment": "could not be judged: the grader's or the machine's fault",
}


def clean(text: str) -> str:
    """The text without what could steer a terminal."""
    return CONTROL.sub("?", text.encode("utf-8", "backslashreplace").decode("utf-8"))


def make_console(file: object = None) -> Console:
    """A console that never wraps or colours what goes into a pipe."""
    stream = sys.stdout if file is None else sys.stderr
    return Console(
        file=stream, width=None if stream.isatty() else 200, highlight=False, soft_wrap=True
    )


def say(console: Console, text: str, style: str = "") -> None:
    console.print(Text(clean(text), style=style))


# ---- the class ----


class Report(Protocol):
    """Told of every result as it comes."""

    def __call__(self, result: Result) -> None:
        ...


@contextmanager
def class_progress(console: Console, total: int) -> Iterator[Report]:
    """A progress bar on a terminal, a line for each result elsewhere."""
    if console.is_terminal:
        with bar(console) as progress:
            task = progress.add_task("grading", total=total)
            yield lambda result: progress.update(task, advance=1, description=one_line(result))
        return
    lock, count = Lock(), iter(range(1, total + 1))

    def line(result: Result) -> None:
        with lock:
            say(console, f"[{next(count)}/{total}] {one_line(result)}")

    yield line


def bar(console: Console) -> Progress:
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
    )
    return Progress(*columns, console=console, transient=True)


def one_line(result: Result) -> str:
    return clean(f"{result.student} {result.lab}: {points(result)}")


def points(result: Result) -> str:
    if result.status == "graded":
        return f"{result.score:g} of {result.max_score:g}"
    return result.status


def class_table(rows: Mapping[str, Mapping[str, Result]], labs: Sequence[Lab]) -> Table:
    """Students by labs. Nothing in it is markup."""
    table = Table(
        box=box.SIMPLE_HEAD if sys.stdout.encoding.lower().startswith("utf") else box.ASCII2
    )
    table.add_column("student", no_wrap=True)
    for lab in labs:
        table.add_column(f"{lab.name}\nof {lab.max_score:g}", justify="right")
    table.add_column(f"total\nof {sum(lab.max_score for lab in labs):g}", justify="right")
    for student, results in sorted(rows.items()):
        found = [results.get(lab.name) for lab in labs]
        table.add_row(Text(clean(student)), *map(cell, found, labs), total_cell(found, labs))
    return table


def cell(result: Result | None, lab: Lab) -> Text:
    if result is None:
        return Text("")
    found = mark(result, lab)
    if found is None:
        return Text("ungradable", style="bold magenta")
    if result.status == "missing":
        return Text("missing", style="dim")
    style = (
        "green" if result.score == result.max_score else "red" if result.score == 0 else "yellow"
    )
    return Text(f"{found:g}", style=style)


def total_cell(results: Sequence[Result | None], labs: Sequence[Lab]) -> Text:
    found = total(results, labs)
    if found is None:
        return Text("open", style="bold magenta")
    return Text(f"{found:g}", style="bold")


def remarks(results: Sequence[Result]) -> Iterator[str]:
    """What an instructor should look at, a line each."""
    for result in results:
        where = f"{result.student} {result.lab}"
        if result.status == "ungradable":
            yield f"{where}: ungradable: {reason(result)}"
        for flag in result.flags:
            yield f"{where}: {flag}"


def reason(result: Result) -> str:
    """The first line of why a result is ungradable."""
    texts = [test.message for test in result.tests if test.cause == "environment"]
    return ([*texts, result.build_log, "unknown"][0].splitlines() or ["unknown"])[0]


# ---- one submission ----


def test_line(console: Console, test: Test, verdict: Verdict) -> None:
    word, style = MARKS[verdict.status]
    earned = test.points if verdict.status == "pass" else 0
    line = Text(f"  {word}  ", style=style)
    line.append(f"{earned:g}/{test.points:g}  ".rjust(8), style="")
    line.append(f"{test.name}: {test.about}", style="")
    console.print(line)
    if test.measure is not None and verdict.status in ("pass", "unmeasured"):
        say(console, " " * 16 + verdict.message, "dim")


def submission_report(
    console: Console, lab: Lab, result: Result, only: str, work: str = ""
) -> None:
    """Why what failed failed, and what to do next.

    only is the one test that was asked for, or ""; work the folder with the tests' files, if it is kept.
    """
    if result.build_log and result.status == "graded":
        say(console, "\nThe compiler says:", "bold")
        say(console, indented(result.build_log))
    about = {test.name: test.about for test in lab.tests}
    failed = [test for test in result.tests if test.status == "fail"]
    if same_reason(result):
        say(
            console,
            f"\n{CAUSE_WORDS.get(failed[0].cause or '', 'failed')}:"
            if failed
            else "\nNothing was run:",
            "bold red",
        )
        say(console, indented(result.tests[0].message))
    else:
        for test in failed:
            explain(console, test, about[test.name], work)
    if not only:
        say(console, f"\n{lab.name}: {points(result)}", "bold")
        if skipped := skipped_words(result):
            say(console, skipped, "dim")


def same_reason(result: Result) -> bool:
    """Was there one reason for all tests, so that it need be told only once?"""
    return len({(test.status, test.cause, test.message) for test in result.tests}) == 1 and bool(
        result.tests[0].message
    )


def skipped_words(result: Result) -> str:
    """Why there are tests that were not run, where some were."""
    skipped = sum(test.status == "skipped" for test in result.tests)
    failed = [test.name for test in result.tests if test.status == "fail"]
    if not skipped or not failed:
        return ""
    tests = "1 test was skipped" if skipped == 1 else f"{skipped} tests were skipped"
    return (
        f"{tests}: what they look at needs a test that has not passed yet. Begin with {failed[0]}."
    )


def explain(console: Console, test: TestResult, about: str, work: str) -> None:
    say(console, f"\n{test.name}: {CAUSE_WORDS.get(test.cause or '', 'failed')}", "bold red")
    say(console, indented(f"({about})"), "dim")
    say(console, indented(test.message))
    if test.hint:
        say(console, indented(f"hint: {test.hint}"), "cyan")
    say(console, indented(f"again: {test.reproduce}"), "dim")
    if work:
        say(console, indented(f"files: {work}/{test.name}"), "dim")


def indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.strip().splitlines())

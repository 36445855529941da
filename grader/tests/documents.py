"""Reads what the documents show, so that a test can hold it against what really comes out.

In README.md, docs/*.md and labs/*/README.md a comment before a code block says what the block is:

    <!-- output: COMMAND -->               what the shell command COMMAND prints, in the lab's folder or the root
    <!-- put: skeleton -->                 from here on the lab folders hold the skeletons, as in a fresh clone
    <!-- put: solution -->                 from here on they hold the solutions (a lab's README: from the beginning)
    <!-- put: TODO 4 of labs/.../x.c -->   the block is what a reader writes into that region
    <!-- file: PATH -->                    the block is all of a file of the project, or (with a line ...) parts of it

In a block of output a line `...` stands for any lines, and a line that begins with `$ ` is not output.
What may differ each time is replaced on both sides: see PLACEHOLDERS and shape().
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

MARK = re.compile(r"^<!-- (?P<verb>output|put|file): (?P<words>.+?) -->$")
FENCE = re.compile(r"^```\w*$")
ANY = "..."

# What differs from run to run or from machine to machine, and what stands for it.
PLACEHOLDERS = (
    (r"--seed \d+", "--seed <seed>"),
    (r"SEED=\d+", "SEED=<seed>"),
    (r"\bseed\": \d+", 'seed": <seed>'),
    (r"\b[0-9a-f]{64}\b", "<sha256>"),
    (r"\bseconds\": [\d.]+", 'seconds": <seconds>'),
    (r"\b\d+(\.\d+)? (s|ms|us)\b", "<time>"),
    (r"\b(PID = |pid )\d+", r"\1<pid>"),
    (r"\d+(\.\d+)?%", "<percent>"),
    (r"\[\d+/\d+\] ", "[<n>] "),  # which submission is graded first is chance
    (r"make(\[\d\])?: \*\*\* \[[^\]]*\]", "make: *** [<rule>]"),
    (r"^(Platform name|Platform version|Device name|Device type): .*", r"\1: <text>"),
)
NUMBER = re.compile(r"(?<![A-Za-z_\d])[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?(?![A-Za-z_\d])")
CHART = re.compile(r"[#=.:|+*_\u2500-\u259f-]{4,}")
# `check` on a machine without a sandbox says so; PoCL counts its own headers' warnings where its cache is empty.
NOT_OURS = re.compile(r"no sandbox, your program runs as you|\d+ warnings? generated\.$")


@dataclass(frozen=True)
class Step:
    """One marked comment of a document, with the block below it (none below most of `put`)."""

    line: int
    verb: str
    words: str
    block: tuple[str, ...]


def steps(text: str) -> Iterator[Step]:
    """The marked comments, in order. A mark that lacks its block is an error of the document."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        mark = MARK.match(line)
        if not mark:
            continue
        needs_block = mark["verb"] != "put" or mark["words"].startswith("TODO")
        block = tuple(block_below(lines, number)) if needs_block else ()
        if needs_block and not block:
            raise ValueError(f"line {number + 1}: no code block follows {line}")
        yield Step(number + 1, mark["verb"], mark["words"], block)


def block_below(lines: Sequence[str], mark: int) -> Iterator[str]:
    rest = iter(lines[mark + 1 :])
    if not FENCE.match(next((line for line in rest if line), "")):
        return
    for line in rest:
        if line == "```":
            return
        yield line
    raise ValueError(f"line {mark + 1}: the code block below has no end")


# ---- comparing ----


def steady(line: str) -> str:
    """A line with a placeholder for all that may differ."""
    for pattern, name in PLACEHOLDERS:
        line = re.sub(pattern, name, line)
    return line.rstrip()


def shape(lines: Sequence[str]) -> list[str]:
    """What stays of a demo: each kind of line once, sorted, with <n> for numbers and <chart> for bars.

    Its values are drawn anew each time, workers print in any order, and there are as many as cores.
    """
    kinds = {
        " ".join(NUMBER.sub("<n>", CHART.sub("<chart>", steady(line))).split()) for line in lines
    }
    return sorted(kinds - {""})


def differences(command: str, shown: Sequence[str], came: Sequence[str]) -> str:
    """How what came differs from what the document shows, as a diff; "" if it does not."""
    came = [line for line in came if not NOT_OURS.match(line)]
    shown = [line for line in shown if not line.startswith("$ ")]
    if "make demo" in command:
        expected, found = shape([line for line in shown if line != ANY]), shape(came)
    else:
        expected, found = [steady(line) for line in shown], [steady(line) for line in came]
        if fits(expected, found):
            return ""
    if expected == found:
        return ""
    return "\n".join(difflib.unified_diff(expected, found, "shown", "came", lineterm="", n=100))


def fits(shown: Sequence[str], came: Sequence[str]) -> bool:
    """Are the lines the same, where a line ... of shown stands for any lines?"""
    parts: list[list[str]] = [[]]
    for line in shown:
        if line.strip() == ANY:
            parts.append([])
        else:
            parts[-1].append(line)
    first, last = parts[0], parts[-1]
    if len(parts) == 1:
        return list(came) == first
    if list(came[: len(first)]) != first or len(came) < len(first) + len(last):
        return False
    at, end = len(first), len(came) - len(last)
    if list(came[end:]) != last:
        return False
    for part in parts[1:-1]:
        while at + len(part) <= end and list(came[at : at + len(part)]) != part:
            at += 1
        if at + len(part) > end:
            return False
        at += len(part)
    return True


def refreshed(shown: Sequence[str], came: Sequence[str]) -> list[str]:
    """The block with what came in it. Around a ... so many lines are taken as there are now."""
    came = [line.rstrip() for line in came if not NOT_OURS.match(line)]
    typed = [line for line in shown if line.startswith("$ ")]
    block = [line for line in shown if not line.startswith("$ ")]
    if ANY not in block:
        return [*typed, *came]
    before = block.index(ANY)
    after = len(block) - 1 - block[::-1].index(ANY)
    last = len(block) - 1 - after
    return [*typed, *came[:before], *block[before : after + 1], *came[len(came) - last :]]


def with_block(text: str, mark: int, block: Sequence[str]) -> str:
    """The document with another block below the mark in that line."""
    lines = text.splitlines()
    first = next(n for n in range(mark, len(lines)) if FENCE.match(lines[n])) + 1
    end = lines.index("```", first)
    return "\n".join([*lines[:first], *block, *lines[end:]]) + "\n"


# ---- the reader's own code ----


def with_region(source: str, number: str, lines: Sequence[str]) -> str:
    """The source file with these lines in its TODO region of that number."""
    pattern = re.compile(
        rf"^(?P<begin>[ ]*/\* BEGIN TODO {number}:.*?\*/\n).*?^(?P<end>[ ]*/\* END TODO {number} \*/\n)",
        re.MULTILINE | re.DOTALL,
    )
    found = pattern.search(source)
    if not found:
        raise ValueError(f"there is no region TODO {number}")
    body = "".join(f"{line}\n" for line in lines)
    return source[: found.end("begin")] + body + source[found.start("end") :]


# ---- links and commands ----


def split(text: str) -> tuple[str, list[str]]:
    """The prose of a document, and the lines of its code blocks for the shell (or of no language)."""
    prose: list[str] = []
    code: list[str] = []
    language: str | None = None
    for line in text.splitlines():
        if language is None and line.startswith("```"):
            language = line[3:]
        elif line == "```":
            language = None
        elif language is None:
            prose.append(line)
        elif language in ("", "sh", "console"):
            code.append(line.removeprefix("$ "))
    return "\n".join(prose), code


def links(text: str) -> Iterator[str]:
    """Targets of links to files of the project."""
    for target in re.findall(r"\]\(([^)\s]+)\)", split(text)[0]):
        if not re.match(r"[a-z]+:", target):
            yield target


def headings(text: str) -> set[str]:
    """The anchors that a document's headings have on GitHub."""
    titles = re.findall(r"^#+ (.*)$", split(text)[0], re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def commands(text: str) -> Iterator[str]:
    """What stands in code and may be a command of the course, without what explains it behind."""
    prose, code = split(text)
    for command in code + re.findall(r"(?<!`)`([^`\n]+)`(?!`)", prose):
        yield re.split(r"  | #", command)[0]


def relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()

"""What README.md, docs/ and the labs' READMEs show is true: every output, link and command.

Each document is followed from its beginning, in a copy of the project, as a reader would.
documents.py explains the comments that mark what is checked, and what may differ. After a change of what
is printed, this puts the new output into the documents (look at the difference before you commit it):

    REFRESH=1 python3 -m pytest grader/tests/test_readme.py -k shown
"""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pytest

from grader import course, score
from grader.__main__ import VERBS
from grader.course import Lab
from grader.tests import documents
from grader.tests.documents import Step, relative

ROOT = course.default_root()
GRADE = "make grade"  # what the fixture class_graded runs
LABS = course.read_course(ROOT).labs
DOCUMENTS = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "labs").glob("*/README.md")),
]
SHOWING = [file for file in DOCUMENTS if "<!-- output:" in file.read_text(encoding="utf-8")]


def by_path(value: object) -> str:
    return relative(value, ROOT) if isinstance(value, Path) else str(value)


# ---- the outputs ----


@pytest.mark.parametrize("file", SHOWING, ids=by_path)
def test_what_is_shown_comes_out(
    file: Path, project_copy: Path, request: pytest.FixtureRequest
) -> None:
    complaints, fresh = [], []
    put(project_copy, "skeleton" if folder_of(file) == ROOT else "solution")
    for step in documents.steps(file.read_text(encoding="utf-8")):
        if step.verb == "put":
            put(project_copy, step.words, step)
        elif step.verb == "output":
            graded = request.getfixturevalue("class_graded") if needs_class(step) else ""
            folder = project_copy / folder_of(file).relative_to(ROOT)
            came = graded if step.words == GRADE else run(step.words, folder)
            if found := documents.differences(step.words, step.block, came.splitlines()):
                fresh.append((step.line, documents.refreshed(step.block, came.splitlines())))
                complaints.append(f"line {step.line}, {step.words}:\n{found}\n\nall of it:\n{came}")
    put(project_copy, "skeleton")
    if os.environ.get("REFRESH"):
        refresh(file, fresh)
    assert not complaints, "\n\n".join(complaints)


def refresh(file: Path, blocks: list[tuple[int, list[str]]]) -> None:
    text = file.read_text(encoding="utf-8")
    for line, block in reversed(blocks):  # from below, so that the lines above stay where they are
        text = documents.with_block(text, line, block)
    file.write_text(text, encoding="utf-8")


def needs_class(step: Step) -> bool:
    return step.words == GRADE or "results/" in step.words


def folder_of(file: Path) -> Path:
    """Where a document's commands are typed: a lab's in its folder, all others in the root."""
    return file.parent if file.parent.parent == ROOT / "labs" else ROOT


def put(copy: Path, what: str, step: Step | None = None) -> None:
    """Changes the lab folders as the document says."""
    if what.startswith("TODO") and step is not None:
        words = re.fullmatch(r"TODO (\d+) of (\S+)", what)
        assert words, f"line {step.line}: what is {what}?"
        file = copy / words[2]
        text = documents.with_region(file.read_text(encoding="utf-8"), words[1], step.block)
        file.write_text(text, encoding="utf-8")
        return
    assert what in ("skeleton", "solution"), what
    for lab in LABS:
        source = lab.folder if what == "skeleton" else ROOT / "solutions" / lab.name
        for name in lab.submit:
            (copy / "labs" / lab.name / name).write_bytes((source / name).read_bytes())


def run(command: str, folder: Path) -> str:
    """What a shell prints for a command, its errors in between."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    ended = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**env, "LC_ALL": "C.UTF-8", "COLUMNS": "120"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=600,
        check=False,
    )
    return ended.stdout.decode("utf-8", "replace")


def files_shown() -> Iterator[tuple[Path, Step]]:
    for file in DOCUMENTS:
        for step in documents.steps(file.read_text(encoding="utf-8")):
            if step.verb == "file":
                yield file, step


def test_files_that_are_shown_look_so() -> None:
    for file, step in files_shown():
        there = (ROOT / step.words).read_text(encoding="utf-8").splitlines()
        assert documents.fits(step.block, there), f"{relative(file, ROOT)}, line {step.line}"


# ---- links and commands ----


@pytest.mark.parametrize("file", DOCUMENTS, ids=by_path)
def test_links_lead_somewhere(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    for target in documents.links(text):
        path, _, anchor = target.partition("#")
        goal = (file.parent / path).resolve() if path else file
        assert goal.exists() and goal.is_relative_to(ROOT), f"{target} leads nowhere"
        if anchor:
            assert anchor in documents.headings(goal.read_text(encoding="utf-8")), target


def targets(*makefiles: str) -> set[str]:
    text = "".join((ROOT / name).read_text(encoding="utf-8") for name in makefiles)
    lists = re.findall(r"^([a-z][a-z -]*):(?!=)", text, re.MULTILINE)
    return {name for names in lists for name in names.split()}


@pytest.mark.parametrize("file", DOCUMENTS, ids=by_path)
def test_commands_exist(file: Path) -> None:
    known = targets("Makefile", "labs/lab.mk")
    for command in documents.commands(file.read_text(encoding="utf-8")):
        words = command.split()
        if words[:1] == ["make"]:
            typed = takewhile(lambda word: word != "in", words[1:])  # `make bench in labs/01-pool`
            goals = [w for w in typed if re.fullmatch(r"[a-z-]+", w) and not w.startswith("-")]
            assert set(goals) <= known, f"`{command}`: make has no such target"
        if words[:3] == ["python3", "-m", "grader"] and len(words) > 3:
            verb = words[3]
            assert verb in VERBS or verb in ("VERB", "--help"), f"`{command}`: no such verb"


# ---- what a document has to be complete in ----


def steps_named(text: str) -> set[str]:
    """The numbers of the steps that a lab's README explains, as "TODO 2 and 3" or as items of a list."""
    section = text.partition("\n## Steps\n")[2].partition("\n## ")[0]
    words = re.findall(r"\bTODO ((?:\d+(?:, | and )?)+)|^(\d+)\. ", section, re.MULTILINE)
    return {number for pair in words for number in re.findall(r"\d+", " ".join(pair))}


@pytest.mark.parametrize("lab", LABS, ids=[lab.name for lab in LABS])
def test_a_lab_readme_has_every_step_and_a_demo(lab: Lab) -> None:
    text = (lab.folder / "README.md").read_text(encoding="utf-8")
    for name in lab.submit:
        skeleton = (lab.folder / name).read_text(encoding="utf-8")
        numbers = set(re.findall(r"BEGIN TODO (\d+)", skeleton))
        assert numbers and numbers <= steps_named(text), name
    assert "<!-- output: make demo -->" in text


def test_results_md_explains_every_cause_and_field() -> None:
    text = (ROOT / "docs/results.md").read_text(encoding="utf-8")
    for cause in score.CAUSES:
        assert f"`{cause}`" in text, cause
    names = [
        field.name
        for kind in (score.Result, score.TestResult)
        for field in dataclasses.fields(kind)
    ]
    shown = {name.removeprefix("build_") for name in names} | {"schema", "build"}
    for field in shown:
        assert f"`{field}`" in text, field


def test_adding_a_lab_md_explains_every_key_and_setting() -> None:
    text = (ROOT / "docs/adding-a-lab.md").read_text(encoding="utf-8")
    for key in (*course.LAB_KEYS, *course.TEST_KEYS, *course.Limits.__dataclass_fields__):
        assert f"`{key}`" in text or f"`[{key}]`" in text or f"`[[{key}]]`" in text, key
    source = (ROOT / "common/run.c").read_text(encoding="utf-8")
    settings = re.search(r"mpi_settings\[\] = \{(.*?)\}", source, re.DOTALL)
    assert settings
    for name in re.findall(r'"(\w+)=', settings[1]):
        assert f"`{name}`" in text, name


def test_every_limit_of_the_course_is_told() -> None:
    facts = tomllib.loads((ROOT / "labs/course.toml").read_text(encoding="utf-8"))
    text = (ROOT / "docs/adding-a-lab.md").read_text(encoding="utf-8")
    for name in facts["limits"]:
        assert f"`{name}`" in text, name

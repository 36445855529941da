"""The corpus of attacks and honest students in one class, graded once by the real command.

No attack gains a mark over the honest code that it is built on, none has an effect outside its
job, none stops the grader, and the honest students between them keep their full marks.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from grader import archive, course, names, sandbox, workplace
from grader.tests import bank, corpus, hostile_inputs
from grader.tests.corpus import CONTROL, FAMILIES, Attack
from grader.tests.hostile_inputs import Hostile

COURSE = course.read_course(bank.ROOT)
WANTED = os.environ.get("ATTACKS", "")  # parts of the names, with commas: only these, while writing


def is_wanted(name: str) -> bool:
    return any(part in name for part in WANTED.split(","))


ATTACKS = [attack for attack in corpus.attacks(COURSE) if is_wanted(attack.name)]
LAB = course.find_lab(COURSE, "01-pool")
SOLUTION = (bank.solution(LAB) / "pool.c").read_bytes()
INPUTS = [h for h in hostile_inputs.inputs(SOLUTION) if is_wanted(h.name)]
LABS = sorted({LAB.name, *(attack.lab for attack in ATTACKS)})
HONEST = ("honest.a", "honest.m", "honest.z")
HONEST_IN_ALL = "honest.m"
HONEST_OTHERWISE = ("honest.archive", "honest.crlf", "honest.tar")

MARK = "attackmark"  # in the name of whatever an attack leaves
SECRET = "canary-6f1c2b9e"  # in what an attack must not see
PORT = 45117  # that an attack listens to
SEGMENT = 0x41747461  # key of a shared memory segment that an attack makes
LONGEST = 1500.0  # seconds for the whole class, on a machine with other work


@dataclass(frozen=True)
class Site:
    """Where it all happens; every user could write to every canary, if he came there."""

    top: Path

    @property
    def places(self) -> dict[str, str]:
        folders = {
            "@REPO@": self.repo,
            "@CLASS@": self.classroom,
            "@OUT@": self.out,
            "@HOME@": self.home,
        }
        return {
            "@CANARY@": str(self.top / "canary"),
            **{token: str(folder) for token, folder in folders.items()},
        }

    @property
    def repo(self) -> Path:
        return self.top / "repo"

    @property
    def classroom(self) -> Path:
        return self.top / "class"

    @property
    def out(self) -> Path:
        return self.top / "results"

    @property
    def home(self) -> Path:
        return self.top / "home"

    @property
    def temporary(self) -> Path:
        return self.top / "tmp"


@dataclass(frozen=True)
class Aftermath:
    """What there is to look at when the class has been graded."""

    status: int
    said: str
    seconds: float
    results: Mapping[tuple[str, str], dict[str, Any]]  # by student and lab
    changed: list[str]  # files outside the results that are other than before
    left: list[str]  # processes, files, listeners and segments that were left behind
    unexpected: list[str]  # files in the results that the grader should not have written


# ---- the class ----


def need_a_sandbox() -> None:
    try:
        with workplace.temporary_folder() as folder:
            sandbox.probe(sandbox.prepare("bwrap", folder))
    except sandbox.NoSandbox as error:
        pytest.skip(f"attacks are only run in the sandbox: {error}")


def build_site(site: Site) -> None:
    ignored = shutil.ignore_patterns(".git", "build", "results", "__pycache__", ".*_cache")
    shutil.copytree(bank.ROOT, site.repo, ignore=ignored)
    for folder in (site.classroom, site.out, site.home, site.temporary):
        folder.mkdir()
        folder.chmod(0o777)
    for folder in (site.top, site.repo, site.out, site.home):
        (folder / "canary").write_text(SECRET)
        (folder / "canary").chmod(0o666)


def build_class(site: Site) -> None:
    for student in HONEST:
        bank.add_student(site.classroom, student, LAB, bank.solution(LAB))
    for lab in (course.find_lab(COURSE, name) for name in LABS if name != LAB.name):
        bank.add_student(site.classroom, HONEST_IN_ALL, lab, bank.solution(lab))
    bank.add_student(site.classroom, CONTROL, LAB, corpus.HERE / "control")
    crlf = SOLUTION.replace(b"\n", b"\r\n").removesuffix(b"\r\n")
    hostile_inputs.place_of(site.classroom, "honest.crlf").write_bytes(crlf)
    packed = hostile_inputs.zip_of([(f"mine/{hostile_inputs.FILE}", SOLUTION)])
    (site.classroom / "honest.archive.zip").write_bytes(packed)
    packed = hostile_inputs.tar_of([(hostile_inputs.member(hostile_inputs.FILE), SOLUTION)])
    (site.classroom / "honest.tar.tgz").write_bytes(packed)
    for attack in ATTACKS:
        corpus.hand_in(site.classroom, attack, site.places)
    for hostile in INPUTS:
        hostile.make(site.classroom)


def digests(site: Site) -> dict[str, str]:
    """Every file outside the results, build and temporary folders, by what is in it."""
    found: dict[str, str] = {}
    for folder, below, files in os.walk(site.top):
        here = Path(folder)
        below[:] = [name for name in below if here / name not in (site.out, site.temporary)]
        if here == site.repo and "build" in below:
            below.remove("build")
        below[:] = [name for name in below if name != "__pycache__"]
        for name in files:
            path = here / name
            info = path.lstat()
            regular = archive.describe(info.st_mode) == "file"
            content = hashlib.sha256(path.read_bytes()).hexdigest() if regular else "no file"
            found[str(path)] = f"{info.st_mode:o} {info.st_uid} {content}"
    found[str(site.out / "canary")] = (site.out / "canary").read_text()
    return found


# ---- what is left ----


def processes_left(site: Site) -> list[str]:
    """Processes of this grader's jobs: by their name, or by its folder in their arguments."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name = (folder / "comm").read_text(errors="replace").strip()
            words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if name == MARK or str(site.temporary) in words:
            found.append(f"process {folder.name}: {name} {words[:200]}")
    return found


def files_left(site: Site) -> list[str]:
    tops = ("/tmp", "/dev/shm", "/var/tmp", "/run", "/dev/mqueue", "/home", "/")
    found = [f"{top}: {n}" for top in tops for n in names_in(top) if MARK in n]
    ours = "parallel-labs-turns-"  # empty, and shared by all graders of a machine
    temporary = [name for name in names_in(str(site.temporary)) if not name.startswith(ours)]
    return found + [f"{site.temporary}: {name}" for name in temporary]


def names_in(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def listeners_left() -> list[str]:
    sockets = [Path(f"/proc/net/{name}") for name in ("tcp", "tcp6", "unix")]
    text = "\n".join(file.read_text() for file in sockets if file.exists())
    found = re.findall(rf".*(?::{PORT:04X} .* 0A |{MARK}).*", text)
    segments = Path("/proc/sysvipc/shm")
    rows = segments.read_text().splitlines()[1:] if segments.exists() else []
    return found + [row for row in rows if int(row.split()[0]) == SEGMENT]


def strange_files(site: Site) -> list[str]:
    """What the grader does not write, or did not write whole."""
    known = {f"{lab}.{kind}" for lab in LABS for kind in ("json", "log", "output")}
    found = []
    for path in site.out.rglob("*"):
        depth = len(path.relative_to(site.out).parts)
        top = depth == 1 and (path.is_dir() or path.name in ("canary", "grades.csv", ".lock"))
        if not (top or depth == 2 and path.is_file() and path.name in known):
            found.append(str(path))
    return found


@pytest.fixture(scope="module")
def aftermath() -> Iterator[Aftermath]:
    need_a_sandbox()
    with tempfile.TemporaryDirectory(prefix="corpus-") as folder:
        site = Site(Path(folder))
        site.top.chmod(0o777)
        build_site(site)
        build_class(site)
        before = digests(site)
        env = {
            **os.environ,
            "HOME": str(site.home),
            "TMPDIR": str(site.temporary),
            "CORPUS_SECRET": SECRET,
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        labs = ",".join(name[:2] for name in LABS)
        words = [sys.executable, "-m", "grader", "grade", str(site.classroom)]
        words += ["--out", str(site.out), "--labs", labs, "--jobs", "3"]
        began = time.monotonic()
        done = subprocess.run(
            words, cwd=site.repo, env=env, capture_output=True, timeout=LONGEST, check=False
        )
        seconds = time.monotonic() - began
        left = [*processes_left(site), *files_left(site), *listeners_left()]
        after = digests(site)
        changed = [path for path in {*before, *after} if before.get(path) != after.get(path)]
        said = (done.stdout + done.stderr).decode(errors="replace")
        results = read_results(site)
        print_slowest(results)
        yield Aftermath(done.returncode, said, seconds, results, changed, left, strange_files(site))


def read_results(site: Site) -> dict[tuple[str, str], dict[str, Any]]:
    found = {}
    for file in site.out.glob("*/*.json"):
        result = json.loads(file.read_bytes())
        found[result["student"], result["lab"]] = result
    return found


def print_slowest(results: Mapping[tuple[str, str], dict[str, Any]]) -> None:
    """Shown by pytest -s: what the time goes into."""
    slowest = sorted(results.items(), key=lambda item: -float(item[1]["seconds"]))
    for (student, lab), result in slowest[:25]:
        print(f"{result['seconds']:6.1f} s  {ascii(student)} {lab}")


# ---- single results ----


def passed(result: dict[str, Any]) -> set[str]:
    return {test["name"] for test in result["tests"] if test["status"] == "pass"}


def story(result: dict[str, Any]) -> str:
    """What to show when an expectation fails."""
    told = [
        f"{test['name']} {test['status']} [{test['cause']}] {test['message'][:600]}"
        for test in result["tests"]
        if test["status"] != "skipped"
    ]
    head = f"{result['status']}, score {result['score']}, flags {result['flags']}"
    return "\n".join([head, *told, result["build"]["log"][-2000:]])


def by_name(value: object) -> str:
    return ascii(getattr(value, "name", value))[1:40]


@pytest.mark.parametrize("attack", ATTACKS, ids=by_name)
def test_attack_gains_nothing(attack: Attack, aftermath: Aftermath) -> None:
    result = aftermath.results[attack.name, attack.lab]
    assert result["status"] == attack.status, story(result)
    if attack.loses:
        assert not passed(result) & attack.loses, story(result)
    elif attack.may_keep == {CONTROL}:
        assert passed(result) <= passed(aftermath.results[CONTROL, attack.lab]), story(result)
    else:
        assert passed(result) <= attack.may_keep, story(result)
    assert result["score"] == sum(t["points"] for t in result["tests"] if t["status"] == "pass")


@pytest.mark.parametrize("attack", ATTACKS, ids=by_name)
def test_attack_is_called_what_it_is(attack: Attack, aftermath: Aftermath) -> None:
    result = aftermath.results[attack.name, attack.lab]
    failed = [test for test in result["tests"] if test["status"] == "fail"]
    first = failed[0] if failed else {"cause": None, "message": ""}
    assert not attack.cause or first["cause"] in attack.cause, story(result)
    for words in attack.says:
        assert words in first["message"] + result["build"]["log"], story(result)
    for words in attack.flags:
        assert any(flag.startswith(words) for flag in result["flags"]), story(result)


@pytest.mark.parametrize("hostile", INPUTS, ids=by_name)
def test_hostile_input_is_explained(hostile: Hostile, aftermath: Aftermath) -> None:
    result = aftermath.results[hostile.name, LAB.name]
    assert result["status"] == hostile.status, story(result)
    assert not result["score"], story(result)
    said = [result["tests"][0]["message"], result["build"]["log"], *result["flags"]]
    assert hostile.says in "\n".join(said), story(result)


@pytest.mark.parametrize("student", (*HONEST, *HONEST_OTHERWISE))
def test_honest_students_keep_their_full_marks(student: str, aftermath: Aftermath) -> None:
    for lab in LABS if student == HONEST_IN_ALL else [LAB.name]:
        result = aftermath.results[student, lab]
        assert result["score"] == result["max_score"] == 100, story(result)
        assert not result["flags"], story(result)


# ---- the whole ----


def test_the_grader_came_to_its_end(aftermath: Aftermath) -> None:
    assert WANTED or aftermath.status == 1, aftermath.said[-3000:]  # 1: one student is there twice
    assert "Traceback" not in aftermath.said, aftermath.said[-3000:]
    students = {*HONEST, *HONEST_OTHERWISE, CONTROL}
    students |= {attack.name for attack in ATTACKS} | {hostile.name for hostile in INPUTS}
    assert set(aftermath.results) == {(student, lab) for student in students for lab in LABS}


def test_nothing_outside_the_jobs_was_touched(aftermath: Aftermath) -> None:
    assert aftermath.changed == []
    assert aftermath.unexpected == []


def test_nothing_is_left_behind(aftermath: Aftermath) -> None:
    assert aftermath.left == []


def test_nobody_was_told_a_secret(aftermath: Aftermath) -> None:
    told = [name for name, result in aftermath.results.items() if SECRET in json.dumps(result)]
    assert told == []
    solution_words = "The shared memory is a file that lies in no folder"
    place = bank.ROOT / "solutions" / "01-pool" / "pool.c"
    assert solution_words in place.read_text(encoding="utf-8")
    hostile = {attack.name for attack in ATTACKS}
    told = [name for name, r in aftermath.results.items() if solution_words in json.dumps(r)]
    assert not [name for name in told if name[0] in hostile]


def test_only_the_student_who_is_there_twice_is_left_to_staff(aftermath: Aftermath) -> None:
    found = {name for name, _ in aftermath.results if aftermath.results[name, _]["score"] is None}
    assert found == {"student.twice"} or WANTED and not found


@pytest.mark.skipif(bool(WANTED), reason="only a part is looked at")
def test_the_corpus_has_every_family() -> None:
    assert {attack.family for attack in ATTACKS} <= set(FAMILIES)
    assert {attack.family for attack in ATTACKS} | {"malformed input"} == set(FAMILIES)
    assert len(ATTACKS) >= 60 and len(INPUTS) >= 30
    assert len({names.disk_name(attack.name) for attack in ATTACKS}) == len(ATTACKS)

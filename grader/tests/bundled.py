"""The bundled class in grader/examples/: who is in it, what each handed in, and the mark it must get.

The class has to be real files, as students hand them in, and many of them are copies of a solution, a
skeleton or a mistake of the bank. So that they cannot drift, they are written from this plan:

    python3 -m grader.tests.bundled          writes grader/examples/ anew

and test_examples.py holds the two together.
"""

from __future__ import annotations

import gzip
import io
import shutil
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from grader import archive, course
from grader.course import Lab
from grader.tests import bank

EXAMPLES = bank.ROOT / "grader" / "examples"
YEAR = (2026, 3, 2, 9, 30, 0)  # the archives' time stamp


@dataclass(frozen=True)
class Work:
    """What one student handed in for one lab."""

    source: str  # solution, skeleton, wrong/<name>, right/<name>, edited
    score: int | None = None  # the mark; of a mistake of the bank it follows from what that loses
    cause: str = ""  # of the first failed test, where the bank does not say
    folder: str = ""  # its name, where it is not the lab's
    edit: tuple[str, str, str] = ("", "", "")  # edited: file of the solution, old, new
    renamed: tuple[str, str] = ("", "")  # a file, and the name it was handed in under


@dataclass(frozen=True)
class Student:
    name: str  # as the class folder has it, without the archive's extension
    about: str
    labs: Mapping[str, Work]  # by number
    packed: str = ""  # the archive in the class folder; empty: a plain folder
    top: str = ""  # the one folder in the archive that holds the labs


FULL = Work("solution")
EMPTY = Work("skeleton", 0)
ALL = ("01", "02", "03", "04", "05", "06", "07")

NO_SEMICOLON = ("pool.c", "close(ends[1]);\n    pool->worker", "close(ends[1])\n    pool->worker")
MISSPELT = ("views.c", "int balanced_map(", "int balance_map(")
# recv says 0 when the parent has hung up; a worker that takes only -1 for the end asks again for ever.
NEVER_ENDS = (
    "pool.c",
    "return n == 1 ? 0 : -1;\n}\n/* END TODO 1 */",
    "return n >= 0 ? 0 : -1;\n}\n/* END TODO 1 */",
)
BAD_KERNEL = ("dmv.cl", "const ulong last = rows - 1;", "const ulong last = rows - 1")

CLASS = (
    Student("Amelia Okafor", "has solved all labs", dict.fromkeys(ALL, FULL)),
    Student("Benjamin Schuster", "has handed in the skeletons", dict.fromkeys(ALL, EMPTY)),
    Student(
        "Chen Wei",
        "has an honest mistake in each lab",
        {
            "01": Work("wrong/no_waitpid"),
            "02": Work("wrong/balanced_in_rounds"),
            "03": Work("wrong/ring_backwards"),
            "04": Work("wrong/equal_blocks"),
            "05": Work("wrong/kahan"),
            "06": Work("wrong/sum_private"),
            "07": Work("wrong/buffers_leak"),
        },
    ),
    Student(
        "Dilnoza Karimova",
        "forgot a semicolon, and misspelt a name",
        {
            "01": Work("edited", 0, cause="compile", edit=NO_SEMICOLON),
            "02": Work("edited", 0, cause="link", edit=MISSPELT),
        },
    ),
    Student(
        "Emil S\u00f8rensen",
        "solved lab 01 in another way, as a .tar.gz",
        {
            "01": Work("right/two_pipes_and_select", 100),
            "02": Work("wrong/direct_rest_to_the_last"),
        },
        packed="{name}.tar.gz",
        top="labs",
    ),
    Student(
        "Farah Haddad",
        "has two programs that never end",
        {
            "01": Work("edited", 0, cause="timeout", edit=NEVER_ENDS),
            "03": Work("wrong/send_first"),
        },
    ),
    Student(
        "Giulia Rossi",
        "gave a file the wrong name",
        {"03": FULL, "04": Work("solution", 0, renamed=("matvec.c", "Matvec.c"))},
    ),
    Student(
        "Hugo Lindqvist",
        "handed in a zip",
        {"04": FULL, "06": Work("wrong/adds_to_y")},
        packed="{name}.zip",
    ),
    Student(
        "Isabel Moreno Garc\u00eda",
        "has a data race, and output twice",
        {
            "01": Work("wrong/no_flush_before_fork"),
            "06": Work("wrong/running_sum_shared"),
        },
    ),
    Student(
        "Jakub Nowak",
        "has a kernel that does not compile",
        {"07": Work("edited", 6, cause="exit", edit=BAD_KERNEL)},
    ),
    Student(
        "Kavya Iyer",
        "takes the rank of the world, and has the root add up everything",
        {"04": Work("wrong/rank_in_the_world"), "05": Work("wrong/root_adds_everything")},
    ),
    Student(
        "Liam O'Brien",
        "calls the folders by their numbers only",
        {
            "01": Work("solution", 100, folder="1"),
            "02": Work("solution", 100, folder="02"),
        },
    ),
    Student(
        "Mbali Dlamini",
        "packed with a program that the grader does not open",
        {},
        packed="{name}.rar",
    ),
    Student(
        "Nguy\u1ec5n Th\u1ecb Hoa_48213_assignsubmission_file",
        "is as a learning platform exports it: a folder with a zip in it",
        {
            "02": FULL,
            "03": Work("wrong/fixed_buffer"),
            "04": Work("wrong/root_computes_all"),
        },
        packed="{name}/parallel labs.zip",
        top="parallel labs",
    ),
)


# ---- what must come of it ----


def lost(student: Student, lab: Lab) -> Mapping[str, frozenset[str]]:
    """The tests that a mistake of the bank fails, with their causes; nothing for other work."""
    kind, _, name = student.labs[lab.number].source.partition("/")
    return mistake(lab, name).loses if kind == "wrong" else {}


def mistake(lab: Lab, name: str) -> bank.Mistake:
    return next(one for one in bank.mistakes(lab) if one.name == name)


def score(student: Student, lab: Lab) -> float:
    """The score without the test of speed: as the plan says, or all points without what is lost, and
    what needs that."""
    work = student.labs.get(lab.number)
    if work is None:
        return 0
    if work.score is not None:
        return work.score
    gone = set(lost(student, lab))
    for test in lab.tests:
        if gone.intersection(test.needs):
            gone.add(test.name)
    return sum(t.points for t in lab.tests if t.name not in gone and t.measure is None)


# ---- what each file holds ----


def contents(work: Work, lab: Lab) -> dict[str, bytes]:
    """The files of one lab as they were handed in, by name."""
    kind, _, name = work.source.partition("/")
    if kind == "wrong":
        return {file: text.encode() for file, text in mistake(lab, name).files.items()}
    folders = {"skeleton": lab.folder, "right": bank.HERE / "right" / lab.name / name}
    folder = folders.get(kind, bank.solution(lab))
    files = {file: (folder / file).read_bytes() for file in lab.submit}
    if kind == "edited":
        file, old, new = work.edit
        text = files[file].decode()
        if text.count(old) != 1:
            raise ValueError(f"{lab.name}: the edit fits {text.count(old)} places, not one: {old}")
        files[file] = text.replace(old, new).encode()
    before, after = work.renamed
    return {after if file == before else file: text for file, text in files.items()}


def files_of(student: Student) -> dict[str, bytes]:
    """path below the student's folder or archive -> content."""
    labs = {lab.number: lab for lab in course.read_course(bank.ROOT).labs}
    found: dict[str, bytes] = {}
    for number, work in student.labs.items():
        lab = labs[number]
        for file, content in contents(work, lab).items():
            found["/".join(filter(None, (student.top, work.folder or lab.name, file)))] = content
    return found


# ---- writing ----


def place(student: Student, folder: Path) -> Path:
    """The student's folder, or archive, in the class folder."""
    return folder / (student.packed or "{name}").format(name=student.name)


def write(folder: Path) -> None:
    """Makes the class folder anew."""
    shutil.rmtree(folder, ignore_errors=True)
    for student in CLASS:
        target = place(student, folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        files = files_of(student)
        if student.packed.endswith(".zip"):
            write_zip(target, files)
        elif student.packed.endswith(".tar.gz"):
            write_tar(target, files)
        elif student.packed:
            target.write_bytes(b"Rar!\x1a\x07\x01\x00")
        else:
            for path, content in files.items():
                (target / path).parent.mkdir(parents=True, exist_ok=True)
                (target / path).write_bytes(content)


def write_zip(target: Path, files: Mapping[str, bytes]) -> None:
    """As a Mac packs it: with files of its own beside each one."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        for path, content in files.items():
            head, _, name = path.rpartition("/")
            file.writestr(zipfile.ZipInfo(path, YEAR), content)
            file.writestr(zipfile.ZipInfo(f"__MACOSX/{head}/._{name}", YEAR), b"\0\5\x16\7")


def write_tar(target: Path, files: Mapping[str, bytes]) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as file:
        for path, text in files.items():
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(text), 0o644
            file.addfile(info, io.BytesIO(text))
    target.write_bytes(gzip.compress(content.getvalue(), mtime=0))  # the same bytes each time


# ---- reading, to compare ----


def read(student: Student, folder: Path) -> dict[str, bytes]:
    """What lies in the class folder for this student, in the form of files_of."""
    target = place(student, folder)
    if student.packed.endswith((".zip", ".tar.gz")):
        with archive.open_folder(str(target.parent)) as fd:
            with archive.archive_tree(fd, target.name) as tree:
                found = [entry for entry in tree.entries if entry.kind == "file"]
                return {"/".join(entry.path): entry.read(1 << 20) for entry in found}
    if student.packed:
        return {} if target.is_file() else {"missing": b""}
    there = (path for path in target.rglob("*") if path.is_file())
    return {path.relative_to(target).as_posix(): path.read_bytes() for path in there}


if __name__ == "__main__":
    write(EXAMPLES)
    print(f"wrote {EXAMPLES}")

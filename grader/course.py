"""The facts of the course and of each lab, read from labs/course.toml and labs/NN-name/lab.toml.

Everything else in the grader takes these dataclasses; nothing else reads the TOML files.
Only the standard library is used here, because `python3 -m grader facts` runs in every build.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

RUNTIMES = ("process", "mpi", "openmp", "opencl")
FLAVOURS = ("plain", "asan", "tsan")
HINTS = 3  # concept, call, near-code
MAX_SEED = 1 << 31

LAB_KEYS = {
    "number",
    "name",
    "title",
    "program",
    "suite",
    "runtime",
    "submit",
    "exports",
    "flavours",
    "limits",
    "refuse",
    "test",
}
TEST_KEYS = {"name", "about", "points", "needs", "hints", "measure"}
MEASURE_KEYS = {"args", "inputs", "result", "terms", "few", "band", "ranks", "env"}

LAB_NAME = re.compile(r"\d\d-[a-z0-9][a-z0-9-]*")
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.(c|cl|h)")


class Trouble(Exception):
    """The grader cannot go on; the text says why and what to do."""

    status = 2  # the exit status


class CourseError(Trouble):
    """A course.toml or lab.toml, or what the user asked for, is wrong; the text names the repair."""


@dataclass(frozen=True)
class Limits:
    """What one run of a lab's program may use."""

    seconds: float = 300.0  # wall clock for one test, all its runs together
    memory_mb: int = 2048  # of all processes of one run together
    processes: int = 128  # and threads, at one time
    file_mb: int = 256  # of one file that a run writes
    disk_mb: int = 1024  # of all files in the folder of a test
    source_kb: int = 1024  # of one submitted file


@dataclass(frozen=True)
class Measure:
    """How a test of speed is timed, by the measure stage and not by the suite."""

    args: tuple[str, ...]  # of the program; {times} is how often it does the work
    inputs: Mapping[str, tuple[Any, ...]]  # file: (numpy type, dimensions ...), random in [0, 1)
    result: str  # the file that the program writes: the sum of all results
    terms: int  # products or numbers that are added up for one number of a result
    few: int  # the smallest {times}: its run is start-up
    band: float  # full points up to so many times the reference solution's time
    ranks: int  # > 0: under mpirun
    env: tuple[str, ...]  # further NAME=value


@dataclass(frozen=True)
class Test:
    """One test of a lab's rubric."""

    name: str
    about: str
    points: float
    needs: tuple[str, ...]
    hints: tuple[str, ...]
    measure: Measure | None = None  # None: the suite has a test of this name


@dataclass(frozen=True)
class Lab:
    """The facts of one lab."""

    folder: Path
    number: str  # "01"
    name: str  # "01-pool"
    title: str
    program: str
    suite: str
    runtime: str
    submit: tuple[str, ...]
    exports: tuple[str, ...]
    flavours: tuple[str, ...]
    limits: Limits
    refuse: Mapping[str, str]  # symbol or glob -> why, and what to do instead
    tests: tuple[Test, ...]

    @property
    def max_score(self) -> float:
        """Without the tests of speed, which count only where somebody asked for them."""
        return whole(sum(test.points for test in self.tests if test.measure is None))


@dataclass(frozen=True)
class Course:
    """All labs, in the order of their numbers."""

    root: Path  # the repository: labs/, common/, grader/ ...
    labs: tuple[Lab, ...]
    broken: Mapping[str, str]  # folder name -> what is wrong with its lab.toml


def whole(points: float) -> float:
    """2.0 as 2, so that sums of whole points look like whole points in JSON and tables."""
    return int(points) if points == int(points) else points


def new_seed() -> int:
    """A seed for the inputs of one grading, which nobody can foresee."""
    return secrets.randbelow(MAX_SEED)


def default_root() -> Path:
    return Path(__file__).resolve().parent.parent


# ---- reading ----


def read_course(root: Path) -> Course:
    """Reads labs/course.toml and every labs/NN-name/lab.toml. A broken lab matters to who asks for it."""
    shared = (
        read_toml(root / "labs" / "course.toml") if (root / "labs" / "course.toml").exists() else {}
    )
    where = "labs/course.toml"
    check_keys(where, shared, {"limits", "refuse"})
    limits = read_limits(where, shared.get("limits", {}), Limits())
    refuse = read_refusals(where, shared.get("refuse", {}))
    labs: list[Lab] = []
    broken: dict[str, str] = {}
    for file in sorted((root / "labs").glob("*/lab.toml")):
        try:
            labs.append(read_lab(file, limits, refuse))
        except CourseError as error:
            broken[file.parent.name] = str(error)
    for first, second in zip(labs, labs[1:]):
        if first.number == second.number:
            raise CourseError(
                f"{first.name} and {second.name} have the same number; rename one of them"
            )
    return Course(root, tuple(labs), broken)


def read_lab(file: Path, limits: Limits, refuse: Mapping[str, str]) -> Lab:
    """Reads one lab.toml; limits and refuse are the course's, which the lab's own add to."""
    where = f"labs/{file.parent.name}/lab.toml"
    facts = read_toml(file)
    check_keys(where, facts, LAB_KEYS)
    lab = Lab(
        folder=file.parent,
        number=read_number(where, facts),
        name=matching(where, facts, "name", LAB_NAME, "two digits, a dash and lower-case letters"),
        title=text(where, facts, "title"),
        program=matching(where, facts, "program", IDENTIFIER, "a C identifier"),
        suite=matching(where, facts, "suite", IDENTIFIER, "a C identifier"),
        runtime=one_of(where, facts, "runtime", RUNTIMES),
        submit=texts(
            where, facts, "submit", FILE_NAME.fullmatch, "a plain file name that ends in .c or .cl"
        ),
        exports=texts(where, facts, "exports", IDENTIFIER.fullmatch, "a C identifier"),
        flavours=texts(
            where, facts, "flavours", FLAVOURS.__contains__, "one of " + ", ".join(FLAVOURS)
        ),
        limits=read_limits(where, facts.get("limits", {}), limits),
        refuse=own_first(read_refusals(where, facts.get("refuse", {})), refuse),
        tests=read_tests(where, facts.get("test", [])),
    )
    if lab.name != file.parent.name or not lab.name.startswith(lab.number + "-"):
        raise CourseError(
            f"{where}: name, number and folder must agree: {lab.name}, {lab.number}, {file.parent.name}"
        )
    if "plain" not in lab.flavours:
        raise CourseError(f'{where}: flavours must contain "plain", the build that most tests run')
    return lab


def read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CourseError(f"{file}: cannot be read: {error}") from error


def read_number(where: str, facts: Mapping[str, Any]) -> str:
    number = facts.get("number")
    if isinstance(number, int) and not isinstance(number, bool):
        number = f"{number:02d}"
    if not isinstance(number, str) or not re.fullmatch(r"\d\d", number):
        raise CourseError(f'{where}: number must be the lab\'s number, such as 1 or "01"')
    return number


def read_limits(where: str, table: Any, defaults: Limits) -> Limits:
    known = {field.name for field in fields(Limits)}
    check_keys(f"{where} [limits]", table, known)
    for name, value in table.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
            raise CourseError(f"{where}: [limits] {name} must be a number above 0")
        if name != "seconds" and not isinstance(value, int):
            raise CourseError(f"{where}: [limits] {name} must be a whole number")
    return Limits(**{name: table.get(name, getattr(defaults, name)) for name in known})


def read_refusals(where: str, table: Any) -> dict[str, str]:
    if not isinstance(table, dict):
        raise CourseError(
            f'{where}: [refuse] must be a table of symbol = "why, and what to do instead"'
        )
    for symbol, why in table.items():
        if not isinstance(why, str) or not why.strip():
            raise CourseError(f"{where}: [refuse] {symbol} must say why, and what to do instead")
    return dict(table)


def own_first(own: Mapping[str, str], shared: Mapping[str, str]) -> dict[str, str]:
    """A lab's own refusals before the course's: the first that fits a symbol gives the reason."""
    return {**own, **{symbol: why for symbol, why in shared.items() if symbol not in own}}


def read_tests(where: str, tables: Any) -> tuple[Test, ...]:
    if not isinstance(tables, list) or not tables:
        raise CourseError(f"{where}: at least one [[test]] is needed")
    tests: list[Test] = []
    for table in tables:
        test = read_test(where, table)
        seen = {earlier.name for earlier in tests}
        if test.name in seen:
            raise CourseError(f"{where}: two tests are called {test.name}")
        for need in test.needs:
            if need not in seen:
                raise CourseError(
                    f"{where}: test {test.name} needs {need}, which is not a test above it"
                )
        tests.append(test)
    return tuple(tests)


def read_test(where: str, table: Any) -> Test:
    name = matching(f"{where} [[test]]", table, "name", IDENTIFIER, "a C identifier")
    here = f"{where} [[test]] {name}"
    check_keys(here, table, TEST_KEYS)
    points = table.get("points")
    if isinstance(points, bool) or not isinstance(points, (int, float)) or points < 0:
        raise CourseError(f"{here}: points must be a number, 0 or more")
    needs = table.get("needs", [])
    needs = [needs] if isinstance(needs, str) else needs
    hints = texts(here, table, "hints", str.strip, "a sentence")
    if len(hints) != HINTS:
        raise CourseError(
            f"{here}: hints must be {HINTS}: the concept, the call, the near-code; there are {len(hints)}"
        )
    about = text(here, table, "about")
    return Test(
        name,
        about,
        points,
        tuple(texts(here, {"needs": needs}, "needs", bool, "a test", True)),
        hints,
        read_measure(f"{here} measure", table["measure"]) if "measure" in table else None,
    )


def read_measure(where: str, table: Any) -> Measure:
    check_keys(where, table, MEASURE_KEYS)
    args = tuple(texts(where, table, "args", bool, "a word"))
    if not any("{times}" in word for word in args):
        raise CourseError(f"{where}: args must say where {{times}} goes")
    inputs = table.get("inputs", {})
    if not isinstance(inputs, dict) or not all(isinstance(v, list) and v for v in inputs.values()):
        raise CourseError(f'{where}: inputs must be a table of "file.npy" = ["float64", 100, 100]')
    return Measure(
        args=args,
        inputs={name: tuple(kind) for name, kind in inputs.items()},
        result=text(where, table, "result"),
        terms=int(table.get("terms", 1)),
        few=int(table.get("few", 1)),
        band=float(table.get("band", 1.25)),
        ranks=int(table.get("ranks", 0)),
        env=tuple(texts(where, table, "env", bool, "NAME=value", True)) if "env" in table else (),
    )


# ---- one value of a table, with the words for when it is wrong ----


def check_keys(where: str, table: Any, known: Iterable[str]) -> None:
    if not isinstance(table, dict):
        raise CourseError(f"{where}: must be a table")
    unknown = sorted(set(table) - set(known))
    if unknown:
        raise CourseError(
            f"{where}: unknown key {', '.join(unknown)}; known are {', '.join(sorted(known))}"
        )


def text(where: str, table: Mapping[str, Any], key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value.strip():
        raise CourseError(f"{where}: {key} is missing; it must be a text")
    return value


def matching(where: str, table: Any, key: str, pattern: re.Pattern[str], wanted: str) -> str:
    value = text(where, table, key)
    if not pattern.fullmatch(value):
        raise CourseError(f"{where}: {key} = {value!r} must be {wanted}")
    return value


def one_of(where: str, table: Mapping[str, Any], key: str, allowed: tuple[str, ...]) -> str:
    value = text(where, table, key)
    if value not in allowed:
        raise CourseError(f"{where}: {key} = {value!r} must be one of {', '.join(allowed)}")
    return value


def texts(
    where: str,
    table: Mapping[str, Any],
    key: str,
    fits: Callable[[str], object],
    wanted: str,
    may_be_empty: bool = False,
) -> tuple[str, ...]:
    values = table.get(key)
    if not isinstance(values, list) or not (values or may_be_empty):
        raise CourseError(f"{where}: {key} is missing; it must be a list of texts")
    for value in values:
        if not isinstance(value, str) or not fits(value):
            raise CourseError(f"{where}: {key}: {value!r} must be {wanted}")
    if len(set(values)) != len(values):
        raise CourseError(f"{where}: {key} names something twice")
    return tuple(values)


# ---- choosing ----


def find_lab(course: Course, name: str) -> Lab:
    """The lab that a user means by 01-pool, 01, 1, pool or labs/01-pool/."""
    wanted = name.rstrip("/").rsplit("/", 1)[-1]
    for lab in course.labs:
        if wanted in names_of(lab):
            return lab
    for folder, complaint in course.broken.items():
        if wanted in (folder, folder[:2], folder[:2].lstrip("0"), folder[3:]):
            raise CourseError(complaint)
    known = ", ".join(lab.name for lab in course.labs) or "none"
    raise CourseError(f"there is no lab {name!r}; the labs are: {known}")


def names_of(lab: Lab) -> tuple[str, ...]:
    """Every name under which a lab may be asked for."""
    return (lab.name, lab.number, lab.number.lstrip("0"), lab.name.split("-", 1)[1], lab.program)


def labs_by_number(course: Course, words: str) -> tuple[Lab, ...]:
    """The labs of "01,03" or "01-pool, 3", in the course's order; all of them for ""."""
    if course.broken and not words.strip():
        raise CourseError("; ".join(course.broken.values()))
    chosen = {find_lab(course, word.strip()).name for word in words.split(",") if word.strip()}
    return tuple(lab for lab in course.labs if not chosen or lab.name in chosen)


# ---- what a mark depends on ----


def lab_sha256(root: Path, lab: Lab) -> str:
    """A hash over all that determines a mark of this lab, apart from the submission and the machine."""
    digest = hashlib.sha256()
    for file in marking_files(root, lab):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(root)}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def marking_files(root: Path, lab: Lab) -> Iterator[Path]:
    own = (file for file in sorted(lab.folder.rglob("*")) if file.is_file())
    yield from (
        file for file in own if file.name != "README.md" and "__pycache__" not in file.parts
    )
    for shared in ("labs/lab.mk", "labs/course.toml"):
        if (root / shared).is_file():
            yield root / shared
    for pattern in ("common/*.c", "common/*.h", "grader/*.py"):
        yield from sorted(root.glob(pattern))


# ---- for make ----


def facts(lab: Lab) -> str:
    """The lab's facts as lines that make can include."""
    lines = {
        "LAB": lab.name,
        "PROGRAM": lab.program,
        "SUITE": lab.suite,
        "RUNTIME": lab.runtime,
        "SUBMIT_FILES": " ".join(lab.submit),
        "EXPORTS": " ".join(lab.exports),
        "FLAVOURS": " ".join(lab.flavours),
    }
    return "".join(f"{name} := {value}\n" for name, value in lines.items())

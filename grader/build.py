"""Build: compiles and links a submission inside the sandbox, by the rules of labs/lab.mk.

The compiler sees the toolchain, the lab's headers, Makefile and facts, the headers of common/,
our object files (for linking), and the submitted files. It does not see solutions, suites or
other students. What it says is cut to what concerns the submission.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from grader import elf, process, sandbox, turns
from grader.course import Course, Lab, Trouble, facts
from grader.sandbox import Bind, Sandbox

SECONDS = 60.0  # of one compilation or linking of all flavours
TRUSTED_SECONDS = 600.0
CPU_SECONDS = 20
MEMORY_BYTES = 2 << 30
FILE_BYTES = 64 << 20
PROCESSES = 256

COURSE, SUBMISSION, OUT = "/course", "/submission", "/out"


class BuildBroken(Trouble):
    """Our own parts cannot be built: nothing can be graded."""

    status = 1


@dataclass(frozen=True)
class Given:
    """What a lab's submissions are built against and tested with; made once per grading."""

    lab: Lab
    course: Path  # a copy of what the compiler may see: labs/<lab>/, labs/lab.mk, common/*.h, given/
    suite: Path
    reaper: Path
    skeleton: Path  # what the lab starts from, for builds that fail without a reason


@dataclass(frozen=True)
class Place:
    """The folders of one build."""

    sandbox: Sandbox
    uid: int | None
    submission: Path
    out: Path  # <flavour>/<file>.o and <flavour>/<program>


@dataclass(frozen=True)
class Built:
    """How a step of the build ended."""

    ok: bool
    cause: str  # compile, link, resource; environment where the submission is not to blame; or ""
    message: str  # for the student
    log: str  # what the compiler said about the submission, warnings too


# ---- our own parts, outside the sandbox ----


def build_given(course: Course, lab: Lab, build: Path, into: Path, env: Mapping[str, str]) -> Given:
    """Builds our main.o, common objects, suite and reaper, and copies what submissions may see.

    make holds a lock of its own, which it keeps where the grader is killed: the next grader's make
    does not meddle with it."""
    build.mkdir(parents=True, exist_ok=True)
    words = [
        "flock",
        str(build / ".lock-make"),
        "make",
        "-s",
        "-C",
        str(lab.folder),
        f"LAB={lab.name}",
        f"BUILD={build}",
        f"-j{os.cpu_count()}",
    ]
    stage = into / lab.name
    write_facts(lab, stage / "facts.mk")
    outcome = process.run([*words, "given", "suite"], seconds=TRUSTED_SECONDS, env=env)
    if outcome.status != 0 or outcome.timed_out:
        raise BuildBroken(
            f"the course's own parts of {lab.name} cannot be built:\n{outcome.output.strip()}"
        )
    try:
        reaper, skeleton = put_in_place(course.root, lab, build, stage)
    except OSError as error:
        why = error.strerror or error
        raise BuildBroken(f"the course's own parts cannot be copied to {stage}: {why}") from error
    return Given(lab, stage, build / "suites" / lab.suite, reaper, skeleton)


def put_in_place(root: Path, lab: Lab, build: Path, stage: Path) -> tuple[Path, Path]:
    """Copies what submissions meet to stage; returns where the reaper and the skeleton lie."""
    copy_visible(root, lab, build, stage)
    reaper, skeleton = stage / "reaper", stage / "skeleton"
    shutil.copy(build / "suites" / "reaper", reaper)
    skeleton.mkdir()
    for name in filter(lambda name: (lab.folder / name).is_file(), lab.submit):
        shutil.copy(lab.folder / name, skeleton)
    make_readable(stage)
    return reaper, skeleton


def copy_visible(root: Path, lab: Lab, build: Path, stage: Path) -> None:
    """Copies what the compiler may see to stage, where every user can read it."""
    folder = stage / "labs" / lab.name
    folder.mkdir(parents=True)
    for name in ("Makefile", "lab.toml"):
        shutil.copy(lab.folder / name, folder)
    for header in lab.folder.glob("*.h"):
        shutil.copy(header, folder)
    for name in ("lab.mk", "course.toml"):
        shutil.copy(root / "labs" / name, stage / "labs")
    (stage / "common").mkdir()
    for source in (root / "common").glob("*.[ch]"):
        if source.suffix == ".h":
            shutil.copy(source, stage / "common")
        else:
            (stage / "common" / source.name).touch()  # lab.mk asks only for the names
    shutil.copytree(build / "given" / lab.name, stage / "given")
    os.utime(stage / "facts.mk")  # newer than lab.toml, or make would want to make it again


def write_facts(lab: Lab, file: Path) -> None:
    file.parent.mkdir(parents=True)
    file.write_text(facts(lab), encoding="utf-8")


def make_readable(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)


# ---- a submission, inside ----


def words_before(given: Given, place: Place) -> list[str]:
    """The words before make, and so before every compiler that it starts."""
    limits = [
        "prlimit",
        f"--cpu={CPU_SECONDS}",
        f"--as={MEMORY_BYTES}",
        f"--fsize={FILE_BYTES}",
        "--core=0",
    ]
    if place.sandbox.kind != "bwrap":
        return [*limits, "--"]
    binds = [
        Bind(str(given.course), COURSE),
        Bind(str(place.submission), SUBMISSION),
        Bind(str(place.out), OUT, writable=True),
    ]
    limits.append(f"--nproc={PROCESSES}")
    return [*sandbox.wrap(place.sandbox, place.uid, binds, OUT), *limits, "--"]


def run_inside(
    given: Given, place: Place, words: Sequence[str], stop: Event | None
) -> process.Outcome:
    env = (
        {**sandbox.ENVIRONMENT, "HOME": str(place.out)}
        if place.sandbox.kind != "bwrap"
        else sandbox.ENVIRONMENT
    )
    with turns.shared():
        return process.run(
            [*words_before(given, place), *words], seconds=SECONDS, env=env, stop=stop
        )


def inside(given: Given, place: Place) -> tuple[str, str, str]:
    """The folders course, submission and out, as a build command sees them."""
    if place.sandbox.kind == "bwrap":
        return COURSE, SUBMISSION, OUT
    return str(given.course), str(place.submission), str(place.out)


def object_files(given: Given, place: Place) -> list[str]:
    """The compiled files, as a build command sees them."""
    out, lab = inside(given, place)[2], given.lab
    sources = [name for name in lab.submit if name.endswith(".c")]
    return [f"{out}/{flavour}/{name[:-2]}.o" for flavour in lab.flavours for name in sources]


def make(
    given: Given, place: Place, goal: str, stop: Event | None, keep: Sequence[str] = ()
) -> process.Outcome:
    """Runs make; files to keep are not made again, however old they look."""
    course, submission, out = inside(given, place)
    lab = given.lab.name
    words = ["make", "-s", "--no-print-directory", "-C", f"{course}/labs/{lab}", f"LAB={lab}"]
    words += [
        f"SUBMIT={submission}",
        f"OUT={out}",
        f"GIVEN={course}/given",
        f"FACTS={course}/facts.mk",
    ]
    words += [f"--old-file={file}" for file in keep]
    return run_inside(given, place, [*words, goal], stop)


def compile_objects(given: Given, place: Place, stop: Event | None = None) -> Built:
    """Compiles the submitted files in every flavour."""
    outcome = make(given, place, "objects", stop)
    log = for_students(outcome.output, given, place)
    if succeeded(outcome):
        return Built(True, "", "", log)
    names = " and ".join(name for name in given.lab.submit if name.endswith(".c"))
    if limit := limit_hit(outcome):
        return Built(False, "resource", f"compiling {names} was stopped: {limit}.", log)
    if no_room(outcome):
        return Built(False, "environment", f"no room on the disk for compiling {names}", log)
    first = re.search(r"^(\S+?):(\d+):(?:\d+:)? (?:fatal )?error: (.*)$", log, re.MULTILINE)
    if first:
        return Built(
            False,
            "compile",
            f"{first[1]} does not compile. The first error is in line {first[2]}: {first[3]}",
            log,
        )
    if re.search(r"\berror: |^Error: |: Error: ", log, re.MULTILINE):
        return Built(
            False, "compile", f"{names} does not compile. See the compiler's messages.", log
        )
    return Built(
        False, "environment", f"the compiler failed without a word about {names}", outcome.output
    )


def link_programs(given: Given, place: Place, stop: Event | None = None) -> Built:
    """Links the compiled files with ours, in every flavour.

    Never compiles again: a file that includes one of /proc always looks newer than its object,
    and what is linked has to be what was screened."""
    outcome = make(given, place, "link", stop, keep=object_files(given, place))
    log = for_students(outcome.output, given, place)
    if succeeded(outcome):
        return Built(True, "", "", log)
    names = " and ".join(name for name in given.lab.submit if name.endswith(".c"))
    if limit := limit_hit(outcome):
        return Built(False, "resource", f"linking {names} was stopped: {limit}.", log)
    if no_room(outcome):
        return Built(False, "environment", f"no room on the disk for linking {names}", log)
    undefined = list(dict.fromkeys(re.findall(r"undefined reference to [`']([^`']+)'", log)))
    if undefined:
        words = f"{names} uses {', '.join(undefined[:5])}, but nothing defines it"
        return Built(
            False, "link", f"{words}. Is a name misspelt, or a function not written yet?", log
        )
    twice = re.search(r"multiple definition of [`']([^`']+)'", log)
    if twice:
        return Built(
            False, "link", f"{names} defines {twice[1]}, which the lab's files define already.", log
        )
    if "relocation truncated to fit" in outcome.output:  # often said of our own files alone
        words = "its global variables take more than 2 GiB together"
        return Built(False, "link", f"{names} cannot be linked: {words}. Use malloc.", log)
    if re.search(r"\bld: |relocation|collect2", outcome.output):
        return Built(False, "link", f"{names} cannot be linked. See the linker's messages.", log)
    return Built(
        False, "environment", f"the linker failed without a word about {names}", outcome.output
    )


# What the tools say of themselves; all else may be quoted from the submission, whose author may
# well speak of memory that is not there.
TOOLS = (
    r"(?:\S*/)?(?:gcc|clang|cc1|as|ld|collect2|mv|mkdir|objcopy|make|sh)(?:-[\w.]+)?(?:\[\d+\])?: "
)
OF_THEMSELVES = re.compile(
    rf"{TOOLS}|virtual memory exhausted|LLVM ERROR: |terminate called |  what\(\): "
    r"|[^\s:]+:(?:\d+:)* (?:fatal error|Fatal error|Error): (?:error (?:writing|closing)|can't (?:write|close|fill)|cannot )"
)


def own_words(outcome: process.Outcome) -> str:
    """The lines that compiler, assembler and linker say of themselves, without the names that they quote."""
    lines = (line for line in outcome.output.splitlines() if OF_THEMSELVES.match(line))
    return re.sub(r"`[^']*'", "", "\n".join(lines))


def no_room(outcome: process.Outcome) -> bool:
    """Was the disk full? Then the submission is to blame only where the skeleton fares better."""
    said = own_words(outcome)
    return "No space left on device" in said or "uota exceeded" in said


def succeeded(outcome: process.Outcome) -> bool:
    return outcome.status == 0 and not outcome.timed_out and not outcome.flooded


def limit_hit(outcome: process.Outcome) -> str:
    """Which limit ended the compiler, in words; "" if none did."""
    said = own_words(outcome)
    if outcome.flooded:
        return f"its messages were more than {process.FLOOD >> 20} MiB"
    if outcome.timed_out:
        return f"it took longer than {SECONDS:g} s"
    if "CPU time limit exceeded" in said or "SIGXCPU" in said:
        return f"it took more than {CPU_SECONDS} s of processor time"
    if re.search("ile size limit exceeded|File too large|file truncated", said):
        return f"it wrote a file of more than {FILE_BYTES >> 20} MiB"
    if re.search(
        r"out of memory|virtual memory exhausted|annot allocate memory|terminated signal|bad_alloc",
        said,
    ):
        return f"it took more than {MEMORY_BYTES >> 30} GiB of memory"
    return ""


# ---- binutils, for screen ----


# The listing may be longer than what is kept of an output, so what is looked for is found here:
# the first instruction that calls the kernel, with the last source line above it.
FIND_CALL = r"""{ objdump -dl --no-show-raw-insn "$1" || echo failed; } 2>/dev/null | awk '
/^\/[^ ]*:[0-9]+/ { line = $0 }
/^failed$/ { print }
/^ *[0-9a-f]+:[ \t]+([a-z0-9]+ )*(syscall|sysenter|int +[$]0x80|svc)/ { print line; print; exit }'
"""


def disassemble(given: Given, place: Place, file: Path, stop: Event | None = None) -> str:
    """The part of an object file's listing that calls the kernel. Raises elf.BadObject where there is none."""
    out = inside(given, place)[2]
    words = ["sh", "-c", FIND_CALL, "sh", f"{out}/{file.relative_to(place.out)}"]
    outcome = run_inside(given, place, words, stop)
    if not succeeded(outcome) or outcome.output.strip() == "failed":
        raise elf.BadObject("it cannot be disassembled")
    return outcome.output


def line_of(
    given: Given, place: Place, file: Path, section: str, offset: int, stop: Event | None = None
) -> int | None:
    """The source line of a place in an object file, by its debug information."""
    out = inside(given, place)[2]
    words = ["addr2line", "-e", f"{out}/{file.relative_to(place.out)}", "-j", section, hex(offset)]
    found = re.search(r":(\d+)", run_inside(given, place, words, stop).output)
    return int(found[1]) or None if found else None


# ---- the compiler's words ----

POSITION = re.compile(r"^(?P<lead>In file included from |\s+from |)(?P<path>[^\s:]+):(?=\d|\s)")
# What could steer the terminal that shows a message.
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
ASSEMBLY = re.compile(
    r"/tmp/cc\w+\.s"
)  # what the compiler makes of a submission, for the assembler
LEFT_OUT = "(a message about a file outside the submission is left out)"


def for_students(output: str, given: Given, place: Place) -> str:
    """What compiler and linker say about the submission. Of other files only our headers' names remain."""
    course, submission, out = inside(given, place)
    kept: list[str] = []
    foreign = False  # the lines after a position belong to it
    for line in CONTROL.sub("?", output).splitlines():
        if line.startswith(("make:", "make[", "collect2:", "distcc", "compilation terminated")):
            continue
        match = POSITION.match(line)
        if match:
            foreign = not is_ours(match["path"], course, submission, out)
        if not foreign:
            kept.append(shorten(line, course, submission, out))
        elif not kept or kept[-1] != LEFT_OUT:
            kept.append(LEFT_OUT)
    return "\n".join(without_repeats(kept)).strip()


def without_repeats(lines: Sequence[str]) -> list[str]:
    """The lines without messages that came before: every flavour is compiled, and warns, anew."""
    messages: list[list[str]] = []
    for line in lines:
        if not messages or POSITION.match(line):
            messages.append([])
        messages[-1].append(line)
    unique = dict.fromkeys(tuple(message) for message in messages)
    return [line for message in unique for line in message]


def is_ours(path: str, course: str, submission: str, out: str) -> bool:
    """May a message about this file be shown? The submission, our headers, the system's, and the tools'."""
    if not path.startswith("/"):
        return ".." not in path.split("/")
    if ".." in path.split("/"):
        return False
    if ASSEMBLY.fullmatch(path):
        return True
    return path.startswith(
        (f"{submission}/", f"{course}/common/", f"{course}/labs/", f"{out}/", "/usr/")
    )


def shorten(line: str, course: str, submission: str, out: str) -> str:
    line = line.replace(f"{submission}/", "")
    line = re.sub(rf"{re.escape(course)}/(?:[\w.-]+/)*", "", line)
    line = re.sub(rf"{re.escape(out)}/(?:[\w.-]+/)*", "", line)
    line = re.sub(rf"^{ASSEMBLY.pattern}:", "the assembler:", line)
    return line.replace("/usr/bin/ld: ", "ld: ")

"""The command line: python3 -m grader VERB ..."""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from grader import course
from grader.course import Course, CourseError, Trouble

if TYPE_CHECKING:
    from grader import practice

MODULES = ("numpy", "rich", "jinja2")
TRIED = "GRADER_PYTHON_TRIED"  # set when this interpreter was chosen, so that the search ends

Arguments = argparse.Namespace


@dataclass(frozen=True)
class Verb:
    """One command of the grader."""

    about: str
    example: str
    options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[Arguments, Course], int]
    modules: bool = True  # does it need what a bare Python lacks?


# ---- the interpreter ----


def ensure_modules() -> None:
    """Goes on in an interpreter that has the modules, or says what to install."""
    missing = [name for name in MODULES if importlib.util.find_spec(name) is None]
    if not missing:
        return
    if TRIED not in os.environ:
        finder = course.default_root() / "tools" / "find-python"
        found = subprocess.run(
            [finder], stdout=subprocess.PIPE, text=True, check=False
        ).stdout.strip()
        if found:
            paths = [str(course.default_root()), os.environ.get("PYTHONPATH", "")]
            env = {**os.environ, TRIED: "1", "PYTHONPATH": os.pathsep.join(filter(None, paths))}
            os.execve(found, [found, "-m", "grader", *sys.argv[1:]], env)
    names = " ".join(f"python3-{name}" for name in missing)
    sys.exit(
        f"{sys.executable} has no {', '.join(missing)}. To install them: apt-get install {names}"
    )


# ---- the verbs ----


def options_grade(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "submissions", type=Path, help="the class: a folder or an archive for each student"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("results"), help="where the results go (default: results)"
    )
    parser.add_argument("--labs", default="", metavar="01,03", help="only these labs")
    parser.add_argument(
        "--jobs",
        type=at_least_one,
        default=cores(),
        help="submissions at a time (default: %(default)s)",
    )
    add_seed(parser)
    choices = ("auto", "limits")
    text = "limits: no sandbox, for a container that is one itself (default: auto, which insists on the sandbox)"
    parser.add_argument("--sandbox", choices=choices, default="auto", help=text)
    add_speed(parser)


def run_grade(arguments: Arguments, labs: Course) -> int:
    from grader import grade, terminal

    if not arguments.submissions.is_dir():
        raise CourseError(
            f"{arguments.submissions} is not a folder; it should hold a folder or an archive per student"
        )
    order = grade.Order(
        submissions=arguments.submissions,
        out=arguments.out,
        labs=course.labs_by_number(labs, arguments.labs),
        jobs=arguments.jobs,
        seed=course.new_seed() if arguments.seed is None else arguments.seed,
        fixed_seed=arguments.seed,
        sandbox="bwrap" if arguments.sandbox == "auto" else "limits",
        speed=arguments.speed,
    )
    return grade.grade(labs, order, terminal.make_console())


def options_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lab", help="01-pool, or 1")
    parser.add_argument(
        "dir", type=Path, nargs="?", help="where the files are (default: the lab's own folder)"
    )
    parser.add_argument("--test", default="", metavar="NAME", help="only this test")
    add_seed(parser)
    text = "limits: run without the sandbox (default: auto, with it where it can be had)"
    parser.add_argument("--sandbox", choices=("auto", "limits"), default="auto", help=text)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    add_speed(parser)


def run_check(arguments: Arguments, labs: Course) -> int:
    from grader import single, terminal

    lab = course.find_lab(labs, arguments.lab)
    place = arguments.dir if arguments.dir is not None else lab.folder
    if not place.exists():
        raise CourseError(f"{place} is not there")
    seed = course.new_seed() if arguments.seed is None else arguments.seed
    order = single.Order(
        lab, place, arguments.test, seed, arguments.sandbox, arguments.json, arguments.speed
    )
    return single.check_one(labs, order, terminal.make_console())


def options_practice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lab", help="01-pool, or 1")
    parser.add_argument(
        "dir", type=Path, nargs="?", help="where the files are (default: the lab's own folder)"
    )
    text = "limits: run without the sandbox (default: auto, with it where it can be had)"
    parser.add_argument("--sandbox", choices=("auto", "limits"), default="auto", help=text)


def options_watch(parser: argparse.ArgumentParser) -> None:
    options_practice(parser)
    parser.add_argument(
        "--rounds", type=at_least_one, metavar="N", help="end after so many checks (default: never)"
    )


def options_lab(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lab", help="01-pool, or 1")


def run_hint(arguments: Arguments, labs: Course) -> int:
    from grader import practice, terminal

    return practice.hint(practice_place(arguments, labs), terminal.make_console())


def run_watch(arguments: Arguments, labs: Course) -> int:
    from grader import practice, terminal

    place = practice_place(arguments, labs)
    return practice.watch(place, terminal.make_console(), arguments.rounds)


def run_progress(arguments: Arguments, labs: Course) -> int:
    from grader import practice, terminal

    return practice.progress(labs, terminal.make_console())


def run_reset(arguments: Arguments, labs: Course) -> int:
    from grader import practice, terminal

    return practice.reset(labs, course.find_lab(labs, arguments.lab), terminal.make_console())


def practice_place(arguments: Arguments, labs: Course) -> practice.Place:
    from grader import practice

    lab = course.find_lab(labs, arguments.lab)
    folder = arguments.dir if arguments.dir is not None else lab.folder
    if not folder.exists():
        raise CourseError(f"{folder} is not there")
    return practice.Place(labs, lab, folder, arguments.sandbox)


def options_quick(parser: argparse.ArgumentParser) -> None:
    text = "the smallest sizes only: does everything work?"
    parser.add_argument("--quick", action="store_true", help=text)


def options_bench(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lab", help="01-pool, or 1")
    parser.add_argument(
        "dir", type=Path, nargs="?", help="where the files are (default: the lab's own folder)"
    )
    options_quick(parser)
    text = "Open MPI's list of machines, for the labs with MPI"
    parser.add_argument("--hostfile", default="", metavar="FILE", help=text)
    text = "of the labs with MPI (default: twice the cores, or what the hosts have)"
    parser.add_argument("--ranks", type=at_least_one, default=0, metavar="N", help=text)


def run_bench(arguments: Arguments, labs: Course) -> int:
    from grader import bench, terminal

    lab = course.find_lab(labs, arguments.lab)
    folder = arguments.dir if arguments.dir is not None else lab.folder
    order = bench.Order(
        labs, lab, folder, arguments.quick, arguments.hostfile, ranks=arguments.ranks
    )
    return bench.bench(order, terminal.make_console())


def run_compare(arguments: Arguments, labs: Course) -> int:
    from grader import bench, terminal

    return bench.compare(labs, arguments.quick, terminal.make_console())


def run_scaling(arguments: Arguments, labs: Course) -> int:
    from grader import scaling, terminal

    return scaling.scaling(labs, arguments.quick, terminal.make_console())


def options_performance(parser: argparse.ArgumentParser) -> None:
    text = "measure only these labs (default: all)"
    parser.add_argument("--labs", default="", metavar="01,03", help=text)
    text = "measure nothing: the document of what the last benchmarks left"
    parser.add_argument("--only-write", action="store_true", help=text)


def run_performance(arguments: Arguments, labs: Course) -> int:
    from grader import performance, terminal

    chosen = [lab.number for lab in course.labs_by_number(labs, arguments.labs)]
    console = terminal.make_console()
    return performance.performance(labs, chosen, not arguments.only_write, console)


def options_facts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lab", help="01-pool, or 1")


def run_facts(arguments: Arguments, labs: Course) -> int:
    sys.stdout.write(course.facts(course.find_lab(labs, arguments.lab)))
    return 0


def no_options(parser: argparse.ArgumentParser) -> None:
    pass


def run_list(arguments: Arguments, labs: Course) -> int:
    for lab in labs.labs:
        print(f"{lab.name:22} {lab.max_score:3g} points  {lab.title}  ({', '.join(lab.submit)})")
    for complaint in labs.broken.values():
        print(complaint, file=sys.stderr)
    return 0


def run_doctor(arguments: Arguments, labs: Course) -> int:
    doctor = importlib.import_module("grader.doctor")
    return int(doctor.main([]))


VERBS = {
    "grade": Verb(
        "grade a class",
        "python3 -m grader grade grader/examples --out results",
        options_grade,
        run_grade,
    ),
    "check": Verb(
        "check one submission",
        "python3 -m grader check 01-pool solutions/01-pool",
        options_check,
        run_check,
    ),
    "hint": Verb(
        "the next hint for the first failing test",
        "python3 -m grader hint 01-pool",
        options_practice,
        run_hint,
    ),
    "watch": Verb(
        "check again at every save",
        "python3 -m grader watch 01-pool",
        options_watch,
        run_watch,
    ),
    "progress": Verb(
        "how far you are in each lab", "python3 -m grader progress", no_options, run_progress
    ),
    "reset": Verb(
        "put a lab's skeleton back, and keep what was there",
        "python3 -m grader reset 01-pool",
        options_lab,
        run_reset,
    ),
    "bench": Verb(
        "race a lab's functions against what the field uses",
        "python3 -m grader bench 06-openmp solutions/06-openmp",
        options_bench,
        run_bench,
    ),
    "compare": Verb(
        "one product through every runtime", "python3 -m grader compare", options_quick, run_compare
    ),
    "performance": Verb(
        "benchmark all reference solutions and write docs/performance.md",
        "python3 -m grader performance --labs 06",
        options_performance,
        run_performance,
    ),
    "scaling": Verb(
        "how many ranks the collectives carry, by a model that is checked here",
        "python3 -m grader scaling",
        options_quick,
        run_scaling,
    ),
    "list": Verb("list the labs", "python3 -m grader list", no_options, run_list, False),
    "facts": Verb(
        "a lab's facts for make", "python3 -m grader facts 01-pool", options_facts, run_facts, False
    ),
    "doctor": Verb(
        "look for faults of this machine", "python3 -m grader doctor", no_options, run_doctor, False
    ),
}


# ---- options that several verbs have ----


def add_seed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seed",
        type=seed_number,
        metavar="N",
        help="of the tests' inputs (default: a new one each run)",
    )


def add_speed(parser: argparse.ArgumentParser) -> None:
    text = "measure speed too, where a lab has a test of it; else its points count neither way"
    parser.add_argument("--speed", action=argparse.BooleanOptionalAction, default=False, help=text)


def at_least_one(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def seed_number(text: str) -> int:
    value = int(text)
    if not 0 <= value < course.MAX_SEED:
        raise argparse.ArgumentTypeError(f"must be between 0 and {course.MAX_SEED - 1}")
    return value


def cores() -> int:
    return len(os.sched_getaffinity(0))


# ---- main ----


def parse(words: Sequence[str]) -> Arguments:
    examples = "\n".join(f"  {verb.example}" for verb in VERBS.values())
    parser = argparse.ArgumentParser(
        prog="python3 -m grader",
        description="Grades the labs. `python3 -m grader VERB --help` explains one verb.",
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, verb in VERBS.items():
        form = argparse.RawDescriptionHelpFormatter
        epilog = f"example:\n  {verb.example}"
        verb.options(
            verbs.add_parser(
                name, help=verb.about, description=verb.about, epilog=epilog, formatter_class=form
            )
        )
    return parser.parse_args(words)


def end(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main(words: Sequence[str]) -> int:
    """Runs one verb. Exit status: 0 all graded, 1 something ungradable, 2 wrong usage."""
    arguments = parse(words)
    verb = VERBS[arguments.verb]
    if verb.modules:
        ensure_modules()
    signal.signal(signal.SIGTERM, end)
    try:
        return verb.run(arguments, course.read_course(course.default_root()))
    except Trouble as error:
        print(f"grader: {error}", file=sys.stderr)
        return error.status
    except OSError as error:
        print(
            f"grader: {error.filename or 'the system'}: {error.strerror or error}", file=sys.stderr
        )
        return 2
    except KeyboardInterrupt:
        print(
            "grader: ended; what was graded is kept, and the next run takes up the rest",
            file=sys.stderr,
        )
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

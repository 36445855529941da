"""What several tests need: a small lab, a class folder, a result."""

from __future__ import annotations

import os
from pathlib import Path

from grader.course import Lab, Limits, Test
from grader.intake import Submission
from grader.score import Marking


def make_test(name: str, points: float = 1, needs: tuple[str, ...] = ()) -> Test:
    return Test(name, f"about {name}", points, needs, ("concept", "call", "near-code"))


def make_lab(
    name: str = "01-pool",
    submit: tuple[str, ...] = ("pool.c",),
    tests: tuple[Test, ...] = (make_test("values", 3), make_test("hygiene", 2, ("values",))),
    **facts: object,
) -> Lab:
    number, _, program = name.partition("-")
    values: dict[str, object] = {
        "folder": Path("labs") / name,
        "number": number,
        "name": name,
        "title": "A lab",
        "program": program,
        "suite": f"check_{program}",
        "runtime": "process",
        "submit": submit,
        "exports": ("pool_map",),
        "flavours": ("plain", "asan"),
        "limits": Limits(source_kb=64),
        "refuse": {"dlopen": "loads code.", "PMPI_*": "goes around MPI."},
        "tests": tests,
        **facts,
    }
    return Lab(**values)  # type: ignore[arg-type]


def make_submission(lab: Lab, student: str = "Alice", **facts: object) -> Submission:
    values: dict[str, object] = {
        "student": student,
        "disk": student,
        "lab": lab,
        "folder": Path("nowhere"),
        "sha256": "s",
        "missing": "",
        "refused": "",
        "flags": (),
        **facts,
    }
    return Submission(**values)  # type: ignore[arg-type]


def make_marking(seed: int = 7) -> Marking:
    return Marking("rules", seed, lambda test: f"again {test} {seed}")


def write_tree(folder: Path, files: dict[str, str]) -> Path:
    """Makes files with their parent folders; a name that ends in / is an empty folder."""
    for name, content in files.items():
        place = folder / name
        if name.endswith("/"):
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(content)
    return folder


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))

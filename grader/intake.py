"""Intake: finds the students in a class folder and copies the files that the labs name.

    SUBMISSIONS/<student>/<lab>/<files>       or  <student>.zip, <student>.tar.gz, ...

What comes out is a Submission for each student and lab: a private copy of the files, or
words about why there is none.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from grader import archive
from grader.archive import Entry, Refused, Tree, Unsettled, shown
from grader.course import Lab
from grader.names import disk_name, true_name


@dataclass(frozen=True)
class Student:
    """One student of the class, and where the work lies."""

    name: str  # true name
    disk: str  # the name in results/
    sources: tuple[str, ...]  # names in the class folder; more than one is refused


@dataclass(frozen=True)
class Class:
    folder: Path
    students: tuple[Student, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Submission:
    """One student's files for one lab."""

    student: str
    disk: str
    lab: Lab
    folder: Path  # the copied files; empty where missing or refused
    sha256: str
    missing: str  # why there is nothing to grade, for the student; or ""
    refused: str  # why a person has to look at it first; or ""
    flags: tuple[str, ...]


# ---- the class ----


def survey(folder: Path) -> Class:
    """The students of a class folder. Raises OSError where it cannot be read."""
    sources: dict[str, list[str]] = {}
    strangers: list[str] = []
    with os.scandir(folder) as scan:
        items = sorted(scan, key=lambda item: os.fsencode(item.name))
    for item in items:
        if item.name.startswith(".") or archive.is_junk((item.name,)):
            continue
        name, extension = archive.split_extension(item.name)
        if item.is_dir() or item.is_symlink():
            sources.setdefault(item.name, []).append(item.name)
        elif extension:
            sources.setdefault(name, []).append(item.name)
        else:
            strangers.append(shown(item.name))
    students = (
        Student(true_name(name), disk_name(name), tuple(places)) for name, places in sources.items()
    )
    warnings = (
        (f"not a student's folder or archive, left alone: {', '.join(strangers)}",)
        if strangers
        else ()
    )
    return Class(folder, tuple(sorted(students, key=lambda student: student.disk)), warnings)


def take(group: Path, student: Student, labs: Sequence[Lab], into: Path) -> tuple[Submission, ...]:
    """Copies what a student handed in for the labs to into/<lab>/."""
    if len(student.sources) > 1:
        both = " and ".join(shown(place) for place in student.sources)
        why = f"the same student is there twice: {both}. Remove one of them and grade again."
        return tuple(without_files(student, lab, into, refused=why) for lab in labs)
    source = student.sources[0]
    try:
        if archive.split_extension(source)[1] and not (group / source).is_dir():
            with archive.open_folder(os.fspath(group)) as fd, archive.archive_tree(
                fd, source
            ) as tree:
                return take_all(student, tree, labs, into)
        return take_folder(student, group / source, labs, into)
    except Refused as error:
        return tuple(without_files(student, lab, into, missing=str(error)) for lab in labs)
    except Unsettled as error:
        return tuple(without_files(student, lab, into, refused=str(error)) for lab in labs)


def take_folder(
    student: Student, folder: Path, labs: Sequence[Lab], into: Path
) -> tuple[Submission, ...]:
    """A student's folder: labs, or (as learning platforms export it) one archive that holds them."""
    tree = archive.folder_tree(os.fspath(folder))
    top = [entry for entry in tree.entries if len(entry.path) == 1 and not hidden(entry.path[0])]
    if len(top) == 1 and top[0].kind == "file" and archive.split_extension(top[0].path[0])[1]:
        with archive.open_folder(os.fspath(folder)) as fd, archive.archive_tree(
            fd, top[0].path[0]
        ) as inner:
            return take_all(student, inner, labs, into)
    return take_all(student, tree, labs, into)


def take_all(
    student: Student, tree: Tree, labs: Sequence[Lab], into: Path
) -> tuple[Submission, ...]:
    tree = unwrapped(tree, labs)
    return tuple(take_lab(student, tree, lab, into) for lab in labs)


def hidden(name: str) -> bool:
    return name.startswith(".") or archive.is_junk((name,))


def unwrapped(tree: Tree, labs: Sequence[Lab]) -> Tree:
    """The tree below its one top folder, where that folder is not a lab's itself."""
    tops = {
        entry.path[0] for entry in tree.entries if len(entry.path) > 1 or entry.kind == "folder"
    }
    tops = {top for top in tops if not hidden(top)}
    if len(tops) != 1 or tops <= {name for lab in labs for name in folder_names(lab)}:
        return tree
    inside = [entry for entry in tree.entries if entry.path[0] in tops and len(entry.path) > 1]
    if not any(len(entry.path) > 2 or entry.kind == "folder" for entry in inside):
        return tree
    entries = tuple(Entry(entry.path[1:], entry.kind, entry.read) for entry in inside)
    return Tree(entries, tree.left_out)


def folder_names(lab: Lab) -> tuple[str, ...]:
    """The names that a student's folder for this lab may have."""
    return (lab.name, lab.number, lab.number.lstrip("0"))


# ---- one lab ----


def take_lab(student: Student, tree: Tree, lab: Lab, into: Path) -> Submission:
    flags = tuple(f"left out: {what}" for what in tree.left_out)
    try:
        contents = read_all(tree, lab)
        if len(contents) > 1 and contents != read_all(tree, lab):
            raise Unsettled("a file changed while another was read; grade it again when all rest")
    except Refused as error:
        return without_files(student, lab, into, missing=str(error), flags=flags)
    except Unsettled as error:
        return without_files(student, lab, into, refused=str(error), flags=flags)
    folder = into / lab.name
    store(folder, contents)
    return Submission(student.name, student.disk, lab, folder, digest(contents), "", "", flags)


def without_files(
    student: Student,
    lab: Lab,
    into: Path,
    missing: str = "",
    refused: str = "",
    flags: tuple[str, ...] = (),
) -> Submission:
    sha256 = hashlib.sha256(f"nothing: {missing}{refused}".encode()).hexdigest()
    return Submission(
        student.name, student.disk, lab, into / lab.name, sha256, missing, refused, flags
    )


def read_all(tree: Tree, lab: Lab) -> list[tuple[str, bytes]]:
    return [(name, find(tree, lab, name).read(lab.limits.source_kb << 10)) for name in lab.submit]


def find(tree: Tree, lab: Lab, name: str) -> Entry:
    """The one entry that is this file of this lab; otherwise Refused says what is there instead."""
    places = {(folder, name) for folder in folder_names(lab)}
    found = [entry for entry in tree.entries if entry.path in places]
    if len(found) > 1:
        both = " and ".join(shown("/".join(entry.path)) for entry in found)
        same = (
            "twice in the archive"
            if len({entry.path for entry in found}) == 1
            else "two files for one place"
        )
        raise Refused(
            f"{lab.name}/{name} is there more than once ({same}): {both}. Hand in one of them."
        )
    if found and found[0].kind == "file":
        return found[0]
    if found:
        kind = archive.with_article(found[0].kind)
        raise Refused(f"{shown('/'.join(found[0].path))} is {kind}, not a regular file")
    raise Refused(f"{lab.name}/{name} is missing: {instead(tree, lab, name)}")


def instead(tree: Tree, lab: Lab, name: str) -> str:
    """What is there in place of a missing file, in words."""
    elsewhere = [entry for entry in tree.entries if entry.path[-1] == name and entry.kind == "file"]
    if elsewhere:
        return f"a file of that name is at {shown('/'.join(elsewhere[0].path))}, it belongs at {lab.name}/{name}"
    spelled = [entry for entry in tree.entries if entry.path[-1].lower() == name.lower()]
    if spelled:
        return f"there is {shown('/'.join(spelled[0].path))}, but the name has to be {name}, in these letters"
    linked = [
        entry for entry in tree.entries if entry.path in {(top,) for top in folder_names(lab)}
    ]
    if linked and linked[0].kind != "folder":
        return f"{shown(linked[0].path[0])} is {archive.with_article(linked[0].kind)}, not a folder"
    inside = [
        entry
        for entry in tree.entries
        if entry.path[0] in folder_names(lab) and len(entry.path) == 2
    ]
    if inside:
        return "the folder has only " + ", ".join(shown(entry.path[1]) for entry in inside[:5])
    if linked:
        return "the folder is empty"
    if tree.left_out:
        return f"of the archive was left out: {tree.left_out[0]}"
    tops = sorted({entry.path[0] for entry in tree.entries if not hidden(entry.path[0])})
    return (
        f"there is no folder {lab.name}, only " + ", ".join(map(shown, tops[:8]))
        if tops
        else "nothing is there"
    )


def store(folder: Path, contents: list[tuple[str, bytes]]) -> None:
    """Writes the private copy. The sandbox's user has to read it."""
    folder.mkdir(parents=True)
    for name, content in contents:
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o644)
    folder.chmod(0o755)


def digest(contents: list[tuple[str, bytes]]) -> str:
    total = hashlib.sha256()
    for name, content in contents:
        total.update(f"{name}\0{len(content)}\0".encode())
        total.update(content)
    return total.hexdigest()


# ---- a single submission, for check ----


def take_one(lab: Lab, place: Path, into: Path) -> Submission:
    """What lies in a folder (the lab's files themselves, or a folder of that lab) or an archive."""
    whole_path = Path(os.path.abspath(place))
    name = archive.split_extension(whole_path.name)[0]
    student = Student(true_name(name), disk_name(name), (whole_path.name,))
    if whole_path.is_dir():
        try:
            files = tuple(plain_files(whole_path, lab))
        except Refused as error:
            return without_files(student, lab, into, missing=f"{place}: {error}")
        if files:
            return take_lab(student, Tree(files, ()), lab, into)
    return take(whole_path.parent, student, [lab], into)[0]


def plain_files(folder: Path, lab: Lab) -> Iterator[Entry]:
    """What lies in the folder itself, as if the folder had the lab's name; nothing if no file of the lab does."""
    names = archive.list_folder(os.fspath(folder), ())
    here = folder.name in folder_names(lab) or any(name in lab.submit for name, _ in names)
    for name, kind in names if here else []:
        yield Entry((lab.name, name), kind, archive.folder_reader(os.fspath(folder), (name,)))
